"""What `ask` and `stream` share: from options to an open client, and from a reply to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clinecli.chat.compose import compose, has_input, reads_stdin
from clinecli.chat.render import (
    curl_command,
    tool_call_entry,
    tool_call_line,
    usage_json,
    usage_line,
)
from clinecli.chat.reply import Reply
from clinecli.chat.schema import load_schema, mismatch
from clinecli.config.keys import find_key, load_settings
from clinecli.errors import RejectedError, UsageError
from clinecli.options.chat import ChatOptions
from clinecli.streams.files import FileSink, append_turn, open_sink
from clinecli.streams.stdio import (
    STDERR,
    STDIN,
    STDOUT,
    Messages,
    StdoutSink,
    is_terminal,
    read_stdin,
)
from clinecli.text import TextRenderer, clean

if TYPE_CHECKING:
    from clinecli.transport.client import Client


class Session:
    """One call of `ask` or `stream`: everything that is known before the first byte."""

    def __init__(self, options: ChatOptions, *, stream: bool) -> None:
        self.options = options
        network = options.network
        self.messages = Messages(quiet=network.quiet, verbose=network.verbose, as_json=options.json)
        self.settings = load_settings(
            network,
            os.environ,
            model=options.model,
            referer=options.referer,
            title=options.title,
        )
        stdin = _read_input(options, self.messages)
        self.request, self.turn, schema = compose(options, self.settings, stdin, stream=stream)
        self.validator = load_schema(schema, options.schema) if options.schema else None
        self.stream = stream
        self.reply = Reply(keep_text=bool(not stream or options.schema or options.thread))
        self.sink: StdoutSink | FileSink
        self._started = 0.0

    def preview(self) -> bool:
        """Print what `--dry-run` and `--curl` ask for. True when that was all."""
        if not (self.options.dry_run or self.options.curl):
            return False
        from clinecli.transport.client import request_body

        body = request_body(self.request, stream=self.stream)
        if self.options.curl:
            headers = {"Content-Type": "application/json"}
            command = curl_command(self.request, body, self.settings, headers, stream=self.stream)
            body = command.encode("utf-8", "surrogateescape")
        sink = open_sink(self.options.output)
        sink.write(body + b"\n")
        sink.commit()
        return True

    @contextmanager
    def open(self) -> Iterator[Client]:
        """A client ready to send, and a sink ready to take the reply.

        Whatever goes wrong inside leaves files as they were and partial output on stdout.
        """
        from clinecli.transport.client import Client

        key = find_key(self.settings, os.environ)
        self.messages.detail(f"* key from {key.source}, model {self.request.body['model']}")
        self.sink = open_sink(self.options.output)
        label = f"waiting for {self.request.body['model']}"

        def note(text: str) -> None:
            # What a failed attempt left behind must not complete the next one.
            self.reply.clear()
            self.messages.note(text)
            self.messages.start_progress(label)

        self._started = time.monotonic()
        try:
            with Client(
                self.settings,
                key.secret,
                os.environ,
                note=note,
                detail=self.messages.detail,
            ) as client:
                self._client = client
                self.messages.start_progress(label)
                yield client
        except RejectedError as error:
            if error.http_status == 404:
                error.hint += _did_you_mean(str(self.request.body["model"]))
            raise
        finally:
            self.messages.stop_progress()
            self.sink.discard()

    def renderer(self) -> TextRenderer:
        """For the reply's text on its way to the sink."""
        sink = self.sink
        on_terminal = sink.terminal if isinstance(sink, FileSink) else is_terminal(STDOUT)
        return TextRenderer(terminal=on_terminal)

    def reasoning_renderer(self) -> TextRenderer:
        """For reasoning on its way to stderr."""
        return TextRenderer(terminal=is_terminal(STDERR))

    def finish(self, text: str | None = None) -> None:
        """Judge the reply, then put output, thread and usage in their places.

        `text` stands for the reply where only a part of it was asked for. Raises
        `ClinecliError` when the reply is no complete answer.
        """
        reply, options = self.reply, self.options
        failure = reply.failure(limits_tokens=self.request.limits_tokens)
        if not failure and self.validator:
            failure = mismatch(self.validator, reply.text if text is None else text)
        if not failure and not options.json:
            self._tool_calls()
        self.messages.stop_progress()
        self.sink.flush()
        if not failure:
            self.sink.commit()
            if options.thread:
                append_turn(options.thread, [*self.turn, _answer(reply)])
        if options.usage and (reply.usage or not failure):
            self._usage()
        if failure:
            failure.came_with(self._client.request_id)
            raise failure

    def _tool_calls(self) -> None:
        calls = self.reply.tool_calls
        if not self.reply.has_text:
            for call in calls:
                self.sink.write(tool_call_line(call))
        elif calls:
            self.messages.note(f"the reply also calls {len(calls)} tool(s): --json shows them")

    def _usage(self) -> None:
        seconds = time.monotonic() - self._started
        if self.options.json:
            self.messages.data(usage_json(self.reply, seconds) + b"\n")
        else:
            self.messages.data(f"{usage_line(self.reply, seconds)}\n".encode())


def _read_input(options: ChatOptions, messages: Messages) -> bytes:
    if not reads_stdin(options):
        return b""
    asked_for = options.prompt == ["-"] or options.request == "-"
    if is_terminal(STDIN) and not asked_for:
        if not has_input(options):
            raise UsageError(
                "no prompt", hint="clinecli ask 'QUESTION', or pipe text in: … | clinecli ask"
            )
        return b""

    def hint() -> None:
        messages.note("waiting for stdin, which is silent; --no-stdin does not read it")

    return read_stdin(hint if has_input(options) and not asked_for else None)


def _did_you_mean(model: str) -> str:
    from clinecli.models.cache import nearest

    names = nearest(model, os.environ)
    # Where the model is listed, it is the path that was not found.
    return f"; the nearest models: {', '.join(names)}" if names and model not in names else ""


def _answer(reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": clean(reply.text)}
    if reply.tool_calls:
        message["tool_calls"] = [tool_call_entry(call) for call in reply.tool_calls]
    return message
