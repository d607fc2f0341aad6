"""A batch from its open input and outputs to its end: survey, copies, connection, loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from clinecli.batch.plan import Plan
from clinecli.batch.prepare import Source, Stored, sieve_of
from clinecli.batch.store import ResultFile
from clinecli.config.keys import find_key
from clinecli.errors import EmptyMessageError
from clinecli.streams.console import Console

if TYPE_CHECKING:
    from clinecli.batch.copies import Copies, Spool
    from clinecli.batch.engine import Feed
    from clinecli.batch.feed import Survey
    from clinecli.batch.sieve import Sieve, Task
    from clinecli.batch.summary import End


class Job(NamedTuple):
    """A batch whose input and outputs are open."""

    plan: Plan
    source: Source
    files: tuple[ResultFile, ...]
    kept: Stored
    console: Console

    @property
    def output(self) -> ResultFile | None:
        """Where results go; None for stdout."""
        has_output = self.plan.options.output not in {None, "-"}
        return self.files[0] if has_output else None

    @property
    def errors(self) -> ResultFile | None:
        """Where the rows that fail go, if not to the others."""
        return self.files[-1] if self.files and self.files[-1] is not self.output else None


def ask(job: Job) -> End:
    """Ask what is left of the input. Raises `ClinecliError`."""
    planned, kept = job.plan, job.kept
    copies, spool = _copies(job)
    sieve = sieve_of(planned, job.source, kept, copies)
    found = _survey(job, sieve) if job.source.is_file else None
    rows = len(kept.checkpoint) + found.rows if found else None
    if rows == 0 and not planned.shard:
        raise no_rows(job.source)
    if found and not found.rows:
        from clinecli.batch.summary import End
        from clinecli.batch.tally import Tally

        _trim(job)
        tally = Tally(kept.checkpoint.answered, kept.checkpoint.failed)
        return End(tally, None, rows, 0.0, resumes=True)
    key = find_key(planned.settings, os.environ).secret
    from clinecli.transport.client import Transport
    from clinecli.transport.deadline import Deadline

    transport = Transport(planned.settings, os.environ)
    # What a pipe brings may be nothing that can be sent.
    early = transport.connect_early(Deadline(planned.settings.timeout)) if found else None
    # These imports run beside the connection.
    from clinecli.batch.session import Session, ask_all

    _trim(job)
    end = ask_all(
        Session(
            planned, job.output, job.errors, kept, transport, early, key, job.console, rows,
            copies, spool,
        ),
        _feed(job, sieve, found),
    )  # fmt: skip
    if not end.tally.done and not end.stop and not planned.shard:
        raise no_rows(job.source)
    return end


def _feed(job: Job, sieve: Sieve, found: Survey | None) -> Callable[[Callable[[], None]], Feed]:
    """What makes the feed, given what wakes the loop."""
    from clinecli.batch.feed import FileFeed, PipeFeed

    planned = job.plan

    def feed_of(wake: Callable[[], None]) -> Feed:
        if found:
            return FileFeed(job.source.open(planned), found.plan, planned.pricing)
        ahead = planned.options.jobs
        return PipeFeed(lambda: job.source.open(planned), sieve, planned.pricing, ahead, wake)

    return feed_of


def _survey(job: Job, sieve: Sieve) -> Survey:
    """Check a file before anything is sent."""
    from clinecli.batch.feed import survey
    from clinecli.batch.tasks import request_of

    pricing = job.plan.pricing

    def price(task: Task) -> None:
        if pricing.prices is not None:
            request_of(task, pricing)

    return survey(job.source.open(job.plan), sieve, price)


def _copies(job: Job) -> tuple[Copies | None, Spool | None]:
    """What --dedupe needs; a file of its own for replies that go to a stream."""
    if not job.plan.options.dedupe:
        return None, None
    from clinecli.batch.copies import Copies, Spool

    if job.output and job.output.is_regular:
        return Copies(job.output), None
    spool = Spool()
    return Copies(spool), spool


def _trim(job: Job) -> None:
    """Let go of what does not stay: failed rows that are asked again, a torn line."""
    for file, extent in zip(job.files, job.kept.extents, strict=True):
        if file.is_regular:
            file.keep(extent)


def no_rows(source: Source) -> EmptyMessageError:
    """The error of an input without a row."""
    return EmptyMessageError(
        f"{source.name} has no rows: nothing was sent", hint="each line of it is a row"
    )
