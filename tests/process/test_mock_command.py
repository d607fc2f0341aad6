"""`clinecli mock` as a process: around a command, and serving alone."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import sysconfig
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from clinecli.options.mock import FAULTS
from tests.helpers.mock_client import CHAT, ask, raw_post, raw_socket, send
from tests.helpers.process import CLI, no_traceback, run, started

pytestmark = pytest.mark.smoke

PYTHON = sys.executable
SHOW = "import json, os, sys; print(json.dumps(dict(os.environ)))"


def start(
    arguments: list[str], env: dict[str, str], **options: Any
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return started([*CLI, "mock", *arguments], env, **options)


# Around a command


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "a.example, .b"}, "a.example,.b,127.0.0.1,localhost"),
        ({"no_proxy": "c,localhost", "NO_PROXY": "d"}, "d,c,localhost,127.0.0.1"),
        ({"no_proxy": "*"}, "*,127.0.0.1,localhost"),
    ],
    ids=["none", "upper", "both", "star"],
)
def test_command_sees_the_mock_in_its_environment(
    env: dict[str, str], given: dict[str, str], expected: str
) -> None:
    del env["NO_PROXY"]
    env |= given | {"CLINE_API_BASE_URL": "https://api.cline.bot", "OTHER": "kept"}
    done = run(["mock", "--", PYTHON, "-c", SHOW], env)
    seen = json.loads(done.stdout)
    host, port = seen["CLINE_API_BASE_URL"].rsplit(":", 1)
    assert (host, port.isdecimal()) == ("http://127.0.0.1", True)
    assert (seen["CLINE_API_KEY"], seen["OTHER"]) == ("mock-key", "kept")
    assert seen["NO_PROXY"] == seen["no_proxy"] == expected
    assert (done.returncode, done.stderr) == (0, b"")


ASK_BY_HAND = """
import os, urllib.request
request = urllib.request.Request(
    os.environ["CLINE_API_BASE_URL"] + "/api/v1/chat/completions",
    b'{"model":"m/x","stream":false,"messages":[{"role":"user","content":"over here"}]}',
    {"Authorization": "Bearer " + os.environ["CLINE_API_KEY"]},
)
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""


def test_command_is_answered_despite_a_proxy(env: dict[str, str]) -> None:
    env |= {"http_proxy": "http://127.0.0.1:9", "all_proxy": "http://127.0.0.1:9", "NO_PROXY": "x"}
    done = run(["mock", "--", PYTHON, "-c", ASK_BY_HAND], env)
    content = json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert content == "The mock read 9 characters, 2 words. The message is: over here"


def test_port_can_be_chosen_for_a_command(env: dict[str, str]) -> None:
    first = run(["mock", "--", PYTHON, "-c", SHOW], env)
    url = json.loads(first.stdout)["CLINE_API_BASE_URL"]
    port = url.rpartition(":")[2]
    second = run(["mock", "--port", port, "--", PYTHON, "-c", SHOW], env)
    assert json.loads(second.stdout)["CLINE_API_BASE_URL"] == url


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_status_is_that_of_the_command(env: dict[str, str], script: str, status: int) -> None:
    done = run(["mock", "--", "sh", "-c", script], env)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")


def test_no_such_command_is_127(env: dict[str, str]) -> None:
    for name in ("no-such-command-here", "./no/such/file"):
        done = run(["mock", "--", name, "arg"], env)
        assert done.returncode == 127
        assert done.stderr == f"clinecli: error: cannot run {name}: no such command\n".encode()


def test_what_cannot_be_executed_is_126(env: dict[str, str], tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("text")
    no_format = tmp_path / "no-format"
    no_format.write_text("text")
    no_format.chmod(0o755)
    reasons = [
        (plain, "Permission denied"),
        (tmp_path, "Permission denied"),
        (no_format, "Exec format error"),
        (plain / "below", "Not a directory"),
    ]
    for path, reason in reasons:
        done = run(["mock", "--", str(path)], env)
        assert (done.returncode, done.stdout) == (126, b"")
        assert done.stderr == f"clinecli: error: cannot run {path}: {reason}\n".encode()


def test_streams_belong_to_the_command(env: dict[str, str]) -> None:
    script = "cat; echo to-stderr >&2"
    done = run(["mock", "--", "sh", "-c", script], env, stdin=b"\x00\xffbytes")
    assert (done.stdout, done.stderr) == (b"\x00\xffbytes", b"to-stderr\n")


def test_words_after_the_command_are_its_own(env: dict[str, str]) -> None:
    words = ["--port", "x", "--", "-h", "--json", ""]
    done = run(["mock", "--", PYTHON, "-c", "import sys; print(sys.argv[1:])", *words], env)
    assert done.stdout.decode() == f"{words}\n"


def test_descriptors_of_the_shell_reach_the_command(env: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"through")
    os.close(writing)
    done = run(["mock", "--", "sh", "-c", f"cat /dev/fd/{reading}"], env, pass_fds=[reading])
    os.close(reading)
    assert done.stdout == b"through"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc here")
def test_the_listening_socket_does_not_reach_the_command(env: dict[str, str]) -> None:
    script = "import os; print(sorted(os.listdir('/proc/self/fd'), key=int)[:-1])"
    done = run(["mock", "--", PYTHON, "-c", script], env)
    assert done.stdout == b"['0', '1', '2']\n"


WAIT = """
import os, signal, sys, time
def handler(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    sys.exit(5)
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), handler)
os.write(1, b"ready\\n")
while True:
    time.sleep(0.1)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
@pytest.mark.parametrize("handled", [True, False], ids=["handled", "deadly"])
def test_signal_is_forwarded(env: dict[str, str], name: str, handled: bool) -> None:
    """To the wrapper alone, in a session without a terminal, as CI runners and `kill` do."""
    number = getattr(signal, name)
    names = [name] if handled else []
    quiet = f"import signal; signal.signal(signal.SIGINT, signal.SIG_DFL);{WAIT}"
    with start(["--", PYTHON, "-c", quiet, *names], env, start_new_session=True) as wrapper:
        assert wrapper.stdout
        assert wrapper.stdout.readline() == b"ready\n"
        wrapper.send_signal(number)
        out, err = wrapper.communicate(timeout=60)
    assert err == b""
    assert (wrapper.returncode, out) == (
        (5, f"{name}\n".encode()) if handled else (128 + number, b"")
    )


def test_ignored_signal_stays_ignored(env: dict[str, str]) -> None:
    script = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    command = " ".join(map(repr, [*CLI, "mock", "--", PYTHON, "-c", script]))
    done = subprocess.run(
        ["sh", "-c", f"trap '' HUP; {command}"], env=env, capture_output=True, check=True
    )
    assert done.stdout == b"True\n"


ONCE = """
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"got it\\n"))
os.write(1, b"ready\\n")
print("said", sys.stdin.readline().strip(), flush=True)
sys.exit(5)
"""


def test_interrupt_of_a_terminal_reaches_the_command_once(env: dict[str, str]) -> None:
    pid, terminal = pty.fork()
    if not pid:
        os.execvpe(PYTHON, [*CLI, "mock", "--", PYTHON, "-c", ONCE], env)
    seen = read_until(terminal, b"ready")
    os.write(terminal, b"\x03")
    seen += read_until(terminal, b"got it")
    os.write(terminal, b"bye\n")
    seen += read_until(terminal, b"said bye")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 5
    assert seen.count(b"got it") == 1
    assert b"clinecli" not in seen


def read_until(fd: int, mark: bytes) -> bytes:
    seen = b""
    while mark not in seen:
        assert select.select([fd], [], [], 60)[0], seen
        seen += os.read(fd, 4096)
    return seen


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can do it")
def test_the_command_does_not_outlive_a_mock_that_is_killed(env: dict[str, str]) -> None:
    stubborn = [PYTHON, "-c", WAIT, "SIGTERM", "SIGHUP", "SIGINT"]
    with start(["--", *stubborn], env) as wrapper:
        assert wrapper.stdout
        assert wrapper.stdout.readline() == b"ready\n"
        wrapper.kill()
        # The pipe ends when the last process that has it does.
        assert wrapper.communicate(timeout=60) == (b"", b"")


SPAWN = """
import signal, subprocess, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    print(number.name, signal.getsignal(number) == signal.SIG_DFL)
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
"""


def test_the_command_starts_with_signals_as_they_were(env: dict[str, str]) -> None:
    done = run(["mock", "--", PYTHON, "-c", SPAWN], env)
    # Python itself has a handler of its own for SIGINT.
    assert done.stdout == b"SIGTERM True\nSIGHUP True\nSIGINT False\nset()\n"


# Without an installed program


def without_clinecli(env: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH finds a shell, but no clinecli."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "env"):
        program = shutil.which(name)
        assert program
        (tools / name).symlink_to(program)
    return {**env, "PATH": str(tools)}


def test_clinecli_is_found_when_it_runs_as_a_module(env: dict[str, str], tmp_path: Path) -> None:
    env = without_clinecli(env, tmp_path)
    for command in (["clinecli", "ask", "hi"], ["sh", "-c", "clinecli ask hi"]):
        done = run(["mock", "--", *command], env)
        no_traceback(done)
        assert (done.returncode, done.stdout) == (
            0,
            b"The mock read 2 characters, 1 word. The message is: hi\n",
        )


def test_own_directory_is_the_last_of_the_path(env: dict[str, str], tmp_path: Path) -> None:
    env = without_clinecli(env, tmp_path)
    done = run(["mock", "--", "sh", "-c", 'echo "$PATH"'], env)
    own = sysconfig.get_path("scripts")
    assert done.stdout.decode() == f"{env['PATH']}:{own}\n"


def test_a_path_that_finds_clinecli_is_left_alone(env: dict[str, str], tmp_path: Path) -> None:
    env = without_clinecli(env, tmp_path)
    other = tmp_path / "tools" / "clinecli"
    other.write_text("#!/bin/sh\necho another\n")
    other.chmod(0o755)
    done = run(["mock", "--", "sh", "-c", 'echo "$PATH"; clinecli'], env)
    assert done.stdout.decode() == f"{env['PATH']}\nanother\n"


def test_a_directory_of_that_name_is_no_program(env: dict[str, str], tmp_path: Path) -> None:
    env = without_clinecli(env, tmp_path)
    (tmp_path / "tools" / "clinecli").mkdir()
    assert run(["mock", "--", "clinecli", "--version"], env).returncode == 0


def test_a_checkout_that_is_not_installed_runs_itself(env: dict[str, str], tmp_path: Path) -> None:
    """A Python that has the libraries but no program of that name."""
    env = without_clinecli(env, tmp_path)
    script = (
        "import runpy, sys, sysconfig\n"
        "sysconfig.get_path = lambda *_: '/nonexistent'\n"
        "sys.argv = ['clinecli', 'mock', '--', 'clinecli', 'ask', 'hi']\n"
        "runpy.run_module('clinecli', run_name='__main__')\n"
    )
    done = subprocess.run([PYTHON, "-c", script], env=env, capture_output=True, check=False)
    assert (done.returncode, b"The message is: hi" in done.stdout) == (0, True), done.stderr


# Alone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serves_until_a_signal(env: dict[str, str], number: signal.Signals) -> None:
    with start(["--port", "0", "--reply", "served"], env) as server:
        assert server.stdout
        url = server.stdout.readline().decode().removesuffix("\n")
        assert send(url, CHAT, ask()).streamed_text == "served"
        server.send_signal(number)
        out, err = server.communicate(timeout=60)
    assert (server.returncode, out, err) == (-number, b"", b"")
    with pytest.raises(ConnectionRefusedError):
        send(url, "/users/me")


def test_refusing_mock_ends_too(env: dict[str, str]) -> None:
    with start(["--port", "0", "--fault", "refuse"], env) as server:
        assert server.stdout
        url = server.stdout.readline().decode().strip()
        with pytest.raises(ConnectionRefusedError):
            send(url, "/users/me")
        server.terminate()
        assert server.wait(60) == -signal.SIGTERM


def test_stdout_that_is_full_is_told(env: dict[str, str]) -> None:
    with Path("/dev/full").open("wb") as full, start(["--port", "0"], env, stdout=full) as server:
        _, err = server.communicate(timeout=60)
    assert (server.returncode, b"cannot write to stdout" in err) == (1, True)


def test_more_connections_than_descriptors_are_served_in_turn(env: dict[str, str]) -> None:
    script = 'ulimit -n 40; exec "$@"'
    command = ["sh", "-c", script, "sh", *CLI, "mock", "--port", "0"]
    with started(command, env) as mock:
        assert mock.stdout
        url = mock.stdout.readline().decode().strip()
        clients = [raw_socket(url) for _ in range(60)]
        for client in clients:
            client.sendall(raw_post(ask(stream=False)))
        for client in clients:
            # Those at the end of the queue have their turn when the first ones have gone.
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK")
            client.close()
        mock.terminate()
        _, err = mock.communicate(timeout=60)
    assert err == b""


# Recordings


@pytest.fixture
def recording(tmp_path: Path) -> str:
    file = tmp_path / "recording.json"
    reply = {"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}
    exchange = {"method": "POST", "path": f"/api/v1{CHAT}", "status": 200, "response": reply}
    asked = {"model": "m/x", "messages": [{"role": "user", "content": "France?"}]}
    file.write_text(json.dumps([exchange | {"request": asked}]))
    return str(file)


def test_strict_is_no_matter_while_all_was_recorded(env: dict[str, str], recording: str) -> None:
    command = ["mock", "--replay", recording, "--strict", "--"]
    done = run([*command, *CLI, "ask", "-m", "m/x", "France?"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"Paris\n", b"")


@pytest.mark.parametrize(("after", "status"), [("", 9), ("; true", 9), ("; exit 3", 3)])
def test_strict_ends_with_a_failure(
    env: dict[str, str], recording: str, after: str, status: int
) -> None:
    ask_spain = f'"$0" -m clinecli ask -q -m m/x Spain?{after}'
    command = ["mock", "--replay", recording, "--strict", "--", "sh", "-c", ask_spain, PYTHON]
    done = run(command, env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (status, b"")
    difference = 'messages[0].content is "France?" there and "Spain?" here'
    # Told by the client, and then by the mock.
    assert done.stderr.decode().count(difference) == 2
    assert b"clinecli: error: --strict: this was not recorded" in done.stderr


# Usage


def test_help_explains_every_fault(env: dict[str, str]) -> None:
    done = run(["mock", "--help"], env)
    assert done.returncode == 0
    table = done.stdout.decode().partition("\n--fault:\n")[2].partition("\n\n")[0]
    rows = dict(line.split(maxsplit=1) for line in table.splitlines())
    assert rows == FAULTS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "clinecli mock -- COMMAND"),
        ([], "clinecli mock --port 0"),
        (["--port", "0", "--fault", "nope"], "no such fault: 'nope'"),
        (["--port", "0", "--fault", "nope"], "auth, credit, cut-stream"),
        (["--reply", "@/nonexistent", "--", "true"], "cannot read /nonexistent"),
        (["--replay", "/dev/null", "--", "true"], "/dev/null is not JSON"),
        (["--delay", "nan", "--", "true"], "--delay"),
        (["--strict", "--", "true"], "--strict is for recordings"),
    ],
)
def test_usage_errors(env: dict[str, str], arguments: list[str], message: str) -> None:
    done = run(["mock", *arguments], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()


def test_port_in_use_is_told(env: dict[str, str]) -> None:
    with start(["--port", "0"], env) as server:
        assert server.stdout
        port = server.stdout.readline().decode().strip().rpartition(":")[2]
        done = run(["mock", "--port", port], env)
        server.terminate()
    no_traceback(done)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr.decode()


def test_import_is_cheap(env: dict[str, str]) -> None:
    script = (
        "import sys, clinecli.mock as m\n"
        "print([n for n in ('http.server', 'orjson', 'httpx', 'typer') if n in sys.modules])\n"
        "m.mock_server(m.MockOptions()).close()\n"
        "print([n for n in ('httpx', 'typer') if n in sys.modules])\n"
    )
    done = subprocess.run([PYTHON, "-c", script], env=env, capture_output=True, check=True)
    assert done.stdout == b"[]\n[]\n"
