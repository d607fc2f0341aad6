from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.limits import Outcome, Pace, Permit, Throttle, TokenWindow

OK = Outcome()
SLOWER = Outcome(accepted=False, limited=True)


def slower(wait: float) -> Outcome:
    return Outcome(accepted=False, limited=True, wait=wait)


def sent(throttle: Throttle, count: int, now: float = 0.0) -> list[Permit]:
    """`count` requests that may all go at once."""
    permits = []
    for _ in range(count):
        assert throttle.wait(now, 0) <= 0
        permits.append(throttle.take(now, 0))
    return permits


def room(throttle: Throttle, now: float) -> int:
    """How many more may go at once."""
    count = 0
    while throttle.wait(now, 0) <= 0:
        throttle.take(now, 0)
        count += 1
    return count


# What came of requests that were sent together, one after the other, by 8 jobs -> workers
WINDOWS: dict[str, tuple[list[Outcome], int]] = {
    "all-accepted": ([OK] * 8, 8),
    "a-429-halves": ([slower(0)], 4),
    "those-sent-before-a-cut-do-not-cut-again": ([slower(0)] * 8, 4),
    "those-sent-before-a-cut-do-not-grow-it": ([slower(0), *[OK] * 7], 4),
    "growth-before-the-cut-stops-at-jobs": ([*[OK] * 7, slower(0)], 4),
    "a-failed-connection-changes-nothing": ([Outcome(accepted=False)] * 8, 8),
}


@pytest.mark.parametrize(("outcomes", "workers"), WINDOWS.values(), ids=WINDOWS)
def test_window_of_one_round(outcomes: list[Outcome], workers: int) -> None:
    throttle = Throttle(8)
    permits = sent(throttle, 8)
    for permit, outcome in zip(permits, outcomes, strict=False):
        throttle.settle(1.0, permit, outcome)
    for permit in permits[len(outcomes) :]:
        throttle.settle(1.0, permit, Outcome(accepted=False))
    assert room(throttle, 1.0) == workers


def test_each_round_of_429s_halves_down_to_one() -> None:
    throttle, workers = Throttle(100), []
    for _ in range(9):
        permits = sent(throttle, throttle.snapshot(0).workers)
        workers.append(len(permits))
        for permit in permits:
            throttle.settle(0.0, permit, slower(0))
    assert workers == [100, 50, 25, 12, 6, 3, 1, 1, 1]


def test_one_window_of_answers_makes_one_worker_more() -> None:
    throttle, workers = Throttle(6), []
    for permit in sent(throttle, 6):
        throttle.settle(0.0, permit, slower(0))
    for _ in range(7):
        permits = sent(throttle, throttle.snapshot(0).workers)
        workers.append(len(permits))
        for permit in permits:
            throttle.settle(0.0, permit, OK)
    # 1 / window is added a little less than `window` times a round, since the window grows.
    assert workers == [3, 3, 4, 5, 6, 6, 6]


def test_a_hold_is_for_all_workers_and_ends() -> None:
    throttle = Throttle(8)
    first, second, *_ = sent(throttle, 3, now=10.0)
    throttle.settle(11.0, first, slower(30.0))
    throttle.settle(12.0, second, slower(5.0))
    assert throttle.wait(12.0, 0) == 29.0
    assert throttle.snapshot(12.0).hold == 29.0
    assert throttle.wait(41.0, 0) <= 0


def test_a_hold_needs_no_429() -> None:
    throttle = Throttle(2)
    (permit,) = sent(throttle, 1)
    throttle.settle(1.0, permit, Outcome(accepted=False, wait=7.0))
    assert (throttle.wait(1.0, 0), throttle.snapshot(1.0).workers) == (7.0, 2)


def test_one_worker_that_is_told_to_slow_down_pauses_longer_each_time() -> None:
    throttle, now, pauses = Throttle(1), 0.0, []
    for _ in range(8):
        (permit,) = sent(throttle, 1, now)
        throttle.settle(now, permit, SLOWER)
        pauses.append(throttle.wait(now, 0))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    (permit,) = sent(throttle, 1, now)
    throttle.settle(now, permit, OK)
    (permit,) = sent(throttle, 1, now)
    throttle.settle(now, permit, SLOWER)
    assert throttle.wait(now, 0) == 1


def test_more_than_one_worker_is_halved_after_a_short_pause() -> None:
    throttle = Throttle(2)
    (permit,) = sent(throttle, 1)
    throttle.settle(0.0, permit, SLOWER)
    assert throttle.wait(0.0, 0) == 0.5
    assert throttle.wait(0.5, 0) <= 0


def test_it_is_shut_while_one_worker_is_told_to_slow_down() -> None:
    throttle, shut = Throttle(2), []
    for outcome in (SLOWER, SLOWER, Outcome(accepted=False), slower(9.0), OK, SLOWER):
        (permit,) = sent(throttle, 1, 1e6)
        throttle.settle(0.0, permit, outcome)
        shut.append(throttle.is_shut)
    assert shut == [False, True, True, True, False, False]


def test_a_full_window_waits_for_an_answer() -> None:
    throttle = Throttle(1)
    (permit,) = sent(throttle, 1)
    assert throttle.wait(1e9, 0) == math.inf
    throttle.settle(1e9, permit, OK)
    assert throttle.wait(1e9, 0) <= 0


# requests a minute, how many go at once, when the next one may
PACES: dict[str, tuple[float, int, float]] = {
    "one": (1, 1, 60.0),
    "sixty": (60, 1, 1.0),
    "a-share": (2.5, 1, 24.0),
    "less-than-one": (0.25, 1, 240.0),
    "many": (6000, 10, 60 / 5991),
}


@pytest.mark.parametrize(("rpm", "at_once", "next_at"), PACES.values(), ids=PACES)
def test_pace(rpm: float, at_once: int, next_at: float) -> None:
    throttle = Throttle(1000, rpm=rpm)
    assert room(throttle, 5.0) == at_once
    assert throttle.wait(5.0, 0) == pytest.approx(next_at)


def busiest(sent: list[tuple[float, int]]) -> int:
    """The most that any 60 seconds hold, the end excluded."""
    return max(
        (sum(n for at, n in sent if start <= at < start + 60 - 1e-6) for start, _ in sent),
        default=0,
    )


@given(
    st.one_of(st.integers(1, 5), st.integers(5, 3000)),
    st.lists(st.floats(0, 30), max_size=60),
    st.integers(1, 40),
)
def test_no_minute_has_more_requests_than_allowed(
    rpm: int, pauses: list[float], eagerness: int
) -> None:
    pace, now, requests = Pace(rpm), 0.0, []
    for pause in pauses:
        now += pause
        for _ in range(eagerness):
            if pace.wait(now) > 0 and eagerness % 2:
                now += pace.wait(now)
            if pace.wait(now) <= 0:
                pace.take(now)
                requests.append((now, 1))
    assert busiest(requests) <= rpm


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 6000), st.booleans()), max_size=60),
)
def test_no_minute_has_more_tokens_than_allowed(
    tpm: int, calls: list[tuple[float, int, bool]]
) -> None:
    window, now, requests = TokenWindow(tpm), 0.0, []
    for pause, tokens, is_patient in calls:
        now += pause
        wait = window.wait(now, tokens)
        if wait > 0 and is_patient:
            now += wait
            # What a wait says is enough.
            assert window.wait(now + 1e-6, tokens) <= 0
            now += 1e-6
        if window.wait(now, tokens) <= 0:
            window.take(now, tokens)
            requests.append((now, tokens))
    largest = max((tokens for _, tokens in requests), default=0)
    assert busiest(requests) <= max(tpm, largest)


def test_what_was_not_used_is_given_back() -> None:
    throttle = Throttle(9, tpm=1000)
    permit = throttle.take(0.0, 900)
    assert throttle.wait(1.0, 200) == pytest.approx(59.1)
    throttle.settle(1.0, permit, Outcome(tokens=100))
    assert throttle.wait(1.0, 900) <= 0
    assert throttle.wait(1.0, 901) > 0


def test_what_is_not_known_stays_as_estimated() -> None:
    throttle = Throttle(9, tpm=1000)
    throttle.settle(1.0, throttle.take(0.0, 900), Outcome(accepted=False))
    assert throttle.wait(1.0, 200) > 0


def test_more_than_was_estimated_counts() -> None:
    throttle = Throttle(9, tpm=1000)
    throttle.settle(1.0, throttle.take(0.0, 0), Outcome(tokens=5000))
    assert throttle.wait(1.0, 1) == pytest.approx(59.1)
    assert throttle.wait(60.2, 1000) <= 0


def test_what_left_the_window_is_not_corrected() -> None:
    throttle = Throttle(9, tpm=1000)
    late = throttle.take(0.0, 500)
    throttle.take(70.0, 900)
    throttle.settle(71.0, late, Outcome(tokens=0))
    assert throttle.wait(71.0, 100) <= 0
    assert throttle.wait(71.0, 101) > 0


def test_a_request_larger_than_the_limit_goes_alone() -> None:
    throttle = Throttle(9, tpm=1000)
    throttle.take(0.0, 1)
    assert throttle.wait(30.0, 5000) == pytest.approx(30.1)
    throttle.take(60.2, 5000)
    assert throttle.wait(61.0, 1) > 0


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.sampled_from([OK, SLOWER]))),
)
def test_never_more_in_flight_than_the_window(
    jobs: int, steps: list[tuple[bool, int, Outcome]]
) -> None:
    throttle, permits = Throttle(jobs), []
    for is_send, which, outcome in steps:
        if is_send and throttle.wait(1e9, 0) <= 0:
            permits.append(throttle.take(1e9, 0))
            assert len(permits) <= throttle.snapshot(1e9).workers
        elif permits and not is_send:
            throttle.settle(0.0, permits.pop(which % len(permits)), outcome)
        state = throttle.snapshot(1e9)
        assert 1 <= state.workers <= jobs
        assert state.in_flight == len(permits)
    for permit in permits:
        throttle.settle(0.0, permit, OK)
    assert throttle.wait(1e9, 0) <= 0
