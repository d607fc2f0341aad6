"""Runs that are repeated: until nothing fails, or to see how a link fares; and compared."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clinecli.doctor.check import Check, Result, Verdict, verdict
from clinecli.doctor.document import redacted, timings
from clinecli.doctor.runner import Run
from clinecli.doctor.setup import Setup
from clinecli.errors import ExitStatus, UsageError
from clinecli.jsontext import InvalidJson, dumps, loads
from clinecli.streams.signals import before_death, no_longer
from clinecli.streams.stdout import StdoutSink
from clinecli.text import utf8

# Between two runs of `--wait`: half as long again each time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
# What counts as slower than the baseline: so many times, and so many milliseconds.
_TIMES_SLOWER, _MS_SLOWER = 1.5, 20.0


def wait_until_healthy(setup: Setup, checks: Sequence[Check], seconds: float) -> None:
    """Run the checks until none fails, or the time is over; the caller then reports one more run.

    A failure that no waiting mends, such as a bad setting, ends it at once.
    """
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while True:
        found = verdict([*Run(setup).results(checks)], strict=False)
        passing = {ExitStatus.CONNECTION, ExitStatus.TLS, ExitStatus.TRANSIENT}
        passing |= {ExitStatus.INCOMPLETE, ExitStatus.REJECTED}
        left = end - time.monotonic()
        if found.exit_status not in passing or left <= 0:
            return
        cause = found.root_cause
        setup.console.note(f"waiting: {cause.id}: {cause.summary}" if cause else "waiting")
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def watch(setup: Setup, checks: Sequence[Check]) -> ExitStatus:
    """Run the checks every so many seconds, a line for each run, and the spread at the end.

    The status is that of the last run that failed; 0 when none did.
    """
    options = setup.options
    sink = StdoutSink()
    as_json = options.json
    runs: list[dict[str, float]] = []
    failed = ExitStatus.OK
    number = 0

    def sum_up() -> None:
        found = dumps({"runs": len(runs), "spread_ms": spread(runs)}) + b"\n"
        sink.write(found if as_json else utf8("".join(f"{line}\n" for line in _lines(runs))))
        sink.commit()

    # Without --count, an interrupt is how it ends.
    before_death(sum_up)
    try:
        while options.count is None or number < options.count:
            started = time.monotonic()
            run = Run(setup)
            results = [*run.results(checks)]
            found = verdict(results, strict=options.strict)
            runs.append(timings(results))
            failed = found.exit_status or failed
            cause, now = found.root_cause, setup.now()
            line = _document(results, found, now, run) if as_json else _line(results, cause, now)
            sink.write(utf8(f"{line}\n"))
            sink.commit()
            number += 1
            if number != options.count:
                time.sleep(max(0.0, (options.watch or 0) - (time.monotonic() - started)))
    finally:
        no_longer(sum_up)
        sum_up()
    return failed


def _line(results: Sequence[Result], cause: Result | None, now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    took = ", ".join(f"{stage} {ms:.1f} ms" for stage, ms in timings(results).items())
    said = f"{cause.id}: {cause.summary}" if cause else "ok"
    return f"{moment}  {said}" + (f"  ({took})" if took else "")


def _document(results: Sequence[Result], found: Verdict, now: float, run: Run) -> str:
    """The same as JSON."""
    cause = found.root_cause
    document = {
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds"),
        "ok": found.exit_status == ExitStatus.OK,
        "exit_status": int(found.exit_status),
        "root_cause": cause.id if cause else None,
        "summary": cause.summary if cause else None,
        "timings_ms": timings(results),
    }
    return redacted(document, run.redactor).decode()


def spread(runs: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each stage, in milliseconds, and of how many runs."""
    found = {}
    for stage in dict.fromkeys(name for run in runs for name in run):
        values = sorted(run[stage] for run in runs if stage in run)
        spans = {"p50": percentile(values, 50), "p95": percentile(values, 95)}
        found[stage] = {**spans, "runs": len(values)}
    return found


def _lines(runs: Sequence[dict[str, float]]) -> list[str]:
    return [
        f"{stage}: p50 {of['p50']:.1f} ms, p95 {of['p95']:.1f} ms ({of['runs']} runs)"
        for stage, of in spread(runs).items()
    ]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """By the nearest rank, of values in ascending order."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def slower(before: Mapping[str, float], results: Sequence[Result]) -> list[str]:
    """What takes longer than in an earlier report."""
    lines = []
    for stage, took in timings(results).items():
        was = before.get(stage)
        if was is not None and took > was * _TIMES_SLOWER and took - was > _MS_SLOWER:
            lines.append(f"slower than before: {stage} took {took:.1f} ms, was {was:.1f} ms")
    return lines or ["nothing is slower than before"]


def baseline(path: str, seconds: float | None) -> dict[str, float]:
    """The timings of an earlier report. Raises `UsageError`."""
    from clinecli.streams.inputs import INPUT_SECONDS, Reader

    try:
        document: Any = loads(Reader(seconds or INPUT_SECONDS).read(path))
        found = document["timings_ms"]
        return {str(name): float(value) for name, value in found.items()}
    except (InvalidJson, KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(
            f"{path} is no report of `clinecli doctor --json`",
            hint="make one: clinecli doctor --json >baseline.json",
        ) from None
