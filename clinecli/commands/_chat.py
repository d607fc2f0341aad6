"""What `ask` and `stream` share, in three steps on frozen values.

    prepare   options, environment, files, stdin -> Prepared: nothing is open, nothing was sent
    opened    Prepared -> Opened: the key is found, the output can be written, the API is dialled
    finish    a complete reply -> thread, output and usage in their places

Between `opened` and `finish` a command sends, as often as its `RetryPolicy` allows, and judges.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.chat.compose import Defaults, compose
from clinecli.chat.endpoints import CHAT
from clinecli.chat.request import ChatRequest
from clinecli.commands._inputs import gather, read_input
from clinecli.config.keys import find_key, load_settings
from clinecli.config.secret import Secret
from clinecli.config.settings import Settings
from clinecli.errors import ClinecliError, RejectedError
from clinecli.options.chat import ChatOptions
from clinecli.options.common import SETTINGS
from clinecli.streams.files import FileSink, open_sink
from clinecli.streams.stdio import STDOUT, Messages, StdoutSink, is_terminal
from clinecli.text import TextRenderer

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from clinecli.chat.reply import Reply
    from clinecli.config.secret import Redactor
    from clinecli.transport.client import Call, EarlyConnection, Transport
    from clinecli.transport.deadline import Deadline
    from clinecli.transport.exchange import Answer
    from clinecli.transport.retry import RetryPolicy

# A whole reply is silent until the model is done.
STREAM_IDLE_SECONDS = float(SETTINGS["idle_timeout"].default or 0)


class Prepared(NamedTuple):
    """What is known before the first byte. `turn` are the messages that a thread lacks."""

    options: ChatOptions
    settings: Settings
    request: ChatRequest
    turn: list[dict[str, Any]]
    validator: Validator | None
    stream: bool


class Opened(NamedTuple):
    """A call that is ready to be sent, and the place for its reply."""

    sink: StdoutSink | FileSink
    transport: Transport
    call: Call
    early: EarlyConnection | None
    policy: RetryPolicy
    redact: Redactor
    started: float

    def send(self, attempt: int) -> Answer:
        """What the server answers. Every attempt has a connection of its own."""
        return self.transport.send(self.call, self.early if attempt == 1 else None)

    def another(self, prepared: Prepared, deadline: Deadline | None = None) -> Opened:
        """The same place for the reply to another request, which has its own time unless a
        deadline is given."""
        from clinecli.transport.deadline import Deadline

        deadline = deadline or Deadline(prepared.settings.timeout)
        body = prepared.request.encode(stream=prepared.stream)
        return self._replace(
            call=self.call._replace(body=body, deadline=deadline),
            early=None,
            policy=self.policy._replace(deadline=deadline),
        )


def prepare(options: ChatOptions, messages: Messages, *, stream: bool) -> Prepared:
    """Read and compose what is to be sent. Raises `UsageError`, `ConfigError`,
    `EmptyMessageError`."""
    settings = load_settings(
        options.network,
        os.environ,
        model=options.model,
        referer=options.referer,
        title=options.title,
    )
    inputs = gather(options, read_input(options, messages))
    defaults = Defaults(settings.model, settings.model_source, settings.referer, settings.title)
    request, turn, schema = compose(options, inputs, defaults, stream=stream)
    validator = None
    if schema:
        from clinecli.chat.schema import load_schema

        validator = load_schema(schema.schema, schema.name)
    return Prepared(options, settings, request, turn, validator, stream)


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
    sink.write(body + b"\n")
    sink.commit()
    return True


@contextmanager
def opened(prepared: Prepared, messages: Messages) -> Iterator[Opened]:
    """Key, output and connection. Whatever goes wrong inside leaves files as they were and
    partial output on stdout. Raises `ClinecliError`."""
    from clinecli.transport.client import JSON, Call, Transport
    from clinecli.transport.deadline import Deadline

    options, settings, request = prepared.options, prepared.settings, prepared.request
    model = str(request.body["model"])
    key = find_key(settings, os.environ)
    sink = open_sink(options.output)
    try:
        transport = Transport(settings, os.environ)
        deadline = Deadline(settings.timeout)
        early = transport.connect_early(deadline)
        # Imports, from here on, run beside the connection.
        from clinecli.transport.retry import RetryPolicy

        transport.trust()
        messages.detail(f"* key from {key.source}, model {model}")
        label = f"waiting for {model}"

        def note(text: str) -> None:
            messages.note(text)
            messages.start_progress(label)

        call = Call(
            "POST",
            CHAT,
            deadline,
            body=request.encode(stream=prepared.stream),
            headers=JSON + request.headers,
            key=key.secret,
            secrets=tuple(
                Secret(value) for name, value in request.headers if name in request.secret_headers
            ),
            idle=settings.idle_timeout or (STREAM_IDLE_SECONDS if prepared.stream else None),
            log=messages.detail if messages.verbose else None,
        )
        policy = RetryPolicy(settings.retries, deadline, note)
        redact = transport.redactor(call.key, *call.secrets)
        messages.start_progress(label)
        yield Opened(sink, transport, call, early, policy, redact, time.monotonic())
    except RejectedError as error:
        is_first = error.http_status == 404 and not options.fallback
        near = _did_you_mean(model) if is_first else ""
        raise (error.with_hint(near) if near else error) from None
    finally:
        messages.stop_progress()
        sink.discard()


def failure_of(prepared: Prepared, reply: Reply, text: str | None = None) -> ClinecliError | None:
    """Why a reply is no complete, non-empty answer; None when it is one. `text` stands for it
    where only a part of it was asked for."""
    failure = reply.failure(limits_tokens=prepared.request.limits_tokens)
    if not failure and prepared.validator:
        from clinecli.chat.schema import mismatch

        failure = mismatch(prepared.validator, reply.text if text is None else text)
    return failure


def finish(
    prepared: Prepared, opened: Opened, replies: Sequence[Reply], messages: Messages
) -> None:
    """Put thread, output and usage in their places; the last of `replies` is complete, those
    before it were paid for as well. Raises `OutputError`."""
    options, reply = prepared.options, replies[-1]
    if not options.json:
        _tool_calls(reply, opened.sink, messages)
    messages.stop_progress()
    if options.thread:
        from clinecli.streams.files import append_turn

        append_turn(options.thread, [*prepared.turn, _answer(reply)])
    opened.sink.commit()
    show_usage(prepared, opened, replies, messages)


def show_usage(
    prepared: Prepared, opened: Opened, replies: Sequence[Reply], messages: Messages
) -> None:
    """What `--usage` asks for, as far as the server told it."""
    if not prepared.options.usage:
        return
    from clinecli.chat.render import usage_json, usage_line

    seconds = time.monotonic() - opened.started
    if prepared.options.json:
        messages.data(opened.redact(usage_json(replies, seconds).decode()).encode() + b"\n")
    else:
        messages.data(f"{opened.redact(usage_line(replies, seconds))}\n".encode())


def renderer(sink: StdoutSink | FileSink) -> TextRenderer:
    """For a reply's text on its way to the sink."""
    on_terminal = sink.terminal if isinstance(sink, FileSink) else is_terminal(STDOUT)
    return TextRenderer(terminal=on_terminal)


def _tool_calls(reply: Reply, sink: StdoutSink | FileSink, messages: Messages) -> None:
    calls = reply.tool_calls
    if calls and not reply.has_text:
        from clinecli.chat.render import tool_call_line

        for call in calls:
            sink.write(tool_call_line(call))
    elif calls:
        messages.note(f"the reply also calls {len(calls)} tool(s): --json shows them")


def _answer(reply: Reply) -> dict[str, Any]:
    from clinecli.chat.render import tool_call_entry
    from clinecli.text import clean

    message: dict[str, Any] = {"role": "assistant", "content": clean(reply.text)}
    if reply.tool_calls:
        message["tool_calls"] = [tool_call_entry(call) for call in reply.tool_calls]
    return message


def _did_you_mean(model: str) -> str:
    from clinecli.models.cache import nearest

    names = nearest(model, os.environ)
    # Where the model is listed, it is the path that was not found.
    return f"the nearest models: {', '.join(names)}" if names and model not in names else ""
