"""Which rows of the input are still to be asked: those without a result, of this shard.

Also where what must not happen is noticed before anything is paid: an id that is there twice, a
row that is no request, an output that was made from something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from clinecli.batch.checkpoint import Checkpoint, Moved
from clinecli.batch.id_table import Table
from clinecli.batch.results import asked_digest, source_digest
from clinecli.batch.rows import BadRow, Row
from clinecli.batch.source import Input, Record
from clinecli.errors import UsageError
from clinecli.text import counted


class Task(NamedTuple):
    """A row that is to be asked, or told as bad, and the digests that its result will carry.
    `is_repeated` says that it is bad since its id is another's."""

    row: Row | BadRow
    asked: bytes
    source: bytes
    is_repeated: bool = False


class Names(NamedTuple):
    """What messages call input and output."""

    input: str
    output: str


class Sieve:
    """Goes over the records of an input once, in order.

    `earlier` looks a result up by id, for the few rows that are not where they were. `takes` says
    whether an id is of this shard, `answered` is told the rows that have a result. With `skip_bad`,
    rows that are no requests are tasks as well, and so are those that repeat an id.
    """

    def __init__(
        self,
        names: Names,
        checkpoint: Checkpoint,
        earlier: Callable[[bytes], Moved | None],
        *,
        takes: Callable[[str], bool] | None = None,
        answered: Callable[[Row], None] | None = None,
        skip_bad: bool = False,
    ) -> None:
        self._names = names
        self._checkpoint = checkpoint
        self._earlier = earlier
        self._takes = takes
        self._answered = answered
        self._skip_bad = skip_bad
        self._seen = Table()

    def tasks(self, source: Input) -> Iterator[tuple[int, Task | None]]:
        """Each record's number, and its task; None for one that has a result, or is another
        shard's.

        Raises `ClinecliError` for a row that is no request, a repeated id, a row whose result
        answers something else, and in the end for results of other rows.
        """
        claim = self._checkpoint.claim
        digest_of = source_digest(source.settings)
        for record in source:
            digest = digest_of(record.raw)
            if claim(record.line, digest):
                self._tell(source, record)
                yield record.number, None
            else:
                yield record.number, self._task(source.row(record), record.raw, digest)
        self._end()

    def _tell(self, source: Input, record: Record) -> None:
        if self._answered:
            row = source.row(record)
            if isinstance(row, Row):
                self._answered(row)

    def _task(self, row: Row | BadRow, raw: bytes, digest: bytes) -> Task | None:
        if isinstance(row, BadRow) and not self._skip_bad:
            raise row.error
        if self._takes and not self._takes(row.id):
            return None
        row_id = row.id.encode()
        if row_id in self._seen:
            return self._repeated(row, raw, digest)
        asked = asked_digest(row.id, row.data if isinstance(row, Row) else raw)
        if row_id in self._checkpoint and (earlier := self._earlier(row_id)):
            if self._checkpoint.is_claimed(row_id, earlier.line):
                return self._repeated(row, raw, digest)
            if earlier.asked != asked:
                raise self._other_input(
                    f"row '{row.id}' (line {row.line} of {self._names.input}) was asked differently"
                )
            self._checkpoint.claim_moved(row_id, earlier.line, row.line)
            if self._answered and isinstance(row, Row):
                self._answered(row)
            return None
        self._seen.add(row_id)
        return Task(row, asked, digest)

    def _repeated(self, row: Row | BadRow, raw: bytes, digest: bytes) -> Task:
        """A row whose id is another's. Raises `UsageError` where it must not be."""
        bad = as_repeated(row, self._names.input)
        row_id = bad.id.encode()
        if not self._skip_bad or row_id in self._seen or row_id in self._checkpoint:
            raise bad.error
        self._seen.add(row_id)
        return Task(bad, asked_digest(bad.id, raw), digest, is_repeated=True)

    def _end(self) -> None:
        others = len(self._checkpoint) - self._checkpoint.claimed
        if others:
            raise self._other_input(
                f"it has {counted(others, 'row')} that {self._names.input} does not have"
            )

    def _other_input(self, how: str) -> UsageError:
        return UsageError(
            f"{self._names.output} was made from another input or with other settings: {how}",
            hint="give another --output, or --restart to begin anew (the file is kept aside)",
        )


def as_repeated(row: Row | BadRow, name: str) -> BadRow:
    """A row of an input as one whose id is another's: the number of its line tells it apart."""
    error = UsageError(
        f"{name}, line {row.line}: the id '{row.id}' is there twice",
        hint="give each row an id of its own, or none: then it is the number of its line",
    )
    return BadRow(str(row.line), row.number, row.line, error)
