"""Checks of the endpoint that `ask` uses: a request without a message, which is free, or with
`--live` real ones, which cost something."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from clinecli.chat.endpoints import CHAT
from clinecli.chat.reply import Event, Reply
from clinecli.chat.request import ChatRequest
from clinecli.doctor.account import Account
from clinecli.doctor.answered import Answered, chat_failure, is_server_error
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.client import LARGE_BYTES, Client
from clinecli.doctor.credit import Empty
from clinecli.doctor.doubts import Doubts
from clinecli.doctor.report import NOT_LIVE
from clinecli.doctor.setup import Asked, Setup
from clinecli.errors import ClinecliError, Code, CreditError
from clinecli.transport.replies import reply_events, whole_reply

# Long enough to see whether its pieces come one by one. No cap on the reply: a model that reasons
# first would spend it on that, and `ask` sets none.
PROMPT = "Count from 1 to 20, separated by single spaces. Reply with nothing else."
_SLOW_SECONDS = 10.0
# A reply of as many pieces that comes in one, after as long a wait, was held back on its way.
_BUFFERED_PIECES = 8
_BUFFERED_SECONDS = 0.5
_LARGE_SECONDS = 20.0
_LIVE_REMEDY = "ask for real: clinecli doctor --live"


class Streamed(NamedTuple):
    """How a reply came: seconds to its first piece and to its end, pieces, reads of the network."""

    first: float
    seconds: float
    pieces: int
    reads: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "first_token_ms": round(1000 * self.first, 1),
            "reply_ms": round(1000 * self.seconds, 1),
            "chunks": self.pieces,
            "reads": self.reads,
        }


def chat(setup: Setup, known: Findings) -> Finding:
    """A refusal of what cannot be answered, or a reply, whole and not empty."""
    client = known[Client]
    return _live(known, client) if setup.options.live else _free(client)


def _free(client: Client) -> Finding:
    answer = client.ask_nothing(with_key=True)
    failure = chat_failure(answer)
    shown = tuple(f"{name}: {value}" for name, value in answer.telling.items())
    if failure:
        return _free_failure(answer, failure, shown)
    said = "refuses" if answer.failure else "answers"
    summary = f"{said} a request without a message" + (", as it should" if answer.failure else "")
    leaving = [name for name in ("deprecation", "sunset") if name in answer.headers]
    if leaving:
        dates = ", ".join(f"{name}: {answer.headers[name]}" for name in leaving)
        return warn(
            f"{summary}, and says that it will be turned off ({dates})",
            *shown,
            remedy="look for news of the API's operator, and choose another model (-m)",
        )
    if answer.seconds > _SLOW_SECONDS:
        return warn(
            f"{summary}, but after {answer.seconds:.1f} s",
            *shown,
            remedy=f"give --timeout time, or {_LIVE_REMEDY}",
        )
    return ok(f"{summary}; {NOT_LIVE}", *shown)


def _free_failure(answer: Answered, failure: ClinecliError, shown: tuple[str, ...]) -> Finding:
    details = (f"POST {CHAT} without a message: HTTP {answer.status}", *shown)
    if is_server_error(failure):
        return warn(
            f"fails at a request without a message, which may be the request's own fault: "
            f"{failure.text}",
            *details,
            remedy=_LIVE_REMEDY,
            error=failure,
        )
    if answer.status == 429 and answer.number > 2:
        return warn(
            f"a rate limit that doctor's own {answer.number} requests may have met: {failure.text}",
            *details,
            remedy=f"wait a minute, then {_LIVE_REMEDY}",
            error=failure,
        )
    if answer.status == 429:
        details = (*details, f"it was doctor's request {answer.number} to this server")
    # Some servers treat that request otherwise than a real one, which costs something.
    return failed(failure, *details, "seen without a message; --live asks for real")


def _live(known: Findings, client: Client) -> Finding:
    asked = known.get(Asked)
    request = (asked.request if asked else None) or _minimal(client.model)
    try:
        whole = _whole(client, request)
    except ClinecliError as error:
        said = _explained(known, _patient(error))
        return failed(said, "asked without streaming, as `ask` does")
    problem = whole.failure(limits_tokens=request.limits_tokens)
    if problem:
        return failed(problem, "asked without streaming, as `ask` does")
    follower = _Follower()
    problem = _streamed(client, request, follower)
    if problem:
        return warn(
            f"`ask` works, but `stream` does not: {problem.text}",
            *follower.details(),
            remedy=_patient(problem).hint or "use `ask`",
            error=problem,
        )
    return _judged(follower, str(request.body.get("model")))


def _explained(known: Findings, error: ClinecliError) -> ClinecliError:
    """The same failure, with what earlier checks have left to the real request."""
    empty, account = known.get(Empty), known.get(Account)
    if isinstance(error, CreditError) and empty:
        return error.but(message=f"{error.message}; {empty.said}")
    is_known_good = account is not None and account.details is not None
    doubts = known.get(Doubts)
    if error.http_status == 401 and doubts and not is_known_good:
        return doubts.explain(error)
    return error


def _streamed(client: Client, request: ChatRequest, follower: _Follower) -> ClinecliError | None:
    """What is wrong with the reply as `stream` gets it."""
    try:
        call = client.call("POST", CHAT, request.encode(stream=True), streams=True)
        with client.send(call) as answer:
            for events in reply_events(answer):
                follower.take(events)
    except ClinecliError as error:
        return error
    return follower.reply.failure(limits_tokens=request.limits_tokens)


def _judged(follower: _Follower, wanted: str) -> Finding:
    fact = follower.fact()
    name = follower.reply.model or wanted
    summary = f"a reply from {name}, first token after {fact.first * 1000:.0f} ms"
    details = follower.details()
    held_back = (
        fact.reads == 1 and fact.pieces >= _BUFFERED_PIECES and fact.first >= _BUFFERED_SECONDS
    )
    if held_back:
        return warn(
            f"{summary}, and all {fact.pieces} chunks of it at once: something holds streams back",
            *details,
            remedy="a proxy or gateway buffers: turn that off there (nginx: proxy_buffering off)",
        ).knowing(fact)
    if fact.first > _SLOW_SECONDS:
        remedy = "the model is slow: give --timeout time, or choose another model (-m)"
        return warn(summary, *details, remedy=remedy).knowing(fact)
    return ok(summary, *details).knowing(fact)


def _whole(client: Client, request: ChatRequest) -> Reply:
    """The reply as `ask` gets it. Raises `ClinecliError`."""
    call = client.call("POST", CHAT, request.encode(stream=False))
    with client.send(call) as answer:
        reply = Reply()
        reply.add(whole_reply(answer))
    return reply


def _patient(error: ClinecliError) -> ClinecliError:
    if error.code is not Code.TIMEOUT:
        return error
    slow = "the model is slow or stuck: raise --timeout, or set CLINE_MODEL"
    return error.but(hints=(slow,))


def _minimal(model: str) -> ChatRequest:
    return ChatRequest({"model": model, "messages": [{"role": "user", "content": PROMPT}]})


class _Follower:
    """Follows a stream: what came, and when."""

    def __init__(self) -> None:
        self.reply = Reply()
        self._started = time.monotonic()
        self._first: float | None = None
        self._pieces = 0
        self._reads = 0

    def take(self, events: list[Event]) -> None:
        """Take in what one read of the network completed."""
        self._reads += 1
        for event in events:
            self.reply.add(event)
            if event.delta.text or event.delta.reasoning:
                self._pieces += 1
                if self._first is None:
                    self._first = time.monotonic() - self._started

    def fact(self) -> Streamed:
        """How it came."""
        seconds = time.monotonic() - self._started
        return Streamed(self._first or seconds, seconds, self._pieces, self._reads)

    def details(self) -> list[str]:
        """What was seen of the reply."""
        reply, fact = self.reply, self.fact()
        mark = "seen" if reply.done else "missing"
        said = [
            f"finish_reason {reply.finish_reason or 'missing'}, end mark [DONE] {mark}",
            f"{fact.pieces} chunks in {fact.reads} reads within {fact.seconds * 1000:.0f} ms",
        ]
        if reply.usage:
            from clinecli.chat.render import usage_line

            said.append(f"usage: {usage_line([reply], fact.seconds)}")
        return said


def body(setup: Setup, known: Findings) -> Finding:
    """Whether a request of 64 KiB gets through: the way may lose large packets, or a gateway may
    refuse large bodies."""
    if not setup.options.live:
        return skip("a large request is sent with --live alone")
    client = known[Client]
    size = f"{LARGE_BYTES >> 10} KiB"
    try:
        # Where a small one is slow, a large one may be so, too.
        seconds = _LARGE_SECONDS + 2 * client.ask_nothing(with_key=True).seconds
        answer = client.ask_nothing(with_key=True, padding=LARGE_BYTES, seconds=seconds)
    except ClinecliError as error:
        return warn(
            f"a request of {size} gets no answer: {error.text}",
            remedy="large packets get lost: lower the MTU, or ask who runs the VPN or firewall",
            error=error,
        )
    if answer.status == 413:
        remedy = "a gateway limits the size of requests: ask who runs it"
        return warn(f"a request of {size} is refused as too large", remedy=remedy)
    return ok(f"a request of {size} is answered within {answer.seconds * 1000:.0f} ms")
