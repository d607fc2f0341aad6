"""The command line: declarations to Typer commands, and arguments to one frozen object.

Only the command that runs is built, and only then is its module imported: building all of
them would cost a quarter of the start-up time.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer
from typer.core import TyperGroup

from clinecli import __version__
from clinecli.errors import ClinecliError, ExitStatus, UsageError
from clinecli.flags.table import COMMANDS, NETWORK, CommandSpec
from clinecli.options import NetworkOptions
from clinecli.streams.stdio import STDERR, is_terminal

CONTEXT = {"help_option_names": ["-h", "--help"]}
_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}


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
    for name in ("base_url", "key_file", "proxy", "ca_file"):
        value = getattr(network, name)
        # A URL may carry a password, and a key may stand where the name of its file belongs.
        is_secret = value and ("@" in value or (name == "key_file" and not is_path(value)))
        if value is not None and not is_secret:
            words += [f"--{name.replace('_', '-')}", shlex.quote(value)]
    return f"`{' '.join(words)}`"


_EXIT_STATUSES = "\n".join(
    [
        "\b",
        "Exit statuses:",
        *(f"  {status:>3}  {status.when}" for status in ExitStatus),
        "  130, 141, 143  died of SIGINT, of a closed pipe, of SIGTERM",
    ]
)


def _build(name: str, spec: CommandSpec) -> Any:
    """The Typer command of one table entry."""
    has_network = "network" in spec.options._fields
    parameters = [
        *_parameters(spec.options, spec.flags, spec.leave_out),
        *(_parameters(NetworkOptions, NETWORK) if has_network else ()),
    ]

    def command(**values: Any) -> Invocation:
        _refuse_empty(values, NETWORK | spec.flags)
        if has_network:
            network = {name: values.pop(name) for name in NETWORK}
            values["network"] = NetworkOptions(**network)
        return Invocation(name, spec.options(**values))

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    settings: dict[str, Any] = dict(CONTEXT)
    if spec.passes_words:
        # What follows the first word belongs to the command that is run.
        settings["allow_interspersed_args"] = False
    single = typer.Typer(**_PLAIN)
    help_text = f"{spec.summary}\n\n{spec.help}"
    single.command(name, help=help_text, context_settings=settings)(command)
    return typer.main.get_command(single)


def _refuse_empty(values: dict[str, Any], flags: dict[str, Any]) -> None:
    """Refuse `--schema "$UNSET"`: an option that is given has to count."""
    for name, value in values.items():
        metavar = flags[name].metavar or ""
        if "FILE" not in metavar and metavar != "ID":
            continue
        if value == "" or (isinstance(value, list) and "" in value):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} is empty", hint=f"give it a value: {flag} {metavar}")


def _parameters(
    kind: Any, flags: dict[str, Any], leave_out: frozenset[str] = frozenset()
) -> list[inspect.Parameter]:
    """The fields of an options class as Typer parameters, in the order of the table."""
    hints = get_type_hints(kind)
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=kind._field_defaults.get(name, inspect.Parameter.empty),
            annotation=Annotated[hints[name], flag],
        )
        for name, flag in flags.items()
        if name not in leave_out
    ]


class _Commands(MutableMapping[str, Any]):
    """Commands by name, built when they are looked up."""

    def __getitem__(self, name: str) -> Any:
        return _build(name, COMMANDS[name])

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __setitem__(self, name: str, command: Any) -> None:
        raise TypeError("commands are declared in COMMANDS")

    def __delitem__(self, name: str) -> None:
        raise TypeError("commands are declared in COMMANDS")


class _Group(TyperGroup):
    """The top level. Its help lists the commands without building them."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = _Commands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, spec.summary) for name, spec in COMMANDS.items()])


app = typer.Typer(cls=_Group, context_settings=CONTEXT, **_PLAIN)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clinecli {__version__}")
        raise typer.Exit


@app.callback(epilog=_EXIT_STATUSES)
def _top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """The Cline API for shells and CI: text in, text out.

    Status 0 means a complete, non-empty answer.
    """


def parse(arguments: Sequence[str]) -> Invocation | None:
    """What a command line asks for; None when `--help` or `--version` has answered it.

    Raises `typer.TyperException` for a command line that is wrong.
    """
    result = app(args=list(arguments), prog_name="clinecli", standalone_mode=False)
    return result if isinstance(result, Invocation) else None


def help_text() -> str:
    """The help of the top level."""
    group = typer.main.get_command(app)
    with group.make_context("clinecli", [], resilient_parsing=True) as context:
        return group.get_help(context)
