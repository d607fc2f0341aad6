"""What is asked and what is answered."""

from __future__ import annotations

from typing import Any, NamedTuple

from clinecli.errors import ClinecliError, Code, IncompleteError, RejectedError
from clinecli.jsontext import dumps


class ChatRequest(NamedTuple):
    """One chat completions request: the body's fields but for `stream`, and extra headers."""

    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, *, stream: bool) -> bytes:
        """The exact bytes of the body. Raises `ValueError` for text that is not Unicode."""
        return dumps({**self.body, "stream": stream})

    @property
    def limits_tokens(self) -> bool:
        """Whether the caller capped the reply, which makes `finish_reason: length` expected."""
        caps = ("max_tokens", "max_completion_tokens")
        return any(self.body.get(cap) is not None for cap in caps)

    @property
    def has_user_content(self) -> bool:
        """Whether a user message says anything: text that is not all white space, or a part
        that is not text."""
        messages = self.body.get("messages")
        return isinstance(messages, list) and any(
            isinstance(message, dict)
            and message.get("role") == "user"
            and _has_content(message.get("content"))
            for message in messages
        )


def _has_content(content: object) -> bool:
    if isinstance(content, str):
        return bool(content.strip())
    if not isinstance(content, list):
        return False
    return any(
        bool(str(part.get("text") or "").strip()) if part.get("type") == "text" else True
        for part in content
        if isinstance(part, dict)
    )


class ToolCallPiece(NamedTuple):
    """A fragment of a tool call: `id` and `name` come first, `arguments` in pieces.

    `position` is the wire's `index`, a name that tuples have taken.
    """

    position: int
    id: str
    name: str
    arguments: str


class Delta(NamedTuple):
    """What one chunk of a stream, or a whole non-streaming reply, adds to the answer."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallPiece, ...] = ()
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    id: str | None = None
    model: str | None = None
    error: ClinecliError | None = None


class Event(NamedTuple):
    """One chunk of a stream, or a whole reply: its JSON on one line, and what it says.

    `done` says that the transport marks the end here; such an event may have no JSON.
    """

    raw: bytes
    delta: Delta
    done: bool = False


class ToolCall(NamedTuple):
    """A whole tool call. `arguments` is JSON text, as the model wrote it."""

    id: str = ""
    name: str = ""
    arguments: str = ""


def _assembled(pieces: list[ToolCallPiece]) -> ToolCall:
    return ToolCall(
        next((piece.id for piece in pieces if piece.id), ""),
        next((piece.name for piece in pieces if piece.name), ""),
        "".join(piece.arguments for piece in pieces),
    )


class Reply:
    """Folds deltas and knows whether they make a complete, non-empty answer.

    The text is kept only with `keep_text`: a stream that is printed as it comes must not
    grow in memory with its length.
    """

    def __init__(self, *, keep_text: bool = True) -> None:
        self._keep_text = keep_text
        self._text: list[str] = []
        self._calls: dict[int, list[ToolCallPiece]] = {}
        self.has_text = False
        self.has_reasoning = False
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.id: str | None = None
        self.model: str | None = None
        self.done = False

    def add(self, event: Event) -> None:
        """Take one event in."""
        _, delta, done = event
        text, reasoning, calls, finish_reason, usage, reply_id, model, _ = delta
        if text:
            if not self.has_text and not text.isspace():
                self.has_text = True
            if self._keep_text:
                self._text.append(text)
        if reasoning:
            self.has_reasoning = True
        for piece in calls:
            self._calls.setdefault(piece.position, []).append(piece)
        if finish_reason:
            self.finish_reason = finish_reason
        if usage:
            self.usage = usage
        if reply_id:
            self.id = reply_id
        if model:
            self.model = model
        if done:
            self.done = True

    @property
    def text(self) -> str:
        """The content so far; empty when it is not kept."""
        return "".join(self._text)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls in the order of their index."""
        return [_assembled(pieces) for _, pieces in sorted(self._calls.items())]

    @property
    def complete(self) -> bool:
        """Whether a `finish_reason` or the transport's own end mark was seen."""
        return self.done or self.finish_reason is not None

    def failure(self, *, limits_tokens: bool) -> ClinecliError | None:
        """Why this is not a complete, non-empty answer; None when it is one.

        `limits_tokens` says that the caller set a cap, so that reaching it is no failure.
        """
        if not self.complete:
            return IncompleteError(
                "the reply was cut off: the stream ended before its last chunk", code=Code.CUT
            )
        if self.finish_reason == "content_filter":
            return RejectedError(
                "the reply was stopped by a content filter",
                code=Code.CONTENT_FILTER,
                hint="rephrase the message, or try another model (-m)",
            )
        if not self.has_text and not self._calls:
            return IncompleteError(
                "the model's reply is empty"
                + (": it has reasoning but no content" if self.has_reasoning else ""),
                code=Code.EMPTY_REPLY,
                hint="the message was not empty, the model's answer was: "
                "run it again, raise --max-tokens or try another model (-m)",
            )
        if self.finish_reason == "length" and not limits_tokens:
            return IncompleteError(
                "the reply was cut off at the model's length limit (finish_reason: length)",
                code=Code.LENGTH,
                hint="ask for less, or set --max-tokens to accept a reply of that length",
            )
        return None
