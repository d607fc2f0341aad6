"""`doctor`: what is wrong, in order, with the remedy."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from clinecli.doctor.check import Check, Result, Verdict, select, verdict
from clinecli.doctor.report import (
    check_text,
    ending,
    markdown,
    style_for,
    workflow_commands,
)
from clinecli.doctor.setup import Setup, gather
from clinecli.errors import ExitStatus, OutputError, UsageError
from clinecli.jsontext import dumps
from clinecli.options.doctor import DoctorOptions
from clinecli.streams.console import Console
from clinecli.streams.descriptors import STDOUT, is_terminal
from clinecli.streams.signals import before_death, no_longer
from clinecli.streams.stdout import StdoutSink
from clinecli.text import utf8

if TYPE_CHECKING:
    from clinecli.config.secret import Redactor
    from clinecli.streams.output import FileSink


def run(options: DoctorOptions) -> int:
    """Print the report; the status is that of the root cause. Raises `UsageError`."""
    from clinecli.doctor.checks import CHECKS

    network = options.network
    if options.json and options.markdown:
        raise UsageError("--json and --markdown exclude each other", hint="leave one of them out")
    if options.count is not None and not options.watch:
        raise UsageError("--count is for --watch alone", hint="add --watch S")
    if options.wait and options.watch:
        raise UsageError("--wait and --watch exclude each other", hint="leave one of them out")
    console = Console(quiet=network.quiet, verbose=network.verbose, as_json=options.json)
    chosen = select(CHECKS, options.checks or [])
    if options.list or options.schema:
        sink = StdoutSink()
        sink.write(_schema() if options.schema else _listing(chosen, as_json=options.json))
        sink.commit()
        return ExitStatus.OK
    setup = Setup(options, os.environ, console, gather(options, console))
    if options.watch:
        from clinecli.doctor.watch import watch

        return watch(setup, chosen)
    if options.wait:
        from clinecli.doctor.watch import wait_until_healthy

        wait_until_healthy(setup, chosen, options.wait)
    return _Report(setup, chosen).run()


class _Report:
    """One report, printed as it comes."""

    def __init__(self, setup: Setup, checks: Sequence[Check]) -> None:
        self._setup = setup
        self._checks = checks
        self._options = setup.options
        self._style = style_for(
            setup.environ,
            terminal=is_terminal(STDOUT),
            verbose=setup.options.network.verbose,
            columns=_columns(),
            width=max(len(check.id) for check in checks),
        )
        self._prints_text = not (self._options.json or self._options.markdown)
        self._sink = StdoutSink(ours=self._style.color and self._prints_text)
        self._results: list[Result] = []
        # Before anything is checked, which may take long: what is asked for can be had.
        self._bundle = _place(self._options.bundle, "--bundle")
        _place(self._options.save_chain, "--save-chain", opens=False)
        self._before = self._baseline()

    def run(self) -> int:
        """Run the checks, print what they find, and return the exit status."""
        from clinecli.doctor.runner import Run

        run = Run(self._setup)

        def stand() -> None:
            self._interrupted(run.redactor)

        before_death(stand)
        try:
            for result in run.results(self._checks):
                self._results.append(result)
                if self._prints_text:
                    self._write(check_text(result, self._style))
        finally:
            no_longer(stand)
        found = verdict(self._results, strict=self._options.strict)
        text = ending(self._results, found, self._style, self._options.checks or [])
        if self._options.json:
            self._sink.write(self._document(found, run.redactor) + b"\n")
        elif self._options.markdown:
            self._sink.write(utf8(markdown(self._results, found)))
        else:
            self._write(self._more() + text)
        self._sink.commit()
        if self._bundle:
            self._write_bundle(self._bundle, text, self._document(found, run.redactor))
        if self._options.save_chain:
            self._tell_of_chain(self._options.save_chain)
        if self._setup.environ.get("GITHUB_ACTIONS") == "true":
            self._setup.console.runner_commands(workflow_commands(self._results, found))
        return found.exit_status

    def _write(self, text: str) -> None:
        self._setup.console.stop_progress()
        self._sink.write(utf8(text))
        self._sink.commit()

    def _document(
        self, found: Verdict, redact: Redactor, interrupted_at: str | None = None
    ) -> bytes:
        from clinecli.doctor.document import report

        now = self._setup.now()
        return report(
            self._results, found, self._options, now, redact=redact, interrupted_at=interrupted_at
        )

    def _interrupted(self, redact: Redactor) -> None:
        """Say where it stood. What was printed stays."""
        position = min(len(self._results), len(self._checks) - 1)
        at = self._checks[position].id
        if self._options.json:
            found = verdict(self._results, strict=self._options.strict)
            self._sink.write(self._document(found, redact, at) + b"\n")
            self._sink.commit()
        elif self._options.markdown:
            found = verdict(self._results, strict=self._options.strict)
            told = f"{markdown(self._results, found)}\ninterrupted while checking `{at}`\n"
            self._sink.write(utf8(told))
            self._sink.commit()
        else:
            self._write(f"\ninterrupted while checking {at}\n")

    def _more(self) -> str:
        """Lines of `--verbose` and `--baseline`."""
        lines = []
        if self._options.network.verbose:
            from clinecli.doctor.document import timings_line

            line = timings_line(self._results)
            lines += [f"timings: {line}\n"] if line else []
        if self._before is not None:
            from clinecli.doctor.watch import slower

            lines += [f"{line}\n" for line in slower(self._before, self._results)]
        return "".join(lines)

    def _baseline(self) -> dict[str, float] | None:
        if not self._options.baseline:
            return None
        from clinecli.doctor.watch import baseline

        return baseline(self._options.baseline, self._options.network.timeout)

    def _tell_of_chain(self, path: str) -> None:
        """Say so where --save-chain had nothing to write."""
        from clinecli.doctor.chain import SAVED

        if not any(SAVED in detail for result in self._results for detail in result.details):
            self._setup.console.note(f"no certificate was seen: {path} is not written")

    def _write_bundle(self, sink: FileSink, text: str, document: bytes) -> None:
        """Text and JSON in one file, to attach to a ticket."""
        plain = self._style._replace(color=False, verbose=True, columns=0)
        lines = "".join(check_text(result, plain) for result in self._results)
        sink.write(utf8(lines + text) + b"\n" + document + b"\n")
        sink.commit()


def _columns() -> int:
    """The width of the terminal; 0 where stdout is none."""
    if not is_terminal(STDOUT):
        return 0
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def _place(path: str | None, flag: str, *, opens: bool = True) -> FileSink | None:
    """Where a file is to be written. Raises `OutputError` where that cannot be."""
    if not path:
        return None
    with suppress(OSError, ValueError):
        if stat.S_ISFIFO(os.stat(path).st_mode):  # noqa: PTH116 - as it is, not normalised
            hint = "name a file"
            raise OutputError(f"cannot write {path}: it is a named pipe ({flag})", hint=hint)
    from clinecli.streams.output import FileSink

    sink = FileSink(path, flag=flag)
    if opens:
        return sink
    sink.discard()
    return None


def _schema() -> bytes:
    from importlib.resources import files

    return files("clinecli.doctor").joinpath("report.schema.json").read_bytes()


def _listing(checks: Sequence[Check], *, as_json: bool) -> bytes:
    if as_json:
        return dumps([{"id": c.id, "title": c.title, "needs": c.needs} for c in checks]) + b"\n"
    width = max(len(check.id) for check in checks)
    return "".join(f"{check.id:<{width}}  {check.title}\n" for check in checks).encode()
