"""Failures on request: `--fault NAME[:N]`, a table from names to answers."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from clinecli.errors import UsageError
from clinecli.jsontext import dumps
from clinecli.mock.answers import Answer, Body, Silence, Stream, error_body, json_body
from clinecli.mock.replies import (
    Turn,
    completion,
    error_event,
    full_answer,
    opening_events,
    whole_answer,
)

# How many tokens of a stream come before it fails.
_FEW = 3
_CREDIT_ERROR = {
    "code": "insufficient_credits",
    "current_balance": -0.14,
    "message": "Not enough credits available",
}
_STREAM_ERROR = {"code": "server_error", "message": "The upstream provider failed mid-reply"}
_PORTAL = (
    b"<!DOCTYPE html>\n<html><head><title>Guest network</title></head>\n"
    b"<body><h1>Please sign in to use this network</h1></body></html>\n"
)


def _spend_limit() -> Body:
    return error_body(
        429,
        "The organization's monthly spend limit is reached",
        code="SPEND_LIMIT_EXCEEDED",
        limit_scope="organization",
        budget_period="monthly",
        limit_usd=50.0,
        spent_usd=50.12,
        resets_at="2026-04-01T00:00:00Z",
    )


# Answers that look at nothing in the request.
FIXED: dict[str, Answer] = {
    "auth": error_body(401, "Unauthorized: the API key is not valid"),
    "forbidden": error_body(403, "Forbidden: this key has no access to the resource"),
    "credit": json_body({"success": False, "error": dumps(_CREDIT_ERROR).decode()}, 402),
    "spend-limit": _spend_limit(),
    "rate-limit": error_body(429, "Rate limit exceeded", headers=(("Retry-After", "1"),)),
    "server-error": error_body(500, "Internal server error"),
    "overload": error_body(503, "The service is overloaded"),
    "rejected": error_body(400, "The request was rejected: a parameter is out of range"),
    "html": Body(_PORTAL, content_type="text/html; charset=utf-8"),
    "not-json": Body(b"upstream connect error or disconnect/reset before headers\n"),
    "redirect": Body(
        b"", 302, "text/html", (("Location", "https://login.portal.example/sign-in"),)
    ),
    "stall": Silence(),
}


def _cut_stream(turn: Turn) -> Answer:
    if turn.stream:
        return Stream(opening_events(turn, turn.tokens[:_FEW]))
    return whole_answer(turn, completion(turn, turn.text, turn.finish_reason), cut=True)


def _mid_stream_error(turn: Turn) -> Answer:
    tokens = turn.tokens[:_FEW]
    if turn.stream:
        events = opening_events(turn, tokens)
        return Stream(itertools.chain(events, [error_event(turn, _STREAM_ERROR)]))
    return whole_answer(turn, completion(turn, "".join(tokens), "error", error=_STREAM_ERROR))


def _length(turn: Turn) -> Answer:
    half = max(1, len(turn.tokens) // 2)
    return full_answer(turn, turn.tokens[:half], "length")


# Answers that are made from the accepted request.
SHAPED: dict[str, Callable[[Turn], Answer]] = {
    "empty-reply": lambda turn: full_answer(turn, [], "stop"),
    "cut-stream": _cut_stream,
    "mid-stream-error": _mid_stream_error,
    "length": _length,
}

# Not an answer at all: the server does not let the connection through.
REFUSE = "refuse"
# Strikes only requests for a model that is not in the catalogue.
MODEL = "model"
NAMES = sorted([*FIXED, *SHAPED, REFUSE, MODEL])

# What strikes other requests than chat too, unless a number limits it to the first N of those:
# the key is wrong everywhere, and a captive portal does not look at paths.
_ON_ACCOUNT = frozenset({"auth", "forbidden"})
_ON_EVERYTHING = frozenset({"html", "redirect", "stall"})


@dataclass
class _Armed:
    name: str
    left: float


class FaultPlan:
    """Which fault strikes which request. Several take their turns in the order they were given."""

    def __init__(self, faults: Iterable[tuple[str, int | None]] = ()) -> None:
        self._armed = [_Armed(name, math.inf if times is None else times) for name, times in faults]

    def for_chat(self) -> str | None:
        """The fault of the next chat request, which counts."""
        return self._take(lambda name: name not in (REFUSE, MODEL))

    def for_unknown_model(self) -> bool:
        """Whether the next request for an unknown model is refused, which counts."""
        return self._take(lambda name: name == MODEL) is not None

    def for_connection(self) -> bool:
        """Whether the next connection is refused, which counts."""
        return self._take(lambda name: name == REFUSE) is not None

    def for_other(self, *, account: bool) -> str | None:
        """The fault of a request for something else than a chat."""
        names = _ON_EVERYTHING | _ON_ACCOUNT if account else _ON_EVERYTHING
        standing = (armed.name for armed in self._armed if armed.left == math.inf)
        return next((name for name in standing if name in names), None)

    @property
    def refuses_all(self) -> bool:
        """Whether no connection is ever let through."""
        return self._always(REFUSE)

    @property
    def no_credit(self) -> bool:
        """Whether the account is out of credits for good."""
        return self._always("credit")

    def _always(self, name: str) -> bool:
        return any(armed.name == name and armed.left == math.inf for armed in self._armed)

    def _take(self, matches: Callable[[str], bool]) -> str | None:
        for armed in self._armed:
            if armed.left > 0 and matches(armed.name):
                armed.left -= 1
                return armed.name
        return None


def parse_fault(text: str) -> tuple[str, int | None]:
    """`NAME` or `NAME:N`. Raises `UsageError` that lists the names."""
    name, colon, number = text.partition(":")
    if name not in NAMES:
        raise UsageError(f"no such fault: {name!r}", hint=f"one of {', '.join(NAMES)}")
    if not colon:
        return name, None
    if not (re.fullmatch(r"0*[1-9][0-9]{0,8}", number)):
        raise UsageError(
            f"--fault {text}: {number!r} is not a number of requests",
            hint=f"fail the first two requests with --fault {name}:2, all with --fault {name}",
        )
    return name, int(number)
