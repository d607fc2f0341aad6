"""`--estimate`: what a batch would take, before anything is sent.

Every number is a range. The upper end is what `--max-cost` would reserve if nothing were ever
settled: each prompt at its bound, each reply as long as its limit allows. The lower end has about
six bytes a token in prompts, and replies of one token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.errors import UsageError
from clinecli.models.price import (
    Prices,
    least_tokens,
    output_bound,
    prompt_bound,
    upper_bound,
    usd_text,
)

_MOST_REASONS = 5


class Range(NamedTuple):
    """From the least to the most; `high` is None where nothing bounds it."""

    low: int
    high: int | None

    def plus(self, low: int, high: int | None) -> Range:
        """Both ends moved."""
        unbounded = self.high is None or high is None
        return Range(self.low + low, None if unbounded else self.high + high)  # type: ignore[operator]


class Estimate(NamedTuple):
    """What is to be done. `cost` is in pico-dollars; `unpriced` says why it has no upper end."""

    rows: int = 0
    prompt: Range = Range(0, 0)
    output: Range = Range(0, 0)
    cost: Range = Range(0, 0)
    unpriced: tuple[str, ...] = ()

    def plus(self, body: Mapping[str, Any], prices: Prices, size: int | None = None) -> Estimate:
        """One row more. `size` is the length of its body as it is sent."""
        price = prices.of(body.get("model"))
        least = least_tokens(body, size)
        unpriced, cost = self.unpriced, None
        try:
            prompt, output, cost = upper_bound(body, prices, size)
            high = (prompt, output)
        except UsageError as error:
            context = price.context if price else None
            bound, _ = prompt_bound(body, str(body.get("model")), context, size)
            high = (bound, output_bound(body, price))  # type: ignore[assignment]
            if error.message not in unpriced and len(unpriced) < _MOST_REASONS:
                unpriced = (*unpriced, error.message)
        low_cost = least * price.prompt + price.completion + price.request if price else 0
        return Estimate(
            self.rows + 1,
            self.prompt.plus(least, high[0]),
            self.output.plus(1, high[1]),
            self.cost.plus(low_cost, cost),
            unpriced,
        )

    def hours(self, rpm: float | None, tpm: float | None) -> tuple[float, float | None] | None:
        """How long the limits make it last; None without limits."""
        if not rpm and not tpm:
            return None
        by_requests = self.rows / rpm / 60 if rpm else 0.0
        if not tpm:
            return by_requests, by_requests
        low = max(by_requests, (self.prompt.low + self.output.low) / tpm / 60)
        if self.prompt.high is None or self.output.high is None:
            return low, None
        return low, max(by_requests, (self.prompt.high + self.output.high) / tpm / 60)


def estimate_lines(
    estimate: Estimate, rpm: float | None = None, tpm: float | None = None
) -> list[str]:
    """The estimate for people, a line each."""
    lines = [
        f"rows           {estimate.rows:,}",
        f"prompt tokens  {_tokens(estimate.prompt)}",
        f"reply tokens   {_tokens(estimate.output)}",
    ]
    cost = estimate.cost
    if cost.high is None:
        lines += [f"cost           at least {usd_text(cost.low)}, with no upper bound:"]
        lines += [f"               {reason}" for reason in estimate.unpriced]
    else:
        lines += [f"cost           {usd_text(cost.low)} to {usd_text(cost.high)}"]
    hours = estimate.hours(rpm, tpm)
    if hours is None:
        lines += ["time           as fast as the server answers: no --rpm or --tpm is given"]
    else:
        high = "no upper bound" if hours[1] is None else f"{hours[1]:.2f} hours"
        lines += [f"time           {hours[0]:.2f} to {high}, by --rpm and --tpm"]
    return lines


def _tokens(tokens: Range) -> str:
    high = "no upper bound" if tokens.high is None else f"{tokens.high:,}"
    return f"{tokens.low:,} to {high}"
