"""The command line: arguments to one frozen object, and the command that it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from clinecli import __version__
from clinecli.errors import ClinecliError, ExitStatus
from clinecli.flags import plain
from clinecli.flags.table import VERSION
from clinecli.options.common import NetworkOptions
from clinecli.options.flag import Flag
from clinecli.streams.descriptors import STDERR, is_terminal
from clinecli.streams.stdout import StdoutSink

# What `doctor` can look into further, and for whom.
_ASKING = frozenset({"ask", "stream", "models"})
_DIAGNOSED = frozenset(
    {
        ExitStatus.CONFIG,
        ExitStatus.AUTH,
        ExitStatus.CREDIT,
        ExitStatus.CONNECTION,
        ExitStatus.TLS,
        ExitStatus.INCOMPLETE,
    }
)


class Invocation(NamedTuple):
    """What a command line asks for. It runs after Typer is done, since Typer turns a closed
    pipe into status 1 and Ctrl-C into an ordinary exit."""

    name: str
    options: Any

    def run(self) -> int:
        """Run the command and return its exit status. Raises `ClinecliError`."""
        module = import_module(f"clinecli.commands.{self.name}")
        try:
            return int(module.run(self.options))
        except ClinecliError as error:
            if self.name in _ASKING and error.status in _DIAGNOSED:
                network: NetworkOptions = self.options.network
                if network.verbose or is_terminal(STDERR):
                    command = doctor_command(network, live=error.status == ExitStatus.INCOMPLETE)
                    raise error.with_hint(f"{command} looks further") from None
            raise


def doctor_command(network: NetworkOptions, *, live: bool) -> str:
    """The command line that diagnoses what a call with these options met."""
    import shlex

    from clinecli.config.keys import is_path

    words = ["clinecli", "doctor", *(["--live"] if live else [])]
    for name in ("profile", "base_url", "key_file", "proxy", "ca_file", "cert", "cert_key"):
        value = getattr(network, name)
        # A URL may carry a password, and a key may stand where the name of its file belongs.
        is_secret = value and ("@" in value or (name == "key_file" and not is_path(value)))
        if value is not None and not is_secret:
            words += [f"--{name.replace('_', '-')}", shlex.quote(value)]
    return f"`{' '.join(words)}`"


def parse(arguments: Sequence[str]) -> Invocation | None:
    """What a command line asks for; None when `--help` or `--version` has answered it.

    Raises `UsageError` for a command line that is wrong.
    """
    result = plain.parse(arguments) or _by_typer(arguments)
    return Invocation(*result) if result else None


def _by_typer(arguments: Sequence[str]) -> tuple[str, Any] | None:
    import typer

    from clinecli.flags import parser

    try:
        return parser.parse(arguments, _answer)
    except (typer.TyperException, parser.NoCommand) as error:
        from clinecli.flags.slips import explain

        raise explain(error, arguments) from None


def _answer(flag: Flag, command: str) -> None:
    """Print the version or the help of a command."""
    text = f"clinecli {__version__}\n" if flag is VERSION else help_text(command)
    stdout = StdoutSink()
    stdout.write(text.encode())
    stdout.commit()


def help_text(command: str = "") -> str:
    """The help of a command, or of the top level."""
    from clinecli.flags.helptext import help_of, width

    return help_of(command, width())
