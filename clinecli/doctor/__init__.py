"""`doctor`: what is wrong, in order, with the remedy."""

from __future__ import annotations

import os
from collections.abc import Sequence

from clinecli.doctor.check import Check, Result, select, verdict
from clinecli.doctor.context import Context
from clinecli.doctor.report import (
    json_report,
    style_for,
    text_report,
    workflow_commands,
)
from clinecli.doctor.runner import run_checks
from clinecli.errors import ExitStatus
from clinecli.jsontext import dumps
from clinecli.options.doctor import DoctorOptions
from clinecli.streams.stdio import STDOUT, Messages, StdoutSink, is_terminal
from clinecli.text import utf8


def run(options: DoctorOptions) -> int:
    """Print the report; the status is that of the root cause. Raises `UsageError`."""
    from clinecli.doctor.checks import CHECKS

    network = options.network
    messages = Messages(quiet=network.quiet, verbose=network.verbose, as_json=options.json)
    chosen = select(CHECKS, options.checks or [])
    if options.list:
        sink = StdoutSink()
        sink.write(_listing(chosen, as_json=options.json))
        sink.commit()
        return ExitStatus.OK
    style = style_for(os.environ, terminal=is_terminal(STDOUT), verbose=network.verbose)
    sink = StdoutSink(ours=style.color and not options.json)
    context = Context(options, os.environ, messages)
    if options.request == "-":
        # Before the checks, whose time it is not.
        _ = context.stdin
    results = examine(chosen, context)
    found = verdict(results, strict=options.strict)
    if options.json:
        sink.write(json_report(results, found) + b"\n")
    else:
        sink.write(utf8(text_report(results, found, style, options.checks or [])))
    sink.commit()
    if os.environ.get("GITHUB_ACTIONS") == "true":
        messages.data(utf8(workflow_commands(results, found)))
    return found.exit_status


def examine(checks: Sequence[Check], context: Context) -> list[Result]:
    """The results of some checks, which `select` has completed by what they need."""
    try:
        return run_checks(checks, context)
    finally:
        context.messages.stop_progress()
        context.close()


def _listing(checks: Sequence[Check], *, as_json: bool) -> bytes:
    if as_json:
        return dumps([{"id": c.id, "title": c.title, "needs": c.needs} for c in checks]) + b"\n"
    width = max(len(check.id) for check in checks)
    return "".join(f"{check.id:<{width}}  {check.title}\n" for check in checks).encode()
