"""Where results go: to a file that can be continued or to a stream, as they come or in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from clinecli.batch.copies import Copies, Spool
from clinecli.batch.engine import Feed, Finished
from clinecli.batch.results import result_line
from clinecli.batch.store import ResultFile
from clinecli.batch.tasks import Request
from clinecli.chat.reply import Reply
from clinecli.jsontext import dumps
from clinecli.text import clean

# How far rows may be ahead of the one whose turn it is: so many at least, so many for each worker,
# and so many bytes of results that are held back.
_AHEAD = 256
_AHEAD_PER_JOB = 16
_AHEAD_BYTES = 32 * 1024 * 1024


def text_of(reply: Reply | None) -> bytes:
    """A reply alone, as a JSON string on a line; null where there is none."""
    if reply is None:
        return b"null\n"
    text = reply.text
    if not reply.has_text and reply.tool_calls:
        from clinecli.chat.render import tool_call_line

        text = b"".join(map(tool_call_line, reply.tool_calls)).decode()
    return dumps(clean(text)) + b"\n"


class Results:
    """Writes each result where it belongs: failed rows to `errors`, if there is such a file.

    `put` takes the line of a row, by its number, and gives the offset where it stands, if that is
    known. `copies` is told where answers can be read again. Raises `OutputError` and `ClosedPipe`.
    """

    def __init__(
        self,
        put: Callable[[int, bytes], int | None],
        errors: ResultFile | None,
        *,
        text: bool = False,
        copies: Copies | None = None,
        spool: Spool | None = None,
    ) -> None:
        self._put = put
        self._errors = errors
        self._text = text
        self._copies = copies
        self._spool = spool

    def write(self, finished: Finished) -> None:
        """Write one result."""
        request, verdict, copied = finished
        whole = b""
        if not self._text or self._errors or self._spool:
            whole = result_line(request.row, verdict.response, verdict.error, copied=copied)
        line = whole
        if self._errors and verdict.error:
            self._errors.append(whole)
            line = b""
        if self._text:
            line = text_of(None if verdict.error else verdict.reply)
        offset = self._put(request.number, line)
        if self._copies and not copied and verdict.error is None:
            if self._spool:
                offset = self._spool.append(whole)
            if offset is not None:
                self._copies.remember(request.data, offset)


class InOrder:
    """Holds lines back until it is their turn: numbers are expected in order, and come in any.

    It is also the feed of these rows, and gives none while too much is held back.
    """

    def __init__(self, feed: Feed, write: Callable[[bytes], object], jobs: int) -> None:
        self._feed = feed
        self._write = write
        self._most = max(_AHEAD, _AHEAD_PER_JOB * jobs)
        self._expected: deque[int] = deque()
        self._lines: dict[int, bytes] = {}
        self._size = 0

    @property
    def ended(self) -> bool:
        return self._feed.ended

    def take(self) -> Request | None:
        """The next request, None when there is none now."""
        if len(self._expected) >= self._most or self._size > _AHEAD_BYTES:
            return None
        request = self._feed.take()
        if request:
            self._expected.append(request.number)
        return request

    def put(self, number: int, line: bytes) -> None:
        """Take a line in, and write those whose turn it is."""
        self._lines[number] = line
        self._size += len(line)
        ready = []
        while self._expected and self._expected[0] in self._lines:
            ready.append(self._lines.pop(self._expected.popleft()))
        if ready:
            data = b"".join(ready)
            self._size -= len(data)
            self._write(data)

    def close(self) -> None:
        """Write what is held back; the rows between that have no result are left out."""
        for number in sorted(self._lines):
            self._write(self._lines[number])
        self._lines.clear()
