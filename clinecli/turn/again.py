"""Asking again for one answer: another model, or a correction of what a schema refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from clinecli.chat.compose import with_model
from clinecli.errors import AuthError, ClinecliError, Code, CreditError, ExitStatus
from clinecli.streams.console import Console
from clinecli.turn.opening import Opened
from clinecli.turn.preparation import Prepared

if TYPE_CHECKING:
    from clinecli.models.price import Prices

T = TypeVar("T")


def first_that_answers(
    prepared: Prepared,
    ready: Opened,
    console: Console,
    answer: Callable[[Prepared, Opened], T],
    *,
    has_shown: Callable[[], bool],
) -> T:
    """The answer of the model, or of the first `--fallback` that gives one. Raises the error of
    the last one that was asked; nobody is asked any more once `has_shown`."""
    fallbacks = list(prepared.options.fallback or ())
    model = ""
    while True:
        try:
            result = answer(prepared, ready)
        except ClinecliError as error:
            if not fallbacks or has_shown() or not is_for_another_model(error):
                raise
            model = fallbacks.pop(0)
            console.note(f"{error.text}; asking {model} instead")
            prepared = prepared._replace(request=with_model(prepared.request, model))
            ready = ready.another(prepared)
        else:
            if model:
                console.note(f"answered by {model}")
            return result


def is_for_another_model(error: ClinecliError) -> bool:
    """Whether another model may do better: this one is unavailable, has no quota left, or is
    not there."""
    return error.status == ExitStatus.TRANSIENT or error.code in {Code.QUOTA, Code.UNKNOWN_MODEL}


def check_cost(prepared: Prepared, console: Console) -> None:
    """Refuse a request that may cost more than `--max-cost`, to its model or to a fallback.

    Raises `CreditError`, `UsageError` for a model whose price is not known, and what keeps the
    list of prices from being read.
    """
    limit = prepared.options.max_cost
    if limit is None:
        return
    from clinecli.models.price import parse_usd, upper_bound, usd_text

    most = parse_usd(f"{limit:.12f}", "--max-cost")
    prices = _prices(prepared, console)
    request = prepared.request
    for model in (str(request.body["model"]), *(prepared.options.fallback or ())):
        sent = with_model(request, model)
        bound = upper_bound(sent.body, prices, len(sent.encode(stream=prepared.stream)))
        if bound.cost > most:
            raise CreditError(
                f"the request to {model} may cost up to {usd_text(bound.cost)} "
                f"({bound.prompt} prompt tokens, {bound.output} reply tokens), more than "
                f"--max-cost {usd_text(most)}: nothing was sent",
                code=Code.MAX_COST,
                hint="send less, lower --max-tokens, take a cheaper model (-m) or raise --max-cost",
            )


def _prices(prepared: Prepared, console: Console) -> Prices:
    """The list prices: of the cache, else of the API where it has a list."""
    from clinecli.models.fetch import NOT_SERVED, listed
    from clinecli.models.price import Prices, cached_prices

    prices = cached_prices(os.environ, str(prepared.settings.base_url))
    if not prices.is_empty or prepared.options.cache_only:
        return prices
    try:
        return Prices(listed(prepared.settings, console))
    except ClinecliError as error:
        if isinstance(error, AuthError) or error.http_status not in NOT_SERVED:
            raise
    return prices
