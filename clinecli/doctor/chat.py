"""The check of the endpoint that `ask` uses: a request without a message, which is free, or with
`--live` a real one, which costs something."""

from __future__ import annotations

import time

from clinecli.chat.endpoints import CHAT
from clinecli.chat.render import usage_line
from clinecli.chat.reply import ChatRequest, Event, Reply
from clinecli.doctor.api import ask_nothing, chat_failure
from clinecli.doctor.check import Outcome, failed, ok
from clinecli.doctor.context import Context
from clinecli.doctor.report import NOT_LIVE
from clinecli.errors import ClinecliError, Code

# No cap on the reply: a model that reasons first would spend it on that, and `ask` sets none.
PROMPT = "Reply with the single word: OK"


def chat(context: Context) -> Outcome:
    """A refusal of what cannot be answered, or a reply, whole and not empty."""
    if not context.options.live:
        return _free(context)
    reply = Reply()
    probe = _Probe(reply)
    request = context.request or _minimal(context)
    try:
        from clinecli.transport.replies import reply_events

        body = request.encode(stream=True)
        call = context.call("POST", CHAT, body, seconds=context.left())
        with context.transport.send(call) as answer:
            for events in reply_events(answer):
                probe.take(events)
    except ClinecliError as error:
        if error.code is Code.TIMEOUT:
            slow = "the model is slow or stuck: raise --timeout, or set CLINE_MODEL"
            return failed(error.but(hints=(slow,)), *probe.details())
        return failed(error, *probe.details())
    failure = reply.failure(limits_tokens=request.limits_tokens)
    if failure:
        return failed(failure, *probe.details())
    return ok(
        f"a reply from {reply.model or request.body['model']}, first token after "
        f"{(probe.first or probe.seconds()) * 1000:.0f} ms",
        *probe.details(),
    )


def _free(context: Context) -> Outcome:
    answer = ask_nothing(context, with_key=True)
    failure = chat_failure(answer)
    if failure:
        return failed(failure, f"POST {CHAT} without a message: HTTP {answer.status}")
    if answer.failure:
        return ok(f"refuses a request without a message, as it should; {NOT_LIVE}")
    return ok(f"answers a request without a message; {NOT_LIVE}")


def _minimal(context: Context) -> ChatRequest:
    return ChatRequest(
        {
            "model": context.settings.model,
            "messages": [{"role": "user", "content": PROMPT}],
            "stream_options": {"include_usage": True},
        }
    )


class _Probe:
    """Follows a stream: what came, and when."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._started = time.monotonic()
        self.first: float | None = None

    def seconds(self) -> float:
        """Since the request."""
        return time.monotonic() - self._started

    def take(self, events: list[Event]) -> None:
        """Take in what one read of the network completed."""
        for event in events:
            self._reply.add(event)
            if self.first is None and (event.delta.text or event.delta.reasoning):
                self.first = self.seconds()

    def details(self) -> list[str]:
        """What was seen of the reply."""
        reply = self._reply
        mark = "seen" if reply.done else "missing"
        said = [f"finish_reason {reply.finish_reason or 'missing'}, end mark [DONE] {mark}"]
        if reply.usage:
            said.append(f"usage: {usage_line([reply], self.seconds())}")
        return said
