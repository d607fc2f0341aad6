"""Files and names that the pages for contributors speak of are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.env import ROOT

PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")
FILE, FOLDER = r"[\w-]+\.(?:py|md|toml|ya?ml)", r"[\w.-]+/"
# `path/to/file.py`, `path/to/file.py:name` or `path/to/folder/`.
REFERENCE = re.compile(rf"`((?:{FOLDER})*(?:{FILE}|{FOLDER}))(?::([\w.]+))?`")
# Stand for any.
PLACEHOLDERS = ("NAME", "file.py")


def references() -> list[tuple[str, str, str]]:
    return [
        (page, path, name)
        for page in PAGES
        for path, name in sorted(set(REFERENCE.findall((ROOT / page).read_text("utf-8"))))
        if not any(each in path for each in PLACEHOLDERS)
    ]


def found(path: str) -> Path | None:
    return next((each for each in (ROOT / path, ROOT / "clinecli" / path) if each.exists()), None)


def names(tree: ast.AST) -> Iterator[str]:
    """What a module or a class defines, `Class.method` included."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.FunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
                yield from (f"{name}.{inner}" for inner in names(node))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


@pytest.mark.parametrize(
    ("page", "path", "name"), references(), ids=[":".join(each) for each in references()]
)
def test_reference(page: str, path: str, name: str) -> None:
    file = found(path)
    assert file, f"{page} speaks of {path}"
    if name:
        assert name in set(names(ast.parse(file.read_text("utf-8"))))


def test_there_are_references() -> None:
    assert sum(page == "ARCHITECTURE.md" for page, _, _ in references()) > 30
