"""What a check is and what it finds. Checks are data; nothing in here looks at anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from clinecli.errors import ClinecliError, ExitStatus, UsageError

if TYPE_CHECKING:
    from clinecli.doctor.setup import Setup

Status = Literal["ok", "warn", "fail", "skip", "error"]
_T = TypeVar("_T")


class Finding(NamedTuple):
    """What a check returns: words for people, the error that `ask` would end with, and facts,
    which later checks read by their type."""

    status: Status
    summary: str
    details: tuple[str, ...] = ()
    remedy: str = ""
    error: ClinecliError | None = None
    facts: tuple[object, ...] = ()

    def knowing(self, *facts: object) -> Finding:
        """The same finding with more facts."""
        return self._replace(facts=(*self.facts, *facts))


class Findings:
    """The facts that earlier checks have found, by type. It never changes; `adding` returns the
    next one."""

    __slots__ = ("_facts",)

    def __init__(self, facts: Iterable[object] = ()) -> None:
        self._facts = {type(fact): fact for fact in facts}

    def get(self, kind: type[_T]) -> _T | None:
        """The fact of a type, None when no check has found it."""
        found = self._facts.get(kind)
        return found if isinstance(found, kind) else None

    def __getitem__(self, kind: type[_T]) -> _T:
        """The fact of a type. A check that needs another may rely on what that one finds."""
        found = self._facts[kind]
        assert isinstance(found, kind)
        return found

    def adding(self, facts: Iterable[object]) -> Findings:
        """These facts and more."""
        return Findings([*self._facts.values(), *facts])


class Check(NamedTuple):
    """One thing to look at. It is skipped when a check that it needs has failed, and not when one
    has that it comes `after`."""

    id: str
    title: str
    needs: tuple[str, ...]
    run: Callable[[Setup, Findings], Finding]
    after: tuple[str, ...] = ()


class Planned(NamedTuple):
    """Which checks run. A check may leave a verdict to a later one that knows more."""

    checks: frozenset[str] = frozenset()


class Result(NamedTuple):
    """A finding made harmless for output: each text on one line, no secret in it. `blocked_by`
    is the failed check that it was skipped for."""

    id: str
    title: str
    status: Status
    summary: str
    details: tuple[str, ...]
    remedy: str | None
    blocked_by: str | None
    exit_status: ExitStatus | None
    duration_ms: float
    error: ClinecliError | None = None
    facts: tuple[object, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether something is wrong, be it with the set-up or with the check itself."""
        return self.status in {"fail", "error"}


class Verdict(NamedTuple):
    """What the whole report comes to."""

    exit_status: ExitStatus
    root_cause: Result | None


def ok(summary: str, *details: str) -> Finding:
    """Nothing is wrong."""
    return Finding("ok", summary, details)


def warn(summary: str, *details: str, remedy: str, error: ClinecliError | None = None) -> Finding:
    """It works, but may not for long, or not as it was meant."""
    return Finding("warn", summary, details, remedy, error)


def skip(summary: str, *details: str) -> Finding:
    """There is nothing to look at, which is no failure."""
    return Finding("skip", summary, details)


def failed(error: ClinecliError, *details: str, remedy: str = "") -> Finding:
    """What `ask` would end with, and what is known beyond its message."""
    return Finding("fail", error.text, details, remedy or error.hint, error)


def verdict(results: Sequence[Result], *, strict: bool) -> Verdict:
    """The root cause and the exit status; the page at the top of the package tells the rule."""
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
            pending.extend((*by_id[name].needs, *by_id[name].after))
    return [check for check in checks if check.id in chosen]


def _unknown(name: str, known: Iterable[str]) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"one of {', '.join(known)}"
    return UsageError(f"no such check: '{name}'", hint=f"{hint} (clinecli doctor --list)")
