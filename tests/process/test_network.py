"""Names, addresses and sockets: the real command against networks that do not work."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.process import (
    BOTH_COMMANDS,
    DNS_STALLS,
    PATIENCE,
    altered_cli,
    no_traceback,
    run,
)
from tests.helpers.replies import (
    REPLY,
    STREAM,
    response,
)
from tests.helpers.servers import (
    RawServer,
    TcpServer,
    blackhole,
    has_ipv6,
    read_head,
    refusing,
    reset,
    stall,
)

ONCE = ["--retries", "0"]
MEGABYTE = 1 << 20


# Names


@BOTH_COMMANDS
def test_a_host_that_does_not_exist(command: str, env: dict[str, str]) -> None:
    done = run([command, "hi", "--base-url", "https://no-such-host.invalid", *ONCE], env)
    assert (done.returncode, done.stdout) == (7, b"")
    assert b"no-such-host.invalid" in done.stderr
    assert b"\nclinecli: hint: " in done.stderr
    no_traceback(done)


@BOTH_COMMANDS
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
    # What is left of the whole call's time by then depends on the machine.
    assert re.search(rb"DNS did not answer for api\.cline\.bot:443 within 0\.[1-3] s", done.stderr)
    no_traceback(done)


def test_a_label_that_is_too_long_is_a_bad_base_url(env: dict[str, str]) -> None:
    done = run(["ask", "hi", "--base-url", f"https://{'a' * 64}.example", *ONCE], env)
    assert done.returncode == 3
    no_traceback(done)


# Addresses


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@BOTH_COMMANDS
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


@BOTH_COMMANDS
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


# Servers that go away


def hang_up(connection: socket.socket) -> None:
    read_head(connection)


def hang_up_by_reset(connection: socket.socket) -> None:
    read_head(connection)
    reset(connection)


@BOTH_COMMANDS
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


@BOTH_COMMANDS
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


@BOTH_COMMANDS
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


@BOTH_COMMANDS
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
