"""The README's examples, run in a real shell against the mock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from clinecli.config.base_url import parse_base_url
from clinecli.config.settings import CONFIG_KEYS
from clinecli.errors import Code, ExitStatus
from clinecli.mock import mock_server
from clinecli.options.common import SETTINGS
from clinecli.options.mock import MockOptions
from tests.helpers.env import KEY, ROOT
from tests.helpers.inputs import PNG

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
    assert len(SCRIPTS) > 7
    assert CRONTAB


# What a model must answer for a block to make sense, by words of the block.
REPLIES = {
    "--schema issue": '{"title": "It crashes"}',
    "--schema review": '{"verdict": "good"}',
    "ask -x": "Here:\n```sh\ndu -a | sort -n | tail\n```\n",
}
# Run as the test command by CI, or for installing.
NOT_RUN = ("pip install -e",)
SCRIPTS = [
    block
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    if not block.startswith(NOT_RUN)
]
CRONTAB = re.findall(r"^```crontab\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
GIT = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with the files that the examples speak of, and a change that is staged."""
    place = tmp_path / "project"
    place.mkdir()
    texts = {
        "build.log": "error: 1\n",
        "main.py": "print(1)\n",
        "test_main.py": "assert 2\n",
        "report.txt": "It crashes.\n",
        "diff.txt": "-a\n+b\n",
        "cities.txt": "Paris\nRome\n",
        "issue.schema.json": '{"required": ["title"]}',
        "review.schema.json": '{"required": ["verdict"]}',
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    (place / "chart.png").write_bytes(PNG)
    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    subprocess.run(["git", "add", "main.py"], cwd=place, check=True)
    return place


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.splitlines()[0][:60])
def test_script(script: str, shell: dict[str, str], project: Path) -> None:
    reply = next((text for words, text in REPLIES.items() if words in script), None)
    # What is tried here is installed already.
    script = script.replace("pip install . && ", "")
    with mock_server(MockOptions(reply=reply)) as server:
        # The address of a server that nobody has started here.
        script = re.sub(r"http://localhost:[0-9]+/v1", f"{server.base_url}/api/v1", script)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            env=shell | GIT | {"CLINE_API_BASE_URL": server.base_url},
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done
    # git commit speaks on stdout; the rest has nothing to complain of.
    assert done.stderr == b"", done


@pytest.mark.parametrize("line", [line for block in CRONTAB for line in block.splitlines()])
def test_crontab(line: str, shell: dict[str, str], tmp_path: Path) -> None:
    """As cron runs a line: by sh, with a bare environment, the home as working directory."""
    home = tmp_path / "cron"
    local, config = home / ".local/bin", home / ".config/clinecli"
    local.mkdir(parents=True)
    config.mkdir(parents=True)
    (local / "clinecli").write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m clinecli "$@"\n'
    )
    (local / "clinecli").chmod(0o755)
    (config / "key").write_text(f"{KEY}\n")
    (home / "todo.txt").write_text("Sleep.\n")
    command = line.split(maxsplit=5)[5]
    # An unescaped percent sign ends a command of cron.
    assert "%" not in command
    with mock_server(MockOptions(reply="First, sleep.")) as server:
        (config / "config.toml").write_text(f'base_url = "{server.base_url}"\n')
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "x"},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (home / "brief.txt").read_text() == "First, sleep.\n"


def test_exit_status_table() -> None:
    rows = re.findall(r"^\| (\d+) \| ([a-z-]+) \| (.+?) \|$", TEXT, re.MULTILINE)
    assert rows == [(str(int(each)), each.label, each.when) for each in ExitStatus]


def test_error_code_table() -> None:
    rows = re.findall(
        r"^\| `([a-z_0-9]+)` \| (.+?) \|$", TEXT.partition("Error codes")[2], re.MULTILINE
    )
    assert rows[: len(Code)] == [(str(code), code.meaning) for code in Code]


def test_every_key_of_the_config_file_with_its_default() -> None:
    section = TEXT.partition("\n## Settings\n")[2]
    example = section.partition("```toml\n")[2].partition("```")[0]
    values = tomllib.loads(example)
    # `key_file` stands beside `key_command`, in a comment.
    assert {*values} | {"key_file"} == {*CONFIG_KEYS}
    assert "or key_file =" in example
    base_url = values.pop("base_url")
    assert str(parse_base_url(base_url, "README.md")) == SETTINGS["base_url"].default
    defaults = {key: SETTINGS[key].default for key in values if key in SETTINGS}
    shown = {key: default for key, default in defaults.items() if default is not None}
    assert {key: values[key] for key in shown} == shown


def test_every_variable_of_a_flag() -> None:
    table = dict(re.findall(r"^\| (`.+?) \| (.+) \|$", TEXT, re.MULTILINE))
    for flag in SETTINGS.values():
        assert not flag.env or f"`{flag.env}`" in table
    assert f"`{SETTINGS['model'].default}`" in table["`CLINE_MODEL`"]
