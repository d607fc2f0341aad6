"""What `--help` prints."""

from __future__ import annotations

import re
import shlex

import pytest

from clinecli.cli import parse
from clinecli.flags.helptext import WIDEST, help_of
from clinecli.flags.table import COMMANDS, exit_statuses, parameters, shared_flags
from clinecli.options.common import SETTINGS
from clinecli.options.flag import Group

each_command = pytest.mark.parametrize("command", COMMANDS)


@each_command
@pytest.mark.parametrize("columns", [60, 80, 100])
def test_no_line_is_wider_than_asked(command: str, columns: int) -> None:
    # An example stays on one line, to be copied.
    before, _, after = help_of(command, columns).partition("Examples:")
    lines = [*before.splitlines(), *after.partition("\n\n")[2].splitlines()]
    assert max(map(len, lines)) <= columns


@each_command
def test_every_flag_stands_in_its_group(command: str) -> None:
    sections = re.split(r"^(\S.*):$", help_of(command, WIDEST), flags=re.MULTILINE)
    by_title = dict(zip(sections[1::2], sections[2::2], strict=True))
    for flag in parameters(command):
        name = flag.usage if flag.is_argument else flag.long
        assert re.search(rf"^ .*{re.escape(name)}( |$)", by_title[flag.group], re.MULTILINE)
    order = [title for title in by_title if title in [*Group]]
    assert order == [group for group in Group if group in by_title]


@each_command
def test_values_of_the_rows_are_shown(command: str) -> None:
    text = " ".join(help_of(command, WIDEST).split())
    for flag in parameters(command):
        for name, note in flag.notes.items():
            assert f"{name}: {note}" in text
        assert not flag.choices or all(word in text for word in flag.choices)


def test_defaults_of_the_settings() -> None:
    text = " ".join(help_of("ask", WIDEST).split())
    for field in ("connect_timeout", "idle_timeout", "timeout", "retries"):
        assert f"[default: {SETTINGS[field].default:g}" in text
    assert f"[env: CLINE_MODEL; default: {SETTINGS['model'].default}]" in text


@each_command
def test_two_examples(command: str) -> None:
    examples = COMMANDS[command].examples
    assert len(examples) == 2
    text = help_of(command, WIDEST)
    assert "\nExamples:\n" + "".join(f"  {example}\n" for example in examples) in text


@each_command
def test_examples_parse(command: str) -> None:
    for example in COMMANDS[command].examples:
        words = shlex.split(example, comments=True)
        start = words.index("clinecli")
        end = next((i for i, word in enumerate(words) if i > start and word in "|>||"), None)
        invocation = parse(words[start + 1 : end])
        assert invocation
        assert invocation.name in {command, "ask"}


@pytest.mark.parametrize("command", ["", *(name for name in COMMANDS if shared_flags(name))])
def test_ends_with_the_exit_statuses(command: str) -> None:
    end = help_of(command, WIDEST).partition("Exit statuses:\n")[2]
    for status, when in exit_statuses(command).items():
        assert re.search(rf"^  {int(status)} +{re.escape(when)}$", end, re.MULTILINE)
    assert end.splitlines()[-1].startswith("  130, 141, 143")


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("", 0, "a complete, non-empty reply"),
        ("ask", 0, "a complete, non-empty reply"),
        ("batch", 0, "every row has"),
        ("models", 0, "at least one model"),
        ("models", 1, "no model matches"),
        ("doctor", 0, "no check fails"),
        ("doctor", 1, "with --strict"),
    ],
)
def test_a_status_means_what_it_means_for_this_command(
    command: str, status: int, words: str
) -> None:
    end = help_of(command, WIDEST).partition("Exit statuses:\n")[2]
    assert re.search(rf"^  {status} +{words}", end, re.MULTILINE)


def test_the_top_lists_the_commands() -> None:
    text = help_of("", WIDEST)
    for name, command in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", text, re.MULTILINE)
