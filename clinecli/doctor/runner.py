"""Runs checks in their order. One that crashes does not keep the others from running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from clinecli.chat.api_errors import one_line
from clinecli.doctor.check import Check, Outcome, Result, failed
from clinecli.doctor.context import Context
from clinecli.errors import ClinecliError, ExitStatus
from clinecli.text import clean

PROGRESS_SECONDS = 2.0


def run_checks(
    checks: Iterable[Check], context: Context, clock: Callable[[], float] = time.monotonic
) -> list[Result]:
    """The results of all checks, of those that were skipped as well."""
    began = clock()
    # What each check that is to be skipped, or has failed, goes back to.
    blocked: dict[str, str] = {}
    results = []
    for check in checks:
        blocker = next((blocked[need] for need in check.needs if need in blocked), None)
        if blocker:
            blocked[check.id] = blocker
            outcome = Outcome("skip", f"needs {blocker}, which failed")
            results.append(_result(check, outcome, context, 0.0, blocker))
            continue
        started = clock()
        context.messages.start_progress(
            f"checking {check.id}", after=max(0.0, PROGRESS_SECONDS - (started - began))
        )
        outcome = _outcome(check, context)
        context.messages.stop_progress()
        result = _result(check, outcome, context, clock() - started, None)
        if result.has_failed:
            blocked[check.id] = check.id
        results.append(result)
    return results


def _outcome(check: Check, context: Context) -> Outcome:
    try:
        return check.run(context)
    except ClinecliError as error:
        return failed(error)
    except Exception as error:  # noqa: BLE001 - the other checks go on
        return Outcome(
            "error",
            f"the check itself failed: {type(error).__name__}{_place(error)}",
            remedy="this is a bug of clinecli: please report it",
            exit_status=ExitStatus.INTERNAL,
        )


def _place(error: Exception) -> str:
    """Where it happened. Not the message: it may quote what must stay secret."""
    place = ""
    trace = error.__traceback__
    while trace:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "clinecli" in file.parts:
            place = f" in {file.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _result(
    check: Check, outcome: Outcome, context: Context, seconds: float, blocker: str | None
) -> Result:
    """The outcome with everything that came from outside made harmless: one line, no secret."""

    def tidy(text: str) -> str:
        return one_line(clean(context.redacted(text)), 600)

    return Result(
        check.id,
        check.title,
        outcome.status,
        tidy(outcome.summary),
        tuple(tidy(detail) for detail in outcome.details),
        tidy(outcome.remedy) or None,
        blocker,
        outcome.exit_status,
        round(seconds * 1000, 1),
    )
