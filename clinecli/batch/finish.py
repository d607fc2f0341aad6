"""The end of a batch: order, text, summary, and what decides the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clinecli.batch.order import put_in_order, texts
from clinecli.batch.plan import Plan
from clinecli.batch.prepare import Stored, writes_text
from clinecli.batch.results import read_head
from clinecli.batch.store import ResultFile
from clinecli.batch.summary import End, end_error, summary_line, summary_object
from clinecli.errors import ClinecliError, ExitStatus
from clinecli.jsontext import dumps
from clinecli.streams.console import Console
from clinecli.streams.output import FileSink
from clinecli.streams.signals import end_by


def finish(
    plan: Plan,
    files: tuple[ResultFile, ...],
    kept: Stored | None,
    end: End,
    *,
    summary: FileSink | None,
    console: Console,
) -> None:
    """Put everything in its place. Raises `ClinecliError` unless every row is answered; after a
    signal, the process dies of it."""
    options = plan.options
    text = writes_text(options)
    if kept and (options.ordered or text):
        for file in files:
            if file.is_regular:
                put_in_order(file, kept.checkpoint)
    if kept and text and not end.stop:
        _write_text(str(options.output), options.errors, files[0], end)
    console.note(summary_line(end))
    error = end_error(end)
    signal = end.stop.signal if end.stop else None
    if summary:
        summary.write(dumps(summary_object(end, _status(error, signal))) + b"\n")
        summary.commit()
    if signal:
        end_by(signal)
    if error:
        raise error


def _status(error: ClinecliError | None, signal: int | None) -> int:
    if signal:
        return 128 + signal
    return error.status if error else ExitStatus.OK


def _write_text(path: str, errors: str | None, part: ResultFile, end: End) -> None:
    """The file of --text, and that of --errors; what is not needed any more goes."""
    _write(path, texts(part))
    if errors:
        _write(errors, _failed(part))
    if not end.tally.failures:
        Path(part.name).unlink()


def _write(path: str, lines: Iterator[bytes]) -> None:
    sink = FileSink(path)
    try:
        for line in lines:
            sink.write(line)
        sink.commit()
    finally:
        sink.discard()


def _failed(part: ResultFile) -> Iterator[bytes]:
    with part.reader() as reader:
        for line in reader:
            head = read_head(line)
            if head and not head.answered:
                yield line
