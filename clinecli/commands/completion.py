"""`completion`: the completion script of a shell."""

from __future__ import annotations

from clinecli.errors import ExitStatus, UsageError
from clinecli.flags.completion import SCRIPTS
from clinecli.options.completion import CompletionOptions
from clinecli.streams.stdio import StdoutSink


def run(options: CompletionOptions) -> int:
    """Print the script. Raises `UsageError` for a shell that has none."""
    script = SCRIPTS.get(options.shell)
    if script is None:
        raise UsageError(
            f"no completion for {options.shell!r}", hint=f"one of {', '.join(SCRIPTS)}"
        )
    stdout = StdoutSink()
    stdout.write(script().encode())
    stdout.commit()
    return ExitStatus.OK
