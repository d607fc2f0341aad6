"""What the completion scripts and the man pages need to know of each flag and argument."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_type_hints

import clinecli.options
from clinecli.flags.table import NETWORK, CommandSpec
from clinecli.flags.words import CHECKS, FAULTS
from clinecli.options import NetworkOptions


class Parameter(NamedTuple):
    """One flag or argument; an argument has no `names`.

    `takes` says how its value completes: `file`, `at-file` (a file after an @), `model`,
    `command`, `words` (those of `words`, with what they mean) or `text` (not at all). It is
    empty for a flag without a value.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    takes: str
    repeatable: bool = False
    words: Mapping[str, str] = {}

    @property
    def summary(self) -> str:
        """The help without default, variable and full stop."""
        return self.help.partition(" [")[0].rstrip(".")

    @property
    def label(self) -> str:
        """What a shell may call the value."""
        name = self.metavar.strip("[].- |").partition("[")[0]
        return "choice" if name.islower() else name.lower()


HELP = Parameter(("-h", "--help"), "", "Show the help and exit.", "")
TOP = (HELP, Parameter(("--version",), "", "Print the version.", ""))

WORD_LISTS = {"NAME[:N]": FAULTS, "[CHECK]...": CHECKS}
_CHOICE = re.compile(r"[a-z-]+(\|[a-z-]+)+")
# The first pattern that is found in a metavar decides.
_TAKES = (
    (re.compile("@FILE"), "at-file"),
    (re.compile("FILE"), "file"),
    (re.compile("^ID$"), "model"),
    (re.compile("COMMAND"), "command"),
    (re.compile(""), "text"),
)


def own_parameters(spec: CommandSpec) -> list[Parameter]:
    """The flags and the argument of a command, without those of the network."""
    return _parameters(spec.options, spec.flags, spec.leave_out)


def network_flags(spec: CommandSpec) -> list[Parameter]:
    """The network flags, of a command that has them."""
    return _parameters(NetworkOptions, NETWORK) if "network" in spec.options._fields else []


def all_flags(spec: CommandSpec) -> list[Parameter]:
    """Every flag of a command, in the order of its help."""
    return [*(each for each in own_parameters(spec) if each.names), *network_flags(spec), HELP]


def argument(spec: CommandSpec) -> Parameter:
    """The argument of a command."""
    return next(each for each in own_parameters(spec) if not each.names)


def _parameters(
    options: Any, flags: Mapping[str, Any], leave_out: Iterable[str] = ()
) -> list[Parameter]:
    # Not in the class's own namespace, where a field hides the built-in type of its name.
    hints = get_type_hints(options, vars(clinecli.options), {})
    return [
        _parameter(info, hints[field]) for field, info in flags.items() if field not in leave_out
    ]


def _parameter(info: Any, hint: Any) -> Parameter:
    # Typer keeps the first name of an annotated flag where the default would be.
    declared = (info.default, *(info.param_decls or ()))
    metavar = info.metavar or ""
    words = WORD_LISTS.get(metavar, {})
    if _CHOICE.fullmatch(metavar):
        words = dict.fromkeys(metavar.split("|"), "")
    takes = "words" if words else next(takes for form, takes in _TAKES if form.search(metavar))
    return Parameter(
        names=tuple(name for name in declared if isinstance(name, str)),
        metavar=metavar,
        help=info.help,
        takes="" if hint is bool else takes,
        repeatable="list[" in str(hint),
        words=words,
    )
