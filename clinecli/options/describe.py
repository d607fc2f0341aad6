"""The flag of `describe`."""

from typing import Annotated, NamedTuple

from clinecli.options.flag import Flag, Group


class DescribeOptions(NamedTuple):
    """The flag of `describe`, which prints JSON with and without it."""

    json: Annotated[
        bool, Flag(Group.OUTPUT, "Without effect: the output is always JSON.", short="j")
    ] = False
