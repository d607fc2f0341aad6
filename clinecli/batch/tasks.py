"""A row that is to be asked, with all that is needed to ask it, judge it and write it down."""

from __future__ import annotations

from typing import NamedTuple

from clinecli.batch.judge import Asking, asking
from clinecli.batch.results import Asked
from clinecli.batch.rows import BadRow, Row
from clinecli.batch.sieve import Task
from clinecli.errors import ClinecliError
from clinecli.models.price import Prices, output_bound, upper_bound

_BYTES_A_TOKEN = 4
# What a reply without a limit is taken to be, for --tpm, until it has told.
_USUAL_REPLY = 500


class Request(NamedTuple):
    """A row to be asked. `number` is its place in the input. `tokens` is an estimate, `cost` the
    most that it can cost, in pico-dollars. One with an `error` is no request."""

    row: Asked
    number: int
    data: bytes
    asking: Asking
    model: str
    tokens: int = 0
    cost: int = 0
    error: ClinecliError | None = None


class Pricing(NamedTuple):
    """What has to be known of a request's size: tokens for --tpm, cost for --max-cost."""

    tokens: bool = False
    prices: Prices | None = None


def request_of(task: Task, pricing: Pricing = Pricing()) -> Request:  # noqa: B008
    """The request of a task. Raises `UsageError` where nothing bounds what it may cost."""
    row = task.row
    asked = Asked(row.id, row.line, task.asked, task.source)
    if isinstance(row, BadRow):
        return Request(asked, row.number, b"", Asking(False, None), "", error=row.error)
    tokens = cost = 0
    if pricing.prices:
        cost = upper_bound(row.body, pricing.prices, len(row.data)).cost
    if pricing.tokens:
        tokens = _tokens(row)
    model = str(row.body["model"])
    return Request(asked, row.number, row.data, asking(row.body), model, tokens, cost)


def _tokens(row: Row) -> int:
    reply = output_bound(row.body)
    return len(row.data) // _BYTES_A_TOKEN + (_USUAL_REPLY if reply is None else reply)
