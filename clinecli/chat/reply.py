"""What is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from clinecli.chat.api_errors import one_line
from clinecli.chat.finish_reason import Finish, finish_of
from clinecli.chat.tool_calls import ToolCall, ToolCallPiece, ToolCalls
from clinecli.errors import (
    ClinecliError,
    Code,
    IncompleteError,
    RejectedError,
    Retry,
    TransientError,
)
from clinecli.text import is_visible


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
    refusal: str = ""


class Event(NamedTuple):
    """One chunk of a stream, or a whole reply: its JSON on one line, and what it says.

    `done` says that the transport marks the end here; such an event may have no JSON.
    """

    raw: bytes
    delta: Delta
    done: bool = False


# Of which a line is shown.
_LONGEST_REFUSAL = 4000


class Reply:
    """Folds deltas and knows whether they make a complete, non-empty answer.

    The text is kept only with `keep_text`: a stream that is printed as it comes must not
    grow in memory with its length.
    """

    def __init__(self, *, keep_text: bool = True) -> None:
        self._keep_text = keep_text
        self._text: list[str] = []
        self._calls = ToolCalls()
        self.has_text = False
        self.has_reasoning = False
        self._refusal = ""
        self.finish_reason: str | None = None
        self.usage: dict[str, Any] | None = None
        self.id: str | None = None
        self.model: str | None = None
        self.request_id: str | None = None
        self.done = False

    def add(self, event: Event) -> None:
        """Take one event in. Raises `IncompleteError` when its tool calls get too large."""
        _, (text, reasoning, calls, finish_reason, usage, reply_id, model, _, refusal), done = event
        if text:
            if not self.has_text:
                self.has_text = is_visible(text)
            if self._keep_text:
                self._text.append(text)
        if reasoning:
            self.has_reasoning = True
        if calls:
            for piece in calls:
                self._calls.add(piece)
        if finish_reason:
            self.finish_reason = finish_reason
        if usage:
            self.usage = usage
        if reply_id:
            self.id = reply_id
        if model:
            self.model = model
        if refusal and len(self._refusal) < _LONGEST_REFUSAL:
            self._refusal = (self._refusal + refusal)[:_LONGEST_REFUSAL]
        if done:
            self.done = True

    @property
    def text(self) -> str:
        """The content so far; empty when it is not kept."""
        return "".join(self._text)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls in the order of their index."""
        return self._calls.calls()

    @property
    def complete(self) -> bool:
        """Whether a `finish_reason` or the transport's own end mark was seen."""
        return self.done or self.finish_reason is not None

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about a reply, and no failure."""
        notes = []
        if self.finish_reason and finish_of(self.finish_reason) is Finish.UNKNOWN:
            reason = one_line(self.finish_reason, 100)
            notes.append(f"the reply is taken as complete: finish_reason '{reason}' is not known")
        if self._calls.nameless:
            notes.append(f"{self._calls.nameless} tool call(s) without a name are left out")
        return tuple(notes)

    def failure(
        self, *, limits_tokens: bool, redact: Callable[[str], str] = str
    ) -> ClinecliError | None:
        """Why this is not a complete, non-empty answer; None when it is one.

        `limits_tokens` says that the caller set a cap, so that reaching it is no failure;
        `redact` takes secrets out of what the reply says.
        """
        if not self.complete:
            return IncompleteError(
                "the reply was cut off: the stream ended before its last chunk",
                code=Code.CUT,
                retry=Retry.TWICE,
            )
        finish = finish_of(self.finish_reason) if self.finish_reason else Finish.COMPLETE
        if finish in _STOPPED:
            return _STOPPED[finish](one_line(self.finish_reason or "", 100))
        if not self.has_text and not self._calls.has_any:
            if self._refusal.strip():
                return _refused(one_line(redact(self._refusal)))
            # The same cap would cut it again.
            again = Retry.NEVER if finish is Finish.LENGTH else Retry.TWICE
            return _empty(self.has_reasoning, again)
        if finish is Finish.LENGTH and not limits_tokens:
            return IncompleteError(
                "the reply was cut off at the model's length limit "
                f"(finish_reason: {one_line(self.finish_reason or '', 100)})",
                code=Code.LENGTH,
                hint="ask for less, or set --max-tokens to accept a reply of that length",
            )
        return None


def _empty(has_reasoning: bool, retry: Retry) -> IncompleteError:
    return IncompleteError(
        "the model's reply is empty" + (": it has reasoning but no content" * has_reasoning),
        code=Code.EMPTY_REPLY,
        hint="the message was not empty, the model's answer was: "
        "run it again, raise --max-tokens or try another model (-m)",
        retry=retry,
    )


def _refused(words: str) -> RejectedError:
    return RejectedError(
        f"the model refuses to answer: {words}", code=Code.CONTENT_FILTER, hint=_REPHRASE
    )


_REPHRASE = "rephrase the message, or try another model (-m)"


def _filtered(reason: str) -> RejectedError:
    return RejectedError(
        f"the reply was stopped by a content filter (finish_reason: {reason})",
        code=Code.CONTENT_FILTER,
        hint=_REPHRASE,
    )


def _failed(reason: str) -> TransientError:
    return TransientError(
        f"the server failed while the model answered (finish_reason: {reason})", retry=Retry.TWICE
    )


def _broken_off(reason: str) -> IncompleteError:
    return IncompleteError(
        f"the reply was broken off (finish_reason: {reason})", code=Code.CUT, retry=Retry.TWICE
    )


_STOPPED: dict[Finish, Callable[[str], ClinecliError]] = {
    Finish.FILTERED: _filtered,
    Finish.FAILED: _failed,
    Finish.BROKEN_OFF: _broken_off,
}
