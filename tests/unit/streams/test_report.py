"""Errors as text and as JSON."""

from __future__ import annotations

import json

import pytest

from clinecli.errors import AuthError, ClinecliError, InternalError, TransientError
from clinecli.streams.report import error_json, error_text

# Errors


ERROR = TransientError(
    "rate limit reached: slow\ud83d down",
    hint="später",
    http_status=429,
    server_code="rate_limit",
    request_id="req-1",
)


def test_an_error_is_two_lines() -> None:
    error = AuthError("the API refused the key", hint="check it")
    text = "clinecli: error: the API refused the key\nclinecli: hint: check it"
    assert error_text(error) == text


@pytest.mark.parametrize(
    "error", [ClinecliError("it failed"), AuthError("it failed", hint="")], ids=["none", "empty"]
)
def test_an_error_without_a_hint_is_one_line(error: ClinecliError) -> None:
    assert error_text(error) == "clinecli: error: it failed"


def test_an_error_as_json() -> None:
    line = error_json(ERROR)
    assert json.loads(line) == {
        "error": {
            "kind": "transient",
            "message": "rate limit reached: slow\ufffd down "
            "(HTTP 429, code rate_limit, request req-1)",
            "hint": "später",
            "status": 429,
            "code": "rate_limit",
            "request_id": "req-1",
            "retryable": True,
            "exit_status": 10,
        }
    }
    assert "später".encode() in line
    assert b"\n" not in line


def test_an_error_of_ours_as_json() -> None:
    fields = json.loads(error_json(InternalError("internal error: ValueError")))["error"]
    assert (fields["kind"], fields["exit_status"], fields["retryable"]) == ("internal", 1, False)
    assert fields["status"] is fields["code"] is fields["request_id"] is None
    assert "report" in fields["hint"]
