"""What `ask` and `stream` share, in three steps on frozen values.

    prepare   options, environment, files, stdin -> Prepared: nothing is open, nothing was sent
    opened    Prepared -> Opened: the key is found, the output can be written, the API is dialled
    finish    a complete reply -> thread, output and usage in their places

Between `opened` and `finish` a command sends, as often as its `RetryPolicy` allows, and judges.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from clinecli.chat.compose import Defaults, compose
from clinecli.chat.conversation import unanswered_calls
from clinecli.chat.endpoints import CHAT
from clinecli.chat.request import ChatRequest
from clinecli.commands._inputs import gather
from clinecli.config.keys import Key, find_key
from clinecli.config.load import load_settings
from clinecli.config.secret import Secret
from clinecli.config.settings import Settings
from clinecli.errors import ClinecliError, UsageError
from clinecli.options.chat import ChatOptions
from clinecli.options.common import SETTINGS
from clinecli.streams.console import Console
from clinecli.streams.inputs import Reader
from clinecli.streams.stdout import Sink, open_sink

if TYPE_CHECKING:
    from clinecli.chat.reply import Reply
    from clinecli.chat.schema import Checker
    from clinecli.commands._cache import CachePlace, KeptAnswer, KeptAnswers
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
    checker: Checker | None
    stream: bool

    @property
    def model(self) -> str:
        """The id of the model that is asked."""
        return str(self.request.body["model"])


class Opened(NamedTuple):
    """A call that is ready to be sent, and the place for its reply."""

    sink: Sink
    transport: Transport | KeptAnswers
    call: Call
    early: EarlyConnection | None
    policy: RetryPolicy
    redact: Redactor
    started: float
    cache: CachePlace | None = None
    # Whether the reply comes from the cache, and costs nothing.
    is_kept: bool = False

    def keep(self, body: bytes, console: Console) -> None:
        """Put the body of a complete answer into the cache, where there is one."""
        if self.cache and not self.is_kept:
            self.cache.keep(body, console)

    def send(self, attempt: int) -> Answer | KeptAnswer:
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


@contextmanager
def opened(prepared: Prepared, console: Console) -> Iterator[Opened]:
    """Key, output and connection. Whatever goes wrong inside leaves files as they were and
    partial output on stdout. Raises `ClinecliError`."""
    cache, kept = _cached(prepared, console)
    key: Key | None = None
    try:
        if not kept:
            key = find_key(prepared.settings, os.environ)
        if key and key.note:
            console.note(key.note)
        # `ask` is all or nothing.
        sink = open_sink(prepared.options.output, keeps_partial=prepared.stream)
        try:
            ready = _open(prepared, key, kept, sink, console)
            yield ready._replace(cache=cache, is_kept=kept is not None)
        finally:
            console.stop_progress()
            sink.discard()
    except ClinecliError as error:
        from clinecli.commands._advice import with_advice

        base_url, is_last = prepared.settings.base_url, not prepared.options.fallback
        raise with_advice(error, base_url, key, prepared.model, suggests_models=is_last) from None


def _cached(prepared: Prepared, console: Console) -> tuple[CachePlace | None, KeptAnswers | None]:
    """Where the reply is kept, or will be, and what it answers. Raises `UsageError`."""
    options = prepared.options
    if not (options.cache or options.cache_only or options.cache_all):
        return None, None
    from clinecli.commands._cache import cache_place, kept_answers

    place = cache_place(prepared, console)
    return place, place and kept_answers(place, is_needed=options.cache_only)


def _open(
    prepared: Prepared, key: Key | None, kept: KeptAnswers | None, sink: Sink, console: Console
) -> Opened:
    from clinecli.transport.client import JSON, Call, Transport
    from clinecli.transport.deadline import Deadline

    settings, request = prepared.settings, prepared.request
    transport = Transport(settings, os.environ)
    deadline = Deadline(settings.timeout)
    early = None if kept else transport.connect_early(deadline)
    # Imports, from here on, run beside the connection.
    from clinecli.transport.retry import RetryPolicy

    if not kept:
        transport.trust()
    where = f"key from {key.source}" if key else "from the cache"
    console.detail(f"* {where}, model {prepared.model}")
    label = f"waiting for {prepared.model}"

    def note(text: str) -> None:
        console.note(text)
        console.start_progress(label)

    call = Call(
        "POST",
        CHAT,
        deadline,
        body=request.encode(stream=prepared.stream),
        headers=JSON + request.headers,
        key=key.secret if key else None,
        secrets=tuple(
            Secret(value) for name, value in request.headers if name in request.secret_headers
        ),
        idle=settings.idle_timeout or (STREAM_IDLE_SECONDS if prepared.stream else None),
        log=console.detail if console.verbose else None,
    )
    policy = RetryPolicy(settings.retries, deadline, note)
    redact = transport.redactor(call.key, *call.secrets)
    console.start_progress(label)
    return Opened(sink, kept or transport, call, early, policy, redact, time.monotonic())


def failure_of(
    prepared: Prepared, opened: Opened, reply: Reply, text: str | None = None
) -> ClinecliError | None:
    """Why a reply is no complete, non-empty answer; None when it is one. `text` stands for it
    where only a part of it was asked for."""
    limits_tokens, redact = prepared.request.limits_tokens, opened.redact
    failure = reply.failure(limits_tokens=limits_tokens, redact=redact)
    if failure or not prepared.checker:
        return failure
    seconds = max(opened.call.deadline.remaining(), 0.1)
    return prepared.checker.mismatch(reply.text if text is None else text, seconds, redact)
