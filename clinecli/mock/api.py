"""The API's rules: which request gets which answer. No socket in here."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from clinecli.mock import catalogue
from clinecli.mock.answers import Answer, Body, enveloped, json_body, later
from clinecli.mock.faults import FIXED, SHAPED, FaultPlan
from clinecli.mock.recording import Exchange
from clinecli.mock.replay import Recordings, answer_of
from clinecli.mock.replies import (
    Refused,
    full_answer,
    make_turn,
    read_request,
    wants_stream,
)
from clinecli.mock.request import Request

_ROOT = "/api/v1"
_CHAT = f"{_ROOT}/chat/completions"
_BEARER = re.compile(r"Bearer +\S", re.IGNORECASE)


@dataclass(frozen=True)
class Scenario:
    """What the user wants of the mock; `delay` is in seconds per token, `latency` per reply.

    Recordings are served `speed` times as fast as they were made.
    """

    delay: float = 0.0
    latency: float = 0.0
    reply: str | None = None
    faults: FaultPlan = field(default_factory=FaultPlan)
    recordings: Recordings | None = None
    speed: float = 1.0


class _Route(NamedTuple):
    """A GET endpoint; `answer` takes the scenario and the id in the path, if there is one."""

    path: re.Pattern[str]
    answer: Callable[[Scenario, str], Body]
    needs_key: bool = True


def _balance(kind: str, known: str) -> Callable[[Scenario, str], Body]:
    def answer(scenario: Scenario, owner: str) -> Body:
        _check_owner(owner, known)
        spent = scenario.faults.no_credit
        balance = catalogue.SPENT_BALANCE if spent else catalogue.HEALTHY_BALANCE
        return enveloped({"balance": balance, kind: owner})

    return answer


def _usages(_: Scenario, owner: str) -> Body:
    _check_owner(owner, catalogue.USER_ID)
    return enveloped(catalogue.USAGES)


def _check_owner(owner: str, known: str) -> None:
    if owner != known:
        raise Refused(403, f"Forbidden: this key has no access to {owner}; it belongs to {known}")


def _route(path: str, answer: Callable[[Scenario, str], Body], *, key: bool = True) -> _Route:
    return _Route(re.compile(_ROOT + path), answer, key)


_ROUTES = (
    _route("/users/me", lambda *_: enveloped(catalogue.USER)),
    _route("/users/([^/]+)/balance", _balance("userId", catalogue.USER_ID)),
    _route("/users/([^/]+)/usages", _usages),
    _route("/organizations/([^/]+)/balance", _balance("organizationId", catalogue.ORGANIZATION_ID)),
    _route("/ai/cline/models", lambda *_: json_body(catalogue.MODELS), key=False),
    _route("/ai/cline/recommended-models", lambda *_: json_body(catalogue.RECOMMENDED), key=False),
)


class MockApi:
    """Answers requests."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._reply_numbers = itertools.count(1)

    @property
    def faults(self) -> FaultPlan:
        """Which requests and connections fail."""
        return self.scenario.faults

    @property
    def misses(self) -> list[str]:
        """What was asked of a strict recording and is not in it."""
        recordings = self.scenario.recordings
        return recordings.misses if recordings else []

    def answer(self, request: Request) -> Answer:
        """The answer to a request, whatever it is."""
        is_chat = request.path == _CHAT and request.method == "POST"
        try:
            answer = self._chat(request) if is_chat else self._other(request)
        except Refused as refusal:
            answer = refusal.answer
        return later(answer, self.scenario.latency) if is_chat else answer

    def _chat(self, request: Request) -> Answer:
        scenario = self.scenario
        fault = scenario.faults.for_chat()
        if fault in FIXED:
            return FIXED[fault]
        _demand_key(request)
        if fault is None and scenario.recordings:
            return self._recorded_chat(scenario.recordings, request)
        body = read_request(request.body)
        if not catalogue.knows(body["model"]) and scenario.faults.for_unknown_model():
            raise Refused(404, f"model not found: {body['model']}")
        turn = make_turn(
            body,
            id=f"gen-mock-{next(self._reply_numbers):06d}",
            reply=scenario.reply,
            delay=scenario.delay,
        )
        return SHAPED[fault](turn) if fault else full_answer(turn)

    def _other(self, request: Request) -> Answer:
        path = request.path
        route, owner = _find(path)
        needs_key = route is None or route.needs_key
        fault = self.scenario.faults.for_other(account=route is not None and needs_key)
        if fault:
            return FIXED[fault]
        if self.scenario.recordings:
            if needs_key:
                _demand_key(request)
            recordings = self.scenario.recordings
            exchange = recordings.same(request) or recordings.next(request)
            return self._replayed(recordings, request, exchange, stream=True)
        allowed = "POST" if path == _CHAT else "GET"
        if route is None and path != _CHAT:
            raise Refused(404, f"no such endpoint: {path}")
        if route is None or request.method != allowed:
            message = f"{request.method} is not allowed on {path}"
            raise Refused(405, message, headers=(("Allow", allowed),))
        if needs_key:
            _demand_key(request)
        return route.answer(self.scenario, owner)

    def _recorded_chat(self, recordings: Recordings, request: Request) -> Answer:
        exchange = recordings.same(request)
        stream = True
        try:
            stream = wants_stream(read_request(request.body))
        except Refused:
            # The API looks at key, credit and limits first, and at the message then.
            exchange = exchange or recordings.refusal(request)
            if exchange is None:
                raise
        exchange = exchange or recordings.next(request)
        return self._replayed(recordings, request, exchange, stream=stream)

    def _replayed(
        self, recordings: Recordings, request: Request, exchange: Exchange | None, *, stream: bool
    ) -> Answer:
        if exchange is None:
            raise Refused(*recordings.miss(request), code="not_recorded")
        delay, speed = self.scenario.delay, self.scenario.speed
        return answer_of(exchange, stream=stream, delay=delay, speed=speed)


def _find(path: str) -> tuple[_Route | None, str]:
    for route in _ROUTES:
        if match := route.path.fullmatch(path):
            return route, unquote(match[1]) if match.lastindex else ""
    return None, ""


def _demand_key(request: Request) -> None:
    if not _BEARER.match(request.headers.get("authorization", "")):
        raise Refused(401, "Unauthorized: send the header Authorization: Bearer KEY")
