"""`stream`: one request, every delta the moment it arrives."""

from __future__ import annotations

from clinecli.commands._chat import Session
from clinecli.errors import ExitStatus
from clinecli.options import ChatOptions


def run(options: ChatOptions) -> int:
    """Print the deltas of one streamed reply. Raises `ClinecliError`, partial output kept."""
    session = Session(options, stream=True)
    if session.preview():
        return ExitStatus.OK
    with session.open() as client:
        reply, sink, as_json = session.reply, session.sink, options.json
        renderer = session.renderer()
        thinking = session.reasoning_renderer() if options.reasoning else None
        try:
            for raw, delta, done in client.stream(session.request, lambda: not sink.started):
                if done:
                    reply.done = True
                reply.add(delta)
                if thinking and delta.reasoning:
                    session.messages.data(thinking.render(delta.reasoning))
                if as_json:
                    if raw:
                        session.messages.stop_progress()
                        sink.write(raw + b"\n")
                elif delta.text:
                    session.messages.stop_progress()
                    sink.write(renderer.render(delta.text))
        finally:
            if thinking:
                session.messages.data(thinking.finish())
            sink.write(renderer.finish())
        session.finish()
    return ExitStatus.OK
