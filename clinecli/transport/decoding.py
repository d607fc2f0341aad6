"""Content codings (RFC 9110, section 8.4.1), undone in steps, so that a small body cannot
become a huge one in memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

from clinecli.errors import Code, IncompleteError

# The most that one read of the network may become. zlib packs at most 1,032 to 1.
_STEP_BYTES = 64 * 1024 * 1024


class Decoder(Protocol):
    """Undoes one coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes that `data` completes. Raises `IncompleteError`, after what is whole."""
        ...


def decoder(encoding: str) -> Decoder | None:
    """The decoder of a Content-Encoding, None where there is nothing to undo.

    Raises `IncompleteError` for an unknown coding, and for more than one: nobody has a use for
    it, and each multiplies what a byte may become.
    """
    names = [name.strip().lower() for name in encoding.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if not names:
        return None
    if names == ["deflate"]:
        return _Deflate()
    if names in (["gzip"], ["x-gzip"]):
        return _Gzip()
    raise IncompleteError(
        f"the reply is compressed in a way that was not asked for: {', '.join(names)[:100]}",
        code=Code.NOT_THE_API,
        hint="a proxy may have changed it: clinecli asks for gzip or deflate alone",
    )


class _Gzip:
    """One or more members (RFC 1952, section 2.2)."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = _gzip_member()

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                # Zeros may pad the end of the last member, as gzip itself allows.
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._member = _gzip_member()
            member = self._member
            yield _inflate(member, data)
            data = member.unused_data
            if member.eof:
                self._member = None


def _gzip_member() -> zlib._Decompress:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


class _Deflate:
    """zlib's format, as the RFC has it, or the bare one that some servers send."""

    def __init__(self) -> None:
        self._stream: zlib._Decompress | None = None
        self._head = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream is None:
            data = self._head = self._head + data
            if len(data) < 2:
                return
            # RFC 1950, section 2.2: the method is 8, and the two bytes are a multiple of 31.
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        yield _inflate(self._stream, data)


def _inflate(stream: zlib._Decompress, data: bytes) -> bytes:
    """What `data` becomes. Raises `IncompleteError`."""
    try:
        plain = stream.decompress(data, _STEP_BYTES)
    except zlib.error:
        raise _damaged() from None
    if stream.unconsumed_tail:
        raise IncompleteError(
            "the reply's compression hides more than can be meant", code=Code.TOO_LARGE
        )
    return plain


def _damaged() -> IncompleteError:
    return IncompleteError("the reply's compression is damaged", code=Code.CUT)
