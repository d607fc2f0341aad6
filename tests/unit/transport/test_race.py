"""Connections that race."""

from __future__ import annotations

import errno
import socket

import pytest

from clinecli.transport.deadline import Deadline
from clinecli.transport.race import in_turn, race
from tests.helpers.process import PATIENCE
from tests.helpers.servers import blackhole, has_ipv6, refusing

ORDERS = {
    "one family": (["192.0.2.1", "192.0.2.2"], ["192.0.2.1", "192.0.2.2"]),
    "IPv6 first": (["::1", "::2", "192.0.2.1"], ["::1", "192.0.2.1", "::2"]),
    "IPv4 first": (
        ["192.0.2.1", "192.0.2.2", "::1"],
        ["192.0.2.1", "::1", "192.0.2.2"],
    ),
}


@pytest.mark.parametrize(("given", "expected"), ORDERS.values(), ids=ORDERS)
def test_families_take_turns(given: list[str], expected: list[str]) -> None:
    assert in_turn(given) == expected


def test_a_silent_address_does_not_hold_up_the_next() -> None:
    with blackhole() as port, socket.create_server(("127.0.0.2", port)):
        connected, address = race(["127.0.0.1", "127.0.0.2"], port, Deadline(PATIENCE))
        connected.close()
    assert address == "127.0.0.2"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_a_refusal_starts_the_next_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connected, address = race(["::1", "127.0.0.1"], port, Deadline(PATIENCE))
        connected.close()
    assert address == "127.0.0.1"


def test_all_refuse() -> None:
    with refusing() as port, pytest.raises(OSError, match="refused") as caught:
        race(["127.0.0.1", "127.0.0.2"], port, Deadline(PATIENCE))
    assert caught.value.errno == errno.ECONNREFUSED


def test_none_answers_in_time() -> None:
    with blackhole() as port, pytest.raises(TimeoutError):
        race(["127.0.0.1", "127.0.0.1"], port, Deadline(0.3))
