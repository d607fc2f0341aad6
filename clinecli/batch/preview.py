"""`--estimate` and `--dry-run`: what would be asked. Nothing is locked, changed or sent."""

from __future__ import annotations

from collections.abc import Iterator

from clinecli.batch.estimate import Estimate, estimate_lines
from clinecli.batch.id_table import Table
from clinecli.batch.plan import Plan
from clinecli.batch.prepare import Source, Stored, output_paths, sieve_of, stored
from clinecli.batch.results import asked_digest
from clinecli.batch.rows import Row
from clinecli.batch.store import StoredFile
from clinecli.streams.stdout import StdoutSink


def preview(plan: Plan, source: Source) -> int:
    """Print it; gives how many rows the input has. Raises `ClinecliError`."""
    files = tuple(StoredFile(path) for path, _ in output_paths(plan.options))
    kept = stored(plan, files)
    sink = StdoutSink()
    estimate = Estimate()
    count = 0
    for row in _rows(plan, source, kept):
        count += 1
        if plan.options.dry_run:
            sink.write(row.data + b"\n")
            sink.flush()
        else:
            estimate = estimate.plus(row.body, plan.prices, len(row.data))
    if plan.options.estimate:
        for line in estimate_lines(estimate, plan.rpm, plan.tpm):
            sink.write(f"{line}\n".encode())
    sink.commit()
    return count + len(kept.checkpoint)


def _rows(plan: Plan, source: Source, kept: Stored) -> Iterator[Row]:
    """The rows that would be asked; of those that ask the same, one with --dedupe."""
    seen = Table()
    for _, task in sieve_of(plan, source, kept).tasks(source.open(plan)):
        if task is None or not isinstance(task.row, Row):
            continue
        same = asked_digest("", task.row.data)
        if plan.options.dedupe and same in seen:
            continue
        if plan.options.dedupe:
            seen.add(same)
        yield task.row
