"""Signals, pipes that close and descriptors that are missing: how the real process ends."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.helpers.process import (
    BOTH_COMMANDS,
    CLI,
    DNS_STALLS,
    PATIENCE,
    altered_cli,
    no_traceback,
    run,
    started,
)
from tests.helpers.replies import DONE, STOP, STREAM_HEAD, completion, delta, http_chunk, response
from tests.helpers.servers import RawServer
from tests.helpers.terminal import Terminal

pytestmark = pytest.mark.smoke

SIGNALS = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)


def reply_to(command: str, text: str = "hello") -> bytes:
    if command == "ask":
        return response(completion(text))
    return STREAM_HEAD + http_chunk(delta(text) + STOP + DONE) + http_chunk(b"")


class Waiting:
    """A server whose answer stops after `first` until `go` is set; then comes `rest`."""

    def __init__(self, first: bytes = b"", rest: bytes = b"") -> None:
        self.asked = threading.Event()
        self.go = threading.Event()
        self._first, self._rest = first, rest
        self.server = RawServer(self._answer)

    def __enter__(self) -> Waiting:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()
        self.server.__exit__()

    def _answer(self, connection: socket.socket, _number: int) -> None:
        connection.sendall(self._first)
        self.asked.set()
        self.go.wait(PATIENCE)
        connection.sendall(self._rest)


def read_exactly(process: subprocess.Popen[bytes], count: int) -> bytes:
    assert process.stdout
    return process.stdout.read(count)


def shell(redirection: str, *arguments: str) -> list[str]:
    """The command with a redirection that only a shell can do."""
    return ["sh", "-c", f'exec "$@" {redirection}', "sh", *CLI, *arguments]


# Signals


@BOTH_COMMANDS
@SIGNALS
def test_a_signal_ends_the_process_as_itself(
    command: str, number: int, env: dict[str, str]
) -> None:
    with (
        Waiting() as waiting,
        started([*CLI, command, "hi", "--base-url", waiting.server.url], env) as process,
    ):
        assert waiting.asked.wait(PATIENCE)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (-number, b"", b"")


@SIGNALS
def test_what_was_printed_before_a_signal_is_kept(number: int, env: dict[str, str]) -> None:
    with (
        Waiting(STREAM_HEAD + http_chunk(delta("partial"))) as waiting,
        started([*CLI, "stream", "hi", "--base-url", waiting.server.url], env) as process,
    ):
        kept = read_exactly(process, len(b"partial"))
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == -number
    assert (kept + output).rstrip(b"\n") == b"partial"
    assert errors == b""


@SIGNALS
@pytest.mark.parametrize("earlier", [None, b"earlier\n"], ids=["new file", "existing file"])
def test_a_signal_leaves_the_output_file_as_it_was(
    number: int, earlier: bytes | None, tmp_path: Path, env: dict[str, str]
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    file = place / "reply"
    if earlier is not None:
        file.write_bytes(earlier)
    arguments = ["stream", "hi", "-o", str(file), "--base-url"]
    with (
        Waiting(STREAM_HEAD + http_chunk(delta("partial"))) as waiting,
        started([*CLI, *arguments, waiting.server.url], env) as process,
    ):
        assert waiting.asked.wait(PATIENCE)
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (-number, b"", b"")
    assert [path.name for path in place.iterdir()] == (["reply"] if earlier else [])
    if earlier:
        assert file.read_bytes() == earlier


@SIGNALS
def test_a_signal_ends_a_process_whose_resolver_hangs(
    number: int, tmp_path: Path, env: dict[str, str]
) -> None:
    code = f"{DNS_STALLS}\nstall = socket.getaddrinfo\n" + (
        "def told(*a, **k):\n    print('looking up', flush=True)\n    stall()\n"
        "socket.getaddrinfo = told\n"
    )
    with started([*altered_cli(tmp_path, code), "ask", "hi"], env) as process:
        assert read_exactly(process, len(b"looking up\n")) == b"looking up\n"
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (-number, b"", b"")


@SIGNALS
@pytest.mark.parametrize(
    "error",
    ["RuntimeError('release unlocked lock')", "BrokenPipeError()", "OSError(28, 'full')"],
    ids=["a lock half taken", "a closed pipe", "a full disk"],
)
def test_a_signal_counts_whatever_becomes_of_its_exception(
    number: int, error: str, tmp_path: Path, env: dict[str, str]
) -> None:
    code = f"""
import os, threading
import clinecli.transport.dial
def resolve(*_):
    try:
        os.kill(os.getpid(), {int(number)})
        threading.Event().wait()
    finally:
        raise {error}
clinecli.transport.dial.resolve = resolve
"""
    command = [*altered_cli(tmp_path, code), "ask", "hi"]
    done = subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_ends_a_wait_before_a_retry(number: int, env: dict[str, str]) -> None:
    busy = response(b"{}", status="503 Busy", Retry_After="5")
    with RawServer(busy) as server:
        command = [*CLI, "ask", "hi", "--base-url", server.url]
        with started(command, env) as process:
            assert process.stderr
            assert b"trying again" in process.stderr.readline()
            process.send_signal(number)
            output, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (-number, b"")


@SIGNALS
def test_a_signal_ends_a_write_that_nobody_reads(number: int, env: dict[str, str]) -> None:
    """As with `timeout 10 clinecli stream … | less`: a full pipe must not hold the process."""
    piece = http_chunk(delta("x" * 10_000))
    with Waiting(STREAM_HEAD + piece * 100) as waiting, pipe() as (_, writer):
        command = [*CLI, "stream", "hi", "--base-url", waiting.server.url]
        with started(command, env, stdout=writer) as process:
            wait_until(lambda: is_full(writer))
            process.send_signal(number)
            assert process.wait(PATIENCE) == -number


@SIGNALS
def test_a_signal_that_the_parent_ignores_stays_ignored(number: int, env: dict[str, str]) -> None:
    """As under nohup."""
    name = signal.Signals(number).name.removeprefix("SIG")
    inner = ["sh", "-c", f'trap "" {name}; exec "$@"', "sh", *CLI, "ask", "hi", "--base-url"]
    with (
        Waiting(rest=reply_to("ask")) as waiting,
        started([*inner, waiting.server.url], env) as process,
    ):
        assert waiting.asked.wait(PATIENCE)
        process.send_signal(number)
        waiting.go.set()
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, b"hello\n", b"")


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@BOTH_COMMANDS
def test_ctrl_c_ends_the_loop_of_a_shell(command: str, env: dict[str, str]) -> None:
    script = 'for i in 1 2 3; do "$@"; echo "after $i"; done; echo "after all"'
    with Waiting() as waiting:
        words = [*CLI, command, "hi", "--no-stdin", "--base-url", waiting.server.url]
        with Terminal(["bash", "-c", script, "bash", *words], env, control=True) as terminal:
            assert waiting.asked.wait(PATIENCE)
            terminal.type(b"\x03")
            status, output, _ = terminal.finish()
    assert status == -signal.SIGINT
    assert b"after" not in output
    assert len(waiting.server.requests) == 1


# Pipes


@BOTH_COMMANDS
def test_a_closed_pipe_ends_the_process_silently(command: str, env: dict[str, str]) -> None:
    with (
        Waiting(rest=reply_to(command)) as waiting,
        started([*CLI, command, "hi", "--base-url", waiting.server.url], env) as process,
    ):
        assert waiting.asked.wait(PATIENCE)
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        waiting.go.set()
        assert process.wait(PATIENCE) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_a_pipe_that_closes_in_the_middle_ends_a_stream(env: dict[str, str]) -> None:
    """As with `clinecli stream … | head -1`: the rest is not waited for."""
    first = STREAM_HEAD + http_chunk(delta("one\n"))
    with (
        Waiting(first, http_chunk(delta("two\n"))) as waiting,
        started([*CLI, "stream", "hi", "--base-url", waiting.server.url], env) as process,
    ):
        assert read_exactly(process, 4) == b"one\n"
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        waiting.go.set()
        assert process.wait(PATIENCE) == -signal.SIGPIPE
        assert process.stderr.read() == b""


def test_a_pipeline_sees_no_complaint(env: dict[str, str]) -> None:
    script = '"$@" | true; echo "${PIPESTATUS[0]}"'
    with RawServer(reply_to("ask", "x" * 200_000)) as server:
        words = [*CLI, "ask", "hi", "--base-url", server.url]
        done = subprocess.run(
            ["bash", "-c", script, "bash", *words], env=env, capture_output=True, check=False
        )
    assert (done.stdout, done.stderr) == (b"141\n", b"")


@BOTH_COMMANDS
@pytest.mark.parametrize("words", [["--help"], ["hi", "--dry-run"], ["hi", "--curl"]], ids=str)
def test_help_and_previews_into_a_closed_pipe_are_silent(
    command: str, words: list[str], env: dict[str, str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [*CLI, command, *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")


@BOTH_COMMANDS
def test_an_output_file_that_is_a_pipe_closes_silently_too(
    command: str, tmp_path: Path, env: dict[str, str]
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = "x" * (200_000)
    with RawServer(reply_to(command, text)) as server:
        words = [*CLI, command, "hi", "-o", str(fifo), "--base-url", server.url]
        with started(words, env) as process, fifo.open("rb", buffering=0) as reader:
            assert reader.read(1) == b"x"
            reader.close()
            _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (-signal.SIGPIPE, b"")


@contextmanager
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as output, os.fdopen(writer, "wb", buffering=0) as source:
        yield output, source


def is_full(writer: IO[bytes]) -> bool:
    return not select.select([], [writer], [], 0)[1]


def is_empty(reader: IO[bytes]) -> bool:
    return not select.select([reader], [], [], 0)[0]


def wait_until(condition: Callable[[], bool]) -> None:
    """For what gives no event of its own."""
    for _ in range(int(PATIENCE / 0.01)):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came true")


@BOTH_COMMANDS
def test_a_full_non_blocking_pipe_loses_nothing(command: str, env: dict[str, str]) -> None:
    """Another process of the same pipe (node, ssh) may have set O_NONBLOCK on it."""
    text = "".join(f"{number:07}\n" for number in range(100_000))
    with RawServer(reply_to(command, text)) as server, pipe() as (output, writer):
        os.set_blocking(writer.fileno(), False)
        words = [*CLI, command, "hi", "--base-url", server.url]
        with started(words, env, stdout=writer) as process:
            wait_until(lambda: is_full(writer))
            writer.close()
            assert output.read() == text.encode()
            assert process.wait(PATIENCE) == 0


def test_a_full_non_blocking_stderr_loses_nothing(env: dict[str, str]) -> None:
    reasoning = "".join(f"{number:07}\n" for number in range(50_000))
    message = {"role": "assistant", "content": "ok", "reasoning": reasoning}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = response(json.dumps({"choices": [choice]}).encode())
    with RawServer(answer) as server, pipe() as (errors, writer):
        os.set_blocking(writer.fileno(), False)
        words = [*CLI, "ask", "hi", "--reasoning", "--base-url", server.url]
        with started(words, env, stderr=writer) as process:
            wait_until(lambda: is_full(writer))
            writer.close()
            assert errors.read() == reasoning.encode()
            assert process.wait(PATIENCE) == 0


def test_a_non_blocking_stdin_is_read_to_its_end(env: dict[str, str]) -> None:
    with RawServer(reply_to("ask")) as server, pipe() as (reader, writer):
        os.set_blocking(reader.fileno(), False)
        words = [*CLI, "ask", "-", "--base-url", server.url]
        with started(words, env, stdin=reader) as process:
            for _ in range(3):
                # Once the pipe is empty, the process reads on and finds nothing there yet.
                writer.write(b"x" * 1000)
                wait_until(lambda: is_empty(reader))
            writer.close()
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, b"hello\n", b"")
    assert server.bodies[0]["messages"][0]["content"] == "x" * 3000


# Places that take nothing


FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@FULL
@BOTH_COMMANDS
@pytest.mark.parametrize("way", ["stdout", "--output", "dry run"])
def test_a_full_disk(command: str, way: str, env: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full, RawServer(reply_to(command)) as server:
        flags = {"stdout": [], "--output": ["-o", "/dev/full"], "dry run": ["--dry-run"]}[way]
        done = subprocess.run(
            [*CLI, command, "hi", "--base-url", server.url, *flags],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if way == "--output" else full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"\nclinecli: hint: " in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"internal error" not in done.stderr


@FULL
@pytest.mark.parametrize("word", ["--help", "--version"])
def test_a_full_disk_takes_no_help(word: str, env: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*CLI, word], env=env, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


@BOTH_COMMANDS
@pytest.mark.parametrize("redirection", [">&-", "1< /dev/null"], ids=["closed", "read-only"])
def test_a_closed_stdout_is_told_before_anything_is_sent(
    command: str, redirection: str, env: dict[str, str]
) -> None:
    with RawServer(reply_to(command)) as server:
        words = shell(redirection, command, "hi", "--base-url", server.url)
        done = subprocess.run(
            words, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"stdout is closed" in done.stderr
    assert server.requests == []


@BOTH_COMMANDS
def test_a_closed_stdout_does_not_matter_to_an_output_file(
    command: str, tmp_path: Path, env: dict[str, str]
) -> None:
    file = tmp_path / "reply"
    with RawServer(reply_to(command)) as server:
        words = shell(">&-", command, "hi", "-o", str(file), "--base-url", server.url)
        done = subprocess.run(
            words, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert file.read_bytes() == b"hello\n"


@BOTH_COMMANDS
@pytest.mark.parametrize(
    "redirection", ["<&-", "</dev/null", "2>&-", "<&- 2>&-"], ids=lambda text: text
)
def test_closed_stdin_and_stderr_do_not_matter(
    command: str, redirection: str, env: dict[str, str]
) -> None:
    with RawServer(reply_to(command)) as server:
        words = shell(redirection, command, "hi", "-v", "--base-url", server.url)
        done = subprocess.run(words, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"hello\n")
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "hi"}]
    # The socket did not get the number of a closed stream.
    assert b"clinecli" not in server.requests[0][0].split(b"User-Agent")[0]


@pytest.mark.parametrize("redirection", ["<&-", "</dev/null"])
def test_no_input_at_all_is_an_empty_message(redirection: str, env: dict[str, str]) -> None:
    done = subprocess.run(shell(redirection, "ask"), env=env, capture_output=True, check=False)
    assert done.returncode == 6
    assert b"Traceback" not in done.stderr


def test_a_failure_without_stderr_keeps_its_status(env: dict[str, str]) -> None:
    body = b'{"error":{"message":"no"}}'
    with RawServer(response(body, status="401 Unauthorized")) as server:
        words = shell("2>&-", "ask", "hi", "--base-url", server.url)
        done = subprocess.run(
            words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stdout) == (4, b"")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"], ids=["closed", "full"])
def test_a_usage_error_without_stderr_keeps_its_status(
    redirection: str, env: dict[str, str]
) -> None:
    words = shell(redirection, "ask", "--no-such-flag")
    done = subprocess.run(
        words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_no_descriptor_at_all_is_no_crash(env: dict[str, str]) -> None:
    with RawServer(reply_to("ask")) as server:
        words = shell("<&- >&- 2>&-", "ask", "hi", "--base-url", server.url)
        done = subprocess.run(words, env=env, check=False)
    assert done.returncode == 1
    assert server.requests == []


def test_a_run_after_all_that_is_ordinary(env: dict[str, str]) -> None:
    with RawServer(reply_to("ask")) as server:
        done = run(["ask", "hi", "--base-url", server.url], env)
    no_traceback(done)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
