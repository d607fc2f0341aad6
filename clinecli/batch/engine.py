"""What is asked next, and what becomes of it: the rule of a batch, without sockets or files.

A row is pulled from the input when there is room for it, asked, and asked again as `next_delay`
has it; then it is finished, with an answer or an error. Time comes in as an argument.

    next(now)            -> a ticket to be sent, None when there is none now
    landed(ticket, …)    -> what came of it; results go to `finished`, in the order they came

What every row would meet ends the batch: nothing is sent any more, what is in the air may land.
Rows that would have been asked again are then left for the next run, as if never asked.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from clinecli.batch.copies import Copies
from clinecli.batch.judge import Judge, Verdict
from clinecli.batch.limits import Permit, Throttle
from clinecli.batch.money import Budget, charge
from clinecli.batch.stops import Seen, Stop, Tolerance, stops_all
from clinecli.batch.tally import Tally
from clinecli.batch.tasks import Request
from clinecli.batch.waits import outcome_of
from clinecli.batch.wire import Landed
from clinecli.errors import ClinecliError
from clinecli.models.price import Prices, usage_of
from clinecli.transport.retry import next_delay

# Rows that wait to be asked again are held in memory: so many for each worker.
_WAITING_PER_JOB = 8
# Some rows are finished without being asked: so many before they are to be written.
_WRITTEN_TOGETHER = 256


class Feed(Protocol):
    """Where requests come from. `ended` says that there are no more."""

    @property
    def ended(self) -> bool: ...

    def take(self) -> Request | None:
        """The next request; None when there is none now. Raises `ClinecliError`."""
        ...


class Policy(NamedTuple):
    """What the user allows. `timeout` is in seconds for a row, retries included."""

    jobs: int
    retries: int
    timeout: float
    tolerance: Tolerance = Tolerance()


class Attempt(NamedTuple):
    """A request, how often it was asked with this time, and the seconds that it had so far."""

    request: Request
    number: int = 1
    spent: float = 0.0


class Ticket(NamedTuple):
    """A request that is in the air since `sent`, with what was reserved for it."""

    attempt: Attempt
    permit: Permit
    reserved: int
    sent: float


class Finished(NamedTuple):
    """A row that has its result. `copied` says that it is another row's (--dedupe)."""

    request: Request
    verdict: Verdict
    copied: bool = False


class Engine:
    """One run of a batch. Not to be shared by threads."""

    def __init__(
        self,
        policy: Policy,
        feed: Feed,
        throttle: Throttle,
        *,
        tally: Tally,
        budget: Budget,
        prices: Prices,
        judge: Judge,
        jitter: Callable[[], float],
        copies: Copies | None = None,
    ) -> None:
        self._policy = policy
        self._feed = feed
        self._throttle = throttle
        self._budget = budget
        self._prices = prices
        self._jitter = jitter
        self._copies = copies
        self._judge = judge
        # What is asked again: by the time when it is due (those of one time in the order of the
        # second number), and what is due by how often it was asked.
        self._retries: list[tuple[float, int, Attempt]] = []
        self._ready: dict[int, deque[Attempt]] = {}
        self._again = 0
        self._order = 0
        self._held: Attempt | None = None
        # When the server last accepted a request; before that, when the first one was sent.
        self._accepted = math.inf
        self._models: set[str] = set()
        self.tally = tally
        self.in_flight = 0
        self.finished: list[Finished] = []
        self.stop: Stop | None = None
        # For how many seconds `next` has nothing, unless something lands or comes in.
        self.wait = math.inf

    @property
    def is_over(self) -> bool:
        """Whether nothing is in the air, and nothing is to be sent any more."""
        if self.in_flight:
            return False
        return self.stop is not None or not (self._again or self._held or not self._feed.ended)

    def next(self, now: float) -> Ticket | None:
        """What is to be sent now."""
        self.wait = math.inf if self.stop else self._throttle.wait(now, 0)
        if self.wait <= 0:
            attempt = self._chosen(now)
            if attempt:
                return self._start(attempt, now)
            self.wait = self._retries[0][0] - now if self._retries else math.inf
            if len(self.finished) >= _WRITTEN_TOGETHER:
                self.wait = 0.0
        return None

    def landed(self, ticket: Ticket, landed: Landed, now: float) -> None:
        """Take in what came of a ticket."""
        attempt = ticket.attempt
        verdict = self._judge.verdict(landed, attempt.request.asking)
        error = verdict.error
        usage = usage_of(verdict.usage, self._prices.of(attempt.request.model))
        tokens = usage.prompt + usage.output if usage else None
        cost = charge(ticket.reserved, usage, error)
        outcome = outcome_of(error, tokens)
        self._throttle.settle(now, ticket.permit, outcome)
        if outcome.accepted:
            self._accepted = now
        self._budget.settle(ticket.reserved, cost)
        self.tally.spend(usage, cost)
        self.in_flight -= 1
        if error is None:
            self._finish(attempt.request, verdict)
        else:
            spent = attempt.spent + now - ticket.sent
            self._failed(attempt._replace(spent=spent), verdict, error, now)

    def end(self, stop: Stop) -> None:
        """Send nothing any more. The first reason counts, but for a signal."""
        if self.stop is None or stop.signal:
            self.stop = stop

    def _chosen(self, now: float) -> Attempt | None:
        """What is sent next. A request after a hold is the likeliest to be accepted: it is one for
        the row that was asked most often. While the server takes nothing, the row that was asked
        least is sent, so that none uses up its attempts."""
        while self._retries and self._retries[0][0] <= now:
            attempt = heapq.heappop(self._retries)[2]
            self._ready.setdefault(attempt.number, deque()).append(attempt)
        if self._throttle.is_shut:
            return self._pull() or self._due(min)
        return self._due(max) or self._pull()

    def _due(self, which: Callable[[Iterable[int]], int]) -> Attempt | None:
        if not self._ready:
            return None
        number = which(self._ready)
        attempt = self._ready[number].popleft()
        if not self._ready[number]:
            del self._ready[number]
        self._again -= 1
        return attempt

    def _pull(self) -> Attempt | None:
        if self._held:
            held, self._held = self._held, None
            return held
        while self._has_room:
            try:
                request = self._feed.take()
            except ClinecliError as error:
                self.end(Stop(error))
                return None
            if request is None or not self._is_settled(request):
                return Attempt(request) if request else None
        return None

    @property
    def _has_room(self) -> bool:
        """Whether another row may be taken from the input."""
        return (
            self.stop is None
            and self._again < _WAITING_PER_JOB * self._policy.jobs
            and len(self.finished) < _WRITTEN_TOGETHER
            and not (self._copies and self._copies.is_full)
        )

    def _is_settled(self, request: Request) -> bool:
        """Whether a row need not be asked: it is no request, or another asks the same."""
        if request.error:
            self._finish(request, Verdict(None, request.error))
            return True
        if self._copies is None:
            return False
        if known := self._copies.known(request.data):
            self._finish(request, known, copied=True)
            return True
        return self._copies.joins(request)

    def _start(self, attempt: Attempt, now: float) -> Ticket | None:
        request = attempt.request
        self.wait = self._throttle.wait(now, request.tokens)
        if self.wait > 0:
            self._put_back(attempt)
            return None
        try:
            is_reserved = self._budget.reserve(request.cost)
        except ClinecliError as error:
            self.end(Stop(error))
            return None
        if not is_reserved:
            self.wait = math.inf
            self._put_back(attempt)
            return None
        self._accepted = min(self._accepted, now)
        self.in_flight += 1
        self.tally.requests += 1
        self.tally.retried += attempt.number > 1
        if len(self._models) < 2:
            self._models.add(request.model)
        return Ticket(attempt, self._throttle.take(now, request.tokens), request.cost, now)

    def _put_back(self, attempt: Attempt) -> None:
        if attempt.number > 1:
            self._again += 1
            self._ready.setdefault(attempt.number, deque()).appendleft(attempt)
        else:
            self._held = attempt

    def _later(self, due: float, attempt: Attempt) -> None:
        self._again += 1
        self._order += 1
        heapq.heappush(self._retries, (due, self._order, attempt))

    def _failed(self, attempt: Attempt, verdict: Verdict, error: ClinecliError, now: float) -> None:
        policy = self._policy
        answers = self.tally.answered + self.tally.earlier > 0
        seen = Seen(
            answers=answers,
            models=len(self._models) > 1,
            silent=now - self._accepted,
            shut=self._throttle.is_shut,
        )
        delay = next_delay(
            error,
            attempt=attempt.number,
            retries=policy.retries,
            remaining=policy.timeout - attempt.spent,
            jitter=self._jitter(),
        )
        if stops_all(error, seen, policy.timeout):
            self.end(Stop(error))
            # A wait says nothing of the row, and where nobody answered, it was not asked.
            if not verdict.response or error.retryable:
                return
        elif delay is not None:
            if self.stop is None:
                again = attempt._replace(number=attempt.number + 1, spent=attempt.spent + delay)
                self._later(now + delay, again)
            return
        self._finish(attempt.request, verdict)

    def _finish(self, request: Request, verdict: Verdict, *, copied: bool = False) -> None:
        self.tally.finish(verdict.error)
        self.tally.copied += copied
        self.finished.append(Finished(request, verdict, copied))
        tally = self.tally
        if verdict.error and self._policy.tolerance.is_exceeded(tally.failures, tally.done):
            self.end(Stop())
        if self._copies and not copied:
            for other in self._copies.released(request):
                self._finish(other, verdict, copied=True)
