"""Whatever ends a batch: nothing that was paid for is lost, and nothing is paid for twice."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.batch import (
    WAYS,
    CountingServer,
    Said,
    always,
    by_id,
    kind_of,
    read_lines,
    write_rows,
)
from tests.helpers.process import CLI, PATIENCE, altered_cli, failure, no_traceback, run, started

ROWS, KILLS, JOBS = 3000, 10, 16
# Faults that are worth another try.
PASSING = ("rate-limit", "server-error", "bad-gateway", "overloaded", "cut", "reset")


def whole_lines(path: Path) -> list[bytes]:
    """The lines that a killed process has left, without a torn one."""
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def answered_ids(path: Path) -> set[str]:
    lines = [json.loads(line) for line in whole_lines(path)]
    assert len({line["custom_id"] for line in lines}) == len(lines)
    return {line["custom_id"] for line in lines if not line["error"]}


def test_killed_at_ten_random_moments(env: dict[str, str], tmp_path: Path) -> None:
    chance = random.Random(7)
    faults = [name for name, way in WAYS.items() if way.kind]
    # A third of the rows fail: half of these for good, the others once.
    ways = {
        f"r{n}": ("answered", True)
        if n % 3
        else (chance.choice(faults), True)
        if n % 2
        else (chance.choice(PASSING), False)
        for n in range(ROWS)
    }
    kinds = {row_id: WAYS[way].kind if stays else None for row_id, (way, stays) in ways.items()}

    def say(prompt: str, before: int) -> Said:
        way, stays = ways[prompt.removeprefix("ask ")]
        return WAYS[way if stays or before == 0 else "answered"].said

    rows = write_rows(tmp_path / "in", ways)
    output = tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--retries", "1", "--jobs", str(JOBS), "-q"]
    # How often a row had been asked when its answer was first found in the output.
    paid: dict[str, int] = {}
    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        for _ in range(KILLS):
            with started([*CLI, *command], env) as process:
                server.wait_for(server.asked.total() + chance.randrange(1, ROWS // KILLS))
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)
            # A killed process may leave a request in the air that is counted a little later.
            for row_id in answered_ids(output) - paid.keys():
                paid[row_id] = server.asked[f"ask {row_id}"]
        done = run(command, env, timeout=300)
        no_traceback(done)
        lines = by_id(read_lines(output))
        wrong = {
            row_id: (ways[row_id], kind_of(line), line["error"], server.asked[f"ask {row_id}"])
            for row_id, line in lines.items()
            if kind_of(line) != kinds[row_id]
        }
        assert not wrong
        assert lines.keys() == ways.keys()
        assert done.returncode == 11
        for row_id, times in paid.items():
            assert server.asked[f"ask {row_id}"] == times
        again = sum(
            server.asked[f"ask {row_id}"] - 1
            for row_id, way in ways.items()
            if way[0] == "answered"
        )
        assert again <= KILLS * JOBS


def test_two_processes_on_one_output(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    output = tmp_path / "out"
    with CountingServer(lambda *_: Said(b"", "stall")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with started([*CLI, "batch", rows, "-o", str(output)], env):
            server.wait_for(1)
            message, hint = failure(run(["batch", rows, "-o", str(output)], env), 2)
            assert "another clinecli batch is writing" in message
            assert "--output" in hint
    assert server.asked.total() == 1


def test_a_torn_last_line_is_cut_off(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a", "b", "c"])
    output = tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "1"]
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(command, env).returncode == 0
        for size in (5, 60, 200):
            whole = output.read_bytes()
            output.write_bytes(whole[: -len(whole.splitlines(keepends=True)[-1]) + size])
            assert run(command, env).returncode == 0
            assert set(by_id(read_lines(output))) == {"a", "b", "c"}
    assert server.asked == {"ask a": 1, "ask b": 1, "ask c": 4}


def test_zeros_of_a_power_cut_are_no_lines(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a", "b", "c"])
    output = tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "1"]
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(command, env).returncode == 0
        first, second, third = output.read_bytes().splitlines(keepends=True)
        lost = bytes(len(second) - 20) + second[-20:]
        output.write_bytes(first + lost + third + bytes(100))
        assert run(command, env).returncode == 0
    assert set(by_id(read_lines(output))) == {"a", "b", "c"}
    assert server.asked == {"ask a": 1, "ask b": 2, "ask c": 1}


# Tells of what is to be on the disk, by path.
SYNCS = """
import os
def telling(real):
    def sync(fd):
        with open("synced", "a") as log:
            log.write(os.readlink(f"/proc/self/fd/{fd}") + chr(10))
        real(fd)
    return sync
os.fsync, os.fdatasync = telling(os.fsync), telling(os.fdatasync)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors have names in /proc")
def test_a_new_output_is_on_the_disk_with_its_name(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "a")
    command = [*altered_cli(tmp_path, SYNCS), "batch", rows, "-o", "out", "-q"]
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        subprocess.run(command, env=env, cwd=tmp_path, timeout=PATIENCE, check=True)
    # The file first: a name must not lead to what is not there.
    synced = (tmp_path / "synced").read_text().split()
    assert synced == [str(tmp_path / "out"), str(tmp_path)]


def limited_files(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_few_open_files(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", map(str, range(60))), tmp_path / "out"
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(
            ["batch", rows, "-o", str(output), "--jobs", "200", "--ordered"],
            env,
            preexec_fn=limited_files(32, 32),
        )
        no_traceback(done)
        assert done.returncode == 0, done.stderr.decode()
        assert b"--jobs 200: this system allows too few open files" in done.stderr
        assert server.most_at_once < 32
    assert len(by_id(read_lines(output))) == 60


def test_the_limit_of_open_files_is_raised_where_it_may_be(
    env: dict[str, str], tmp_path: Path
) -> None:
    jobs = 40
    rows = write_rows(tmp_path / "in", map(str, range(jobs)))
    all_there = threading.Barrier(jobs)

    def say(prompt: str, before: int) -> Said:
        all_there.wait(PATIENCE)
        return always("answered")(prompt, before)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(
            ["batch", rows, "--jobs", str(jobs), "-q"], env, preexec_fn=limited_files(24, 512)
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert server.most_at_once == jobs


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_an_output_that_goes_away(how: str, env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", "ab"), tmp_path / "out"

    def say(prompt: str, before: int) -> Said:
        if prompt == "ask b" and not before:
            if how == "removed":
                output.unlink()
            else:
                output.rename(tmp_path / "elsewhere")
            if how == "replaced":
                output.touch()
        return always("answered")(prompt, before)

    command = ["batch", rows, "-o", str(output), "--jobs", "1", "-q"]
    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, hint = failure(run(command, env), 1)
        assert message == f"{output} was moved or removed while it was written"
        assert "put it back" in hint
        if how != "removed":
            (tmp_path / "elsewhere").replace(output)
        assert run(command, env).returncode == 0
    assert set(by_id(read_lines(output))) == {"a", "b"}
    # What was moved and put back is not paid for twice.
    assert server.asked.total() == (4 if how == "removed" else 2)


def test_a_full_disk(env: dict[str, str], tmp_path: Path) -> None:
    ids = [f"r{number}" for number in range(200)]
    rows = write_rows(tmp_path / "in", ids)
    output = tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "4"]
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        # What does not fit is refused with EFBIG where the signal is ignored.
        script = 'trap "" XFSZ; ulimit -f 16; exec "$@"'
        limited = subprocess.run(
            ["bash", "-c", script, "bash", *CLI, *command],
            env=env, capture_output=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert limited.returncode == 1
        assert b"cannot write" in limited.stderr
        no_traceback(limited)
        kept = answered_ids(output)
        assert 0 < len(kept) < len(ids)
        assert run(command, env).returncode == 0
        assert set(by_id(read_lines(output))) == set(ids)
        assert all(server.asked[f"ask {row_id}"] == 1 for row_id in kept)
        assert sum(server.asked.values()) <= len(ids) + 4


def test_a_device_that_is_full(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", ["a"])
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        message, _ = failure(run(["batch", rows, "-o", "/dev/full", "-q"], env), 1)
    assert message == "cannot write /dev/full: No space left on device"
