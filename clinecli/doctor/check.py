"""What a check is and what it finds. Checks are data; nothing in here looks at anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from clinecli.errors import ClinecliError, ExitStatus, UsageError

if TYPE_CHECKING:
    from clinecli.doctor.context import Context

Status = Literal["ok", "warn", "fail", "skip", "error"]


class Outcome(NamedTuple):
    """What the function of a check gives back."""

    status: Status
    summary: str
    details: tuple[str, ...] = ()
    remedy: str = ""
    exit_status: ExitStatus | None = None


class Check(NamedTuple):
    """One thing to look at. It is skipped when a check that it needs has failed."""

    id: str
    title: str
    needs: tuple[str, ...]
    run: Callable[[Context], Outcome]


class Result(NamedTuple):
    """What became of a check. `blocked_by` is the failed check that it was skipped for."""

    id: str
    title: str
    status: Status
    summary: str
    details: tuple[str, ...]
    remedy: str | None
    blocked_by: str | None
    exit_status: ExitStatus | None
    duration_ms: float

    @property
    def has_failed(self) -> bool:
        """Whether something is wrong, be it with the set-up or with the check itself."""
        return self.status in {"fail", "error"}


class Verdict(NamedTuple):
    """What the whole report comes to."""

    exit_status: ExitStatus
    root_cause: Result | None


def ok(summary: str, *details: str) -> Outcome:
    """Nothing is wrong."""
    return Outcome("ok", summary, details)


def warn(summary: str, *details: str, remedy: str) -> Outcome:
    """It works, but may not for long, or not as it was meant."""
    return Outcome("warn", summary, details, remedy)


def skip(summary: str, *details: str) -> Outcome:
    """There is nothing to look at, which is no failure."""
    return Outcome("skip", summary, details)


def failed(error: ClinecliError, *details: str, remedy: str = "") -> Outcome:
    """What `ask` would end with, and what is known beyond its message."""
    return Outcome("fail", error.text, details, remedy or error.hint, error.status)


def verdict(results: Sequence[Result], *, strict: bool) -> Verdict:
    """The root cause and the exit status.

    The root cause is the first failed check, since checks stand in the order in which `ask` meets
    what they look at. The message alone stands later than `ask` reads it: a fault that
    needs no server comes before the key. With `strict`, a warning is a failure of status 1.
    """
    failures = [result for result in results if result.status == "fail"]
    failures += [result for result in results if result.status == "error"]
    local = {ExitStatus.USAGE, ExitStatus.EMPTY_MESSAGE}
    early = [
        result
        for result in failures
        if result.id == "config" or (result.id == "message" and result.exit_status in local)
    ]
    for result in [*early, *failures]:
        return Verdict(result.exit_status or ExitStatus.INTERNAL, result)
    warning = next((result for result in results if result.status == "warn"), None)
    if strict and warning:
        return Verdict(ExitStatus.INTERNAL, warning)
    return Verdict(ExitStatus.OK, None)


def select(checks: Sequence[Check], wanted: Iterable[str]) -> list[Check]:
    """The wanted checks and what they need, in their order; all of them when none is named.

    Raises `UsageError` for a name that no check has.
    """
    by_id = {check.id: check for check in checks}
    chosen: set[str] = set()
    pending = list(wanted) or list(by_id)
    for name in pending:
        if name not in by_id:
            raise _unknown(name, by_id)
        if name not in chosen:
            chosen.add(name)
            pending.extend(by_id[name].needs)
    return [check for check in checks if check.id in chosen]


def _unknown(name: str, known: Iterable[str]) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(known)}"
    return UsageError(f"no such check: '{name}'", hint=f"{hint} (clinecli doctor --list)")
