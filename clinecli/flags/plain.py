"""Plain command lines, read off the table of flags without Typer, whose import takes a third of
a whole `ask`.

Plain is: a command, flags by their full names or their letter, each in a word of its own, values
that are there, and arguments. Everything else is Typer's: help, slips, and what is wrong. The tests
hold the two against each other on arbitrary command lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clinecli.flags.table import COMMANDS, own_flags, shared_flags
from clinecli.flags.values import options_of
from clinecli.options.flag import Flag, Kind


def parse(arguments: Sequence[str]) -> tuple[str, Any] | None:
    """The name of the command and its options; None for what is not plain.

    Raises `UsageError` for a value that is wrong.
    """
    name = arguments[0] if arguments else ""
    if name not in COMMANDS or COMMANDS[name].passes_words:
        return None
    own, shared = own_flags(name), shared_flags(name)
    flags = own | shared
    given = {field: _not_given(flag) for field, flag in flags.items()}
    words = _take_flags(iter(arguments[1:]), flags, given)
    if words is None or not _take_arguments(words, flags, given):
        return None
    return name, options_of(name, own, shared, given)


def _not_given(flag: Flag) -> Any:
    if flag.kind is Kind.SWITCH:
        return False
    return [] if flag.repeatable else None


def _take_flags(
    arguments: Iterator[str], flags: Mapping[str, Flag], given: dict[str, Any]
) -> list[str] | None:
    """Put the values of flags into `given`; gives the other words."""
    names = {name: flag for flag in flags.values() for name in flag.names}
    words: list[str] = []
    for word in arguments:
        if word == "--":
            return [*words, *arguments]
        if word[:1] != "-" or word == "-":
            words.append(word)
            continue
        name, equals, value = word.partition("=") if word[:2] == "--" else (word, "", "")
        flag = names.get(name)
        if flag is None:
            return None
        if flag.kind is Kind.SWITCH:
            if equals:
                return None
            given[flag.field] = True
            continue
        if not equals:
            following = next(arguments, None)
            if following is None:
                return None
            value = following
        if flag.repeatable:
            given[flag.field].append(value)
        else:
            given[flag.field] = value
    return words


def _take_arguments(words: list[str], flags: Mapping[str, Flag], given: dict[str, Any]) -> bool:
    """Put the words that are no flags where they belong. False when there is no place for them,
    or when one is missing."""
    argument = next((flag for flag in flags.values() if flag.is_argument), None)
    if argument is None:
        return not words
    if argument.repeatable:
        given[argument.field] = words
    elif words:
        given[argument.field] = words[0]
    return bool(words or not argument.required) and (argument.repeatable or len(words) < 2)
