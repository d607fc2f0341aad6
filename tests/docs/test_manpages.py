"""The man pages: complete, clean for both formatters, and every example in them works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from clinecli.batch.summary import End, summary_object
from clinecli.batch.tally import Tally
from clinecli.config.settings import CONFIG_KEYS
from clinecli.errors import ExitStatus
from clinecli.flags.table import COMMANDS, all_flags
from tests.helpers.env import ROOT
from tests.helpers.shell import bash, with_clinecli

PAGES = sorted((ROOT / "man").glob("*.1"))
PROSE = sorted((ROOT / "man/prose").glob("clinecli*.md"))
SECTIONS = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "EXAMPLES",
    "SEE ALSO",
]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def plain(page: Path) -> str:
    """A page without its fonts and escapes."""
    text = re.sub(r"\\f[BIPR]", "", page.read_text("ascii"))
    return text.replace(r"\-", "-").replace(r"\(aq", "'").replace(r"\&", "").replace(r"\%", "")


@each_page
def test_no_markup_is_left(page: Path) -> None:
    text = re.sub(r"^\.EX\n.*?^\.EE\n", "", plain(page), flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"`|\*|^@", text, re.MULTILINE)


def test_every_command_has_a_page() -> None:
    names = {page.name for page in PAGES}
    assert names == {"clinecli.1", *(f"clinecli-{command}.1" for command in COMMANDS)}


@each_page
def test_sections(page: Path) -> None:
    found = re.findall(r'^\.SH "?([A-Z ]+)', plain(page), re.MULTILINE)
    assert [section for section in found if section in SECTIONS] == SECTIONS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_explained(command: str) -> None:
    text = plain(ROOT / f"man/clinecli-{command}.1")
    for flag in all_flags(command):
        assert re.search(rf"^\.TP\n{re.escape(', '.join(flag.names))}\b", text, re.MULTILINE)


@pytest.mark.parametrize("command", ["", "ask", "stream", "doctor"])
def test_every_status_is_explained(command: str) -> None:
    text = plain(ROOT / "man" / (f"clinecli-{command}.1" if command else "clinecli.1"))
    for status in ExitStatus:
        assert re.search(rf"^\.TP\n{int(status)}\b", text, re.MULTILINE), status


@each_page
def test_every_page_explains_the_signals(page: Path) -> None:
    assert re.search(r"^\.TP\n130, 141, 143$", plain(page), re.MULTILINE)


def test_page_of_the_doctor_has_the_doctors_defaults() -> None:
    text = " ".join(plain(ROOT / "man/clinecli-doctor.1").split())
    assert "Seconds for all checks of the network together. Default: 600." in text
    assert "Seconds to connect. Default: 10." in text
    assert "Without effect: nothing is tried again." in text


def test_every_member_of_the_summary_is_explained() -> None:
    text = (ROOT / "man/prose/clinecli-batch.md").read_text("utf-8")
    section = text.partition("\n### Summary\n")[2].partition("\n### ")[0]
    end = End(Tally(), None, 0, 0.0, resumes=False)
    assert {*re.findall(r"`(\w+)`", section)} == {*summary_object(end, 0)}


def test_every_key_of_the_config_file_is_explained() -> None:
    text = plain(ROOT / "man/clinecli.1")
    terms = " ".join(re.findall(r"^\.TP\n(.*)", text, re.MULTILINE))
    assert not [key for key in CONFIG_KEYS if not re.search(rf"\b{key}\b", terms)]


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
@each_page
def test_mandoc_has_nothing_to_say(page: Path) -> None:
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def has_man() -> bool:
    # Slim images have a stand-in that says that there is no manual.
    if not shutil.which("man"):
        return False
    version = subprocess.run(["man", "--version"], capture_output=True, text=True, check=False)
    return version.stdout.startswith("man ")


@pytest.mark.skipif(not has_man(), reason="man is not installed")
@each_page
def test_man_shows_it(page: Path) -> None:
    done = subprocess.run(
        ["man", "--warnings", "-l", page],
        env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    assert all(section in done.stdout for section in SECTIONS)
    # Nothing that is typed is cut or turned into a typographic character.
    shown = " ".join(done.stdout.split())
    for example in (each for each in EXAMPLES if each.page == page.stem):
        assert " ".join(example.script.split()) in shown


def test_the_wheel_has_every_generated_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    places = {
        "clinecli.bash": "share/bash-completion/completions/clinecli",
        "_clinecli": "share/zsh/site-functions/_clinecli",
        "clinecli.fish": "share/fish/vendor_completions.d/clinecli.fish",
    }
    expected = {f"completions/{name}": place for name, place in places.items()}
    expected |= {f"man/{page.name}": f"share/man/man1/{page.name}" for page in PAGES}
    assert shared == expected


class Example(NamedTuple):
    """Commands of a page, and what is said before them."""

    page: str
    text: str
    script: str

    @property
    def status(self) -> int:
        named = re.search(r"\bstatus (?:is )?(\d+)", self.text)
        return int(named[1]) if named else 0


def examples(prose: Path) -> Iterator[Example]:
    section = prose.read_text("utf-8").split("\n## EXAMPLES\n")[1].split("\n## ")[0]
    blocks = section.strip("\n").split("\n\n")
    for text, script in zip(blocks[::2], blocks[1::2], strict=True):
        assert not text.startswith("    ")
        assert script.startswith("    ")
        yield Example(prose.stem, text, re.sub("^    ", "", script, flags=re.MULTILINE))


EXAMPLES = [example for prose in PROSE for example in examples(prose)]
FILES = {
    "build.log": b"error: expected ';' before '}'\n",
    "main.py": b"print(6 * 7)\n",
    "notes.txt": b"The answer is 42.\n",
    "chart.png": b"\x89PNG\r\n\x1a\n",
    "rows.jsonl": b'{"id": "a", "prompt": "hi"}\n{"id": "b", "prompt": "ho"}\n',
    "texts.csv": b"text\nhello\n",
    "city.json": b'{"type": "object", "required": ["city"]}',
    "review.prompt.yml": b"messages: [{role: user, content: '{{language}}: {{change}}'}]\n",
    "gateway.key": b"s3cr3t\n",
    "request.json": b'{"messages": [{"role": "user", "content": "hi"}]}',
}
_COMMANDS = ("jq", "curl", "git")


@pytest.fixture
def desk(tmp_path: Path, env: dict[str, str]) -> Path:
    """A directory with the files that the examples speak of, and a change that is staged."""
    desk = tmp_path / "desk"
    desk.mkdir()
    for name, content in FILES.items():
        (desk / name).write_bytes(content)
    if shutil.which("git"):
        for command in (["init", "-q"], ["add", "notes.txt"]):
            subprocess.run(["git", *command], cwd=desk, env=env, check=True)
        (desk / "notes.txt").write_bytes(b"The answer is 43.\n")
    return desk


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.page}: {each.text[:50]}")
def test_example(example: Example, env: dict[str, str], tmp_path: Path, desk: Path) -> None:
    for command in _COMMANDS:
        if re.search(rf"\b{command}\b", example.script) and not shutil.which(command):
            pytest.skip(f"{command} is not installed")
    done = bash(example.script, with_clinecli(tmp_path, env), desk, flags=("-o", "pipefail"))
    assert done.returncode == example.status, done
    assert b"Traceback" not in done.stderr
