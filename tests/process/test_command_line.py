"""Help, version, description and slips of the real command, whatever the surroundings."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from clinecli.flags.table import COMMANDS
from tests.helpers.env import ROOT
from tests.helpers.process import CLI, failure, no_traceback, run


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["ask", "-h"], ["help"], ["describe"]]
)
def test_a_closed_stdout_is_no_success(words: list[str], env: dict[str, str]) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *CLI, *words]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False, timeout=60)
    message, _ = failure(done, 1)
    assert message == "stdout is closed"


@pytest.mark.parametrize("words", [["--version"], ["ask", "--dry-run", "hi"]])
def test_the_variable_of_typers_completion_does_not_matter(
    words: list[str], env: dict[str, str]
) -> None:
    plain = run(words, env)
    done = run(words, env | {"_CLINECLI_COMPLETE": "x", "_CLINECLI_ASK_COMPLETE": "source_bash"})
    assert (done.returncode, done.stdout, done.stderr) == (0, plain.stdout, b"")


@pytest.mark.parametrize("words", [["--help"], ["models", "--help"]])
def test_help_needs_no_docstrings(words: list[str], env: dict[str, str]) -> None:
    optimised = [sys.executable, "-OO", "-m", "clinecli", *words]
    done = subprocess.run(optimised, env=env, cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout == run(words, env).stdout


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_the_help_of_the_command(command: str, env: dict[str, str]) -> None:
    words = [command] if command else []
    done = run(["help", *words], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == run([*words, "--help"], env).stdout


@pytest.mark.parametrize(
    ("columns", "widest"), [("60", 60), ("100", 100), ("200", 100), ("junk", 80)]
)
def test_help_is_as_wide_as_the_terminal(columns: str, widest: int, env: dict[str, str]) -> None:
    text = run(["--help"], env | {"COLUMNS": columns}).stdout.decode()
    assert widest - 15 < max(map(len, text.splitlines())) <= widest


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("aks", "did you mean `clinecli ask`? see clinecli --help"),
        ("xyzzy", "see clinecli --help"),
    ],
)
def test_help_of_an_unknown_command(name: str, advice: str, env: dict[str, str]) -> None:
    assert failure(run(["help", name], env), 2) == (f"no such command: {name}", advice)


def test_describe(env: dict[str, str]) -> None:
    done = run(["describe"], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == 1
    assert json.loads(done.stdout)["program"] == "clinecli"
    assert run(["describe", "--json"], env).stdout == done.stdout


NOT_UTF8: dict[str, list[str | bytes]] = {
    "model": ["doctor", "-m", b"\xff"],
    "model-of-ask": ["ask", "-m", b"\xff", "hi"],
    "prompt": ["ask", "--curl", b"\xff"],
    "proxy-in-curl": ["ask", "--curl", "--no-stdin", "hi", "--proxy", b"http://h\xff:1"],
    "title-in-curl": ["ask", "--curl", "--no-stdin", "hi", "--title", b"\xff"],
    "number": ["ask", "-t", b"\xff", "hi"],
    "flag": ["ask", b"--\xff", "hi"],
    "command": [b"\xff"],
    "help": ["help", b"\xff"],
    "shell": ["completion", b"\xff"],
    "check": ["doctor", b"\xff"],
    "word": ["models", b"\xff"],
    "fault": ["mock", "--fault", b"\xff", "true"],
    "file": ["ask", "-f", b"x\xff", "hi"],
}


@pytest.mark.parametrize("case", NOT_UTF8)
def test_arguments_that_are_not_utf8(case: str, env: dict[str, str]) -> None:
    done = subprocess.run(
        [*CLI, *NOT_UTF8[case]],
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    no_traceback(done)
    failure(done, 2)
    assert done.stdout == b""


def test_a_file_name_that_is_not_utf8_is_printed_as_it_is(env: dict[str, str]) -> None:
    command: list[str | bytes] = [*CLI, "ask", "--curl", "hi", "--ca-file", b"x\xff y"]
    done = subprocess.run(
        command,
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--cacert 'x\xff y'" in done.stdout
