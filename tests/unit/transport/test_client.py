"""One transport and its connections: kept, stale, early, and TLS within TLS."""

from __future__ import annotations

import select
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from clinecli.config.base_url import parse_base_url
from clinecli.config.secret import Secret
from clinecli.config.settings import Settings
from clinecli.errors import ClinecliError, Code, ConfigError, ConnectionFailed, IncompleteError
from clinecli.transport.client import Call, EarlyConnection, Transport
from clinecli.transport.connection import Connection
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import Dialled
from clinecli.transport.exchange import Answer
from clinecli.transport.tls import TlsInTls
from tests.helpers.kept import Close, KeptServer, Request
from tests.helpers.proxies import ForwardProxy
from tests.helpers.servers import TcpServer, refusing, reset, stall
from tests.helpers.tls import Authority

PATIENCE = 60.0
KEY = Secret("sk-test-0123456789abcdef")


def transport(
    url: str, *, proxy: str = "", ca_file: str | None = None, environ: dict[str, str] | None = None
) -> Transport:
    settings = Settings(
        parse_base_url(url, "test"), "test", "m", "test", proxy=proxy, ca_file=ca_file
    )
    return Transport(settings, environ or {})


def call(seconds: float = PATIENCE, body: bytes = b"{}") -> Call:
    return Call("POST", "/x", Deadline(seconds), body=body, key=KEY)


def reply(text: bytes, *headers: bytes) -> bytes:
    fields = b"".join(header + b"\r\n" for header in headers)
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (fields, len(text), text)


def number(connection: socket.socket, request: Request) -> None:
    """Answer with the numbers of connection and request."""
    connection.sendall(reply(b"%d.%d" % (request.connection, request.number)))


def ask(sender: Transport, kept: Connection | None = None) -> tuple[bytes, Connection | None]:
    """The body of an answer, and the connection for the next call."""
    with sender.send(call(), kept) as answer:
        body = answer.body()
    return body, answer.kept


def something_came(connection: Connection) -> None:
    """Wait for what the server says unasked, its end included."""
    assert select.select([connection.dialled.socket], [], [], PATIENCE)[0]


# Kept connections


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_consecutive_calls_use_one_connection(
    scheme: str, authority: Authority, ca_file: str
) -> None:
    context = authority.valid() if scheme == "https" else None
    with KeptServer(number, context) as server:
        sender = transport(server.url, ca_file=ca_file)
        kept: Connection | None = None
        for expected in (b"0.0", b"0.1", b"0.2"):
            body, kept = ask(sender, kept)
            assert body == expected
        assert kept
        kept.close()


def test_calls_that_keep_nothing_have_connections_of_their_own() -> None:
    with KeptServer(number) as server:
        sender = transport(server.url)
        assert [ask(sender)[0] for _ in range(3)] == [b"0.0", b"1.0", b"2.0"]


def test_a_chunked_answer_leaves_its_connection_too() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
    with KeptServer(chunked) as server:
        sender = transport(server.url)
        _, kept = ask(sender)
        body, kept = ask(sender, kept)
        assert (body, kept is not None) == (b"hi", True)
    assert server.places == [(0, 0), (0, 1)]


def test_a_server_that_says_so_is_not_asked_again_on_a_connection() -> None:
    with KeptServer(reply(b"hi", b"Connection: close")) as server:
        assert ask(transport(server.url)) == (b"hi", None)


def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    def answer(connection: socket.socket, request: Request) -> None:
        number(connection, request)
        raise Close

    with KeptServer(answer) as server:
        sender = transport(server.url)
        _, kept = ask(sender)
        assert kept
        something_came(kept)
        assert ask(sender, kept)[0] == b"1.0"
    assert server.places == [(0, 0), (1, 0)]


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_connection_that_is_closed_when_it_is_asked_is_replaced(how: str) -> None:
    def answer(connection: socket.socket, request: Request) -> None:
        if request.number == 1:
            if how == "reset":
                reset(connection)
            raise Close
        number(connection, request)

    with KeptServer(answer) as server:
        sender = transport(server.url)
        _, kept = ask(sender)
        assert ask(sender, kept)[0] == b"1.0"
    # Once on each connection, and not a third time.
    assert server.places == [(0, 0), (0, 1), (1, 0)]


def test_a_new_connection_that_is_closed_is_an_error() -> None:
    def answer(connection: socket.socket, request: Request) -> None:
        raise Close

    with KeptServer(answer) as server, pytest.raises(ConnectionFailed) as caught:
        ask(transport(server.url))
    assert caught.value.code is Code.CLOSED
    assert server.places == [(0, 0)]


def test_an_answer_that_is_cut_on_a_kept_connection_is_not_asked_for_again() -> None:
    def answer(connection: socket.socket, request: Request) -> None:
        if request.number == 1:
            connection.sendall(reply(b"12345")[:-2])
            raise Close
        number(connection, request)

    with KeptServer(answer) as server:
        sender = transport(server.url)
        _, kept = ask(sender)
        with pytest.raises(IncompleteError) as caught:
            ask(sender, kept)
    assert caught.value.code is Code.CUT
    assert server.places == [(0, 0), (0, 1)]


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("late", [False, True], ids=["with the reply", "after it"])
def test_what_nobody_asked_for_is_never_a_reply(late: bool, framing: str) -> None:
    # A gateway that has lost its place sends another user's reply.
    asked = threading.Event()
    smuggled = (
        reply(b"smuggled")
        if framing == "length"
        else (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nsmuggled\r\n0\r\n\r\n")
    )
    first = smuggled.replace(b"smuggled", b"real----")

    def answer(connection: socket.socket, request: Request) -> None:
        connection.sendall(first if late else first + smuggled)
        if late and request.connection == 0:
            assert asked.wait(PATIENCE)
            connection.sendall(smuggled)

    with KeptServer(answer) as server:
        sender = transport(server.url)
        body, kept = ask(sender)
        assert body == b"real----"
        assert (kept is not None) is late
        if kept:
            asked.set()
            something_came(kept)
        assert ask(sender, kept)[0] == b"real----"
    assert server.places == [(0, 0), (1, 0)]


def test_what_comes_before_the_request_is_no_reply() -> None:
    def speak_first(connection: socket.socket) -> None:
        connection.sendall(reply(b"smuggled"))
        stall(connection)

    with TcpServer(speak_first) as server:
        sender = transport(f"http://{server.address}")
        early = sender.connect_early(Deadline(PATIENCE))
        assert select.select([early.result(Deadline(PATIENCE)).socket], [], [], PATIENCE)[0]
        with pytest.raises(IncompleteError, match="before the request was sent"):
            sender.send(call(), early)


# Early connections


def test_an_early_connection_is_the_one_that_is_used() -> None:
    with KeptServer(number) as server:
        sender = transport(server.url)
        early = sender.connect_early(Deadline(PATIENCE))
        with sender.send(call(), early) as answer:
            assert answer.body() == b"0.0"
        assert answer.timings.connect is not None
    assert server.connections == 1


def test_an_early_connection_that_fails_tells_why_when_it_is_wanted() -> None:
    with refusing() as port:
        sender = transport(f"http://127.0.0.1:{port}")
        early = sender.connect_early(Deadline(PATIENCE))
        for _ in range(2):
            with pytest.raises(ConnectionFailed) as caught:
                early.result(Deadline(PATIENCE))
            assert caught.value.code is Code.REFUSED


def test_an_early_connection_does_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with KeptServer(number) as server:
        sender = transport(server.url)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            early = sender.connect_early(Deadline(PATIENCE))
        with sender.send(call(), early) as answer:
            assert answer.body() == b"0.0"


def test_an_early_connection_is_not_waited_for_beyond_the_deadline() -> None:
    never = threading.Event()

    def hang() -> Dialled:
        never.wait()
        raise ConnectionFailed("too late")

    early = EarlyConnection(hang)
    # A second is for whoever is about to tell more.
    with pytest.raises(ClinecliError, match=r"within 0\.1 s") as caught:
        early.result(Deadline(0.1))
    assert caught.value.code is Code.TIMEOUT
    never.set()


# Trust


def test_trust_is_loaded_once(ca_file: str) -> None:
    sender = transport("https://localhost", ca_file=ca_file)
    with ThreadPoolExecutor(16) as pool:
        contexts = set(pool.map(lambda _: sender.trust(), range(64)))
    assert len(contexts) == 1
    assert contexts != {None}


def test_trust_that_cannot_be_loaded_is_told_to_all() -> None:
    sender = transport("https://localhost", ca_file="/nonexistent")
    for _ in range(2):
        with pytest.raises(ConfigError, match="does not exist"):
            sender.trust()


def test_plain_http_needs_no_trust() -> None:
    assert transport("http://localhost", ca_file="/nonexistent").trust() is None


# TLS within TLS


def test_tls_within_tls(authority: Authority, ca_file: str) -> None:
    context = authority.valid()
    sent = bytes(range(256)) * 4096

    def echo(connection: socket.socket, request: Request) -> None:
        connection.sendall(reply(request.body))

    with (
        KeptServer(echo, context) as server,
        ForwardProxy(context=context, upstream=server.port) as proxy,
    ):
        sender = transport("https://localhost", proxy=proxy.url, ca_file=ca_file)
        kept: Connection | None = None
        for _ in range(2):
            with sender.send(call(body=sent), kept) as answer:
                assert answer.body() == sent
            kept = answer.kept
        assert kept
        assert isinstance(kept.dialled.socket, TlsInTls)
        assert kept.dialled.tls
        assert kept.dialled.tls.version.startswith("TLSv1")
        assert kept.peek() == "quiet"
        timings = kept.dialled.timings
        assert None not in {timings.proxy_tls, timings.tunnel, timings.tls}
        kept.close()
    assert server.places == [(0, 0), (0, 1)]
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("when", ["after the request", "in the reply"])
def test_a_cut_within_tls_within_tls(when: str, authority: Authority, ca_file: str) -> None:
    context = authority.valid()

    def answer(connection: socket.socket, _: Request) -> None:
        if when == "in the reply":
            connection.sendall(reply(b"12345")[:-2])
        raise Close

    with (
        KeptServer(answer, context) as server,
        ForwardProxy(context=context, upstream=server.port) as proxy,
    ):
        sender = transport("https://localhost", proxy=proxy.url, ca_file=ca_file)
        with pytest.raises(ClinecliError) as caught:
            ask(sender)
    assert caught.value.code is (Code.CUT if when == "in the reply" else Code.CLOSED)


def test_a_handshake_within_tls_that_stalls(authority: Authority, ca_file: str) -> None:
    context = authority.valid()
    with (
        TcpServer(stall) as server,
        ForwardProxy(context=context, upstream=server.port) as proxy,
    ):
        settings = Settings(
            parse_base_url("https://localhost", "test"),
            "test",
            "m",
            "test",
            proxy=proxy.url,
            ca_file=ca_file,
            connect_timeout=0.3,
        )
        with pytest.raises(ConnectionFailed, match="TLS handshake with localhost") as caught:
            Transport(settings, {}).send(call())
    assert caught.value.code is Code.CONNECT_TIMEOUT


def test_the_log_follows_a_call(authority: Authority, ca_file: str) -> None:
    lines: list[str] = []
    answer: Answer
    with KeptServer(reply(b"hi", b"X-Request-Id: r-1"), authority.valid()) as server:
        sender = transport(server.url, ca_file=ca_file)
        with sender.send(call()._replace(log=lines.append)) as answer:
            answer.body()
    assert [line.split()[0] for line in lines] == ["*", "*", ">", "<", "*"]
    assert "with the key" in lines[2]
    assert "request r-1" in lines[3]
    assert KEY.reveal() not in "".join(lines)
