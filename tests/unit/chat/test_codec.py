from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.api_errors import Origin
from clinecli.chat.codec import (
    DONE,
    StreamReader,
    decode_body,
    decode_chunk,
    decode_reply,
    json_body,
)
from clinecli.chat.reply import Delta, Event, Reply
from clinecli.chat.sse import DEFAULT_MAX_EVENT_BYTES, SSEDecoder
from clinecli.chat.tool_calls import ToolCall, ToolCallPiece
from clinecli.errors import ClinecliError, Code, ExitStatus, IncompleteError
from clinecli.jsontext import InvalidJson
from tests.helpers.env import RECORDINGS


def told(delta: Delta) -> Delta:
    """The delta without its error, which compares by identity."""
    return delta._replace(error=None)


def chunk(delta: object = None, **fields: Any) -> dict[str, Any]:
    """A chunk as the API sends it, with unknown keys around."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    for name in ("finish_reason", "index", "error"):
        if name in fields:
            choice[name] = fields.pop(name)
    return {"object": "chat.completion.chunk", "created": 0, "choices": [choice], **fields}


def reply(message: object, finish_reason: object = "stop", **fields: Any) -> dict[str, Any]:
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        **fields,
    }


def call(**function: Any) -> dict[str, Any]:
    return {"index": 0, "id": "c1", "type": "function", "function": function}


def calls(*pieces: tuple[int | None, str, str, str]) -> Delta:
    return Delta(tool_calls=tuple(ToolCallPiece(*piece) for piece in pieces))


USAGE = {"prompt_tokens": 3, "cost": 0.00012, "cost_details": {"upstream": None}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "https://x"}}
PARTS = [{"type": "text", "text": "a"}, IMAGE_PART, {"type": "text", "text": "b"}]

CHUNKS: dict[str, tuple[Any, Delta]] = {
    # what cline-api.md lists
    "content": (chunk({"content": "hi"}), Delta("hi")),
    "role-and-content": (chunk({"role": "assistant", "content": "hi"}), Delta("hi")),
    "role-only": (chunk({"role": "assistant"}), Delta()),
    "content-null": (chunk({"role": "assistant", "content": None}), Delta()),
    "content-empty": (chunk({"content": ""}), Delta()),
    "content-white-space": (chunk({"content": " \n"}), Delta(" \n")),
    "delta-empty": (chunk({}), Delta()),
    "delta-null": (chunk(None), Delta()),
    "delta-missing": ({"choices": [{"index": 0, "finish_reason": None}]}, Delta()),
    "choices-empty": ({"choices": []}, Delta()),
    "choices-null": ({"choices": None}, Delta()),
    "usage-only": (
        {"id": "g1", "model": "m", "choices": [], "usage": USAGE},
        Delta(usage=USAGE, id="g1", model="m"),
    ),
    "usage-without-choices": ({"usage": USAGE}, Delta(usage=USAGE)),
    "usage-null": (chunk({"content": "a"}, usage=None), Delta("a")),
    "last-chunk": (
        chunk({"content": ""}, id="g1", model="m", usage=USAGE, finish_reason="stop"),
        Delta(finish_reason="stop", usage=USAGE, id="g1", model="m"),
    ),
    "unknown-keys": (
        chunk({"content": "a", "phase": "final"}, system_fingerprint="f", generationId="g"),
        Delta("a"),
    ),
    "provider-metadata-only": (chunk({"provider_metadata": {"x": {"y": 1}}}), Delta()),
    "reasoning": (
        chunk({"content": "", "reasoning": "hm", "reasoning_details": [{"text": "hm"}]}),
        Delta(reasoning="hm"),
    ),
    "reasoning-details-only": (chunk({"reasoning_details": [{"text": "hm"}]}), Delta()),
    "reasoning-null": (chunk({"content": "a", "reasoning": None}), Delta("a")),
    "reasoning-content-of-peers": (chunk({"reasoning_content": "hm"}), Delta(reasoning="hm")),
    "reasoning-and-content": (chunk({"reasoning": "r", "content": "c"}), Delta("c", "r")),
    "parts": (chunk({"content": PARTS}), Delta("ab")),
    "parts-of-junk": (chunk({"content": [None, 1, "x", [], {"text": 5}, {"text": None}]}), Delta()),
    "lone-surrogate": (chunk({"content": "\ud83d"}), Delta("\ud83d")),
    "finish-reason-only": (chunk({}, finish_reason="length"), Delta(finish_reason="length")),
    "finish-reason-empty": (chunk({"content": "a"}, finish_reason=""), Delta("a")),
    "finish-reason-null-as-text": (chunk({"content": "a"}, finish_reason="null"), Delta("a")),
    "refusal": (chunk({"content": None, "refusal": "I won't"}), Delta(refusal="I won't")),
    "finish-reason-unknown": (chunk({}, finish_reason="eos"), Delta(finish_reason="eos")),
    "message-instead-of-delta": ({"choices": [{"message": {"content": "a"}}]}, Delta("a")),
    # tool calls
    "tool-call-head": (
        chunk({"tool_calls": [call(name="f", arguments="")]}),
        calls((0, "c1", "f", "")),
    ),
    "tool-call-piece": (
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": '{"a'}}]}),
        calls((1, "", "", '{"a')),
    ),
    "function-call": (
        chunk({"function_call": {"name": "f", "arguments": "{"}}),
        calls((None, "", "f", "{")),
    ),
    "function-call-null": (
        chunk({"function_call": None, "tool_calls": [call(name="f")]}),
        calls((0, "c1", "f", "")),
    ),
    "tool-call-two": (
        chunk({"tool_calls": [call(name="f"), {"index": 1, "id": "c2"}]}),
        calls((0, "c1", "f", ""), (1, "c2", "", "")),
    ),
    "tool-call-without-index": (
        chunk({"tool_calls": [{"id": "a"}, {"id": "b"}]}),
        calls((None, "a", "", ""), (None, "b", "", "")),
    ),
    "tool-call-in-a-whole-message": (
        {"choices": [{"message": {"tool_calls": [call(name="f"), call(name="g")]}}]},
        calls((0, "c1", "f", ""), (1, "c1", "g", "")),
    ),
    "tool-call-arguments-deep": (
        chunk({"tool_calls": [call(name="f", arguments=json.loads("[" * 400 + "]" * 400))]}),
        calls((0, "c1", "f", "[" * 400 + "]" * 400)),
    ),
    "tool-call-arguments-with-a-lone-surrogate": (
        chunk({"tool_calls": [call(name="f", arguments={"a": "\ud83d"})]}),
        calls((0, "c1", "f", '{"a":"\\ud83d"}')),
    ),
    "tool-call-arguments-object": (
        chunk({"tool_calls": [call(name="f", arguments={"b": [1, None], "a": "é"})]}),
        calls((0, "c1", "f", '{"b":[1,null],"a":"é"}')),
    ),
    "tool-call-arguments-empty-object": (
        chunk({"tool_calls": [call(name="f", arguments={})]}),
        calls((0, "c1", "f", "{}")),
    ),
    "tool-call-arguments-null": (
        chunk({"tool_calls": [call(name="f", arguments=None)]}),
        calls((0, "c1", "f", "")),
    ),
    "tool-call-nulls": (
        chunk({"tool_calls": [{"index": None, "id": None, "function": None}]}),
        calls((None, "", "", "")),
    ),
    "tool-calls-null": (chunk({"content": "a", "tool_calls": None}), Delta("a")),
    "tool-calls-empty": (chunk({"content": "a", "tool_calls": []}), Delta("a")),
    "tool-calls-of-junk": (chunk({"tool_calls": [None, 1, "x", []]}), Delta()),
    "tool-calls-a-dict": (chunk({"tool_calls": {"index": 0}}), Delta()),
    "tool-call-function-a-string": (
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": "f"}]}),
        calls((0, "a", "", "")),
    ),
    # envelopes and other choices
    "envelope": ({"success": True, "data": chunk({"content": "a"})}, Delta("a")),
    "envelope-with-error-null": ({"error": None, "data": chunk({"content": "a"})}, Delta("a")),
    "data-beside-choices": (chunk({"content": "a"}, data={"choices": []}), Delta("a")),
    "data-null": ({"data": None}, Delta()),
    "second-choice": (chunk({"content": "b"}, index=1, usage=USAGE), Delta(usage=USAGE)),
    "index-null": (chunk({"content": "a"}, index=None), Delta("a")),
    # junk in every place
    "choice-null": ({"choices": [None]}, Delta()),
    "choice-a-string": ({"choices": ["a"]}, Delta()),
    "choices-a-dict": ({"choices": {"delta": {"content": "a"}}}, Delta()),
    "choices-a-string": ({"choices": "abc"}, Delta()),
    "delta-a-string": (chunk("abc"), Delta()),
    "delta-a-list": (chunk([{"content": "a"}]), Delta()),
    "content-a-number": (chunk({"content": 7}), Delta()),
    "content-a-dict": (chunk({"content": {"text": "a"}}), Delta()),
    "reasoning-a-dict": (chunk({"reasoning": {"text": "a"}}), Delta()),
    "usage-a-list": (chunk({}, usage=[1]), Delta()),
    "id-a-number": (chunk({"content": "a"}, id=7, model=["m"]), Delta("a")),
    "id-a-number-without-choice": ({"choices": [], "id": 7, "model": {}}, Delta()),
    "finish-reason-a-dict": (chunk({"content": "a"}, finish_reason={"x": 1}), Delta("a")),
    "finish-reason-true": (chunk({"content": "a"}, finish_reason=True), Delta("a")),
    "error-null": (chunk({"content": "a"}, error=None), Delta("a")),
    "error-empty": ({"error": {}, **chunk({"content": "a"})}, Delta("a")),
    "empty-object": ({}, Delta()),
    "success-alone": ({"success": True}, Delta()),
}


@pytest.mark.parametrize(("document", "expected"), CHUNKS.values(), ids=CHUNKS)
def test_chunk(document: Any, expected: Delta) -> None:
    assert decode_chunk(json.dumps(document).encode()) == expected


def failed(**fields: Any) -> dict[str, Any]:
    """The documented error chunk."""
    return {"choices": [{"finish_reason": "error", "error": fields}]}


CONTEXT = {"code": "context_length_exceeded", "message": "too long"}
OUT = '{"code":"insufficient_credits","current_balance":-0.14,"message":"Not enough credits"}'
# document, exit status, code, a word of the message
ERROR_CHUNKS: dict[str, tuple[Any, ExitStatus, str | None, str]] = {
    "context": (failed(**CONTEXT), ExitStatus.REJECTED, "context_length_exceeded", "too long"),
    "filter": (failed(code="content_filter"), ExitStatus.REJECTED, "content_filter", "filter"),
    "rate-limit": (failed(code="rate_limit"), ExitStatus.TRANSIENT, "rate_limit", "rate limit"),
    "server": (
        failed(code="server_error", message="oh"),
        ExitStatus.TRANSIENT,
        "server_error",
        "oh",
    ),
    "unknown-code": (failed(code="odd", message="oh"), ExitStatus.TRANSIENT, "odd", "oh"),
    "no-error-object": (
        chunk({"content": ""}, finish_reason="error"),
        ExitStatus.TRANSIENT,
        None,
        "server failed",
    ),
    "error-without-finish-reason": (
        {"choices": [{"delta": {}, "error": CONTEXT}]},
        ExitStatus.REJECTED,
        "context_length_exceeded",
        "too long",
    ),
    "error-a-string": (
        {"choices": [{"finish_reason": "error", "error": "oh"}]},
        ExitStatus.TRANSIENT,
        None,
        "oh",
    ),
    "top-level": ({"error": CONTEXT}, ExitStatus.REJECTED, "context_length_exceeded", "too long"),
    "top-level-number": (
        {"error": {"code": 402, "message": "pay"}},
        ExitStatus.CREDIT,
        "402",
        "pay",
    ),
    "top-level-string": ({"error": "oh"}, ExitStatus.TRANSIENT, None, "oh"),
    "top-level-true": ({"error": True}, ExitStatus.TRANSIENT, None, "server failed"),
    "top-level-list": ({"error": [1]}, ExitStatus.TRANSIENT, None, "server failed"),
    "top-level-with-choices": (
        {"error": {"code": 502, "message": "up"}, **chunk({"content": ""}, finish_reason="error")},
        ExitStatus.TRANSIENT,
        "502",
        "up",
    ),
    "top-level-beats-choice": (
        {**failed(code="server_error"), "error": CONTEXT},
        ExitStatus.REJECTED,
        "context_length_exceeded",
        "too long",
    ),
    "top-level-with-empty-choices": (
        {"error": CONTEXT, "choices": []},
        ExitStatus.REJECTED,
        "context_length_exceeded",
        "too long",
    ),
    "gateway": (
        {"success": False, "error": OUT},
        ExitStatus.CREDIT,
        "insufficient_credits",
        "Not enough credits",
    ),
    "gateway-with-data": (
        {"success": False, "error": OUT, "data": {}},
        ExitStatus.CREDIT,
        "insufficient_credits",
        "Not enough credits",
    ),
    "in-envelope": (
        {"success": True, "data": failed(**CONTEXT)},
        ExitStatus.REJECTED,
        "context_length_exceeded",
        "too long",
    ),
    "in-envelope-top-level": (
        {"data": {"error": CONTEXT}},
        ExitStatus.REJECTED,
        "context_length_exceeded",
        "too long",
    ),
}


@pytest.mark.parametrize("decode", [decode_chunk, decode_reply], ids=["chunk", "reply"])
@pytest.mark.parametrize(
    ("document", "status", "code", "word"), ERROR_CHUNKS.values(), ids=ERROR_CHUNKS
)
def test_error_in_a_200(
    document: Any,
    status: ExitStatus,
    code: str | None,
    word: str,
    decode: Callable[[bytes], Delta],
) -> None:
    error = decode(json.dumps(document).encode()).error
    assert error is not None
    assert (error.status, error.server_code) == (status, code)
    assert word in error.message


def test_what_an_error_chunk_says_besides_is_kept() -> None:
    document = chunk({"content": "partial"}, finish_reason="error", error=CONTEXT, usage=USAGE)
    delta = decode_chunk(json.dumps(document).encode())
    assert delta.error is not None
    assert told(delta) == Delta("partial", finish_reason="error", usage=USAGE)


NOT_CHUNKS: dict[str, bytes] = {
    "empty": b"",
    "word": b"hello",
    "done": DONE,
    "cut": b'{"choices":[{"del',
    "html": b"<html>",
    "array": b"[]",
    "string": b'"text"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
    "not-utf8": b'{"choices":"\xff"}',
    "deep": b'{"choices":' + b"[" * 100_000,
    # It cannot be written back as the JSON text that `arguments` is.
    "arguments-with-infinity": b'{"choices":[{"delta":{"tool_calls":[{"function":'
    b'{"arguments":{"a":1%b}}}]}}]}' % (b"0" * 5000),
}


@pytest.mark.parametrize("data", NOT_CHUNKS.values(), ids=NOT_CHUNKS)
def test_what_is_no_chunk(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        decode_chunk(data)


def test_a_content_nested_to_the_parser_s_limit() -> None:
    content = b'[{"text":' * 500 + b'"x"' + b"}]" * 500
    data = b'{"choices":[{"delta":{"content":' + content + b"}}]}"
    assert decode_chunk(data) == Delta()


TOOL_MESSAGE = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": {"y": 2}}},
    ],
}
STOP = Delta("hi", finish_reason="stop")
REPLIES: dict[str, tuple[Any, Delta]] = {
    "plain": (reply({"role": "assistant", "content": "hi"}), STOP),
    "all-fields": (
        reply({"content": "hi", "reasoning": "hm"}, id="g1", model="m", usage=USAGE, provider="x"),
        Delta("hi", "hm", (), "stop", USAGE, "g1", "m"),
    ),
    "envelope": ({"success": True, "data": reply({"content": "hi"})}, STOP),
    "envelope-without-success": ({"data": reply({"content": "hi"})}, STOP),
    "envelope-with-error-null": (
        {"success": True, "error": None, "data": reply({"content": "hi"})},
        STOP,
    ),
    "data-beside-choices": (reply({"content": "hi"}, data={"choices": []}), STOP),
    "parts": (reply({"content": PARTS}), Delta("ab", finish_reason="stop")),
    "content-null": (reply({"content": None}), Delta(finish_reason="stop")),
    "message-null": (reply(None), Delta(finish_reason="stop")),
    "message-missing": ({"choices": [{"finish_reason": "stop"}]}, Delta(finish_reason="stop")),
    "message-a-string": (reply("hi"), Delta(finish_reason="stop")),
    "choices-empty": ({"choices": [], "id": "g1"}, Delta(id="g1")),
    "choices-null": ({"choices": None}, Delta()),
    "choice-null": ({"choices": [None]}, Delta()),
    "delta-instead-of-message": ({"choices": [{"delta": {"content": "hi"}}]}, Delta("hi")),
    "length": (reply({"content": "hi"}, "length"), Delta("hi", finish_reason="length")),
    "finish-reason-null": (reply({"content": "hi"}, None), Delta("hi")),
    "two-choices": (
        {
            "choices": [
                {"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"},
                {"index": 1, "message": {"content": "ho"}, "finish_reason": "stop"},
            ]
        },
        STOP,
    ),
    "tool-calls": (
        reply(TOOL_MESSAGE, "tool_calls"),
        calls((0, "a", "f", '{"x":1}'), (1, "b", "g", '{"y":2}'))._replace(
            finish_reason="tool_calls"
        ),
    ),
}


@pytest.mark.parametrize(("document", "expected"), REPLIES.values(), ids=REPLIES)
def test_reply(document: Any, expected: Delta) -> None:
    assert decode_reply(json.dumps(document).encode()) == expected


NOT_REPLIES: dict[str, str] = {
    "empty-object": "{}",
    "array": "[]",
    "null": "null",
    "string": '"hi"',
    "number": "7",
    "list-of-models": '{"data":[{"id":"m"}]}',
    "enveloped-account": '{"success":true,"data":{"id":"u","email":"e"}}',
    "enveloped-null": '{"success":true,"data":null}',
    "text-completion": '{"text":"hi"}',
}


@pytest.mark.parametrize("text", NOT_REPLIES.values(), ids=NOT_REPLIES)
def test_json_that_is_no_reply(text: str) -> None:
    with pytest.raises(IncompleteError, match="not from the API"):
        decode_reply(text.encode())


@pytest.mark.parametrize("data", [b"", b"<html>", b"hello", b'{"choices":[', b"\xff"])
def test_reply_that_is_no_json(data: bytes) -> None:
    with pytest.raises(InvalidJson):
        decode_reply(data)


# A streamed body, however it is cut.


def sse(*payloads: object, end: str = "\n") -> bytes:
    texts = [p if isinstance(p, str) else json.dumps(p) for p in payloads]
    return "".join(f"data: {text}{end}{end}" for text in texts).encode()


def raw(document: object) -> bytes:
    return json.dumps(document).encode()


def coded(error: ClinecliError) -> str | None:
    """The code that a script sees."""
    code: str | None = error.as_dict()["code"]
    return code


class Read(NamedTuple):
    """What a whole body gave, without what may depend on how it was cut."""

    events: list[tuple[bytes, Delta, bool]]
    complete: bool
    done: bool
    failure: tuple[ExitStatus, str | None] | None


def read(chunks: list[bytes], content_type: str = "text/event-stream") -> Read:
    reader = StreamReader(Origin(content_type))
    events = [event for data in chunks for event in reader.feed(data)] + reader.close()
    failure = (reader.failure.status, coded(reader.failure)) if reader.failure else None
    seen = [(event.raw, told(event.delta), event.done) for event in events]
    return Read(seen, reader.complete, reader.done, failure)


A, B, LAST = chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, finish_reason="stop")
EVENT_A, EVENT_B = (raw(A), Delta("a"), False), (raw(B), Delta("b"), False)
EVENT_LAST = (raw(LAST), Delta(finish_reason="stop"), False)
EVENT_DONE = (b"", Delta(), True)
WHOLE = reply({"content": "hi"})
FOREIGN = (ExitStatus.INCOMPLETE, "not_the_api")
BOM = b"\xef\xbb\xbf"

# body, its media type, what is read
STREAMS: dict[str, tuple[bytes, str, Read]] = {
    "done": (
        sse(A, B, "[DONE]"),
        "text/event-stream",
        Read([EVENT_A, EVENT_B, EVENT_DONE], True, True, None),
    ),
    "finish-reason": (
        sse(A, LAST),
        "text/event-stream; charset=utf-8",
        Read([EVENT_A, EVENT_LAST], True, False, None),
    ),
    "both": (
        sse(A, LAST, "[DONE]"),
        "text/event-stream",
        Read([EVENT_A, EVENT_LAST, EVENT_DONE], True, True, None),
    ),
    "neither": (sse(A, B), "text/event-stream", Read([EVENT_A, EVENT_B], False, False, None)),
    "crlf": (sse(A, "[DONE]", end="\r\n"), "", Read([EVENT_A, EVENT_DONE], True, True, None)),
    "cr": (sse(A, "[DONE]", end="\r"), "", Read([EVENT_A, EVENT_DONE], True, True, None)),
    "no-blank-line-at-the-end": (
        sse(A) + b"data: " + raw(LAST),
        "text/event-stream",
        Read([EVENT_A, EVENT_LAST], True, False, None),
    ),
    "done-without-a-line-end": (
        sse(A) + b"data: [DONE]",
        "text/event-stream",
        Read([EVENT_A, EVENT_DONE], True, True, None),
    ),
    "only-a-short-done": (b"data:[DONE]", "", Read([EVENT_DONE], True, True, None)),
    "cut-inside-an-event": (
        sse(A) + b"data: " + raw(LAST)[:-1],
        "text/event-stream",
        Read([EVENT_A], False, False, None),
    ),
    "anything-after-done": (
        sse(A, "[DONE]", B, "garbage") + b"<html>",
        "text/event-stream",
        Read([EVENT_A, EVENT_DONE], True, True, None),
    ),
    "empty-events": (
        b"data:\n\ndata\n\n" + sse(A, "[DONE]"),
        "text/event-stream",
        Read([EVENT_A, EVENT_DONE], True, True, None),
    ),
    "comment-first": (
        b": OPENROUTER PROCESSING\n\n" + sse(A, "[DONE]"),
        "text/plain",
        Read([EVENT_A, EVENT_DONE], True, True, None),
    ),
    "comments-only": (b":\n\n: x\n\n", "text/plain", Read([], False, False, None)),
    "event-field-first": (b"event: m\n" + sse(A), "", Read([EVENT_A], False, False, None)),
    "id-field-first": (b"id: 1\n" + sse(A), "text/plain", Read([EVENT_A], False, False, None)),
    "retry-field-first": (b"retry:1\n" + sse(A), "", Read([EVENT_A], False, False, None)),
    "unknown-field-first": (
        b"custom: 1\n" + sse(A),
        "text/event-stream",
        Read([EVENT_A], False, False, None),
    ),
    "unknown-field-first-and-another-type": (
        b"custom: 1\n" + sse(A),
        "text/plain",
        Read([], False, False, FOREIGN),
    ),
    "blank-lines-first": (b"\r\n\n \n" + sse(A), "", Read([EVENT_A], False, False, None)),
    "bom": (BOM + sse(A), "text/plain", Read([EVENT_A], False, False, None)),
    "bom-and-blank-line": (BOM + b"\n" + sse(A), "", Read([EVENT_A], False, False, None)),
    "multi-line-data-is-put-on-one-line": (
        b'data: {"choices":\ndata:  []}\n\n',
        "text/event-stream",
        Read([(b'{"choices":[]}', Delta(), False)], False, False, None),
    ),
    "raw-bytes-as-they-came": (
        b'data: { "choices" : [ ] , "x" : 1.10 }\n\n',
        "text/event-stream",
        Read([(b'{ "choices" : [ ] , "x" : 1.10 }', Delta(), False)], False, False, None),
    ),
    "error-chunk": (
        sse(A, failed(**CONTEXT), B),
        "text/event-stream",
        Read(
            [EVENT_A, (raw(failed(**CONTEXT)), Delta(finish_reason="error"), False)],
            True,
            False,
            (ExitStatus.REJECTED, "context_length_exceeded"),
        ),
    ),
    "error-at-the-end-without-a-blank-line": (
        sse(A) + b"data: " + raw({"error": CONTEXT}),
        "text/event-stream",
        Read(
            [EVENT_A, (raw({"error": CONTEXT}), Delta(), False)],
            False,
            False,
            (ExitStatus.REJECTED, "context_length_exceeded"),
        ),
    ),
    "error-event": (
        sse(A) + b"event: error\n" + sse(CONTEXT, B),
        "text/event-stream",
        Read(
            [EVENT_A, (raw(CONTEXT), Delta(), False)],
            False,
            False,
            (ExitStatus.REJECTED, "context_length_exceeded"),
        ),
    ),
    "error-event-nested": (
        b"event: error\n" + sse({"error": {"code": 402}}),
        "text/event-stream",
        Read(
            [(raw({"error": {"code": 402}}), Delta(), False)],
            False,
            False,
            (ExitStatus.CREDIT, "402"),
        ),
    ),
    "not-json": (
        sse(A, "hello", B, "[DONE]"),
        "text/event-stream",
        Read([EVENT_A], False, False, FOREIGN),
    ),
    "not-an-object": (sse(A, [1], B), "text/event-stream", Read([EVENT_A], False, False, FOREIGN)),
    "whole-reply": (
        raw(WHOLE),
        "application/json",
        Read([(json.dumps(WHOLE, separators=(",", ":")).encode(), STOP, True)], False, False, None),
    ),
    "whole-reply-typed-as-a-stream": (
        b" \n" + raw(WHOLE) + b"\n",
        "text/event-stream",
        Read([(json.dumps(WHOLE, separators=(",", ":")).encode(), STOP, True)], False, False, None),
    ),
    # Where the network cuts them must not decide whether one of them stays.
    "two-boms": (BOM + b"\r" + BOM + sse(A), "text/plain", Read([], False, False, FOREIGN)),
    "whole-reply-with-a-bom": (
        BOM + raw(WHOLE),
        "",
        Read([(json.dumps(WHOLE, separators=(",", ":")).encode(), STOP, True)], False, False, None),
    ),
    "whole-reply-in-an-envelope": (
        raw({"success": True, "data": WHOLE}),
        "application/json",
        Read([(json.dumps(WHOLE, separators=(",", ":")).encode(), STOP, True)], False, False, None),
    ),
    "whole-reply-cut": (
        raw(WHOLE)[:-1],
        "application/json",
        Read([], False, False, (ExitStatus.INCOMPLETE, "cut")),
    ),
    "object-that-is-no-reply": (b"{}", "application/json", Read([], False, False, FOREIGN)),
    "object-with-an-error": (
        raw({"success": False, "error": OUT}),
        "application/json",
        Read([], False, False, (ExitStatus.CREDIT, "insufficient_credits")),
    ),
    "html": (b"<!DOCTYPE html><html>", "text/html", Read([], False, False, FOREIGN)),
    "html-typed-as-a-stream": (
        b"\n <p>\n" + sse(A),
        "text/event-stream",
        Read([], False, False, FOREIGN),
    ),
    "short-html": (b"<p>", "", Read([], False, False, FOREIGN)),
    "text": (b"upstream connect error\n" + sse(A), "text/plain", Read([], False, False, FOREIGN)),
    "short-text": (b"no", "text/plain", Read([], False, False, FOREIGN)),
    "empty": (b"", "text/event-stream", Read([], False, False, FOREIGN)),
    "blank": (b"\r\n \n", "text/event-stream", Read([], False, False, FOREIGN)),
    "only-a-bom": (BOM, "text/event-stream", Read([], False, False, FOREIGN)),
    "json-array": (b'[{"choices":[]}]', "application/json", Read([], False, False, FOREIGN)),
}


# What is none of ours ends no stream: events between two chunks.
HARMLESS: dict[str, bytes] = {
    "ping": b"event: ping\ndata: ping\n\n",
    "ping-json": b'event: ping\ndata: {"type":"ping"}\n\n',
    "ping-array": b"event: ping\ndata: [1]\n\n",
    "ping-with-odd-calls": b'event: x\ndata: {"choices":[{"delta":{"tool_calls":[{"function":'
    b'{"arguments":{"a":1%b}}}]}}]}\n\n' % (b"0" * 5000),
    "heartbeat": b"event: heartbeat\ndata: 2026-01-01T00:00:00Z\n\n",
    "event-without-data": b"event: ping\n\n",
    "null": b"data: null\n\n",
    "empty-array": b"data: []\n\n",
    "empty-text": b'data: ""\n\n',
    "false": b"data: false\n\n",
    "zero": b"data: 0\n\n",
    "blank": b"data:   \n\n",
    "comment": b": ping\n\n",
}


@pytest.mark.parametrize("event", HARMLESS.values(), ids=HARMLESS)
def test_events_that_are_none_of_ours(event: bytes) -> None:
    for body in (sse(A) + event + sse(LAST, "[DONE]"), event + sse(A, LAST, "[DONE]")):
        found = read([body])
        assert (found.failure, found.done) == (None, True)
        assert "".join(delta.text for _, delta, _ in found.events) == "a"


@pytest.mark.parametrize("payload", ["[done]", "DONE", '"[DONE]"', "1", "{", "bye"])
def test_what_follows_the_end_of_a_reply_need_not_be_ours(payload: str) -> None:
    found = read([sse(A) + sse(LAST, payload)])
    assert (found.failure, found.complete) == (None, True)
    assert read([sse(A, payload, LAST)]).failure == FOREIGN


@pytest.mark.parametrize(
    "mark", ["data: [DONE] \n\n", "data:[DONE]\t\r\n\r\n", "event: message\ndata: [DONE]\n\n"]
)
def test_end_marks_with_blanks(mark: str) -> None:
    found = read([sse(A) + mark.encode() + sse(B)])
    assert (found.done, found.failure) == (True, None)
    assert [delta.text for _, delta, _ in found.events] == ["a", ""]


# Errors that come with HTTP 200, in every shape: exit status and server's code.
TOLD: dict[str, tuple[Any, tuple[ExitStatus, str | None]]] = {
    "success-false": ({"success": False, "message": "quota"}, (ExitStatus.TRANSIENT, None)),
    "success-false-with-data": (
        {"success": False, "data": chunk({"content": "x"})},
        (ExitStatus.TRANSIENT, None),
    ),
    "success-false-with-choices": (
        {"success": False, **reply({"content": "x"})},
        (ExitStatus.TRANSIENT, None),
    ),
    "object-error": (
        {"object": "error", "message": "no", "code": 401},
        (ExitStatus.AUTH, "401"),
    ),
    "type-error": ({"type": "error", "message": "no"}, (ExitStatus.TRANSIENT, None)),
    "type-error-nested": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "no"}},
        (ExitStatus.TRANSIENT, "overloaded_error"),
    ),
    "detail": ({"detail": "no"}, (ExitStatus.TRANSIENT, None)),
    "detail-list": ({"detail": [{"loc": ["x"], "msg": "no"}]}, (ExitStatus.TRANSIENT, None)),
    "errors": (
        {"errors": [{"message": "no", "code": "rate_limit"}]},
        (ExitStatus.TRANSIENT, "rate_limit"),
    ),
    "array": ([{"error": {"code": 402, "message": "no"}}], (ExitStatus.CREDIT, "402")),
    "problem": ({"title": "no", "status": 403}, (ExitStatus.AUTH, None)),
    "code-and-message": ({"code": 429, "message": "no"}, (ExitStatus.TRANSIENT, "429")),
    "error": ({"error": {"code": 402, "message": "no"}}, (ExitStatus.CREDIT, "402")),
    "enveloped": (
        {"data": {"error": CONTEXT}},
        (ExitStatus.REJECTED, "context_length_exceeded"),
    ),
}


@pytest.mark.parametrize(("document", "expected"), TOLD.values(), ids=TOLD)
def test_errors_count_in_every_shape_before_and_after_text(
    document: Any, expected: tuple[ExitStatus, str | None]
) -> None:
    after, before = read([sse(A, document, B, "[DONE]")]), read([sse(document, A, "[DONE]")])
    assert after.failure == before.failure == expected
    assert [delta.text for _, delta, _ in after.events[:1]] == ["a"]
    assert len(before.events) == 1
    with pytest.raises(ClinecliError) as caught:
        decode_body(raw(document))
    assert (caught.value.status, coded(caught.value)) == expected
    # A server that knows no streaming.
    assert read([raw(document)], "application/json").failure == expected


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (b"event: error\n\n", "the server failed"),
        (b"event: error\ndata:\n\n", "the server failed"),
        (b"event: error\ndata: out of memory\n\n", "out of memory"),
        (b"event: ERROR\ndata: out of memory\n\n", "out of memory"),
        (b'event: error\ndata: "text"\n\n', "text"),
        (b"event: error\ndata: \xff\n\n", "the server failed"),
    ],
    ids=["nothing", "empty", "text", "upper case", "JSON text", "not UTF-8"],
)
def test_error_events_of_any_kind(event: bytes, words: str) -> None:
    for before in (b"", sse(A)):
        reader = StreamReader(Origin("text/event-stream", "req-7"))
        reader.feed(before + event + sse(B, "[DONE]"))
        assert reader.failure is not None
        assert reader.failure.status == ExitStatus.TRANSIENT
        assert words in reader.failure.text
        assert reader.failure.request_id == "req-7"
        assert not reader.done


@pytest.mark.parametrize("status", [402, 500, 511])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["cut", "line end", "CRLF"])
def test_an_error_counts_that_lacks_its_blank_line(status: int, end: str) -> None:
    tail = f"data: {json.dumps({'error': {'code': status}})}{end}".encode()
    found = read([sse(A, LAST) + tail])
    assert found.failure is not None
    assert found.failure[1] == str(status)
    # What was cut within an event says nothing.
    assert read([sse(A, LAST) + tail[: len(tail) // 2]]).failure is None


# What `--json` prints is the API's own object, whatever is around it: as it came.
ENVELOPED: dict[str, tuple[str, str]] = {
    "usual": ('{"success":true,"data":%s}', "%s"),
    "other-order": ('{"data":%s,"success":true}', "%s"),
    "more-members": ('{"data":%s,"requestId":1}', "%s"),
    "more-members-before": ('{"meta":{"data":[1]},"data": %s }', "%s"),
    "nested": ('{"data":{"data":%s}}', "%s"),
    "nested-with-more": ('{"success":true,"data":{"data":%s,"x":[1]},"y":"}"}', "%s"),
    "error-null": ('{"error":null,"data":%s}', "%s"),
    "bare": ("%s", "%s"),
    "data-inside": ("%s", "%s"),
}


@pytest.mark.parametrize(("around", "_"), ENVELOPED.values(), ids=ENVELOPED)
def test_envelopes_are_opened_in_what_is_printed(around: str, _: str) -> None:
    whole = (
        '{"choices":[{"message":{"content":"é😀 }"},"finish_reason":"stop"}],"n":1.10,"data":{}}'
    )
    event = decode_body((around % whole).encode())
    assert (event.raw.decode(), event.delta.text) == (whole, "é😀 }")
    piece = whole.replace("message", "delta")
    (seen,) = read([sse(around % piece)]).events
    assert (seen[0].decode(), seen[1].text) == (piece, "é😀 }")


def test_control_characters_that_a_parser_forgives_are_escaped() -> None:
    payload = b'{"choices":[{"delta":{"content":"a\tb\x01\x1b"}}]}'
    (seen,) = read([b"data: " + payload + b"\n\n"]).events
    assert seen[1].text == "a\tb\x01\x1b"
    assert not re.search(rb"[\x00-\x1f]", seen[0])
    assert json.loads(seen[0]) == json.loads(payload, strict=False)


@pytest.mark.parametrize(
    "inner", [b"1" * 5000, b"[" * 2000 + b"]" * 2000], ids=["5,000 digits", "2,000 deep"]
)
def test_numbers_and_depths_that_parsers_refuse(inner: bytes) -> None:
    payload = b'{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"x":%b}' % inner
    found = read([b"data: " + payload + b"\n\n"])
    assert (found.events[0][0], found.events[0][1].text, found.failure) == (payload, "a", None)
    event = decode_body(payload)
    assert (event.raw, event.delta.text) == (payload, "a")
    enveloped = decode_body(b'{"data":%b,"id":1}' % payload)
    assert enveloped.raw == payload


def test_a_whole_message_after_the_deltas_is_no_more_text() -> None:
    last = reply({"content": "ab", "tool_calls": [call(name="f", arguments="{ }")]}, usage=USAGE)
    pieces = [chunk({"tool_calls": [call(name="f", arguments="{}")]})]
    both = calls((0, "c1", "f", "{ }"))._replace(finish_reason="stop", usage=USAGE)
    found = read([sse(A, B, *pieces, last, "[DONE]")])
    assert [delta.text for _, delta, _ in found.events] == ["a", "b", "", "", ""]
    assert found.events[3][1] == Delta(finish_reason="stop", usage=USAGE)
    # Whatever the chunk looks like by which usual ones are known.
    empty = chunk({"content": ""}, id="i", model="m")
    same = [chunk({"content": text}, id="i", model="m") for text in "ab"]
    found = read([sse(empty)] + [sse(each) for each in same] + [sse(last, "[DONE]")])
    assert "".join(delta.text for _, delta, _ in found.events) == "ab"
    # What has not come before counts.
    assert read([sse(A, B, last, "[DONE]")]).events[2][1] == both
    assert read([sse(*pieces, last, "[DONE]")]).events[1][1].text == "ab"
    assert read([sse(last, "[DONE]")]).events[0][1] == both._replace(text="ab")


@pytest.mark.parametrize("body", [b"hello there " * 9, b"<p>oh</p>" * 9, BOM * 2 + b"data: x\n\n"])
def test_what_is_no_stream_is_told_the_same_however_it_comes(body: bytes) -> None:
    def failure(pieces: list[bytes]) -> str:
        reader = StreamReader(Origin("text/plain"))
        for piece in pieces:
            reader.feed(piece)
        reader.close()
        assert reader.failure is not None
        return reader.failure.text

    whole = failure([body])
    assert failure([body[i : i + 1] for i in range(len(body))]) == whole
    assert failure([body[:5], body[5:]]) == whole


def test_endless_blanks_before_a_stream_are_not_kept() -> None:
    tracemalloc.start()
    reader = StreamReader(Origin("text/event-stream"))
    for _ in range(1000):
        assert reader.feed(b" \n" * 5000) == []
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    assert [event.delta.text for event in reader.feed(sse(A))] == ["a"]


@pytest.mark.parametrize(("body", "content_type", "expected"), STREAMS.values(), ids=STREAMS)
def test_stream(body: bytes, content_type: str, expected: Read) -> None:
    assert read([body], content_type) == expected
    assert read([body[i : i + 1] for i in range(len(body))], content_type) == expected
    for i in range(len(body) + 1):
        assert read([body[:i], b"", body[i:]], content_type) == expected, i


def test_an_event_of_a_stream_is_given_by_the_read_that_completes_it() -> None:
    reader = StreamReader(Origin("text/event-stream"))
    reads = [b"data", b": " + raw(A), b"\n", b"\n" + sse(B, LAST), b"data: [DONE]\n\n"]
    given = [[(event.raw, event.done) for event in reader.feed(data)] for data in reads]
    assert given == [
        [],
        [],
        [],
        [(raw(A), False), (raw(B), False), (raw(LAST), False)],
        [(b"", True)],
    ]
    assert reader.feed(sse(A)) == []
    assert reader.close() == []


def test_an_event_that_outgrows_the_decoder() -> None:
    reader = StreamReader(Origin("text/event-stream"))
    assert len(reader.feed(sse(A))) == 1
    half = b"x" * (DEFAULT_MAX_EVENT_BYTES // 2)
    for data in (b"data: ", half, half):
        assert reader.feed(data) == []
    assert reader.failure is not None
    assert reader.failure.status == ExitStatus.INCOMPLETE
    assert "exceeds" in reader.failure.message
    assert reader.feed(b"\n\n" + sse(B)) == []


def test_the_events_before_one_that_outgrows_the_decoder_are_given() -> None:
    reader = StreamReader(Origin("text/event-stream"))
    large = b"data: " + b"x" * (DEFAULT_MAX_EVENT_BYTES + 1)
    assert len(reader.feed(sse(A, B) + large)) == 2
    assert reader.failure is not None
    assert reader.failure.code is Code.TOO_LARGE


def test_an_object_that_outgrows_the_decoder() -> None:
    reader = StreamReader(Origin("application/json"))
    half = b"x" * (DEFAULT_MAX_EVENT_BYTES // 2)
    for data in (b'{"choices":"', half, half):
        assert reader.feed(data) == []
    assert reader.failure is not None
    assert (reader.failure.code, reader.failure.message) == (
        Code.TOO_LARGE,
        "the reply exceeds 64 MiB",
    )
    assert reader.feed(b'"}') == []
    assert reader.close() == []


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"hello"])
def test_what_is_no_stream(body: bytes) -> None:
    reader = StreamReader(Origin("text/html"))
    reader.feed(body)
    assert reader.close() == []
    assert reader.failure is not None
    assert "not from the API" in reader.failure.message
    assert reader.failure.code is Code.NOT_THE_API


def test_an_error_of_a_stream_names_the_request() -> None:
    reader = StreamReader(Origin("text/event-stream", "req-7"))
    reader.feed(sse(A, {"error": CONTEXT}))
    assert reader.failure is not None
    assert reader.failure.request_id == "req-7"


def test_decode_body() -> None:
    event = decode_body(b'{ "success": true,\n "data": { "choices": [], "n": 1.10 } }')
    assert event == Event(b'{"choices":[],"n":1.10}', Delta(), True)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "word"),
    [
        pytest.param(b"<html>", "text/html", ExitStatus.INCOMPLETE, "an HTML page", id="html"),
        pytest.param(b"", "", ExitStatus.INCOMPLETE, "an empty body", id="empty"),
        pytest.param(b"hi", "text/plain", ExitStatus.INCOMPLETE, "text/plain", id="text"),
        pytest.param(b"[]", "", ExitStatus.INCOMPLETE, "no chat completion", id="array"),
        pytest.param(
            b'{"choices":[{"message":{"tool_calls":[{"function":{"name":"f","arguments":'
            b'{"a":1%b}}}]}}]}' % (b"0" * 5000),
            "",
            ExitStatus.INCOMPLETE,
            "cannot be written as JSON",
            id="arguments-with-infinity",
        ),
        pytest.param(
            b'{"success":false,"error":"no"}', "", ExitStatus.TRANSIENT, "no", id="gateway-error"
        ),
        pytest.param(b'{"error":{"code":402}}', "", ExitStatus.CREDIT, "credits", id="error"),
        pytest.param(
            b'{"choices":[{"finish_reason":"error","error":{"code":"content_filter"}}]}',
            "",
            ExitStatus.REJECTED,
            "content filter",
            id="error-choice",
        ),
        pytest.param(
            b'{"choices":[],"error":{"code":402}}', "", ExitStatus.CREDIT, "credits", id="both"
        ),
    ],
)
def test_decode_body_of_what_is_no_reply(
    body: bytes, content_type: str, status: ExitStatus, word: str
) -> None:
    with pytest.raises(ClinecliError, match=re.escape(word)) as caught:
        decode_body(body, Origin(content_type))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"data": [1.10, {"a": " b "}]}', b'[1.10,{"a":" b "}]', id="models"),
        pytest.param(b'{"success":true,"data":{"id":"u"}}', b'{"id":"u"}', id="account"),
        pytest.param(b'{"object":"list", "data":[]}', b'{"object":"list","data":[]}', id="peer"),
        pytest.param(b" [ ]\n", b"[]", id="array"),
    ],
)
def test_json_body(body: bytes, expected: bytes) -> None:
    assert json_body(body, Origin("application/json")) == expected


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"<html>", Code.NOT_THE_API, id="html"),
        pytest.param(b"", Code.NOT_THE_API, id="empty"),
        pytest.param(b'{"error":' + b"[" * 100_000, Code.CUT, id="deep"),
    ],
)
def test_json_body_of_what_is_no_json(body: bytes, code: Code) -> None:
    with pytest.raises(IncompleteError) as caught:
        json_body(body, Origin("application/json"))
    assert caught.value.code is code


def test_json_body_names_the_request() -> None:
    with pytest.raises(ClinecliError) as caught:
        json_body(b'{"error":"no"}', Origin(request_id="req-7"))
    assert caught.value.request_id == "req-7"


# Whatever comes, the answer is a well-typed delta or one of the two announced exceptions.

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)
REPLY_NAMES = [
    "choices",
    "delta",
    "message",
    "finish_reason",
    "index",
    "id",
    "model",
    "usage",
    "data",
]
PART_NAMES = ["content", "text", "reasoning", "tool_calls", "function", "arguments", "name"]
ERROR_NAMES = ["error", "code", "message", "type", "success", "limit_usd"]
NAMES = [*REPLY_NAMES, *PART_NAMES, *ERROR_NAMES]
VALUES = ["error", "stop", "text", "rate_limit", "402", '{"code":"x"}', "{", "", "9" * 5000]
JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        ANY_TEXT,
        st.sampled_from(VALUES),
        st.just(10**30),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    ),
    max_leaves=20,
)
# Random JSON rarely gets as far as a tool call, so the known path is drawn with junk at its joints.
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 0, None]) | JSON_VALUES,
        "delta": st.dictionaries(st.sampled_from(NAMES), JSON_VALUES, max_size=4),
        "message": st.fixed_dictionaries(
            {"tool_calls": st.lists(st.fixed_dictionaries({"function": JSON_VALUES}))}
        ),
        "finish_reason": st.sampled_from(["error", "stop"]) | JSON_VALUES,
        "error": JSON_VALUES,
    },
)
CHUNK_LIKE = st.fixed_dictionaries(
    {"choices": st.lists(CHOICE, min_size=1, max_size=2)},
    optional=dict.fromkeys(("id", "model", "usage", "error", "data"), JSON_VALUES),
)
DOCUMENTS = st.one_of(
    JSON_VALUES,
    CHUNK_LIKE,
    st.fixed_dictionaries({"success": st.booleans(), "data": CHUNK_LIKE}),
    st.fixed_dictionaries({"success": st.booleans(), "error": JSON_VALUES}),
)
DECODERS = pytest.mark.parametrize(
    "decode", [decode_chunk, decode_reply], ids=["decode_chunk", "decode_reply"]
)


def check_any(decode: Callable[[bytes], Delta], data: bytes) -> None:
    try:
        delta = decode(data)
    except (InvalidJson, IncompleteError):
        return
    assert type(delta) is Delta
    assert type(delta.text) is str
    assert type(delta.reasoning) is str
    for text in (delta.finish_reason, delta.id, delta.model):
        assert text is None or type(text) is str
    assert delta.usage is None or type(delta.usage) is dict
    for piece in delta.tool_calls:
        assert piece.position is None or type(piece.position) is int
        assert (type(piece.id), type(piece.name), type(piece.arguments)) == (str, str, str)
    if delta.error is not None:
        assert isinstance(delta.error, ClinecliError)
        assert "\n" not in delta.error.message
        delta.error.message.encode()
    folded = Reply()
    folded.add(Event(b"", delta, done=True))
    assert all(isinstance(found, ToolCall) for found in folded.tool_calls)
    failure = folded.failure(limits_tokens=False)
    assert failure is not None or folded.has_text or folded.tool_calls


@DECODERS
@given(DOCUMENTS)
def test_property_any_json(decode: Callable[[bytes], Delta], document: Any) -> None:
    check_any(decode, json.dumps(document).encode())


@DECODERS
@given(st.binary(max_size=60))
def test_property_any_bytes(decode: Callable[[bytes], Delta], data: bytes) -> None:
    check_any(decode, data)


@DECODERS
@given(CHUNK_LIKE, st.data())
def test_property_any_cut(
    decode: Callable[[bytes], Delta], document: Any, data: st.DataObject
) -> None:
    raw = json.dumps(document).encode()
    check_any(decode, raw[: data.draw(st.integers(0, len(raw)))])


BODIES = st.one_of(
    st.lists(
        st.one_of(
            CHUNK_LIKE.map(sse),
            st.sampled_from([sse(A), sse(LAST), sse("[DONE]"), b": x\r\n", b"event: error\n"]),
            st.sampled_from([BOM, b"\r", b"\n", b" ", b"<", b"{", b"data: {", b"\xff"]),
        ),
        max_size=5,
    ).map(b"".join),
    CHUNK_LIKE.map(raw),
    st.binary(max_size=30),
)


@given(BODIES, st.sampled_from(["text/event-stream", "text/plain", ""]), st.data())
def test_property_any_stream(body: bytes, content_type: str, data: st.DataObject) -> None:
    whole = read([body], content_type)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert read(pieces, content_type) == whole
    assert whole.complete >= whole.done
    for line, delta, done in whole.events:
        assert b"\n" not in line
        assert line or (done and delta == Delta()) or whole.failure
        assert not line or isinstance(json.loads(line, strict=True), dict | list)


# The recorded responses of the real API.


def exchanges() -> list[Any]:
    cases = []
    for path in sorted(RECORDINGS.glob("*.json")):
        for number, exchange in enumerate(json.loads(path.read_text("utf-8"))):
            if exchange["path"].endswith("/chat/completions"):
                cases.append(pytest.param(exchange["response"], id=f"{path.stem}-{number}"))
    return cases or [
        pytest.param("", id="absent", marks=pytest.mark.skip("the recordings are not here"))
    ]


def fold(chunks: list[bytes]) -> Reply:
    folded, decoder = Reply(), SSEDecoder()
    for read in chunks:
        for data, _ in decoder.feed(read):
            if data == DONE:
                folded.add(Event(b"", Delta(), done=True))
            else:
                delta = decode_chunk(data)
                assert delta.error is None
                folded.add(Event(data, delta))
    assert decoder.close() == []
    return folded


@pytest.mark.parametrize("response", exchanges())
def test_recording(response: str) -> None:
    raw = response.encode()
    payloads = [line[6:] for line in response.split("\n") if line.startswith("data: ")]
    chunks = [json.loads(payload) for payload in payloads if payload != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    deltas = [choice["delta"] for choice in choices]
    for reads in ([raw], [raw[i : i + 1] for i in range(len(raw))], [raw[:700], raw[700:]]):
        folded = fold(reads)
        assert folded.complete
        assert folded.done == ("[DONE]" in payloads)
        assert folded.failure(limits_tokens=False) is None
        assert folded.text == "".join(delta.get("content") or "" for delta in deltas)
        assert folded.has_reasoning == any(delta.get("reasoning") for delta in deltas)
        assert folded.finish_reason == choices[-1]["finish_reason"]
        assert folded.usage == chunks[-1]["usage"]
        assert (folded.id, folded.model) == (chunks[-1]["id"], chunks[-1]["model"])
        sent = [piece for delta in deltas for piece in delta.get("tool_calls") or []]
        assert len(folded.tool_calls) == len({piece["index"] for piece in sent})
        for found in folded.tool_calls:
            assert found.id
            assert found.name
            assert isinstance(json.loads(found.arguments), dict)


@pytest.mark.parametrize("response", exchanges())
def test_recording_cut_before_its_end_is_no_answer(response: str) -> None:
    raw = response.encode()
    last_chunk = raw.rindex(b"data: ", 0, raw.rindex(b'"finish_reason":"'))
    for end in range(0, last_chunk, 97):
        failure = fold_lenient(raw[:end]).failure(limits_tokens=False)
        assert failure is not None
        assert failure.status == ExitStatus.INCOMPLETE


def fold_lenient(raw: bytes) -> Reply:
    """Fold a stream that breaks off, without the rest that closing would give."""
    folded = Reply()
    for data, _ in SSEDecoder().feed(raw):
        folded.add(Event(data, decode_chunk(data)))
    return folded


# What a reader knows besides


@pytest.mark.parametrize(
    ("usage", "expected"), [({"prompt_tokens": 1}, True), ({}, False), (None, False), (7, False)]
)
def test_a_stream_that_has_told_its_usage(usage: Any, expected: bool) -> None:
    reader = StreamReader(Origin("text/event-stream"))
    said = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
    reader.feed(f"data: {json.dumps(said)}\n\n".encode())
    assert not reader.has_usage
    reader.feed(f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode())
    assert reader.has_usage is expected
    reader.feed(f"data: {json.dumps(said)}\n\n".encode())
    assert reader.has_usage is expected
