"""Bytes of the API to chat types: the only knowledge of its reply shapes.

Shapes are those of the Cline API and its OpenAI-compatible peers: chat completion objects,
their chunks, and the `{"success","data"}` envelope around either. Their errors are read in
`api_errors`.
"""

from __future__ import annotations

from typing import Any

from clinecli.api_errors import in_band_error, not_the_api, text_of
from clinecli.chat import Delta, ToolCallPiece
from clinecli.jsontext import InvalidJson, dumps, loads

DONE = b"[DONE]"


def decode_chunk(data: bytes) -> Delta:
    """One event of a stream. Raises `InvalidJson`; an error chunk is a delta with `error`."""
    chunk = loads(data)
    if not isinstance(chunk, dict):
        raise InvalidJson("not a JSON object")
    return _delta(_unwrapped(chunk), "delta")


def decode_reply(data: bytes) -> Delta:
    """A whole non-streaming reply, in its envelope or not.

    Raises `InvalidJson` when it is not JSON, `IncompleteError` when it is something else than
    a chat completion.
    """
    reply = loads(data)
    if isinstance(reply, dict):
        reply = _unwrapped(reply)
    if not isinstance(reply, dict) or not ("choices" in reply or "error" in reply):
        raise not_the_api("a JSON document that is no chat completion")
    return _delta(reply, "message")


def _unwrapped(document: dict[str, Any]) -> dict[str, Any]:
    """The `data` of an envelope; the document itself where it has an error to tell."""
    if "choices" in document or document.get("error"):
        return document
    data = document.get("data")
    return data if isinstance(data, dict) else document


def _delta(chunk: dict[str, Any], key: str) -> Delta:
    choices = chunk.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    usage = chunk.get("usage")
    error = chunk.get("error")
    reply_id = chunk.get("id")
    model = chunk.get("model")
    if not isinstance(choice, dict) or choice.get("index"):
        # A usage-only chunk, or one of a second choice (`n` above 1), which is not printed.
        return Delta(
            usage=usage if isinstance(usage, dict) else None,
            id=reply_id if isinstance(reply_id, str) else None,
            model=model if isinstance(model, str) else None,
            error=in_band_error(error) if error else None,
        )
    finish_reason = choice.get("finish_reason")
    error = error or choice.get("error")
    part = choice.get(key) or choice.get("message" if key == "delta" else "delta")
    if not isinstance(part, dict):
        part = {}
    calls = part.get("tool_calls")
    return Delta(
        text_of(part.get("content")),
        text_of(part.get("reasoning") or part.get("reasoning_content")),
        _tool_calls(calls) if calls else (),
        finish_reason if isinstance(finish_reason, str) else None,
        usage if isinstance(usage, dict) else None,
        reply_id if isinstance(reply_id, str) else None,
        model if isinstance(model, str) else None,
        in_band_error(error) if error or finish_reason == "error" else None,
    )


def _tool_calls(calls: object) -> tuple[ToolCallPiece, ...]:
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
                arguments = dumps(arguments).decode()
            except ValueError:
                raise InvalidJson("tool call arguments that cannot be written as JSON") from None
        pieces.append(
            ToolCallPiece(
                index if isinstance(index, int) else position,
                text_of(call.get("id")),
                text_of(function.get("name")),
                arguments or "",
            )
        )
    return tuple(pieces)
