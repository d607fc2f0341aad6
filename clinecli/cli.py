"""Typer declarations: every command, flag and help text, as tables.

A command's parameters are the fields of its options class (`options.py`); the tables here say
how each field is written on the command line. Only the command that runs is built, and only
then is its module imported: building all of them would cost as much as a request.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer
from typer.core import TyperGroup

from clinecli import __version__, options
from clinecli.errors import ExitStatus
from clinecli.settings import DEFAULT_MODEL

CONTEXT = {"help_option_names": ["-h", "--help"]}
_PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
}

_BASE_URL = typer.Option(
    "--base-url", metavar="URL", help="The API's host or root. [env: CLINE_API_BASE_URL]"
)
NETWORK: dict[str, Any] = {
    "base_url": _BASE_URL,
    "key_file": typer.Option("--key-file", metavar="FILE", help="Read the API key from FILE."),
    "proxy": typer.Option(
        "--proxy", metavar="URL", help="Proxy to use instead of HTTPS_PROXY; '' for none."
    ),
    "ca_file": typer.Option(
        "--ca-file", metavar="FILE", help="Trust these CAs (PEM) instead of the system's."
    ),
    "connect_timeout": typer.Option(
        "--connect-timeout", metavar="S", help="Seconds to connect. [default: 10]"
    ),
    "idle_timeout": typer.Option(
        "--idle-timeout", metavar="S", help="Seconds between bytes of the reply. [default: 120]"
    ),
    "timeout": typer.Option(
        "--timeout", metavar="S", help="Seconds for all of it, retries included. [default: 600]"
    ),
    "retries": typer.Option("--retries", metavar="N", help="How often to try again. [default: 3]"),
    "verbose": typer.Option("-v", "--verbose", help="Show requests and timings on stderr."),
    "quiet": typer.Option("-q", "--quiet", help="No notes and no progress on stderr."),
}

CHAT: dict[str, Any] = {
    "prompt": typer.Argument(
        metavar="[PROMPT]...",
        help="The message; stdin is appended. '-' is stdin alone.",
        show_default=False,
    ),
    "no_stdin": typer.Option("--no-stdin", help="Do not read stdin."),
    "model": typer.Option(
        "-m", "--model", metavar="ID", help=f"Model. [env: CLINE_MODEL; default: {DEFAULT_MODEL}]"
    ),
    "system": typer.Option("-s", "--system", metavar="TEXT", help="System message."),
    "system_file": typer.Option("--system-file", metavar="FILE", help="System message from FILE."),
    "file": typer.Option(
        "-f", "--file", metavar="FILE", help="Attach a text file by name; repeatable."
    ),
    "image": typer.Option("-i", "--image", metavar="FILE|URL", help="Attach an image; repeatable."),
    "temperature": typer.Option(
        "-t", "--temperature", metavar="T", min=0.0, max=2.0, help="Randomness, 0 to 2."
    ),
    "max_tokens": typer.Option(
        "--max-tokens", metavar="N", min=1, help="Longest reply, in tokens."
    ),
    "param": typer.Option(
        "-p",
        "--param",
        metavar="KEY=VALUE",
        help="Any other field of the request; VALUE is JSON or text. Repeatable.",
    ),
    "tools": typer.Option("--tools", metavar="FILE", help="Tools, a JSON array."),
    "schema": typer.Option(
        "--schema", metavar="FILE", help="JSON Schema that the reply must satisfy."
    ),
    "messages": typer.Option(
        "--messages", metavar="FILE", help="Earlier turns, a JSON array of messages."
    ),
    "thread": typer.Option(
        "--thread", metavar="FILE", help="Earlier turns; the new one is appended on success."
    ),
    "request": typer.Option(
        "--request", metavar="FILE|-", help="A whole request body; flags win over it."
    ),
    "referer": typer.Option("--referer", metavar="URL", help="HTTP-Referer for usage logs."),
    "title": typer.Option("--title", metavar="TEXT", help="X-Title for usage logs."),
    "json": typer.Option("-j", "--json", help="Print the API's own JSON; errors as JSON too."),
    "extract": typer.Option(
        "-x", "--extract", help="Print only the first fenced code block of the reply."
    ),
    "output": typer.Option(
        "-o", "--output", metavar="FILE", help="Write to FILE, only when complete."
    ),
    "usage": typer.Option("--usage", help="Tokens, cost and seconds on stderr."),
    "reasoning": typer.Option("--reasoning", help="The model's reasoning on stderr."),
    "dry_run": typer.Option("--dry-run", help="Print the request body; send nothing."),
    "curl": typer.Option("--curl", help="Print the curl command for it; send nothing."),
}

MOCK: dict[str, Any] = {
    "command": typer.Argument(
        metavar="[-- COMMAND...]", help="Run COMMAND against the mock.", show_default=False
    ),
    "port": typer.Option(
        "--port", metavar="N", min=0, max=65535, help="Serve on this port; 0 takes a free one."
    ),
    "delay": typer.Option(
        "--delay", metavar="SECONDS", min=0.0, help="Wait before each token.", show_default=False
    ),
    "reply": typer.Option("--reply", metavar="TEXT|@FILE", help="What to answer."),
    "fault": typer.Option(
        "--fault", metavar="NAME[:N]", help="Fail the first N requests, or all. Repeatable."
    ),
    "replay": typer.Option("--replay", metavar="FILE", help="Serve recorded exchanges."),
}


class Invocation(NamedTuple):
    """What a command line asks for. It runs after Typer is done, since Typer turns a closed
    pipe into status 1 and Ctrl-C into an ordinary exit."""

    name: str
    options: Any

    def run(self) -> int:
        """Run the command and return its exit status. Raises `ClinecliError`."""
        module = import_module(f"clinecli.commands.{self.name}")
        return int(module.run(self.options))


class CommandSpec(NamedTuple):
    """A command: its options, its flags, and which module of `clinecli.commands` runs it."""

    options: type[Any]
    flags: dict[str, Any]
    summary: str
    help: str = ""
    leave_out: frozenset[str] = frozenset()
    passes_words: bool = False


COMMANDS: dict[str, CommandSpec] = {
    "ask": CommandSpec(
        options.ChatOptions,
        NETWORK | CHAT,
        "Ask once and print the whole reply.",
        "The message is PROMPT, a blank line, then stdin. Status 0 means a complete, "
        "non-empty answer.",
    ),
    "stream": CommandSpec(
        options.ChatOptions,
        NETWORK | CHAT,
        "Ask once and print the reply as it comes.",
        "As `ask`, but every piece is on stdout before the next one is read.",
        leave_out=frozenset({"extract"}),
    ),
    "mock": CommandSpec(
        options.MockOptions,
        MOCK,
        "Run a local double of the API.",
        "With COMMAND: run it against the mock and exit with its status. With --port: serve "
        "until interrupted; the first line on stdout is the base URL.",
        passes_words=True,
    ),
}

_EXIT_STATUSES = "\n".join(
    ["\b", "Exit statuses:", *(f"  {status:>3}  {status.when}" for status in ExitStatus)]
)


def _build(name: str, spec: CommandSpec) -> Any:
    """The Typer command of one table entry."""
    hints = get_type_hints(spec.options)
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[hints[field.name], spec.flags[field.name]],
        )
        for field in _fields(spec)
    ]

    def command(**values: Any) -> Invocation:
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


def _fields(spec: CommandSpec) -> list[Any]:
    """The dataclass fields that are parameters: the command's own first, in table order."""
    import dataclasses

    fields = {field.name: field for field in dataclasses.fields(spec.options)}
    own = [name for name in spec.flags if name not in NETWORK]
    network = [name for name in spec.flags if name in NETWORK]
    return [fields[name] for name in own + network if name not in spec.leave_out]


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
