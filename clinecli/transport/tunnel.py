"""CONNECT: a tunnel through an HTTP proxy (RFC 9110, section 9.3.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import h11

from clinecli.chat.api_errors import one_line
from clinecli.config.proxy import proxy_secrets, proxy_token
from clinecli.config.secret import Redactor
from clinecli.errors import ClinecliError, Code, ConnectionFailed, Retry
from clinecli.transport.deadline import Deadline
from clinecli.transport.failures import failure
from clinecli.transport.route import Route, Stage

if TYPE_CHECKING:
    from clinecli.transport.dial import Socket

_READ_BYTES = 65536
_CREDENTIALS_HINT = "put user and password into the proxy URL: http://USER:PASSWORD@HOST:PORT"
_UPSTREAM_HINT = (
    "check the host of the base URL; else ask the proxy's operator, or use another proxy"
)
_PORTAL_HINT = "log in to the network or to the proxy with a browser, then try again"
_OPERATOR_HINT = "ask the proxy's operator, or use another proxy"
_NO_PROXY_HINT = "check the proxy's host and port: this may be a web server and no proxy"
_ANSWERS: dict[int, tuple[Code, str, str | None]] = {
    403: (
        Code.PROXY_403,
        "refused the connection",
        "the proxy does not allow this host: ask its operator, or use another proxy",
    ),
    407: (Code.PROXY_407, "asks for valid credentials", _CREDENTIALS_HINT),
    502: (Code.PROXY_502, "cannot reach the host", _UPSTREAM_HINT),
    503: (Code.PROXY_503, "is overloaded, or cannot reach the host", _UPSTREAM_HINT),
    504: (Code.PROXY_504, "had no answer from the host in time", _UPSTREAM_HINT),
    511: (Code.PROXY, "wants a login to the network", _PORTAL_HINT),
    **dict.fromkeys((301, 302, 303, 307, 308), (Code.PROXY, "sends elsewhere", _PORTAL_HINT)),
    **dict.fromkeys(
        (400, 404, 405, 501), (Code.PROXY, "opens no tunnel, as a web server", _NO_PROXY_HINT)
    ),
}

# Headers in which proxies say who they are and what is wrong.
_TELLING = ("x-squid-error", "x-error", "server", "via")
# A page says in its title what is wrong; more of it is not read.
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,300})", re.IGNORECASE)
_PAGE_BYTES, _PAGE_SECONDS = 16384, 1.0


def open_tunnel(socket: Socket, route: Route, limit: Deadline) -> None:
    """Have the proxy connect to the API's host. Raises `ConnectionFailed`.

    `limit` bounds the whole exchange, however the proxy drips its answer.
    """
    proxy, hop = route.proxy, route.hop
    assert proxy is not None
    host = f"[{route.origin.host}]" if ":" in route.origin.host else route.origin.host
    target = f"{host}:{route.origin.port}"
    headers = [("Host", target), ("Accept", "*/*")]
    token = proxy_token(proxy)
    headers += [("Proxy-Authorization", f"Basic {token}")] if token else []
    http = h11.Connection(h11.CLIENT)
    try:
        answer = _connect(socket, http, target, headers, limit)
    except (OSError, EOFError, h11.ProtocolError) as error:
        raise failure(Stage.TUNNEL, error, hop=hop, seconds=limit.seconds) from None
    if not 200 <= answer.status_code < 300:
        raise _refusal(route, answer, _page_title(socket, http, limit))
    # In a tunnel the client speaks first.
    early = http.trailing_data[0]
    kind = dict(answer.headers).get(b"content-type", b"")
    if early.lstrip().startswith(b"<") or b"html" in kind:
        raise _no_tunnel(route, early)


def _no_tunnel(route: Route, page: bytes) -> ConnectionFailed:
    found = _TITLE.search(page)
    redact = Redactor(proxy_secrets(route.proxy))
    title = one_line(redact(found[1].decode("utf-8", "replace")), 200) if found else ""
    return ConnectionFailed(
        f"{route.hop.name} answers CONNECT with a page instead of a tunnel"
        + (f"; it says: {title}" if title else ""),
        code=Code.PROXY,
        hint=_PORTAL_HINT,
        retry=Retry.NEVER,
    )


def _page_title(socket: Socket, http: h11.Connection, limit: Deadline) -> bytes:
    """The title of the page that a refusal comes with; empty when there is none in time."""
    page = b""
    end = limit.within(_PAGE_SECONDS) if limit.remaining() > 0 else limit
    try:
        while len(page) < _PAGE_BYTES and end.remaining() > 0:
            event = http.next_event()
            if isinstance(event, h11.Data):
                page += event.data
            elif event is h11.NEED_DATA:
                socket.settimeout(max(end.remaining(), 0.001))
                http.receive_data(socket.recv(_READ_BYTES))
            else:
                break
    except (OSError, h11.ProtocolError):
        # The refusal stands without it.
        pass
    found = _TITLE.search(page)
    return found[1] if found else b""


def _connect(
    socket: Socket,
    http: h11.Connection,
    target: str,
    headers: list[tuple[str, str]],
    limit: Deadline,
) -> h11.Response:
    request = h11.Request(method="CONNECT", target=target, headers=headers)
    socket.settimeout(max(limit.remaining(), 0.001))
    socket.sendall((http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b""))
    while True:
        event = http.next_event()
        if isinstance(event, h11.Response):
            return event
        if event is h11.NEED_DATA:
            if limit.remaining() <= 0:
                raise TimeoutError
            socket.settimeout(limit.remaining())
            data = socket.recv(_READ_BYTES)
            if not data and not http.trailing_data[0]:
                raise EOFError
            # An end within the head is a breach of HTTP, which the next event tells.
            http.receive_data(data)
        elif not isinstance(event, h11.InformationalResponse):
            raise EOFError


def _refusal(route: Route, answer: h11.Response, title: bytes) -> ClinecliError:
    status = answer.status_code
    code, what, hint = _ANSWERS.get(status, (Code.PROXY, "refused the connection", _OPERATOR_HINT))
    redact = Redactor(proxy_secrets(route.proxy))

    def text(value: bytes) -> str:
        return one_line(redact(value.decode("utf-8", "replace")), 200)

    headers = {name.decode("ascii", "replace"): text(value) for name, value in answer.headers}
    if status == 407:
        offered = [value for name, value in answer.headers if name == b"proxy-authenticate"]
        what, hint = _wants_login(route, [text(value).split(" ")[0] for value in offered])
    host = _host_of(headers.get("location", ""))
    hint = f"log in at {host} with a browser, then try again" if host else hint
    told = f"; its page says: {text(title)}" if title.strip() else ""
    told += "".join(f"; {name}: {headers[name]}" for name in _TELLING if name in headers)
    return ConnectionFailed(
        f"{route.hop.name} {what}: {f'{status} {text(answer.reason)}'.strip()}{told}",
        code=code,
        hint=hint,
        http_status=status,
        retry=Retry.NEVER if status < 500 else None,
    )


def _host_of(url: str) -> str:
    """The host of a URL. Not the rest of it: that may hold the token of a session."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _wants_login(route: Route, offered: list[str]) -> tuple[str, str]:
    """What a proxy that answers 407 is called, and what to do about it."""
    schemes = ", ".join(dict.fromkeys(filter(None, offered)))
    if offered and not any(scheme.lower() == "basic" for scheme in offered):
        return (
            f"asks for a login by {schemes}, which clinecli does not speak",
            (
                "run a local proxy that logs in for you (px, cntlm) and use that one, or ask the "
                "proxy's operator for Basic"
            ),
        )
    proxy = route.proxy
    if proxy and proxy.username is not None:
        return (
            f"refuses the credentials that {proxy.source} gives",
            (
                f"correct {proxy.source}: http://USER:PASSWORD@HOST:PORT, special characters "
                "percent-encoded"
            ),
        )
    return _ANSWERS[407][1], _CREDENTIALS_HINT
