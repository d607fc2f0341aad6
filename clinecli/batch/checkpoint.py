"""What an output says of earlier runs: which rows are finished, and what was asked.

The output is the checkpoint. A line that ends in a line feed was written whole; what follows the
last line feed is what a killed process or a full disk left of a line, and is cut off. After a power
cut, blocks that had not reached the disk may read as zeros: a line with such a gap is lost as well.

Rows that failed are asked again, unless they are to be kept: their lines go when a run begins.

A million lines are read within two seconds, since nearly every row is recognised by the digest of
its own line at its own place, without being parsed. Only where the input was edited, rows are
looked up by id and compared by what is asked.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable
from typing import IO, NamedTuple

from clinecli.batch.id_table import Table
from clinecli.batch.results import (
    ANSWERED,
    DIGEST_BYTES,
    HEAD,
    Head,
    exit_status,
    read_head,
    unescape,
)
from clinecli.errors import ExitStatus, UsageError

_LINE_BYTES = 8
# Key, credit and TLS say nothing of a row: it is always asked again.
_OF_NO_ROW = {ExitStatus.CONFIG, ExitStatus.AUTH, ExitStatus.CREDIT, ExitStatus.TLS}
_BEGIN = b'{"id":"batch_'
MOVED_BYTES = DIGEST_BYTES + _LINE_BYTES
# Each line of the input costs 8 bytes. One beyond this is looked up by id.
_MOST_LINES = 1 << 30


class Checkpoint:
    """The results that stay. `answered` counts those with an answer, `failed` those with an
    error, by exit status; `claimed` those whose row was met in the input."""

    def __init__(self) -> None:
        # By line of the input: the source digest of its result, zero where it has none.
        self._sources = array("Q")
        self._ids = Table()
        # Results that could not be put there, and those that were found by id.
        self._unplaced = Table()
        self._moved = Table(_LINE_BYTES)
        self.answered = 0
        self.failed: Counter[int] = Counter()
        self.claimed = 0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, row_id: bytes) -> bool:
        return row_id in self._ids

    def keep(self, line: int, source: int, row_id: bytes) -> None:
        """Keep the result of a line of the input; the digest is given as a number."""
        self._ids.add(row_id)
        sources = self._sources
        if line >= len(sources) and line < _MOST_LINES:
            sources.frombytes(bytes(sources.itemsize * (max(line + 1, 2 * line) - len(sources))))
        if line < _MOST_LINES and not sources[line]:
            sources[line] = source
        else:
            self._unplaced.add(row_id)

    def keep_failed(self, head: Head, line: bytes) -> bool:
        """Keep a failed row, unless its failure says nothing of it."""
        status = exit_status(line)
        if status in _OF_NO_ROW:
            return False
        self.keep(head.line, int.from_bytes(head.source), head.id)
        self.failed[status] += 1
        return True

    def claim(self, line: int, source: bytes) -> bool:
        """Whether this very line of the input has a result, which no other row can claim then."""
        sources = self._sources
        if line >= len(sources) or sources[line] != int.from_bytes(source):
            return False
        sources[line] = 0
        self.claimed += 1
        return True

    def is_claimed(self, row_id: bytes, line: int) -> bool:
        """Whether a row of the input has claimed the result of this id, which is of that line."""
        return row_id in self._moved or (row_id not in self._unplaced and not self._sources[line])

    def claim_moved(self, row_id: bytes, line: int, now: int) -> None:
        """Claim the result of a row that is in line `now`, and that is of another line."""
        if row_id not in self._unplaced:
            self._sources[line] = 0
        self._moved.add(row_id, now.to_bytes(_LINE_BYTES, "little"))
        self.claimed += 1

    def line_of(self, head: Head) -> int:
        """The line of the input in which the row of a result is now."""
        moved = self._moved.get(head.id) if self._moved else None
        return head.line if moved is None else int.from_bytes(moved, "little")


class Extent(NamedTuple):
    """The part of a file that stays: up to `end`, without the stretches (begin, end) that go."""

    end: int
    dropped: tuple[tuple[int, int], ...]

    @property
    def stretches(self) -> list[tuple[int, int]]:
        """What stays, as stretches (begin, end)."""
        begins = [0, *(last for _, last in self.dropped)]
        ends = [*(first for first, _ in self.dropped), self.end]
        return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


class Found(NamedTuple):
    """A result of an earlier run: the id of its row, its line, whether that stays, and whether it
    is another row's (--dedupe)."""

    id: bytes
    line: bytes
    stays: bool
    copied: bool


def scan(
    file: IO[bytes],
    name: str,
    checkpoint: Checkpoint,
    *,
    keep_failed: bool = False,
    each: Callable[[Found], None] | None = None,
) -> Extent:
    """Read a file of results from its beginning, and what of it stays. `each` is told every line.

    Raises `UsageError` for a file that holds anything else.
    """
    keep, match = checkpoint.keep, HEAD.match
    dropped: list[tuple[int, int]] = []
    begin = answered = 0
    for number, line in enumerate(file, 1):
        end = begin + len(line)
        head = match(line)
        if head and line.endswith(ANSWERED) and b"\0" not in line:
            kind, place, _, source, row_id = head.groups()
            row_id = unescape(row_id) if b"\\" in row_id else row_id
            keep(int(place), int(source, 16), row_id)
            answered += 1
            if each:
                each(Found(row_id, line, stays=True, copied=kind == b"copy"))
        elif not line.endswith(b"\n") and _may_be_torn(line, is_first=number == 1):
            break
        else:
            is_lost = _is_lost(line, is_first=number == 1)
            failed = None if is_lost else read_head(line)
            if failed is None and not is_lost:
                raise _foreign(name, number)
            stays = bool(failed and keep_failed and checkpoint.keep_failed(failed, line))
            if not stays:
                _drop(dropped, begin, end)
            if failed and each:
                each(Found(failed.id, line, stays, failed.copied))
        begin = end
    checkpoint.answered += answered
    return Extent(begin, tuple(dropped))


def _drop(dropped: list[tuple[int, int]], begin: int, end: int) -> None:
    """Add a stretch that goes; it follows those that are there."""
    if dropped and dropped[-1][1] == begin:
        begin = dropped.pop()[0]
    dropped.append((begin, end))


def _may_be_torn(line: bytes, *, is_first: bool) -> bool:
    """Whether a line without a line feed can be what is left of a result."""
    return line.startswith(_BEGIN[: len(line)]) or _is_lost(line, is_first=is_first)


def _is_lost(line: bytes, *, is_first: bool) -> bool:
    """Whether a line did not reach the disk as a whole: no line of ours has zeros. A file that
    begins with zeros and goes on with something else is not ours: binary files do."""
    if not line.strip(b"\0 \r\n"):
        return True
    reached, gap, _ = line.partition(b"\0")
    is_ours = reached.startswith(_BEGIN[: len(reached)])
    return bool(gap) and is_ours and not (is_first and not reached)


def _foreign(name: str, number: int) -> UsageError:
    return UsageError(
        f"line {number} of {name} is no result of clinecli batch: nothing was sent",
        hint="give another --output, or --restart to begin anew (the file is kept aside)",
    )


class Moved(NamedTuple):
    """A result that an output has already: of which line of the input, and what was asked."""

    line: int
    asked: bytes


def offsets(file: IO[bytes], extent: Extent) -> Table:
    """Where each answered row of a file stands once only `extent` is left of it, by id."""
    table = Table(_LINE_BYTES)
    dropped = deque(extent.dropped)
    begin = gone = 0
    for line in file:
        while dropped and dropped[0][1] <= begin:
            first, last = dropped.popleft()
            gone += last - first
        head = read_head(line)
        if head and head.answered and not head.copied:
            table.add(head.id, (begin - gone).to_bytes(_LINE_BYTES, "little"))
        begin += len(line)
    return table


def by_id(file: IO[bytes], into: Table) -> None:
    """Add every result of a file to a table of `MOVED_BYTES`: for inputs that were edited."""
    for line in file:
        head = read_head(line)
        if head and head.id not in into:
            into.add(head.id, head.asked + head.line.to_bytes(_LINE_BYTES, "little"))


def moved(table: Table, row_id: bytes) -> Moved | None:
    """The entry of a row in such a table."""
    value = table.get(row_id)
    if value is None:
        return None
    return Moved(int.from_bytes(value[DIGEST_BYTES:], "little"), value[:DIGEST_BYTES])
