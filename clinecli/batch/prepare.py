"""Input and outputs of a batch, opened, and what earlier runs have left in the outputs."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from itertools import combinations, product
from typing import IO, NamedTuple

from clinecli.batch.checkpoint import (
    MOVED_BYTES,
    Checkpoint,
    Extent,
    Found,
    Moved,
    by_id,
    moved,
    offsets,
    scan,
)
from clinecli.batch.copies import Copies
from clinecli.batch.id_table import Table
from clinecli.batch.plan import Plan
from clinecli.batch.results import body_of
from clinecli.batch.rows import Row
from clinecli.batch.sieve import Names, Sieve
from clinecli.batch.source import Input
from clinecli.batch.store import (
    ResultFile,
    StoredFile,
    has_content,
    is_regular,
    set_aside,
)
from clinecli.errors import UsageError
from clinecli.models.price import Prices, usage_of
from clinecli.options.batch import BatchOptions
from clinecli.streams.descriptors import STDIN, is_terminal
from clinecli.streams.output import is_same_file

_BLOCK = 1 << 20


class Source(NamedTuple):
    """The input. One that `is_file` can be read again, from `start`."""

    file: IO[bytes]
    name: str
    is_file: bool
    start: int

    def open(self, plan: Plan) -> Input:
        """A pass over the input."""
        if self.is_file:
            self.file.seek(self.start)
        return Input(self.file, self.name, plan.form, plan.defaults, plan.digest)


class Stored(NamedTuple):
    """The outputs, what of them stays, and what it says. Without files all is empty. `spent` is
    what earlier runs did cost, in pico-dollars, where --max-cost has to know; `offsets` are where
    answers stand, by id, where --dedupe has to."""

    files: tuple[StoredFile, ...]
    extents: tuple[Extent, ...]
    checkpoint: Checkpoint
    spent: int
    offsets: Table | None


def open_source(words: list[str] | None) -> Source:
    """The input that is named, or stdin. Raises `UsageError`."""
    if words and len(words) > 1:
        raise UsageError(
            f"batch takes one input, not {len(words)}", hint="join them: cat FILE… | clinecli batch"
        )
    if not words or words[0] == "-":
        if is_terminal(STDIN) and not words:
            raise UsageError("no input", hint="clinecli batch FILE, or … | clinecli batch")
        file, name = os.fdopen(STDIN, "rb", _BLOCK, closefd=False), "stdin"
    else:
        name = words[0]
        try:
            file = open(name, "rb", _BLOCK)  # noqa: PTH123, SIM115
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "not a valid path"
            raise UsageError(
                f"cannot read {name}: {reason}", hint="check the path and its permissions"
            ) from None
    is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    return Source(file, name, is_file, file.tell() if is_file else 0)


def writes_text(options: BatchOptions) -> bool:
    """Whether a file is to have the replies' text alone. It has no ids: until all rows are done,
    results are kept in a file of their own beside it."""
    path = options.output
    return options.text and path not in {None, "-"} and is_regular(str(path))


def output_paths(options: BatchOptions) -> list[tuple[str, str]]:
    """The files that results go to while the batch runs, that of --output first, each with its
    flag."""
    if writes_text(options):
        return [(f"{options.output}.part", "--output")]
    named = ((options.output, "--output"), (options.errors, "--errors"))
    return [(str(path), flag) for path, flag in named if path not in {None, "-"}]


def check_places(options: BatchOptions) -> None:
    """Raise `UsageError` for a file that would be written twice, or is also to be read."""
    named = {"--output": options.output, "--errors": options.errors, "--summary": options.summary}
    if writes_text(options):
        named["--text"] = f"{options.output}.part"
    written = [
        (flag, str(path))
        for flag, path in named.items()
        if path not in {None, "-"} and is_regular(str(path))
    ]
    for (one, path), (other, same) in combinations(written, 2):
        if is_same_file(path, same):
            raise UsageError(f"{one} and {other} are one file: {path}", hint="give them two names")
    for name, (flag, path) in product(options.words or [], written):
        if is_same_file(name, path):
            raise UsageError(f"{flag} would replace {name}, which is read", hint="name another")


def open_outputs(options: BatchOptions, note: Callable[[str], None]) -> tuple[ResultFile, ...]:
    """These files, locked; with --restart what is in them is moved aside.

    Raises `OutputError`, `UsageError`.
    """
    if writes_text(options):
        _make_way(options, note)
    files = tuple(ResultFile(path, flag) for path, flag in output_paths(options))
    for file in files:
        if not file.has_lock and file.is_regular:
            note(f"{file.name} cannot be locked there: run no second batch on it")
        aside = file.set_aside() if options.restart else None
        if aside:
            note(f"the earlier {file.name} is kept as {aside}")
    return files


def _make_way(options: BatchOptions, note: Callable[[str], None]) -> None:
    """Move a file of --text aside for --restart. Raises `UsageError` for one that is finished,
    which nothing can continue."""
    path = str(options.output)
    if not has_content(path):
        return
    if options.restart:
        note(f"the earlier {path} is kept as {set_aside(path)}")
    elif not has_content(f"{path}.part"):
        raise UsageError(
            f"{path} is there already, and --text has no ids by which it could be continued",
            hint="give another --output, or --restart to begin anew (the file is kept aside)",
        )


def stored(plan: Plan, files: tuple[StoredFile, ...]) -> Stored:
    """Read what is in the outputs. Raises `UsageError` for a file that is no output."""
    options, checkpoint = plan.options, Checkpoint()
    spent = [0]
    extents = []
    for file in files:
        if not file.is_regular:
            extents.append(Extent(0, ()))
            continue
        with file.reader() as reader:
            extents.append(
                scan(
                    reader,
                    file.name,
                    checkpoint,
                    keep_failed=options.keep_failed,
                    each=_each(plan, file.name, spent),
                )
            )
    places = None
    if options.dedupe and files and files[0].is_regular:
        with files[0].reader() as reader:
            places = offsets(reader, extents[0])
    return Stored(files, tuple(extents), checkpoint, spent[0], places)


def _each(plan: Plan, name: str, spent: list[int]) -> Callable[[Found], None] | None:
    """What looks at every result: is it of this shard, and what did it cost (into `spent[0]`)?"""
    shard, cap, prices = plan.shard, plan.cap, plan.prices
    if shard is None and cap is None:
        return None

    def each(found: Found) -> None:
        if shard and found.stays and not shard.takes(found.id.decode()):
            raise UsageError(
                f"{name} has row '{found.id.decode()}', which is not of shard {shard}",
                hint="give each shard an --output of its own; --merge joins them",
            )
        if cap is not None and not found.copied:
            spent[0] += _cost(found.line, prices)

    return each


def _cost(line: bytes, prices: Prices) -> int:
    """What the response of a line did cost, as far as it says."""
    body = body_of(line)
    usage = usage_of(body.get("usage"), prices.of(body.get("model")))
    return (usage.cost or 0) if usage else 0


def sieve_of(plan: Plan, source: Source, stored: Stored, copies: Copies | None = None) -> Sieve:
    """What tells the rows that are still to be asked; `copies` is told of the others."""
    options = plan.options
    table: list[Table] = []

    def find(row_id: bytes) -> Moved | None:
        if not table:
            table.append(Table(MOVED_BYTES))
            for file in stored.files:
                with file.reader() as reader:
                    by_id(reader, table[0])
        return moved(table[0], row_id)

    return Sieve(
        Names(source.name, stored.files[0].name if stored.files else "stdout"),
        stored.checkpoint,
        find,
        takes=plan.shard.takes if plan.shard else None,
        answered=_remembering(copies, stored.offsets) if copies and stored.offsets else None,
        skip_bad=options.skip_bad,
    )


def _remembering(copies: Copies, places: Table) -> Callable[[Row], None]:
    def remember(row: Row) -> None:
        place = places.get(row.id.encode())
        if place is not None:
            copies.remember(row.data, int.from_bytes(place, "little"))

    return remember
