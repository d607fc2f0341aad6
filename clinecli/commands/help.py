"""`help`: what `--help` prints."""

from __future__ import annotations

from clinecli.errors import ExitStatus
from clinecli.flags.helptext import help_of, width
from clinecli.flags.table import COMMANDS
from clinecli.options.help import HelpOptions
from clinecli.streams.stdout import StdoutSink


def run(options: HelpOptions) -> int:
    """Print the help of a command, or of the top level. Raises `UsageError`."""
    name = options.command or ""
    if name and name not in COMMANDS:
        from clinecli.flags.slips import no_command

        raise no_command(name, otherwise="")
    stdout = StdoutSink()
    stdout.write(help_of(name, width()).encode())
    stdout.commit()
    return ExitStatus.OK
