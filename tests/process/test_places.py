"""Where replies and turns are written: files that are replaced, open files, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from tests.helpers.env import ROOT
from tests.helpers.inputs import HI
from tests.helpers.process import BOTH_COMMANDS, CLI, PATIENCE, failure, run, started
from tests.helpers.replies import ANSWER, REPLY
from tests.helpers.servers import RawServer

OWNERSHIP = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


# Output and thread


@BOTH_COMMANDS
@pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=["sent", "previewed"])
@pytest.mark.parametrize("way", ["same", "dot", "link", "new"])
def test_output_and_thread_on_one_file(
    command: str, flags: list[str], way: str, env: dict[str, str], tmp_path: Path
) -> None:
    thread = tmp_path / "t.json"
    earlier = json.dumps([HI, {"role": "assistant", "content": "earlier"}])
    if way != "new":
        thread.write_text(earlier)
    (tmp_path / "link").symlink_to("t.json")
    output = {"same": "t.json", "dot": "./t.json", "link": "link", "new": "t.json"}[way]
    with RawServer(ANSWER[command]) as server:
        words = [command, "hi", *flags, "--thread", "t.json", "-o", output, "--base-url"]
        done = run([*words, server.url], env, cwd=tmp_path)
    message, hint = failure(done, 2)
    assert message == f"--output and --thread are one file: {output}"
    assert hint
    assert server.requests == []
    assert (thread.read_text() if thread.exists() else earlier) == earlier


@BOTH_COMMANDS
def test_the_thread_is_written_before_the_output(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    """A turn that cannot be appended leaves the output as it was."""
    thread, output = tmp_path / "talk" / "t.json", tmp_path / "reply"
    thread.parent.mkdir()
    thread.write_text("[]")
    output.write_text("earlier\n")

    def answer(connection: socket.socket, _: int) -> None:
        thread.write_text("no JSON any more")
        connection.sendall(ANSWER[command])

    with RawServer(answer) as server:
        words = [command, "hi", "--thread", str(thread), "--base-url", server.url]
        done = run([*words, "-o", str(output)], env)
        thread.write_text("[]")
        shown = run(words, env)
    assert (done.returncode, shown.returncode) == (2, 2)
    assert output.read_text() == "earlier\n"
    # `ask` is all or nothing; `stream` has printed before.
    assert shown.stdout == (b"" if command == "ask" else b"Paris.\n")


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "directory"])
def test_a_thread_that_is_no_file(kind: str, env: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / "thread"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "device":
        place = Path("/dev/null")
    with socket.socket(socket.AF_UNIX) as unix, RawServer(REPLY) as server:
        if kind == "socket":
            unix.bind(str(place))
        done = run(["ask", "hi", "--thread", str(place), "--base-url", server.url], env)
    message, _ = failure(done, 2)
    assert message == f"the thread {place} is not a file: it cannot be replaced"
    assert server.requests == []


# Open files


@BOTH_COMMANDS
@pytest.mark.parametrize(
    "path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", "link"]
)
@pytest.mark.parametrize("redirection", [">>", ">"])
def test_an_open_file_goes_on_where_it_stands(
    path: str, redirection: str, command: str, env: dict[str, str], tmp_path: Path
) -> None:
    if path.startswith("/proc") and not Path(path).parent.exists():
        pytest.skip(f"needs {path}")
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "file").write_text("earlier\n")
    with RawServer(ANSWER[command]) as server:
        script = f'(echo before; "$@" -o {path}; echo after) {redirection} file'
        words = [*CLI, command, "hi", "--base-url", server.url]
        done = subprocess.run(
            ["sh", "-c", script, "sh", *words],
            env=env | {"PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
    assert done.stderr == b""
    earlier = "earlier\n" if redirection == ">>" else ""
    assert (tmp_path / "file").read_text() == f"{earlier}before\nParis.\nafter\n"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_the_open_file_of_another_process_is_appended_to(
    env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("earlier\n")
    with file.open("ab") as held, RawServer(REPLY) as server:
        path = f"/proc/{os.getpid()}/fd/{held.fileno()}"
        done = run(["ask", "hi", "-o", path, "--base-url", server.url], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert file.read_text() == "earlier\nhello\n"


@pytest.mark.parametrize("path", ["/dev/fd/0", "/dev/fd/99", "/dev/fd/99999999999999999999"])
def test_an_open_file_that_cannot_be_written(path: str, env: dict[str, str]) -> None:
    with RawServer(REPLY) as server:
        words = ["ask", "hi", "--no-stdin", "-o", path, "--base-url", server.url]
        # Of a pipe, stdin is the end that is read.
        done = run(words, env, stdin=b"")
    assert failure(done, 1)[0].startswith(f"cannot write {path}: ")
    assert server.requests == []


# What a replaced file keeps, and what is left behind


def test_a_replaced_file_keeps_mode_and_attributes(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "reply"
    file.write_text("earlier")
    file.chmod(0o640)
    try:
        os.setxattr(file, "user.origin", b"test")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    with RawServer(REPLY) as server:
        assert run(["ask", "hi", "-o", str(file), "--base-url", server.url], env).returncode == 0
    assert file.read_text() == "hello\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.getxattr(file, "user.origin") == b"test"


@OWNERSHIP
@pytest.mark.parametrize("flag", ["-o", "--thread"])
def test_a_replaced_file_keeps_its_owner(flag: str, env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "reply"
    file.write_text("[]")
    os.chown(file, 1234, 2345)
    with RawServer(REPLY) as server:
        assert run(["ask", "hi", flag, str(file), "--base-url", server.url], env).returncode == 0
    found = file.stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345)


@pytest.mark.parametrize("name", ["reply", "ü" * 100, "x" * 255], ids=["short", "wide", "255"])
def test_what_a_killed_process_leaves_is_removed(
    name: str, env: dict[str, str], tmp_path: Path
) -> None:
    asked, go = threading.Event(), threading.Event()

    def answer(connection: socket.socket, number: int) -> None:
        if number == 0:
            asked.set()
            go.wait(PATIENCE)
        else:
            connection.sendall(REPLY)

    file = tmp_path / name
    foreign = tmp_path / f".{name[:9]}.x.tmp"
    foreign.write_text("of another program")
    with RawServer(answer) as server:
        words = ["ask", "hi", "-o", str(file), "--base-url", server.url]
        with started([*CLI, *words], env) as process:
            assert asked.wait(PATIENCE)
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
        left = [path for path in tmp_path.glob(".*") if path != foreign]
        go.set()
        assert run(words, env).returncode == 0
    assert len(left) == 1
    assert file.read_text() == "hello\n"
    assert list(tmp_path.glob(".*")) == [foreign]


def test_what_a_running_process_writes_is_not_removed(env: dict[str, str], tmp_path: Path) -> None:
    asked, go = threading.Event(), threading.Event()

    def answer(connection: socket.socket, number: int) -> None:
        if number == 0:
            asked.set()
            go.wait(PATIENCE)
        connection.sendall(REPLY)

    file = tmp_path / "reply"
    with RawServer(answer) as server:
        words = ["ask", "hi", "-o", str(file), "--base-url", server.url]
        with started([*CLI, *words], env) as process:
            assert asked.wait(PATIENCE)
            assert run(words, env).returncode == 0
            assert len(list(tmp_path.glob(".reply.*"))) == 1
            go.set()
            output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (0, b"", b"")
    assert file.read_text() == "hello\n"
    assert not list(tmp_path.glob(".*"))


# Tool calls that nobody has answered


CALL = {"id": "call_7", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_7", "content": "42"}


@pytest.mark.parametrize("flag", ["--thread", "--messages"])
@pytest.mark.parametrize(
    ("turns", "is_open"),
    [([HI, CALLING], True), ([HI, CALLING, RESULT], False), ([HI], False)],
    ids=["open", "answered", "none"],
)
def test_an_unanswered_tool_call_is_noted(
    flag: str, turns: list[object], is_open: bool, env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps(turns))
    done = run(["ask", "--dry-run", "hi", flag, str(file)], env)
    assert done.returncode == 0
    assert (b"nobody has answered the tool call call_7" in done.stderr) == is_open
    assert bool(done.stderr) == is_open
