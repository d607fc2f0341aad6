"""A command line that is wrong: what is meant, in one line, and where to read on."""

from __future__ import annotations

from collections.abc import Sequence

from clinecli.errors import UsageError
from clinecli.flags.parser import PROGRAM, NoCommand
from clinecli.flags.table import COMMANDS


def explain(error: Exception, arguments: Sequence[str]) -> UsageError:
    """An exception of the parser as an error of ours."""
    if isinstance(error, NoCommand):
        return _no_command(error.name)
    path = PROGRAM if arguments[0] not in COMMANDS else f"{PROGRAM} {arguments[0]}"
    message = getattr(error, "format_message", lambda: str(error))()
    return UsageError(" ".join(message.split()), hint=f"see {path} --help")


def _no_command(name: str) -> UsageError:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    if near:
        return UsageError(
            f"no such command: {name}. Did you mean '{near[0]}'?", hint="see clinecli --help"
        )
    return UsageError(
        f"no such command: {name}",
        hint="see clinecli --help; a question goes to: clinecli ask 'QUESTION'",
    )
