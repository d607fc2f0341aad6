"""The shortcut for usual chunks gives what the long way gives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.api_errors import UNKNOWN, Origin
from clinecli.chat.codec import StreamReader
from clinecli.chat.reply import Delta, Event
from clinecli.chat.shapes import _delta, chunk_delta, plain_delta
from clinecli.chat.usual_chunks import UsualChunk
from clinecli.jsontext import InvalidJson, loads


def chunk(content: Any = "a", **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": None}
    return {"id": "g", "model": "m", "object": "x", "choices": [choice], **fields}


def spelled(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def learned(payload: bytes) -> UsualChunk:
    usual = UsualChunk()
    usual.learn(payload, chunk_delta(loads(payload), UNKNOWN)[0])
    return usual


USUAL = spelled(chunk())


@pytest.mark.parametrize(
    "text", ["b", "", " word", "é😀", '"\\\n', "\x7f", "a" * 10_000, '","content":"'], ids=ascii
)
def test_the_next_chunk_is_read(text: str) -> None:
    payload = spelled(chunk(text))
    expected = Delta(text, id="g", model="m")
    usual = learned(USUAL)
    assert usual.read(payload) == expected
    assert usual.event(b"data: " + payload + b"\n\n") == Event(payload, expected)


# What has the beginning of the usual chunk, and is another.
OTHERS: dict[str, bytes] = {
    "end": spelled(chunk(finish_reason="stop")),
    "null": spelled(chunk(None)),
    "parts": spelled(chunk([{"text": "b"}])),
    "surrogate": USUAL.replace(b'"a"', b'"\\ud83d"'),
    "raw-control": USUAL.replace(b'"a"', b'"\x01"'),
    "duplicate": USUAL.replace(b'"a"', b'"a","content":"b"'),
    "other-key": USUAL.replace(b'"a"', b'"a","reasoning":"b"'),
    "two-values": USUAL.replace(b'"a"', b'"a" "b"'),
    "number": USUAL.replace(b'"a"', b"7"),
    "nothing": USUAL.replace(b'"a"', b""),
    "cut": USUAL[:-1],
    "short": USUAL[:40],
    "empty": b"",
    "other-id": spelled(chunk() | {"id": "h"}),
}


@pytest.mark.parametrize("payload", OTHERS.values(), ids=OTHERS)
def test_another_chunk_goes_the_long_way(payload: bytes) -> None:
    usual = learned(USUAL)
    assert usual.read(payload) is None
    assert usual.event(b"data: " + payload + b"\n\n") is None


@pytest.mark.parametrize(
    "data",
    [
        b"data: " + USUAL + b"\n",
        b"data: " + USUAL + b"\r\n\r\n",
        b"data:" + USUAL + b"\n\n",
        b"data: " + USUAL.replace(b'"a"', b'"a\n\n"') + b"\n\n",
        (b"data: " + USUAL + b"\n\n") * 2,
        b"event: x\ndata: " + USUAL + b"\n\n",
    ],
    ids=["one line end", "CRLF", "no space", "line end inside", "two", "named"],
)
def test_what_is_not_one_usual_event(data: bytes) -> None:
    assert learned(USUAL).event(data) is None


# What cannot be expected: the string that is found is not what is read, or more counts besides.
NOT_LEARNED: dict[str, bytes] = {
    "two-contents": spelled(chunk(message={"content": "a"})),
    "another-content": spelled(chunk(note={"content": "a"})).replace(
        b'"content":"a"}', b'"content" :"a"}', 1
    ),
    "duplicate": USUAL.replace(b'"content":"a"', b'"content":"a","content" : "a"'),
    "finish": USUAL.replace(b'"finish_reason":null', b'"finish_reason":"stop"'),
    "usage": spelled(chunk(usage={"cost": 1})),
    "error": spelled(chunk(error="no")),
    "reasoning": USUAL.replace(b'"role"', b'"reasoning":"x","role"'),
    "envelope": spelled({"data": chunk()}),
    "large": spelled(chunk("a" * 5000)),
    "two-lines": USUAL.replace(b',"model"', b',\n"model"'),
}


@pytest.mark.parametrize("payload", NOT_LEARNED.values(), ids=NOT_LEARNED)
def test_what_is_not_learned(payload: bytes) -> None:
    delta, depth = chunk_delta(loads(payload), UNKNOWN)
    usual = UsualChunk()
    if not depth:
        usual.learn(payload, delta)
    assert usual.read(payload) is None


def test_what_never_comes_twice_is_given_up_and_what_pays_is_not() -> None:
    usual = UsualChunk()
    payload = b""
    for number in range(100):
        payload = spelled(chunk() | {"id": str(number)})
        usual.learn(payload, chunk_delta(loads(payload), UNKNOWN)[0])
    assert usual.read(payload) is None
    usual = UsualChunk()
    for number in range(100):
        payload = spelled(chunk() | {"id": str(number)})
        usual.learn(payload, chunk_delta(loads(payload), UNKNOWN)[0])
        for _ in range(5):
            assert usual.read(payload) is not None


# Whatever a stream holds, the reader that has learned says the same as the long way.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.sampled_from(['"', "\\"])
SPARE = st.none() | st.sampled_from(["x", 0, 1, {}, {"cost": 1}, [], "stop", False, True])
NAMES = ("usage", "error", "success", "id", "model", "object", "type", "note", "data")
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXTS | SPARE,
        "role": st.just("assistant"),
        "reasoning": SPARE,
        "reasoning_content": SPARE,
        "tool_calls": SPARE,
        "note": st.fixed_dictionaries({}, optional={"content": TEXTS}),
    },
)
CHOICES = st.fixed_dictionaries(
    {"delta": DELTAS | SPARE},
    optional={"index": SPARE, "finish_reason": SPARE, "error": SPARE, "message": DELTAS},
)
CHUNKS = st.one_of(
    TEXTS.map(chunk),
    st.fixed_dictionaries(
        {"choices": st.lists(CHOICES, max_size=2) | SPARE}, optional=dict.fromkeys(NAMES, SPARE)
    ),
)


def long_way(payload: bytes) -> Delta | None:
    """The delta without a shortcut."""
    document = loads(payload)
    return _delta(document, "delta", UNKNOWN) if plain_delta(document) else None


@given(CHUNKS)
def test_property_a_plain_delta_is_the_delta(document: Any) -> None:
    plain = plain_delta(document)
    if plain:
        assert plain == _delta(document, "delta", UNKNOWN)
        assert chunk_delta(document, UNKNOWN) == (plain, 0)


@given(st.lists(CHUNKS, max_size=8), st.booleans(), st.data())
def test_property_what_was_learned_changes_nothing(
    documents: list[Any], ascii_only: bool, data: st.DataObject
) -> None:
    separators = data.draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    payloads = [
        json.dumps(document, ensure_ascii=ascii_only, separators=separators).encode()
        for document in documents
    ]
    body = b"".join(b"data: " + payload + b"\n\n" for payload in payloads)
    one = StreamReader(Origin("text/event-stream"))
    apart = [event for payload in payloads for event in one.feed(b"data: " + payload + b"\n\n")]
    together = StreamReader(Origin("text/event-stream")).feed(body)
    # Named events go the long way.
    named = b"".join(b"event: message\ndata: " + payload + b"\n\n" for payload in payloads)
    fresh = StreamReader(Origin("text/event-stream")).feed(named)
    for events in (apart, together):
        assert [event.raw for event in events] == [event.raw for event in fresh]
        assert [event.delta._replace(error=None) for event in events] == [
            event.delta._replace(error=None) for event in fresh
        ]


@given(st.lists(TEXTS, min_size=2, max_size=9), st.binary(max_size=3))
def test_property_texts_of_usual_chunks(texts: list[str], junk: bytes) -> None:
    usual = learned(USUAL)
    for text in texts:
        payload = spelled(chunk(text))
        assert usual.read(payload) == chunk_delta(loads(payload), UNKNOWN)[0]
        damaged = payload.replace(b'"content":"', b'"content":"' + junk, 1)
        found = usual.read(damaged)
        try:
            expected = chunk_delta(loads(damaged), UNKNOWN)[0]
        except InvalidJson:
            assert found is None
            continue
        assert found in (None, expected)
