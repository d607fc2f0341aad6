"""Checks are data: their order, selection and verdict."""

from __future__ import annotations

import pytest

from clinecli.doctor.check import Finding, Result, failed, ok, select, skip, verdict, warn
from clinecli.doctor.checks import CHECKS
from clinecli.errors import AuthError, ExitStatus, UsageError
from tests.helpers.doctor import result

ISSUE_ORDER = [
    *("runtime", "config", "key", "env.proxy", "env.ca"),
    *("net.dns", "net.tcp", "net.proxy", "net.tls", "net.ways"),
    *("api.http", "api.clock", "api.auth", "api.credit", "api.model", "message", "api.chat"),
    "api.body",
]


# Checks are data


def test_the_order_of_the_checks() -> None:
    assert [check.id for check in CHECKS] == ISSUE_ORDER


def test_a_check_needs_only_those_before_it() -> None:
    for position, check in enumerate(CHECKS):
        assert {*check.needs, *check.after} <= set(ISSUE_ORDER[:position])


def test_all_are_selected_when_none_is_named() -> None:
    assert select(CHECKS, []) == list(CHECKS)


def test_needs_are_selected_too() -> None:
    chosen = [check.id for check in select(CHECKS, ["api.http", "runtime"])]
    assert chosen == [name for name in ISSUE_ORDER[:11] if name not in {"key", "net.ways"}]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("nope", "one of runtime, config, key,"), ("api.htp", "did you mean api.http")],
)
def test_an_unknown_name(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no such check: '{name}'") as caught:
        select(CHECKS, ["key", name])
    assert caught.value.hint.startswith(hint)
    assert "doctor --list" in caught.value.hint


def test_findings_keep_their_details() -> None:
    assert ok("a", "b", "c") == Finding("ok", "a", ("b", "c"))
    assert skip("a", "b") == Finding("skip", "a", ("b",))
    assert warn("a", "b", remedy="c") == Finding("warn", "a", ("b",), "c")
    error = AuthError("refused", hint="look")
    assert failed(error, "b") == Finding("fail", "refused", ("b",), "look", error)
    assert failed(error, remedy="c").remedy == "c"


# The verdict


VERDICTS: dict[str, tuple[list[Result], bool, tuple[int, str | None]]] = {
    "all is well": ([result("key")], False, (0, None)),
    "a warning": ([result("key", "warn")], False, (0, None)),
    "a strict warning": ([result("key", "warn")], True, (1, "key")),
    "the first failure": (
        [result("net.dns", "fail", ExitStatus.CONNECTION), result("x", "fail", ExitStatus.AUTH)],
        True,
        (7, "net.dns"),
    ),
    "a failure before a crash": (
        [result("a", "error", ExitStatus.INTERNAL), result("key", "fail", ExitStatus.CONFIG)],
        False,
        (3, "key"),
    ),
    "a crash": ([result("a", "error", ExitStatus.INTERNAL)], False, (1, "a")),
    "an empty message before the key": (
        [
            result("key", "fail", ExitStatus.CONFIG),
            result("message", "fail", ExitStatus.EMPTY_MESSAGE),
        ],
        False,
        (6, "message"),
    ),
    "the config before the message": (
        [
            result("config", "fail", ExitStatus.CONFIG),
            result("message", "fail", ExitStatus.USAGE),
        ],
        False,
        (3, "config"),
    ),
    "a message that the API refuses after the key": (
        [
            result("key", "fail", ExitStatus.CONFIG),
            result("message", "fail", ExitStatus.REJECTED),
        ],
        False,
        (3, "key"),
    ),
}


@pytest.mark.parametrize(("results", "strict", "expected"), VERDICTS.values(), ids=VERDICTS)
def test_verdict(results: list[Result], strict: bool, expected: tuple[int, str | None]) -> None:
    found = verdict(results, strict=strict)
    assert (found.exit_status, found.root_cause and found.root_cause.id) == expected


def test_failed_findings_take_after_the_error() -> None:
    from clinecli.doctor.check import failed

    error = AuthError("no")
    finding = failed(error, "detail")
    assert finding == Finding("fail", "no", ("detail",), AuthError.default_hint, error)
