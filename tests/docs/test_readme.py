"""The README's console examples, run in a real shell against the mock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from clinecli.errors import ExitStatus
from clinecli.mock import mock_server
from clinecli.options import MockOptions
from tests.helpers.env import ROOT

README = ROOT / "README.md"
TEXT = README.read_text("utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def examples(block: str) -> list[tuple[str, str]]:
    """(command, expected output) pairs of one block."""
    pieces = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (p.partition("\n") for p in pieces)]


@pytest.fixture
def shell(tmp_path: Path, env: dict[str, str]) -> dict[str, str]:
    """An environment in which `clinecli` is on PATH, whichever way it was installed."""
    binary = tmp_path / "bin"
    binary.mkdir()
    script = binary / "clinecli"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m clinecli "$@"\n')
    script.chmod(0o755)
    repository = str(README.parent)
    utf8 = {"LC_ALL": "C.UTF-8"}
    return env | utf8 | {"PATH": f"{binary}{os.pathsep}{env['PATH']}", "PYTHONPATH": repository}


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:60])
def test_console_example(block: str, shell: dict[str, str], tmp_path: Path) -> None:
    for command, expected in examples(block):
        with mock_server(MockOptions()) as server:
            done = subprocess.run(
                ["bash", "-c", command],
                env=shell | {"CLINE_API_BASE_URL": server.base_url},
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
        pattern = ".*?".join(re.escape(part) for part in expected.split("…"))
        output = done.stdout.decode()
        assert re.fullmatch(pattern, output, re.DOTALL), f"$ {command}\n{output}"


def test_there_are_examples() -> None:
    assert len(BLOCKS) > 3


def test_exit_status_table() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z-]+) \| (.+?) \|$", TEXT, re.MULTILINE)
    assert rows == [(str(int(each)), each.label, each.when) for each in ExitStatus]
