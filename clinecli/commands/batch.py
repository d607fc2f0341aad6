"""`batch`: a request for each row of the input, a line for each in the output.

plan      flags -> Plan: nothing is open, nothing was sent
stored    outputs are locked, and what earlier runs have left in them is read
ask       a file is checked and compared with that (a pipe is when its rows come); what is left is
          sent, written and counted
finish    order, text, summary, exit status
"""

from __future__ import annotations

import os

from clinecli.batch.job import Job, ask, no_rows
from clinecli.batch.plan import Plan, plan, request_options
from clinecli.batch.prepare import Stored, check_places, open_outputs, open_source, stored
from clinecli.batch.store import ResultFile
from clinecli.errors import ExitStatus
from clinecli.options.batch import BatchOptions
from clinecli.streams.console import Console
from clinecli.streams.inputs import Reader
from clinecli.streams.output import FileSink
from clinecli.turn.inputs import gather


def run(options: BatchOptions) -> int:
    """Ask every row; 0 means that each has a complete answer. Raises `ClinecliError`."""
    network = options.network
    console = Console(quiet=network.quiet, verbose=network.verbose)
    check_places(options)
    planned = plan(options, gather(request_options(options), Reader(), console), os.environ)
    if planned.shard:
        console.note(f"shard {planned.shard}, by {planned.shard.source}")
    if options.estimate or options.dry_run:
        return _preview(planned)
    summary = FileSink(options.summary, flag="--summary") if options.summary else None
    files: tuple[ResultFile, ...] = ()
    kept: Stored | None = None
    try:
        if options.merge:
            from clinecli.batch.join import join

            end = join(planned, options.words or [])
        else:
            source = open_source(options.words)
            files = open_outputs(options, console.note)
            kept = stored(planned, files)
            end = ask(Job(planned, source, files, kept, console))
        from clinecli.batch.finish import finish

        finish(planned, files, kept, end, summary=summary, console=console)
    finally:
        if summary:
            summary.discard()
    return ExitStatus.OK


def _preview(planned: Plan) -> int:
    from clinecli.batch.preview import preview

    source = open_source(planned.options.words)
    if not preview(planned, source) and not planned.shard:
        raise no_rows(source)
    return ExitStatus.OK
