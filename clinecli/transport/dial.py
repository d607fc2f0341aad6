"""From a route to a connection: resolve, connect, shake hands. Functions on values.

Sockets are bounded one call at a time and DNS not at all, so every step here gets what is left of
a deadline. What fails is told by its cause, at the hop and the stage where it happens.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from clinecli.errors import ConfigError
from clinecli.transport.deadline import Deadline
from clinecli.transport.route import Hop, Route, Stage

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


class Socket(Protocol):
    """What a connection needs of a socket: plain, TLS, or TLS within TLS."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes | memoryview, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def fileno(self) -> int: ...
    def close(self) -> None: ...


def is_readable(socket: Socket) -> bool:
    """Whether something has come, or the end. Not by select(2), which knows 1,024 descriptors."""
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))


class Timings(NamedTuple):
    """Seconds that each stage took; None for a stage that was not needed."""

    resolve: float | None = None
    connect: float | None = None
    proxy_tls: float | None = None
    tunnel: float | None = None
    tls: float | None = None
    first_byte: float | None = None


class TlsFacts(NamedTuple):
    """What a handshake agreed on; the peer's certificate as DER, empty when it is not known."""

    version: str
    certificate: bytes


class Dialled(NamedTuple):
    """A socket that is ready for a request, and how it came about.

    `address` is the IP address of the hop. `tls` is of the API, not of the proxy.
    """

    socket: Socket
    address: str
    timings: Timings
    tls: TlsFacts | None = None


def dial(
    route: Route,
    trust: Callable[[Stage], ssl.SSLContext | None],
    deadline: Deadline,
    connect_timeout: float,
) -> Dialled:
    """A connection over which the API can be asked. Raises `ClinecliError`.

    Resolving and connecting share `connect_timeout` seconds; every later stage has as many.
    """
    dialled = reach(route, trust, deadline, connect_timeout)
    if not route.is_encrypted:
        return dialled
    try:
        begun = time.monotonic()
        limit = deadline.within(connect_timeout)
        current, tls = handshake(
            dialled.socket, trust(Stage.TLS), route.origin.host, limit, Stage.TLS
        )
        timings = dialled.timings._replace(tls=time.monotonic() - begun)
    except BaseException:
        dialled.socket.close()
        raise
    return Dialled(current, dialled.address, timings, tls)


def reach(
    route: Route,
    trust: Callable[[Stage], ssl.SSLContext | None],
    deadline: Deadline,
    connect_timeout: float,
) -> Dialled:
    """A connection on which the API's own TLS, or plain HTTP, is to begin. Raises
    `ClinecliError`."""
    started = time.monotonic()
    limit = deadline.within(connect_timeout)
    addresses = resolve(route.hop, limit)
    if not route.is_encrypted:
        refuse_far_hosts(route, addresses)
    resolved = time.monotonic()
    plain, address = connect(route.hop, addresses, limit)
    connected = time.monotonic()
    timings = Timings(resolve=resolved - started, connect=connected - resolved)
    return through_proxy(route, Dialled(plain, address, timings), trust, deadline, connect_timeout)


def through_proxy(
    route: Route,
    dialled: Dialled,
    trust: Callable[[Stage], ssl.SSLContext | None],
    deadline: Deadline,
    connect_timeout: float,
) -> Dialled:
    """TLS with the proxy and the tunnel, as far as the route has them, on a connection to the
    first hop. The socket is closed when that fails. Raises `ClinecliError`."""
    current, address, timings, _ = dialled
    try:
        if route.proxy and route.proxy.scheme == "https":
            begun = time.monotonic()
            limit = deadline.within(connect_timeout)
            current, _ = handshake(
                current, trust(Stage.PROXY_TLS), route.proxy.host, limit, Stage.PROXY_TLS
            )
            timings = timings._replace(proxy_tls=time.monotonic() - begun)
        if route.proxy and route.is_tunnelled:
            begun = time.monotonic()
            limit = deadline.within(connect_timeout)
            if route.proxy.is_socks:
                from clinecli.transport.socks import open_socks

                open_socks(current, route, limit)
            else:
                from clinecli.transport.tunnel import open_tunnel

                open_tunnel(current, route, limit)
            timings = timings._replace(tunnel=time.monotonic() - begun)
    except BaseException:
        current.close()
        raise
    return Dialled(current, address, timings)


def resolve(hop: Hop, limit: Deadline) -> list[str]:
    """The IP addresses of a hop, in the system's order.

    getaddrinfo knows no timeout, so it runs in a thread that is left behind when it stalls.
    Raises `ConnectionFailed` with code `dns_not_found`, `dns_failed` or `dns_timeout`.
    """
    if is_address(hop.host):
        return [hop.host]
    outcome: list[list[str] | Exception] = []

    def look_up() -> None:
        try:
            # As bytes: a str, even of ASCII, would go through IDNA, whose tables take 3 ms to load.
            found = socket.getaddrinfo(hop.host.encode(), hop.port, type=socket.SOCK_STREAM)
            outcome.append(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except Exception as error:  # noqa: BLE001 - of whatever kind: it is raised by who waits
            outcome.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        # No thread is to be had: then without a limit.
        look_up()
    else:
        thread.join(limit.remaining())
    found = outcome[0] if outcome else TimeoutError()
    if isinstance(found, Exception):
        from clinecli.transport.failures import failure

        raise failure(Stage.RESOLVE, found, hop=hop, seconds=limit.seconds) from None
    return found


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which needs no DNS."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False


def refuse_far_hosts(route: Route, addresses: list[str]) -> None:
    """Raise `ConfigError` unless every address is of this machine: the key would go to the others
    in plain text. Names such as `x.localhost` may resolve anywhere (RFC 6761 is a wish)."""
    for address in addresses:
        if not (address.startswith("127.") or address == "::1"):
            raise ConfigError(
                f"{route.hop.name} resolves to {address}: the key would be sent in plain text",
                hint="use https://, or correct the entry in DNS or the hosts file",
            )


def connect(hop: Hop, addresses: list[str], limit: Deadline) -> tuple[socket.socket, str]:
    """A TCP connection to an address that accepts, and that address.

    Several race, each with a head start of a quarter of a second and the families in turn ("happy
    eyeballs", RFC 8305): a dead IPv6 route costs no more than that. Raises `ConnectionFailed` with
    code `refused`, `unreachable` or `connect_timeout`.
    """
    try:
        if not addresses:
            raise OSError
        if len(addresses) == 1:
            address = addresses[0]
            connected = _connected(address, hop.port, max(limit.remaining(), 0.001))
        else:
            from clinecli.transport.race import race

            connected, address = race(addresses, hop.port, limit)
    except OSError as error:
        from clinecli.transport.failures import failure

        raise failure(Stage.CONNECT, error, hop=hop, seconds=limit.seconds) from None
    return connected, address


def _connected(address: str, port: int, seconds: float) -> socket.socket:
    """A TCP connection to an IP address. Raises `OSError`."""
    plain = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        plain.settimeout(seconds)
        plain.connect((address, port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        plain.close()
        raise
    return plain


def handshake(
    plain: Socket, context: ssl.SSLContext | None, host: str, limit: Deadline, stage: Stage
) -> tuple[Socket, TlsFacts]:
    """TLS on a socket, verified by `context` for `host`.

    Raises `TlsError`, and `ConnectionFailed` for a handshake that takes too long.
    """
    assert context is not None
    import ssl

    try:
        plain.settimeout(max(limit.remaining(), 0.001))
        if type(plain) is socket.socket:
            # As bytes, see `resolve`; truststore's context takes text alone.
            name = host.encode() if type(context) is ssl.SSLContext else host
            encrypted = context.wrap_socket(plain, server_hostname=name)
            return encrypted, TlsFacts(
                encrypted.version() or "TLS", encrypted.getpeercert(True) or b""
            )
        from clinecli.transport.tls import TlsInTls

        inner = TlsInTls(plain, context, host, limit)
        return inner, TlsFacts(inner.version, inner.certificate)
    except OSError as error:
        from clinecli.transport.failures import failure

        raise failure(stage, error, host=host, seconds=limit.seconds) from None
