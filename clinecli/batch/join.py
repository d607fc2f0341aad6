"""`--merge`: what shards have written, as one output."""

from __future__ import annotations

from collections.abc import Iterator

from clinecli.batch.merge import read_shards, write_shards
from clinecli.batch.plan import Plan
from clinecli.batch.prepare import Source, open_source
from clinecli.batch.summary import End
from clinecli.errors import UsageError
from clinecli.streams.output import FileSink
from clinecli.streams.stdout import open_sink


def join(plan: Plan, words: list[str]) -> End:
    """Merge the outputs that are named after the input. Raises `ClinecliError`."""
    if len(words) < 2:
        raise UsageError(
            "--merge needs the input and the outputs of its shards",
            hint="clinecli batch INPUT --merge OUTPUT… -o FILE",
        )
    source = open_source(words[:1])
    if not source.is_file:
        raise UsageError(
            f"--merge reads {source.name} twice: it must be a file", hint="give its name"
        )
    shards = read_shards(lambda: _ids(plan, source), source.name, words[1:])
    sink = open_sink(plan.options.output)
    errors = FileSink(plan.options.errors, flag="--errors") if plan.options.errors else None
    try:
        write_shards(shards, sink, errors)
        sink.commit()
        if errors:
            errors.commit()
    finally:
        sink.discard()
        if errors:
            errors.discard()
    return End(shards.tally, None, shards.tally.done, 0.0, resumes=True)


def _ids(plan: Plan, source: Source) -> Iterator[str]:
    opened = source.open(plan)
    for record in opened:
        yield opened.row(record).id
