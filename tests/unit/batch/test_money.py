from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.money import Budget, charge
from clinecli.errors import (
    AuthError,
    ClinecliError,
    Code,
    ConnectionFailed,
    CreditError,
    IncompleteError,
    RejectedError,
    TlsError,
    TransientError,
)
from clinecli.models.price import PICO, Usage

KNOWN, COUNTED, FREE = Usage(5, 5, 30), Usage(5, 5, None), Usage(0, 0, 0)

# usage, error -> cost of a request that reserved 100
CHARGES: dict[str, tuple[Usage | None, ClinecliError | None, int]] = {
    "told": (KNOWN, None, 30),
    "told-to-be-free": (FREE, None, 0),
    "more-than-was-reserved": (Usage(5, 5, 130), None, 130),
    "a-reply-that-tells-nothing": (None, None, 100),
    "counts-without-a-price": (COUNTED, None, 100),
    "a-billed-failure": (KNOWN, IncompleteError("empty", http_status=200), 30),
    "filtered": (None, RejectedError("filtered", http_status=200), 100),
    "cut": (None, IncompleteError("cut"), 100),
    "lost": (None, TransientError("no reply in time"), 100),
    "server-error": (None, TransientError("broken", http_status=500), 100),
    "no-time-for-the-request": (None, TransientError("timeout", http_status=408), 100),
    "rate-limit": (None, TransientError("slow down", http_status=429), 0),
    "bad-request": (None, RejectedError("bad", http_status=400), 0),
    "bad-key": (None, AuthError("no", http_status=401), 0),
    "no-credit": (None, CreditError("no", http_status=402), 0),
    "no-connection": (None, ConnectionFailed("refused"), 0),
    "no-answer": (None, ConnectionFailed("closed", code=Code.CLOSED), 100),
    "no-trust": (None, TlsError("untrusted"), 0),
}


@pytest.mark.parametrize(("usage", "error", "cost"), CHARGES.values(), ids=CHARGES)
def test_charge(usage: Usage | None, error: ClinecliError | None, cost: int) -> None:
    assert charge(100, usage, error) == cost


@given(
    st.integers(0, 1000),
    st.integers(0, 300),
    st.lists(st.tuples(st.booleans(), st.integers(0, 300), st.floats(0, 1))),
)
def test_no_order_of_events_spends_more_than_the_cap(
    cap: int, before: int, steps: list[tuple[bool, int, float]]
) -> None:
    flying: list[int] = []
    budget, total = Budget(cap, before), before
    for is_reserve, number, share in steps:
        if is_reserve:
            in_flight = sum(flying)
            waits = total + number <= cap < total + in_flight + number
            try:
                is_reserved = budget.reserve(number)
            except CreditError:
                # From here on it always is refused, whatever would fit.
                with pytest.raises(CreditError):
                    budget.reserve(0)
                break
            # It waits when, and only when, that may help.
            assert is_reserved is not waits
            if is_reserved:
                flying.append(number)
            assert total + sum(flying) <= max(cap, before)
        elif flying:
            reserved = flying.pop(number % len(flying))
            cost = int(reserved * share)
            budget.settle(reserved, cost)
            total += cost
            assert budget.spent == total <= max(cap, before)
    for reserved in flying:
        budget.settle(reserved, reserved)
        total += reserved
    assert budget.spent == total <= max(cap, before)


def test_a_row_waits_for_money_that_may_come_back() -> None:
    budget = Budget(100)
    assert budget.reserve(80)
    assert not budget.reserve(50)
    budget.settle(80, 20)
    assert budget.reserve(50)


def test_one_row_that_cannot_fit_ends_it_for_all() -> None:
    budget = Budget(100)
    assert budget.reserve(80)
    assert not budget.reserve(50)
    budget.settle(80, 80)
    for amount in (50, 1):
        with pytest.raises(CreditError):
            budget.reserve(amount)


def test_the_error_names_cap_spent_and_worst_case() -> None:
    budget = Budget(5 * PICO, 4 * PICO)
    with pytest.raises(CreditError) as caught:
        budget.reserve(PICO + 1)
    assert caught.value.message == (
        "--max-cost $5.00 is reached: $4.00 are spent, and the next row can cost up to $1.00"
    )
    assert "higher --max-cost" in caught.value.hint
    assert not caught.value.retryable


def test_what_is_charged_beyond_the_price_list_counts() -> None:
    budget = Budget(100)
    assert budget.reserve(90)
    budget.settle(90, 130)
    assert budget.spent == 130
    with pytest.raises(CreditError):
        budget.reserve(0)


def test_without_a_cap_it_counts() -> None:
    budget = Budget()
    assert budget.reserve(10**30)
    budget.settle(10**30, 5)
    assert budget.spent == 5
