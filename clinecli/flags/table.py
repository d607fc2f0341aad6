"""The table of commands. Their flags are the fields of their options, in `clinecli.options`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

from clinecli.errors import ExitStatus
from clinecli.options.flag import Flag, Group, Kind, flags_of


class Command(NamedTuple):
    """A command: what it is for, and the class of its options, as `MODULE.CLASS`.

    `leave_out` are fields that another command with the same options has alone, `meanings` what
    is different in the rows of shared flags that mean something of their own here, `outcomes` what
    an exit status means here where the words of `ExitStatus`, which are those of `ask`, do not fit.
    `excludes` are pairs of fields of which a call may have one, `needs` fields that have no effect
    without one of others. With `passes_words`, what follows the first word belongs to another
    program.
    """

    options: str
    summary: str
    help: str
    examples: tuple[str, ...]
    leave_out: frozenset[str] = frozenset()
    meanings: Mapping[str, Mapping[str, Any]] = {}
    outcomes: Mapping[ExitStatus, str] = {}
    excludes: tuple[tuple[str, str], ...] = ()
    needs: Mapping[str, tuple[str, ...]] = {}
    passes_words: bool = False


_TWO_REQUESTS = ("request", "prompt_file")

COMMANDS: dict[str, Command] = {
    "ask": Command(
        "chat.ChatOptions",
        "Ask once and print the whole reply.",
        "The message is PROMPT, a blank line, then stdin. Status 0 means a complete, "
        "non-empty answer.",
        (
            "clinecli ask 'What is the capital of France?'",
            "git diff | clinecli ask -s 'You review code.' 'What is wrong here?'",
        ),
        excludes=(_TWO_REQUESTS, ("extract", "json")),
        # A prompt file, or a whole request, may bring the schema.
        needs={"repair": ("schema", "prompt_file", "request")},
    ),
    "stream": Command(
        "chat.ChatOptions",
        "Ask once and print the reply as it comes.",
        "Like `ask`, but each piece is printed before the next one is read.",
        (
            "clinecli stream 'Tell me a story.'",
            "clinecli stream -f main.py -m openai/gpt-4o-mini 'Explain this program.'",
        ),
        leave_out=frozenset({"extract", "repair"}),
        excludes=(_TWO_REQUESTS,),
    ),
    "batch": Command(
        "batch.BatchOptions",
        "Ask many: a request for each row of a file.",
        "JSONL in, JSONL out, in the form of the Batch API. Status 0 means that every row has a "
        "complete answer; otherwise it is that of the most frequent failure. With --output, the "
        "same command continues what was interrupted, and pays for nothing twice.",
        (
            "clinecli batch rows.jsonl -o replies.jsonl",
            "clinecli batch --lines -s 'Error, warning or noise? One word.' --text < build.log",
        ),
        meanings={"timeout": {"help": "Seconds for a row, retries included."}},
        outcomes={ExitStatus.OK: "every row has a complete, non-empty answer"},
        excludes=(
            ("lines", "csv"),
            ("restart", "keep_failed"),
            ("estimate", "dry_run"),
            ("template", "prompt_file"),
            ("merge", "text"),
        ),
    ),
    "models": Command(
        "models.ModelsOptions",
        "List the models that can be asked.",
        "In a pipe: id, context length, input and output price in USD per million tokens and "
        "tags, separated by tabs. Status 1 when no model matches. The list is cached for a day.",
        (
            "clinecli models claude",
            "clinecli models --vision --max-price 5 --sort price --ids",
        ),
        outcomes={
            ExitStatus.OK: "at least one model matches",
            ExitStatus.INTERNAL: "no model matches; or a bug of clinecli, or local output failed",
        },
        excludes=(("ids", "json"), ("refresh", "offline")),
    ),
    "doctor": Command(
        "doctor.DoctorOptions",
        "Find out why nothing works, and what to do.",
        "Checks settings, key, network, account and credit, in this order, names the root "
        "cause, and exits with its status. A key_command takes its own time.",
        (
            "clinecli ask 'Hello' || clinecli doctor",
            "clinecli doctor --json net.dns net.tls",
        ),
        meanings={
            "idle_timeout": {"help": "Seconds between bytes of an answer."},
            "timeout": {"help": "Seconds for all checks of the network together."},
            "retries": {"help": "Without effect: nothing is tried again.", "default": None},
            "verbose": {
                "help": "Show requests and timings on stderr, and in the report the details and "
                "the duration of every check.",
            },
        },
        outcomes={
            ExitStatus.OK: "no check fails; there may be warnings",
            ExitStatus.INTERNAL: "with --strict, there are warnings; else a bug of clinecli, or "
            "local output failed",
        },
        excludes=(("json", "markdown"), ("wait", "watch")),
        needs={"count": ("watch",)},
    ),
    "mock": Command(
        "mock.MockOptions",
        "Run a local double of the API.",
        "With COMMAND: run it against the mock and exit with its status. With --port: serve "
        "until interrupted; the first line on stdout is the base URL.",
        (
            "clinecli mock -- clinecli ask 'Hello'",
            "clinecli mock --fault rate-limit:1 -- clinecli ask 'Hello'",
        ),
        passes_words=True,
    ),
    "completion": Command(
        "completion.CompletionOptions",
        "Print the completion script of a shell.",
        "Put it where the shell looks for completions. No file of yours is changed.",
        (
            "clinecli completion bash > ~/.local/share/bash-completion/completions/clinecli",
            "clinecli completion fish > ~/.config/fish/completions/clinecli.fish",
        ),
    ),
    "describe": Command(
        "describe.DescribeOptions",
        "Describe commands, flags and exit statuses as JSON.",
        "For programs that build or check command lines. Keys are only ever added.",
        (
            "clinecli describe | jq -r '.commands[].name'",
            "clinecli describe | jq '.exit_statuses[] | select(.status == 5)'",
        ),
    ),
    "help": Command(
        "help.HelpOptions",
        "Explain a command.",
        "Prints what --help of COMMAND prints; without COMMAND, the list of commands.",
        ("clinecli help ask", "clinecli help"),
    ),
}

_SWITCH = Flag(Group.INSPECT, "", kind=Kind.SWITCH, value_type=bool, unset=False)
HELP = _SWITCH._replace(help="Show the help and exit.", short="h", field="help")
VERSION = _SWITCH._replace(help="Print the version.", field="version")
TOP = (HELP, VERSION)


def options_class(name: str) -> Any:
    """The class of a command's options; only now is its module imported."""
    module, _, class_name = COMMANDS[name].options.partition(".")
    return getattr(import_module(f"clinecli.options.{module}"), class_name)


def own_flags(name: str) -> dict[str, Flag]:
    """The argument and the flags of a command by field, without those of the network."""
    left_out = COMMANDS[name].leave_out
    flags = flags_of(options_class(name))
    return {field: _named(flag) for field, flag in flags.items() if field not in left_out}


def _named(flag: Flag) -> Flag:
    """A flag whose choices are our commands has them from here."""
    if flag.kind is not Kind.SUBCOMMAND:
        return flag
    summaries = {name: command.summary.rstrip(".") for name, command in COMMANDS.items()}
    return flag._replace(kind=Kind.WORDS, metavar=flag.value_name, choices=summaries)


def shared_flags(name: str) -> dict[str, Flag]:
    """The flags that a command shares with all that talk to the API, by field."""
    if "network" not in options_class(name)._fields:
        return {}
    from clinecli.options.common import NetworkOptions

    meanings = COMMANDS[name].meanings
    return {
        field: flag._replace(**meanings.get(field, {}))
        for field, flag in flags_of(NetworkOptions).items()
    }


def parameters(name: str) -> list[Flag]:
    """The argument and every flag of a command, `--help` last."""
    return [*own_flags(name).values(), *shared_flags(name).values(), HELP]


def all_flags(name: str) -> list[Flag]:
    """Every flag of a command, `--help` last."""
    return [flag for flag in parameters(name) if not flag.is_argument]


def argument(name: str) -> Flag | None:
    """The argument of a command, if it takes one."""
    return next((flag for flag in parameters(name) if flag.is_argument), None)


def exit_statuses(name: str = "") -> dict[ExitStatus, str]:
    """What each exit status means, in general or for a command."""
    outcomes = COMMANDS[name].outcomes if name else {}
    return {status: outcomes.get(status, status.when) for status in ExitStatus}


def usage(name: str) -> str:
    """The line that shows how a command is written."""
    operand = argument(name)
    return f"clinecli {name} [OPTION]... {operand.usage if operand else ''}".rstrip()
