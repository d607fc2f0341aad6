"""The pages for those who come from elsewhere: their workflows and commands, run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.env import ROOT
from tests.helpers.shell import check_console, fenced, with_clinecli

INFERENCE = (ROOT / "docs/from-ai-inference.md").read_text("utf-8")
MODELS = (ROOT / "docs/from-gh-models.md").read_text("utf-8")
WORKFLOWS = fenced(INFERENCE, "yaml")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
COMPONENT = next(yaml.safe_load_all((ROOT / "templates/clinecli.gitlab-ci.yml").read_text("utf-8")))


def found(node: Any, key: str) -> list[Any]:
    """Every mapping in a document that has a key."""
    if isinstance(node, list):
        return [item for each in node for item in found(each, key)]
    if not isinstance(node, dict):
        return []
    inner = [item for each in node.values() for item in found(each, key)]
    return [node, *inner] if key in node else inner


def test_inputs_and_outputs_are_those_of_the_action() -> None:
    documents = [yaml.safe_load(text) for text in WORKFLOWS]
    steps = [step for step in found(documents, "uses") if "clinecli" in step["uses"]]
    assert len(steps) >= 2
    for step in steps:
        assert step["with"].keys() <= ACTION["inputs"].keys()
    (included,) = found(documents, "remote")
    assert included["inputs"].keys() <= COMPONENT["spec"]["inputs"].keys()
    after = INFERENCE.partition("## A reply is not a script")[2]
    assert {*re.findall(r"steps\.review\.outputs\.([\w-]+)", after)} <= ACTION["outputs"].keys()


def test_every_input_and_output_is_explained() -> None:
    for name in (*ACTION["inputs"], *ACTION["outputs"]):
        assert f"`{name}`" in INFERENCE or name.startswith("github-mcp"), name


def test_no_example_pastes_a_reply_into_a_script() -> None:
    after = INFERENCE.replace("| before", "")
    blocks = re.findall(r"</td><td>\n\n```yaml\n(.*?)^```$", after, re.MULTILINE | re.DOTALL)
    whole = INFERENCE.partition("## A whole workflow")[2]
    for text in [*blocks, *fenced(whole, "yaml")]:
        for step in found(yaml.safe_load(text), "run"):
            assert "${{" not in step["run"]


@pytest.mark.skipif(not shutil.which("actionlint"), reason="actionlint is not installed")
def test_workflows_pass_actionlint(tmp_path: Path) -> None:
    """That of the documentation, with this action in the place of OWNER's, and our own."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (whole,) = (text for text in WORKFLOWS if text.startswith("name:"))
    (folder / "review.yml").write_text(whole.replace("OWNER/clinecli@v0", "./"))
    shutil.copy(ROOT / "action.yml", tmp_path)
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        shutil.copy(workflow, folder)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, timeout=60)
    done = subprocess.run(
        ["actionlint"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout


def test_console_examples(env: dict[str, str], tmp_path: Path) -> None:
    (block,) = fenced(MODELS, "console")
    check_console(block, with_clinecli(tmp_path, env), tmp_path)
