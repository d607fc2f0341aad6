"""The runner: what needs what, and what is made harmless."""

from __future__ import annotations

from typing import Any

from clinecli.config.secret import Secret
from clinecli.doctor.check import Check, Outcome, ok, skip, warn
from clinecli.doctor.context import Context
from clinecli.doctor.runner import run_checks
from clinecli.errors import ExitStatus, TlsError
from tests.helpers.doctor import context

# The runner


def _raise(error: Exception) -> Any:
    def run(_: Context) -> Outcome:
        raise error

    return run


def test_the_runner() -> None:
    checks = [
        Check("a", "", (), lambda _: ok("fine")),
        Check("b", "", ("a",), _raise(TlsError("untrusted", hint="trust it"))),
        Check("c", "", ("b",), lambda _: ok("never")),
        Check("d", "", ("a", "c"), lambda _: ok("never")),
        Check("e", "", ("a",), _raise(ValueError("sk-secret"))),
        Check("f", "", ("e",), lambda _: ok("never")),
        Check("g", "", (), lambda _: skip("nothing to do")),
        Check("h", "", ("g",), lambda _: warn("odd", remedy="look")),
    ]
    results = run_checks(checks, context())
    assert [(r.id, r.status, r.blocked_by, r.exit_status) for r in results] == [
        ("a", "ok", None, None),
        ("b", "fail", None, 8),
        ("c", "skip", "b", None),
        ("d", "skip", "b", None),
        ("e", "error", None, 1),
        ("f", "skip", "e", None),
        ("g", "skip", None, None),
        ("h", "warn", None, None),
    ]
    assert (results[1].summary, results[1].remedy) == ("untrusted", "trust it")
    assert "sk-secret" not in repr(results)


def test_what_comes_from_outside_is_made_harmless() -> None:
    outcome = Outcome(
        "fail",
        "a\nb\x1b[31m\ud800 my-secret-key",
        ("x\r\ny my-secret-key",),
        "r\n",
        ExitStatus.AUTH,
    )
    (found,) = run_checks(
        [Check("a", "", (), lambda _: outcome)], context(secrets=[Secret("my-secret-key")])
    )
    assert found.summary == "a b [31m� [key]"
    assert found.details == ("x y [key]",)
    assert found.remedy == "r"
