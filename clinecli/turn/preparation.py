"""The first step of a turn: everything that is known before something is opened or sent."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.chat.compose import Defaults, compose
from clinecli.chat.conversation import unanswered_calls
from clinecli.chat.request import ChatRequest
from clinecli.config.load import load_settings
from clinecli.config.settings import Settings
from clinecli.errors import UsageError
from clinecli.options.chat import ChatOptions
from clinecli.streams.console import Console
from clinecli.streams.inputs import Reader
from clinecli.streams.stdout import open_sink
from clinecli.turn.inputs import gather

if TYPE_CHECKING:
    from clinecli.chat.schema import Checker


class Prepared(NamedTuple):
    """What is known before the first byte. `turn` are the messages that a thread lacks."""

    options: ChatOptions
    settings: Settings
    request: ChatRequest
    turn: list[dict[str, Any]]
    checker: Checker | None
    stream: bool

    @property
    def model(self) -> str:
        """The id of the model that is asked."""
        return str(self.request.body["model"])


def prepare(options: ChatOptions, console: Console, *, stream: bool) -> Prepared:
    """Read and compose what is to be sent. Raises `UsageError`, `ConfigError`,
    `EmptyMessageError`."""
    _refuse_one_file(options)
    settings = load_settings(
        options.network,
        os.environ,
        model=options.model,
        referer=options.referer,
        title=options.title,
    )
    inputs = gather(options, Reader(settings.timeout), console)
    defaults = Defaults(settings.model, settings.model_source, settings.referer, settings.title)
    request, turn, schema = compose(options, inputs, defaults, stream=stream)
    if open_calls := unanswered_calls(request.body["messages"]):
        console.note(
            f"nobody has answered the tool call {open_calls[0]}, which many servers refuse: add "
            "its result as a message with the role 'tool'"
        )
    checker = None
    if schema:
        from clinecli.chat.schema import Checker
        from clinecli.streams.worker import Worker

        # In a process that can be ended: a pattern may take for ever.
        worker = Worker("clinecli.chat.schema", "answer")
        checker = Checker(schema.schema, schema.name, worker.ask, settings.timeout)
    return Prepared(options, settings, request, turn, checker, stream)


def _refuse_one_file(options: ChatOptions) -> None:
    """Raise `UsageError` where the reply would replace the thread that it belongs to."""
    if not (options.thread and options.output):
        return
    from clinecli.streams.output import is_same_file

    if is_same_file(options.thread, options.output):
        raise UsageError(
            f"--output and --thread are one file: {options.output}",
            hint="the thread has the reply anyway: give --output another file",
        )


def preview(prepared: Prepared) -> bool:
    """Print what `--dry-run` and `--curl` ask for. True when that was all."""
    options, request, stream = prepared.options, prepared.request, prepared.stream
    if not (options.dry_run or options.curl):
        return False
    if options.curl:
        from clinecli.config.proxy import choose_proxy
        from clinecli.transport.curl import curl_command
        from clinecli.transport.route import Route

        settings = prepared.settings
        base_url = settings.base_url
        proxy = choose_proxy(base_url, settings.proxy, os.environ, settings.config_proxy)
        command = curl_command(request, settings, Route(base_url, proxy), stream=stream)
        body = command.encode("utf-8", "surrogateescape")
    else:
        body = request.encode(stream=stream)
    sink = open_sink(options.output)
    try:
        sink.write(body + b"\n")
        sink.commit()
    finally:
        sink.discard()
    return True
