"""Answers that are HTTP, but not what was asked for, or more than it."""

from __future__ import annotations

import pytest

from tests.helpers.process import BOTH_COMMANDS, failure, no_traceback, run
from tests.helpers.proxies import ForwardProxy
from tests.helpers.replies import ANSWER
from tests.helpers.servers import RawServer

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"


@BOTH_COMMANDS
def test_a_switch_of_protocols_is_no_answer(command: str, env: dict[str, str]) -> None:
    with RawServer(SWITCH) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi"], env)
    message, _ = failure(done, 11)
    assert "not from the API" in message
    assert (done.stdout, len(server.requests)) == (b"", 1)


def test_a_proxy_that_switches_protocols(env: dict[str, str]) -> None:
    del env["NO_PROXY"]
    with ForwardProxy(SWITCH) as proxy:
        env["HTTPS_PROXY"] = proxy.url
        done = run(["ask", "hi", "--base-url", "https://api.example", "--retries", "0"], env)
    message, _ = failure(done, 7)
    assert proxy.url in message


@BOTH_COMMANDS
@pytest.mark.parametrize("more", [b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\0" * 100_000])
def test_what_follows_an_answer_is_not_read(command: str, more: bytes, env: dict[str, str]) -> None:
    with RawServer(ANSWER[command] + more) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run([command, "hi"], env)
    no_traceback(done)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris.\n", b"")
