"""Many requests in one thread, against real sockets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from clinecli.batch.wire import Landed, Wire
from clinecli.config.load import load_settings
from clinecli.config.secret import Redactor
from clinecli.errors import Code
from clinecli.options.common import NetworkOptions
from clinecli.transport.client import JSON, Call, Transport
from clinecli.transport.deadline import Deadline
from tests.helpers.batch import ANSWER, WAYS, CountingServer, Said, kept
from tests.helpers.proxies import ForwardProxy
from tests.helpers.replies import completion
from tests.helpers.tls import Authority, TlsServer

BODY = b'{"messages":[{"role":"user","content":"%s"}]}'


@contextmanager
def wired(url: str, clock: Callable[[], float] = time.monotonic, **network: Any) -> Iterator[Wire]:
    settings = load_settings(NetworkOptions(base_url=url, **network), {"HOME": "/nonexistent"})
    transport = Transport(settings, {})
    wire = Wire(transport, Redactor(), clock=clock)
    try:
        yield wire
    finally:
        wire.close()


def call(text: str, seconds: float = 60, idle: float | None = None) -> Call:
    return Call(
        "POST", "/chat/completions", Deadline(seconds), BODY % text.encode(), JSON, idle=idle
    )


def landed(wire: Wire, count: int) -> list[Landed]:
    """What comes of so many requests."""
    found: list[Landed] = []
    while len(found) < count:
        found += wire.poll(60)
    assert wire.poll(0) == []
    return found


def test_many_share_few_connections() -> None:
    ports = set()

    def say(prompt: str, _before: int) -> Said:
        return Said(kept(completion(f"re: {prompt}")))

    with CountingServer(say) as server, wired(server.url) as wire:
        for turn in range(10):
            for number in range(5):
                wire.send(number, call(f"{turn}-{number}"))
            for each in landed(wire, 5):
                assert each.error is None
                assert each.answer is not None
                assert f"re: {turn}-{each.ticket}".encode() in each.body
        ports.update(server.connections)
    assert len(ports) == 5


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_requests_and_replies_of_any_size(size: int) -> None:
    def say(prompt: str, _before: int) -> Said:
        return Said(kept(completion(prompt)))

    with CountingServer(say) as server, wired(server.url) as wire:
        for letter in "abc":
            wire.send(letter, call(letter * size))
        for each in landed(wire, 3):
            assert each.error is None
            assert each.ticket.encode() * size in each.body


def test_a_connection_that_grew_old_is_replaced_without_a_word() -> None:
    now = [0.0]
    seen = threading.Event()

    def say(_prompt: str, before: int) -> Said:
        return Said(ANSWER, "close" if not seen.is_set() else "keep")

    # The connection is open as far as we can see, and closed when the request comes.
    with CountingServer(say) as server, wired(server.url, lambda: now[0]) as wire:
        wire.send("a", call("a"))
        landed(wire, 1)
        seen.set()
        now[0] += 60
        wire.send("b", call("b"))
        (each,) = landed(wire, 1)
    assert each.error is None
    assert server.asked["b"] == 1


def test_a_connection_that_is_closed_at_work_has_lost_a_request() -> None:
    def say(_prompt: str, before: int) -> Said:
        return Said(ANSWER) if _prompt == "a" else Said(b"", "close")

    with CountingServer(say) as server, wired(server.url) as wire:
        wire.send("a", call("a"))
        landed(wire, 1)
        wire.send("b", call("b"))
        (each,) = landed(wire, 1)
    assert each.error is not None
    assert each.error.code is Code.CLOSED
    # Whether it is asked again is for others to decide.
    assert server.asked["b"] == 1


def test_what_nobody_asked_for_ends_a_connection() -> None:
    twice = Said(ANSWER + kept(completion("for somebody else")))

    def say(prompt: str, _before: int) -> Said:
        return twice if prompt == "a" else Said(kept(completion("right")))

    with CountingServer(say) as server, wired(server.url) as wire:
        for _ in range(20):
            for name in ("a", "b"):
                wire.send(name, call(name))
                (each,) = landed(wire, 1)
                assert (b"right" in each.body) is (name == "b")
    assert server.asked == {"a": 20, "b": 20}


def test_a_deadline_and_an_idle_time_pass() -> None:
    with CountingServer(lambda *_: Said(ANSWER[:-5], "stall")) as server, wired(server.url) as wire:
        wire.send("deadline", call("a", seconds=0.3))
        wire.send("idle", call("b", idle=0.1))
        found = {each.ticket: each for each in landed(wire, 2)}
    for each in found.values():
        assert each.error is not None
        assert each.error.code is Code.TIMEOUT
        # What is there of it is told as well.
        assert each.answer is not None
        assert completion("fine")[:10] in each.body
    assert "--timeout" in str(found["deadline"].error)
    assert "--idle-timeout" in str(found["idle"].error)


def test_nothing_to_connect_to() -> None:
    with CountingServer(lambda *_: Said(ANSWER)) as server:
        url = server.url
    with wired(url) as wire:
        for number in range(100):
            wire.send(number, call("a"))
        assert {each.error.code for each in landed(wire, 100) if each.error} == {Code.REFUSED}


def test_closing_lets_go_of_what_is_in_the_air() -> None:
    with CountingServer(lambda *_: Said(b"", "stall")) as server, wired(server.url) as wire:
        for number in range(3):
            wire.send(number, call("a"))
        while server.asked.total() < 3:
            assert wire.poll(1) == []
        wire.close()
        assert wire.poll(0) == []


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("proxy", [False, True], ids=["direct", "tls-proxy"])
def test_tls_and_tls_within_tls(size: int, proxy: bool, authority: Authority, ca_file: str) -> None:
    reply = kept(completion("x" * size))

    def answer(connection: Any, _number: int) -> None:
        connection.sendall(reply)

    with (
        TlsServer(answer, authority.valid()) as server,
        ForwardProxy(upstream=server.port, context=authority.valid()) as relay,
        wired(server.url, ca_file=ca_file, proxy=relay.url if proxy else "") as wire,
    ):
        for number in range(4):
            wire.send(number, call("y" * size))
        for each in landed(wire, 4):
            assert each.error is None, each.error
            assert b"x" * size in each.body
    assert len(server.requests) == 4


def test_every_way_to_answer_lands() -> None:
    ways = list(WAYS)

    def say(prompt: str, _before: int) -> Said:
        return WAYS[prompt].said

    with CountingServer(say) as server, wired(server.url) as wire:
        for way in ways:
            wire.send(way, call(way))
        assert {each.ticket for each in landed(wire, len(ways))} == set(ways)
