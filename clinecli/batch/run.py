"""The loop: sends what the engine wants sent, writes what has come, until there is no more.

Signals: the first ends the sending; what is in the air has a grace time to land and is written.
The second ends the process at once. So does an alarm soon after the grace time, which nothing that
blocks can outlast, such as a pipe that nobody reads.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NamedTuple

from clinecli.batch.engine import Engine, Ticket
from clinecli.batch.outputs import Results
from clinecli.batch.stops import Stop
from clinecli.batch.store import SYNC_SECONDS, ResultFile
from clinecli.batch.wire import Wire
from clinecli.streams.signals import end_by
from clinecli.text import counted
from clinecli.transport.client import Call

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# For how long the loop may sleep: it has clocks to serve.
_LONGEST_SLEEP = 0.2
_ALARM_SECONDS = 2.0


class Rim(NamedTuple):
    """What the loop works on. `call` makes the call of a ticket, `shown` is told the time, again
    and again, `note` what people should know; `grace` is in seconds."""

    engine: Engine
    wire: Wire
    results: Results
    files: tuple[ResultFile, ...]
    call: Callable[[Ticket], Call]
    shown: Callable[[float], None]
    note: Callable[[str], None]
    grace: float


def run(rim: Rim, clock: Callable[[], float] = time.monotonic) -> None:
    """Run a batch to its end. Raises `OutputError` and `ClosedPipe`."""
    engine, wire = rim.engine, rim.wire
    synced = clock()
    told = False
    with _interruptible(rim, clock) as grace_ends:
        while True:
            now = clock()
            while ticket := engine.next(now):
                wire.send(ticket, rim.call(ticket))
            _write(rim)
            if engine.is_over or now >= grace_ends():
                return
            if engine.stop and engine.stop.signal and not told:
                told = True
                rim.note(_interrupted(engine.in_flight, rim.grace))
            for landed in wire.poll(min(engine.wait, _LONGEST_SLEEP)):
                engine.landed(landed.ticket, landed, clock())
            _write(rim)
            if now - synced >= SYNC_SECONDS:
                synced = now
                for file in rim.files:
                    file.sync_soon()
            rim.shown(now)


def _interrupted(in_flight: int, grace: float) -> str:
    has = "has" if in_flight == 1 else "have"
    return (
        f"interrupted: {counted(in_flight, 'request')} {has} {grace:g} s to end; "
        "once more ends at once"
    )


def _write(rim: Rim) -> None:
    finished, rim.engine.finished = rim.engine.finished, []
    for each in finished:
        rim.results.write(each)


@contextmanager
def _interruptible(rim: Rim, clock: Callable[[], float]) -> Iterator[Callable[[], float]]:
    """Take signals as the module's text says; gives when the grace time ends."""
    ends = float("inf")

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal ends
        if ends < float("inf"):
            end_by(number)
        ends = clock() + rim.grace
        rim.engine.end(Stop(signal=number))
        signal.signal(signal.SIGALRM, lambda *_: end_by(number))
        signal.setitimer(signal.ITIMER_REAL, rim.grace + _ALARM_SECONDS)

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, stop)
    woken = signal.set_wakeup_fd(rim.wire.signal_fd, warn_on_full_buffer=False)
    try:
        yield lambda: ends
    finally:
        signal.set_wakeup_fd(woken)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in taken:
            signal.signal(number, before[number])
