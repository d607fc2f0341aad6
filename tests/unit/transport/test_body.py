"""The end of bodies: chunks of ours against those of h11, however the network cuts them."""

from __future__ import annotations

import re
from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.transport.body import Body, body_of, new_state

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def answered(head: bytes, method: str = "POST") -> tuple[h11.Response, h11.Connection]:
    """A request that was sent, and what has come of its answer."""
    http = new_state()
    http.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    http.send(h11.EndOfMessage())
    http.receive_data(head)
    event = http.next_event()
    assert isinstance(event, h11.Response)
    return event, http


def read(body: Body, reads: list[bytes]) -> bytes:
    """What a body gives for these reads of the network."""
    pieces = body.pieces()
    for data in reads:
        if body.ended or body.broken:
            break
        body.receive(data)
        pieces += body.pieces()
    return b"".join(pieces)


def by_h11(reads: list[bytes]) -> tuple[bytes, str]:
    """What h11 gives for them, and how that ends."""
    _, http = answered(CHUNKED)
    pieces: list[bytes] = []
    for data in [None, *reads]:
        if data is not None:
            http.receive_data(data)
        try:
            while (event := http.next_event()) is not h11.NEED_DATA:
                if not isinstance(event, h11.Data):
                    return b"".join(pieces), "ended"
                pieces.append(event.data)
        except h11.RemoteProtocolError:
            return b"".join(pieces), "broken"
    return b"".join(pieces), "open"


def by_us(reads: list[bytes]) -> tuple[bytes, str]:
    body = body_of(*answered(CHUNKED))
    data = read(body, reads)
    return data, "ended" if body.ended else "broken" if body.broken else "open"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    bounds = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    pieces = (data[a:b] for a, b in pairwise(bounds))
    return [piece for piece in pieces if piece]


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


extensions = st.sampled_from([b"", b";a=b", b' ; x="y" ', b"  \t"]).map(
    lambda text: text if b";" not in text else text.lstrip()
)
chunks = st.lists(st.builds(chunk, st.binary(min_size=1, max_size=40), extensions), max_size=6)
trailers = st.sampled_from([b"\r\n", b"X-A: 1\r\n\r\n", b"X-A: 1\r\nX-B: 2\r\n\r\n", b"\n"])
cuts = st.lists(st.integers(0, 400), max_size=12)


@given(chunks=chunks, trailer=trailers, rest=st.sampled_from([b"", b"HTTP/1.1 200"]), places=cuts)
def test_whole_bodies_are_read_as_h11_reads_them(
    chunks: list[bytes], trailer: bytes, rest: bytes, places: list[int]
) -> None:
    wire = b"".join(chunks) + b"0\r\n" + trailer + rest
    reads = cut(wire, places)
    assert by_us(reads) == by_h11(reads)
    assert by_us(reads)[1] == "ended"


@given(data=st.data(), chunks=chunks, places=cuts)
def test_damaged_bodies_are_refused_as_h11_refuses_them(
    data: st.DataObject, chunks: list[bytes], places: list[int]
) -> None:
    wire = bytearray(b"".join(chunks) + b"0\r\n\r\n")
    place = data.draw(st.integers(0, len(wire) - 1))
    wire[place : place + data.draw(st.integers(0, 2))] = data.draw(
        st.sampled_from([b"", b"\r", b"\n", b"\r\n", b"0", b"f", b"g", b";", b" ", b"-1", b"+2"])
    )
    reads = [*cut(bytes(wire), places), b""]
    ours, theirs = by_us(reads), by_h11(reads)
    if ours[1] == "ended":
        # Fields after the last chunk are checked by h11, and passed over here.
        assert ours[0] == theirs[0]
    else:
        assert theirs[0].startswith(ours[0])
        # h11 takes a CR that stands alone in an extension.
        assert theirs[1] == "broken" or re.search(rb";[^\n]*\r[^\n]", wire)


BROKEN = {
    "no size": b"\r\n\r\n",
    "a sign": b"+5\r\nhello\r\n",
    "0x": b"0x5\r\nhello\r\n",
    "an underscore": b"1_0\r\n" + 16 * b"x" + b"\r\n",
    "other digits": "\u0665\r\nhello\r\n".encode(),
    "21 digits": 21 * b"0" + b"\r\n\r\n",
    "a blank before": b" 5\r\nhello\r\n",
    "no end": b"5\r\nhelloX\r\n0\r\n\r\n",
    "an end of LF": b"5\r\nhello\n0\r\n\r\n",
    "an end of two other bytes": b"5\r\nhelloxx0\r\n\r\n",
    "a size of a line of LF": b"5\nhello\r\n",
    "an endless size": 20_000 * b"0",
    "an endless extension": b"5;" + 20_000 * b"x",
    "endless fields at the end": b"0\r\n" + 2_000 * b"X-A: 123\r\n",
    "cut in a size": b"5",
    "cut in a chunk": b"5\r\nhel",
    "cut before its end": b"5\r\nhello",
    "cut in its end": b"5\r\nhello\r",
    "cut before the last chunk": b"5\r\nhello\r\n",
    "cut in the fields at the end": b"5\r\nhello\r\n0\r\nX-A: 1\r\n",
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_chunks(name: str, bytewise: bool) -> None:
    wire = BROKEN[name]
    reads = [wire[at : at + 1] for at in range(len(wire))] if bytewise else [wire]
    data, end = by_us([*reads, b""])
    assert end == "broken"
    assert data == b"hello"[: len(data)]


def test_a_chunk_is_given_as_it_comes() -> None:
    body = body_of(*answered(CHUNKED + b"a\r\nhel"))
    assert body.pieces() == [b"hel"]
    assert body.pieces() == []
    body.receive(b"lo")
    assert body.pieces() == [b"lo"]
    body.receive(b"world\r\n0\r\n")
    assert body.pieces() == [b"world"]
    assert not body.ended
    body.receive(b"\r\n")
    assert (body.pieces(), body.ended) == ([], True)


KEPT = {
    "chunked": (CHUNKED + chunk(b"hi") + b"0\r\n\r\n", True),
    "chunked with fields at the end": (CHUNKED + b"0\r\nA: b\r\n\r\n", True),
    "a length": (HEAD + b"Content-Length: 2\r\n\r\nhi", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "chunked, and closing": (
        CHUNKED.replace(b"OK\r\n", b"OK\r\nConnection: foo, Close\r\n") + b"0\r\n\r\n",
        False,
    ),
    "a length, and closing": (HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n", False),
    "chunked by HTTP/1.0": (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", False),
    "a length by HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
    # A second answer that nobody asked for.
    "chunked, and more": (CHUNKED + b"0\r\n\r\n" + HEAD, False),
    "a length, and more": (HEAD + b"Content-Length: 0\r\n\r\n" + HEAD, False),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_connection_is_kept_when_it_is_certain_what_comes_next(name: str) -> None:
    wire, kept = KEPT[name]
    body = body_of(*answered(wire))
    read(body, [])
    assert body.ended
    state = body.next_state()
    assert (state is not None) is kept
    if state:
        assert state.our_state is h11.IDLE


def test_a_connection_is_not_kept_for_a_request_that_was_not_heard_out() -> None:
    for wire in (CHUNKED + b"0\r\n\r\n", HEAD + b"Content-Length: 0\r\n\r\n"):
        head, http = answered(wire)
        http.send_failed()
        body = body_of(head, http)
        read(body, [])
        assert (body.ended, body.next_state()) == (True, None)


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    body = body_of(*answered(HEAD + b"\r\nhel"))
    assert body.pieces() == [b"hel"]
    body.receive(b"lo")
    assert (body.pieces(), body.ended) == ([b"lo"], False)
    body.receive(b"")
    assert (body.pieces(), body.ended, body.next_state()) == ([], True, None)


def test_a_body_shorter_than_its_length_is_broken() -> None:
    body = body_of(*answered(HEAD + b"Content-Length: 5\r\n\r\nhel"))
    assert read(body, [b""]) == b"hel"
    assert (body.ended, body.broken) == (False, True)
