"""The completion scripts, in the real shells: TAB is pressed on a terminal."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from clinecli.doctor import checks as doctor
from clinecli.flags.table import COMMANDS
from clinecli.mock.faults import NAMES
from clinecli.options.doctor import CHECKS
from clinecli.options.mock import FAULTS
from tests.helpers.env import ROOT
from tests.helpers.process import no_traceback, run

SCRIPTS = {
    "bash": ROOT / "completions/clinecli.bash",
    "zsh": ROOT / "completions/_clinecli",
    "fish": ROOT / "completions/clinecli.fish",
}
PROMPT = """\
messages:
  - {role: system, content: 'Be {{tone}}'}
  - {role: user, content: '{{to.whom}} {{tone}} {{a b}} {{$(touch pwned)}} {{topic}}'}
"""
MODELS = [
    "anthropic/claude-haiku-4-5",
    "anthropic/claude-opus-4-6",
    "anthropic/claude-sonnet-4-6",
    "minimax/minimax-m2.5",
    "minimax/minimax-m2.5:floor",
    "minimax/minimax-m2.5:free",
    "openai/gpt-4o-mini",
    # What a list from the network must not be able to do.
    "evil/$(touch pwned)",
    "evil/`touch pwned`",
    "evil/;touch pwned",
]
HARMLESS = [model for model in MODELS if not model.startswith("evil")]
ANTHROPIC = [model for model in MODELS if model.startswith("anthropic")]


class Tab(NamedTuple):
    """What a TAB did: the words it offered, and the arguments on the line after it."""

    offered: list[str]
    arguments: list[str]


class Shell:
    """A place to complete in. What is on PATH leaves a note when it is started."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.directory = home / "work"
        self.directory.mkdir()
        for file in ("notes.txt", "two words.txt", "data.json", "a:b.txt"):
            (self.directory / file).touch()
        (self.directory / "hi.prompt.yml").write_text(PROMPT)
        (self.directory / "folder").mkdir()
        (self.directory / "folder/inner.txt").touch()
        cache = home / ".cache/clinecli"
        cache.mkdir(parents=True)
        (cache / "models.txt").write_text("".join(f"{model}\n" for model in MODELS))
        binaries = home / "bin"
        binaries.mkdir()
        for program in ("clinecli", "python", "python3"):
            shim = binaries / program
            shim.write_text(f"#!/bin/sh\necho {program} >>'{self.started}'\n")
            shim.chmod(0o755)
        self.setup = ""
        self.environment = {
            "HOME": str(home),
            "PATH": str(binaries),
            "TERM": "dumb",
            "LC_ALL": "C.UTF-8",
        }

    @property
    def started(self) -> Path:
        return self.home / "started"

    def tab(self, line: str) -> Tab:
        tab = _TABS[self.name](self, line)
        assert not self.started.exists(), self.started.read_text()
        assert not (self.directory / "pwned").exists()
        return tab

    def offers(self, line: str) -> list[str]:
        return self.tab(line).offered


def _on_terminal(shell: Shell, command: list[str], setup: str, line: str) -> Tab:
    """Type a line, TAB and Enter into a shell; `setup` records what is offered and run."""
    offered, arguments = shell.home / "offered", shell.home / "arguments"
    for file in (offered, arguments):
        file.unlink(missing_ok=True)
    setup_file = shell.home / "setup"
    setup = (
        setup.format(script=SCRIPTS[shell.name], scripts=ROOT / "completions", home=shell.home)
        + shell.setup
    )
    setup_file.write_text(setup)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shell.directory)
        os.execve(command[0], command, shell.environment)
    try:
        ready = shell.home / "ready"
        ready.unlink(missing_ok=True)
        os.write(terminal, f" . {setup_file}; : >{ready}\n".encode())
        _wait_for(ready.exists, terminal)
        os.write(terminal, line.encode() + b"\t")
        # The shell must be done with the TAB, or it takes the rest as typed ahead.
        _wait_for((shell.home / "done").exists, terminal)
        os.write(terminal, b"\n")
        _wait_for(arguments.exists, terminal)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
        (shell.home / "done").unlink(missing_ok=True)
    words = offered.read_text().splitlines() if offered.exists() else []
    return Tab([word for word in words if word], arguments.read_text().split("\0")[:-1])


def _wait_for(condition: Callable[[], bool], terminal: int) -> None:
    os.set_blocking(terminal, False)
    deadline = time.monotonic() + 20
    screen = b""
    while not condition():
        assert time.monotonic() < deadline, screen.decode(errors="replace")
        try:
            screen += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.01)
    os.set_blocking(terminal, True)


_BASH = """
PS1='$ ' PROMPT_COMMAND=
bind 'set bell-style none'; bind 'set page-completions off'; bind 'set completion-query-items 0'
. {script}
clinecli() {{ printf '%s\\0' "$@" >{home}/new; /bin/mv {home}/new {home}/arguments; }}
_probe() {{
  _clinecli "$@"
  printf '%s\\n' "${{COMPREPLY[@]}}" >{home}/offered
  : >{home}/done
}}
complete -F _probe clinecli
"""

_ZSH = """
PS1='%% '
fpath=({scripts} $fpath)
autoload -Uz compinit && compinit -u -D
setopt no_beep no_list_beep no_auto_menu no_auto_remove_slash
LISTMAX=10000
clinecli() {{ printf '%s\\0' "$@" >{home}/new; /bin/mv {home}/new {home}/arguments }}
compadd() {{
  if [[ ${{@[1,(i)(-|--)]}} != *-(O|A|D)\\ * ]]; then
    local -a __found
    builtin compadd -A __found "$@"
    print -rl -- $__found >>{home}/offered
  fi
  builtin compadd "$@"
}}
complete-and-tell() {{ zle expand-or-complete; : >{home}/done }}
zle -N complete-and-tell
bindkey '^I' complete-and-tell
"""


def _bash_tab(shell: Shell, line: str) -> Tab:
    command = [_path("bash"), "--norc", "--noprofile", "-i"]
    return _on_terminal(shell, command, _BASH, line)


def _zsh_tab(shell: Shell, line: str) -> Tab:
    return _on_terminal(shell, [_path("zsh"), "-f", "-i"], _ZSH, line)


def _fish_tab(shell: Shell, line: str) -> Tab:
    done = subprocess.run(
        [_path("fish"), "--no-config", "-c", "source $argv[1]; complete -C $argv[2]",
         str(SCRIPTS["fish"]), line],
        env=shell.environment,
        cwd=shell.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )  # fmt: skip
    assert not done.stderr
    words = [each.partition("\t")[0] for each in done.stdout.splitlines()]
    return Tab(words, [])


_TABS = {"bash": _bash_tab, "zsh": _zsh_tab, "fish": _fish_tab}


def _path(program: str) -> str:
    path = shutil.which(program)
    assert path
    return path


@pytest.fixture
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    return Shell(request.param, tmp_path)


# Ctrl-B
LEFT = "\x02"

in_all = pytest.mark.parametrize("shell", list(SCRIPTS), indirect=True)
in_bash = pytest.mark.parametrize("shell", ["bash"], indirect=True)
in_fish = pytest.mark.parametrize("shell", ["fish"], indirect=True)
on_terminals = pytest.mark.parametrize("shell", ["bash", "zsh"], indirect=True)


@in_all
def test_commands(shell: Shell) -> None:
    assert sorted(shell.offers("clinecli ")) == sorted(COMMANDS)
    assert shell.offers("clinecli com") == ["completion"]


@in_all
def test_top_flags(shell: Shell) -> None:
    assert {"--help", "--version"} <= set(shell.offers("clinecli --"))


LONG = {
    "ask": {"--model", "--file", "--extract", "--base-url", "--quiet", "--help"},
    "stream": {"--model", "--reasoning", "--timeout"},
    "models": {"--sort", "--min-context", "--offline", "--key-file"},
    "doctor": {"--live", "--request", "--proxy"},
    "mock": {"--port", "--fault"},
    "completion": {"--help"},
    "describe": {"--json"},
    "help": {"--help"},
}


@in_all
@pytest.mark.parametrize("command", LONG)
def test_flags(shell: Shell, command: str) -> None:
    offered = {word.rstrip("=") for word in shell.offers(f"clinecli {command} --")}
    assert LONG[command] <= offered
    assert ("--extract" in offered) == (command == "ask")


@in_all
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clinecli ask -m anth", ANTHROPIC),
        ("clinecli stream -j --model anth", ANTHROPIC),
        ("clinecli ask -m ", HARMLESS),
        ("clinecli ask a prompt -q -m openai/", ["openai/gpt-4o-mini"]),
        ("clinecli ask --file notes.txt -jm openai/gpt-4", ["openai/gpt-4o-mini"]),
        ("clinecli models --sort ", ["id", "price", "context", "name"]),
        ("clinecli models --sort pr", ["price"]),
        ("clinecli completion ", ["bash", "zsh", "fish"]),
        ("clinecli help ", list(COMMANDS)),
        ("clinecli help co", ["completion"]),
        ("clinecli mock --fault ", list(FAULTS)),
        ("clinecli mock --port 0 --fault auth --fault cut", ["cut-stream"]),
        ("clinecli doctor ", list(CHECKS)),
        ("clinecli doctor config net.", [name for name in CHECKS if name.startswith("net.")]),
        (
            "clinecli doctor key net.dns config net.",
            ["net.tcp", "net.proxy", "net.tls", "net.ways"],
        ),
        ("clinecli ask -P hi", ["hi.prompt.yml"]),
        ("clinecli ask -P hi.prompt.yml -V ", ["tone=", "to.whom=", "topic="]),
        ("clinecli stream --prompt-file=hi.prompt.yml --var to", ["tone=", "to.whom=", "topic="]),
        ("clinecli ask -Phi.prompt.yml --var-file ton", ["tone="]),
        ("clinecli ask -P gone.yml -V ", []),
        ("clinecli ask -V ", []),
        ("clinecli ask -P hi.prompt.yml -V tone=no", []),
        ("clinecli --version ", []),
        ("clinecli --help ", []),
        ("clinecli ask ", []),
        ("clinecli ask no", []),
        ("clinecli ask -s ", []),
        ("clinecli ask -- -", []),
        ("clinecli models ", []),
        ("clinecli mock --reply no", []),
    ],
)  # fmt: skip
def test_words(shell: Shell, line: str, expected: list[str]) -> None:
    offered = shell.offers(line)
    if shell.name == "zsh" and line.endswith("-m "):
        # It quotes what it inserts, and need not leave anything out.
        offered = [word for word in offered if not word.startswith("evil")]
    if shell.name == "zsh":
        # It adds an equals sign to what is taken, not to what it offers.
        expected = [word.rstrip("=") for word in expected]
    assert sorted(set(offered)) == sorted(expected)


@on_terminals
def test_nothing_after_the_help_of_a_command(shell: Shell) -> None:
    assert shell.offers("clinecli ask --help ") == []
    assert shell.offers("clinecli completion -h ") == []


@in_bash
def test_help_as_a_value(shell: Shell) -> None:
    line = "clinecli ask --system --help --model openai/"
    assert shell.offers(line) == ["openai/gpt-4o-mini"]
    assert shell.offers("clinecli mock -- clinecli ask --help") == ["--help"]
    assert "ask" in shell.offers("clinecli mock -- clinecli ")


@in_all
def test_a_check_is_offered_once(shell: Shell) -> None:
    assert "key" in shell.offers("clinecli doctor -j k")
    # Fish looks for what is typed in descriptions, too.
    assert "key" not in shell.offers("clinecli doctor -j key k")


@in_all
def test_the_word_that_is_completed_is_not_on_the_line_already(shell: Shell) -> None:
    assert shell.tab("clinecli doctor api.auth key").offered in (["key"], [])


@in_all
def test_values_after_an_equals_sign(shell: Shell) -> None:
    offered = shell.offers("clinecli ask --model=anth")
    prefix = "--model=" if shell.name == "fish" else ""
    assert sorted(offered) == [prefix + model for model in ANTHROPIC]


@on_terminals
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clinecli ask -m op", ["ask", "-m", "openai/gpt-4o-mini"]),
        ("clinecli ask -m minimax/minimax-m2.5:fr", ["ask", "-m", "minimax/minimax-m2.5:free"]),
        ("clinecli ask -m minimax/minimax-m2.5:", ["ask", "-m", "minimax/minimax-m2.5:f"]),
        ("clinecli ask -m mini", ["ask", "-m", "minimax/minimax-m2.5"]),
        ("clinecli ask --model=open", ["ask", "--model=openai/gpt-4o-mini"]),
        ("clinecli ask --model=minimax/minimax-m2.5:fr",
         ["ask", "--model=minimax/minimax-m2.5:free"]),
        ("clinecli ask -m 'minimax/minimax-m2.5:fr", ["ask", "-m", "minimax/minimax-m2.5:free"]),
        ('clinecli ask -m "anthropic/claude-o', ["ask", "-m", "anthropic/claude-opus-4-6"]),
        ("clinecli models --sort=pr", ["models", "--sort=price"]),
        ("clinecli ask -f two", ["ask", "-f", "two words.txt"]),
        ("clinecli ask -f two\\ w", ["ask", "-f", "two words.txt"]),
        ("clinecli ask -f 'two w", ["ask", "-f", "two words.txt"]),
        ("clinecli ask --file=no", ["ask", "--file=notes.txt"]),
        ("clinecli ask -f fold", ["ask", "-f", "folder/"]),
        ("clinecli ask -f folder/", ["ask", "-f", "folder/inner.txt"]),
        ("clinecli ask -f ~/work/no", ["ask", "-f", "{home}/work/notes.txt"]),
        ("clinecli ask -f a:", ["ask", "-f", "a:b.txt"]),
        ("clinecli mock --reply @no", ["mock", "--reply", "@notes.txt"]),
        ("clinecli mock --reply=@no", ["mock", "--reply=@notes.txt"]),
        ("clinecli mock -- pytho", ["mock", "--", "python"]),
        ("clinecli mock --port 0 pytho", ["mock", "--port", "0", "python"]),
        ("clinecli mock -- clinecli ask -m op",
         ["mock", "--", "clinecli", "ask", "-m", "openai/gpt-4o-mini"]),
        ("clinecli mock clinecli ask -m minimax/minimax-m2.5:fr",
         ["mock", "clinecli", "ask", "-m", "minimax/minimax-m2.5:free"]),
        ("clinecli ask no", ["ask", "no"]),
        ("true; clinecli ask -m op", ["ask", "-m", "openai/gpt-4o-mini"]),
        ("X=1 clinecli ask -m op", ["ask", "-m", "openai/gpt-4o-mini"]),
        ("clinecli ask 'größe ✓' -m op", ["ask", "größe ✓", "-m", "openai/gpt-4o-mini"]),
        ('clinecli ask "$(echo a b)" -m op', ["ask", "a b", "-m", "openai/gpt-4o-mini"]),
        (f"clinecli ask -m op rest{LEFT * 5}", ["ask", "-m", "openai/gpt-4o-mini", "rest"]),
        ("clinecli   ask  'two\twords'  -m   op".replace("\t", "  "),
         ["ask", "two  words", "-m", "openai/gpt-4o-mini"]),
    ],
)  # fmt: skip
def test_what_is_inserted(shell: Shell, line: str, expected: list[str]) -> None:
    assert shell.tab(line).arguments == [each.format(home=shell.home) for each in expected]


@in_fish
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clinecli ask -f two", ["two words.txt"]),
        ("clinecli ask --file=no", ["--file=notes.txt"]),
        ("clinecli ask -f folder/", ["folder/inner.txt"]),
        ("clinecli mock --reply @no", ["@notes.txt"]),
        ("clinecli mock --reply=@no", ["--reply=@notes.txt"]),
        ("clinecli mock -- pytho", ["python", "python3"]),
        ("clinecli mock --port 0 pytho", ["python", "python3"]),
        ("clinecli mock -- clinecli ask -m op", ["openai/gpt-4o-mini"]),
        ("clinecli mock --port 0 clinecli 'a b' ask -m op", []),
        ("clinecli mock --port 0 clinecli ask 'a b' -m op", ["openai/gpt-4o-mini"]),
        ("clinecli ask -mop", ["-mopenai/gpt-4o-mini"]),
    ],
)
def test_what_fish_inserts(shell: Shell, line: str, expected: list[str]) -> None:
    assert shell.offers(line) == expected


@in_all
def test_files(shell: Shell) -> None:
    offered = [word.rstrip("/").replace("\\", "") for word in shell.offers("clinecli ask -f ")]
    files = ["a:b.txt", "data.json", "folder", "hi.prompt.yml", "notes.txt", "two words.txt"]
    assert sorted(set(offered)) == files


@in_all
def test_another_cache(shell: Shell, tmp_path: Path) -> None:
    cache = tmp_path / "another"
    (cache / "clinecli").mkdir(parents=True)
    (cache / "clinecli/models.txt").write_text("its/own")
    shell.environment["XDG_CACHE_HOME"] = str(cache)
    assert shell.offers("clinecli ask -m ") == ["its/own"]


@in_all
def test_a_relative_cache_does_not_count(shell: Shell) -> None:
    (shell.directory / "clinecli").mkdir()
    (shell.directory / "clinecli/models.txt").write_text("not/this\n")
    shell.environment["XDG_CACHE_HOME"] = "."
    assert sorted(shell.offers("clinecli ask -m anth")) == ANTHROPIC


@in_all
def test_no_cache(shell: Shell) -> None:
    shutil.rmtree(shell.home / ".cache")
    assert shell.offers("clinecli ask -m ") == []


@in_bash
@pytest.mark.parametrize("breaks", ["=", ":", "@", "=:@", "=:@>&|;<(\"'"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("clinecli ask --model=minimax/minimax-m2.5:fr", "--model=minimax/minimax-m2.5:free"),
        ("clinecli ask --file=no", "--file=notes.txt"),
        ("clinecli mock --reply=@no", "--reply=@notes.txt"),
    ],
    ids=["model", "file", "at-file"],
)
def test_without_word_breaks(shell: Shell, line: str, expected: str, breaks: str) -> None:
    shell.setup = "".join(f"COMP_WORDBREAKS=${{COMP_WORDBREAKS//\\{char}}}\n" for char in breaks)
    assert shell.tab(line).arguments[-1] == expected


@in_bash
@pytest.mark.parametrize("setting", ["set -u", "shopt -s nullglob failglob", "IFS=:/", "set -f"])
def test_settings_of_the_user(shell: Shell, setting: str) -> None:
    shell.setup = f"{setting}\n"
    assert shell.tab("clinecli mock -- clinecli ask -f notes.txt -m op").arguments[-1] == (
        "openai/gpt-4o-mini"
    )


@in_bash
@pytest.mark.parametrize("line", ["hi >no", "hi > no", "hi 2>no", "hi 2>>no", "<no"])
def test_redirections(shell: Shell, line: str) -> None:
    assert shell.offers(f"clinecli ask {line}") == ["notes.txt"]


@in_bash
def test_the_function_alone(shell: Shell) -> None:
    """As other completions call it: without the line, and without its arguments."""
    done = subprocess.run(
        [_path("bash"), "-uc", f". {SCRIPTS['bash']}; COMP_WORDS=(clinecli ask -m anth); "
         "COMP_CWORD=3; _clinecli; printf '%s\\n' \"${COMPREPLY[@]}\""],
        env=shell.environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ANTHROPIC
    assert not done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_command_prints_what_is_committed(name: str, env: dict[str, str]) -> None:
    done = run(["completion", name], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == SCRIPTS[name].read_bytes()


def test_another_shell(env: dict[str, str]) -> None:
    done = run(["completion", "tcsh"], env)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"tcsh" in done.stderr
    assert b"bash, zsh, fish" in done.stderr
    no_traceback(done)


def test_faults_are_those_of_the_mock() -> None:
    assert sorted(FAULTS) == sorted(NAMES)


def test_checks_are_those_of_the_doctor() -> None:
    assert {check.id: check.title for check in doctor.CHECKS} == CHECKS


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/generate.py", "--check"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    template = ROOT / "clinecli/flags/completion/clinecli.bash"
    done = subprocess.run(
        ["shellcheck", "--shell=bash", SCRIPTS["bash"], template],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
