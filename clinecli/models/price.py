"""What a request can cost at most, before it is sent, and what it did cost.

Money is whole pico-dollars (10^-12 USD): sums are exact, and every rounding is up. Prices are the
list prices of the model cache. There is no tokenizer, so that the bounds are these:

| part | at most |
|---|---|
| prompt | one token per byte of the body as it is sent, images apart. The tokenizers of today's models make no token of less than a byte of text, and the JSON around a message is longer than what a chat template puts there |
| image | the largest count that a vendor publishes, see `_IMAGE_TOKENS`; its bytes are not counted |
| audio, video, documents | the model's whole context |
| reply | `max_tokens` or `max_completion_tokens`, plus `reasoning.max_tokens`; the model's limit, else its context, where none is given; all of it `n` times |
| price of a prompt token | the higher of list price and price of writing it to the cache |
| long prompts | twice the list price from 200,000 tokens, as vendors ask for up to that |

What no list price tells (search plug-ins, tools that run at the vendor's, replies that are no
text, priority service) is refused, and so is a model whose price is not known.
"""  # noqa: E501

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any, NamedTuple

from clinecli.errors import UsageError
from clinecli.jsontext import Number, dumps
from clinecli.models.cache import load
from clinecli.models.catalogue import Model

PICO = 10**12
# The default precision would round 64 digits.
_EXACT = Context(prec=96, rounding=ROUND_CEILING)
_LONG_PROMPT = 200_000
# Few texts have more bytes a token than this.
_MOST_BYTES_A_TOKEN = 6
# The most that an image of any size counts for; the first whose text is in the model's id.
# OpenAI: 2,833 and 5,667 for each of eight tiles. Anthropic: 4,784 at high resolution.
_IMAGE_TOKENS = (("gpt-4o-mini", 48_200), ("claude", 5_000), ("", 16_400))
_TEXT_PARTS = {"text", "input_text", "refusal", "thinking"}


class Price(NamedTuple):
    """List prices in pico-dollars, and the limits, in tokens, that bound a request."""

    prompt: int
    completion: int
    request: int = 0
    image: int = 0
    context: int | None = None
    max_output: int | None = None

    @property
    def is_free(self) -> bool:
        """Whether nothing can cost anything."""
        return not (self.prompt or self.completion or self.request or self.image)


class Bound(NamedTuple):
    """The most that one request can use: tokens, and pico-dollars."""

    prompt: int
    output: int
    cost: int


class Usage(NamedTuple):
    """What one reply did use: tokens, and pico-dollars where that is known."""

    prompt: int = 0
    output: int = 0
    cost: int | None = None


class Prices:
    """The list prices of models, read when they are asked for."""

    def __init__(self, models: Iterable[Model] = ()) -> None:
        self._models = {model.id: model for model in models}
        self._read: dict[str, Price | None] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is no list at all."""
        return not self._models

    def of(self, name: object) -> Price | None:
        """The price of a model; None when it is not known."""
        if not isinstance(name, str) or name not in self._models:
            return None
        if name not in self._read:
            self._read[name] = price_of(self._models[name])
        return self._read[name]


def cached_prices(environ: Mapping[str, str], base_url: str) -> Prices:
    """The prices of the model cache; none when its list came from another base URL."""
    cached = load(environ)
    return Prices(cached.models if cached and cached.base_url == base_url else ())


def price_of(model: Model) -> Price | None:
    """The list price of one model; None when its list does not tell it."""
    entry = json.loads(model.raw, strict=False, parse_float=str, parse_int=str)
    pricing, top = entry.get("pricing"), entry.get("top_provider")
    pricing = pricing if isinstance(pricing, dict) else {}
    told = {name: _pico(value) for name, value in pricing.items()}
    prompt, completion = told.get("prompt"), told.get("completion")
    if model.is_free:
        prompt, completion = prompt or 0, completion or 0
    if prompt is None or completion is None:
        return None
    return Price(
        max(prompt, told.get("input_cache_write") or 0),
        max(completion, told.get("internal_reasoning") or 0),
        told.get("request") or 0,
        told.get("image") or 0,
        model.context,
        _whole(top.get("max_completion_tokens")) if isinstance(top, dict) else None,
    )


def _scaled(value: object, factor: int) -> int | None:
    """A number or its spelling, times `factor`, rounded up; None for what is no amount."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Number):
        return None
    text = value.spelling if isinstance(value, Number) else str(value)
    try:
        amount = Decimal(text) if len(text) < 64 else Decimal("nan")
    except ArithmeticError:
        return None
    # An exponent can ask for a billion digits.
    if not amount.is_finite() or not 0 <= amount < 10**15:
        return None
    return int(_EXACT.to_integral_value(_EXACT.multiply(amount, factor)))


def _whole(value: object) -> int | None:
    """A number above zero, rounded up; None for all else."""
    return (value if type(value) is int and 0 < value < 10**15 else _scaled(value, 1)) or None


def _pico(value: object) -> int | None:
    """USD in pico-dollars."""
    return _scaled(value, PICO)


def parse_usd(text: str, flag: str) -> int:
    """An amount of USD that the user wrote, in pico-dollars. Raises `UsageError`."""
    amount = _pico(text.strip().removeprefix("$"))
    if amount is None:
        raise UsageError(f"{flag} is '{text}', not an amount of USD", hint=f"e.g. {flag} 2.50")
    return amount


def usd(amount: int) -> Decimal:
    """Pico-dollars as USD, exactly."""
    return Decimal(amount).scaleb(-12)


def usd_text(amount: int) -> str:
    """Pico-dollars for people: cents, or three digits where the amount is smaller."""
    value = usd(amount)
    digits = min(12, max(2, 2 - value.adjusted())) if value else 2
    whole, _, fraction = f"{value:.{digits}f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def upper_bound(body: Mapping[str, Any], prices: Prices, size: int | None = None) -> Bound:
    """The most that a request can use and cost; the module's text says how.

    `size` is the length of the body as it is sent. Raises `UsageError` where nothing bounds the
    cost.
    """
    for name, is_unpriced, what in _UNPRICED:
        if is_unpriced(body.get(name)):
            raise UsageError(
                f"the cost of a request with {what} has no bound ('{name}')",
                hint=f"leave '{name}' out, or --max-cost",
            )
    names = [body.get("model"), *_list(body.get("models"))]
    bounds = [_bound_for(name, body, prices.of(name), size) for name in names]
    return Bound(*map(max, zip(*bounds, strict=True)))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _bound_for(
    name: object, body: Mapping[str, Any], price: Price | None, size: int | None
) -> Bound:
    if price is None:
        raise UsageError(
            f"the price of {name} is not known, so that its cost has no bound",
            hint="`clinecli models` reads the price list of this base URL; a model that has no "
            "price there cannot be used with --max-cost",
        )
    prompt, images = prompt_bound(body, str(name), price.context, size)
    output = output_bound(body, price)
    if prompt is None or output is None:
        if not price.is_free:
            raise UsageError(
                f"the list does not tell the limits of {name}, so that its cost has no bound",
                hint="set --max-tokens, and send only text and images",
            )
        return Bound(prompt or 0, output or 0, 0)
    cost = prompt * price.prompt + output * price.completion
    cost *= 2 if prompt > _LONG_PROMPT else 1
    return Bound(prompt, output, cost + price.request + images * price.image)


def prompt_bound(
    body: Mapping[str, Any], model: str, context: int | None = None, size: int | None = None
) -> tuple[int | None, int]:
    """The most tokens that a prompt can be, None when nothing bounds it; and how many images.

    `context` is how many fit into the model, where that is known.
    """
    tokens = len(dumps(body)) if size is None else size
    images, has_others = 0, False
    for message in _list(body.get("messages")):
        content = message.get("content") if isinstance(message, dict) else None
        for part in _list(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "image_url":
                images += 1
                tokens -= _data_length(part)
            elif kind not in _TEXT_PARTS:
                has_others = True
    tokens += images * next(count for text, count in _IMAGE_TOKENS if text in model)
    if has_others:
        return (None if context is None else max(tokens, context)), images
    return tokens, images


def _data_length(part: Mapping[str, Any]) -> int:
    """How many bytes of an image stand in the request itself."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    return len(url) if isinstance(url, str) and url.startswith("data:") and url.isascii() else 0


def output_bound(body: Mapping[str, Any], price: Price | None = None) -> int | None:
    """The most tokens that a reply can be; None when nothing bounds it."""
    asked = [_whole(body.get(name)) for name in ("max_tokens", "max_completion_tokens")]
    limit = max((number for number in asked if number), default=None)
    if limit is None and price:
        limit = price.max_output or price.context
    if limit is None:
        return None
    reasoning = body.get("reasoning")
    budget = _whole(reasoning.get("max_tokens")) if isinstance(reasoning, dict) else None
    return (limit + (budget or 0)) * (_whole(body.get("n")) or 1)


def least_tokens(body: Mapping[str, Any], size: int | None = None) -> int:
    """About the fewest tokens that a prompt can be."""
    bound, images = prompt_bound(body, "", size=size)
    text = (bound or 0) - images * _IMAGE_TOKENS[-1][1]
    return text // _MOST_BYTES_A_TOKEN + 1


def usage_of(usage: object, price: Price | None) -> Usage | None:
    """What a reply's `usage` says that it used; None when it says nothing.

    The cost is the server's own word, else counts times list prices.
    """
    if not isinstance(usage, dict):
        return None
    prompt, output = (_whole(usage.get(f"{kind}_tokens")) for kind in ("prompt", "completion"))
    total = _whole(usage.get("total_tokens"))
    # Some servers leave reasoning out of the completion's tokens, though not out of the total.
    output = max(output or 0, (total or 0) - (prompt or 0)) if prompt else output
    cost = _pico(usage.get("cost"))
    if cost is None and price and (prompt or output):
        cost = (prompt or 0) * price.prompt + (output or 0) * price.completion + price.request
    if cost is None and not (prompt or output):
        return None
    return Usage(prompt or 0, output or 0, cost)


def _has_vendor_tools(tools: object) -> bool:
    kinds = (tool.get("type", "function") for tool in _list(tools) if isinstance(tool, dict))
    return any(kind != "function" for kind in kinds)


# Field, when it makes a request's cost unknown, and what the request then has.
_UNPRICED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("plugins", bool, "plug-ins"),
    ("web_search_options", lambda value: value is not None, "a web search"),
    ("tools", _has_vendor_tools, "tools that run at the vendor's"),
    ("modalities", lambda value: any(kind != "text" for kind in _list(value)),
     "a reply that is not text"),
    ("audio", bool, "a spoken reply"),
    ("service_tier", lambda value: value not in (None, "auto", "default", "flex", "standard"),
     "another price class"),
)  # fmt: skip
