"""Runs checks in their order. One that crashes does not keep the others from running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from clinecli.chat.api_errors import one_line
from clinecli.config.keys import Key
from clinecli.config.proxy import proxy_secrets
from clinecli.config.secret import Redactor
from clinecli.config.settings import Settings
from clinecli.doctor.check import Check, Finding, Findings, Planned, Result, failed
from clinecli.doctor.remedy import fitted
from clinecli.doctor.report import tame
from clinecli.doctor.setup import Line, Setup
from clinecli.errors import ClinecliError, Code, InternalError
from clinecli.streams.report import bug_place
from clinecli.text import clean

PROGRESS_SECONDS = 2.0
# After so long, a check says on stderr that it waits, where no line on a terminal shows it.
NOTE_SECONDS = 5.0
# What makes the connection, step by step: a failure that came quickly is given a second chance.
_CONNECTING = ("net.dns", "net.tcp", "net.proxy", "net.tls")
_QUICK_SECONDS, _PAUSE_SECONDS = 2.0, 0.3
# By what a check is held up: the setting and its flag, by the first word of its id.
_PATIENCE = {"net": "connect_timeout", "api": "timeout"}


class Run:
    """One run of some checks, and what it finds out on the way."""

    def __init__(self, setup: Setup, clock: Callable[[], float] = time.monotonic) -> None:
        self._setup = setup
        self._clock = clock
        self._known = Findings()
        self._done: list[Check] = []

    @property
    def redactor(self) -> Redactor:
        """Takes out the key and the proxy's password, which a server may have quoted."""
        key, line = self._known.get(Key), self._known.get(Line)
        own = (key.secret,) if key else ()
        return Redactor(own + (proxy_secrets(line.route.proxy) if line else ()))

    def results(self, checks: Iterable[Check]) -> Iterator[Result]:
        """The result of each check, of those that are skipped as well, the moment it is there."""
        # What each check that is to be skipped, or has failed, goes back to.
        blocked: dict[str, str] = {}
        checks = [*checks]
        planned = Planned(frozenset(check.id for check in checks))
        self._known = self._known.adding([planned])
        began = self._clock()
        try:
            for check in checks:
                blocker = next((blocked[need] for need in check.needs if need in blocked), None)
                if blocker:
                    blocked[check.id] = blocker
                    finding = Finding("skip", f"needs {blocker}, which failed")
                    yield self._result(check, finding, 0.0, blocker)
                    continue
                started = self._clock()
                after = max(0.0, PROGRESS_SECONDS - (started - began))
                with self._waiting(check.id, after):
                    finding = _finding(check, self._setup, self._known)
                    if self._may_pass(check, finding, self._clock() - started):
                        finding = self._again(check, finding)
                self._known = self._known.adding(finding.facts)
                self._done.append(check)
                result = self._result(check, finding, self._clock() - started, None)
                if result.has_failed:
                    blocked[check.id] = check.id
                yield result
        finally:
            self._setup.console.stop_progress()
            self._close()

    @contextmanager
    def _waiting(self, check_id: str, after: float) -> Iterator[None]:
        """Show what is waited for, and for how long at most."""
        console = self._setup.console
        label = f"checking {check_id}{self._patience(check_id)}"
        console.start_progress(label, after=after)
        timer = threading.Timer(NOTE_SECONDS, console.note, (f"still {label}",))
        timer.daemon = True
        if not console.shows_progress and check_id.partition(".")[0] in {*_PATIENCE, "key"}:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
            console.stop_progress()

    def _may_pass(self, check: Check, finding: Finding, seconds: float) -> bool:
        """Whether a failure may be over in a moment, as `ask` hopes, too: it tries again."""
        settings, error = self._known.get(Settings), finding.error
        if finding.status != "fail" or check.id not in _CONNECTING or seconds > _QUICK_SECONDS:
            return False
        in_time = error and error.code not in {Code.DNS_TIMEOUT, Code.CONNECT_TIMEOUT}
        return bool(settings and settings.retries and in_time and error and error.retryable)

    def _again(self, check: Check, failed_at_first: Finding) -> Finding:
        """The finding of a second attempt, on a connection of its own."""
        time.sleep(_PAUSE_SECONDS)
        steps = [step for step in self._done if step.id in _CONNECTING[1:]]
        for step in steps:
            self._known = self._known.adding(_finding(step, self._setup, self._known).facts)
        finding = _finding(check, self._setup, self._known)
        if finding.status == "fail":
            return failed_at_first
        said = f"failed at first ({failed_at_first.summary}), then worked: {finding.summary}"
        remedy = "the way comes and goes: `ask` tries again; --watch S shows how often"
        return finding._replace(status="warn", summary=said, remedy=remedy)

    def _patience(self, check_id: str) -> str:
        name = _PATIENCE.get(check_id.partition(".")[0])
        settings = self._known.get(Settings)
        if not name or not settings:
            return ""
        flag = f"--{name.replace('_', '-')}"
        return f" (a step may take {getattr(settings, name):g} s, as with `ask`: {flag})"

    def _result(
        self, check: Check, finding: Finding, seconds: float, blocker: str | None
    ) -> Result:
        """The finding with everything that came from outside made harmless."""
        redact = self.redactor
        settings = self._known.get(Settings)
        if settings:
            finding = fitted(finding, settings)

        def tidy(text: str) -> str:
            return tame(one_line(clean(redact(text)), 600))

        has_failed = finding.status in {"fail", "error"}
        return Result(
            check.id,
            check.title,
            finding.status,
            tidy(finding.summary),
            tuple(tidy(detail) for detail in finding.details),
            tidy(finding.remedy) or None,
            blocker,
            finding.error.status if finding.error and has_failed else None,
            round(seconds * 1000, 1),
            finding.error,
            finding.facts,
        )

    def _close(self) -> None:
        from clinecli.doctor.client import Client
        from clinecli.doctor.tcp import Open

        client, opened = self._known.get(Client), self._known.get(Open)
        if client:
            client.close()
        if opened:
            opened.dialled.socket.close()


def _finding(check: Check, setup: Setup, known: Findings) -> Finding:
    try:
        return check.run(setup, known)
    except ClinecliError as error:
        return failed(error)
    except Exception as error:  # noqa: BLE001 - the other checks go on
        message = f"the check itself failed: {type(error).__name__}{bug_place(error)}"
        bug = InternalError(message, hint="this is a bug of clinecli: please report it")
        return failed(bug)._replace(status="error")
