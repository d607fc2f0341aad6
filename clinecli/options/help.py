"""The argument of `help`."""

from typing import Annotated, NamedTuple

from clinecli.options.flag import Flag, Group, Kind, Text


class HelpOptions(NamedTuple):
    """The argument of `help`."""

    command: Annotated[
        Text,
        Flag(Group.INPUT, "The command to explain.", kind=Kind.SUBCOMMAND, is_argument=True),
    ] = None
