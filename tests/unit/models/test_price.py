from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.errors import UsageError
from clinecli.jsontext import Number, dumps
from clinecli.mock.catalogue import MODELS
from clinecli.models.cache import CachedModels, save
from clinecli.models.catalogue import Model, merge
from clinecli.models.price import (
    PICO,
    Bound,
    Price,
    Prices,
    Usage,
    cached_prices,
    least_tokens,
    output_bound,
    parse_usd,
    price_of,
    prompt_bound,
    upper_bound,
    usage_of,
    usd,
    usd_text,
)


def models(*entries: dict[str, Any]) -> list[Model]:
    return merge(json.dumps({"data": entries}, separators=(",", ":")).encode())


def model(pricing: Any, **members: Any) -> Model:
    return models({"id": "a/b", "pricing": pricing, **members})[0]


FULL = {"prompt": "0.000003", "completion": "0.000015"}
# pricing -> price
PRICES: dict[str, tuple[Any, Price | None]] = {
    "strings": (FULL, Price(3_000_000, 15_000_000)),
    "numbers": ({"prompt": 3e-06, "completion": 1}, Price(3_000_000, PICO)),
    "zero": ({"prompt": "0", "completion": "0"}, Price(0, 0)),
    "writing-to-the-cache-costs-more": (
        {**FULL, "input_cache_write": "0.00000375", "input_cache_read": "0.0000003"},
        Price(3_750_000, 15_000_000),
    ),
    "reasoning-costs-more": (
        {**FULL, "internal_reasoning": "0.00002"},
        Price(3_000_000, 20_000_000),
    ),
    "by-request-and-image": (
        {**FULL, "request": "0.01", "image": "0.0048"},
        Price(3_000_000, 15_000_000, 10_000_000_000, 4_800_000_000),
    ),
    "rounded-up": ({"prompt": "0.0000000000001", "completion": "1e-30"}, Price(1, 1)),
    "no-prompt": ({"completion": "0.1"}, None),
    "no-completion": ({"prompt": "0.1"}, None),
    "a-router-with-any-price": ({"prompt": "-1", "completion": "-1"}, None),
    "words": ({"prompt": "cheap", "completion": "0"}, None),
    "not-a-number": ({"prompt": "NaN", "completion": "Infinity"}, None),
    "endless": ({"prompt": "1e-999999999", "completion": "1e999999999"}, None),
    "none": (None, None),
    "no-object": ([1], None),
}


@pytest.mark.parametrize(("pricing", "price"), PRICES.values(), ids=PRICES)
def test_price(pricing: Any, price: Price | None) -> None:
    assert price_of(model(pricing)) == price


def test_limits_come_with_the_price() -> None:
    top = {"max_completion_tokens": 64_000}
    price = price_of(model(FULL, context_length=200_000, top_provider=top))
    assert price == Price(3_000_000, 15_000_000, context=200_000, max_output=64_000)


def test_a_free_model_may_have_no_price() -> None:
    listed = json.dumps({"data": [{"id": "a/b"}]}, separators=(",", ":")).encode()
    free = json.dumps({"free": [{"id": "a/b"}]}, separators=(",", ":")).encode()
    assert price_of(merge(listed, free)[0]) == Price(0, 0)


@pytest.mark.parametrize("listed", merge(dumps(MODELS)), ids=lambda listed: listed.id)
def test_the_mocks_models_have_prices(listed: Model) -> None:
    price = price_of(listed)
    assert price
    assert usd(price.prompt * 10**6) == listed.price_input
    assert usd(price.completion * 10**6) == listed.price_output


def test_prices_of_another_base_url_are_none_of_ours(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    assert cached_prices(env, "https://a.example/v1").of("a/b") is None
    save(CachedModels("https://a.example/v1", 1.0, [model(FULL)]), env)
    assert cached_prices(env, "https://a.example/v1").of("a/b") == Price(3_000_000, 15_000_000)
    assert cached_prices(env, "https://b.example/v1").of("a/b") is None


AMOUNTS = {"5": 5 * PICO, "0.5": PICO // 2, "$2.50": 5 * PICO // 2, " 1e-3 ": 10**9, "0": 0}


@pytest.mark.parametrize(("text", "amount"), AMOUNTS.items())
def test_amount(text: str, amount: int) -> None:
    assert parse_usd(text, "--max-cost") == amount


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "ten", "1,50", "5 USD", "9" * 80, "1e99"])
def test_no_amount(text: str) -> None:
    with pytest.raises(UsageError, match="--max-cost"):
        parse_usd(text, "--max-cost")


@given(st.decimals(0, 10**9, places=12))
def test_amounts_are_exact(amount: Decimal) -> None:
    assert usd(parse_usd(str(amount), "--max-cost")) == amount


USD_TEXTS = {
    0: "$0.00",
    PICO: "$1.00",
    1234567890123456: "$1234.57",
    PICO // 4: "$0.25",
    171_456_000: "$0.000171",
    1: "$0.000000000001",
    999_999_999_999: "$1.00",
}


@pytest.mark.parametrize(("amount", "text"), USD_TEXTS.items())
def test_usd_text(amount: int, text: str) -> None:
    assert usd_text(amount) == text


URL = "data:image/png;base64," + "A" * 50_000
IMAGE = {"type": "image_url", "image_url": {"url": URL}}
TEXT = {"type": "text", "text": "What is it?"}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA"}}


def body(content: Any = "Hi", **fields: Any) -> dict[str, Any]:
    return {"model": "a/b", "messages": [{"role": "user", "content": content}], **fields}


@given(st.text(st.characters(codec="utf-8")))
def test_a_prompt_has_no_more_tokens_than_its_text_has_bytes(text: str) -> None:
    bound, images = prompt_bound(body(text), "a/b")
    assert bound is not None
    assert bound >= len(text.encode()) + 8
    assert images == 0


def test_images_count_by_table_and_not_by_their_bytes() -> None:
    plain, _ = prompt_bound(body([TEXT]), "a/b")
    one, images = prompt_bound(body([TEXT, IMAGE]), "a/b")
    assert plain is not None
    assert one is not None
    assert images == 1
    assert 16_400 < one - plain < 16_600
    mini, _ = prompt_bound(body([IMAGE]), "openai/gpt-4o-mini")
    claude, _ = prompt_bound(body([IMAGE]), "anthropic/claude-sonnet-4-6")
    assert mini is not None
    assert claude is not None
    assert (mini > 48_000, claude < 6_000) == (True, True)


def test_the_address_of_an_image_counts_with_its_table_entry() -> None:
    url = {"type": "image_url", "image_url": {"url": "https://example.org/i.png"}}
    bound, images = prompt_bound(body([url, {"type": "image_url", "image_url": None}]), "a/b")
    assert bound is not None
    assert (images, bound > 2 * 16_400) == (2, True)


@pytest.mark.parametrize("part", [AUDIO, {"type": "file", "file": {}}, {}, "text", 7])
def test_what_is_neither_text_nor_image_takes_the_context(part: Any) -> None:
    assert prompt_bound(body([part]), "a/b", 128_000) == (128_000, 0)
    assert prompt_bound(body([part]), "a/b") == (None, 0)


@pytest.mark.parametrize("messages", [None, 7, [7], [{}], [{"content": None}], []])
def test_any_messages_have_a_bound(messages: Any) -> None:
    request = {"model": "a/b", "messages": messages}
    assert prompt_bound(request, "a/b") == (len(dumps(request)), 0)


LIMITED = Price(1, 1, context=8000, max_output=500)
OUTPUTS: dict[str, tuple[dict[str, Any], Price | None, int | None]] = {
    "asked": ({"max_tokens": 100}, LIMITED, 100),
    "asked-by-the-other-name": ({"max_completion_tokens": 90}, LIMITED, 90),
    "the-larger-of-both": ({"max_tokens": 100, "max_completion_tokens": 900}, LIMITED, 900),
    "the-models": ({}, LIMITED, 500),
    "the-context": ({}, Price(1, 1, context=8000), 8000),
    "none": ({}, Price(1, 1), None),
    "no-price": ({}, None, None),
    "asked-without-a-price": ({"max_tokens": 100}, None, 100),
    "choices": ({"max_tokens": 100, "n": 3}, LIMITED, 300),
    "choices-spelled-oddly": ({"max_tokens": Number("1e2"), "n": Number("3.0")}, LIMITED, 300),
    "reasoning": ({"max_tokens": 100, "reasoning": {"max_tokens": 1000}}, LIMITED, 1100),
    "reasoning-by-effort": ({"max_tokens": 100, "reasoning": {"effort": "high"}}, LIMITED, 100),
    "nonsense": ({"max_tokens": "many", "n": -1, "reasoning": 7}, LIMITED, 500),
    "nothing": ({"max_tokens": 0}, LIMITED, 500),
    "truth": ({"max_tokens": True}, LIMITED, 500),
}


@pytest.mark.parametrize(("fields", "price", "tokens"), OUTPUTS.values(), ids=OUTPUTS)
def test_output_bound(fields: dict[str, Any], price: Price | None, tokens: int | None) -> None:
    assert output_bound(body(**fields), price) == tokens


def listed(name: str, prompt: str, completion: str, **members: Any) -> dict[str, Any]:
    return {"id": name, "pricing": {"prompt": prompt, "completion": completion}, **members}


LIST = Prices(
    models(
        listed("a/b", "0.000003", "0.000015", context_length=200_000),
        listed("a/dear", "0.00003", "0.00015", context_length=200_000),
        listed("a/endless", "0.000003", "0.000015"),
        listed("a/free", "0", "0"),
        {**listed("a/fee", "0", "0"), "pricing": {**FULL, "request": "0.01", "image": "0.001"}},
    )
)


def test_upper_bound() -> None:
    request = body(max_tokens=100)
    size = len(dumps(request))
    expected = Bound(size, 100, size * 3_000_000 + 100 * 15_000_000)
    assert upper_bound(request, LIST) == upper_bound(request, LIST, size) == expected


def test_fees_are_part_of_the_bound() -> None:
    bound = upper_bound(body([IMAGE], model="a/fee", max_tokens=1), LIST)
    tokens = bound.prompt * 3_000_000 + 15_000_000
    assert bound.cost == tokens + 10_000_000_000 + 1_000_000_000


def test_a_long_prompt_costs_twice() -> None:
    short, long = (upper_bound(body("x" * n, max_tokens=1), LIST) for n in (199_000, 200_000))
    assert short.cost == short.prompt * 3_000_000 + 15_000_000
    assert long.cost == 2 * (long.prompt * 3_000_000 + 15_000_000)


def test_the_dearest_of_several_models_bounds_all() -> None:
    alone = upper_bound(body(model="a/dear", max_tokens=9), LIST, 100)
    assert upper_bound(body(models=["a/dear"], max_tokens=9), LIST, 100) == alone
    with pytest.raises(UsageError, match="a/unknown"):
        upper_bound(body(models=["a/unknown"], max_tokens=9), LIST)


def test_what_is_free_needs_no_limit() -> None:
    assert upper_bound(body([AUDIO], model="a/free"), LIST) == Bound(0, 0, 0)
    assert upper_bound(body(model="a/free", max_tokens=9), LIST, 50) == Bound(50, 9, 0)


UNBOUNDED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown-model": (body(model="a/c"), "the price of a/c is not known"),
    "no-model": ({"messages": []}, "the price of None is not known"),
    "odd-model": (body(model=["a/b"]), "is not known"),
    "no-limit": (body(model="a/endless"), "the limits of a/endless"),
    "no-context-for-a-file": (body([AUDIO], model="a/endless", max_tokens=1), "the limits of"),
    "plug-ins": (body(plugins=[{"id": "web"}]), "plug-ins"),
    "web-search": (body(web_search_options={}), "web search"),
    "vendor-tool": (body(tools=[{"type": "web_search_20250305"}]), "at the vendor's"),
    "pictures": (body(modalities=["text", "image"]), "not text"),
    "speech": (body(audio={"voice": "x"}), "spoken"),
    "priority": (body(service_tier="priority"), "price class"),
    "odd-tier": (body(service_tier=["priority"]), "price class"),
}


@pytest.mark.parametrize(("request_body", "message"), UNBOUNDED.values(), ids=UNBOUNDED)
def test_no_bound(request_body: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        upper_bound(request_body, LIST)
    assert caught.value.hint


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {}}, {"function": {}}, 7]},
        {"modalities": ["text"]},
        {"service_tier": "flex"},
        {"plugins": []},
        {"web_search_options": None},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_costs_nothing_more_has_a_bound(fields: dict[str, Any]) -> None:
    assert upper_bound(body(max_tokens=1, **fields), LIST).cost


PRICE = Price(3_000_000, 15_000_000, request=7)
USAGES: dict[str, tuple[Any, Price | None, Usage | None]] = {
    "cost": (
        {"prompt_tokens": 12, "completion_tokens": 9, "cost": 0.000171},
        PRICE,
        Usage(12, 9, 171_000_000),
    ),
    "cost-in-text": ({"prompt_tokens": 12, "cost": "0.5"}, PRICE, Usage(12, 0, PICO // 2)),
    "cost-alone": ({"cost": 0}, PRICE, Usage(0, 0, 0)),
    "tiny-cost": ({"cost": 1e-13}, None, Usage(0, 0, 1)),
    "counts": (
        {"prompt_tokens": 2, "completion_tokens": 1},
        PRICE,
        Usage(2, 1, 21_000_007),
    ),
    "counts-without-a-price": (
        {"prompt_tokens": 2, "completion_tokens": 1}, None, Usage(2, 1, None),
    ),
    "reasoning-in-the-total-alone": (
        {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 50},
        PRICE,
        Usage(10, 40, 630_000_007),
    ),
    "bad-cost": (
        {"prompt_tokens": 1, "completion_tokens": 0, "cost": -1}, PRICE, Usage(1, 0, 3_000_007),
    ),
    "zeros": ({"prompt_tokens": 0, "completion_tokens": 0}, PRICE, None),
    "words": ({"prompt_tokens": "x", "cost": "y"}, PRICE, None),
    "empty": ({}, PRICE, None),
    "null": (None, PRICE, None),
}  # fmt: skip


@pytest.mark.parametrize(("usage", "price", "expected"), USAGES.values(), ids=USAGES)
def test_usage(usage: Any, price: Price | None, expected: Usage | None) -> None:
    assert usage_of(usage, price) == expected


def test_the_least_is_less_than_the_bound() -> None:
    request = body([{"type": "text", "text": "word " * 100}, IMAGE])
    bound, _ = prompt_bound(request, "a/b")
    assert bound is not None
    assert 80 < least_tokens(request) < bound
    assert least_tokens(body([AUDIO])) >= 1
