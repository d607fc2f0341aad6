"""Every command and flag, as tables: how each field of `options.py` is written and explained.

The command line, the completion scripts and the man pages are all made from these. A metavar
says what a value is: FILE is completed as a file, ID as a model, `a|b` as a choice.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import typer

from clinecli.options import (
    DEFAULT_MODEL,
    BatchOptions,
    ChatOptions,
    CompletionOptions,
    DoctorOptions,
    MockOptions,
    ModelsOptions,
)

NETWORK: dict[str, Any] = {
    "base_url": typer.Option(
        "--base-url", metavar="URL", help="The API's host or root. [env: CLINE_API_BASE_URL]"
    ),
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
        "--idle-timeout",
        metavar="S",
        help="Seconds between bytes of the reply. [default: 120 in a stream]",
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
        "-m",
        "--model",
        metavar="ID",
        help=f"Model. [env: CLINE_MODEL; default: {DEFAULT_MODEL}]",
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


MODELS: dict[str, Any] = {
    "words": typer.Argument(
        metavar="[WORD]...", help="Only models with every WORD in id or name.", show_default=False
    ),
    "free": typer.Option(
        "--free", help="Only those listed at price zero; the API may not serve such models."
    ),
    "recommended": typer.Option("--recommended", help="Only those that Cline recommends."),
    "vision": typer.Option("--vision", help="Only those that take images."),
    "tools": typer.Option("--tools", help="Only those that call tools."),
    "reasoning": typer.Option("--reasoning", help="Only those that reason."),
    "min_context": typer.Option(
        "--min-context", metavar="N", min=0, help="Only those with a context of N tokens or more."
    ),
    "max_price": typer.Option(
        "--max-price",
        metavar="USD",
        min=0.0,
        help="Only those whose output costs at most USD per million tokens.",
    ),
    "sort": typer.Option("--sort", metavar="id|price|context|name", help="Order of the list."),
    "reverse": typer.Option("--reverse", help="Turn the order round."),
    "ids": typer.Option("--ids", help="Print ids alone."),
    "json": typer.Option("-j", "--json", help="Print one JSON array, every field of the API kept."),
    "refresh": typer.Option("--refresh", help="Fetch the list anew."),
    "offline": typer.Option("--offline", help="Use the cached list alone."),
}

DOCTOR: dict[str, Any] = {
    "checks": typer.Argument(
        metavar="[CHECK]...", help="Only these checks and what they need.", show_default=False
    ),
    "model": typer.Option(
        "-m",
        "--model",
        metavar="ID",
        help=f"Model. [env: CLINE_MODEL; default: {DEFAULT_MODEL}]",
    ),
    "json": typer.Option("-j", "--json", help="Print the report as JSON."),
    "live": typer.Option("--live", help="Also send one real request; costs a few tokens."),
    "request": typer.Option("--request", metavar="FILE|-", help="Also check this request body."),
    "strict": typer.Option("--strict", help="Warnings end with status 1."),
    "list": typer.Option("--list", help="List the checks and exit."),
}

COMPLETION: dict[str, Any] = {
    "shell": typer.Argument(metavar="bash|zsh|fish", help="The shell to complete in."),
}


BATCH: dict[str, Any] = {
    "words": typer.Argument(metavar="[FILE]", show_default=False),
    **{
        name: typer.Option(
            *(("-" + short,) if (short := {"output": "o", "model": "m", "system": "s", "temperature": "t", "param": "p", "jobs": "J"}.get(name)) else ()),
            "--" + name.replace("_", "-"),
        )
        for name in BatchOptions._fields
        if name not in {"words", "network"}
    },
}


class CommandSpec(NamedTuple):
    """A command: its options, its flags, and which module of `clinecli.commands` runs it."""

    options: Any
    flags: dict[str, Any]
    summary: str
    help: str = ""
    leave_out: frozenset[str] = frozenset()
    passes_words: bool = False


COMMANDS: dict[str, CommandSpec] = {
    "ask": CommandSpec(
        ChatOptions,
        CHAT,
        "Ask once and print the whole reply.",
        "The message is PROMPT, a blank line, then stdin. Status 0 means a complete, "
        "non-empty answer.",
    ),
    "stream": CommandSpec(
        ChatOptions,
        CHAT,
        "Ask once and print the reply as it comes.",
        "As `ask`, but every piece is on stdout before the next one is read.",
        leave_out=frozenset({"extract"}),
    ),
    "batch": CommandSpec(BatchOptions, BATCH, "Ask many."),
    "models": CommandSpec(
        ModelsOptions,
        MODELS,
        "List the models that can be asked.",
        "In a pipe: id, context length, input and output price in USD per million tokens and "
        "tags, separated by tabs. Status 1 when no model matches. The list is cached for a day.",
    ),
    "doctor": CommandSpec(
        DoctorOptions,
        DOCTOR,
        "Find out why nothing works, and what to do.",
        "Checks settings, key, network, account and credit, in this order, names the root "
        "cause, and exits with its status. A network stage has 3 s (--connect-timeout), all of "
        "them have 15 s (--timeout), and nothing is tried twice. A key_command takes its own "
        "time.",
    ),
    "mock": CommandSpec(
        MockOptions,
        MOCK,
        "Run a local double of the API.",
        "With COMMAND: run it against the mock and exit with its status. With --port: serve "
        "until interrupted; the first line on stdout is the base URL.",
        passes_words=True,
    ),
    "completion": CommandSpec(
        CompletionOptions,
        COMPLETION,
        "Print the completion script of a shell.",
        "Put it where the shell looks for completions; nothing of yours is edited.",
    ),
}
