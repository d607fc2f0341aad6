"""What goes on, for people: a line that is redrawn on a terminal, a line a minute elsewhere."""

from __future__ import annotations

from clinecli.batch.limits import Throttle
from clinecli.batch.tally import Tally, kinds
from clinecli.models.price import usd_text
from clinecli.streams.console import Console
from clinecli.text import counted

FIRST_SECONDS = 1.0
DRAW_SECONDS = 0.2
LINE_SECONDS = 60.0
# What the rate is taken of: the rows of so many seconds.
_RATE_SECONDS = 30.0


class Rate:
    """Rows a second, of the last half minute."""

    def __init__(self, now: float, done: int) -> None:
        self._marks = [(now, done)]

    def of(self, now: float, done: int) -> float:
        """Rows a second up to now."""
        while len(self._marks) > 1 and now - self._marks[0][0] > _RATE_SECONDS:
            self._marks.pop(0)
        then, before = self._marks[0]
        if now - self._marks[-1][0] >= 1:
            self._marks.append((now, done))
        return (done - before) / (now - then) if now > then else 0.0


def progress_line(tally: Tally, rows: int | None, rate: float, hold: float = 0.0) -> str:
    """How far it is. `rows` is None where that is not known; `hold` seconds nothing is sent."""
    done = tally.done
    parts = [counted(done, "row") if rows is None else f"{done:,} of {counted(rows, 'row')}"]
    parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    parts += failures(tally)
    if tokens := tally.prompt_tokens + tally.completion_tokens:
        parts.append(f"{tokens:,} tokens")
    if tally.cost:
        parts.append(usd_text(tally.cost))
    if hold >= 1:
        parts.append(f"held for {duration(hold)}")
    elif rows is not None and rate > 0 and rows > done:
        parts.append(f"{duration((rows - done) / rate)} left")
    return ", ".join(parts)


def failures(tally: Tally) -> list[str]:
    """The failed rows by kind, as one part of a line; nothing without any."""
    if not tally.failures:
        return []
    named = ", ".join(f"{kind.name} {kind.rows:,}" for kind in kinds(tally.failed))
    return [f"{tally.failures:,} failed ({named})"]


def duration(seconds: float) -> str:
    """Seconds for people: `41 s`, `3 min 20 s`, `19 h 39 min`."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """Shows how far a batch is: `show` may be called as often as one likes."""

    def __init__(
        self, console: Console, tally: Tally, throttle: Throttle, rows: int | None
    ) -> None:
        self._console = console
        self._tally = tally
        self._throttle = throttle
        self._rows = rows
        self._rate: Rate | None = None
        self._due = 0.0

    def show(self, now: float) -> None:
        """Draw the line, or write one, when it is time."""
        if self._rate is None:
            self._rate = Rate(now, self._tally.done)
            self._due = now + (FIRST_SECONDS if self._console.shows_progress else LINE_SECONDS)
        if now < self._due:
            return
        rate = self._rate.of(now, self._tally.done)
        hold = self._throttle.snapshot(now).hold
        line = progress_line(self._tally, self._rows, rate, hold)
        if self._console.shows_progress:
            self._due = now + DRAW_SECONDS
            self._console.status(line)
        else:
            self._due = now + LINE_SECONDS
            self._console.note(line)
