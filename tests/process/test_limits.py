"""Local input is read within limits: of size, of time, and of what stdin may be taken for."""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.env import KEY
from tests.helpers.inputs import PNG, body, user
from tests.helpers.process import (
    BOTH_COMMANDS,
    CLI,
    PATIENCE,
    failure,
    no_traceback,
    run,
    started,
)
from tests.helpers.replies import ANSWER, REPLY
from tests.helpers.servers import RawServer

MIB = 1024 * 1024
ZERO = pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
FILE_FLAGS = (
    *("--file", "--image", "--schema", "--messages", "--request", "--tools"),
    *("--system-file", "--prompt-file"),
)
SILENT = "stdin stayed silent for 0.5 s (--timeout)"


def sparse(path: Path, size: int) -> str:
    """A file of zeros that takes no space."""
    with path.open("wb") as file:
        file.truncate(size)
    return str(path)


# Size


@ZERO
@pytest.mark.parametrize("flag", FILE_FLAGS)
def test_a_device_without_an_end(flag: str, env: dict[str, str]) -> None:
    message, hint = failure(run(["ask", "--dry-run", "hi", flag, "/dev/zero"], env), 2)
    assert "/dev/zero" in message
    assert ("20 MiB" if flag == "--image" else "64 MiB") in message
    assert hint


@ZERO
def test_stdin_without_an_end(env: dict[str, str]) -> None:
    with Path("/dev/zero").open("rb") as zeros:
        done = run(["ask", "--dry-run", "hi"], env, stdin=zeros)
    assert "64 MiB" in failure(done, 2)[0]


@ZERO
@pytest.mark.parametrize(
    ("arguments", "variables", "size"),
    [
        (["--key-file", "/dev/zero"], {}, "64 KiB"),
        ([], {"CLINE_API_KEY_FILE": "/dev/zero"}, "64 KiB"),
        (["--ca-file", "/dev/zero"], {"CLINE_API_KEY": KEY}, "no PEM certificate"),
    ],
    ids=["flag", "variable", "certificates"],
)
def test_a_setting_without_an_end(
    arguments: list[str], variables: dict[str, str], size: str, env: dict[str, str]
) -> None:
    del env["CLINE_API_KEY"]
    assert size in failure(run(["ask", "hi", *arguments], env | variables), 3)[0]


def test_all_input_together_has_a_limit(env: dict[str, str], tmp_path: Path) -> None:
    files = [sparse(tmp_path / f"{number}.txt", 24 * MIB) for number in range(3)]
    flags = [word for file in files for word in ("-f", file)]
    message, _ = failure(run(["ask", "--dry-run", "hi", *flags], env), 2)
    assert message == f"with {files[2]}, the input has more than the 64 MiB that it may have"
    # What stdin has taken is not there for files.
    stdin = b"x" * (50 * MIB)
    message, _ = failure(run(["ask", "--dry-run", "hi", "-f", files[0]], env, stdin=stdin), 2)
    assert message.startswith(f"with {files[0]}, the input")


def test_input_within_the_limit_arrives(env: dict[str, str], tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_bytes(b"x" * (20 * MIB))
    with RawServer(REPLY) as server:
        done = run(["ask", "hi", "-f", str(text), "--base-url", server.url], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    assert len(server.requests[0][1]) > 20 * MIB


def test_a_config_file_has_a_limit(env: dict[str, str]) -> None:
    path = Path(env["HOME"], ".config", "clinecli", "config.toml")
    path.parent.mkdir(parents=True)
    path.write_text("# " + "x" * MIB)
    message, _ = failure(run(["ask", "--dry-run", "hi"], env), 3)
    assert message == f"cannot read the config file {path}: it has more than 1024 KiB"


def test_a_config_file_nested_without_an_end(env: dict[str, str]) -> None:
    path = Path(env["HOME"], ".config", "clinecli", "config.toml")
    path.parent.mkdir(parents=True)
    path.write_text("a = " + "[" * 100_000)
    failure(run(["ask", "--dry-run", "hi"], env), 3)


def test_too_little_memory_is_no_bug(env: dict[str, str], tmp_path: Path) -> None:
    """Whatever it is that does not fit: libraries, threads, or 60 MiB of input."""
    file = tmp_path / "large.txt"
    file.write_bytes(b"x" * (60 * MIB))
    command = shlex.join([*CLI, "ask", "hi", "-f", str(file), "--base-url", "http://127.0.0.1:9"])
    statuses = set()
    for kibibytes in (*range(20_000, 50_000, 2_500), 100_000, 200_000):
        done = subprocess.run(
            ["bash", "-c", f"ulimit -v {kibibytes} && exec {command} --retries 0"],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        if b"clinecli: " not in done.stderr:
            continue  # Python itself did not start.
        no_traceback(done)
        statuses.add(done.returncode)
    assert 1 in statuses
    assert statuses <= {1, 7}


# Time


@pytest.mark.parametrize("flag", FILE_FLAGS)
def test_a_pipe_that_nobody_writes(flag: str, env: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    arguments = ["ask", "--dry-run", "--timeout", "0.5", "hi", flag, "pipe"]
    message, _ = failure(run(arguments, env, cwd=tmp_path), 2)
    assert message == "pipe could not be read within 0.5 s (--timeout)"


def test_a_pipe_that_is_never_closed(env: dict[str, str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    holder = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(holder, b"some text")
    arguments = ["ask", "--dry-run", "--timeout", "0.5", "hi", "-f", "pipe"]
    message, _ = failure(run(arguments, env, cwd=tmp_path), 2)
    os.close(holder)
    assert message == "pipe could not be read within 0.5 s (--timeout)"


@pytest.mark.parametrize("name", ["key-file", "key", "config.toml"])
def test_a_setting_that_nobody_writes(name: str, env: dict[str, str], tmp_path: Path) -> None:
    place = Path(env["HOME"], ".config", "clinecli")
    place.mkdir(parents=True)
    pipe = tmp_path / "pipe" if name == "key-file" else place / name
    os.mkfifo(pipe)
    if name == "key":
        del env["CLINE_API_KEY"]
    flags = ["--key-file", str(pipe)] if name == "key-file" else []
    message, _ = failure(run(["ask", "hi", "--timeout", "0.5", *flags], env), 3)
    assert message.startswith("cannot read the ")
    assert message.endswith(": it took more than 0.5 s (--timeout)")
    assert str(pipe) in message


@pytest.mark.parametrize("flag", ["--schema", "--key-file", "--ca-file", "--file"])
def test_the_output_of_a_command_as_a_file(
    flag: str, env: dict[str, str], ca_file: str, tmp_path: Path
) -> None:
    """`<(COMMAND)` is a pipe that can be read once."""
    texts = {"--schema": "{}", "--key-file": KEY, "--file": "alpha"}
    source = f"echo '{texts[flag]}'" if flag in texts else f"cat {ca_file}"
    if flag == "--key-file":
        del env["CLINE_API_KEY"]
    with RawServer(REPLY) as server:
        script = f'exec "$@" {flag} <({source})'
        words = [*CLI, "ask", "hi", "--base-url", server.url]
        done = subprocess.run(
            ["bash", "-c", script, "bash", *words],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    if flag == "--schema":
        assert failure(done, 11)[0] == "the reply is not JSON"
        return
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    assert KEY.encode() in server.requests[0][0]


# Silence on stdin


@BOTH_COMMANDS
@pytest.mark.parametrize("other", [["hi"], ["-f", "a.txt"]], ids=["prompt", "file"])
def test_a_silent_pipe_beside_other_input(
    command: str, other: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("alpha")
    reader, writer = os.pipe()
    with RawServer(ANSWER[command]) as server:
        arguments = [command, *other, "-q", "--timeout", "0.5", "--base-url", server.url]
        done = run(arguments, env, stdin=reader, cwd=tmp_path)
    os.close(reader)
    os.close(writer)
    message, hint = failure(done, 2)
    assert message == SILENT
    assert "--no-stdin" in hint
    assert server.requests == []


def is_silent(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process says nothing, and goes on, for so long."""
    assert process.stdout
    assert process.stderr
    return not select.select([process.stdout, process.stderr], [], [], seconds)[0]


def test_a_pipe_that_has_begun_is_waited_for(env: dict[str, str]) -> None:
    words = [*CLI, "ask", "--dry-run", "--timeout", "0.5", "hi"]
    with started(words, env, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"slow")
        process.stdin.flush()
        # Longer than the timeout, in which nothing more comes and nothing happens.
        assert is_silent(process, 1.0)
        output, errors = process.communicate(b"ly", timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")
    assert json.loads(output) == body(user("hi\n\nslowly"))


def test_a_silent_pipe_that_is_the_only_input_is_waited_for(env: dict[str, str]) -> None:
    words = [*CLI, "ask", "--dry-run", "--timeout", "0.5"]
    with started(words, env, stdin=subprocess.PIPE) as process:
        assert is_silent(process, 1.0)
        output, _ = process.communicate(b"late", timeout=PATIENCE)
    assert json.loads(output) == body(user("late"))


@pytest.mark.parametrize("flags", [[], ["-q"]], ids=["noted", "quiet"])
def test_an_empty_pipe_beside_a_prompt(flags: list[str], env: dict[str, str]) -> None:
    done = run(["ask", "--dry-run", "hi", *flags], env, stdin=b"")
    assert json.loads(done.stdout) == body(user("hi"))
    assert done.returncode == 0
    if flags:
        assert done.stderr == b""
    else:
        assert done.stderr.startswith(b"clinecli: stdin is empty")
        assert b"--no-stdin" in done.stderr


def test_an_empty_file_beside_a_prompt(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as empty:
        done = run(["ask", "--dry-run", "hi"], env, stdin=empty)
    assert done.stderr.startswith(b"clinecli: stdin is empty")


# stdin in the place of a file


@pytest.mark.parametrize(
    ("arguments", "stdin", "sent"),
    [
        (
            ["hi", "-f", "-"],
            b"alpha\n",
            [user('hi\n\n<file name="stdin">\nalpha\n</file>')],
        ),
        (["hi", "--system-file", "-"], b"Be brief.", [{"role": "system", "content": "Be brief."}]),
        (["hi", "--messages", "-"], b'[{"role": "user", "content": "one"}]', [user("one")]),
    ],
    ids=["file", "system", "messages"],
)
def test_a_dash_is_stdin(
    arguments: list[str], stdin: bytes, sent: list[object], env: dict[str, str]
) -> None:
    done = run(["ask", "--dry-run", *arguments], env, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    messages = json.loads(done.stdout)["messages"]
    assert messages == (sent if arguments[1] == "-f" else [*sent, user("hi")])


def test_a_dash_is_stdin_for_an_image(env: dict[str, str]) -> None:
    done = run(["ask", "--dry-run", "hi", "-i", "-"], env, stdin=PNG)
    (message,) = json.loads(done.stdout)["messages"]
    assert message["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_dash_is_stdin_even_where_it_is_not_read(env: dict[str, str]) -> None:
    done = run(["ask", "--dry-run", "--no-stdin", "hi", "-f", "-"], env, stdin=b"alpha")
    assert b"alpha" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["-", "-f", "-"], ["hi", "-f", "-", "-f", "-"], ["hi", "-f", "-", "--schema", "-"]],
    ids=["prompt", "twice", "two flags"],
)
def test_stdin_can_be_read_once(arguments: list[str], env: dict[str, str]) -> None:
    message, _ = failure(run(["ask", "--dry-run", *arguments], env, stdin=b"x"), 2)
    assert message.startswith("stdin is asked for more than once: ")


def test_stdin_is_no_thread(env: dict[str, str], tmp_path: Path) -> None:
    done = run(["ask", "--dry-run", "hi", "--thread", "-"], env, cwd=tmp_path)
    assert b"--thread cannot be stdin" in done.stderr
    assert done.returncode == 2


# The key command


def key_command(env: dict[str, str], *words: str) -> None:
    del env["CLINE_API_KEY"]
    path = Path(env["HOME"], ".config", "clinecli", "config.toml")
    path.parent.mkdir(parents=True)
    path.write_text(f"key_command = {json.dumps(words)}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs yes")
def test_a_key_command_without_an_end(env: dict[str, str]) -> None:
    key_command(env, "yes")
    assert failure(run(["ask", "hi"], env), 3)[0] == "key_command (yes) prints more than 64 KiB"


def test_a_key_command_that_dies_of_a_signal(env: dict[str, str]) -> None:
    key_command(env, "sh", "-c", "kill -9 $$")
    message, _ = failure(run(["ask", "hi"], env), 3)
    assert message == f"key_command (sh) failed with status {-signal.SIGKILL}"
