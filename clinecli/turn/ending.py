"""The end of `ask` and `stream`: a complete reply goes to thread, output and usage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clinecli.streams.console import Console
from clinecli.streams.stdout import Sink
from clinecli.text import TextRenderer

if TYPE_CHECKING:
    from clinecli.chat.reply import Reply
    from clinecli.turn.opening import Opened
    from clinecli.turn.preparation import Prepared


def finish(prepared: Prepared, opened: Opened, replies: Sequence[Reply], console: Console) -> None:
    """Put thread, output and usage in their places; the last of `replies` is complete, those
    before it were paid for as well. Raises `OutputError`."""
    options, reply = prepared.options, replies[-1]
    if not options.json:
        _tool_calls(reply, opened.sink, console)
    for note in reply.notes:
        console.note(note)
    console.stop_progress()
    if options.thread:
        from clinecli.streams.thread_file import append_turn

        append_turn(options.thread, [*prepared.turn, _answer(reply)])
    opened.sink.commit()
    show_usage(prepared, opened, replies, console)


def show_usage(
    prepared: Prepared, opened: Opened, replies: Sequence[Reply], console: Console
) -> None:
    """What `--usage` asks for, as far as the server told it."""
    if not prepared.options.usage:
        return
    from clinecli.chat.render import usage_json, usage_line

    if opened.is_kept and replies[-1].usage:
        # It was paid for when it was kept.
        replies[-1].usage = {**replies[-1].usage, "cost": 0}
    seconds = time.monotonic() - opened.started
    if prepared.options.json:
        console.json(opened.redact(usage_json(replies, seconds).decode()).encode())
    else:
        console.line(opened.redact(usage_line(replies, seconds)))


def renderer(sink: Sink) -> TextRenderer:
    """For a reply's text on its way to the sink."""
    return TextRenderer(terminal=sink.terminal)


def _tool_calls(reply: Reply, sink: Sink, console: Console) -> None:
    calls = reply.tool_calls
    if calls and not reply.has_text:
        from clinecli.chat.render import tool_call_line

        for call in calls:
            sink.write(tool_call_line(call))
    elif calls:
        console.note(f"the reply also calls {len(calls)} tool(s): --json shows them")


def _answer(reply: Reply) -> dict[str, Any]:
    from clinecli.chat.render import tool_call_entry
    from clinecli.text import clean

    message: dict[str, Any] = {"role": "assistant", "content": clean(reply.text)}
    if reply.tool_calls:
        message["tool_calls"] = [tool_call_entry(call) for call in reply.tool_calls]
    return message
