"""How a signal ends the process: by its default action, after what has to be tidied up.

No handler raises: an exception in the middle of the import of a native module crashes the
process, and one that meets a lock half taken comes out as another. So there is no handler at all
until there is something to tidy up, and then it ends the process by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_steps: list[Callable[[], object]] = []


def before_death(step: Callable[[], object]) -> None:
    """Have `step` run if a signal ends the process, until `no_longer` is told of it.

    What is ignored stays so, as under nohup.
    """
    _steps.append(step)
    for number in _NUMBERS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def no_longer(step: Callable[[], object]) -> None:
    """Take a step back. Without any, signals have their default action again."""
    with contextlib.suppress(ValueError):
        _steps.remove(step)
    if not _steps:
        for number in _NUMBERS:
            if signal.getsignal(number) is _end:
                signal.signal(number, signal.SIG_DFL)


def die_of(number: int) -> NoReturn:
    """End the process by a signal, so that a shell's `for` loop ends with it."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Only the first process of a container outlives its own signal.
    os._exit(128 + number)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    for step in reversed(_steps):
        with contextlib.suppress(Exception):
            step()
    die_of(number)
