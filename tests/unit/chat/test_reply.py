from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.reply import Delta, Event, Reply
from clinecli.chat.request import ChatRequest
from clinecli.chat.tool_calls import ToolCall, ToolCallPiece
from clinecli.errors import ExitStatus, RejectedError, Retry
from clinecli.text import is_visible


def fold(*deltas: Delta, done: bool = False, keep_text: bool = True) -> Reply:
    reply = Reply(keep_text=keep_text)
    for delta in deltas:
        reply.add(Event(b"", delta))
    if done:
        reply.add(Event(b"", Delta(), done=True))
    return reply


def piece(position: int, id: str = "", name: str = "", arguments: str = "") -> Delta:
    return Delta(tool_calls=(ToolCallPiece(position, id, name, arguments),))


def user(content: object) -> dict[str, Any]:
    return {"role": "user", "content": content}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


USER_CONTENT: dict[str, tuple[Any, bool]] = {
    "text": ([user("hi")], True),
    "text-with-space-around": ([user(" \n hi \n")], True),
    "zero": ([user("0")], True),
    "after-a-system-message": ([{"role": "system", "content": "be brief"}, user("hi")], True),
    "before-an-assistant-message": (
        [user("hi"), {"role": "assistant", "content": "hello"}],
        True,
    ),
    "one-of-two": ([user(""), user("hi")], True),
    "text-part": ([user([{"type": "text", "text": "hi"}])], True),
    "image-part": ([user([IMAGE])], True),
    "image-and-empty-text": ([user([{"type": "text", "text": " "}, IMAGE])], True),
    "unknown-part": ([user([{"type": "file", "file": {}}])], True),
    "empty": ([user("")], False),
    "white-space": ([user(" \t\r\n\v\f")], False),
    "unicode-white-space": ([user("\u00a0\u2003\u3000\u2028")], False),
    "null": ([user(None)], False),
    "number": ([user(7)], False),
    "dict": ([user({"type": "text", "text": "hi"})], False),
    "no-content": ([{"role": "user"}], False),
    "no-parts": ([user([])], False),
    "empty-text-part": ([user([{"type": "text", "text": ""}])], False),
    "blank-text-parts": ([user([{"type": "text", "text": " \n"}] * 2)], False),
    "text-part-without-text": ([user([{"type": "text"}])], False),
    "text-part-null": ([user([{"type": "text", "text": None}])], False),
    "parts-of-junk": ([user(["hi", None, 1, []])], False),
    "only-system": ([{"role": "system", "content": "hi"}], False),
    "only-assistant": ([{"role": "assistant", "content": "hi"}], False),
    "role-missing": ([{"content": "hi"}], False),
    "role-in-capitals": ([{"role": "USER", "content": "hi"}], False),
    "no-messages": ([], False),
    "messages-null": (None, False),
    "messages-a-dict": ({"0": user("hi")}, False),
    "messages-a-string": ("hi", False),
    "messages-of-junk": ([None, "user", 1, []], False),
}


class TestUserContent:
    @pytest.mark.parametrize(("messages", "expected"), USER_CONTENT.values(), ids=USER_CONTENT)
    def test_table(self, messages: Any, expected: bool) -> None:
        assert ChatRequest({"model": "m", "messages": messages}).has_user_content is expected

    def test_no_messages_at_all(self) -> None:
        assert ChatRequest({}).has_user_content is False


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({}, False, id="no"),
        pytest.param({"max_tokens": 5}, True, id="max_tokens"),
        pytest.param({"max_completion_tokens": 5}, True, id="max_completion_tokens"),
        pytest.param({"max_tokens": None}, False, id="null"),
        pytest.param({"max_tokens": None, "max_completion_tokens": 5}, True, id="null-and-other"),
        pytest.param({"temperature": 1}, False, id="other-field"),
    ],
)
def test_limits_tokens(body: dict[str, Any], expected: bool) -> None:
    assert ChatRequest(body).limits_tokens is expected


def test_requests_are_compared_by_value_and_frozen() -> None:
    request = ChatRequest({"a": 1}, (("X-Title", "t"),))
    assert request == ChatRequest({"a": 1}, (("X-Title", "t"),))
    assert request != ChatRequest({"a": 1})
    with pytest.raises(AttributeError):
        request.body = {}  # type: ignore[misc]


class TestFolding:
    def test_a_new_reply_is_empty(self) -> None:
        reply = Reply()
        assert (reply.text, reply.tool_calls, reply.usage) == ("", [], None)
        assert (reply.id, reply.model, reply.finish_reason) == (None, None, None)
        assert (reply.complete, reply.has_text, reply.has_reasoning) == (False, False, False)

    def test_text_in_pieces(self) -> None:
        reply = fold(Delta("a"), Delta(""), Delta(" \n"), Delta("😀"))
        assert reply.text == "a \n😀"
        assert reply.has_text

    def test_text_is_counted_but_not_kept(self) -> None:
        reply = fold(Delta("a"), Delta("b", finish_reason="stop"), keep_text=False)
        assert reply.text == ""
        assert reply.has_text
        assert reply.failure(limits_tokens=False) is None

    @pytest.mark.parametrize(
        ("texts", "expected"),
        [
            pytest.param([], False, id="none"),
            pytest.param(["", ""], False, id="empty"),
            pytest.param([" ", "\n", "\t"], False, id="white-space"),
            pytest.param(["\u3000"], False, id="unicode-white-space"),
            pytest.param([" ", "a"], True, id="after-white-space"),
            pytest.param(["a", " "], True, id="before-white-space"),
            pytest.param(["0"], True, id="zero"),
            pytest.param(["\u200b\ufeff", "\u2060"], False, id="zero-width"),
            pytest.param(["\0\0", "\x1b\x07\x7f\x9b"], False, id="controls"),
            pytest.param(["\u200e\xad\U000e0041"], False, id="hidden"),
            pytest.param(["\u200b", "a"], True, id="zero-width-before-text"),
            pytest.param(["\u200d👩"], True, id="emoji"),
            pytest.param(["\ud83d"], True, id="half-an-emoji"),
        ],
    )
    def test_has_text(self, texts: list[str], expected: bool) -> None:
        assert fold(*map(Delta, texts)).has_text is expected

    def test_reasoning_is_no_text(self) -> None:
        reply = fold(Delta(reasoning="hm"))
        assert reply.has_reasoning
        assert not reply.has_text
        assert reply.text == ""

    def test_later_values_win_and_empty_ones_do_not_erase(self) -> None:
        reply = fold(
            Delta(id="1", model="a", usage={"cost": 1}, finish_reason="length"),
            Delta(id="2", model="b", usage={"cost": 2}, finish_reason="stop"),
            Delta("", id=None, model=None, usage=None, finish_reason=None),
            Delta("", id="", model="", usage={}, finish_reason=""),
        )
        assert (reply.id, reply.model) == ("2", "b")
        assert reply.usage == {"cost": 2}
        assert reply.finish_reason == "stop"

    def test_tool_call_in_pieces(self) -> None:
        reply = fold(
            piece(0, "call_1", "weather"),
            piece(0, arguments='{"ci'),
            piece(0, arguments='ty":"Ulm"}'),
        )
        assert reply.tool_calls == [ToolCall("call_1", "weather", '{"city":"Ulm"}')]

    def test_tool_calls_interleaved_and_out_of_order(self) -> None:
        reply = fold(
            piece(2, "c", "third", "3"),
            piece(0, "a", "first", "1"),
            piece(2, arguments="33"),
            piece(0, arguments="11"),
            Delta(tool_calls=(ToolCallPiece(1, "b", "second", "2"), ToolCallPiece(0, "", "", "!"))),
        )
        assert reply.tool_calls == [
            ToolCall("a", "first", "111!"),
            ToolCall("b", "second", "2"),
            ToolCall("c", "third", "333"),
        ]

    def test_id_and_name_sent_again_are_not_doubled(self) -> None:
        reply = fold(piece(0, "a", "f", "1"), piece(0, "a", "f", "2"), piece(0, "b", "g", "3"))
        assert reply.tool_calls == [ToolCall("a", "f", "12"), ToolCall("b", "g", "3")]

    def test_id_and_name_may_come_late(self) -> None:
        reply = fold(piece(0, arguments="{}"), piece(0, name="f"), piece(0, id="a"))
        assert reply.tool_calls == [ToolCall("a", "f", "{}")]

    @pytest.mark.parametrize(
        ("finish_reason", "done", "expected"),
        [
            pytest.param(None, False, False, id="neither"),
            pytest.param("stop", False, True, id="finish-reason"),
            pytest.param(None, True, True, id="done"),
            pytest.param("stop", True, True, id="both"),
            pytest.param("", False, False, id="empty-finish-reason"),
            pytest.param("weird", False, True, id="unknown-finish-reason"),
        ],
    )
    def test_complete(self, finish_reason: str | None, done: bool, expected: bool) -> None:
        assert fold(Delta("a", finish_reason=finish_reason), done=done).complete is expected


TEXT = Delta("text")
BLANK = Delta(" \n")
CALL = piece(0, "a", "f", "{}")
THOUGHT = Delta(reasoning="hm")
CUT = (ExitStatus.INCOMPLETE, "cut")
FILTER = (ExitStatus.REJECTED, "content_filter")
EMPTY = (ExitStatus.INCOMPLETE, "empty_reply")
LENGTH = (ExitStatus.INCOMPLETE, "length")
FAILED = (ExitStatus.TRANSIENT, None)


def finish(reason: str) -> Delta:
    return Delta(finish_reason=reason)


# deltas, done, limits_tokens, (exit status, code) or None
FAILURES: dict[str, tuple[list[Delta], bool, bool, tuple[ExitStatus, str | None] | None]] = {
    "text-stop": ([TEXT, finish("stop")], False, False, None),
    "text-done": ([TEXT], True, False, None),
    "text-stop-done": ([TEXT, finish("stop")], True, False, None),
    "text-end-turn": ([TEXT, finish("end_turn")], False, False, None),
    "text-unknown-reason": ([TEXT, finish("weird")], False, False, None),
    "nameless-call": ([piece(0, "a", "", "{}"), finish("tool_calls")], True, False, EMPTY),
    "empty-call": ([piece(0), finish("tool_calls")], True, False, EMPTY),
    "zero-width": ([Delta("\u200b\ufeff"), finish("stop")], True, False, EMPTY),
    "nul": ([Delta("\0"), finish("stop")], True, False, EMPTY),
    "max-tokens": ([TEXT, finish("MAX_TOKENS")], True, False, LENGTH),
    "model-length": ([TEXT, finish("model_length")], True, False, LENGTH),
    "max-tokens-with-cap": ([TEXT, finish("max_tokens")], True, True, None),
    "safety": ([TEXT, finish("SAFETY")], True, True, FILTER),
    "network-error": ([TEXT, finish("network_error")], True, True, FAILED),
    "error-without-text": ([finish("insufficient_system_resource")], True, False, FAILED),
    "abort": ([TEXT, finish("abort")], True, True, CUT),
    "cancelled-without-text": ([finish("cancelled")], True, False, CUT),
    "tool-calls": ([CALL, finish("tool_calls")], False, False, None),
    "tool-calls-done": ([CALL], True, False, None),
    "text-and-tool-calls": ([TEXT, CALL, finish("tool_calls")], True, False, None),
    "reasoning-and-text": ([THOUGHT, TEXT, finish("stop")], True, False, None),
    "nothing-at-all": ([], False, False, CUT),
    "text-cut": ([TEXT], False, False, CUT),
    "text-cut-with-cap": ([TEXT], False, True, CUT),
    "tool-calls-cut": ([CALL], False, False, CUT),
    "reasoning-cut": ([THOUGHT], False, False, CUT),
    "filter": ([TEXT, finish("content_filter")], True, False, FILTER),
    "filter-without-text": ([finish("content_filter")], True, False, FILTER),
    "filter-with-cap": ([TEXT, finish("content_filter")], True, True, FILTER),
    "filter-with-tool-calls": ([CALL, finish("content_filter")], True, True, FILTER),
    "empty-done": ([], True, False, EMPTY),
    "empty-stop": ([finish("stop")], True, False, EMPTY),
    "empty-text": ([Delta(""), finish("stop")], True, False, EMPTY),
    "white-space": ([BLANK, BLANK, finish("stop")], True, False, EMPTY),
    "reasoning-only": ([THOUGHT, finish("stop")], True, False, EMPTY),
    "reasoning-and-white-space": ([THOUGHT, BLANK, finish("stop")], True, False, EMPTY),
    "usage-only": ([Delta(usage={"cost": 1})], True, False, EMPTY),
    "empty-tool-calls-reason": ([finish("tool_calls")], True, False, EMPTY),
    "empty-length": ([finish("length")], True, False, EMPTY),
    "empty-length-with-cap": ([finish("length")], True, True, EMPTY),
    "reasoning-length-with-cap": ([THOUGHT, finish("length")], True, True, EMPTY),
    "length": ([TEXT, finish("length")], True, False, LENGTH),
    "length-with-cap": ([TEXT, finish("length")], True, True, None),
    "length-with-tool-calls": ([CALL, finish("length")], True, False, LENGTH),
    "length-with-tool-calls-and-cap": ([CALL, finish("length")], True, True, None),
}


@pytest.mark.parametrize("keep_text", [True, False], ids=["kept", "not-kept"])
@pytest.mark.parametrize(
    ("deltas", "done", "limits_tokens", "expected"), FAILURES.values(), ids=FAILURES
)
def test_failure(
    deltas: list[Delta],
    done: bool,
    limits_tokens: bool,
    expected: tuple[ExitStatus, str | None] | None,
    keep_text: bool,
) -> None:
    reply = fold(*deltas, done=done, keep_text=keep_text)
    reasons = [delta.finish_reason for delta in deltas]
    failure = reply.failure(limits_tokens=limits_tokens)
    if expected is None:
        assert failure is None
        return
    assert failure is not None
    assert (failure.status, failure.code) == expected
    assert failure.message
    assert failure.hint
    # What the same request may do better.
    assert failure.retryable == (
        expected[1] in {"cut", "empty_reply", None} and "length" not in reasons
    )
    assert failure.retry in {Retry.NEVER, Retry.TWICE}


@pytest.mark.parametrize(
    ("deltas", "notes"),
    [
        ([TEXT, finish("stop")], []),
        ([TEXT, finish("weird\x1b[31m")], ["'weird [31m'"]),
        ([TEXT, finish("w" * 1000)], ["…'"]),
        ([CALL, piece(1, "b", "", "{}"), finish("stop")], ["1 tool call(s) without a name"]),
    ],
    ids=["none", "unknown", "long", "nameless"],
)
def test_notes(deltas: list[Delta], notes: list[str]) -> None:
    told = fold(*deltas, done=True).notes
    assert len(told) == len(notes)
    for note, words in zip(told, notes, strict=True):
        assert words in note
        assert note.isprintable()
        assert len(note) < 250


def test_empty_reply_with_reasoning_says_so() -> None:
    with_reasoning = fold(THOUGHT, finish("stop")).failure(limits_tokens=False)
    without = fold(finish("stop")).failure(limits_tokens=False)
    assert with_reasoning is not None
    assert without is not None
    assert "reasoning but no content" in with_reasoning.message
    assert "reasoning" not in without.message


def test_an_error_in_a_delta_is_left_to_the_caller() -> None:
    reply = fold(Delta("a", error=RejectedError("no")))
    assert reply.text == "a"
    assert not reply.complete


PIECES = st.builds(
    ToolCallPiece,
    st.integers(0, 3),
    st.sampled_from(["", "id"]),
    st.sampled_from(["", "name"]),
    st.text(max_size=5),
)
DELTAS = st.lists(
    st.builds(
        Delta,
        text=st.sampled_from(["", " ", "\n"]) | st.text(max_size=5),
        reasoning=st.sampled_from(["", "hm"]),
        tool_calls=st.lists(PIECES, max_size=3).map(tuple),
        finish_reason=st.sampled_from(
            [None, None, "stop", "length", "tool_calls", "content_filter"]
        ),
        usage=st.none() | st.just({"cost": 1}),
    ),
    max_size=8,
)


@given(DELTAS, st.booleans(), st.booleans())
def test_property_status_zero_means_complete_and_not_empty(
    deltas: list[Delta], done: bool, limits_tokens: bool
) -> None:
    reply = fold(*deltas, done=done)
    reasons = [delta.finish_reason for delta in deltas if delta.finish_reason]
    assert reply.text == "".join(delta.text for delta in deltas)
    assert reply.finish_reason == (reasons[-1] if reasons else None)
    assert reply.complete == (done or bool(reasons))
    pieces = [piece for delta in deltas for piece in delta.tool_calls]
    assert bool(reply.tool_calls) == any(piece.name for piece in pieces)
    good = (
        reply.complete
        and bool(is_visible(reply.text) or reply.tool_calls)
        and reply.finish_reason != "content_filter"
        and (limits_tokens or reply.finish_reason != "length")
    )
    assert (reply.failure(limits_tokens=limits_tokens) is None) == good


@given(DELTAS)
def test_property_keeping_the_text_changes_no_judgement(deltas: list[Delta]) -> None:
    kept, dropped = fold(*deltas), fold(*deltas, keep_text=False)
    assert dropped.text == ""
    for limits in (True, False):
        one, other = (reply.failure(limits_tokens=limits) for reply in (kept, dropped))
        assert (one and one.as_dict()) == (other and other.as_dict())
