"""Content codings, wherever the network cuts them."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import Code, IncompleteError
from clinecli.transport.decoding import decoder

TEXT = b"data: 1\n\n" * 100


def bare(data: bytes) -> bytes:
    """Deflate without zlib's frame, as some servers send it."""
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


BODIES: dict[str, tuple[str, bytes, bytes]] = {
    "gzip": ("gzip", gzip.compress(TEXT), TEXT),
    "x-gzip": ("x-gzip", gzip.compress(TEXT), TEXT),
    "upper-case": (" GZIP ", gzip.compress(TEXT), TEXT),
    "with-identity": ("identity, gzip,", gzip.compress(TEXT), TEXT),
    "two-members": ("gzip", gzip.compress(b"a") + gzip.compress(b"b"), b"ab"),
    "padded-with-zeros": ("gzip", gzip.compress(TEXT) + b"\0" * 9, TEXT),
    "zeros-between-members": ("gzip", gzip.compress(b"a") + b"\0" + gzip.compress(b"b"), b"ab"),
    "deflate": ("deflate", zlib.compress(TEXT), TEXT),
    "deflate-hardly-compressed": ("deflate", zlib.compress(TEXT, 0), TEXT),
    "bare-deflate": ("deflate", bare(TEXT), TEXT),
    "empty": ("gzip", b"", b""),
    "empty-member": ("gzip", gzip.compress(b""), b""),
}


@pytest.mark.parametrize(("encoding", "body", "plain"), BODIES.values(), ids=BODIES)
def test_body(encoding: str, body: bytes, plain: bytes) -> None:
    for size in (1, 2, 7, len(body) + 1):
        stream = decoder(encoding)
        assert stream
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        assert b"".join(part for piece in pieces for part in stream.feed(piece)) == plain


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.integers(1, 50))
def test_property_round_trip(data: bytes, encoding: str, size: int) -> None:
    body = gzip.compress(data) if encoding == "gzip" else zlib.compress(data)
    stream = decoder(encoding)
    assert stream
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert b"".join(part for piece in pieces for part in stream.feed(piece)) == data


@pytest.mark.parametrize("encoding", ["", "identity", " , identity"])
def test_nothing_to_undo(encoding: str) -> None:
    assert decoder(encoding) is None


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "gzip, deflate", "gzip;q=1"])
def test_a_coding_that_was_not_asked_for(encoding: str) -> None:
    with pytest.raises(IncompleteError, match="not asked for") as caught:
        decoder(encoding)
    assert caught.value.code is Code.NOT_THE_API
    assert encoding in caught.value.message


def test_the_name_of_a_coding_is_cut() -> None:
    with pytest.raises(IncompleteError) as caught:
        decoder("x" * 10_000)
    assert len(caught.value.message) < 200


DAMAGED = {
    "no-gzip": ("gzip", b"hello, world"),
    "a-byte-changed": ("gzip", gzip.compress(TEXT)[:-8] + b"\xff" * 8),
    "no-second-member": ("gzip", gzip.compress(TEXT) + b"rest"),
    "no-deflate": ("deflate", b"hello, world"),
}


@pytest.mark.parametrize(("encoding", "body"), DAMAGED.values(), ids=DAMAGED)
def test_damaged(encoding: str, body: bytes) -> None:
    stream = decoder(encoding)
    assert stream
    with pytest.raises(IncompleteError, match="damaged") as caught:
        list(stream.feed(body))
    assert caught.value.code is Code.CUT


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_small_read_that_becomes_a_huge_one(encoding: str) -> None:
    size = 65 * 1024 * 1024
    body = gzip.compress(bytes(size)) if encoding == "gzip" else zlib.compress(bytes(size))
    stream = decoder(encoding)
    assert stream
    with pytest.raises(IncompleteError, match="more than can be meant") as caught:
        list(stream.feed(body))
    assert caught.value.code is Code.TOO_LARGE
