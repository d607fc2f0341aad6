"""The examples of pages, as a reader runs them: in bash, with `clinecli` on PATH."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.env import ROOT


def fenced(text: str, language: str) -> list[str]:
    """The code blocks of a language in a Markdown page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def typed(block: str) -> list[tuple[str, str]]:
    """(command, expected output) pairs of a console block."""
    pieces = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (p.partition("\n") for p in pieces)]


def with_clinecli(directory: Path, env: dict[str, str]) -> dict[str, str]:
    """The environment with `clinecli` on PATH, whichever way it was installed."""
    binary = directory / "bin"
    install_script(binary / "clinecli")
    path = f"{binary}{os.pathsep}{env['PATH']}"
    return env | {"PATH": path, "LC_ALL": "C.UTF-8"}


def install_script(place: Path) -> None:
    """A `clinecli` that runs this checkout, wherever it is called."""
    place.parent.mkdir(parents=True)
    place.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m clinecli "$@"\n')
    place.chmod(0o755)


def bash(
    script: str,
    env: dict[str, str],
    cwd: Path,
    *,
    flags: tuple[str, ...] = (),
    reply: str | None = None,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> subprocess.CompletedProcess[bytes]:
    """Run a script against a mock of its own."""
    with mock_server(MockOptions(reply=reply)) as server:
        # The address of a server that nobody has started here.
        script = re.sub(r"http://localhost:[0-9]+/v1", f"{server.base_url}/api/v1", script)
        return subprocess.run(
            ["bash", "--noprofile", "--norc", *flags, "-c", script],
            env=env | {"CLINE_API_BASE_URL": server.base_url},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            timeout=60,
            check=False,
        )


def check_console(block: str, env: dict[str, str], cwd: Path) -> None:
    """Every command of a console block prints what stands below it; `…` is any text."""
    for command, expected in typed(block):
        done = bash(command, env, cwd, stderr=subprocess.STDOUT)
        pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
        output = done.stdout.decode()
        assert re.fullmatch(pattern, output, re.DOTALL), f"$ {command}\n{output}"
