"""The first milliseconds of a process: whatever signal comes, it dies of it, silently."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.helpers.env import ROOT
from tests.helpers.process import BOTH_COMMANDS, CLI, PATIENCE, started
from tests.helpers.servers import TcpServer, stall

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Sends the signal to itself when a module is about to be imported, which is the event to wait for.
INTERRUPTED = """
import os, sys
sys.path.insert(0, {root!r})
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(Finder)
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Finder)
from clinecli.__main__ import main
main()
"""
MODULES = ("clinecli.errors", "clinecli.cli", "typer", "clinecli.chat.compose", "orjson", "h11")


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
@pytest.mark.parametrize("module", MODULES)
def test_a_signal_during_an_import(
    module: str, number: signal.Signals, env: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED.format(root=str(ROOT), module=module, number=int(number)))
    with TcpServer(stall) as server:
        url = f"http://127.0.0.1:{server.port}"
        # Two flags in one word are not plain: Typer is imported to read them.
        words = [sys.executable, str(script), "ask", "-qmx/y", "hi", "--base-url", url]
        done = subprocess.run(
            words,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (-number, b"", b"")


@BOTH_COMMANDS
def test_a_signal_at_any_moment(command: str, env: dict[str, str], tmp_path: Path) -> None:
    """Forty moments between the first line of ours and the wait for a reply.

    Native modules are imported meanwhile, which do not survive an exception of a handler.
    """
    script = tmp_path / "ready.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nimport os\n"
        "import clinecli.__main__\nos.write(1, b'.')\nclinecli.__main__.main()\n"
    )
    env |= {"PYTHONFAULTHANDLER": "1"}
    with TcpServer(stall) as server:
        url = f"http://127.0.0.1:{server.port}"
        words = [sys.executable, str(script), command, "hi", "--base-url", url]
        for step in range(40):
            number = NUMBERS[step % len(NUMBERS)]
            with started(words, env) as process:
                assert process.stdout
                assert process.stdout.read(1) == b"."
                threading.Event().wait(step * 0.004)
                process.send_signal(number)
                output, errors = process.communicate(timeout=PATIENCE)
            assert (process.returncode, output, errors) == (-number, b"", b""), step


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_a_signal_while_stdin_is_read(number: signal.Signals, env: dict[str, str]) -> None:
    with started([*CLI, "ask", "hi"], env, stdin=subprocess.PIPE) as process:
        assert process.stderr
        assert process.stderr.readline().startswith(b"clinecli: waiting for stdin")
        process.send_signal(number)
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output, errors) == (-number, b"", b"")
