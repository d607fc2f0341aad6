"""JSON documents of the API to deltas: chat completions, chunks, and envelopes around them."""

from __future__ import annotations

from typing import Any

from clinecli.chat.api_errors import Origin, in_band_error, not_the_api, told_error
from clinecli.chat.error_body import text_of
from clinecli.chat.reply import Delta
from clinecli.chat.tool_calls import ToolCallPiece
from clinecli.errors import ClinecliError
from clinecli.jsontext import InvalidJson, dumps_any, member

_new = tuple.__new__
_GOES_ON = {"", "null", "none"}
# So many envelopes, one in the other, are opened.
_ENVELOPES = 4


def chunk_delta(
    document: object, origin: Origin, *, has_text: bool = False, has_calls: bool = False
) -> tuple[Delta, int]:
    """What a chunk says, and how many envelopes are around it. Raises `InvalidJson`.

    `has_text` and `has_calls` say what has come before: a whole message, which some servers send
    at the end, repeats it, and that does not count.
    """
    plain = plain_delta(document)
    if plain:
        return plain, 0
    chunk, depth = _unwrapped(document)
    error = told_error(chunk, origin)
    if isinstance(chunk, dict):
        delta = _delta(chunk, "delta", origin)
        if (has_text or has_calls) and _is_whole(chunk):
            delta = _without_repeats(delta, has_text=has_text, has_calls=has_calls)
        return _with(error, delta), depth
    if error:
        return Delta(error=error), depth
    raise InvalidJson("not a JSON object")


def plain_delta(chunk: Any) -> Delta | None:
    """What a chunk says that holds content and nothing else; None for any other.

    A shortcut: `_delta` says the same of it.
    """
    try:
        (choice,) = chunk["choices"]
        delta = choice["delta"]
        text = delta["content"]
        reply_id, model = chunk["id"], chunk["model"]
        is_plain = (
            type(text) is str
            and choice["finish_reason"] is None
            and (len(delta) == 1 or (len(delta) == 2 and "role" in delta))
            and not (choice["index"] or chunk.get("error") or choice.get("error"))
            and chunk.get("usage") is None
            and chunk.get("success") is not False
            and type(reply_id) is str
            and type(model) is str
        )
    except (KeyError, TypeError, ValueError):
        return None
    return _new(Delta, (text, "", (), None, None, reply_id, model, None, "")) if is_plain else None


def reply_delta(document: object, origin: Origin) -> tuple[Delta, int]:
    """What a whole reply says, and how many envelopes are around it.

    Raises `IncompleteError` when it is something else than a chat completion, and `InvalidJson`.
    """
    reply, depth = _unwrapped(document)
    error = told_error(reply, origin)
    if isinstance(reply, dict) and "choices" in reply:
        return _with(error, _delta(reply, "message", origin)), depth
    if error:
        return Delta(error=error), depth
    raise not_the_api("a JSON document that is no chat completion")


def _with(error: ClinecliError | None, delta: Delta) -> Delta:
    return delta._replace(error=error) if error else delta


def _unwrapped(document: object) -> tuple[object, int]:
    """What is in an envelope, and in how many: none is opened that has an error to tell."""
    depth = 0
    while isinstance(document, dict) and "choices" not in document and depth < _ENVELOPES:
        data = document.get("data")
        if document.get("error") or document.get("success") is False or not isinstance(data, dict):
            break
        document, depth = data, depth + 1
    return document, depth


def inside(line: bytes, depth: int) -> bytes:
    """The JSON inside so many envelopes, verbatim."""
    for _ in range(depth):
        line = member(line, "data")
    return line


def _delta(chunk: dict[str, Any], key: str, origin: Origin) -> Delta:
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(choice, dict) and choice.get("index") and isinstance(choices, list):
        choice = next((c for c in choices if isinstance(c, dict) and not c.get("index")), choice)
    usage = chunk.get("usage")
    about = Delta(
        usage=usage if isinstance(usage, dict) else None,
        id=_text(chunk.get("id")),
        model=_text(chunk.get("model")),
    )
    if not isinstance(choice, dict) or choice.get("index"):
        # A usage-only chunk, or one of a second choice (`n` above 1), which is not printed.
        return about
    finish_reason = _finish_reason(choice.get("finish_reason"), origin)
    error = choice.get("error")
    part = choice.get(key) or choice.get("message" if key == "delta" else "delta")
    part = part if isinstance(part, dict) else {}
    calls = part.get("tool_calls")
    if not calls and isinstance(part.get("function_call"), dict):
        # What OpenAI's API had before `tool_calls`.
        calls = [{"function": part["function_call"]}]
    return about._replace(
        text=text_of(part.get("content")),
        reasoning=text_of(part.get("reasoning") or part.get("reasoning_content")),
        tool_calls=_tool_calls(calls, is_whole=not choice.get("delta")) if calls else (),
        finish_reason=finish_reason,
        error=in_band_error(error, origin) if error or finish_reason == "error" else None,
        refusal=text_of(part.get("refusal")),
    )


def _finish_reason(value: object, origin: Origin) -> str | None:
    """Why the model stopped, for messages, too; None while it goes on, which some servers spell
    as text."""
    if not isinstance(value, str) or value.strip().lower() in _GOES_ON:
        return None
    return origin.redact(value)


def _without_repeats(delta: Delta, *, has_text: bool, has_calls: bool) -> Delta:
    if has_text:
        delta = delta._replace(text="", reasoning="", refusal="")
    return delta._replace(tool_calls=()) if has_calls else delta


def _is_whole(chunk: dict[str, Any]) -> bool:
    """Whether the first choice is a whole message, and no delta."""
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(choice, dict) and not choice.get("delta") and bool(choice.get("message"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _tool_calls(calls: object, *, is_whole: bool) -> tuple[ToolCallPiece, ...]:
    """The pieces in a list of calls: in a whole message, each of its items is one call."""
    pieces = []
    for position, call in enumerate(calls if isinstance(calls, list) else []):
        if not isinstance(call, dict):
            continue
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        index = call.get("index")
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            # Some peers send the arguments as an object instead of as JSON text.
            try:
                arguments = dumps_any(arguments).decode()
            except ValueError:
                raise InvalidJson("tool call arguments that cannot be written as JSON") from None
        known = index if isinstance(index, int) and not isinstance(index, bool) else None
        pieces.append(
            ToolCallPiece(
                position if is_whole else known,
                text_of(call.get("id")),
                text_of(function.get("name")),
                arguments or "",
            )
        )
    return tuple(pieces)
