from __future__ import annotations

import json
from typing import Any

import pytest

from clinecli import errors
from clinecli.errors import ClinecliError, ExitStatus

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
        "it failed", hint="do this", http_status=418, code="teapot", request_id="r1"
    )
    assert list(error.as_dict()) == KEYS
    assert error.as_dict() == {
        "kind": LABELS[status],
        "message": "it failed",
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
    ("given", "limit", "retryable"),
    [
        pytest.param({}, None, True, id="class-default"),
        pytest.param({"retry_limit": None}, None, True, id="none-is-unlimited"),
        pytest.param({"retry_limit": 1}, 1, True, id="one"),
        pytest.param({"retry_limit": 0}, 0, False, id="zero"),
    ],
)
def test_retry_limit(given: dict[str, Any], limit: int | None, retryable: bool) -> None:
    error = errors.TransientError("no", **given)
    assert error.retry_limit == limit
    assert error.retryable is retryable


def test_retry_limit_none_overrules_a_class_that_forbids() -> None:
    assert errors.AuthError("no").retry_limit == 0
    assert errors.AuthError("no", retry_limit=None).retryable


def test_an_empty_hint_is_not_replaced() -> None:
    assert errors.AuthError("no").hint
    assert errors.AuthError("no", hint="").hint == ""


@pytest.mark.parametrize(
    ("message", "given", "request_id", "expected"),
    [
        pytest.param("no", None, "r1", "no (request r1)", id="named"),
        pytest.param("no (request r1)", None, "r1", "no (request r1)", id="named-already"),
        pytest.param(
            "no (HTTP 401, request r1)", "r1", "r1", "no (HTTP 401, request r1)", id="both"
        ),
        pytest.param("no", "r1", "r1", "no (request r1)", id="known-but-not-named"),
    ],
)
def test_came_with(message: str, given: str | None, request_id: str, expected: str) -> None:
    error = errors.AuthError(message, request_id=given)
    for _ in range(2):
        error.came_with(request_id)
        assert (error.message, error.request_id) == (expected, request_id)


@pytest.mark.parametrize("request_id", [None, ""])
def test_came_with_nothing(request_id: str | None) -> None:
    error = errors.AuthError("no", request_id="r1")
    error.came_with(request_id)
    assert (error.message, error.request_id) == ("no", "r1")
