"""Imports point upwards only, and I/O stays at the rim. Sources are parsed, never imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "clinecli"

# A module may import the modules before it, never one after it. A package counts as one module.
PURE = [
    "errors",
    "sse",
    "retry",
    "chat",
    "jsontext",
    "api_errors",
    "codec",
    "options",
    "secret",
    "settings",
    "proxy",
    "text",
    "report",
    "render",
    "catalogue",
    "listing",
]
RIM = [
    "stdio",
    "files",
    "sources",
    "tls",
    "network",
    "backend",
    "client",
    "schema",
    "compose",
    "model_cache",
]
TOP = ["declarations", "completion", "commands", "cli", "__main__"]
ORDER = ["__init__", *PURE, *RIM, *TOP]

# `_chat` and its like are what commands share; they are no commands themselves.
SHARED_PREFIX = "_"

_IO = """
    asyncio builtins certifi concurrent ctypes curses fcntl fileinput getpass glob http httpcore
    httpx importlib io locale logging mmap multiprocessing os pathlib platform platformdirs pty pwd
    random readline requests resource secrets select selectors shutil signal socket socketserver
    ssl subprocess sys tempfile termios threading time truststore tty urllib.error urllib.request
    uuid warnings webbrowser
"""
IO_MODULES = frozenset(_IO.split())
IO_CALLS = {"open", "print", "input", "breakpoint", "__import__", "exec", "eval"}

# module of a third party: our modules that may import it
ONLY_IN = {
    "httpx": {"client"},
    "typer": {"declarations", "cli", "__main__"},
}


class Import(NamedTuple):
    """One imported name, absolute: `from clinecli.chat import Reply` is `clinecli.chat.Reply`."""

    module: str
    name: str
    line: int

    @property
    def target(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """`commands/mock/server.py` is `commands.mock.server`, a package is its directory."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if len(parts) > 1 and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def layer(module: str) -> str:
    return module.partition(".")[0]


def imports_of(tree: ast.AST, path: Path) -> Iterator[Import]:
    """Every import of a file: also those inside functions and under TYPE_CHECKING."""
    package = ["clinecli", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)


def is_within(target: str, module: str) -> bool:
    return target == module or target.startswith(f"{module}.")


MODULES = {dotted(path): path for path in files()}


def own_module(target: str) -> str | None:
    """Which of our modules an imported name belongs to; None for other people's."""
    if not is_within(target, "clinecli"):
        return None
    parts = target.split(".")[1:]
    for end in range(len(parts), 0, -1):
        if ".".join(parts[:end]) in MODULES:
            return ".".join(parts[:end])
    return "__init__"


def forbidden_imports(module: str, source: str, path: Path) -> list[str]:
    """What is wrong with the imports of one file, one line each."""
    wrong = []
    for found in imports_of(ast.parse(source), path):
        where = f"{path.relative_to(PACKAGE.parent)}:{found.line}: {module} imports {found.target}"
        own = own_module(found.target)
        if own is not None:
            wrong += [f"{where}, {why}" for why in [_wrong_layer(module, own)] if why]
            continue
        if is_within(found.target, "click") or is_within(found.target, "typer._click"):
            wrong.append(f"{where}: Typer vendors Click, whose place is no promise")
        for name, allowed in ONLY_IN.items():
            if is_within(found.target, name) and module not in allowed:
                wrong.append(f"{where}: only {' and '.join(sorted(allowed))} may")
        if layer(module) in PURE and any(is_within(found.target, io) for io in IO_MODULES):
            wrong.append(f"{where}: a pure module does no I/O")
    return wrong


def _wrong_layer(module: str, imported: str) -> str:
    here, there = layer(module), layer(imported)
    if there not in ORDER:
        return ""  # told by test_every_module_has_a_place
    if here != there:
        return "" if ORDER.index(there) < ORDER.index(here) else f"which is not above {here}"
    if here != "commands":
        # The files of a package such as `completion` may import each other.
        return "itself" if module == imported else ""
    mine, other = (name.split(".")[1:2] for name in (module, imported))
    if not other or mine == other or other[0].startswith(SHARED_PREFIX):
        return ""
    return "which is another command"


def test_every_module_has_a_place() -> None:
    missing = sorted({layer(module) for module in MODULES} - set(ORDER))
    assert not missing, (
        f"not in ORDER: {missing}. Put each where it belongs in tests/test_architecture.py: "
        "PURE if it does no I/O, else RIM, after all that it imports"
    )


def test_no_module_has_two_places() -> None:
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("module", MODULES)
def test_imports(module: str) -> None:
    path = MODULES[module]
    if layer(module) not in ORDER:
        pytest.skip("told by test_every_module_has_a_place")
    assert not forbidden_imports(module, path.read_text("utf-8"), path)


@pytest.mark.parametrize("module", [m for m in MODULES if layer(m) in PURE])
def test_pure_modules_call_no_io(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    calls = [
        f"line {node.lineno}: {node.func.id}()"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in IO_CALLS
    ]
    assert not calls


# The checker itself: module, its source, what it must say (empty: nothing).
CHECKS: dict[str, tuple[str, str, str]] = {
    "upwards": ("codec", "from clinecli.chat import Delta", ""),
    "upwards-module": ("codec", "from clinecli import chat", ""),
    "upwards-plain": ("codec", "import clinecli.chat", ""),
    "version": ("codec", "from clinecli import __version__", ""),
    "downwards": ("chat", "from clinecli.codec import DONE", "not above chat"),
    "downwards-module": ("chat", "from clinecli import codec", "not above chat"),
    "downwards-plain": ("chat", "import clinecli.codec", "not above chat"),
    "downwards-relative": ("chat", "from .codec import DONE", "not above chat"),
    "downwards-relative-module": ("chat", "from . import codec", "not above chat"),
    "downwards-in-a-function": ("chat", "def f():\n  import clinecli.codec", "not above chat"),
    "downwards-for-types": (
        "chat",
        "if TYPE_CHECKING:\n  from clinecli.codec import DONE",
        "not above chat",
    ),
    "pure-imports-rim": ("render", "from clinecli.stdio import STDERR", "not above render"),
    "itself": ("chat", "import clinecli.chat", "itself"),
    "package-of-files": ("completion.bash", "from clinecli.completion.parameters import TOP", ""),
    "rim-imports-commands": ("client", "import clinecli.commands", "not above client"),
    "package-imports-anything": ("__init__", "from clinecli.errors import X", "not above __init__"),
    "standard-library": ("chat", "import re, json\nfrom urllib.parse import quote", ""),
    "io": ("chat", "import os", "does no I/O"),
    "io-second-name": ("chat", "import re, os.path", "does no I/O"),
    "io-from": ("chat", "from os import environ", "does no I/O"),
    "io-in-a-function": ("chat", "def f():\n  from time import sleep", "does no I/O"),
    "io-submodule": ("chat", "from urllib import request", "does no I/O"),
    "io-at-the-rim": ("stdio", "import os", ""),
    "prefix-is-no-match": ("chat", "import osmium", ""),
    "httpx-in-client": ("client", "def f():\n  import httpx", ""),
    "httpx-elsewhere": ("network", "def f():\n  import httpx", "only client may"),
    "httpx-in-a-command": ("commands.ask", "from httpx import Client", "only client may"),
    "typer-in-cli": ("cli", "import typer", ""),
    "typer-in-main": ("__main__", "from typer import Exit", ""),
    "typer-in-a-command": (
        "commands.ask",
        "import typer",
        "only __main__ and cli and declarations may",
    ),
    "click": ("cli", "import click", "Typer vendors Click"),
    "click-in-typer": ("cli", "from typer import _click", "Typer vendors Click"),
    "click-in-typer-deep": ("cli", "import typer._click.core", "Typer vendors Click"),
    "command-imports-command": (
        "commands.ask",
        "from clinecli.commands.stream import run",
        "another command",
    ),
    "command-imports-command-relative": (
        "commands.ask",
        "from .stream import run",
        "another command",
    ),
    "command-imports-what-is-shared": ("commands.ask", "from clinecli.commands import _chat", ""),
    "shared-imports-command": (
        "commands._chat",
        "from clinecli.commands.ask import run",
        "another command",
    ),
    "command-imports-cli": ("commands.ask", "import clinecli.cli", "not above commands"),
}


@pytest.mark.parametrize(("module", "source", "expected"), CHECKS.values(), ids=CHECKS)
def test_the_checker(module: str, source: str, expected: str) -> None:
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    wrong = forbidden_imports(module, source, path)
    assert bool(wrong) == bool(expected), wrong
    assert all(expected in line for line in wrong)
