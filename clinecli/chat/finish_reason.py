"""Why a model stopped: what a `finish_reason` means, in the words of the servers that there are."""

from __future__ import annotations

from enum import Enum


class Finish(Enum):
    """What a reply with a `finish_reason` is worth."""

    COMPLETE = "complete"
    LENGTH = "length"
    FILTERED = "filtered"
    FAILED = "failed"
    BROKEN_OFF = "broken off"
    UNKNOWN = "unknown"


# OpenAI, Anthropic, Gemini, Mistral, Cohere, DeepSeek, GLM, Bedrock, vLLM, SGLang, TGI and kin.
# A word that several of them use stands once.
_WORDS = {
    Finish.COMPLETE: """
        stop stopped tool_calls tool_call tool_use function_call end_turn stop_sequence eos
        eos_token eos_found end_of_text end complete completed done normal finish finished
    """,
    Finish.LENGTH: """
        length max_tokens max_output_tokens max_token max_length model_length token_limit
        length_limit max_tokens_reached max_new_tokens limit context_length
        model_context_window_exceeded context_window_exceeded context_length_exceeded error_limit
    """,
    Finish.FILTERED: """
        content_filter content_filtered content_filter_error content_policy content_policy_violation
        filter filtered safety safety_filter recitation blocklist blocked prohibited_content
        prohibited spii language sensitive refusal guardrail guardrails guardrail_intervened
        moderation flagged error_toxic jailbreak model_armor image_safety image_recitation
        image_prohibited_content
    """,
    Finish.FAILED: """
        error network_error server_error internal_error internal_server_error service_unavailable
        insufficient_system_resource insufficient_system_resources overloaded unavailable timeout
        time_out timed_out deadline_exceeded rate_limit
    """,
    Finish.BROKEN_OFF: """
        abort aborted cancel cancelled canceled user_cancel interrupted incomplete failed failure
        disconnect disconnected malformed_function_call malformed_response unexpected_tool_call
        too_many_tool_calls missing_thought_signature repetition repetition_truncation other
        image_other no_image unspecified
    """,
}
_TABLE = {word: finish for finish, words in _WORDS.items() for word in words.split()}


def finish_of(reason: str) -> Finish:
    """What a `finish_reason` means, however it is spelled: `MAX_TOKENS`, `max-tokens`,
    `FINISH_REASON_MAX_TOKENS`, `maxTokens`."""
    if reason in _TABLE:
        return _TABLE[reason]
    if len(reason) > 100:
        return Finish.UNKNOWN
    if not reason.isupper():
        reason = "".join(f"_{c}" if c.isupper() else c for c in reason)
    words = reason.lower().replace("-", "_").replace(" ", "_").split("_")
    word = "_".join(filter(None, words)).removeprefix("finish_reason_")
    return _TABLE.get(word, Finish.UNKNOWN)
