"""Arguments to the options of a command, with Typer's parser.

Only the command that runs is built, and of Typer's own objects: reading them off the signature
of a function, as `typer.Typer` does it, takes ten times as long. What Typer would print (help,
version, errors) is text of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperOption

from clinecli.flags.table import (
    COMMANDS,
    HELP,
    TOP,
    Command,
    own_flags,
    shared_flags,
)
from clinecli.flags.values import options_of
from clinecli.options.flag import Flag, Kind

Answer = Callable[[Flag, str], None]
PROGRAM = "clinecli"


class NoCommand(Exception):
    """The first word is no command; `name` is empty where there is none."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def parse(arguments: Sequence[str], answer: Answer) -> tuple[str, Any] | None:
    """The name of the command and its options; None when a flag has been answered.

    `answer(flag, command)` prints what `--help` or `--version` asks for; the command is empty at
    the top. Raises `typer.TyperException`, `NoCommand` or `UsageError` for what is wrong.
    """
    words = list(arguments)
    try:
        if words[0] not in COMMANDS:
            words = _top(answer).make_context(PROGRAM, words).args
        name = words[0] if words else ""
        if name not in COMMANDS:
            raise NoCommand(name)
        command = _build(name, COMMANDS[name], answer)
        with command.make_context(f"{PROGRAM} {name}", words[1:]) as context:
            return name, command.invoke(context)
    except typer.Exit:
        return None


def _top(answer: Answer) -> TyperCommand:
    settings = {"allow_interspersed_args": False, "allow_extra_args": True}
    return _command(PROGRAM, [_question(flag, "", answer) for flag in TOP], settings)


def _build(name: str, command: Command, answer: Answer) -> TyperCommand:
    """The command of one table entry. It gives its options."""
    own, shared = own_flags(name), shared_flags(name)

    def callback(**given: Any) -> Any:
        return options_of(name, own, shared, given)

    flags = [*map(_parameter, (own | shared).values()), _question(HELP, name, answer)]
    # What follows the first word of `mock` belongs to the command that is run.
    settings = {"allow_interspersed_args": not command.passes_words}
    return _command(name, flags, settings, callback)


def _command(
    name: str, parameters: list[Any], settings: dict[str, Any], callback: Any = None
) -> TyperCommand:
    return TyperCommand(
        name,
        params=parameters,
        callback=callback,
        context_settings=settings,
        add_help_option=False,
        rich_markup_mode=None,
    )


def _question(flag: Flag, command: str, answer: Answer) -> TyperOption:
    """A flag that is answered at once, whatever else is on the line."""

    def callback(_context: Any, _parameter: Any, given: bool) -> None:
        if given:
            answer(flag, command)
            raise typer.Exit

    return TyperOption(
        param_decls=[flag.field, *flag.names],
        is_flag=True,
        default=False,
        is_eager=True,
        expose_value=False,
        callback=callback,
    )


def _parameter(flag: Flag) -> TyperOption | TyperArgument:
    if flag.is_argument:
        return TyperArgument(
            param_decls=[flag.field],
            type=str,
            nargs=-1 if flag.repeatable else 1,
            required=flag.required,
            metavar=flag.value_name,
        )
    names = [flag.field, *flag.names]
    if flag.kind is Kind.SWITCH:
        return TyperOption(param_decls=names, is_flag=True, default=False)
    return TyperOption(param_decls=names, type=str, multiple=flag.repeatable)
