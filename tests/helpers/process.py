"""The real command in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.helpers.env import KEY, ROOT

CLI = [sys.executable, "-m", "clinecli"]
COMMANDS = ("ask", "stream")
BOTH_COMMANDS = pytest.mark.parametrize("command", COMMANDS)
PATIENCE = 60.0


def run(
    arguments: Iterable[str],
    env: dict[str, str],
    *,
    stdin: bytes | int | IO[bytes] | None = None,
    timeout: float = 60,
    **options: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run the command; stdin is /dev/null unless bytes for a pipe, or an open file, are given."""
    source: dict[str, Any] = (
        {"input": stdin}
        if isinstance(stdin, bytes)
        else {"stdin": subprocess.DEVNULL if stdin is None else stdin}
    )
    return subprocess.run(
        [*CLI, *arguments],
        env=env,
        capture_output=True,
        timeout=timeout,
        check=False,
        **(source | options),
    )


@contextmanager
def started(
    command: list[str], env: dict[str, str], **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with pipes, killed at the end if it is still there."""
    streams: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    with subprocess.Popen(command, env=env, **(streams | options)) as process:
        try:
            yield process
        finally:
            process.kill()


def no_traceback(done: subprocess.CompletedProcess[bytes]) -> None:
    """What holds of every run: no traceback, and the key is nowhere."""
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    assert b"internal error" not in done.stderr, done.stderr.decode()
    assert KEY.encode() not in done.stdout + done.stderr


def failure(done: subprocess.CompletedProcess[bytes], status: int) -> tuple[str, str]:
    """Message and hint of a run that failed as every failure should: two lines, no more."""
    no_traceback(done)
    assert done.returncode == status, done
    lines = re.fullmatch(rb"clinecli: error: ([^\n]+)\nclinecli: hint: ([^\n]+)\n", done.stderr)
    assert lines, done.stderr.decode()
    return lines[1].decode(), lines[2].decode()


def altered_cli(directory: Path, code: str) -> list[str]:
    """The command line of clinecli in a process that runs `code` first, from a script there."""
    script = directory / "altered.py"
    path = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
    script.write_text(f"{path}{code}\nfrom clinecli.__main__ import main\nmain()\n")
    return [sys.executable, str(script)]


DNS_STALLS = """
import socket, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
"""
