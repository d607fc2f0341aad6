"""Content codings, undone in steps."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import Code, IncompleteError
from clinecli.transport.decoding import decoder


def raw_deflate(data: bytes) -> bytes:
    """Without zlib's frame, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "gzip in capitals": (" GZip ", gzip.compress),
    "gzip beside identity": ("identity, gzip", gzip.compress),
    "two members": (
        "gzip",
        lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    ),
    "an empty member": ("gzip", lambda data: gzip.compress(b"") + gzip.compress(data)),
    "padded with zeros": ("gzip", lambda data: gzip.compress(data) + bytes(9)),
    "deflate by zlib": ("deflate", zlib.compress),
    "deflate, fast": ("deflate", lambda data: zlib.compress(data, 1)),
    "deflate, bare": ("deflate", raw_deflate),
}


def undone(encoding: str, pieces: list[bytes]) -> bytes:
    coding = decoder(encoding)
    assert coding
    return b"".join(plain for piece in pieces for plain in coding.feed(piece))


@pytest.mark.parametrize("name", CODINGS)
@given(data=st.binary(max_size=300), sizes=st.lists(st.integers(1, 40), max_size=20))
def test_codings_are_undone_wherever_the_network_cuts_them(
    name: str, data: bytes, sizes: list[int]
) -> None:
    encoding, pack = CODINGS[name]
    packed = pack(data)
    pieces, at = [], 0
    for size in sizes:
        pieces.append(packed[at : at + size])
        at += size
    assert undone(encoding, [*pieces, packed[at:]]) == data
    assert undone(encoding, [packed[at : at + 1] for at in range(len(packed))]) == data


@pytest.mark.parametrize("encoding", ["", "identity", " , Identity,"], ids=repr)
def test_nothing_is_to_be_undone(encoding: str) -> None:
    assert decoder(encoding) is None


REFUSED = {
    "brotli": "br",
    "an unknown one": "zip",
    "gzip twice": "gzip, gzip",
    "two different": "deflate,gzip",
    "three": "gzip, gzip, gzip",
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_codings_are_refused(name: str) -> None:
    with pytest.raises(IncompleteError, match="in a way that was not asked for") as caught:
        decoder(REFUSED[name])
    assert caught.value.code is Code.NOT_THE_API


def test_a_long_name_of_a_coding_is_cut() -> None:
    with pytest.raises(IncompleteError) as caught:
        decoder("x" * 100_000)
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_what_hides_too_much_is_refused(encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    bomb = pack(bytes(70 << 20))
    assert len(bomb) < 80_000
    coding = decoder(encoding)
    assert coding
    with pytest.raises(IncompleteError, match="hides more than can be meant") as caught:
        list(coding.feed(bomb))
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@given(data=st.binary(min_size=12, max_size=60))
def test_damage_raises_nothing_else(encoding: str, data: bytes) -> None:
    with suppress(IncompleteError):
        undone(encoding, [data])


@pytest.mark.parametrize("name", ["gzip", "deflate by zlib"])
def test_a_checksum_that_is_wrong_is_damage(name: str) -> None:
    encoding, pack = CODINGS[name]
    packed = bytearray(pack(b"hello"))
    packed[-6 if encoding == "gzip" else -1] ^= 1
    with pytest.raises(IncompleteError, match="compression is damaged"):
        undone(encoding, [bytes(packed)])
