"""What ends a batch early, what holds it back, and what it then exits with."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from clinecli.models.cache import CachedModels, save
from clinecli.models.catalogue import parse
from tests.helpers.batch import (
    ANSWER,
    USAGE,
    WAYS,
    CountingServer,
    Said,
    always,
    by_id,
    failing,
    kept,
    kind_of,
    read_lines,
    write_rows,
)
from tests.helpers.process import CLI, PATIENCE, no_traceback, run, started
from tests.helpers.replies import completion
from tests.helpers.terminal import Terminal

IDS = [f"r{number}" for number in range(20)]
CREDIT = failing("402 Payment Required", "insufficient_credits")
# What all rows meet -> status of the batch, kind of the lines
SAME: dict[str, tuple[bytes, int, str]] = {
    "key": (failing("401 Unauthorized", 401), 4, "auth"),
    "no-access": (failing("403 Forbidden", 403), 4, "auth"),
    "credit": (CREDIT, 5, "credit"),
    "spend-limit": (failing("429 Too Many", "SPEND_LIMIT_EXCEEDED"), 5, "credit"),
}


@pytest.mark.parametrize(("answer", "status", "kind"), SAME.values(), ids=SAME)
def test_what_every_row_would_meet(
    answer: bytes, status: int, kind: str, env: dict[str, str], tmp_path: Path
) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "4"]
    says = [answer]
    with CountingServer(lambda *_: Said(says[0])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(command, env)
        no_traceback(done)
        assert done.returncode == status
        assert 1 <= server.asked.total() <= 4
        lines = read_lines(output)
        assert len(lines) == server.asked.total()
        assert {kind_of(line) for line in lines} == {kind}
        assert b"the batch stopped: " in done.stderr
        assert b"the same command continues" in done.stderr
        # It says nothing of the rows, so that these are not kept as failed either.
        says[0] = ANSWER
        assert run([*command, "--keep-failed"], env).returncode == 0
    assert list(map(kind_of, by_id(read_lines(output)).values())) == [None] * len(IDS)


ALL: dict[str, int] = {
    "captive-portal": 11,
    "empty-reply": 11,
    "cut": 11,
    "length": 11,
    "filtered": 9,
    "no-such-model": 9,
    "closed": 7,
    "overloaded": 10,
}


@pytest.mark.parametrize(("way", "status"), ALL.items(), ids=ALL)
def test_all_rows_fail(way: str, status: int, env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    with CountingServer(always(way)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-o", str(output), "--retries", "0"], env)
    no_traceback(done)
    assert done.returncode == status
    lines = by_id(read_lines(output))
    assert lines.keys() == set(IDS)
    assert {kind_of(line) for line in lines.values()} == {WAYS[way].kind}
    assert f"20 of 20 rows failed: {WAYS[way].kind} 20".encode() in done.stderr


def test_the_most_frequent_kind_decides_and_on_a_tie_the_lower(
    env: dict[str, str], tmp_path: Path
) -> None:
    ways = ["answered"] * 5 + ["filtered"] * 2 + ["empty-reply"] * 2 + ["server-error"]

    def say(prompt: str, _before: int) -> Said:
        return WAYS[ways[int(prompt.removeprefix("ask "))]].said

    rows = write_rows(tmp_path / "in", map(str, range(len(ways))))
    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--retries", "0"], env)
    assert done.returncode == 9
    assert b"5 of 10 rows failed: rejected 2, incomplete 2, transient 1" in done.stderr


def test_an_unknown_host(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    env["CLINE_API_BASE_URL"] = "https://no-such-host.invalid"
    done = run(["batch", rows, "-o", str(output), "--connect-timeout", "30"], env)
    no_traceback(done)
    assert done.returncode == 7
    assert b"no such host" in done.stderr
    assert output.read_bytes() == b""


def test_a_certificate_that_is_not_trusted(
    env: dict[str, str], tmp_path: Path, authority: object
) -> None:
    from tests.helpers.tls import Authority, TlsServer

    assert isinstance(authority, Authority)
    rows = write_rows(tmp_path / "in", IDS)
    with TlsServer(ANSWER, authority.valid()) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows], env)
        assert (done.returncode, done.stdout, server.requests) == (8, b"", [])
        trusted = ["--ca-file", authority.write(tmp_path / "ca")]
        done = run(["batch", rows, *trusted], env)
        assert done.returncode == 0
        assert len(done.stdout.splitlines()) == len(IDS)


def test_no_access_to_one_of_two_models_is_the_rows_own(
    env: dict[str, str], tmp_path: Path
) -> None:
    rows = tmp_path / "in"
    rows.write_text(
        "".join(
            json.dumps({"prompt": f"ask {n}", "model": "x/a" if n % 2 else "x/b"}) + "\n"
            for n in range(10)
        )
    )

    def say(prompt: str, _before: int) -> Said:
        forbidden = int(prompt.removeprefix("ask ")) % 2
        return Said(failing("403 Forbidden", 403) if forbidden else ANSWER)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", str(rows), "--jobs", "1"], env)
    assert done.returncode == 4
    assert len(done.stdout.splitlines()) == 10


WAITS: dict[str, tuple[bytes, int, str]] = {
    "header": (failing("429 Too Many", 429, "Retry-After: 7200"), 10, "wait 2 h 0 min"),
    "prose": (
        kept(b'{"error":{"message":"Slow down. Try again in 19h 39m"}}', "429 Too Many"),
        # What resets in hours is a quota, not a rate limit.
        5,
        "wait 19 h 39 min",
    ),
    "quota": (
        kept(
            b'{"error":{"message":"Daily free limit reached on model x. Try again in 19h 39m"}}',
            "429 Too Many",
        ),
        5,
        "wait 19 h 39 min",
    ),
}


@pytest.mark.parametrize(("answer", "status", "told"), WAITS.values(), ids=WAITS)
def test_a_wait_longer_than_the_deadline(
    answer: bytes, status: int, told: str, env: dict[str, str], tmp_path: Path
) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    says = [answer]
    with CountingServer(lambda *_: Said(says[0])) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "-o", str(output), "--jobs", "4"], env)
        assert done.returncode == status
        assert told.encode() in done.stderr
        assert server.asked.total() <= 4
        says[0] = ANSWER
        assert run(["batch", rows, "-o", str(output)], env).returncode == 0
    assert by_id(read_lines(output)).keys() == set(IDS)


def test_retry_after_holds_all(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", [f"r{number}" for number in range(40)])
    times: list[float] = []
    limited: list[float] = []
    lock = threading.Lock()

    def say(prompt: str, before: int) -> Said:
        with lock:
            times.append(time.monotonic())
            if len(times) == 10:
                limited.append(times[-1])
                return Said(failing("429 Too Many", 429, "Retry-After: 1"))
        return Said(ANSWER)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["batch", rows, "--jobs", "4", "-q"], env)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 40
    # What had been sent by then may still come; then nobody asks for a second.
    gap = max(after - before for before, after in pairwise(times))
    assert gap >= 0.9
    assert sum(limited[0] < at < limited[0] + 0.9 for at in times) <= 4


def test_never_more_in_the_air_than_jobs(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", [f"r{number}" for number in range(60)])

    def say(_prompt: str, _before: int) -> Said:
        threading.Event().wait(0.02)
        return Said(ANSWER)

    with CountingServer(say) as server:
        env["CLINE_API_BASE_URL"] = server.url
        assert run(["batch", rows, "--jobs", "5", "-q"], env).returncode == 0
    assert server.most_at_once <= 5


@pytest.mark.parametrize(("most", "asked"), [("0", 1), ("3", 4), ("20%", 5)])
def test_max_failures(most: str, asked: int, env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "1", "--max-failures", most]
    with CountingServer(always("filtered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(command, env)
    assert done.returncode == 9
    assert server.asked.total() == asked
    assert b"too many rows failed (--max-failures)" in done.stderr


PRICED = json.dumps(
    [
        {
            "id": "x/y",
            "context_length": 1000,
            "pricing": {"prompt": "0.00001", "completion": "0.0001"},
        }
    ]
)


def priced(env: dict[str, str], url: str) -> None:
    """A price list for `x/y` in the cache: 10 USD and 100 USD for a million tokens."""
    save(CachedModels(f"{url}/api/v1", int(time.time()), parse(PRICED)), env)


def test_max_cost_is_never_exceeded(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", [f"r{n}" for n in range(100)]), tmp_path / "out"
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "cost": 0.003}
    command = ["batch", rows, "-o", str(output), "-m", "x/y", "--max-tokens", "30", "--jobs", "16"]
    with CountingServer(lambda *_: Said(kept(completion("fine", usage=usage)))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        priced(env, server.url)
        done = run([*command, "--max-cost", "0.05"], env)
        no_traceback(done)
        assert done.returncode == 5
        assert b"--max-cost $0.05 is reached" in done.stderr
        assert server.asked.total() * 0.003 <= 0.05
        # Each may cost about 0.004: it goes on until the next could be too much.
        assert server.asked.total() >= 14
        first = server.asked.total()
        # What earlier runs did cost counts.
        assert run([*command, "--max-cost", "0.05"], env).returncode == 5
        assert server.asked.total() == first
        assert run([*command, "--max-cost", "0.1"], env).returncode == 5
        assert first < server.asked.total() <= 0.1 / 0.003
        assert run([*command, "--max-cost", "1"], env).returncode == 0
    assert by_id(read_lines(output)).keys() == {f"r{n}" for n in range(100)}
    assert set(server.asked.values()) == {1}


def test_max_cost_needs_a_price(env: dict[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "in"
    rows.write_text('{"prompt":"a"}\n{"prompt":"b","model":"x/unknown"}\n')
    with CountingServer(always("answered")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        priced(env, server.url)
        done = run(["batch", str(rows), "-m", "x/y", "--max-cost", "1"], env)
    assert done.returncode == 2
    assert b"the price of x/unknown is not known" in done.stderr
    assert not server.asked


# Signals


def held(go: threading.Event) -> Callable[[str, int], Said]:
    """Answers once `go` is set."""

    def say(_prompt: str, _before: int) -> Said:
        go.wait(PATIENCE)
        return Said(kept(completion("late", usage=USAGE)))

    return say


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_in_the_air_may_land(
    number: signal.Signals, env: dict[str, str], tmp_path: Path
) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    command = ["batch", rows, "-o", str(output), "--jobs", "4"]
    go = threading.Event()
    with CountingServer(held(go)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with started([*CLI, *command], env) as process:
            server.wait_for(4)
            process.send_signal(number)
            go.set()
            _, err = process.communicate(timeout=PATIENCE)
            assert process.returncode == -number
        assert b"4 of 20 rows answered, 16 left" in err
        assert server.asked.total() == 4
        assert len(by_id(read_lines(output))) == 4
        assert run(command, env).returncode == 0
    assert set(server.asked.values()) == {1}
    assert by_id(read_lines(output)).keys() == set(IDS)


def test_the_grace_time_ends(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", IDS)
    with CountingServer(lambda *_: Said(b"", "stall")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with started([*CLI, "batch", rows, "--grace", "0.2"], env) as process:
            server.wait_for(8)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == -signal.SIGTERM


def test_a_second_signal_ends_it_at_once(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", IDS)
    with CountingServer(lambda *_: Said(b"", "stall")) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with Terminal(
            [*CLI, "batch", rows, "--grace", "3600"], env, streams=(0, 1, 2), control=True
        ) as terminal:
            server.wait_for(8)
            terminal.read_until(b"0 of 20 rows")
            terminal.type(b"\x03")
            terminal.read_until(b"8 requests have 3600 s to end; once more ends at once")
            terminal.type(b"\x03")
            status, _, _ = terminal.finish()
    assert status == -signal.SIGINT


def test_nobody_reads_and_it_is_told_to_end(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", [f"r{number}" for number in range(2000)])
    big = kept(completion("x" * 10_000))
    with CountingServer(lambda *_: Said(big)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with started([*CLI, "batch", rows, "--grace", "0.1"], env) as process:
            # Ten replies fill the pipe; a second has passed when nothing more was asked.
            server.wait_for(8)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == -signal.SIGTERM


def test_nohup(env: dict[str, str], tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "in", "a")
    go = threading.Event()
    with CountingServer(held(go)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        command = ["bash", "-c", 'trap "" HUP; exec "$@"', "bash", *CLI, "batch", rows]
        with started(command, env, stderr=subprocess.DEVNULL) as process:
            server.wait_for(1)
            process.send_signal(signal.SIGHUP)
            go.set()
            out, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0
    assert len(out.splitlines()) == 1


def test_progress_on_a_terminal(env: dict[str, str], tmp_path: Path) -> None:
    rows, output = write_rows(tmp_path / "in", IDS), tmp_path / "out"
    go = threading.Event()
    with CountingServer(held(go)) as server:
        env["CLINE_API_BASE_URL"] = server.url
        with Terminal([*CLI, "batch", rows, "-o", str(output)], env, streams=(2,)) as terminal:
            assert b"\r0 of 20 rows, 0.0/s\x1b[K" in terminal.read_until(b"rows, 0.0/s\x1b[K")
            go.set()
            status, shown, _ = terminal.finish()
    assert status == 0
    # The line goes away before the summary.
    assert b"\r\x1b[Kclinecli: 20 of 20 rows answered" in shown
