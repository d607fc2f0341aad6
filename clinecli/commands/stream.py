"""`stream`: one request, every delta the moment it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clinecli.errors import ClinecliError, ExitStatus
from clinecli.options.chat import ChatOptions
from clinecli.streams.console import Console
from clinecli.streams.stdout import Sink
from clinecli.turn.again import check_cost, first_that_answers
from clinecli.turn.ending import finish, renderer, show_usage
from clinecli.turn.opening import Opened, failure_of, opened
from clinecli.turn.preparation import Prepared, prepare, preview

if TYPE_CHECKING:
    from clinecli.chat.reply import Event, Reply


def run(options: ChatOptions) -> int:
    """Print the deltas of one streamed reply. Raises `ClinecliError`, partial output kept."""
    network = options.network
    console = Console(quiet=network.quiet, verbose=network.verbose, as_json=options.json)
    prepared = prepare(options, console, stream=True)
    if preview(prepared):
        return ExitStatus.OK
    check_cost(prepared, console)
    with opened(prepared, console) as ready:
        replies: list[Reply] = []
        printers: list[_Printer] = []
        try:
            first_that_answers(
                prepared,
                ready,
                console,
                lambda prepared, ready: _answer(prepared, ready, replies, console, printers),
                has_shown=lambda: ready.sink.started or printers[-1].has_shown,
            )
        except ClinecliError:
            ready.sink.flush()
            if any(reply.usage for reply in replies):
                show_usage(prepared, ready, replies, console)
            raise
        finish(prepared, ready, replies, console)
        ready.keep(printers[-1].body(), console)
    return ExitStatus.OK


def _answer(
    prepared: Prepared,
    ready: Opened,
    replies: list[Reply],
    console: Console,
    printers: list[_Printer],
) -> None:
    """Print a reply as it comes; every reply on the way, which is paid for, goes to `replies`,
    and what printed it to `printers`.

    Raises `ClinecliError`. Once anything was shown, nothing is tried again.
    """
    from clinecli.chat.reply import Reply
    from clinecli.transport.replies import reply_events

    options = prepared.options
    attempt = 1
    while True:
        reply = Reply(keep_text=bool(prepared.checker or options.thread))
        replies.append(reply)
        printer = _Printer(options, ready.sink, console)
        printers.append(printer)
        try:
            try:
                with ready.send(attempt) as answer:
                    reply.request_id = answer.request_id
                    for events in reply_events(answer):
                        for event in events:
                            reply.add(event)
                        printer.show(events)
            finally:
                printer.finish()
            failure = failure_of(prepared, ready, reply)
            if failure:
                raise failure.but(request_id=answer.request_id)
            return
        except ClinecliError as error:
            if ready.sink.started or printer.has_shown:
                raise
            attempt = ready.policy.again(error, attempt)


class _Printer:
    """Puts the events of one attempt where they were asked for."""

    def __init__(self, options: ChatOptions, sink: Sink, console: Console) -> None:
        self.has_shown = False
        # Only for the cache: a stream does not grow in memory.
        self._events: list[bytes] | None = [] if options.cache else None
        self._json = options.json
        self._sink = sink
        self._console = console
        self._text = renderer(sink)
        self._reasoning = console.reasoning() if options.reasoning else None

    def show(self, events: list[Event]) -> None:
        """Write what one read of the network completed, before the next one may block."""
        if self._events is not None:
            self._events += [event.raw for event in events if event.raw]
        if self._reasoning:
            for event in events:
                if event.delta.reasoning:
                    self.has_shown = True
                    self._reasoning.show(event.delta.reasoning)
        if self._json:
            self._sink.write(b"".join([event.raw + b"\n" for event in events if event.raw]))
        else:
            text = "".join([event.delta.text for event in events])
            self.has_shown = self.has_shown or bool(text)
            self._sink.write(self._text.render(text))
        if self._sink.started:
            self._console.stop_progress()
        self._sink.flush()

    def body(self) -> bytes:
        """The events as a stream of their own, as far as they are kept."""
        return b"".join(b"data: %b\n\n" % raw for raw in (*(self._events or ()), b"[DONE]"))

    def finish(self) -> None:
        """Write what is held back, and the end of the line."""
        if self._reasoning:
            self._reasoning.finish()
        self._sink.write(self._text.finish())
