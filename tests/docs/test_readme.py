"""The README's examples, run in a real shell against the mock."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
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
from tests.helpers.shell import bash, check_console, fenced, install_script, with_clinecli

TEXT = (ROOT / "README.md").read_text("utf-8")
BLOCKS = fenced(TEXT, "console")
SCALE = (ROOT / "docs/batch-at-scale.md").read_text("utf-8")

needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="jq is not installed")


@needs_jq
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][:60])
def test_console_example(block: str, env: dict[str, str], tmp_path: Path) -> None:
    check_console(block, with_clinecli(tmp_path, env), tmp_path)


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
SCRIPTS = [block for block in fenced(TEXT, "sh") if not block.startswith(NOT_RUN)]
CRONTAB = fenced(TEXT, "crontab")
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


@needs_jq
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.splitlines()[0][:60])
def test_script(script: str, env: dict[str, str], tmp_path: Path, project: Path) -> None:
    reply = next((text for words, text in REPLIES.items() if words in script), None)
    # What is tried here is installed already.
    script = script.replace("pip install . && ", "")
    shell = with_clinecli(tmp_path, env) | GIT
    done = bash(script, shell, project, flags=("-eo", "pipefail"), reply=reply)
    assert done.returncode == 0, done
    # git commit speaks on stdout; the rest has nothing to complain of.
    assert done.stderr == b"", done


def test_shards_are_merged_as_the_page_on_batches_says(env: dict[str, str], tmp_path: Path) -> None:
    shards, merge = fenced(SCALE, "sh")[0].splitlines()
    rows = [json.dumps({"id": f"row {number}", "prompt": "Hello"}) for number in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    commands = [shards.replace("out.1", f"out.{i}").replace("1/4", f"{i}/4") for i in range(1, 5)]
    shell = with_clinecli(tmp_path, env)
    done = bash("\n".join([*commands, merge]), shell, tmp_path, flags=("-e",))
    assert done.returncode == 0, done
    merged = map(json.loads, (tmp_path / "all.jsonl").read_text().splitlines())
    assert [line["custom_id"] for line in merged] == [f"row {number}" for number in range(20)]


@pytest.mark.parametrize("line", [line for block in CRONTAB for line in block.splitlines()])
def test_crontab(line: str, tmp_path: Path) -> None:
    """As cron runs a line: by sh, with a bare environment, the home as working directory."""
    home = tmp_path / "cron"
    config = home / ".config/clinecli"
    config.mkdir(parents=True)
    install_script(home / ".local/bin/clinecli")
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
