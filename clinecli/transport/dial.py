"""Sockets under a deadline: resolve and connect.

httpx bounds each socket call and nothing else: DNS ignores its timeouts, and a stream that
drips comments never ends. Here every call gets what is left of the whole, and every failure
is told by its cause, at the hop where it happened.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import httpcore

from clinecli.config.proxy import Proxy
from clinecli.config.settings import BaseUrl
from clinecli.errors import ConnectionFailed, TransientError


class Deadline:
    """The end of a whole call, on a monotonic clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left; zero or less when it has passed."""
        return self._end - self._clock()

    def bound(self, timeout: float | None) -> float:
        """The shorter of `timeout` and what is left. Raises `TransientError` when none is."""
        remaining = self.remaining()
        if remaining <= 0:
            raise self.exceeded()
        return remaining if timeout is None else min(timeout, remaining)

    def exceeded(self) -> TransientError:
        """The error of a call that took too long."""
        return TransientError(
            f"no complete answer within {self.seconds:g} s (--timeout)",
            code="timeout",
            hint="raise --timeout, or ask for a shorter answer",
            retry_limit=1,
        )


class Hop(NamedTuple):
    """The host that a connection is made to, and how messages call it."""

    host: str
    port: int
    name: str


def first_hop(base_url: BaseUrl, proxy: Proxy | None) -> Hop:
    """The proxy where there is one, else the API's host."""
    if proxy:
        return Hop(proxy.host, proxy.port, f"the proxy {proxy} (from {proxy.source})")
    host = f"[{base_url.host}]" if ":" in base_url.host else base_url.host
    return Hop(base_url.host, base_url.port, f"{host}:{base_url.port}")


def resolve(hop: Hop, timeout: float) -> list[str]:
    """The IP addresses of a hop, in the system's order.

    getaddrinfo knows no timeout, so it runs in a thread that is left behind when it stalls.
    Raises `ConnectionFailed` with code `dns_not_found`, `dns_failed` or `dns_timeout`.
    """
    outcome: list[Any] = []

    def look_up() -> None:
        try:
            outcome.append(socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout)
    hint = "check the name in the base URL or the proxy variables, and the network"
    if not outcome:
        raise ConnectionFailed(
            f"DNS did not answer for {hop.name} within {rounded(timeout)} s", code="dns_timeout"
        )
    found = outcome[0]
    if isinstance(found, socket.gaierror) and found.errno == socket.EAI_AGAIN:
        raise ConnectionFailed(
            f"DNS cannot resolve {hop.name} now (temporary failure)", code="dns_failed"
        )
    if isinstance(found, Exception):
        raise ConnectionFailed(
            f"no such host: {hop.name}", code="dns_not_found", hint=hint, retry_limit=0
        )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(
    hop: Hop, addresses: list[str], timeout: float, deadline: Deadline
) -> httpcore.NetworkStream:
    """A TCP connection to the first address that accepts, within `timeout` seconds in all, of
    which earlier steps may have used some: no longer than `deadline`.

    Each address gets its share of the time, so that a dead IPv6 route leaves some for IPv4.
    Raises `ConnectionFailed` with code `refused`, `unreachable` or `connect_timeout`.
    """
    backend = httpcore.SyncBackend()
    limit = Deadline(min(timeout, deadline.remaining()))
    nodelay = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    failure: Exception | None = None
    for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        share = max(limit.remaining() / left, 0.001)
        try:
            return backend.connect_tcp(address, hop.port, share, socket_options=nodelay)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            failure = error
    raise _connect_failure(hop, failure, timeout) from None


def _connect_failure(hop: Hop, failure: Exception | None, timeout: float) -> ConnectionFailed:
    cause = failure.__cause__ if failure else None
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ECONNREFUSED:
        return ConnectionFailed(
            f"{hop.name} refused the connection",
            code="refused",
            hint="check host and port; is the server running?",
        )
    if isinstance(failure, httpcore.ConnectTimeout) or number == errno.ETIMEDOUT:
        return ConnectionFailed(
            f"{hop.name} did not accept the connection within {rounded(timeout)} s "
            "(--connect-timeout)",
            code="connect_timeout",
        )
    reason = os.strerror(number) if number else "no address"
    return ConnectionFailed(f"cannot reach {hop.name}: {reason}", code="unreachable")


def rounded(seconds: float | None) -> str:
    """Seconds for a message: what earlier steps took of a timeout is of no interest."""
    return f"{max(round(seconds or 0, 1), 0.1):g}"
