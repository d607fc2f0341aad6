"""Names, addresses and sockets: the real command against networks that do not work."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import httpcore
import pytest

from clinecli.config.proxy import parse_proxy
from clinecli.config.settings import parse_base_url
from clinecli.errors import ConnectionFailed, TransientError
from clinecli.transport.backend import Backend, Stream
from clinecli.transport.dial import Deadline, Hop, connect, first_hop, resolve
from tests.helpers.lab import (
    DNS_STALLS,
    PATIENCE,
    TcpServer,
    altered_cli,
    blackhole,
    has_ipv6,
    read_head,
    refusing,
    reset,
    stall,
)
from tests.helpers.support import (
    DONE,
    STOP,
    STREAM_HEAD,
    RawServer,
    completion,
    delta,
    http_chunk,
    no_traceback,
    response,
    run,
)

REPLY = response(completion("hello"))
STREAM = STREAM_HEAD + http_chunk(delta("hel") + delta("lo") + STOP + DONE) + http_chunk(b"")
COMMANDS = pytest.mark.parametrize("command", ["ask", "stream"])
ONCE = ["--retries", "0"]
MEGABYTE = 1 << 20


# Names


@COMMANDS
def test_a_host_that_does_not_exist(command: str, env: dict[str, str]) -> None:
    done = run([command, "hi", "--base-url", "https://no-such-host.invalid", *ONCE], env)
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"no-such-host.invalid" in done.stderr
    assert b"\nclinecli: hint: " in done.stderr
    no_traceback(done)


@COMMANDS
@pytest.mark.parametrize("limit", ["--connect-timeout", "--timeout"])
def test_dns_that_stalls_ends_with_the_deadline(
    command: str, limit: str, tmp_path: Path, env: dict[str, str]
) -> None:
    # The process must end although a thread of it hangs in the resolver.
    done = subprocess.run(
        [*altered_cli(tmp_path, DNS_STALLS), command, "hi", limit, "0.3", *ONCE],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"DNS did not answer for api.cline.bot:443 within 0.3 s" in done.stderr
    no_traceback(done)


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


def test_a_label_that_is_too_long_is_no_crash(env: dict[str, str]) -> None:
    done = run(["ask", "hi", "--base-url", f"https://{'a' * 64}.example", *ONCE], env)
    assert done.returncode == 7
    no_traceback(done)


# Addresses


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@COMMANDS
def test_an_ipv6_address(command: str, env: dict[str, str]) -> None:
    heads = []

    def handle(connection: socket.socket) -> None:
        heads.append(read_head(connection))
        connection.sendall(REPLY if command == "ask" else STREAM)
        stall(connection)

    with TcpServer(handle, "::1") as server:
        done = run([command, "hi", "--base-url", f"http://[::1]:{server.port}"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    assert f"\r\nHost: [::1]:{server.port}\r\n".encode() in heads[0]


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_refusing_ipv6_address_is_named_in_brackets(env: dict[str, str]) -> None:
    with refusing() as port:
        done = run(["ask", "hi", "--base-url", f"http://[::1]:{port}", *ONCE], env)
    assert done.returncode == 7
    assert f"[::1]:{port} refused the connection".encode() in done.stderr


def test_localhost_finds_a_server_on_either_family(env: dict[str, str]) -> None:
    with RawServer(REPLY) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        done = run(["ask", "hi", "--base-url", url], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


@COMMANDS
def test_an_address_that_does_not_accept(command: str, env: dict[str, str]) -> None:
    with blackhole() as port:
        arguments = [command, "hi", "--base-url", f"http://127.0.0.1:{port}"]
        done = run([*arguments, "--connect-timeout", "0.5", *ONCE], env)
    assert (done.returncode, done.stdout) == (7, b"")
    message = f"127.0.0.1:{port} did not accept the connection within 0.5 s (--connect-timeout)"
    assert message.encode() in done.stderr
    no_traceback(done)


def test_the_deadline_also_bounds_a_connection(env: dict[str, str]) -> None:
    with blackhole() as port:
        arguments = ["ask", "hi", "--base-url", f"http://127.0.0.1:{port}", "--timeout", "0.5"]
        done = run(arguments, env)
    assert done.returncode == 7
    no_traceback(done)


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


# Servers that go away


def hang_up(connection: socket.socket) -> None:
    read_head(connection)


def hang_up_by_reset(connection: socket.socket) -> None:
    read_head(connection)
    reset(connection)


@COMMANDS
@pytest.mark.parametrize("handle", [hang_up, hang_up_by_reset], ids=["closed", "reset"])
def test_a_server_that_hangs_up(
    command: str, handle: Callable[[socket.socket], None], env: dict[str, str]
) -> None:
    with TcpServer(handle) as server:
        done = run([command, "hi", "--base-url", f"http://{server.address}", *ONCE], env)
    assert (done.returncode, done.stdout) == (7, b"")
    assert f"{server.address} ".encode() in done.stderr
    assert b" the connection without an answer" in done.stderr
    no_traceback(done)


def test_a_server_that_hangs_up_once_is_asked_again(env: dict[str, str]) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        if number:
            connection.sendall(REPLY)

    with RawServer(handle) as server:
        done = run(["ask", "hi", "--base-url", server.url, "--retries", "1"], env)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert len(server.requests) == 2
    assert server.requests[0] == server.requests[1]


@COMMANDS
@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x01\x02\x03" * 100,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MEGABYTE,
        b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["banner", "binary", "endless header", "broken header", "no status", "broken chunk"],
)
def test_a_server_that_does_not_speak_http(
    command: str, answer: bytes, env: dict[str, str]
) -> None:
    with RawServer(answer) as server:
        done = run([command, "hi", "--base-url", server.url, *ONCE], env)
    assert (done.returncode, done.stdout) == (11, b"")
    no_traceback(done)


@pytest.mark.parametrize("status", ["100 Continue", "103 Early Hints"])
def test_interim_answers_are_read_over(status: str, env: dict[str, str]) -> None:
    with RawServer(f"HTTP/1.1 {status}\r\n\r\n".encode() + REPLY) as server:
        done = run(["ask", "hi", "--base-url", server.url], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


# Large requests


TEXT = ("0123456789abcde\n" * (20 * MEGABYTE // 16)).encode()


@COMMANDS
def test_a_large_request_to_a_slow_reader(command: str, env: dict[str, str]) -> None:
    bodies = []

    def handle(connection: socket.socket) -> None:
        # Some tens of kilobytes are on the way at a time.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        head = read_head(connection)
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        pieces = []
        while length:
            pieces.append(connection.recv(min(length, 16384)))
            length -= len(pieces[-1])
        bodies.append(b"".join(pieces))
        connection.sendall(REPLY if command == "ask" else STREAM)

    with TcpServer(handle) as server:
        done = run([command, "-", "--base-url", f"http://{server.address}"], env, stdin=TEXT)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    (body,) = bodies
    assert body.count(b"0123456789abcde\\n") == len(TEXT) // 16


EARLY = {
    "413": (9, b'{"error":{"code":413,"message":"too large"}}', "413 Payload Too Large"),
    "401": (4, b'{"error":{"code":401,"message":"no"}}', "401 Unauthorized"),
}


@COMMANDS
@pytest.mark.parametrize("case", EARLY)
def test_an_answer_before_the_request_is_read(command: str, case: str, env: dict[str, str]) -> None:
    status, body, line = EARLY[case]

    def handle(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(response(body, status=line))

    with TcpServer(handle) as server:
        arguments = [command, "-", "--base-url", f"http://{server.address}", *ONCE]
        done = run(arguments, env, stdin=TEXT)
    assert (done.returncode, done.stdout) == (status, b"")
    assert case.encode() in done.stderr
    no_traceback(done)


def test_an_early_answer_of_a_server_that_stays(env: dict[str, str]) -> None:
    """It neither reads on nor closes: the answer counts, not the request that is stuck."""

    def handle(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(response(EARLY["413"][1], status="413 Payload Too Large"))
        gone.wait(PATIENCE)

    gone = threading.Event()
    with TcpServer(handle) as server:
        arguments = ["ask", "-", "--base-url", f"http://{server.address}", *ONCE]
        done = run([*arguments, "--idle-timeout", "1"], env, stdin=TEXT)
        gone.set()
    assert done.returncode == 9
    assert b"413" in done.stderr


def test_a_server_that_stops_reading(env: dict[str, str]) -> None:
    def handle(connection: socket.socket) -> None:
        read_head(connection)
        gone.wait(PATIENCE)

    gone = threading.Event()
    with TcpServer(handle) as server:
        arguments = ["ask", "-", "--base-url", f"http://{server.address}", *ONCE]
        done = run([*arguments, "--idle-timeout", "0.5"], env, stdin=TEXT)
        gone.set()
    assert done.returncode == 10
    assert b"the server read nothing for 0.5 s (--idle-timeout)" in done.stderr
    no_traceback(done)
