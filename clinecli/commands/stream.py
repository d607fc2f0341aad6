"""`stream`: one request, every delta the moment it arrives."""

from __future__ import annotations

from clinecli.chat.codec import Event
from clinecli.commands._chat import Session
from clinecli.errors import ExitStatus
from clinecli.options.chat import ChatOptions


def run(options: ChatOptions) -> int:
    """Print the deltas of one streamed reply. Raises `ClinecliError`, partial output kept."""
    session = Session(options, stream=True)
    if session.preview():
        return ExitStatus.OK
    with session.open() as client:
        reply, sink, messages = session.reply, session.sink, session.messages
        renderer = session.renderer()
        thinking = session.reasoning_renderer() if options.reasoning else None

        def consume(events: list[Event]) -> None:
            text: list[str] = []
            for raw, delta, done in events:
                reply.done = reply.done or done
                reply.add(delta)
                if thinking and delta.reasoning:
                    messages.data(thinking.render(delta.reasoning))
                if options.json:
                    sink.write(raw + b"\n" if raw else b"")
                elif delta.text:
                    text.append(delta.text)
            sink.write(renderer.render("".join(text)))
            if sink.started:
                messages.stop_progress()
            sink.flush()

        def may_retry() -> bool:
            shown = sink.started or reply.has_text or (thinking and reply.has_reasoning)
            return not shown

        try:
            client.stream(session.request, consume, may_retry)
        finally:
            if thinking:
                messages.data(thinking.finish())
            sink.write(renderer.finish())
        session.finish()
    return ExitStatus.OK
