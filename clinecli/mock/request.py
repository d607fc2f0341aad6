"""HTTP/1.1 requests from bytes, read strictly. No socket in here, and nothing that grows without
end: what is too large, too long or malformed is refused before it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from clinecli.config.host import is_loopback

MAX_HEAD = 64 << 10
MAX_BODY = 64 << 20
# No body has a size of more than 32 bits: such a number is an attack, or no number at all.
_MAX_PLAUSIBLE = 0xFFFF_FFFF
_MAX_CHUNK_LINE = 4096
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# RFC 9110, 5.6.2: what names are made of.
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_START = re.compile(_TOKEN)
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
_FIELD = re.compile(rb"(%b):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)" % _TOKEN)
_LINE = re.compile(rb"[^\n]*\n")
_HEAD_END = re.compile(rb"\n\r?\n")
_ABSOLUTE = re.compile(r"http://([^/?#]*)([^#]*)", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|(::1|[0-9A-Za-z.-]+))(?::[0-9]{0,5})?")
_LENGTH = re.compile(r"0*([0-9]{1,18})")
_CHUNK_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
# The chunk of size 0, trailers, which are read over, and an empty line.
_LAST_CHUNK = re.compile(rb"0++[ \t]*(?:;[^\n]*)?\r?\n(?:[^\r\n][^\n]*+\n)*+\r?\n")


class Malformed(Exception):
    """Bytes that are no request, or none for this server: the status, and what is wrong."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Request(NamedTuple):
    """One request. `target` is its path with the query; names of `headers` are in small letters."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    http_1_0: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def keeps_alive(self) -> bool:
        """Whether the client may send another request over this connection."""
        options = self.headers.get("connection", "").lower()
        return "keep-alive" in options if self.http_1_0 else "close" not in options


class RequestReader:
    """Takes bytes as they come, and gives whole requests in their order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._head: Request | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what the socket gave."""
        self._buffer += data

    @property
    def buffered(self) -> int:
        """How many bytes wait to be read."""
        return len(self._buffer)

    @property
    def expects_continue(self) -> bool:
        """Whether the client holds the body back until it is asked for (RFC 9110, 10.1.1)."""
        if self._head is None or self._head.http_1_0 or self._buffer or self._body:
            return False
        return self._head.headers.get("expect", "").lower() == "100-continue"

    def next(self, *, ended: bool = False) -> Request | None:
        """The next request; None when it has not come whole. Raises `Malformed`.

        `ended` says that no more bytes come.
        """
        self._head = self._head or self._take_head()
        body = self._take_body(self._head.headers) if self._head else None
        if self._head is None or body is None:
            if ended and (self._head or self._buffer):
                raise Malformed(400, "the request ends too early")
            return None
        request = self._head._replace(body=body)
        self._head = None
        return request

    def _take_head(self) -> Request | None:
        if self._buffer.startswith((b"\r", b"\n")):
            # Empty lines before a request are to be ignored (RFC 9112, 2.2).
            self._buffer[:] = self._buffer.lstrip(b"\r\n")
        if self._buffer and not _START.match(self._buffer):
            # The greeting of TLS, for one, has no end that could be waited for.
            raise Malformed(400, "this is not an HTTP request")
        end = _HEAD_END.search(self._buffer, self._searched)
        if (end.end() if end else len(self._buffer)) > MAX_HEAD:
            raise Malformed(431, f"the head of the request is longer than {MAX_HEAD} bytes")
        if end is None:
            if line := _LINE.match(self._buffer):
                # Told at once: whoever knows no HTTP will not send an empty line.
                _request_line(line[0])
            self._searched = max(0, len(self._buffer) - 2)
            return None
        head = bytes(self._buffer[: end.start()])
        del self._buffer[: end.end()]
        self._searched = 0
        return parse_head(head)

    def _take_body(self, headers: Mapping[str, str]) -> bytes | None:
        if "transfer-encoding" in headers:
            return self._take_chunks()
        length = int(headers.get("content-length", "0"))
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_chunks(self) -> bytes | None:
        """The body when its last chunk is here; what has come of it leaves the buffer."""
        position, size = 0, -1
        while line := self._chunk_line(position):
            size = int(line[1], 16)
            end = line.end() + size
            if size == 0 or len(self._buffer) < end + 2:
                break
            if self._buffer[end : end + 2] != b"\r\n":
                raise Malformed(400, "a chunk of the body is longer than its size")
            self._body += self._buffer[line.end() : end]
            position = end + 2
        del self._buffer[:position]
        if size != 0:
            return None
        last = _LAST_CHUNK.match(self._buffer)
        if (last.end() if last else len(self._buffer)) > MAX_HEAD:
            raise Malformed(431, f"the trailers of the request are longer than {MAX_HEAD} bytes")
        if last is None:
            return None
        del self._buffer[: last.end()]
        body = bytes(self._body)
        self._body.clear()
        return body

    def _chunk_line(self, position: int) -> re.Match[bytes] | None:
        line = _CHUNK_SIZE.match(self._buffer, position)
        ended = self._buffer.find(b"\n", position, position + _MAX_CHUNK_LINE) >= 0
        if (ended and not line) or (not ended and len(self._buffer) - position >= _MAX_CHUNK_LINE):
            raise Malformed(400, "the size of a chunk is malformed")
        if line:
            _check_size(len(self._body) + int(line[1], 16))
        return line


@lru_cache(maxsize=64)
def parse_head(head: bytes) -> Request:
    """A request line and header fields, without the empty line. Raises `Malformed`.

    Clients send the same head again and again; reading it costs more than finding it.
    """
    first, *lines = head.split(b"\n")
    method, target, http_1_0 = _request_line(first)
    headers = _fields(lines)
    _frame(headers, http_1_0)
    if "host" in headers:
        _check_host(headers["host"])
    elif not http_1_0:
        raise Malformed(400, "the header Host is missing")
    return Request(method, target, headers, http_1_0=http_1_0)


def _request_line(line: bytes) -> tuple[str, str, bool]:
    """Method, target and whether it is HTTP/1.0."""
    parts = _REQUEST_LINE.fullmatch(line.rstrip(b"\r\n"))
    if parts is None:
        raise Malformed(400, "the request line is malformed")
    method = parts[1].decode()
    if parts[3] != b"1":
        raise Malformed(505, f"HTTP/{parts[3].decode()} is not spoken here, but HTTP/1.1")
    if method not in _METHODS:
        raise Malformed(501, f"{method} is no method that is known here")
    return method, _origin_form(parts[2].decode()), parts[4] == b"0"


def _fields(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        field = _FIELD.fullmatch(line.removesuffix(b"\r"))
        if field is None:
            raise Malformed(400, "a header field is malformed")
        name, value = field[1].decode().lower(), field[2].decode("latin-1").rstrip(" \t")
        if name not in headers:
            headers[name] = value
        elif name in ("host", "transfer-encoding"):
            raise Malformed(400, f"the header {name.title()} is given twice")
        elif name != "content-length":
            headers[name] += f", {value}"
        elif headers[name] != value:
            raise Malformed(400, "two values of the header Content-Length differ")
    return headers


def _frame(headers: dict[str, str], http_1_0: bool) -> None:
    """Refuse what leaves in doubt where the body ends (RFC 9112, 6.3), or is too long."""
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None and (length is not None or http_1_0):
        raise Malformed(400, "Transfer-Encoding is not for HTTP/1.0 and not with Content-Length")
    if coding is not None and coding.lower() != "chunked":
        raise Malformed(501, "no other Transfer-Encoding than chunked is known here")
    if length is not None:
        number = _LENGTH.fullmatch(length)
        if number is None:
            raise Malformed(400, "Content-Length is malformed")
        _check_size(int(number[1]))
        headers["content-length"] = number[1]


def _check_size(size: int) -> None:
    if size > _MAX_PLAUSIBLE:
        raise Malformed(400, f"a body of {size} bytes is not plausible")
    if size > MAX_BODY:
        raise Malformed(413, f"the body of the request is longer than {MAX_BODY} bytes")


def _origin_form(target: str) -> str:
    """The path and query of a target, which proxies are sent with the host in front."""
    if absolute := _ABSOLUTE.fullmatch(target):
        _check_host(absolute[1])
        rest = absolute[2]
        return rest if rest.startswith("/") else f"/{rest}"
    if not target.startswith("/") and target != "*":
        raise Malformed(400, "the target of the request is malformed")
    return target


def _check_host(authority: str) -> None:
    """Refuse names that are not this machine's: with DNS rebinding, any web page would be one."""
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise Malformed(400, "the host is malformed")
    if not is_loopback(parts[1] or parts[2]):
        raise Malformed(421, f"this server answers for localhost alone, not for {authority}")
