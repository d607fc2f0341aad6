"""`python -m tests.engines [slurm] [parallel]`: shards on real engines give what one run gives.

Each engine runs four shards of one input, and loses some of them in the middle: Slurm a node with
what runs on it, GNU parallel a process. The engine starts them again, and they go on. Merged, the
outputs are byte for byte what one process writes, and no row was asked again whose answer was
written before.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.engines import slurm
from tests.engines.server import CountingServer
from tests.helpers.env import KEY, ROOT, clean_environment

ROWS = 1200
PARTS = 4
JOBS = 4
# How far the lost shards are when they are lost: some of their 300 rows.
_MIDDLE = 40
CLINECLI = f"{sys.executable} -m clinecli"


class Bench:
    """An input, a server, and a place for outputs."""

    def __init__(self, folder: Path, server: CountingServer) -> None:
        self.folder = folder
        self.server = server
        home = folder / "home"
        home.mkdir()
        self.env = clean_environment(
            home, CLINE_API_KEY=KEY, CLINE_API_BASE_URL=server.base_url, PYTHONPATH=str(ROOT)
        )
        self.input = folder / "input.jsonl"
        rows = (json.dumps({"id": f"row-{n}", "prompt": f"row-{n}"}) for n in range(1, ROWS + 1))
        self.input.write_text("".join(f"{row}\n" for row in rows))

    def batch(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run `clinecli batch` on the input."""
        command = [sys.executable, "-m", "clinecli", "batch", str(self.input), *arguments]
        done = subprocess.run(command, env=self.env, cwd=self.folder, check=False,
                              capture_output=True, stdin=subprocess.DEVNULL)  # fmt: skip
        if done.returncode:
            raise AssertionError(f"{command}: status {done.returncode}\n{done.stderr.decode()}")
        return done

    def shard_command(self, output: str, shard: str) -> str:
        """The command of one shard, for a shell."""
        return f"{CLINECLI} batch {self.input} -o {output} --shard {shard} --jobs {JOBS} -q"

    def outputs(self) -> list[Path]:
        """The shards' outputs, in order."""
        return [self.folder / f"out.{part}.jsonl" for part in range(1, PARTS + 1)]

    def wait_for_the_middle(self, parts: list[int]) -> None:
        """Wait until shards have some of their answers, but not all."""
        slurm.wait_until(
            "the middle", lambda: all(len(finished(self.outputs()[n - 1])) > _MIDDLE for n in parts)
        )

    def check(self, single: bytes, kept: set[str], most_repeated: int) -> str:
        """Merge, compare with what one process wrote, and look at what the server was asked."""
        merged = self.folder / "merged.jsonl"
        self.batch("--merge", *map(str, self.outputs()), "-o", str(merged))
        assert merged.read_bytes() == single, f"{merged} is not what one run gives"
        asked = self.server.asked
        assert len(asked) == ROWS, f"{len(asked)} of {ROWS} rows were asked"
        again = {row_id for row_id, count in asked.items() if count > 1}
        assert not again & kept, f"asked though answered: {sorted(again & kept)}"
        assert sum(asked.values()) - ROWS <= most_repeated, f"{len(again)} rows were asked twice"
        return f"{len(kept)} answers were kept, {len(again)} rows that were in flight asked again"


def finished(output: Path) -> set[str]:
    """The ids of the whole lines of an output."""
    if not output.exists():
        return set()
    lines = output.read_bytes().split(b"\n")[:-1]
    return {json.loads(line)["custom_id"] for line in lines}


def on_slurm(bench: Bench, single: bytes) -> str:
    """An array of four tasks on two nodes, of which one dies."""
    script = bench.folder / "array.sh"
    script.write_text(
        f"#!/bin/sh\n#SBATCH --array=1-{PARTS}\n#SBATCH --requeue --open-mode=append\n"
        f"#SBATCH --output={bench.folder}/task.%a.log\n"
        f"exec {bench.shard_command('out.$SLURM_ARRAY_TASK_ID.jsonl', 'auto')}\n"
    )
    place = bench.folder / "cluster"
    place.mkdir()
    with slurm.Cluster(place) as cluster:
        job = cluster.submit(script, bench.env, bench.folder)
        slurm.wait_until("the start", lambda: len(cluster.tasks_on(job, "n1")) == PARTS // 2)
        lost = cluster.tasks_on(job, "n1")
        bench.wait_for_the_middle([int(task) for task in lost])
        cluster.kill_node("n1")
        kept = set[str]().union(*(finished(bench.outputs()[int(task) - 1]) for task in lost))
        assert len(kept) < ROWS // PARTS * len(lost), "the node died too late"
        cluster.wait_for_requeue(job, lost)
        cluster.wait_for_end(job)
    return f"tasks {' and '.join(lost)} died: " + bench.check(single, kept, JOBS * len(lost))


def on_parallel(bench: Bench, single: bytes) -> str:
    """Four jobs of GNU parallel, of which one is killed and started again."""
    command = bench.shard_command("out.{}.jsonl", f"{{}}/{PARTS}")
    engine = subprocess.Popen(
        ["parallel", "--will-cite", "--jobs", str(PARTS), "--retries", "3",
         f"echo $$ > pid.{{}}; exec {command}", ":::", *map(str, range(1, PARTS + 1))],
        env=bench.env, cwd=bench.folder, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        bench.wait_for_the_middle([2])
        os.kill(int((bench.folder / "pid.2").read_text()), signal.SIGKILL)
        kept = finished(bench.outputs()[1])
        assert len(kept) < ROWS // PARTS, "the process died too late"
        assert engine.wait(slurm.PATIENCE) == 0, "parallel failed"
    finally:
        engine.kill()
    return "shard 2 died: " + bench.check(single, kept, JOBS)


_ENGINES: dict[str, tuple[Callable[[], list[str]], str, Callable[[Bench, bytes], str]]] = {
    "slurm": (slurm.missing_programs, slurm.INSTALL, on_slurm),
    "parallel": (
        lambda: [] if shutil.which("parallel") else ["parallel"],
        "apt-get install parallel",
        on_parallel,
    ),
}


def prove(name: str, folder: Path) -> bool:
    """Run one engine; says how it went."""
    missing, install, run = _ENGINES[name]
    if programs := missing():
        print(f"{name}: not run: {', '.join(programs)} is not there ({install})")
        return False
    start = time.monotonic()
    with CountingServer() as server:
        folder.mkdir()
        bench = Bench(folder, server)
        bench.batch("-o", "single.jsonl", "--ordered", "--jobs", str(PARTS * JOBS), "-q")
        server.asked = Counter()
        try:
            told = run(bench, (folder / "single.jsonl").read_bytes())
        except (AssertionError, TimeoutError, subprocess.SubprocessError) as error:
            print(f"{name}: FAILED: {error}")
            return False
    print(f"{name}: proven in {time.monotonic() - start:.0f} s: {told}")
    return True


def main() -> int:
    """0 when all engines that were named (by default all) were run and gave what is right."""
    names = sys.argv[1:] or list(_ENGINES)
    if unknown := [name for name in names if name not in _ENGINES]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(_ENGINES)}")
        return 2
    with tempfile.TemporaryDirectory(prefix="engines.") as folder:
        proven = [prove(name, Path(folder, name)) for name in names]
        return 0 if all(proven) else 1


if __name__ == "__main__":
    sys.exit(main())
