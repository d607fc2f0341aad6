"""A recorded stream, for a request that wants a whole reply."""

from __future__ import annotations

from typing import Any

from clinecli.chat.codec import DONE, decode_chunk
from clinecli.chat.reply import Event, Reply
from clinecli.chat.sse import SSEDecoder
from clinecli.jsontext import InvalidJson, dumps, loads
from clinecli.mock.answers import Body


def fold(body: bytes, delay: float = 0.0) -> Body:
    """A recorded stream as the one object that the API would have sent instead.

    A stream that was cut becomes an object that is cut, one that fails an object that says so,
    and one with a chunk that is not JSON that very chunk.
    """
    decoder = SSEDecoder(max_event_bytes=len(body) + 2)
    reply = Reply()
    reasoning: list[str] = []
    first: dict[str, Any] = {}
    error: Any = None
    events = [*decoder.feed(body), *decoder.close()]
    for data, _ in events:
        if data == DONE:
            reply.done = True
            continue
        try:
            delta = decode_chunk(data)
        except InvalidJson:
            return Body(data)
        first = first or loads(data)
        error = _error_of(loads(data)) if delta.error else error
        reply.add(Event(data, delta))
        reasoning.append(delta.reasoning)
    document = _document(reply, "".join(reasoning), first.get("created"), error)
    data = dumps(document)
    whole = reply.complete or error is not None
    kept = len(data) if whole else len(data) // 2
    total_delay = delay * max(0, len(events) - 1)
    return Body(data[:kept], delay=total_delay, missing=len(data) - kept)


def _document(reply: Reply, reasoning: str, created: object, error: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reasoning:
        message["reasoning"] = reasoning
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in reply.tool_calls
        ]
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    if error is not None:
        choice |= {"finish_reason": "error", "error": error}
    document = {
        "id": reply.id,
        "object": "chat.completion",
        "created": created,
        "model": reply.model,
        "choices": [choice],
        "usage": reply.usage,
    }
    return {key: value for key, value in document.items() if value is not None}


def _error_of(chunk: dict[str, Any]) -> Any:
    choices = chunk.get("choices") or [{}]
    return chunk.get("error") or choices[0].get("error") or {"message": "the stream failed"}
