"""Results in the order of the input, once all of them are there."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import IO

from clinecli.batch.checkpoint import Checkpoint
from clinecli.batch.outputs import text_of
from clinecli.batch.results import read_head
from clinecli.batch.store import ResultFile
from clinecli.chat.codec import decode_reply
from clinecli.chat.reply import Event, Reply
from clinecli.jsontext import dumps, loads

# A line of the input beyond this is sorted, which takes more memory.
_MOST_LINES = 1 << 30


class Places:
    """Where the results of a file stand, by the line of the input that they are of."""

    def __init__(self, file: IO[bytes], checkpoint: Checkpoint) -> None:
        # Begin and end by line; both zero where there is none.
        self._begins = array("Q")
        self._ends = array("Q")
        self._others: list[tuple[int, int, int]] = []
        self.is_in_order = True
        last = begin = 0
        for text in file:
            end = begin + len(text)
            head = read_head(text)
            if head:
                line = checkpoint.line_of(head)
                self.is_in_order = self.is_in_order and line >= last
                last = line
                self._add(line, begin, end)
            begin = end

    def _add(self, line: int, begin: int, end: int) -> None:
        if line >= len(self._ends) and line < _MOST_LINES:
            more = bytes(8 * (max(line + 1, 2 * line) - len(self._ends)))
            self._begins.frombytes(more)
            self._ends.frombytes(more)
        if line >= _MOST_LINES or self._ends[line]:
            self._others.append((line, begin, end))
        else:
            self._begins[line], self._ends[line] = begin, end

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Begin and end of each result, in the order of the input."""
        others = sorted(self._others, reverse=True)
        for line, (begin, end) in enumerate(zip(self._begins, self._ends, strict=True)):
            if end:
                yield begin, end
            while others and others[-1][0] <= line:
                yield others.pop()[1:]
        yield from (other[1:] for other in reversed(others))


def put_in_order(file: ResultFile, checkpoint: Checkpoint) -> None:
    """Order the lines of a file. Raises `OutputError`."""
    with file.reader() as reader:
        places = Places(reader, checkpoint)
    if not places.is_in_order:
        file.rewrite(places)


def texts(file: ResultFile) -> Iterator[bytes]:
    """The replies of a file alone, a JSON string for each line, null for a row that failed."""
    with file.reader() as reader:
        for line in reader:
            head = read_head(line)
            reply = None
            if head and head.answered:
                body = dumps(loads(line)["response"]["body"])
                reply = Reply()
                reply.add(Event(body, decode_reply(body), done=True))
            yield text_of(reply)
