"""A tunnel through a SOCKS5 proxy (RFC 1928), with user and password where it wants them
(RFC 1929)."""

from __future__ import annotations

import socket as sockets
import struct
from typing import TYPE_CHECKING

from clinecli.errors import ClinecliError, Code, ConnectionFailed, Retry
from clinecli.transport.deadline import Deadline
from clinecli.transport.failures import failure
from clinecli.transport.route import Hop, Route, Stage

if TYPE_CHECKING:
    from clinecli.transport.dial import Socket

_VERSION, _LOGIN_VERSION = 5, 1
_NO_LOGIN, _LOGIN, _NOTHING_SUITS = 0x00, 0x02, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_LENGTHS = {_IPV4: 4, _IPV6: 16}
# RFC 1928, section 6: what each reply is called, and the code of an HTTP proxy that says the same.
_HINTS = {
    Code.PROXY_403: "the proxy does not allow this host: ask its operator, or use another proxy",
    Code.PROXY_502: "check the host of the base URL; else ask the proxy's operator",
    Code.PROXY_504: "check the host of the base URL; else ask the proxy's operator",
}
_REPLIES: dict[int, tuple[Code, str]] = {
    1: (Code.PROXY_502, "general failure"),
    2: (Code.PROXY_403, "not allowed by its rules"),
    3: (Code.PROXY_502, "network unreachable"),
    4: (Code.PROXY_502, "host unreachable"),
    5: (Code.PROXY_502, "connection refused"),
    6: (Code.PROXY_504, "it took too long"),
    7: (Code.PROXY, "it does not know CONNECT"),
    8: (Code.PROXY, "it does not know this type of address: try socks5h://"),
}


def open_socks(socket: Socket, route: Route, limit: Deadline) -> None:
    """Have the proxy connect to the API's host. Raises `ConnectionFailed`.

    `socks5h://` leaves it to the proxy to resolve the name, `socks5://` does not.
    """
    try:
        _log_in(socket, route, limit)
        socket.sendall(_request(route, limit))
        reply = _read(socket, 4, limit)
        _expect_version(route, reply[0], _VERSION)
        if reply[1]:
            raise _refusal(route, reply[1])
        length = _LENGTHS.get(reply[3]) or _read(socket, 1, limit)[0]
        _read(socket, length + 2, limit)
    except (OSError, EOFError) as error:
        raise failure(Stage.TUNNEL, error, hop=route.hop, seconds=limit.seconds) from None


def _log_in(socket: Socket, route: Route, limit: Deadline) -> None:
    proxy = route.proxy
    assert proxy is not None
    methods = [_NO_LOGIN] if proxy.username is None else [_NO_LOGIN, _LOGIN]
    socket.settimeout(max(limit.remaining(), 0.001))
    socket.sendall(bytes([_VERSION, len(methods), *methods]))
    version, method = _read(socket, 2, limit)
    _expect_version(route, version, _VERSION)
    if method == _NO_LOGIN:
        return
    if method != _LOGIN or proxy.username is None:
        raise _login_error(route, "asks for valid credentials", "put user and password into")
    user = proxy.username.encode("utf-8", "surrogateescape")[:255]
    password = proxy.password.reveal() if proxy.password else ""
    secret = password.encode("utf-8", "surrogateescape")[:255]
    socket.sendall(bytes([_LOGIN_VERSION, len(user)]) + user + bytes([len(secret)]) + secret)
    if _read(socket, 2, limit)[1]:
        what = f"refuses the credentials that {proxy.source} gives"
        raise _login_error(route, what, "correct user and password (percent-encoded) in")


def _login_error(route: Route, what: str, remedy: str) -> ConnectionFailed:
    return ConnectionFailed(
        f"{route.hop.name} {what}",
        code=Code.PROXY_407,
        hint=f"{remedy} the proxy URL: socks5h://USER:PASSWORD@HOST:PORT",
        retry=Retry.NEVER,
    )


def _request(route: Route, limit: Deadline) -> bytes:
    from clinecli.transport.dial import is_address, resolve

    origin = route.origin
    host = origin.host
    if route.proxy and route.proxy.scheme == "socks5" and not is_address(host):
        host = resolve(Hop(host, origin.port, f"{host}:{origin.port}"), limit)[0]
    if not is_address(host):
        name = host.encode("ascii")
        address = bytes([_NAME, len(name)]) + name
    elif ":" in host:
        address = bytes([_IPV6]) + sockets.inet_pton(sockets.AF_INET6, host)
    else:
        address = bytes([_IPV4]) + sockets.inet_pton(sockets.AF_INET, host)
    return bytes([_VERSION, _CONNECT, 0]) + address + struct.pack("!H", origin.port)


def _read(socket: Socket, size: int, limit: Deadline) -> bytes:
    data = b""
    while len(data) < size:
        if limit.remaining() <= 0:
            raise TimeoutError
        socket.settimeout(limit.remaining())
        piece = socket.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _expect_version(route: Route, found: int, wanted: int) -> None:
    if found != wanted:
        raise ConnectionFailed(
            f"{route.hop.name} does not speak SOCKS5",
            code=Code.PROXY,
            hint="check the proxy's host and port; an HTTP proxy is named with http://",
            retry=Retry.NEVER,
        )


def _refusal(route: Route, reply: int) -> ClinecliError:
    code, what = _REPLIES.get(reply, (Code.PROXY, f"reply {reply}"))
    return ConnectionFailed(
        f"{route.hop.name} refused the connection: {what}",
        code=code,
        hint=_HINTS.get(code, "ask the proxy's operator, or use another proxy"),
        retry=Retry.NEVER if code in {Code.PROXY, Code.PROXY_403} else None,
    )
