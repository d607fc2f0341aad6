"""What `--help` prints, as text: the flags in the groups of the man page, examples, statuses."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable

from clinecli.flags.table import COMMANDS, TOP, exit_statuses, parameters, shared_flags, usage
from clinecli.options.flag import Flag, Group

WIDEST = 100
_NARROWEST = 40
# Where the text of a flag begins, unless its names are longer than that.
_COLUMN = 30
_DESCRIPTION = "The Cline API for shells and CI: text in, text out."
_STATUS_ZERO = "Status 0 means a complete, non-empty answer."
SIGNALS = ("130, 141, 143", "died of SIGINT, of a closed pipe, of SIGTERM")


def width() -> int:
    """How wide help is: as the terminal, within limits; 80 where there is none."""
    return max(_NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))


def help_of(name: str, columns: int) -> str:
    """The help of a command; that of the top level without a name."""
    parts = _command(name, columns) if name else _top(columns)
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _top(columns: int) -> list[list[str]]:
    commands = [(name, command.summary) for name, command in COMMANDS.items()]
    return [
        ["Usage: clinecli COMMAND [OPTION]..."],
        _wrapped(_DESCRIPTION, columns),
        _wrapped(_STATUS_ZERO, columns),
        _section("Commands", commands, columns),
        _section("Options", map(_entry, TOP), columns),
        _statuses("", columns),
    ]


def _command(name: str, columns: int) -> list[list[str]]:
    command, flags = COMMANDS[name], parameters(name)
    groups = [
        _section(group, [_entry(flag) for flag in flags if flag.group is group], columns)
        for group in Group
    ]
    return [
        [f"Usage: {usage(name)}"],
        _wrapped(command.summary, columns),
        _wrapped(command.help, columns),
        *groups,
        *(
            _section(flag.long if flag.names else flag.value_name, flag.choices.items(), columns)
            for flag in flags
            if any(flag.choices.values())
        ),
        ["Examples:", *(f"  {example}" for example in command.examples)],
        # Those of `mock` are those of the command that it runs.
        _statuses(name, columns) if shared_flags(name) else [],
    ]


def _entry(flag: Flag) -> tuple[str, str]:
    """The names of a flag, and what it does with its variable and default in brackets."""
    notes = "; ".join(f"{name}: {note}" for name, note in flag.notes.items())
    text = f"{flag.help} [{notes}]" if notes else flag.help
    if flag.is_argument:
        return flag.usage, text
    indent = "" if flag.short else "    "
    return f"{indent}{', '.join(flag.names)} {flag.value_name}".rstrip(), text


def _statuses(name: str, columns: int) -> list[str]:
    rows = [(str(int(status)), when) for status, when in exit_statuses(name).items()]
    return _section("Exit statuses", [*rows, SIGNALS], columns)


def _section(title: str, rows: Iterable[tuple[str, str]], columns: int) -> list[str]:
    """A heading, and a table of two columns under it; nothing without rows."""
    rows = list(rows)
    if not rows:
        return []
    start = min(_COLUMN, columns // 2, 4 + max(len(term) for term, _ in rows))
    lines = [f"{title}:"]
    for term, text in rows:
        first, *rest = _wrapped(text, columns - start)
        if len(term) + 4 > start:
            lines.append(f"  {term}")
            lines.append(" " * start + first)
        else:
            lines.append(f"  {term}".ljust(start) + first)
        lines += [" " * start + line for line in rest]
    return lines


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)
