"""A runner for composite actions: steps run and are understood as GitHub's runner does it.

Expressions are the few that an action.yml needs; anything else is an error, so that no input can
find its way into a `run:` unseen.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
FILE_COMMANDS = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH")
_OPERAND = r"(?:(?:inputs|steps|github|runner)(?:\.[\w-]+)+|'[^']*')"
_EXPRESSION = re.compile(rf"\$\{{\{{ *({_OPERAND}(?: *\|\| *(?:{_OPERAND}))*) *\}}\}}")
_CONDITION = re.compile(rf"({_OPERAND}) *(==|!=) *({_OPERAND})")
# ActionCommand.cs: version 2 at the start of a line, version 1 anywhere in it.
_COMMAND = re.compile(
    r"^\s*::(?P<name>[\w-]+)(?: (?P<properties>[^:]*(?::(?!:)[^:]*)*))?::(?P<data>.*)$"
)
_OLD_COMMAND = re.compile(r"##\[(?P<name>[^\]\s]+)(?: (?P<properties>[^\]]*))?\](?P<data>.*)$")


class Command(NamedTuple):
    """A workflow command that the runner obeys."""

    name: str
    properties: str
    data: str


class Run(NamedTuple):
    """How an action ended. `seen` is the log as people see it, with what is masked as `***`."""

    status: int
    outputs: dict[str, str]
    log: str
    summary: str
    path: list[str]
    environment: dict[str, str]
    steps: list[str]

    @property
    def commands(self) -> list[Command]:
        """What the log makes the runner do."""
        return [found for line in split_lines(self.log) if (found := parse_command(line))]

    @property
    def seen(self) -> str:
        log = "\n".join(line for line in self.log.split("\n") if "::add-mask::" not in line)
        for name, _, data in self.commands:
            if name == "add-mask":
                log = log.replace(data, "***")
        return log

    def annotations(self, level: str) -> list[str]:
        return [command.data for command in self.commands if command.name == level]


def split_lines(log: str) -> list[str]:
    """A log as the runner's reader splits it."""
    return re.split(r"\r\n|\r|\n", log)


def parse_command(line: str) -> Command | None:
    match = _COMMAND.match(line) or _OLD_COMMAND.search(line)
    if not match:
        return None
    data = match["data"]
    for escaped, text in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        data = data.replace(escaped, text)
    return Command(match["name"], match["properties"] or "", data)


def load_action(path: Path) -> dict[str, Any]:
    """An action.yml."""
    action: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return action


def run_action(
    root: Path,
    inputs: Mapping[str, str],
    env: Mapping[str, str],
    workspace: Path,
    temporary: Path,
) -> Run:
    """Run the composite action of a repository. `env` is that of the job."""
    action = load_action(root / "action.yml")
    defaults = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()}
    assert inputs.keys() <= defaults.keys(), inputs
    contexts: dict[str, Any] = {
        "inputs": {**defaults, **inputs},
        "github": {"action_path": str(root)},
        "runner": {"temp": str(temporary)},
        "steps": {},
    }
    job = {
        **env,
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(root),
        "GITHUB_WORKSPACE": str(workspace),
        "RUNNER_TEMP": str(temporary),
    }
    log, ran, path = [], [], []
    summary, status = "", 0
    added: dict[str, str] = {}
    for number, step in enumerate(action["runs"]["steps"]):
        if status or not _holds(step.get("if", ""), contexts) or "uses" in step:
            continue
        ran.append(step["id"])
        folder = temporary / f"_runner_{number}"
        done, files = _run_step(step, contexts, {**job, **added}, folder)
        log.append((done.stdout).decode("utf-8", "replace"))
        contexts["steps"][step["id"]] = {"outputs": parse_records(files["GITHUB_OUTPUT"])}
        summary += files["GITHUB_STEP_SUMMARY"]
        added |= parse_records(files["GITHUB_ENV"])
        path += files["GITHUB_PATH"].splitlines()
        status = done.returncode
    outputs = {name: _evaluate(spec["value"], contexts) for name, spec in action["outputs"].items()}
    return Run(status, outputs, "\n".join(log), summary, path, added, ran)


def _run_step(
    step: dict[str, Any], contexts: dict[str, Any], env: dict[str, str], folder: Path
) -> tuple[subprocess.CompletedProcess[bytes], dict[str, str]]:
    assert step["shell"] == "bash"
    assert "${{" not in step["run"], "an input in a script is code"
    folder.mkdir()
    files = {name: folder / name for name in FILE_COMMANDS}
    for file in files.values():
        file.touch()
    given = {name: _evaluate(str(text), contexts) for name, text in step.get("env", {}).items()}
    script = folder / "script.sh"
    script.write_text(step["run"] + "\n", "utf-8")
    done = subprocess.run(
        [*SHELL, str(script)],
        cwd=env["GITHUB_WORKSPACE"],
        env={**env, **given, **{name: str(file) for name, file in files.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
        check=False,
    )
    return done, {name: file.read_bytes().decode() for name, file in files.items()}


def _evaluate(text: str, contexts: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        operands = (_operand(word.strip(), contexts) for word in match[1].split("||"))
        return next((operand for operand in operands if operand), "")

    evaluated = _EXPRESSION.sub(value, text)
    assert "${{" not in _EXPRESSION.sub("", text), f"an expression that nobody expects: {text}"
    return evaluated


def _operand(word: str, contexts: Mapping[str, Any]) -> str:
    if word.startswith("'"):
        return word[1:-1]
    found: Any = contexts
    for name in word.split("."):
        found = found.get(name, {})
    return found if isinstance(found, str) else ""


def _holds(condition: str, contexts: Mapping[str, Any]) -> bool:
    if not condition:
        return True
    matches = [_CONDITION.fullmatch(part.strip()) for part in condition.split("||")]
    assert all(matches), f"a condition that nobody expects: {condition}"
    return any(
        (_operand(match[1], contexts) == _operand(match[3], contexts)) is (match[2] == "==")
        for match in matches
        if match
    )


def parse_records(text: str) -> dict[str, str]:
    """GITHUB_OUTPUT or GITHUB_ENV. Raises `ValueError` where the runner would fail the step."""
    records: dict[str, str] = {}
    lines = iter(text.split("\n"))
    for line in lines:
        equals, heredoc = line.find("="), line.find("<<")
        if heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, delimiter = line[:heredoc], line[heredoc + 2 :]
            value = []
            while (piece := next(lines, None)) != delimiter:
                if piece is None:
                    raise ValueError(f"no delimiter {delimiter!r}")
                value.append(piece)
            records[name] = "\n".join(value)
        elif equals >= 0:
            records[line[:equals]] = line[equals + 1 :]
        elif line:
            raise ValueError(f"neither name=value nor name<<delimiter: {line!r}")
    return records


def base_environment(home: Path) -> dict[str, str]:
    """What a job's environment holds before anybody adds to it."""
    keep = (
        "PATH",
        "LANG",
        "PIP_INDEX_URL",
        "PIP_CONFIG_FILE",
        "PIP_FIND_LINKS",
        "COVERAGE_PROCESS_START",
    )
    kept = {name: os.environ[name] for name in keep if name in os.environ}
    return {**kept, "HOME": str(home), "NO_PROXY": "127.0.0.1,localhost"}
