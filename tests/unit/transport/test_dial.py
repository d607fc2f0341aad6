"""Names, addresses and the deadline."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

import pytest

from clinecli.config.base_url import parse_base_url
from clinecli.config.proxy import parse_proxy
from clinecli.errors import ConfigError, ConnectionFailed, TransientError
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import connect, refuse_far_hosts, resolve
from clinecli.transport.route import Hop, Route
from tests.helpers.process import PATIENCE
from tests.helpers.servers import TcpServer, blackhole, refusing, stall


def answers(*addresses: str) -> Callable[..., list[tuple[object, ...]]]:
    return lambda host, port, **_: [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
    ]


def fails(error: Exception) -> Callable[..., list[tuple[object, ...]]]:
    def getaddrinfo(*_: object, **__: object) -> list[tuple[object, ...]]:
        raise error

    return getaddrinfo


HOP = Hop("api.example", 443, "api.example:443")


def test_resolve_keeps_the_systems_order_and_drops_what_comes_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("::1", "10.0.0.2", "::1", "10.0.0.1"))
    assert resolve(HOP, Deadline(10)) == ["::1", "10.0.0.2", "10.0.0.1"]


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "dns_not_found", False),
        (socket.gaierror(socket.EAI_AGAIN, "temporary"), "dns_failed", True),
        (OSError(24, "Too many open files"), "dns_not_found", False),
        (UnicodeError("label too long"), "dns_not_found", False),
    ],
    ids=["no such name", "temporary", "another error", "not a name"],
)
def test_resolve_tells_why(
    error: Exception, code: str, retryable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", fails(error))
    with pytest.raises(ConnectionFailed, match=r"api\.example:443") as caught:
        resolve(HOP, Deadline(10))
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


def test_resolve_leaves_a_stalled_resolver_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def stalled(*_: object, **__: object) -> list[object]:
        release.wait(PATIENCE)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", stalled)
    with pytest.raises(ConnectionFailed) as caught:
        resolve(HOP, Deadline(0.05))
    release.set()
    assert (caught.value.code, caught.value.retryable) == ("dns_timeout", True)


def test_a_dead_address_leaves_time_for_the_next() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(TcpServer(stall))
        # The same port of another loopback address, which takes no connection.
        stack.enter_context(blackhole("127.0.0.2", server.port))
        hop = Hop("api.example", server.port, "api.example")
        connected, address = connect(hop, ["127.0.0.2", "127.0.0.1"], Deadline(1.0))
        with closing(connected):
            assert connected.getpeername() == (address, server.port) == ("127.0.0.1", server.port)


def test_a_refusing_address_leaves_time_for_the_next() -> None:
    with TcpServer(stall) as server:
        hop = Hop("api.example", server.port, "api.example")
        connected, _ = connect(hop, ["127.0.0.2", "127.0.0.1"], Deadline(PATIENCE))
        with closing(connected):
            assert connected.getpeername() == ("127.0.0.1", server.port)


@pytest.mark.parametrize(
    ("addresses", "code"),
    [(["127.0.0.1"], "refused"), (["127.0.0.2", "127.0.0.1"], "refused"), ([], "unreachable")],
    ids=["one", "two", "none"],
)
def test_connect_tells_why(addresses: list[str], code: str) -> None:
    with refusing() as port, pytest.raises(ConnectionFailed, match=r"api\.example") as caught:
        connect(Hop("api.example", port, "api.example"), addresses, Deadline(PATIENCE))
    assert (caught.value.code, caught.value.retryable) == (code, True)


def test_an_unreachable_network_is_named_by_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    with pytest.raises(ConnectionFailed, match="Network is unreachable") as caught:
        connect(HOP, ["192.0.2.1"], Deadline(PATIENCE))
    assert caught.value.code == "unreachable"


@pytest.mark.parametrize(
    ("base_url", "proxy", "name"),
    [
        ("https://api.cline.bot", None, "api.cline.bot:443"),
        ("http://[::1]:8080", None, "[::1]:8080"),
        ("https://api.cline.bot", "http://u:p@proxy.example:1", "proxy.example"),
    ],
    ids=["name", "IPv6", "proxy"],
)
def test_first_hop(base_url: str, proxy: str | None, name: str) -> None:
    chosen = parse_proxy(proxy, "HTTPS_PROXY") if proxy else None
    hop = Route(parse_base_url(base_url, "test"), chosen).hop
    if proxy:
        assert hop == Hop(name, 1, "the proxy http://proxy.example:1 (from HTTPS_PROXY)")
    else:
        assert (f"{hop.host}:{hop.port}", hop.name) == (name.translate({91: None, 93: None}), name)


FAR = ["127.0.0.1", "203.0.113.5"]


@pytest.mark.parametrize("addresses", [["203.0.113.5"], FAR, ["::2"]], ids=str)
def test_plain_http_does_not_leave_the_machine(addresses: list[str]) -> None:
    route = Route(parse_base_url("http://evil.localhost:8080", "test"))
    with pytest.raises(ConfigError, match="resolves to"):
        refuse_far_hosts(route, addresses)
    refuse_far_hosts(route, ["127.0.0.1", "::1"])


# The deadline


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_deadline_bounds_what_is_asked_for() -> None:
    clock = Clock()
    deadline = Deadline(10.0, clock)
    assert deadline.remaining() == 10.0
    assert (deadline.bound(None), deadline.bound(3.0), deadline.bound(30.0)) == (10.0, 3.0, 10.0)
    clock.now += 9.0
    assert (deadline.bound(None), deadline.bound(3.0)) == (1.0, 1.0)


@pytest.mark.parametrize("late", [10.0, 11.0], ids=["reached", "passed"])
def test_a_deadline_that_has_passed_gives_no_time(late: float) -> None:
    clock = Clock()
    deadline = Deadline(10.0, clock)
    clock.now += late
    with pytest.raises(TransientError, match=r"within 10 s \(--timeout\)"):
        deadline.bound(None)
