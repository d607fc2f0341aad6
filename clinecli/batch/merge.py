"""`--merge`: the outputs of shards to one, checked and in the order of the input.

Two passes over the outputs: the first notes where the line of each row stands, the second copies
the lines. Of a row, 8 bytes are kept for its place, and what `Table` needs for its id.

Each row has to stand in the outputs once. A row that is missing, that stands twice, or that is none
of the input's is told before anything is written. What a killed process left of a last line, and
what a power cut left as zeros, is no line: its row is missing.
"""

from __future__ import annotations

import fcntl
import stat
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from clinecli.batch.id_table import Table
from clinecli.batch.results import body_of, exit_status, read_head
from clinecli.batch.tally import Tally
from clinecli.errors import ClinecliError, IncompleteError, UsageError
from clinecli.models.price import usage_of
from clinecli.text import counted

_NUMBER_BYTES = 5
# A place is the number of its output, from 1, and the offset there; 0 is none.
_OFFSET_BITS = 48
_MOST_OUTPUTS = 1 << 15
_MOST_OPEN = 256
_NAMED = 5
_BLOCK = 1 << 20
_HINT = "give the outputs of all shards, each once, and the input that they were made from"


class Sink(Protocol):
    """Where lines go."""

    def write(self, data: bytes) -> None:
        """Write whole lines."""
        ...


class Shards(NamedTuple):
    """Outputs that hold each row of an input once, where, and what their lines say."""

    paths: Sequence[str]
    places: array[int]
    tally: Tally


def read_shards(ids: Callable[[], Iterable[str]], name: str, paths: Sequence[str]) -> Shards:
    """Check that the outputs hold each row of the input `name` once.

    `ids` gives the rows' ids in order, each time it is called. Raises `UsageError` for rows that
    stand twice or are none of the input's, and `IncompleteError` where only some are missing.
    """
    if len(paths) > _MOST_OUTPUTS:
        raise UsageError(f"--merge takes {_MOST_OUTPUTS} outputs", hint="merge in two steps")
    numbers = _numbered(ids(), name)
    places = array("Q", bytes(8 * len(numbers)))
    reader = _Reader(numbers, places)
    for number, path in enumerate(paths, 1):
        reader.read(number, path)
    missing = places.count(0)
    if missing:
        absent = (row_id for place, row_id in zip(places, ids(), strict=False) if not place)
        reader.faults["in none of the outputs"] = _Named(missing, _first(absent))
    if error := _error(reader.faults, len(places), name):
        raise error
    return Shards(paths, places, reader.tally)


def write_shards(shards: Shards, output: Sink, errors: Sink | None = None) -> None:
    """Write the lines in the order of the input; those of failed rows to `errors`, if there is
    such a place."""
    files = _Files(shards.paths)
    try:
        answered, failed = _Buffer(output), _Buffer(errors or output)
        for place in shards.places:
            line = files.line(place)
            head = read_head(line)
            if head is None:
                path = shards.paths[(place >> _OFFSET_BITS) - 1]
                raise UsageError(f"{path} has changed while it was merged", hint=_HINT)
            (answered if head.answered or not errors else failed).add(line)
        answered.flush()
        failed.flush()
    finally:
        files.close()


class _Files:
    """The outputs, of which some are open: an array may have a thousand tasks."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._open: OrderedDict[int, IO[bytes]] = OrderedDict()

    def line(self, place: int) -> bytes:
        """The line that begins at a place."""
        number = (place >> _OFFSET_BITS) - 1
        file = self._open.pop(number, None) or _open(self._paths[number])
        self._open[number] = file
        if len(self._open) > _MOST_OPEN:
            self._open.popitem(last=False)[1].close()
        file.seek(place & ((1 << _OFFSET_BITS) - 1))
        return file.readline()

    def close(self) -> None:
        """Close what is open."""
        for file in self._open.values():
            file.close()


class _Buffer:
    """Whole lines, written a block at a time."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _BLOCK:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._sink.write(b"".join(self._lines))
        self._lines, self._size = [], 0


class _Named(NamedTuple):
    """How many rows have a fault, and what the first of them are called."""

    total: int
    names: tuple[str, ...]

    def plus(self, name: str) -> _Named:
        return _Named(self.total + 1, _first((*self.names, name)))


def _first(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name, _ in zip(names, range(_NAMED), strict=False))


def _numbered(ids: Iterable[str], name: str) -> Table:
    """The place of each row in the input, by id."""
    numbers = Table(_NUMBER_BYTES)
    for row_id in ids:
        key = row_id.encode()
        if key in numbers:
            raise UsageError(
                f"{name}: the id '{row_id}' stands there twice", hint="give each row its own id"
            )
        numbers.add(key, len(numbers).to_bytes(_NUMBER_BYTES, "little"))
    return numbers


class _Reader:
    """The first pass: fills `places`, adds up, and collects what is wrong."""

    def __init__(self, numbers: Table, places: array[int]) -> None:
        self._numbers = numbers
        self._places = places
        self.tally = Tally()
        self.faults: dict[str, _Named] = {}

    def read(self, number: int, path: str) -> None:
        """Take in the lines of one output."""
        offset = 0
        with _open(path) as file:
            _check_finished(file, path)
            for count, line in enumerate(file, 1):
                is_lost = not line.endswith(b"\n") or b"\0" in line
                if not is_lost and not self._take(line, (number << _OFFSET_BITS) + offset):
                    raise UsageError(
                        f"{path}, line {count} is no line of a batch's output", hint=_HINT
                    )
                offset += len(line)

    def _take(self, line: bytes, place: int) -> bool:
        head = read_head(line)
        if head is None:
            return False
        found = self._numbers.get(head.id)
        index = None if found is None else int.from_bytes(found, "little")
        if index is None:
            self._blame("not in the input", head.id)
        elif self._places[index]:
            self._blame("there twice", head.id)
        else:
            self._places[index] = place
            self._count(line, answered=head.answered, copied=head.copied)
        return True

    def _blame(self, fault: str, row_id: bytes) -> None:
        named = self.faults.get(fault, _Named(0, ()))
        self.faults[fault] = named.plus(row_id.decode("utf-8", "replace"))

    def _count(self, line: bytes, *, answered: bool, copied: bool) -> None:
        if answered:
            self.tally.earlier += 1
        else:
            self.tally.failed[exit_status(line)] += 1
        # A row that has the reply of another (--dedupe) costs nothing.
        usage = None if copied else usage_of(body_of(line).get("usage"), None)
        self.tally.spend(usage, (usage.cost or 0) if usage else 0)


def _error(faults: dict[str, _Named], rows: int, name: str) -> ClinecliError | None:
    """What is wrong with the outputs, in one message."""
    if not faults:
        return None
    told = []
    for fault, (count, names) in faults.items():
        more = ", …" if count > len(names) else ""
        told.append(
            f"{counted(count, 'row')} {'is' if count == 1 else 'are'} {fault} "
            f"({', '.join(names)}{more})"
        )
    # Rows that are missing alone can still come.
    is_incomplete = list(faults) == ["in none of the outputs"]
    kind = IncompleteError if is_incomplete else UsageError
    hint = "run the shards that have them again, then merge" if is_incomplete else _HINT
    return kind(f"of the {counted(rows, 'row')} of {name}: {'; '.join(told)}", hint=hint)


def _open(path: str) -> IO[bytes]:
    """An output, which is read twice and so must be a file. Raises `UsageError`."""
    try:
        if stat.S_ISREG(Path(path).stat().st_mode):
            return Path(path).open("rb")
        reason = "not a regular file"
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "not a valid path"
    raise UsageError(f"cannot read {path}: {reason}", hint=_HINT)


def _check_finished(file: IO[bytes], path: str) -> None:
    """Raises `UsageError` while a batch is writing the file, which has it locked."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"a clinecli batch is still writing {path}", hint="merge when it has ended"
        ) from None
    except OSError:
        # A file system without locks.
        pass
