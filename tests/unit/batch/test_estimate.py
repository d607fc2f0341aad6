from __future__ import annotations

import json
from typing import Any

import pytest

from clinecli.batch.estimate import Estimate, Range, estimate_lines
from clinecli.jsontext import dumps
from clinecli.models.catalogue import merge
from clinecli.models.price import Prices, upper_bound

ENTRY = {
    "id": "a/b",
    "context_length": 8000,
    "pricing": {"prompt": "0.000003", "completion": "0.000015"},
}
PRICES = Prices(merge(json.dumps({"data": [ENTRY]}, separators=(",", ":")).encode()))


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "a/b", "messages": [{"role": "user", "content": "Hi"}], **fields}


def of(*bodies: dict[str, Any]) -> Estimate:
    estimate = Estimate()
    for each in bodies:
        estimate = estimate.plus(each, PRICES)
    return estimate


def test_the_upper_end_is_what_would_be_reserved() -> None:
    bodies = [body(max_tokens=n, messages=[{"role": "user", "content": "x" * n}]) for n in (9, 99)]
    estimate = of(*bodies)
    bounds = [upper_bound(each, PRICES) for each in bodies]
    assert estimate.rows == 2
    assert estimate.prompt.high == sum(bound.prompt for bound in bounds)
    assert estimate.output == Range(2, 108)
    assert estimate.cost.high == sum(bound.cost for bound in bounds)
    assert 0 < estimate.cost.low < estimate.cost.high
    assert estimate.unpriced == ()


def test_one_unknown_price_leaves_the_cost_open() -> None:
    bodies = (body(max_tokens=9), body(max_tokens=9, model="x/y"), body(model="x/y"))
    estimate = of(*bodies)
    assert estimate.cost.high is None
    assert estimate.output.high is None
    assert estimate.prompt.high == sum(len(dumps(each)) for each in bodies)
    assert estimate.unpriced == ("the price of x/y is not known, so that its cost has no bound",)
    assert estimate_lines(estimate)[3:5] == [
        "cost           at least $0.000054, with no upper bound:",
        f"               {estimate.unpriced[0]}",
    ]


def test_only_the_first_reasons_are_kept() -> None:
    assert len(of(*(body(model=f"x/{n}") for n in range(20))).unpriced) == 5


FULL = Estimate(600, Range(6_000, 60_000), Range(600, 6_000), Range(10**12, 10**13))
OPEN = FULL._replace(output=Range(600, None))
HOURS: dict[str, tuple[Estimate, float | None, float | None, Any]] = {
    "none": (FULL, None, None, None),
    "requests": (FULL, 10, None, (1.0, 1.0)),
    "tokens": (FULL, None, 110, (1.0, 10.0)),
    "the-stricter-of-both": (FULL, 2, 110, (5.0, 10.0)),
    "no-upper-end": (OPEN, 10, 110, (1.0, None)),
}


@pytest.mark.parametrize(("estimate", "rpm", "tpm", "hours"), HOURS.values(), ids=HOURS)
def test_hours(estimate: Estimate, rpm: float | None, tpm: float | None, hours: Any) -> None:
    assert estimate.hours(rpm, tpm) == hours


def test_lines() -> None:
    assert estimate_lines(FULL, rpm=10, tpm=110) == [
        "rows           600",
        "prompt tokens  6,000 to 60,000",
        "reply tokens   600 to 6,000",
        "cost           $1.00 to $10.00",
        "time           1.00 to 10.00 hours, by --rpm and --tpm",
    ]
    opened = estimate_lines(OPEN, tpm=110)
    assert opened[2] == "reply tokens   600 to no upper bound"
    assert opened[-1] == "time           1.00 to no upper bound, by --rpm and --tpm"
    assert "no --rpm" in estimate_lines(FULL)[-1]
