"""Rows a second of `clinecli batch`, of the ideal, and its peak memory.

    python benchmarks/batch.py [--rounds 3]

The mock answers after 50 ms, so that 64 jobs can have 1,280 rows a second and 256 jobs 5,120. It
is a process of its own: measure it alone with `load.py`. The time is that of the whole process,
from its start to the last row on the disk.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measure import CLI, environment, head, megabytes, rounds, row, run

LATENCY = 0.05
# Jobs, the goal as a part of the ideal, and rows that take about ten seconds.
RACES = ((64, 0.95, 12_000), (256, 4_000 * LATENCY / 256, 40_000))


@contextmanager
def mock() -> Iterator[str]:
    """The mock on a port of its own; gives its URL."""
    command = [CLI, "mock", "--port", "0", "--latency", str(LATENCY), "--reply", "ok"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    """Measure each number of jobs."""
    turns = rounds(__doc__, 3)
    head("batch: rows a second, 50 ms a reply")
    with mock() as url, tempfile.TemporaryDirectory() as folder:
        for jobs, goal, count in RACES:
            rows = Path(folder, "rows.jsonl")
            rows.write_text(
                "".join(f"{json.dumps({'prompt': f'row {n}'})}\n" for n in range(count))
            )
            output = Path(folder, "out.jsonl")
            used = []
            for _ in range(turns):
                output.unlink(missing_ok=True)
                command = (CLI, "batch", str(rows), "-o", str(output), "--jobs", str(jobs), "-q")
                used.append(run(command, environment(url)))
            ideal = jobs / LATENCY
            speeds = [count / each.wall for each in used]
            ours = f"{sorted(speeds)[len(speeds) // 2]:,.0f} ({megabytes(used)})"
            ratios = [speed / ideal for speed in speeds]
            row(f"{jobs} jobs, of the ideal", ratios, ours, f"{ideal:,.0f}", goal)


if __name__ == "__main__":
    main()
