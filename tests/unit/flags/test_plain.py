"""Plain command lines are read as Typer reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import ClinecliError
from clinecli.flags import parser, plain
from clinecli.flags.table import COMMANDS, all_flags
from clinecli.options.flag import Flag

# Values that some flag takes, that none takes, and that look like something else.
FLAGLIKE = ["", "-", "--", "-1", "-m", "--json", "--no-such"]
LIKELY = [*FLAGLIKE, "x", "0.5", "1", "3", "a=b", "high", "é", "@f"]
VALUES = st.sampled_from(LIKELY) | st.text(max_size=4)


def outcome(parse: Callable[[], Any]) -> Any:
    """What a parser gives, or the error that it tells."""
    try:
        return parse()
    except ClinecliError as error:
        return type(error), error.message, error.hints
    except Exception as error:
        return type(error)


def no_answer(_flag: Flag, _command: str) -> None:
    raise AssertionError("a flag was answered that was not plain")


def both(words: list[str]) -> tuple[Any, Any]:
    return outcome(lambda: plain.parse(words)), outcome(lambda: parser.parse(words, no_answer))


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command and words, of which most are its flags."""
    name = draw(st.sampled_from(sorted(COMMANDS)))
    names = [spelling for flag in all_flags(name) for spelling in flag.names]
    spelled = st.sampled_from(names)
    words = st.one_of(
        spelled,
        VALUES,
        st.tuples(spelled, VALUES).map("=".join),
        st.tuples(spelled, VALUES).map("".join),
        spelled.map(lambda spelling: spelling[:-1]),
    )
    return [name, *draw(st.lists(words, max_size=6))]


@given(command_lines())
def test_what_is_plain_is_read_as_typer_reads_it(words: list[str]) -> None:
    ours, theirs = both(words)
    assert ours is None or ours == theirs


PLAIN = {
    "a prompt": ["ask", "hi", "there"],
    "nothing": ["ask"],
    "flags": ["ask", "-m", "x/y", "--json", "--temperature=0.5", "-f", "a", "-f", "b", "hi"],
    "a value that looks like a flag": ["ask", "-s", "--json", "hi"],
    "a value that ends flags": ["ask", "-s", "--", "hi"],
    "words that look like flags": ["ask", "--", "--json", "-x"],
    "stdin": ["ask", "-"],
    "the last of two": ["ask", "-m", "a/b", "--model", "c/d"],
    "an empty value": ["ask", "--proxy", "", "hi"],
    "shared flags": ["stream", "-q", "--timeout", "5", "hi"],
    "an argument of one word": ["completion", "bash"],
    "a bad number": ["ask", "-t", "3", "hi"],
    "a bad choice": ["completion", "tcsh"],
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain(name: str) -> None:
    ours, theirs = both(PLAIN[name])
    assert ours == theirs
    assert ours is not None


NOT_PLAIN = {
    "no command": [],
    "a top flag": ["--version"],
    "a slip": ["aks", "hi"],
    "help": ["ask", "--help"],
    "help at last": ["ask", "hi", "-h"],
    "an unknown flag": ["ask", "--colour", "hi"],
    "a flag cut short": ["ask", "--js", "hi"],
    "letters in one word": ["ask", "-qj", "hi"],
    "a letter and its value": ["ask", "-mx/y", "hi"],
    "a switch with a value": ["ask", "--json=yes", "hi"],
    "a missing value": ["ask", "hi", "-m"],
    "a missing argument": ["completion"],
    "one argument too many": ["completion", "bash", "zsh"],
    "words of another program": ["mock", "--", "clinecli", "ask", "hi"],
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_is_left_to_typer(name: str) -> None:
    assert plain.parse(NOT_PLAIN[name]) is None
