"""`completion`: the completion script of a shell."""

from __future__ import annotations

from clinecli.errors import ExitStatus
from clinecli.flags.completion import SCRIPTS
from clinecli.options.completion import CompletionOptions
from clinecli.streams.stdout import StdoutSink


def run(options: CompletionOptions) -> int:
    """Print the script."""
    stdout = StdoutSink()
    stdout.write(SCRIPTS[options.shell]().encode())
    stdout.commit()
    return ExitStatus.OK
