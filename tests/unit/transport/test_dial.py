"""Names, addresses and the deadline."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

import httpcore
import pytest

from clinecli.config.proxy import parse_proxy
from clinecli.config.settings import parse_base_url
from clinecli.errors import ConnectionFailed, TransientError
from clinecli.transport.backend import Backend, Stream
from clinecli.transport.dial import Deadline, Hop, connect, first_hop, resolve
from tests.helpers.process import (
    PATIENCE,
)
from tests.helpers.servers import (
    TcpServer,
    blackhole,
    refusing,
    stall,
)


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
    assert resolve(HOP, 10) == ["::1", "10.0.0.2", "10.0.0.1"]


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
        resolve(HOP, 10)
    assert (caught.value.code, caught.value.retryable) == (code, retryable)


def test_resolve_leaves_a_stalled_resolver_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(PATIENCE))
    with pytest.raises(ConnectionFailed) as caught:
        resolve(HOP, 0.05)
    release.set()
    assert (caught.value.code, caught.value.retryable) == ("dns_timeout", True)


def test_a_dead_address_leaves_time_for_the_next() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(TcpServer(stall))
        # The same port of another loopback address, which takes no connection.
        stack.enter_context(blackhole("127.0.0.2", server.port))
        hop = Hop("api.example", server.port, "api.example")
        stream = connect(hop, ["127.0.0.2", "127.0.0.1"], 1.0, Deadline(PATIENCE))
        with closing(stream):
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)


def test_a_refusing_address_leaves_time_for_the_next() -> None:
    with TcpServer(stall) as server:
        hop = Hop("api.example", server.port, "api.example")
        stream = connect(hop, ["127.0.0.2", "127.0.0.1"], 30.0, Deadline(PATIENCE))
        with closing(stream):
            assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)


@pytest.mark.parametrize(
    ("addresses", "code"),
    [(["127.0.0.1"], "refused"), (["127.0.0.2", "127.0.0.1"], "refused"), ([], "unreachable")],
    ids=["one", "two", "none"],
)
def test_connect_tells_why(addresses: list[str], code: str) -> None:
    with refusing() as port, pytest.raises(ConnectionFailed, match=r"api\.example") as caught:
        connect(Hop("api.example", port, "api.example"), addresses, 5.0, Deadline(PATIENCE))
    assert (caught.value.code, caught.value.retryable) == (code, True)


def test_an_unreachable_network_is_named_by_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise httpcore.ConnectError from OSError(101, "Network is unreachable")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", unreachable)
    with pytest.raises(ConnectionFailed, match="Network is unreachable") as caught:
        connect(HOP, ["192.0.2.1"], 5.0, Deadline(PATIENCE))
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
    hop = first_hop(parse_base_url(base_url, "test"), chosen)
    if proxy:
        assert hop == Hop(name, 1, "the proxy http://proxy.example:1 (from HTTPS_PROXY)")
    else:
        assert (f"{hop.host}:{hop.port}", hop.name) == (name.translate({91: None, 93: None}), name)


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


class Silent(httpcore.NetworkStream):
    """A connection on which nothing comes, but for `data` after `timeouts` waits."""

    def __init__(self, data: bytes = b"", timeouts: int = 1000) -> None:
        self.waits: list[float | None] = []
        self._data = data
        self._timeouts = timeouts

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.waits.append(timeout)
        if len(self.waits) <= self._timeouts:
            raise httpcore.ReadTimeout
        return self._data


def stream_on(inner: httpcore.NetworkStream) -> Stream:
    base_url = parse_base_url("https://api.example", "test")
    backend = Backend(base_url, None, connect_timeout=10.0, log=lambda _: None)
    backend.deadline = Deadline(600.0)
    return Stream(inner, backend)


def test_a_long_wait_comes_in_slices_that_a_signal_can_end() -> None:
    silent = Silent()
    with pytest.raises(TransientError, match=r"sent nothing for 2\.5 s \(--idle-timeout\)"):
        stream_on(silent).read(1, 2.5)
    assert silent.waits == [1.0, 1.0, 0.5]


def test_what_comes_after_some_slices_is_read() -> None:
    silent = Silent(b"late", timeouts=3)
    assert stream_on(silent).read(1, 120.0) == b"late"
    assert len(silent.waits) == 4
