from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clinecli import errors
from clinecli.errors import ClinecliError, Code, ExitStatus, Retry
from tests.helpers.env import ROOT

# Append-only: scripts depend on every number and label of the contract.
STATUSES = [
    (0, "OK", "ok"),
    (1, "INTERNAL", "internal"),
    (2, "USAGE", "usage"),
    (3, "CONFIG", "config"),
    (4, "AUTH", "auth"),
    (5, "CREDIT", "credit"),
    (6, "EMPTY_MESSAGE", "empty-message"),
    (7, "CONNECTION", "connection"),
    (8, "TLS", "tls"),
    (9, "REJECTED", "rejected"),
    (10, "TRANSIENT", "transient"),
    (11, "INCOMPLETE", "incomplete"),
]

LABELS = {number: label for number, _, label in STATUSES}

# class: (exit status, may be retried)
CLASSES: dict[str, tuple[int, bool]] = {
    "ClinecliError": (1, False),
    "InternalError": (1, False),
    "OutputError": (1, False),
    "UsageError": (2, False),
    "ConfigError": (3, False),
    "AuthError": (4, False),
    "CreditError": (5, False),
    "EmptyMessageError": (6, False),
    "ConnectionFailed": (7, True),
    "TlsError": (8, False),
    "RejectedError": (9, False),
    "TransientError": (10, True),
    "IncompleteError": (11, False),
}

KEYS = ["kind", "message", "hint", "status", "code", "request_id", "retryable", "exit_status"]


def _class(name: str) -> type[ClinecliError]:
    found = getattr(errors, name)
    assert issubclass(found, ClinecliError)
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("code", Code)
def test_every_code_is_used_and_explained(code: Code) -> None:
    sources = [path for path in (ROOT / "clinecli").rglob("*.py") if path.name != "errors.py"]
    assert any(f"Code.{code.name}" in path.read_text("utf-8") for path in sources)
    assert code.meaning
    assert "\n" not in code.meaning


def test_exit_statuses_are_stable() -> None:
    assert [(int(s), s.name, s.label) for s in ExitStatus] == STATUSES


@pytest.mark.parametrize("status", ExitStatus, ids=lambda status: status.label)
def test_exit_status_is_described(status: ExitStatus) -> None:
    assert ExitStatus(int(status)) is status  # type: ignore[call-arg]
    assert status == int(status)
    assert status.when
    assert "\n" not in status.when


def test_no_class_is_forgotten() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, ClinecliError)
    }
    assert defined == set(CLASSES)


def test_every_failing_status_has_a_class() -> None:
    assert {status for status, _ in CLASSES.values()} == {int(s) for s in ExitStatus} - {0}


@pytest.mark.parametrize(
    ("name", "status", "retryable"), [(n, *row) for n, row in CLASSES.items()], ids=CLASSES
)
def test_class(name: str, status: int, retryable: bool) -> None:
    error = _class(name)("it failed")
    assert error.status == status
    assert error.kind == LABELS[status]
    assert error.retryable is retryable
    assert (error.message, str(error)) == ("it failed", "it failed")
    assert error.hint == type(error).default_hint
    assert (error.http_status, error.code, error.request_id) == (None, None, None)
    assert error.retry_after is None


@pytest.mark.parametrize("name", CLASSES)
def test_as_dict_has_the_keys_of_the_contract(name: str) -> None:
    status, retryable = CLASSES[name]
    error = _class(name)(
        "it failed", hint="do this", http_status=418, server_code="teapot", request_id="r1"
    )
    assert list(error.as_dict()) == KEYS
    assert error.as_dict() == {
        "kind": LABELS[status],
        "message": "it failed (HTTP 418, code teapot, request r1)",
        "hint": "do this",
        "status": 418,
        "code": "teapot",
        "request_id": "r1",
        "retryable": retryable,
        "exit_status": status,
    }


def test_as_dict_is_plain_json_when_the_server_said_nothing() -> None:
    document: dict[str, Any] = errors.AuthError("no").as_dict()
    assert type(document["exit_status"]) is int
    assert json.loads(json.dumps(document)) == document
    assert (document["status"], document["code"], document["request_id"]) == (None, None, None)


@pytest.mark.parametrize(
    ("retry", "limit", "retryable"),
    [
        (Retry.NEVER, 0, False),
        (Retry.ONCE, 1, True),
        (Retry.TWICE, 2, True),
        (Retry.AS_ASKED, None, True),
    ],
    ids=str,
)
def test_retry(retry: Retry, limit: int | None, retryable: bool) -> None:
    assert retry.limit == limit
    # The class has a default, which gives way.
    for kind in (errors.TransientError, errors.AuthError):
        assert kind("no", retry=retry).retryable is retryable


def test_an_empty_hint_is_not_replaced() -> None:
    assert errors.AuthError("no").hint
    assert errors.AuthError("no", hint="").hint == ""
    assert errors.AuthError("no", hint="").hints == ()


# Errors are values


FACTS: dict[str, Any] = {
    "message": "no",
    "hints": ("do this", "or that"),
    "code": Code.CUT,
    "server_code": "teapot",
    "http_status": 418,
    "request_id": "r1",
    "retry": Retry.TWICE,
    "retry_after": 2.0,
}


def _facts(error: ClinecliError) -> dict[str, Any]:
    return {name: getattr(error, name) for name in FACTS}


@pytest.mark.parametrize("name", [*FACTS, "something_else"])
def test_no_attribute_can_be_assigned(name: str) -> None:
    error = errors.AuthError(**FACTS)
    with pytest.raises(AttributeError, match=f"but\\({name}="):
        setattr(error, name, None)
    assert _facts(error) == FACTS


def test_python_may_set_what_is_its_own() -> None:
    @contextmanager
    def within() -> Iterator[None]:
        yield

    # contextlib assigns __traceback__ to what passes through it.
    with pytest.raises(errors.AuthError) as caught, within():
        raise errors.AuthError("no") from ValueError("cause")
    assert caught.value.__traceback__
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("change", ["message", "http_status", "retry_after"])
def test_but_gives_another_error_of_the_same_class(name: str, change: str) -> None:
    error = _class(name)(**FACTS)
    changed = error.but(**{change: "changed"})
    assert type(changed) is type(error)
    assert _facts(changed) == FACTS | {change: "changed"}
    assert _facts(error) == FACTS


def test_but_keeps_the_traceback() -> None:
    with pytest.raises(errors.AuthError) as caught:
        raise errors.AuthError("no")
    assert caught.value.but(request_id="r1").__traceback__ is caught.value.__traceback__


def test_but_knows_no_other_facts() -> None:
    with pytest.raises(TypeError):
        errors.AuthError("no").but(status=3)


def test_with_hint_adds_one() -> None:
    error = errors.AuthError("no", hint="do this")
    assert error.with_hint("or that").hints == ("do this", "or that")
    assert error.with_hint("").hints == ("do this",)
    assert error.hints == ("do this",)


@pytest.mark.parametrize(
    ("hints", "line"),
    [
        ((), ""),
        (("do this",), "do this"),
        (("do this", "or that"), "do this; or that"),
        (("is it on?", "switch it on", "or not"), "is it on? switch it on; or not"),
    ],
    ids=["none", "one", "two", "question"],
)
def test_hint_is_one_line(hints: tuple[str, ...], line: str) -> None:
    assert errors.AuthError("no", hints=hints).hint == line


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, "no"),
        ({"http_status": 401}, "no (HTTP 401)"),
        ({"http_status": 401, "server_code": "401"}, "no (HTTP 401)"),
        ({"http_status": 401, "server_code": "x"}, "no (HTTP 401, code x)"),
        ({"server_code": "x", "request_id": "r1"}, "no (code x, request r1)"),
        ({"request_id": "r1"}, "no (request r1)"),
        # What is ours is for scripts.
        ({"code": Code.CUT}, "no"),
    ],
    ids=["bare", "status", "the same twice", "both", "no status", "request", "our code"],
)
def test_text_says_what_the_server_said(facts: dict[str, Any], text: str) -> None:
    error = errors.AuthError("no", **facts)
    assert error.text == error.as_dict()["message"] == text
    assert error.message == "no"


# Codes


@pytest.mark.parametrize("code", Code)
def test_a_code_has_a_meaning(code: Code) -> None:
    assert Code(str(code)) is code  # type: ignore[call-arg]
    assert code.name.lower() == code.value
    assert code.meaning
    assert "\n" not in code.meaning


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, None),
        ({"code": Code.CUT}, "cut"),
        ({"server_code": "x"}, "x"),
        ({"code": Code.CUT, "server_code": "x"}, "x"),
    ],
    ids=["none", "ours", "the server's", "both"],
)
def test_the_code_of_the_json(facts: dict[str, Any], expected: str | None) -> None:
    code = errors.AuthError("no", **facts).as_dict()["code"]
    assert code == expected
    assert code is None or type(code) is str
