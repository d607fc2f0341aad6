"""What a `finish_reason` is worth, by the words of the servers that there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.finish_reason import Finish, finish_of

REASONS = {
    Finish.COMPLETE: "stop tool_calls function_call end_turn stop_sequence eos STOP tool_use "
    "eos_token COMPLETE FINISH_REASON_STOP end-turn endTurn",
    Finish.LENGTH: "length max_tokens MAX_TOKENS model_length LENGTH max-tokens maxTokens "
    "FINISH_REASON_MAX_TOKENS model_context_window_exceeded ERROR_LIMIT max_output_tokens",
    Finish.FILTERED: "content_filter SAFETY RECITATION sensitive refusal BLOCKLIST SPII "
    "PROHIBITED_CONTENT guardrail_intervened content-filter contentFilter ERROR_TOXIC LANGUAGE",
    Finish.FAILED: "error ERROR network_error insufficient_system_resource server_error timeout",
    Finish.BROKEN_OFF: "abort cancelled canceled CANCELLED OTHER incomplete "
    "MALFORMED_FUNCTION_CALL",
    Finish.UNKNOWN: "weird stopp 7 _ __ 🛑 ſtop",
}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [(reason, finish) for finish, reasons in REASONS.items() for reason in reasons.split()],
)
def test_table(reason: str, finish: Finish) -> None:
    assert finish_of(reason) is finish


@pytest.mark.parametrize("reason", ["", " ", "x" * 1_000_000, "STOP" * 1_000_000, "\ud83d"])
def test_anything_else_is_unknown(reason: str) -> None:
    assert finish_of(reason) is Finish.UNKNOWN


@given(st.text())
def test_property_never_fails(reason: str) -> None:
    assert finish_of(reason) in Finish
