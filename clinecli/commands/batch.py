"""`batch`: a request for each row of the input, a line for each in the output.

    plan      flags -> Plan: nothing is open, nothing was sent
    stored    outputs are locked, and what earlier runs have left in them is read
    surveyed  a file is checked and compared with that; a pipe is when its rows come
    ask_all   what is left is sent, written and counted
    finished  order, summary, exit status
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from clinecli.batch.plan import Plan, plan
from clinecli.batch.prepare import (
    Source,
    Stored,
    open_outputs,
    open_source,
    output_paths,
    sieve_of,
    stored,
)
from clinecli.batch.store import ResultFile, StoredFile
from clinecli.config.keys import find_key
from clinecli.errors import EmptyMessageError, ExitStatus, UsageError
from clinecli.options.batch import BatchOptions
from clinecli.streams.files import FileSink
from clinecli.streams.stdio import Messages, StdoutSink, Terminated

if TYPE_CHECKING:
    from clinecli.batch.engine import Feed
    from clinecli.batch.feed import Survey
    from clinecli.batch.sieve import Sieve, Task
    from clinecli.batch.summary import End


def run(options: BatchOptions) -> int:
    """Ask every row; 0 means that each has a complete answer. Raises `ClinecliError`."""
    network = options.network
    messages = Messages(quiet=network.quiet, verbose=network.verbose)
    if options.merge:
        return _merge(options, messages)
    planned = plan(options, os.environ)
    if planned.shard:
        messages.note(f"shard {planned.shard}, by {planned.shard.source}")
    source = open_source(options.words)
    if options.estimate or options.dry_run:
        return _preview(planned, source)
    summary = FileSink(options.summary) if options.summary else None
    try:
        files = open_outputs(options, messages.note)
        kept = stored(planned, files)
        end = _ask(planned, source, files, kept, messages)
        return _finished(planned, files, kept, end, summary, messages)
    finally:
        if summary:
            summary.discard()


def _ask(
    planned: Plan,
    source: Source,
    files: tuple[ResultFile, ...],
    kept: Stored,
    messages: Messages,
) -> End:
    """Ask what is left of the input."""
    from clinecli.batch.feed import FileFeed, PipeFeed
    from clinecli.batch.summary import End
    from clinecli.batch.tally import Tally

    sieve = sieve_of(planned, source, kept)
    found = _survey(planned, source, sieve) if source.is_file else None
    rows = len(kept.checkpoint) + found.rows if found else None
    if rows == 0 and not planned.shard:
        raise _no_rows(source)
    if found and not found.rows:
        _trim(files, kept)
        tally = Tally(kept.checkpoint.answered, kept.checkpoint.failed)
        return End(tally, None, rows, 0.0, resumes=True)
    key = find_key(planned.settings, os.environ)

    def feed_of(wake: Callable[[], None]) -> Feed:
        if found:
            return FileFeed(source.open(planned), found.plan, planned.pricing)
        opened = lambda: source.open(planned)  # noqa: E731
        return PipeFeed(opened, sieve, planned.pricing, planned.options.jobs, wake)

    from clinecli.transport.client import Transport
    from clinecli.transport.deadline import Deadline

    transport = Transport(planned.settings, os.environ)
    # What a pipe brings may be nothing that can be sent.
    early = transport.connect_early(Deadline(planned.settings.timeout)) if found else None
    from clinecli.batch.session import Session, ask_all

    _trim(files, kept)
    output, errors = _placed(planned.options, files)
    session = Session(
        planned,
        output,
        errors,
        kept.checkpoint,
        kept.spent,
        transport,
        early,
        key.secret,
        messages,
        rows,
    )
    end = ask_all(session, feed_of)
    if not end.tally.done and not end.stop and not planned.shard:
        raise _no_rows(source)
    return end


def _survey(planned: Plan, source: Source, sieve: Sieve) -> Survey:
    """Check a file before anything is sent."""
    from clinecli.batch.feed import survey
    from clinecli.batch.tasks import request_of

    def price(task: Task) -> None:
        request_of(task, planned.pricing)

    has_price = planned.pricing.prices is not None
    return survey(source.open(planned), sieve, price if has_price else lambda _: None)


def _no_rows(source: Source) -> EmptyMessageError:
    return EmptyMessageError(
        f"{source.name} has no rows: nothing was sent", hint="a row is one line of it"
    )


def _trim(files: tuple[ResultFile, ...], kept: Stored) -> None:
    """Let go of what does not stay: failed rows that are asked again, a torn line."""
    for file, extent in zip(files, kept.extents, strict=True):
        if file.is_regular:
            file.keep(extent)


def _placed(
    options: BatchOptions, files: tuple[ResultFile, ...]
) -> tuple[ResultFile | None, ResultFile | None]:
    """Which of the files is of --output, and which of --errors."""
    has_output = options.output not in {None, "-"}
    return (files[0] if has_output else None), (files[-1] if options.errors else None)


def _preview(planned: Plan, source: Source) -> int:
    """What --estimate and --dry-run ask for; nothing is locked, changed or sent."""
    from clinecli.batch.estimate import Estimate, estimate_lines
    from clinecli.batch.rows import Row

    options = planned.options
    files = tuple(StoredFile(path) for path, _ in output_paths(options))
    sieve = sieve_of(planned, source, kept := stored(planned, files))
    sink = StdoutSink()
    estimate = Estimate()
    for _, task in sieve.tasks(source.open(planned)):
        if task is None or not isinstance(task.row, Row):
            continue
        if options.dry_run:
            sink.write(task.row.data + b"\n")
            sink.flush()
        else:
            estimate = estimate.plus(task.row.body, planned.prices, len(task.row.data))
    if options.estimate:
        lines = estimate_lines(estimate, planned.rpm, planned.tpm)
        sink.write("".join(f"{line}\n" for line in lines).encode())
    sink.commit()
    if not estimate.rows and not options.dry_run and not len(kept.checkpoint):
        raise _no_rows(source)
    return ExitStatus.OK


def _finished(
    planned: Plan,
    files: tuple[ResultFile, ...],
    kept: Stored,
    end: End,
    summary: FileSink | None,
    messages: Messages,
) -> int:
    """Order, summary and exit status."""
    from clinecli.batch.summary import end_error, summary_line, summary_object
    from clinecli.jsontext import dumps

    options = planned.options
    output = _placed(options, files)[0]
    if output and output.is_regular and (options.ordered or options.text):
        from clinecli.batch.order import put_in_order, texts

        for file in files:
            if file.is_regular:
                put_in_order(file, kept.checkpoint)
    messages.note(summary_line(end))
    error = end_error(end)
    signal = end.stop.signal if end.stop else None
    status = 128 + signal if signal else error.status if error else ExitStatus.OK
    if summary:
        summary.write(dumps(summary_object(end, status)) + b"\n")
        summary.commit()
    if signal:
        raise Terminated(signal)
    if error:
        raise error
    return ExitStatus.OK


def _merge(options: BatchOptions, messages: Messages) -> int:
    raise UsageError("--merge is not there yet")
