"""What CI and pre-commit take from this repository: the GitLab component and the hooks."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.env import KEY, ROOT, clean_environment
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer

# GitLab

SPEC, JOB = yaml.safe_load_all((ROOT / "templates/clinecli.gitlab-ci.yml").read_text("utf-8"))
INPUTS = SPEC["spec"]["inputs"]


def interpolated(node: Any, inputs: dict[str, Any]) -> Any:
    """A node of the template with the inputs in it, as GitLab does it: in strings alone."""
    if isinstance(node, dict):
        return {interpolated(k, inputs): interpolated(v, inputs) for k, v in node.items()}
    if isinstance(node, list):
        return [interpolated(item, inputs) for item in node]
    if not isinstance(node, str):
        return node
    return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: inputs[match[1]], node)


def job_of(**given: str) -> dict[str, Any]:
    """The job that a pipeline gets."""
    inputs = {name: str(spec.get("default", "")).lower() for name, spec in INPUTS.items()}
    assert given.keys() <= {name.replace("-", "_") for name in inputs}
    inputs |= {name.replace("_", "-"): text for name, text in given.items()}
    ((_, job),) = interpolated(JOB, inputs).items()
    return dict(job)


def run_job(job: dict[str, Any], folder: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a job's script as GitLab's runner does."""
    variables = {name: spec["value"] for name, spec in job["variables"].items()}
    script = folder.parent / "script.sh"
    script.write_text("set -eo pipefail\n" + "\n".join(job["script"]) + "\n")
    kept = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", str(script)],
        cwd=folder,
        env={**clean_environment(folder.parent), **kept, **env, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=110,
        check=False,
    )


def test_no_input_becomes_a_part_of_the_script() -> None:
    ((_, job),) = JOB.items()
    assert "$[[" not in json.dumps(job["script"])
    assert all(not spec["expand"] for spec in job["variables"].values())
    used = re.findall(r"\$\[\[ inputs\.([\w-]+) \]\]", json.dumps(JOB))
    assert {*used} == INPUTS.keys()


def test_gitlab_job(tmp_path: Path) -> None:
    """One installation, as pip does it; then an answer, a failure, and one that is allowed."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "p.prompt.yml").write_text("messages: [{role: user, content: '{{input}} {{b}}'}]")
    (folder / "v.yml").write_text("b: $(touch pwned)\n")
    given = {
        "install": str(ROOT),
        "prompt": "$HOME `touch pwned` é",
        "prompt_file": "p.prompt.yml",
        "variables_file": "v.yml",
        "model": "a/b",
        "output": "out/../reply.txt",
    }
    (folder / "out").mkdir()
    with RawServer(response(completion("fine"))) as server:
        env = {"CLINE_API_KEY": KEY, "CLINE_API_BASE_URL": server.url}
        done = run_job(job_of(**given), folder, **env)
    assert done.returncode == 0, done.stderr.decode()
    assert (folder / "reply.txt").read_text() == "fine\n"
    assert KEY.encode() not in done.stdout + done.stderr
    ((_, body),) = server.requests
    sent = json.loads(body)
    assert sent["model"] == "a/b"
    assert sent["messages"][0]["content"] == "$HOME `touch pwned` é $(touch pwned)"
    assert not (folder / "pwned").exists()

    # It is there now.
    quick = {**given, "install": "pip"}
    (folder / "reply.txt").unlink()
    failed = run_job(job_of(**quick), folder)
    assert failed.returncode == 3
    assert b"no API key" in failed.stderr
    warned = run_job(job_of(**quick, on_failure="warn"), folder)
    assert warned.returncode == 0
    assert b"exit status 3" in warned.stderr
    assert not (folder / "reply.txt").exists()
    mocking = {**quick, "mock": "true", "prompt": "capital of France?", "max_cost": "0.01"}
    mocked = run_job(job_of(**mocking), folder)
    assert mocked.returncode == 0, mocked.stderr.decode()
    assert (folder / "reply.txt").exists()
    # A job begins without a price list.
    with mock_server(MockOptions()) as mock:
        env = {"CLINE_API_KEY": KEY, "CLINE_API_BASE_URL": mock.base_url}
        model = {**quick, "model": "anthropic/claude-sonnet-4-6"}
        dear = run_job(job_of(**model, max_cost="0.01"), folder, **env)
        fair = run_job(job_of(**model, max_cost="9"), folder, **env)
    assert (dear.returncode, fair.returncode) == (5, 0), dear.stderr + fair.stderr
    assert b"may cost up to" in dear.stderr


# Hooks

HOOKS = {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a staged change, and files that must not be imported."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    folder.mkdir()
    for command in (("init", "-q"), ("add", "-A")):
        (folder / "a.py").write_text("print('hello')\n")
        (folder / "json.py").write_text("open('executed', 'w')\n")
        subprocess.run(["git", *command], cwd=folder, check=True, timeout=60)
    return folder


Hook = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def hook(repository: Path, env: dict[str, str]) -> Hook:
    """Runs a hook's entry as pre-commit does."""

    def run(name: str, *arguments: str, **extra: str) -> subprocess.CompletedProcess[bytes]:
        entry = HOOKS[name]["entry"].split()
        assert entry[:2] == ["python", "-I"]
        return subprocess.run(
            [sys.executable, *entry[1:], *arguments],
            cwd=repository,
            env=env | extra,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )

    return run


def answering(text: str) -> RawServer:
    return RawServer(response(completion(text)))


REVIEW = json.dumps(
    {
        "findings": [
            {"file": "a.py", "line": 1, "severity": "error", "message": "prints\n\x1b[2J hello"}
        ]
    }
)


def test_review(hook: Hook, repository: Path) -> None:
    with answering(REVIEW) as server:
        done = hook("clinecli-diff-review", CLINE_API_BASE_URL=server.url)
        strict = hook("clinecli-diff-review", "--fail", CLINE_API_BASE_URL=server.url)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"a.py:1: error: prints ^[[2J hello\n"
    assert strict.returncode == 1
    sent = server.bodies[0]
    assert "+print('hello')" in sent["messages"][1]["content"]
    assert sent["response_format"]["type"] == "json_schema"
    assert not (repository / "executed").exists()


def test_clean_review(hook: Hook) -> None:
    with answering('{"findings": []}') as server:
        done = hook("clinecli-diff-review", "--fail", CLINE_API_BASE_URL=server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("name", ["clinecli-diff-review", "clinecli-commit-message"])
def test_failure_only_warns(name: str, hook: Hook, repository: Path) -> None:
    message = repository / "message"
    message.write_text("\n# Please enter the message\n")
    arguments = [str(message)] if "message" in name else []
    done = hook(name, *arguments, CLINE_API_KEY="")
    assert done.returncode == 0
    assert b"CLINE_API_KEY is empty" in done.stderr
    assert b"skipped (exit status 3)" in done.stderr
    assert hook(name, "--fail", *arguments, CLINE_API_KEY="").returncode == 3
    assert message.read_text() == "\n# Please enter the message\n"


def test_outside_of_a_repository(hook: Hook, repository: Path) -> None:
    shutil.rmtree(repository / ".git")
    done = hook("clinecli-diff-review", GIT_CEILING_DIRECTORIES=str(repository.parent))
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"skipped: git diff failed; is this a Git repository?" in done.stderr
    assert b"Traceback" not in done.stderr


def test_without_git(hook: Hook) -> None:
    done = hook("clinecli-diff-review", "--fail", PATH="")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"clinecli: diff-review skipped: git: No such file or directory\n"


def test_commit_message(hook: Hook, repository: Path) -> None:
    message = repository / "message"
    message.write_text("\n# Please enter the message\n")
    with answering("Say hello\n\nBecause\x07 it is kind.") as server:
        done = hook("clinecli-commit-message", str(message), CLINE_API_BASE_URL=server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert message.read_text() == (
        "Say hello\n\nBecause^G it is kind.\n\n# Please enter the message\n"
    )


def test_commit_message_above_the_diff_of_a_verbose_commit(
    hook: Hook, repository: Path, tmp_path: Path
) -> None:
    """`git commit --verbose` puts the diff into the file: it is no message of the user's."""
    message = repository / ".git" / "COMMIT_EDITMSG"
    copy = tmp_path / "editor"
    copy.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/seen\nexit 1\n')
    copy.chmod(0o700)
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=a@example.com", "commit", "--verbose"],
        cwd=repository,
        env={**os.environ, "GIT_EDITOR": str(copy)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    seen = (tmp_path / "seen").read_text()
    assert "+print('hello')" in seen
    message.write_text(seen)
    with answering("Say hello") as server:
        done = hook("clinecli-commit-message", str(message), CLINE_API_BASE_URL=server.url)
    assert (done.returncode, done.stderr) == (0, b"")
    assert message.read_text() == f"Say hello\n{seen}"
    message.write_text(f"Mine\n{seen}")
    with answering("Say hello") as server:
        hook("clinecli-commit-message", str(message), CLINE_API_BASE_URL=server.url)
        assert server.requests == []


@pytest.mark.parametrize(
    ("text", "source"),
    [("Mine\n", ""), ("\n", "merge"), ("\n", "message")],
    ids=["written", "merge", "given"],
)
def test_own_message_is_left_alone(text: str, source: str, hook: Hook, repository: Path) -> None:
    message = repository / "message"
    message.write_text(text)
    with answering("Say hello") as server:
        done = hook(
            "clinecli-commit-message",
            str(message),
            CLINE_API_BASE_URL=server.url,
            PRE_COMMIT_COMMIT_MSG_SOURCE=source,
        )
    assert (done.returncode, message.read_text(), server.requests) == (0, text, [])


def test_large_and_empty_diffs_cost_nothing(hook: Hook, repository: Path) -> None:
    def refuse(_: socket.socket, __: int) -> None:
        raise AssertionError("nothing is to be sent")

    with RawServer(refuse) as server:
        large = hook("clinecli-diff-review", "--max-bytes", "9", CLINE_API_BASE_URL=server.url)
        subprocess.run(
            ["git", "rm", "-rfq", "--cached", "."], cwd=repository, check=True, timeout=60
        )
        empty = hook("clinecli-diff-review", CLINE_API_BASE_URL=server.url)
    assert (large.returncode, empty.returncode) == (0, 0)
    assert b"more than --max-bytes 9" in large.stderr
    assert (empty.stderr, server.requests) == (b"", [])
