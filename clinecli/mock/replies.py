"""Chat requests to deterministic replies: the same question always gets the same bytes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from clinecli.chat.error_body import text_of
from clinecli.jsontext import dumps
from clinecli.mock.answers import (
    DONE_EVENT,
    Answer,
    Body,
    Event,
    Headers,
    Stream,
    error_body,
    sse_event,
)
from clinecli.mock.catalogue import cost
from clinecli.mock.samples import sample

QUESTION = "What is the capital of France?"
ANSWER = "The capital of France is Paris."
_QUOTED = 200
_TURN_ROLES = ("user", "assistant", "tool")
_ROLES = (*_TURN_ROLES, "system", "developer")
# A fixed time, so that a recorded run can be compared byte by byte: 2026-03-25T00:00:00Z.
_CREATED = 1774396800
# What a provider's own prompt template adds to a message, about.
_PROMPT_OVERHEAD = 7

_PIECE = re.compile(r"\w+|[^\w\s]")
_TOKEN = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True)
class Turn:
    """An accepted request and the text that answers it; `delay` is in seconds per token."""

    id: str
    model: str
    stream: bool
    text: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str = "stop"
    delay: float = 0.0

    @property
    def tokens(self) -> list[str]:
        """The text in the pieces it is streamed in: words with the white space before them."""
        return _TOKEN.findall(self.text)

    @property
    def usage(self) -> dict[str, Any]:
        """What the whole reply is billed, however little of it is delivered."""
        price = cost(self.model, self.prompt_tokens, self.completion_tokens)
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": price,
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "market_cost": price,
        }


class Refused(Exception):
    """A request that breaks the API's rules; `answer` says which."""

    def __init__(
        self, status: int, message: str, *, headers: Headers = (), **fields: object
    ) -> None:
        super().__init__(message)
        self.answer: Body = error_body(status, message, headers=headers, **fields)


# The second is its newer name, which some models insist on.
_LIMITS = ("max_tokens", "max_completion_tokens")

_Rule = tuple[Callable[[dict[str, Any]], object], str]
_RULES: tuple[_Rule, ...] = (
    (lambda body: _is_text(body.get("model")), "model is required: provider/name"),
    (
        lambda body: isinstance(body.get("messages"), list) and body["messages"],
        "messages is required: an array with at least one message",
    ),
    (
        lambda body: all(_is_message(message) for message in body["messages"]),
        (
            "each message needs a role (system, user, assistant or tool) and, as content, "
            "a string or an array of parts"
        ),
    ),
    (
        lambda body: any(message["role"] == "user" for message in body["messages"]),
        "messages needs at least one user message",
    ),
    (
        lambda body: body.get("stream") is None or isinstance(body["stream"], bool),
        "stream must be true or false",
    ),
    (
        lambda body: all(_is_limit(body.get(field)) for field in _LIMITS),
        "max_tokens and max_completion_tokens must be whole numbers from 1",
    ),
)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_limit(value: object) -> bool:
    return value is None or (isinstance(value, int) and value is not True and value >= 1)


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        return False
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(part, dict) and _is_text(part.get("type")) for part in content)
    return content is None or isinstance(content, str)


def read_request(data: bytes) -> dict[str, Any]:
    """The body of a chat request. Raises `Refused` with the status that the API would send."""
    import orjson

    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise Refused(400, "the body is not valid JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "the body is not a JSON object")
    for holds, message in _RULES:
        if not holds(body):
            raise Refused(400, message)
    if body["model"].startswith("unknown/"):
        raise Refused(404, f"model not found: {body['model']}")
    return body


def wants_stream(body: dict[str, Any]) -> bool:
    """Whether the reply is streamed, which is the API's default."""
    return body.get("stream") is not False


def make_turn(body: dict[str, Any], *, id: str, reply: str | None, delay: float) -> Turn:
    """The turn of an accepted request; `reply` replaces the text."""
    messages = body["messages"]
    prompt = (text_of(message.get("content")) for message in messages)
    text = _in_format(body.get("response_format"), reply_text(messages)) if reply is None else reply
    # The token after the last word says that the reply ends here.
    completion_tokens = _count_tokens(text) + 1
    finish_reason = "stop"
    limit = min((body[field] for field in _LIMITS if body.get(field)), default=completion_tokens)
    if limit < completion_tokens:
        text = _first_tokens(text, limit)
        completion_tokens, finish_reason = limit, "length"
    return Turn(
        id=id,
        model=body["model"],
        stream=wants_stream(body),
        text=text,
        prompt_tokens=_PROMPT_OVERHEAD + sum(map(_count_tokens, prompt)),
        completion_tokens=completion_tokens,
        finish_reason=finish_reason,
        delay=delay,
    )


def _count_tokens(text: str) -> int:
    return sum(1 for _ in _PIECE.finditer(text))


def _first_tokens(text: str, number: int) -> str:
    last = next(itertools.islice(_PIECE.finditer(text), number - 1, None))
    return text[: last.end()]


def _in_format(wanted: Any, text: str) -> str:
    """The reply in the format that is asked for, as models with structured outputs give it."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return dumps({"reply": text}).decode()
    if kind != "json_schema":
        return text
    asked = wanted.get("json_schema")
    return dumps(sample(asked.get("schema") if isinstance(asked, dict) else None)).decode()


def reply_text(messages: list[dict[str, Any]]) -> str:
    """The guide's answer to the guide's question; to all else, proof that it was read."""
    last = max(index for index, message in enumerate(messages) if message["role"] == "user")
    content = messages[last].get("content")
    text = text_of(content)
    if text.strip() == QUESTION:
        return ANSWER
    facts = f"{_count(len(text), 'character')}, {_count(len(text.split()), 'word')}"
    parts = content if isinstance(content, list) else []
    if images := sum(part["type"] == "image_url" for part in parts):
        facts += f", {_count(images, 'image')}"
    if earlier := sum(message["role"] in _TURN_ROLES for message in messages[:last]):
        facts += f", after {_count(earlier, 'earlier message')}"
    whole = len(text) <= _QUOTED
    quote = text if whole else text[:_QUOTED] + "…"
    return f"The mock read {facts}. The message {'is' if whole else 'begins'}: {quote}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def completion(turn: Turn, text: str, finish_reason: str, **choice: Any) -> dict[str, Any]:
    """A chat completion object; `choice` adds members to its only choice."""
    message = {"role": "assistant", "content": text}
    return {
        "id": turn.id,
        "object": "chat.completion",
        "created": _CREATED,
        "model": turn.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, **choice}],
        "usage": turn.usage,
    }


def _chunk(turn: Turn, delta: dict[str, str], **choice: Any) -> dict[str, Any]:
    return {
        "id": turn.id,
        "object": "chat.completion.chunk",
        "created": _CREATED,
        "model": turn.model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": None, **choice}],
    }


def opening_events(turn: Turn, tokens: list[str]) -> Iterator[Event]:
    """A stream's first chunks: the role, then one per token."""
    yield sse_event(_chunk(turn, {"role": "assistant"}))
    for token in tokens:
        yield sse_event(_chunk(turn, {"content": token}), turn.delay)


def closing_events(turn: Turn, finish_reason: str) -> Iterator[Event]:
    """A stream's last chunk, with the usage, and its end mark."""
    yield sse_event({**_chunk(turn, {}, finish_reason=finish_reason), "usage": turn.usage})
    yield DONE_EVENT


def error_event(turn: Turn, error: dict[str, Any]) -> Event:
    """The chunk that ends a stream which fails after it has started."""
    return sse_event(_chunk(turn, {}, finish_reason="error", error=error))


def full_answer(
    turn: Turn, tokens: list[str] | None = None, finish_reason: str | None = None
) -> Answer:
    """The reply, streamed or whole; `tokens` are all of it unless given."""
    tokens = turn.tokens if tokens is None else tokens
    finish_reason = finish_reason or turn.finish_reason
    if turn.stream:
        return Stream(
            itertools.chain(opening_events(turn, tokens), closing_events(turn, finish_reason))
        )
    return whole_answer(turn, completion(turn, "".join(tokens), finish_reason))


def whole_answer(turn: Turn, document: dict[str, Any], *, cut: bool = False) -> Body:
    """A non-streaming reply after the time that its tokens take; `cut` leaves out its half."""
    data = dumps(document)
    missing = len(data) // 2 if cut else 0
    delay = turn.delay * len(turn.tokens) if turn.delay else 0.0
    return Body(data[: len(data) - missing], delay=delay, missing=missing)
