"""The rule of a batch on a clock of ours: what is sent when, and what becomes of every row."""

from __future__ import annotations

import heapq
import math
import socket
from collections import Counter
from collections.abc import Iterable

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.copies import Copies, Spool
from clinecli.batch.engine import Engine, Policy, Ticket
from clinecli.batch.judge import Asking, Judge
from clinecli.batch.limits import Throttle
from clinecli.batch.money import Budget
from clinecli.batch.results import Asked
from clinecli.batch.stops import Stop, Tolerance
from clinecli.batch.tally import Tally
from clinecli.batch.tasks import Request
from clinecli.batch.wire import Landed
from clinecli.chat.schema import answer
from clinecli.config.secret import Redactor
from clinecli.errors import (
    ClinecliError,
    Code,
    ConnectionFailed,
    CreditError,
    Retry,
    TlsError,
    TransientError,
    UsageError,
)
from clinecli.models.price import Prices
from clinecli.transport.client import Call
from clinecli.transport.deadline import Deadline
from clinecli.transport.dial import Dialled, Timings
from clinecli.transport.polled import Flight, PolledConnection
from clinecli.transport.route import Hop
from tests.helpers.batch import ANSWER, WAYS, failing, kept

ANY_NUMBER = Tolerance()
HEAD = h11.Request(method="POST", target="/", headers=[("Host", "h"), ("Content-Length", "0")])


def answered(ticket: Ticket, said: bytes) -> Landed:
    """What the wire tells of a ticket when a server says that."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = PolledConnection(Dialled(ours, "::1", Timings()), Hop("h", 1, "h:1"), "")
        flight = Flight(connection, Call("POST", "/", Deadline(9)), Redactor())
        assert flight.begin(HEAD) == b""
        theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        try:
            body = flight.advance()
        except ClinecliError as error:
            return Landed(ticket, flight.answer, flight.partial, error)
        assert body is not None
        return Landed(ticket, flight.answer, body, None)


class Feed:
    """Requests of a list; an error among them is raised, None is "not now"."""

    def __init__(self, items: Iterable[Request | ClinecliError | None]) -> None:
        self._items = list(items)
        self.ended = False

    def take(self) -> Request | None:
        self.ended = not self._items
        item = self._items.pop(0) if self._items else None
        if isinstance(item, ClinecliError):
            raise item
        return item


def request(name: str, *, cost: int = 0, model: str = "x/y", data: str = "") -> Request:
    row = Asked(name, 1, bytes(8), bytes(8))
    return Request(row, 0, (data or name).encode(), Asking(False, None), model, cost=cost)


def bad(name: str) -> Request:
    return request(name)._replace(error=UsageError("bad"))


def engine_of(
    items: Iterable[Request | ClinecliError | None],
    *,
    jobs: int = 4,
    retries: int = 3,
    cap: int | None = None,
    tolerance: Tolerance = ANY_NUMBER,
    dedupe: bool = False,
) -> Engine:
    return Engine(
        Policy(jobs, retries, 600.0, tolerance),
        Feed(items),
        Throttle(jobs),
        tally=Tally(),
        budget=Budget(cap),
        prices=Prices(),
        judge=Judge(lambda request, _: answer(request)),
        jitter=lambda: 0.0,
        copies=Copies(Spool()) if dedupe else None,
    )


def sent(engine: Engine, now: float = 0.0) -> list[Ticket]:
    """All that is to be sent now."""
    return list(iter(lambda: engine.next(now), None))


def names(tickets: Iterable[Ticket]) -> list[str]:
    return [ticket.attempt.request.row.id for ticket in tickets]


def results(engine: Engine) -> dict[str, str | None]:
    """The kind of error of each finished row, of which each has one result."""
    found = {
        each.request.row.id: each.verdict.error.kind if each.verdict.error else None
        for each in engine.finished
    }
    assert len(found) == len(engine.finished)
    return found


def failed(ticket: Ticket, error: ClinecliError) -> Landed:
    return Landed(ticket, None, b"", error)


def test_as_many_are_in_the_air_as_there_are_jobs() -> None:
    engine = engine_of(map(request, "abcde"), jobs=2)
    first, second = sent(engine)
    assert names([first, second]) == ["a", "b"]
    assert engine.wait == math.inf
    engine.landed(second, answered(second, ANSWER), 1.0)
    (third,) = sent(engine, 1.0)
    assert names([third]) == ["c"]
    assert results(engine) == {"b": None}
    assert not engine.is_over


def test_a_failure_that_may_pass_is_asked_again() -> None:
    engine = engine_of([request("a")])
    times, now = [], 0.0
    for _ in range(4):
        (ticket,) = sent(engine, now)
        times.append(now)
        engine.landed(ticket, answered(ticket, WAYS["overloaded"].said.data), now + 1)
        assert sent(engine, now + 1) == []
        now += 1 + engine.wait if engine.wait < math.inf else 0
    # Each takes a second, and waits for 1, 2 and 4.
    assert times == [0, 2, 5, 10]
    assert results(engine) == {"a": "transient"}
    assert engine.is_over
    assert (engine.tally.requests, engine.tally.retried) == (4, 3)


LIMITED = TransientError("too many requests", http_status=429)


def test_after_a_hold_the_row_that_was_asked_most_often_is_first() -> None:
    engine = engine_of(map(request, "abc"), jobs=2)
    a, b = sent(engine)
    engine.landed(a, failed(a, LIMITED), 0.0)
    engine.landed(b, answered(b, ANSWER), 0.0)
    (again,) = sent(engine, 1.0)
    assert names([again]) == ["a"]


def test_while_the_server_takes_nothing_no_row_uses_up_its_attempts() -> None:
    engine, now, asked = engine_of(map(request, "abcd"), jobs=1), 0.0, []
    for _ in range(6):
        (ticket,) = sent(engine, now)
        asked += names([ticket])
        engine.landed(ticket, failed(ticket, LIMITED), now)
        now += 100.0
    assert asked == ["a", "b", "c", "d", "a", "b"]


def test_a_server_that_takes_nothing_for_long_ends_it() -> None:
    engine, now = engine_of(map(request, "abcdefghijklmnopqrstuvwxyz"), jobs=1), 0.0
    while engine.stop is None:
        (ticket,) = sent(engine, now)
        engine.landed(ticket, failed(ticket, LIMITED), now)
        now += 64.0
    assert engine.stop.error == LIMITED
    # As long as a row may take, and no row is blamed for it.
    assert now == 64.0 * (600 // 64 + 2)
    assert (engine.is_over, engine.finished) == (True, [])


def test_a_server_that_is_dead_for_long_ends_it() -> None:
    refused = ConnectionFailed("refused", code=Code.REFUSED)
    engine, now = engine_of([request(str(number)) for number in range(99)], jobs=1), 0.0
    (ticket,) = sent(engine, now)
    engine.landed(ticket, answered(ticket, ANSWER), now)
    while engine.stop is None:
        (ticket,) = sent(engine, now)
        now += 60.0
        engine.landed(ticket, failed(ticket, refused), now)
    assert (engine.stop, now) == (Stop(refused), 600.0)
    # The row that met it is left, as if never asked.
    assert engine.tally.done < engine.tally.requests


class Limiter:
    """Takes so many requests a second, some at once (token bucket), or in each period."""

    def __init__(self, rate: float, burst: int, period: float = 0.0) -> None:
        self._rate, self._burst, self._period = rate, burst, period
        self._left, self._then = float(burst), 0.0

    def takes(self, now: float) -> bool:
        if self._period and now // self._period > self._then // self._period:
            self._left = self._burst
        elif not self._period:
            self._left = min(self._burst, self._left + (now - self._then) * self._rate)
        self._then = now
        taken = self._left >= 1
        self._left -= taken
        return taken


# What servers allow, and the seconds that a reply takes.
LIMITERS: dict[str, tuple[Limiter, int, float]] = {
    "20-a-second-8-jobs": (Limiter(20, 5), 8, 0.02),
    "20-a-second-64-jobs": (Limiter(20, 5), 64, 0.02),
    "5-a-second": (Limiter(5, 2), 8, 0.02),
    "20-a-second-slow-replies": (Limiter(20, 5), 64, 1.5),
    "1-a-second": (Limiter(1, 1), 8, 1.5),
    "60-a-minute": (Limiter(0, 60, 60.0), 64, 1.5),
    "600-a-minute": (Limiter(0, 600, 60.0), 64, 1.5),
    "10-a-minute": (Limiter(0, 10, 60.0), 8, 1.5),
}


@pytest.mark.parametrize(("limiter", "jobs", "seconds"), LIMITERS.values(), ids=LIMITERS)
def test_a_server_that_limits_requests_loses_no_row(
    limiter: Limiter, jobs: int, seconds: float
) -> None:
    rows = 150
    engine, now = engine_of([request(str(number)) for number in range(rows)], jobs=jobs), 0.0
    air: list[tuple[float, int, Ticket, bool]] = []
    while not engine.is_over:
        for ticket in sent(engine, now):
            taken = limiter.takes(now)
            due = now + (seconds if taken else min(seconds, 0.05))
            heapq.heappush(air, (due, engine.tally.requests + len(air), ticket, taken))
        if air and air[0][0] <= now + engine.wait:
            now, _, ticket, taken = heapq.heappop(air)
            landed = answered(ticket, ANSWER) if taken else failed(ticket, LIMITED)
            engine.landed(ticket, landed, now)
        else:
            now += max(engine.wait, 1e-6)
    assert results(engine) == {str(number): None for number in range(rows)}


def test_a_row_has_its_time_and_waiting_for_others_costs_none_of_it() -> None:
    engine = engine_of(map(request, "ab"), jobs=1)
    (ticket,) = sent(engine)
    engine.landed(ticket, answered(ticket, failing("429 Too Many", 429, "Retry-After: 100")), 5.0)
    assert sent(engine, 104.9) == []
    # Held by the server's wish for longer than its own delay: another hour changes nothing.
    (ticket,) = sent(engine, 3700.0)
    assert ticket.attempt.number == 2
    assert ticket.attempt.spent == 105.0


STOPS: dict[str, tuple[bytes | ClinecliError, bool]] = {
    "key": (failing("401 Unauthorized", 401), True),
    "credit": (failing("402 Payment Required", 402), True),
    "no-access": (failing("403 Forbidden", 403), True),
    "unknown-host": (
        ConnectionFailed("no such host", code=Code.DNS_NOT_FOUND, retry=Retry.NEVER),
        False,
    ),
    "tls": (TlsError("not trusted"), False),
    "a-long-wait": (failing("503 Unavailable", 503, "Retry-After: 600"), False),
    "a-long-wait-in-prose": (
        kept(b'{"error":{"message":"Slow down. Try again in 11 minutes"}}', "429 Too Many"),
        False,
    ),
}


@pytest.mark.parametrize(("met", "is_told"), STOPS.values(), ids=STOPS)
def test_what_every_row_would_meet_ends_it(met: bytes | ClinecliError, is_told: bool) -> None:
    engine = engine_of(map(request, "abcdefgh"))
    tickets = sent(engine)
    engine.landed(
        tickets[0],
        answered(tickets[0], met) if isinstance(met, bytes) else failed(tickets[0], met),
        1.0,
    )
    assert engine.stop is not None
    assert sent(engine, 1.0) == []
    # What is in the air may land; what would be asked again is left.
    assert engine.in_flight == 3
    engine.landed(tickets[1], answered(tickets[1], ANSWER), 1.0)
    engine.landed(tickets[2], answered(tickets[2], WAYS["overloaded"].said.data), 1.0)
    engine.landed(tickets[3], answered(tickets[3], WAYS["filtered"].said.data), 1.0)
    assert engine.is_over
    told = results(engine)
    assert told.pop("b") is None
    assert told.pop("d") == "rejected"
    assert set(told) == ({"a"} if is_told else set())


@pytest.mark.parametrize(
    ("models", "first_is_answered"), [(("x/a", "x/b"), False), (("x/a", "x/a"), True)]
)
def test_no_access_is_the_rows_own_where_others_have_it(
    models: tuple[str, str], first_is_answered: bool
) -> None:
    engine = engine_of(request(f"r{n}", model=model) for n, model in enumerate(models))
    first, second = sent(engine)
    if first_is_answered:
        engine.landed(first, answered(first, ANSWER), 1.0)
    engine.landed(second, answered(second, failing("403 Forbidden", 403)), 1.0)
    assert engine.stop is None
    assert results(engine)["r1"] == "auth"


def test_a_signal_outranks_what_stopped_it_before() -> None:
    engine = engine_of(map(request, "abcdef"))
    tickets = sent(engine)
    engine.landed(tickets[0], answered(tickets[0], failing("401 No", 401)), 1.0)
    engine.end(Stop(signal=2))
    assert engine.stop == Stop(signal=2)
    engine.landed(tickets[1], answered(tickets[1], failing("402 No", 402)), 1.0)
    assert engine.stop == Stop(signal=2)


def test_bad_rows_are_finished_without_being_asked() -> None:
    engine = engine_of([bad("a"), request("b"), bad("c")])
    (ticket,) = sent(engine)
    assert names([ticket]) == ["b"]
    assert results(engine) == {"a": "usage", "c": "usage"}


def test_many_bad_rows_are_written_in_between() -> None:
    engine = engine_of([bad(f"r{number}") for number in range(1000)])
    count = 0
    while not engine.is_over:
        assert sent(engine) == []
        assert len(engine.finished) <= 256
        count += len(engine.finished)
        engine.finished = []
    assert count == 1000


def test_an_input_that_fails_ends_it() -> None:
    error = UsageError("line 3")
    engine = engine_of([request("a"), error, request("b")])
    (ticket,) = sent(engine)
    assert engine.stop == Stop(error)
    engine.landed(ticket, answered(ticket, ANSWER), 1.0)
    assert engine.is_over
    assert results(engine) == {"a": None}


def test_an_input_that_has_nothing_yet_is_asked_later() -> None:
    engine = engine_of([None, request("a")])
    assert sent(engine) == []
    assert engine.wait == math.inf
    assert not engine.is_over
    assert names(sent(engine)) == ["a"]


def test_money_is_reserved_before_it_is_spent() -> None:
    engine = engine_of((request(name, cost=40) for name in "abc"), cap=100)
    tickets = sent(engine)
    # The third could be too much, and waits for what the others did cost.
    assert names(tickets) == ["a", "b"]
    assert engine.wait == math.inf
    engine.landed(tickets[0], failed(tickets[0], ConnectionFailed("refused")), 1.0)
    assert names(sent(engine, 1.0)) == ["c"]


def test_money_that_is_gone_ends_it() -> None:
    engine = engine_of((request(name, cost=60) for name in "ab"), cap=100)
    (ticket,) = sent(engine)
    engine.landed(ticket, answered(ticket, ANSWER), 1.0)
    assert sent(engine, 1.0) == []
    assert engine.stop is not None
    assert isinstance(engine.stop.error, CreditError)
    assert results(engine) == {"a": None}


@pytest.mark.parametrize(
    ("tolerance", "failures"),
    [(Tolerance(number=0), 1), (Tolerance(number=2), 3), (Tolerance(share=0.5, rows=6), 4)],
)
def test_too_many_failures(tolerance: Tolerance, failures: int) -> None:
    engine = engine_of(map(request, "abcdef"), jobs=1, tolerance=tolerance)
    while ticket := engine.next(0.0):
        engine.landed(ticket, answered(ticket, WAYS["filtered"].said.data), 0.0)
    assert engine.stop == Stop()
    assert engine.tally.failures == failures


def test_rows_that_wait_to_be_asked_again_are_bounded() -> None:
    engine = engine_of((request(f"r{number}") for number in range(100)), jobs=2)
    most = 0
    while tickets := sent(engine):
        most += len(tickets)
        for ticket in tickets:
            engine.landed(ticket, answered(ticket, WAYS["overloaded"].said.data), 0.0)
    assert most == 2 * 8
    assert engine.wait == 1.0


def test_those_who_ask_the_same_share_the_reply() -> None:
    engine = engine_of(
        (request(name, data=name[0]) for name in ("a1", "b1", "a2", "a3")), dedupe=True
    )
    tickets = sent(engine)
    assert names(tickets) == ["a1", "b1"]
    engine.landed(tickets[0], answered(tickets[0], WAYS["overloaded"].said.data), 0.0)
    (again,) = sent(engine, 1.0)
    engine.landed(again, answered(again, ANSWER), 1.0)
    engine.landed(tickets[1], answered(tickets[1], WAYS["filtered"].said.data), 1.0)
    assert results(engine) == {"a1": None, "a2": None, "a3": None, "b1": "rejected"}
    assert [each.copied for each in engine.finished] == [False, True, True, False]
    assert engine.is_over
    assert (engine.tally.answered, engine.tally.copied, engine.tally.requests) == (3, 2, 3)


OUTCOMES = st.sampled_from(
    ["answered", "filtered", "empty-reply", "overloaded", "rate-limit", "server-error", "cut",
     "no-http", "lost"]
)  # fmt: skip


@given(st.integers(0, 30), st.integers(1, 5), st.integers(0, 3), st.data())
def test_every_row_gets_one_result(rows: int, jobs: int, retries: int, data: st.DataObject) -> None:
    engine = engine_of(map(request, map(str, range(rows))), jobs=jobs, retries=retries)
    flying: list[Ticket] = []
    asked: Counter[str] = Counter()
    now = 0.0
    while not engine.is_over:
        for ticket in sent(engine, now):
            flying.append(ticket)
            asked[ticket.attempt.request.row.id] += 1
        assert engine.in_flight == len(flying) <= jobs
        if flying:
            ticket = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
            way = data.draw(OUTCOMES)
            lost = failed(ticket, TransientError("no answer"))
            told = lost if way == "lost" else answered(ticket, WAYS[way].said.data)
            engine.landed(ticket, told, now)
        elif engine.wait < math.inf:
            now += engine.wait
    assert engine.stop is None
    assert results(engine).keys() == set(map(str, range(rows)))
    assert all(1 <= times <= retries + 1 for times in asked.values())
    assert engine.tally.done == rows
    assert engine.tally.requests == asked.total()
