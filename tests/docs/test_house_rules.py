"""What CONTRIBUTING.md says about the size of modules and functions."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.helpers.env import ROOT

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 40
MODULES = sorted(
    path.relative_to(ROOT)
    for path in [
        *(ROOT / "clinecli").rglob("*.py"),
        *(
            each
            for folder in ("action", "scripts", "benchmarks")
            for each in ROOT.glob(f"{folder}/*.py")
        ),
        ROOT / "noxfile.py",
    ]
)


def test_there_are_modules() -> None:
    assert Path("clinecli/cli.py") in MODULES


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_is_too_long(path: Path) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{node.name} in line {node.lineno}"
