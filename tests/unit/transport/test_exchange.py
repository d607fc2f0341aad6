"""One exchange on a connection: what is sent, how an answer is read, and what goes wrong."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from clinecli.config.secret import Redactor, Secret
from clinecli.errors import ClinecliError, Code
from clinecli.transport.client import Call
from clinecli.transport.connection import Connection
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import Dialled, Timings
from clinecli.transport.exchange import Answer, exchange
from clinecli.transport.route import Hop
from tests.helpers.replies import http_chunk
from tests.helpers.servers import reset

PATIENCE = 60.0
SECRET = Secret("sk-SeCrEt-0123456789")
OK = b"HTTP/1.1 200 OK\r\n"


class Peer:
    """The other end of a connection, and the connection itself."""

    def __init__(self) -> None:
        ours, self.socket = socket.socketpair()
        self.connection = Connection(Dialled(ours, "127.0.0.1", Timings()), Hop("h", 1, "h:1"), "")

    def ask(
        self,
        body: bytes = b"{}",
        *,
        seconds: float = PATIENCE,
        idle: float | None = None,
        log: list[str] | None = None,
    ) -> Answer:
        """Send a request and read the head of what the peer has written."""
        follow = log.append if log is not None else None
        call = Call("POST", "/x", Deadline(seconds), body=body, key=SECRET, idle=idle, log=follow)
        headers = [("Host", "h"), ("Content-Length", str(len(body)))]
        return exchange(self.connection, call, "/v1/x", headers, Redactor((SECRET,)))

    def answer(self, *parts: bytes, closes: bool = True) -> None:
        """Write an answer, before it is asked for."""
        self.socket.sendall(b"".join(parts))
        if closes:
            self.socket.shutdown(socket.SHUT_WR)


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    with made.socket:
        yield made
    made.connection.close()


@contextmanager
def failing(code: Code, text: str = "") -> Iterator[None]:
    with pytest.raises(ClinecliError) as caught:
        yield
    assert text in caught.value.message
    assert caught.value.code is code


# What is sent


def test_a_request_on_the_wire(peer: Peer) -> None:
    peer.answer(OK, b"Content-Length: 0\r\n\r\n")
    peer.ask(b'{"a":1}')
    assert peer.socket.recv(65536) == (
        b'POST /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n{"a":1}'
    )


def test_an_answer_before_the_request_is_through_is_heard(peer: Peer) -> None:
    # As 413 comes; the peer reads nothing of what follows.
    peer.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno", closes=False)
    with peer.ask(bytes(1 << 24), idle=0.2) as answer:
        assert (answer.status, answer.body()) == (413, b"no")
    assert answer.kept is None


def test_a_peer_that_hangs_up_is_heard_first(peer: Peer) -> None:
    peer.answer(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
    peer.socket.shutdown(socket.SHUT_RDWR)
    with peer.ask(bytes(1 << 24)) as answer:
        assert (answer.status, answer.body()) == (413, b"no")
    assert answer.kept is None


def test_a_peer_that_stops_reading(peer: Peer) -> None:
    with failing(Code.TIMEOUT, "read nothing for 0.2 s"):
        peer.ask(bytes(1 << 24), idle=0.2)


# Heads


def test_headers_are_named_in_lower_case_and_joined(peer: Peer) -> None:
    peer.answer(OK, b"Content-Length: 0\r\nX-A: 1\r\nx-a: 2\r\nX-B: \xc3\xa9\xff\r\n\r\n")
    headers = peer.ask().headers
    assert headers["x-a"] == "1, 2"
    assert headers["x-b"] == "é\ufffd"


REQUEST_IDS = {
    "none": (b"", None),
    "empty": (b"X-Request-Id:\r\n", None),
    "plain": (b"X-Request-Id: abc\r\n", "abc"),
    "tabs": (b"x-request-id: a\tb\r\n", "a b"),
    "the key": (b"X-Request-Id: id-sk-SeCrEt-0123456789\r\n", "id-[key]"),
}


@pytest.mark.parametrize("name", REQUEST_IDS)
def test_the_request_id_is_one_line_without_secrets(name: str, peer: Peer) -> None:
    header, expected = REQUEST_IDS[name]
    peer.answer(OK, header, b"Content-Length: 0\r\n\r\n")
    assert peer.ask().request_id == expected


def test_a_long_request_id_is_cut_after_it_was_redacted(peer: Peer) -> None:
    peer.answer(OK, b"X-Request-Id: " + b"x" * 95 + SECRET.reveal().encode() + b"\r\n\r\n")
    request_id = peer.ask().request_id
    assert request_id
    assert "sk-" not in request_id
    assert len(request_id) <= 100


def test_interim_answers_are_passed_over(peer: Peer) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    peer.answer(interim, OK, b"Content-Length: 2\r\n\r\nhi")
    with peer.ask() as answer:
        assert (answer.status, answer.body()) == (200, b"hi")


HEADLESS: dict[str, tuple[bytes, Code]] = {
    "nothing": (b"", Code.CLOSED),
    "an interim answer alone": (b"HTTP/1.1 100 Continue\r\n\r\n", Code.CLOSED),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", Code.CLOSED),
    "half a version": (b"HTT", Code.CLOSED),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", Code.NOT_THE_API),
    "HTTP/2": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(30), Code.NOT_THE_API),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        Code.NOT_THE_API,
    ),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", Code.NOT_THE_API),
    "an unknown transfer coding": (OK + b"Transfer-Encoding: gzip\r\n\r\n", Code.NOT_THE_API),
    "an endless head": (OK + 40_000 * b"X-A: 1\r\n", Code.NOT_THE_API),
}


@pytest.mark.parametrize("name", HEADLESS)
def test_what_is_no_head(name: str, peer: Peer) -> None:
    sent, code = HEADLESS[name]
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    peer.answer(sent)
    with failing(code):
        peer.ask()


def test_silence_ends_with_the_idle_time(peer: Peer) -> None:
    with failing(Code.TIMEOUT, "sent nothing for 0.1 s"):
        peer.ask(idle=0.1)


def test_silence_ends_with_the_deadline(peer: Peer) -> None:
    with failing(Code.TIMEOUT, "within 0.1 s"):
        peer.ask(seconds=0.1, idle=PATIENCE)


# Bodies


FRAMED = {
    "a length": b"Content-Length: 5\r\n\r\nhello",
    "chunks": b"Transfer-Encoding: chunked\r\n\r\n" + http_chunk(b"hello") + http_chunk(b""),
    "to the end": b"\r\nhello",
    "gzip": b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello"),
}


@pytest.mark.parametrize("name", FRAMED)
def test_a_whole_body(name: str, peer: Peer) -> None:
    log: list[str] = []
    peer.answer(OK, FRAMED[name])
    with peer.ask(log=log) as answer:
        assert answer.body() == b"hello"
        assert answer.read() == b""
    assert [line[:12] for line in log] == ["* done after"]


def test_a_body_is_pulled_read_by_read(peer: Peer) -> None:
    peer.answer(OK, b"Transfer-Encoding: chunked\r\n\r\n", http_chunk(b"one"), closes=False)
    with peer.ask() as answer:
        assert answer.read() == b"one"
        peer.answer(http_chunk(b"two") + http_chunk(b"three"), closes=False)
        assert answer.read() == b"twothree"
        peer.answer(http_chunk(b"")[:-2], closes=False)
        peer.answer(b"\r\n", closes=False)
        assert answer.read() == b""
    assert answer.kept is peer.connection


CUT = {
    "in a length": b"Content-Length: 50\r\n\r\nhello",
    "in a chunk": b"Transfer-Encoding: chunked\r\n\r\n32\r\nhello",
    "between chunks": b"Transfer-Encoding: chunked\r\n\r\n" + http_chunk(b"hello"),
    "by what is no chunk": b"Transfer-Encoding: chunked\r\n\r\n"
    + http_chunk(b"hello")
    + b"xyz\r\n",
    "by damaged gzip": b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello") + b"damage",
}


@pytest.mark.parametrize("name", CUT)
def test_what_comes_before_a_cut_is_given_first(name: str, peer: Peer) -> None:
    peer.answer(OK, CUT[name])
    with peer.ask() as answer:
        assert answer.read() == b"hello"
        for _ in range(2):
            with failing(Code.CUT):
                answer.read()
    assert answer.kept is None


def test_a_reset_is_a_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    peer = Peer()
    peer.socket.close()
    peer.connection = Connection(Dialled(ours, "127.0.0.1", Timings()), Hop("h", 1, "h:1"), "")
    theirs.sendall(OK + b"Content-Length: 50\r\n\r\nhello")
    with peer.ask() as answer:
        assert answer.read() == b"hello"
        reset(theirs)
        with failing(Code.CUT):
            answer.read()


def test_the_patience_may_differ_from_the_calls(peer: Peer) -> None:
    peer.answer(OK, b"Content-Length: 50\r\n\r\nhello", closes=False)
    with peer.ask(idle=PATIENCE) as answer:
        assert answer.read() == b"hello"
        with failing(Code.TIMEOUT, "nothing for 0.1 s"):
            answer.read(idle=0.1)


@pytest.mark.parametrize("encoding", [b"br", b"gzip, gzip"], ids=repr)
def test_a_coding_that_was_not_asked_for(encoding: bytes, peer: Peer) -> None:
    peer.answer(OK, b"Content-Encoding: " + encoding + b"\r\n\r\nx")
    with peer.ask() as answer, failing(Code.NOT_THE_API):
        answer.read()


# What is left to read of a body that says more of a failure.
UNREADABLE: dict[str, tuple[bytes, bytes]] = {
    "cut": (b"Content-Length: 50\r\n\r\nno", b"no"),
    "cut chunk": (b"Transfer-Encoding: chunked\r\n\r\n5\r\nno", b"no"),
    "damaged chunk": (b"Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\nx\r\n", b"no"),
    "damaged compression": (b"Content-Encoding: gzip\r\n\r\nno", b""),
    "unknown coding": (b"Content-Encoding: br\r\n\r\nno", b""),
    "too much": (b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(80 << 20)), b""),
}


@pytest.mark.parametrize(("body", "expected"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_failure_stands_whatever_becomes_of_its_body(
    body: bytes, expected: bytes, peer: Peer
) -> None:
    peer.answer(b"HTTP/1.1 401 No\r\n", body)
    with peer.ask() as answer:
        assert (answer.status, answer.body()) == (401, expected)
    assert answer.kept is None


def test_a_failure_does_not_wait_for_the_rest_of_its_body(peer: Peer) -> None:
    peer.answer(b"HTTP/1.1 401 No\r\nContent-Length: 50\r\n\r\nno", closes=False)
    with peer.ask(idle=0.1) as answer:
        assert (answer.status, answer.body()) == (401, b"no")


def test_the_body_of_a_failure_has_its_own_time(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinecli.transport.exchange._ERROR_SECONDS", 0)
    peer.answer(b"HTTP/1.1 401 No\r\nContent-Length: 50\r\n\r\nno", closes=False)
    with peer.ask() as answer:
        assert (answer.status, answer.body()) == (401, b"")


def test_the_endless_body_of_a_failure(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinecli.transport.exchange._MAX_ERROR_BYTES", 1000)
    peer.answer(b"HTTP/1.1 500 No\r\n\r\n", b"x" * 100_000, closes=False)
    with peer.ask() as answer:
        assert 1000 < len(answer.body()) < 100_000


def test_a_body_that_is_too_large(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinecli.transport.exchange.MAX_BODY_BYTES", 1 << 20)
    # 10 MiB in 10 kB.
    peer.answer(OK, b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(10 << 20)))
    with peer.ask() as answer, failing(Code.TOO_LARGE):
        answer.body()
    assert answer.kept is None


# Between exchanges


def test_a_connection_is_used_again(peer: Peer) -> None:
    for text in (b"one", b"two"):
        peer.answer(OK, b"Content-Length: 3\r\n\r\n", text, closes=False)
        with peer.ask() as answer:
            assert answer.body() == text
        assert answer.kept is peer.connection
        assert peer.connection.peek() == "quiet"


def test_an_answer_that_was_not_read_to_its_end_leaves_no_connection(peer: Peer) -> None:
    peer.answer(OK, b"Content-Length: 3\r\n\r\non", closes=False)
    with peer.ask() as answer:
        assert answer.read() == b"on"
    assert answer.kept is None
    # It was closed: the peer is told by the end.
    peer.socket.settimeout(PATIENCE)
    while peer.socket.recv(65536):
        pass


def test_what_comes_between_exchanges_is_seen(peer: Peer) -> None:
    peer.answer(b"HTTP/1.1 200 OK\r\n\r\n", closes=False)
    assert peer.connection.peek() == "bytes"


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_the_end_between_exchanges_is_seen(how: str, peer: Peer) -> None:
    peer.socket.close()
    assert peer.connection.peek() == "closed"
