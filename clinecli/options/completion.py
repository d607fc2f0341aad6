"""The argument of `completion`."""

from typing import Annotated, NamedTuple

from clinecli.options.flag import Flag, Group

SHELLS = ("bash", "zsh", "fish")


class CompletionOptions(NamedTuple):
    """The argument of `completion`."""

    shell: Annotated[
        str,
        Flag(
            Group.INPUT,
            "The shell to complete in.",
            choices=dict.fromkeys(SHELLS, ""),
            is_argument=True,
        ),
    ]
