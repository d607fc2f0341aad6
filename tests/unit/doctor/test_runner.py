"""The runner: what needs what, and what is made harmless."""

from __future__ import annotations

from typing import Any

from clinecli.config.keys import Key
from clinecli.config.secret import Secret
from clinecli.doctor.check import Check, Finding, Findings, ok, skip, warn
from clinecli.doctor.runner import Run
from clinecli.doctor.setup import Setup
from clinecli.errors import AuthError, TlsError
from tests.helpers.doctor import a_setup

# The runner


def _raise(error: Exception) -> Any:
    def run(_: Setup, __: Findings) -> Finding:
        raise error

    return run


def test_the_runner() -> None:
    checks = [
        Check("a", "", (), lambda *_: ok("fine")),
        Check("b", "", ("a",), _raise(TlsError("untrusted", hint="trust it"))),
        Check("c", "", ("b",), lambda *_: ok("never")),
        Check("d", "", ("a", "c"), lambda *_: ok("never")),
        Check("e", "", ("a",), _raise(ValueError("sk-secret"))),
        Check("f", "", ("e",), lambda *_: ok("never")),
        Check("g", "", (), lambda *_: skip("nothing to do")),
        Check("h", "", ("g",), lambda *_: warn("odd", remedy="look")),
    ]
    results = [*Run(a_setup()).results(checks)]
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
    finding = Finding(
        "fail",
        "a\nb\x1b[31m\ud800 my-secret-key",
        ("x\r\ny my-secret-key", "::error::##[x]", "  ::x"),
        "r\n",
        AuthError("no"),
    )
    key = Key(Secret("my-secret-key"), "x")
    checks = [
        Check("key", "", (), lambda *_: ok("fine").knowing(key)),
        Check("a", "", (), lambda *_: finding),
    ]
    _, found = Run(a_setup()).results(checks)
    assert found.summary == "a b [31m� [key]"
    assert found.details == ("x y [key]", ": :error::# #[x]", ": :x")
    assert found.remedy == "r"


def test_a_check_gets_what_was_found_before() -> None:
    seen: list[int | None] = []

    def look(_: Setup, found: Findings) -> Finding:
        seen.append(found.get(int))
        return ok("seen")

    checks = [
        Check("before", "", (), look),
        Check("a", "", (), lambda *_: ok("fine").knowing(5)),
        Check("after", "", (), look),
    ]
    assert len([*Run(a_setup()).results(checks)]) == 3
    assert seen == [None, 5]
