"""`ask`: one request, the whole reply."""

from __future__ import annotations

from clinecli.chat.render import first_code_block
from clinecli.commands._chat import Session
from clinecli.errors import ExitStatus, IncompleteError, UsageError
from clinecli.options.chat import ChatOptions


def run(options: ChatOptions) -> int:
    """Print the reply to one request. Raises `ClinecliError`."""
    if options.extract and options.json:
        raise UsageError("--extract and --json exclude each other", hint="leave one of them out")
    session = Session(options, stream=False)
    if session.preview():
        return ExitStatus.OK
    with session.open() as client:
        event = client.complete(session.request)
        session.messages.stop_progress()
        session.reply.add(event.delta)
        session.reply.done = True
        if options.reasoning and event.delta.reasoning:
            renderer = session.reasoning_renderer()
            session.messages.data(renderer.render(event.delta.reasoning) + renderer.finish())
        text = event.delta.text
        if options.extract:
            text = first_code_block(text) or ""
            limits_tokens = session.request.limits_tokens
            if not text.strip() and not session.reply.failure(limits_tokens=limits_tokens):
                raise _no_code_block()
        if options.json:
            session.sink.write(event.raw + b"\n")
        elif text:
            renderer = session.renderer()
            session.sink.write(renderer.render(text) + renderer.finish())
        session.finish(text)
    return ExitStatus.OK


def _no_code_block() -> IncompleteError:
    return IncompleteError(
        "the reply has no fenced code block (--extract)",
        code="no_code_block",
        hint="run it without --extract to see the reply, or ask for code in a fence",
    )
