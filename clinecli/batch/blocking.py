"""Threads for what cannot be done without waiting: connecting, and sending large requests."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import NoReturn

MOST_THREADS = 64


class Helpers:
    """Runs jobs beside the loop; `done` gives what is to be done next, in the loop's own thread.

    `fileno` is readable when there is something, so that a selector can wait for it, and for
    signals: `signal_fd` is for `signal.set_wakeup_fd`.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], Callable[[], None]]] = deque()
        self._running = 0
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        """What becomes readable when a job is done, or a signal has come."""
        return self._reader.fileno()

    @property
    def signal_fd(self) -> int:
        return self._writer.fileno()

    def run(self, job: Callable[[], Callable[[], None]]) -> None:
        """Run a job in a thread. What it returns is called by `finish`, in the loop's thread."""
        self._waiting.append(job)
        self._start()

    def finish(self) -> None:
        """Call what the jobs that are done have returned."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass
        while not self._done.empty():
            done = self._done.get()
            self._running -= 1
            self._start()
            done()

    def _start(self) -> None:
        while self._waiting and self._running < MOST_THREADS:
            self._running += 1
            job = self._waiting.popleft()
            thread = threading.Thread(target=self._work, args=(job,), daemon=True)
            try:
                thread.start()
            except RuntimeError:
                # No thread is to be had: then the loop waits.
                self._work(job)

    def _work(self, job: Callable[[], Callable[[], None]]) -> None:
        try:
            done = job()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody sees it
            done = partial(_raise, error)
        self._done.put(done)
        self.wake()

    def wake(self) -> None:
        """Have the selector return."""
        try:
            self._writer.send(b"\0")
        except BlockingIOError:
            # Full of wake-ups already.
            return


def _raise(error: BaseException) -> NoReturn:
    raise error
