"""Every fixture is decoded whole, byte by byte, at every split point and with bytes after it."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.sse import EventTooLarge, ServerSentEvent, SSEDecoder

Events = list[ServerSentEvent]
BOM = b"\xef\xbb\xbf"


def ev(data: bytes, event: str = "") -> ServerSentEvent:
    return ServerSentEvent(data, event)


def decode(*chunks: bytes) -> Events:
    """What the chunks give before the stream is closed."""
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def decode_closed(*chunks: bytes) -> Events:
    decoder = SSEDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


def bytewise(raw: bytes) -> list[bytes]:
    return [raw[i : i + 1] for i in range(len(raw))]


def tr(raw: bytes, expected: Events, at_close: Events) -> None:
    """Decode `raw` however the network may cut it; `at_close` is what closing adds."""
    everything = expected + at_close
    assert decode(raw) == expected
    assert decode(*bytewise(raw)) == expected
    assert decode_closed(raw) == everything
    assert decode_closed(*bytewise(raw)) == everything
    for i in range(len(raw) + 1):
        assert decode(raw[:i], raw[i:]) == expected, i
        assert decode_closed(raw[:i], b"", raw[i:]) == everything, i


A, B = ev(b"a"), ev(b"b")

# Streams that end where an event ends: name, bytes, events.
COMPLETE: dict[str, tuple[bytes, Events]] = {
    "lf": (b"data: a\n\ndata: b\n\n", [A, B]),
    "crlf": (b"data: a\r\n\r\ndata: b\r\n\r\n", [A, B]),
    "lone-cr": (b"data: a\r\rdata: b\r\r", [A, B]),
    "mixed-lf-then-crlf": (b"data: a\n\r\ndata: b\r\n\n", [A, B]),
    "mixed-cr-then-lf-line": (b"data: a\r\n\rdata: b\n\r", [A, B]),
    "mixed-cr-then-crlf": (b"data: a\r\r\ndata: b\n\n", [A, B]),
    "many-blank-lines": (b"\n\n\r\n\r\rdata: a\n\n\n\n\n", [A]),
    "json": (b'data: {"a": "b"}\n\n', [ev(b'{"a": "b"}')]),
    "done": (b"data: [DONE]\n\n", [ev(b"[DONE]")]),
    "bom": (BOM + b"data: a\n\n", [A]),
    "bom-crlf": (BOM + b"data: a\r\n\r\n", [A]),
    "bom-then-comment": (BOM + b": hi\n\ndata: a\n\n", [A]),
    "bom-then-blank-line": (BOM + b"\n\ndata: a\n\n", [A]),
    "bom-twice-loses-the-second-field": (BOM + BOM + b"data: a\n\ndata: b\n\n", [B]),
    "bom-only-at-the-start": (b"data: b\n\n" + BOM + b"data: a\n\n", [B]),
    "bom-after-a-blank-line": (b"\n" + BOM + b"data: a\n\n", []),
    "bom-inside-data-stays": (b"data: " + BOM + b"\n\n", [ev(BOM)]),
    "half-a-bom-is-a-field-name": (BOM[:2] + b"data: a\n\ndata: b\n\n", [B]),
    "comment": (b": OPENROUTER PROCESSING\n\ndata: a\n\n", [A]),
    "comment-empty": (b":\n\n:\n\ndata: a\n\n", [A]),
    "comment-between-data-lines": (b"data: a\n: keep-alive\ndata: b\n\n", [ev(b"a\nb")]),
    "comment-that-looks-like-data": (b":data: a\n\n", []),
    "multi-line": (b"data: a\ndata: b\n\n", [ev(b"a\nb")]),
    "multi-line-crlf-joins-by-lf": (b"data: a\r\ndata: b\r\n\r\n", [ev(b"a\nb")]),
    "multi-line-with-empty-ones": (b"data\ndata: a\ndata:\n\n", [ev(b"\na\n")]),
    "two-empty-data-lines": (b"data\ndata\n\n", [ev(b"\n")]),
    "data-without-colon": (b"data\n\n", [ev(b"")]),
    "data-empty": (b"data:\n\n", [ev(b"")]),
    "data-without-space": (b"data:a\n\n", [A]),
    "data-with-two-spaces-keeps-one": (b"data:  a\n\n", [ev(b" a")]),
    "data-with-tab-keeps-it": (b"data:\ta\n\n", [ev(b"\ta")]),
    "data-keeps-trailing-space": (b"data: a \n\n", [ev(b"a ")]),
    "data-with-colons": (b"data: a:b: c\n\n", [ev(b"a:b: c")]),
    "field-names-are-case-sensitive": (b"Data: a\nDATA: a\n\ndata: b\n\n", [B]),
    "field-names-are-not-trimmed": (b" data: a\ndata : a\n\ndata: b\n\n", [B]),
    "field-name-prefix": (b"dat: a\ndatas: a\n\n", []),
    "unknown-field": (b"foo: bar\nfoo\ndata: a\n\n", [A]),
    "id-makes-no-event": (b"id: 1\n\n\n\ndata: a\nid: 2\n\n\n\n", [A]),
    "retry-makes-no-event": (b"retry: 1000\n\ndata: a\n\nretry: 1\n\n", [A]),
    "event": (b"event: error\ndata: a\n\n", [ev(b"a", "error")]),
    "event-after-data": (b"data: a\nevent: error\n\n", [ev(b"a", "error")]),
    "event-last-one-wins": (b"event: x\nevent: y\ndata: a\n\n", [ev(b"a", "y")]),
    "event-reset-by-dispatch": (b"event: x\ndata: a\n\ndata: b\n\n", [ev(b"a", "x"), B]),
    "event-without-data-is-dropped": (b"event: x\n\ndata: a\n\n", [A]),
    # Not by the standard: an error must not get lost.
    "error-without-data": (b"event: error\n\ndata: a\n\n", [ev(b"", "error"), A]),
    "error-with-empty-data": (b"event: error\ndata:\n\n", [ev(b"", "error")]),
    "event-empty": (b"event\ndata: a\n\nevent:\ndata: b\n\n", [A, B]),
    "event-not-utf8": (b"event: \xff\ndata: a\n\n", [ev(b"a", "\ufffd")]),
    "event-utf8": ("event: é\ndata: a\n\n".encode(), [ev(b"a", "é")]),
    "utf8": ("data: é€😀\n\n".encode(), [ev("é€😀".encode())]),
    "not-utf8-passes": (b"data: \xff\xfe\x80\n\n", [ev(b"\xff\xfe\x80")]),
    # str.splitlines() would end lines at these.
    "no-line-ends": (
        b"data: a\x0b\x0c\x1c\x1d\x1e\xc2\x85\xe2\x80\xa8b\n\n",
        [ev(b"a\x0b\x0c\x1c\x1d\x1e\xc2\x85\xe2\x80\xa8b")],
    ),
    "nul": (b"data: a\x00b\n\n", [ev(b"a\x00b")]),
    "nothing": (b"", []),
    "only-blank-lines": (b"\n\r\n\r", []),
}

# Streams cut off inside an event: name, bytes, events fed, events at the close.
UNFINISHED: dict[str, tuple[bytes, Events, Events]] = {
    "no-blank-line": (b"data: a\n\ndata: b\n", [A], [B]),
    "no-line-end": (b"data: a\n\ndata: b", [A], [B]),
    "cr-at-the-end": (b"data: a\r", [], [A]),
    "crlf-at-the-end": (b"data: a\r\n", [], [A]),
    "cut-crlf-of-the-blank-line": (b"data: a\r\n\r", [A], []),
    "inside-field-name": (b"data: a\n\ndat", [A], []),
    "inside-utf8": (b"data: \xf0\x9f\x98", [], [ev(b"\xf0\x9f\x98")]),
    "inside-comment": (b": keep", [], []),
    "event-only": (b"event: x\n", [], []),
    "event-and-data": (b"event: x\ndata: a", [], [ev(b"a", "x")]),
    "multi-line": (b"data: a\ndata: b", [], [ev(b"a\nb")]),
    "only-bom": (BOM, [], []),
    "bom-and-data": (BOM + b"data: a", [], [A]),
    "part-of-bom": (BOM[:1], [], []),
    "data-without-colon": (b"data", [], [ev(b"")]),
}


@pytest.mark.parametrize(("raw", "expected"), COMPLETE.values(), ids=COMPLETE)
def test_complete(raw: bytes, expected: Events) -> None:
    tr(raw, expected, [])


@pytest.mark.parametrize(("raw", "expected"), COMPLETE.values(), ids=COMPLETE)
def test_trailing_bytes(raw: bytes, expected: Events) -> None:
    tr(raw + b"data: tail", expected, [ev(b"tail")])
    tr(raw + b"data: tail\n\n: more", [*expected, ev(b"tail")], [])


@pytest.mark.parametrize(("raw", "expected", "at_close"), UNFINISHED.values(), ids=UNFINISHED)
def test_unfinished(raw: bytes, expected: Events, at_close: Events) -> None:
    tr(raw, expected, at_close)


@pytest.mark.parametrize("empty_reads", [1, 3])
def test_crlf_split_across_reads_with_empty_reads_between(empty_reads: int) -> None:
    nothing = [b""] * empty_reads
    chunks = [b"data: a\r", *nothing, b"\n\r", *nothing, b"\ndata: b\r", *nothing, b"\n\r\n"]
    assert decode(*chunks) == [A, B]


def test_an_event_is_given_by_the_read_that_completes_it() -> None:
    decoder = SSEDecoder()
    reads = [b"data: a", b"\n", b"\ndata: b\r\n", b"\r", b"\ndata: a\n\ndata: b\n\n"]
    assert [decoder.feed(read) for read in reads] == [[], [], [A], [B], [A, B]]


def test_close_gives_the_rest_once() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: a") == []
    assert decoder.close() == [A]
    assert decoder.close() == []


def test_close_of_an_empty_stream() -> None:
    assert SSEDecoder().close() == []


def test_eight_megabytes_on_one_line_in_small_pieces() -> None:
    payload = bytes(range(32, 127)) * (8 * 1024 * 1024 // 95)
    raw = b"data: " + payload + b"\n\ndata: b\n\n"
    pieces = [raw[i : i + 1024] for i in range(0, len(raw), 1024)]
    assert decode(*pieces) == [ev(payload), B]


def test_an_event_of_very_many_lines() -> None:
    raw = b"data: x\n" * 50_000 + b"\n"
    pieces = [raw[i : i + 5] for i in range(0, len(raw), 5)]
    assert decode(*pieces) == [ev(b"\n".join([b"x"] * 50_000))]


# Each is one event, or the beginning of one, that outgrows 64 bytes.
TOO_LARGE: dict[str, bytes] = {
    "one-line": b"data: " + b"x" * 70 + b"\n\n",
    "line-without-an-end": b"data: " + b"x" * 70,
    "comment-without-an-end": b":" + b"x" * 70,
    "field-without-colon": b"x" * 70,
    "many-lines": b"data: xxxxxxx\n" * 12,
    "many-lines-crlf": b"data: xxxxxxx\r\n" * 12,
    "many-empty-lines": b"data\n" * 70,
    "many-lines-then-an-unfinished-one": b"data: xxxxxxx\n" * 5 + b"data: " + b"x" * 40,
    "after-a-good-event": b"data: a\n\ndata: " + b"x" * 70,
}


# No single event is over the cap, however long the stream is.
FITS: dict[str, tuple[bytes, int]] = {
    "many-events": (b"data: " + b"x" * 50 + b"\n\n", 50),
    "many-events-of-lines": (b"data: xxxxx\ndata: xxxxx\n\n", 50),
    "many-comments-in-one-event": (b": " + b"x" * 40 + b"\n", 0),
    "many-fields-in-one-event": (b"foo: " + b"x" * 40 + b"\n", 0),
    "many-blank-lines": (b"\r\n", 0),
}


def test_tiny_lines_of_data_take_the_memory_of_their_text() -> None:
    read = b"data:ab\n" * 8_000
    tracemalloc.start()
    decoder = SSEDecoder()
    for _ in range(50):
        assert decoder.feed(read) == []
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Three bytes for each of 400,000 lines.
    assert kept < 3_000_000
    assert decoder.close() == [ev(b"\n".join([b"ab"] * 400_000))]


def test_a_large_read_is_not_split_at_once() -> None:
    read = b"data:a\n" * 500_000
    tracemalloc.start()
    SSEDecoder().feed(read)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


class TestCap:
    CAP = 64

    def _feed(self, *chunks: bytes) -> Events:
        decoder = SSEDecoder(max_event_bytes=self.CAP)
        return [event for chunk in chunks for event in decoder.feed(chunk)]

    @pytest.mark.parametrize("raw", TOO_LARGE.values(), ids=TOO_LARGE)
    def test_too_large(self, raw: bytes) -> None:
        for chunks in ([raw], bytewise(raw), [raw[:20], raw[20:]]):
            with pytest.raises(EventTooLarge, match="exceeds 64 bytes"):
                self._feed(*chunks)

    @pytest.mark.parametrize(("raw", "count"), FITS.values(), ids=FITS)
    def test_fits(self, raw: bytes, count: int) -> None:
        raw *= 50
        assert len(self._feed(raw)) == count
        assert len(self._feed(*bytewise(raw))) == count

    def test_the_events_before_are_told(self) -> None:
        decoder = SSEDecoder(max_event_bytes=self.CAP)
        with pytest.raises(EventTooLarge) as caught:
            decoder.feed(b"data: a\n\ndata: b\n\ndata: " + b"x" * 70 + b"\n\n")
        assert caught.value.events == [A, B]

    def test_a_whole_event_at_the_cap_and_above_it(self) -> None:
        at_cap = b"data: " + b"x" * (self.CAP - 1) + b"\n\n"
        assert self._feed(at_cap) == [ev(b"x" * (self.CAP - 1))]
        with pytest.raises(EventTooLarge):
            self._feed(at_cap.replace(b": ", b": x"))

    def test_an_unfinished_line_at_the_cap_and_above_it(self) -> None:
        # Each line is unfinished at the end of a read, so that its size is counted afresh.
        line = b"data: " + b"x" * (self.CAP - 6)
        assert self._feed(*[line, b"\n\n"] * 3) == [ev(line[6:])] * 3
        for before in ([], [line, b"\n\n"]):
            with pytest.raises(EventTooLarge):
                self._feed(*before, line + b"x")

    def test_the_default_cap_takes_large_events(self) -> None:
        payload = b"x" * (9 * 1024 * 1024)
        assert decode(b"data: " + payload + b"\n\n") == [ev(payload)]


def reference(raw: bytes) -> Events:
    """The standard's algorithm, written for clarity on a whole stream."""
    lines = re.split(rb"\r\n|\n|\r", raw.removeprefix(BOM))[:-1]
    events, data, event = [], b"", b""
    for line in lines:
        if not line:
            if data:
                events.append(ev(data[:-1], event.decode("utf-8", "replace")))
            data, event = b"", b""
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data += value + b"\n"
        elif name == b"event":
            event = value
    return events


TOKENS = [b"data", b"event", b"id", b"retry", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n"]
TOKENS += [
    b"data: a\n",
    b"data: [DONE]\r\n\r\n",
    b": ping\n\n",
    BOM,
    "é😀".encode(),
    b"\xff",
    b"\0",
]
STREAMS = st.one_of(
    st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join),
    st.binary(max_size=60),
)


@st.composite
def cut(draw: st.DrawFn, raw: bytes) -> list[bytes]:
    """The bytes in pieces, some of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(STREAMS, st.data())
def test_property_any_split_gives_the_same_events(raw: bytes, data: st.DataObject) -> None:
    pieces = data.draw(cut(raw))
    assert b"".join(pieces) == raw
    assert decode(*pieces) == decode(raw)
    assert decode_closed(*pieces) == decode_closed(raw)


@given(STREAMS)
def test_property_agrees_with_the_standard(raw: bytes) -> None:
    assert decode(raw) == reference(raw)
    assert decode(*bytewise(raw)) == reference(raw)
    # In the standard's terms, closing is a line end and a blank line.
    assert decode_closed(raw) == reference(raw + b"\n\n")


DATA = st.binary(max_size=30).map(lambda raw: raw.replace(b"\r", b""))
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
EVENTS = st.lists(st.builds(ServerSentEvent, DATA, NAMES), max_size=6)


@st.composite
def encoded(draw: st.DrawFn, events: Events) -> bytes:
    """The events as a stream, in any spelling that the standard allows."""
    end = st.sampled_from([b"\n", b"\r\n", b"\r"])
    noise = st.sampled_from([b"", b": ping", b"id: 7", b"retry: 10", b"x-unknown: y", b"x"])
    out = [BOM if draw(st.booleans()) else b""]
    for data, name in events:
        lines = [b"data:" + draw_space(draw, line) + line for line in data.split(b"\n")]
        if name or draw(st.booleans()):
            raw = name.encode()
            lines.insert(draw(st.integers(0, len(lines))), b"event:" + draw_space(draw, raw) + raw)
        lines.insert(draw(st.integers(0, len(lines))), draw(noise) or b": filler")
        line_end = draw(end)
        out += [line + line_end for line in lines] + [line_end]
    return b"".join(out)


def draw_space(draw: st.DrawFn, value: bytes) -> bytes:
    """One optional space after the colon, which is not optional before another space."""
    return b" " if value[:1] == b" " or draw(st.booleans()) else b""


@given(EVENTS, st.data())
def test_property_round_trip(events: Events, data: st.DataObject) -> None:
    raw = data.draw(encoded(events))
    assert decode(*data.draw(cut(raw))) == events
