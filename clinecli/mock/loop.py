"""One thread that waits for sockets and for the time: the small part of asyncio that the mock
needs, without the 40 ms that asyncio takes to import."""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
# What select(2) and its kin take; a longer wait is taken up again.
_LONGEST_WAIT = 24 * 3600.0

Callback = Callable[[], None]


class Timer:
    """A callback at a time to come."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callback) -> None:
        self._callback: Callback | None = callback

    def cancel(self) -> None:
        """Let the callback be."""
        self._callback = None

    def fire(self) -> None:
        """Call back, unless that was cancelled."""
        if self._callback:
            self._callback()


class Loop:
    """Calls back when a socket is ready or a time has come, all in the thread that runs it.

    `soon` and `stop` may be called from any thread. An exception of a callback goes to
    `report` and ends nothing else.
    """

    def __init__(self, report: Callable[[Exception], None]) -> None:
        self.report = report
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._ready: deque[Callback] = deque()
        self._running = True
        self._wake, woken = socket.socketpair()
        self._woken = woken
        for end in (self._wake, woken):
            end.setblocking(False)
        self._selector.register(woken, READ, self._drain)

    def watch(self, sock: socket.socket, events: int, callback: Callable[[int], None]) -> None:
        """Call back with the events (READ, WRITE) for which a socket is ready; 0 for none."""
        watched = sock in self._selector.get_map()
        if events and watched:
            self._selector.modify(sock, events, callback)
        elif events:
            self._selector.register(sock, events, callback)
        elif watched:
            self._selector.unregister(sock)

    def later(self, seconds: float, callback: Callback) -> Timer:
        """Call back after some seconds."""
        timer = Timer(callback)
        due = time.monotonic() + seconds
        heapq.heappush(self._timers, (due, next(self._numbers), timer))
        return timer

    def soon(self, callback: Callback) -> None:
        """Call back in a moment, after what is ready now."""
        self._ready.append(callback)
        # A pipe that is full wakes as well as one that holds a byte.
        with suppress(OSError):
            self._wake.send(b"\0")

    def stop(self) -> None:
        """End `run`."""
        self._running = False
        self.soon(lambda: None)

    def run(self) -> None:
        """Call back until `stop`."""
        while self._running:
            for key, events in self._selector.select(self._patience()):
                self._call(key.data, events)
            self._call_due()
            for _ in range(len(self._ready)):
                self._call(self._ready.popleft())

    def close(self) -> None:
        """Close what the loop itself has opened."""
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _patience(self) -> float:
        if self._ready:
            return 0.0
        if not self._timers:
            return _LONGEST_WAIT
        return min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST_WAIT)

    def _call_due(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            self._call(heapq.heappop(self._timers)[2].fire)

    def _call(self, callback: Callable[..., None], *arguments: int) -> None:
        try:
            callback(*arguments)
        except Exception as error:
            self.report(error)

    def _drain(self, _events: int) -> None:
        with suppress(BlockingIOError):
            self._woken.recv(4096)
