"""`ask`: one request, the whole reply, or nothing on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clinecli.chat.compose import with_correction
from clinecli.errors import ClinecliError, Code, ExitStatus, IncompleteError
from clinecli.options.chat import ChatOptions
from clinecli.streams.console import Console
from clinecli.text import is_visible
from clinecli.turn.again import check_cost, first_that_answers
from clinecli.turn.ending import finish, renderer, show_usage
from clinecli.turn.opening import Opened, failure_of, opened
from clinecli.turn.preparation import Prepared, prepare, preview

if TYPE_CHECKING:
    from clinecli.chat.reply import Event, Reply


def run(options: ChatOptions) -> int:
    """Print the reply to one request. Raises `ClinecliError`; then stdout stays empty."""
    network = options.network
    console = Console(quiet=network.quiet, verbose=network.verbose, as_json=options.json)
    prepared = prepare(options, console, stream=False)
    if preview(prepared):
        return ExitStatus.OK
    check_cost(prepared, console)
    with opened(prepared, console) as ready:
        replies: list[Reply] = []
        try:
            event, text = first_that_answers(
                prepared,
                ready,
                console,
                lambda prepared, ready: _repaired(prepared, ready, replies, console),
                has_shown=lambda: False,
            )
        except ClinecliError:
            if any(reply.usage for reply in replies):
                show_usage(prepared, ready, replies, console)
            raise
        if options.json:
            ready.sink.write(event.raw + b"\n")
        elif text:
            render = renderer(ready.sink)
            ready.sink.write(render.render(text) + render.finish())
        finish(prepared, ready, replies, console)
        ready.keep(event.raw, console)
    return ExitStatus.OK


def _repaired(
    prepared: Prepared, ready: Opened, replies: list[Reply], console: Console
) -> tuple[Event, str]:
    """As `_answer`; a reply that the schema refuses is sent back, `--repair` times."""
    original, most = prepared, prepared.options.repair or 0
    for count in range(1, most + 2):
        try:
            return _answer(prepared, ready, replies, console)
        except IncompleteError as error:
            if error.code is not Code.SCHEMA_MISMATCH or count > most:
                raise
            console.note(f"{error.text}; asking for a correction ({count} of {most})")
            request = with_correction(original.request, replies[-1].text, error.message)
            prepared = original._replace(request=request)
            check_cost(prepared, console)
            ready = ready.another(prepared, ready.call.deadline)
    raise AssertionError("the last attempt returns or raises")


def _answer(
    prepared: Prepared, ready: Opened, replies: list[Reply], console: Console
) -> tuple[Event, str]:
    """A complete reply, and the text of it that was asked for; every reply on the way, which is
    paid for, goes to `replies`. Raises `ClinecliError`."""
    from clinecli.chat.reply import Reply
    from clinecli.transport.replies import whole_reply

    attempt = 1
    while True:
        try:
            with ready.send(attempt) as answer:
                event = whole_reply(answer)
            reply = Reply()
            reply.add(event)
            reply.request_id = answer.request_id
            replies.append(reply)
            _reasoning(prepared, event, console)
            text, failure = _asked_for(prepared, ready, reply)
            if failure:
                console.detail(f"* the reply, which is not printed:\n{ready.redact(reply.text)}")
                raise failure.but(request_id=answer.request_id)
            return event, text
        except ClinecliError as error:
            attempt = ready.policy.again(error, attempt)


def _asked_for(prepared: Prepared, ready: Opened, reply: Reply) -> tuple[str, ClinecliError | None]:
    """The text to print, and why there is none."""
    if prepared.options.extract:
        return _extracted(prepared, ready, reply)
    text, failure = reply.text, failure_of(prepared, ready, reply)
    is_refused = failure is not None and failure.code is Code.SCHEMA_MISMATCH
    if is_refused and prepared.options.repair is not None:
        from clinecli.chat.render import first_code_block

        # A fence around what the schema accepts is no reason to ask again.
        block = first_code_block(text) or ""
        if not failure_of(prepared, ready, reply, block):
            return block, None
    return text, failure


def _extracted(prepared: Prepared, ready: Opened, reply: Reply) -> tuple[str, ClinecliError | None]:
    """The first code block of the text, and why there is none."""
    from clinecli.chat.render import first_code_block

    block = first_code_block(reply.text) or ""
    failure = reply.failure(limits_tokens=prepared.request.limits_tokens, redact=ready.redact)
    if not failure and not is_visible(block):
        failure = IncompleteError(
            "the reply has no fenced code block (--extract)",
            code=Code.NO_CODE_BLOCK,
            hint="run it without --extract to see the reply, or ask for code in a fence",
        )
    return block, failure or failure_of(prepared, ready, reply, block)


def _reasoning(prepared: Prepared, event: Event, console: Console) -> None:
    if prepared.options.reasoning and event.delta.reasoning:
        reasoning = console.reasoning()
        reasoning.show(event.delta.reasoning)
        reasoning.finish()
