"""The second step of a turn: the key is found, the output can be written, the API is dialled."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from clinecli.chat.endpoints import CHAT
from clinecli.config.keys import Key, find_key
from clinecli.config.secret import Secret
from clinecli.errors import ClinecliError
from clinecli.options.common import SETTINGS
from clinecli.streams.console import Console
from clinecli.streams.stdout import Sink, open_sink
from clinecli.turn.preparation import Prepared

if TYPE_CHECKING:
    from clinecli.chat.reply import Reply
    from clinecli.config.secret import Redactor
    from clinecli.transport.client import Call, EarlyConnection, Transport
    from clinecli.transport.deadline import Deadline
    from clinecli.transport.exchange import Answer
    from clinecli.transport.retry import RetryPolicy
    from clinecli.turn.cache import CachePlace, KeptAnswer, KeptAnswers

# A whole reply is silent until the model is done.
STREAM_IDLE_SECONDS = float(SETTINGS["idle_timeout"].default or 0)


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
        from clinecli.turn.advice import with_advice

        base_url, is_last = prepared.settings.base_url, not prepared.options.fallback
        raise with_advice(error, base_url, key, prepared.model, suggests_models=is_last) from None


def _cached(prepared: Prepared, console: Console) -> tuple[CachePlace | None, KeptAnswers | None]:
    """Where the reply is kept, or will be, and what it answers. Raises `UsageError`."""
    options = prepared.options
    if not (options.cache or options.cache_only or options.cache_all):
        return None, None
    from clinecli.turn.cache import cache_place, kept_answers

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
