"""What clinecli prints for a shell is code that the shell itself, or shellcheck, accepts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.process import BOTH_COMMANDS, run

CHECKERS = {
    "bash": ["bash", "-n"],
    "zsh": ["zsh", "-n"],
    "fish": ["fish", "--no-execute"],
}
PROMPTS = {
    "plain": "hi",
    "quotes": 'it\'s "quoted"',
    "expansions": "$HOME `id` $(id) ${x} ~ * ? [a] {b,c} !!",
    "operators": "a; b & c | d > e < f # g \\",
    "lines": "one\ntwo\r\n\tthree",
    "not-ascii": "Prüfung 😀 \u202e",
}


def accepted(command: list[str], code: bytes) -> None:
    done = subprocess.run(command, input=code, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("shell", CHECKERS)
def test_completions_parse(shell: str, env: dict[str, str]) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    script = run(["completion", shell], env)
    assert script.returncode == 0
    accepted(CHECKERS[shell], script.stdout)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@BOTH_COMMANDS
@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_curl_command_is_clean(
    command: str, prompt: str, env: dict[str, str], tmp_path: Path
) -> None:
    flags = ["--proxy", "http://u:p@h$x:1", "--ca-file", "a b'c.pem", "--title", "$(id)"]
    for arguments in ([command, prompt], [command, prompt, *flags]):
        shown = run([*arguments, "--curl"], env, cwd=tmp_path)
        # SC2016: that nothing expands in single quotes is what they are for.
        accepted(["shellcheck", "--shell=sh", "--exclude=SC2016", "-"], shown.stdout)
        assert shown.stdout.startswith(b"curl ")
