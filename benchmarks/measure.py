"""Commands run in turn, what each of them used, and the ratios of that.

A shared machine drifts from one second to the next, so contestants take turns (A B C A B C …) and
each is compared with the others of its own round. A figure is the median of the rounds' ratios;
the two numbers after it are the quartiles: half of the rounds lie between them. Where they are
far apart the machine was busy, and a difference smaller than that says nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PYTHON = sys.executable
# As users start it; a run by `python -m` would import runpy on top.
CLI = str(Path(PYTHON).with_name("clinecli"))
KEY = "benchmark"
PROMPT = "What is the capital of France?"
ASK = (CLI, "ask", "--no-stdin", PROMPT)


class Usage(NamedTuple):
    """What one process used: seconds of CPU (user + system), seconds of wall, peak kilobytes."""

    cpu: float
    wall: float
    memory: int


class Contestant(NamedTuple):
    """A command, and the environment variables that it needs besides the common ones."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = {}


Quantity = Callable[[Usage], float]


def environment(url: str = "") -> dict[str, str]:
    """The variables of this process without what would change the course.

    Bytecode is cached, as where a package is installed; the first round, which is not counted,
    fills the cache.
    """
    dropped = ("proxy", "ssl_cert", "ca_bundle", "pythondontwritebytecode", "cline_", "clinecli_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not any(part in name.lower() for part in dropped)
    }
    # No settings of the user's; `llm` makes a directory there.
    config = str(Path(tempfile.gettempdir(), "clinecli-benchmark"))
    ours = {"CLINE_API_KEY": KEY, "XDG_CONFIG_HOME": config}
    return kept | ours | ({"CLINE_API_BASE_URL": url} if url else {})


def run(command: Sequence[str], env: Mapping[str, str]) -> Usage:
    """Run a command to its end. Raises `SystemExit` when its status is neither 0 nor 2."""
    null = subprocess.DEVNULL
    started = time.perf_counter()
    process = subprocess.Popen(command, env=env, stdin=null, stdout=null, stderr=null)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}")
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss)


def in_turn(
    contestants: Sequence[Contestant], env: Mapping[str, str], rounds: int
) -> list[list[Usage]]:
    """What each contestant used, round by round, after one round that is not counted."""
    played = [
        [run(each.command, {**env, **each.env}) for each in contestants] for _ in range(rounds + 1)
    ]
    return [list(column) for column in zip(*played[1:], strict=True)]


def cpu(usage: Usage) -> float:
    """CPU in milliseconds."""
    return usage.cpu * 1000


def wall(usage: Usage) -> float:
    """Wall time in milliseconds."""
    return usage.wall * 1000


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and quartiles."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def head(title: str) -> None:
    """The head of a table."""
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"\n{title} ({load})")
    print(f"  {'ours against':<52} {'ratio':<22} ours / theirs", flush=True)


def row(title: str, ratios: Sequence[float], ours: str, theirs: str, goal: float | None) -> None:
    """One line of a table: the median of the ratios, its quartiles, and the goal if there is."""
    middle, low, high = spread(ratios)
    aim = f"goal {goal:.2f}" if goal else ""
    print(
        f"  {title:<52} {middle:5.2f}  {low:.2f} to {high:.2f}  {ours} / {theirs}   {aim}".rstrip(),
        flush=True,
    )


def compare(
    title: str,
    ours: Sequence[Usage],
    theirs: Sequence[Usage],
    quantity: Quantity = cpu,
    goal: float | None = None,
) -> None:
    """One line for two contestants of the same rounds."""
    a, b = [quantity(each) for each in ours], [quantity(each) for each in theirs]
    ratios = [x / y for x, y in zip(a, b, strict=True)]
    middles = f"{statistics.median(a):.0f}", f"{statistics.median(b):.0f} ms"
    row(title, ratios, *middles, goal)


def megabytes(usages: Sequence[Usage]) -> str:
    """The median of the peak memory."""
    return f"{statistics.median(each.memory for each in usages) / 1024:.0f} MiB"


def found(program: str) -> bool:
    """Whether a program is there; says so when it is not."""
    if shutil.which(program):
        return True
    print(f"  ({program} is not installed: left out)")
    return False


def rounds(doc: str | None, default: int) -> int:
    """How many rounds the command line asks for."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=default)
    return int(parser.parse_args().rounds)
