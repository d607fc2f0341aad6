"""The mock and bytes that mean it no good: an answer, no noise, and no memory without end."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from clinecli.mock import mock_server
from clinecli.mock.request import MAX_BODY
from clinecli.options.mock import MockOptions
from tests.helpers.mock_client import ask, raw_post, raw_socket, read_all, send

HEAD = b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer k\r\n"


@pytest.fixture
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing is written beside the command's own output."""
    yield
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HEAD + b"Content-Length: 999999999999\r\n\r\n", 400),
        (HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 100_000, 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413),
        (b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET http://[::1\r\n\r\n", 400),
        (b"GET http://[::1", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 421),
        (b"GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 200_000, 431),
    ],
    ids=lambda value: value[-30:] if isinstance(value, bytes) else value,
)
def test_bytes_that_are_no_request_are_answered(data: bytes, status: int) -> None:
    with mock_server(MockOptions()) as server:
        with raw_socket(server.base_url) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            head, _, body = read_all(client).partition(b"\r\n\r\n")
        assert int(head.split()[1]) == status
        assert b"Connection: close" in head
        error = json.loads(body)["error"]
        assert (error["code"], bool(error["message"])) == (status, True)
        assert send(server.base_url, body=ask()).status == 200


def test_a_page_of_another_host_reads_nothing(tmp_path: Path) -> None:
    """A page that has its name point to 127.0.0.1 is of the same origin, to the browser."""
    file = tmp_path / "recording.json"
    file.write_text(
        '[{"method":"GET","path":"/x","status":200,"contentType":"text/plain","response":"secret"}]'
    )
    with mock_server(MockOptions(replay=str(file))) as server:
        for host, status, found in ((b"evil.example:80", 421, False), (b"[::1]:9", 200, True)):
            with raw_socket(server.base_url) as client:
                client.sendall(
                    b"GET /x HTTP/1.1\r\nHost: %b\r\nAuthorization: Bearer k\r\n"
                    b"Connection: close\r\n\r\n" % host
                )
                data = read_all(client)
            assert (int(data.split()[1]), b"secret" in data) == (status, found)


def test_the_target_of_a_proxy_is_understood() -> None:
    with mock_server(MockOptions()) as server:
        data = raw_post(ask(stream=False)).replace(b"POST ", b"POST http://localhost:1")
        with raw_socket(server.base_url) as client:
            client.sendall(data.replace(b"Host", b"Connection: close\r\nHost"))
            assert read_all(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_answer_is_read_although_the_body_is_still_being_sent() -> None:
    """Closing with bytes unread would reset the connection, and the answer with it."""
    with mock_server(MockOptions()) as server, raw_socket(server.base_url) as client:
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (MAX_BODY + 1))
        client.sendall(b"x" * (8 << 20))
        assert read_all(client).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_waits_to_be_asked_for_is_asked_for() -> None:
    request = raw_post(ask(stream=False)).replace(b"Host", b"Expect: 100-continue\r\nHost")
    head, _, body = request.partition(b"\r\n\r\n")
    with mock_server(MockOptions()) as server, raw_socket(server.base_url) as client:
        client.sendall(head + b"\r\n\r\n")
        seen = b""
        while not seen.endswith(b"\r\n\r\n"):
            seen += client.recv(100)
        assert seen == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_requests_in_one_go_are_answered_in_their_order() -> None:
    number = 3000
    requests = [
        raw_post({**ask(stream=index % 2 == 0), "model": f"m/{index}"}) for index in range(number)
    ]
    requests[-1] = requests[-1].replace(b"Host", b"Connection: close\r\nHost")
    with mock_server(MockOptions()) as server, raw_socket(server.base_url) as client:
        sender = threading.Thread(target=client.sendall, args=(b"".join(requests),))
        sender.start()
        data = read_all(client)
        sender.join()
    models = [int(found) for found in re.findall(rb'"model":"m/([0-9]+)"', data)]
    assert list(dict.fromkeys(models)) == list(range(number))
    assert models == sorted(models)


def test_a_client_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """What it does not take stays in the stream, and the others are served."""
    reply = tmp_path / "reply"
    reply.write_text(" word" * 400_000)
    with mock_server(MockOptions(reply=f"@{reply}")) as server, raw_socket(server.base_url) as slow:
        slow.sendall(raw_post(ask()).replace(b"Host", b"Connection: close\r\nHost"))
        assert send(server.base_url, "/users/me").status == 200
        data = read_all(slow)
    assert data.count(b'"content":') == 400_000
    assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
