"""The end of a whole call, on a monotonic clock."""

from __future__ import annotations

import time
from collections.abc import Callable

from clinecli.errors import Code, Retry, TransientError


class Deadline:
    """The end of a call that may take `seconds`, of which some are `spent`. It never changes."""

    __slots__ = ("_clock", "_end", "seconds")

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, spent: float = 0.0
    ) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = clock() + seconds - spent

    def remaining(self) -> float:
        """Seconds left; zero or less when it has passed."""
        return self._end - self._clock()

    def bound(self, timeout: float | None) -> float:
        """The shorter of `timeout` and what is left. Raises `TransientError` when none is."""
        remaining = self.remaining()
        if remaining <= 0:
            raise self.exceeded()
        return remaining if timeout is None else min(timeout, remaining)

    def within(self, seconds: float | None) -> Deadline:
        """A deadline in `seconds`, but not later than this one. Raises `TransientError` when this
        one has passed."""
        return Deadline(self.bound(seconds), self._clock)

    def exceeded(self) -> TransientError:
        """The error of a call that took too long."""
        # What earlier steps took of it is of no interest.
        seconds = self.seconds if self.seconds < 1 else round(self.seconds, 1)
        return TransientError(
            f"no complete answer within {seconds:g} s (--timeout)",
            code=Code.TIMEOUT,
            hint="raise --timeout, or ask for a shorter answer",
            retry=Retry.ONCE,
        )
