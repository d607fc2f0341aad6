"""Connections that race ("happy eyeballs", RFC 8305), so that a dead address delays no call."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from itertools import chain, zip_longest

from clinecli.transport.deadline import Deadline

# RFC 8305, section 8: what a connection has before the next one starts.
HEAD_START = 0.25


def race(addresses: list[str], port: int, limit: Deadline) -> tuple[socket.socket, str]:
    """The first connection that is made, and its address. Raises `OSError`: the last failure, and
    `TimeoutError` when one was still open at the end."""
    waiting = in_turn(addresses)
    running: dict[int, tuple[socket.socket, str]] = {}
    failed = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    next_start = 0.0
    try:
        while waiting or running:
            if limit.remaining() <= 0:
                raise TimeoutError
            if waiting and (not running or time.monotonic() >= next_start):
                address = waiting.pop(0)
                try:
                    started = _start(address, port)
                except OSError as error:
                    failed = error
                    continue
                running[started.fileno()] = (started, address)
                next_start = time.monotonic() + HEAD_START
            until = limit.remaining()
            if waiting:
                until = min(until, next_start - time.monotonic())
            for number in _ready(running, max(until, 0.0)):
                connected, address = running.pop(number)
                refusal = connected.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not refusal:
                    connected.setblocking(True)
                    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return connected, address
                connected.close()
                failed = OSError(refusal, os.strerror(refusal))
                next_start = 0.0
        raise failed
    finally:
        for loser, _ in running.values():
            loser.close()


def in_turn(addresses: list[str]) -> list[str]:
    """The addresses with their families in turn, the first family first (section 4)."""
    first = ":" in addresses[0]
    same = [address for address in addresses if (":" in address) is first]
    other = [address for address in addresses if (":" in address) is not first]
    return [found for found in chain.from_iterable(zip_longest(same, other)) if found]


def _start(address: str, port: int) -> socket.socket:
    started = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        started.setblocking(False)
        number = started.connect_ex((address, port))
        if number not in {0, errno.EINPROGRESS}:
            raise OSError(number, os.strerror(number))
    except BaseException:
        started.close()
        raise
    return started


def _ready(running: dict[int, tuple[socket.socket, str]], seconds: float) -> list[int]:
    poll = select.poll()
    for number in running:
        poll.register(number, select.POLLOUT)
    # Rounded up: a wait of nothing would only come back sooner.
    return [number for number, _ in poll.poll(int(seconds * 1000) + 1)]
