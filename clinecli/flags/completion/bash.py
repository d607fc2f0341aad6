"""The completion script of bash, 3.2 and later, with or without the bash-completion package."""

from __future__ import annotations

from clinecli.flags.completion.template import fill
from clinecli.flags.table import COMMANDS, HELP, TOP, all_flags, argument
from clinecli.options.flag import Flag, Kind


def script() -> str:
    """The whole script."""
    return fill(
        "clinecli.bash",
        SPECS="\n".join(map(_command, COMMANDS)),
        COMMANDS=" ".join(COMMANDS),
        TOP=" ".join(name for flag in TOP for name in flag.names),
        HELP=" ".join(HELP.names),
    )


def _command(name: str) -> str:
    flags = all_flags(name)
    by_kind: dict[str, list[str]] = {}
    for flag in flags:
        if flag.kind is not Kind.SWITCH:
            by_kind.setdefault(_takes(flag), []).extend(flag.names)
    operand = argument(name)
    return "\n".join(
        [
            f"    {name})",
            f"      options='{' '.join(name for flag in flags for name in flag.names)}'",
            f"      operands='{_takes(operand) if operand else ''}'",
            "      case $2 in",
            *(f"        {'|'.join(names)}) takes='{kind}' ;;" for kind, names in by_kind.items()),
            "      esac ;;",
        ]
    )


def _takes(flag: Flag) -> str:
    kind = Kind.TEXT if flag.kind is Kind.NUMBER else flag.kind
    return " ".join([kind, *flag.choices])
