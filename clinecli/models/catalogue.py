"""Lists of models: the API's answers merged into one, and read.

The shapes are those of `/ai/cline/models`, `/ai/cline/recommended-models` and an OpenAI
`/models`. Members of an entry that are not ours are never rewritten: they pass through as
slices of the server's text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

from clinecli.chat.api_errors import not_the_api
from clinecli.jsontext import InvalidJson, json_spans, pruned, some_int

# The lists of recommended models, and the tags that their entries get.
_LISTS = {"recommended": "recommended", "free": "free", "clinePass": "cline-pass"}
_PRICES = {"price_input_per_million": "prompt", "price_output_per_million": "completion"}
_OURS = {"tags", *_PRICES}
# OpenAI-compatible servers have no word of their own for it: Cline's and OpenRouter's, Groq's,
# vLLM's, Anthropic's and LiteLLM's.
_CONTEXT = ("context_length", "context_window", "max_model_len", "max_input_tokens")
_REASONING = {"reasoning", "include_reasoning", "reasoning_effort"}
_LARGEST = 10**15


class Model(NamedTuple):
    """One model. Prices are in USD per million tokens; what is not known is None or empty.

    `raw` is its JSON: the API's members as they were spelled, and ours.
    """

    id: str
    name: str
    context: int | None
    price_input: Decimal | None
    price_output: Decimal | None
    tags: tuple[str, ...]
    vision: bool
    tools: bool
    reasoning: bool
    raw: str

    @property
    def is_free(self) -> bool:
        """Whether it is listed at price zero, or without a price among the free models."""
        prices = {self.price_input, self.price_output}
        return prices == {0} or (prices == {None} and "free" in self.tags)


class JsonItem(NamedTuple):
    """An element of an array, or a member of an object: `text` is the value as spelled,
    `whole` has the name before it."""

    name: str
    value: Any
    text: str
    whole: str


def _exact(spelling: str) -> Decimal | None:
    try:
        return Decimal(spelling)
    except ArithmeticError:
        return None


_DECODER = json.JSONDecoder(strict=False, parse_float=_exact, parse_int=some_int)


def json_items(text: str) -> Iterator[JsonItem]:
    """The items of an array or object in compact JSON. Raises `InvalidJson`, for a scalar too."""
    after = 1
    for name, start, end in json_spans(text):
        # An item begins where the one before ended, after a comma.
        yield JsonItem(name, _decoded(text[start:end]), text[start:end], text[after:end])
        after = end + 1


def _decoded(text: str) -> Any:
    try:
        try:
            return _DECODER.decode(text)
        except RecursionError:
            return _DECODER.decode(pruned(text))
    except (ValueError, RecursionError):
        raise InvalidJson("not valid JSON") from None


def merge(models: bytes, recommended: bytes = b"{}") -> list[Model]:
    """The models of both lists, in the API's order; those only recommended come last.

    Takes compact JSON, as `Client.get` gives it. An entry without an id is left out, and a
    list of recommended models in an unknown shape tags none. Raises `IncompleteError` when
    `models` is no list of models.
    """
    hints = _hints(recommended)
    listed = _listed(models)
    known = {item.value["id"] for item in listed}
    try:
        entries = [
            *(_merged(json_items(item.text), hints.get(item.value["id"])) for item in listed),
            *(_merged((), hint) for name, hint in hints.items() if name not in known),
        ]
        return parse(f"[{','.join(entries)}]")
    except InvalidJson:
        raise not_the_api("a list of models that cannot be read") from None


def _listed(models: bytes) -> list[JsonItem]:
    try:
        text = models.decode()
        if text[:1] == "{":
            # An OpenAI list has more around than `data`, so that it is not unwrapped yet.
            text = {item.name: item.text for item in json_items(text)}.get("data", "")
        items = [] if text == "null" else list(json_items(text)) if text[:1] == "[" else None
    except ValueError:
        items = None
    usable = [item for item in items or () if _id_of(item.value)]
    if items is None or (items and not usable):
        raise not_the_api("a JSON document that is no list of models")
    return usable


def _id_of(entry: object) -> str:
    """The id of an entry; empty when it is no entry."""
    name = entry.get("id") if isinstance(entry, dict) else None
    return name if isinstance(name, str) and name.strip() else ""


class _Hint(NamedTuple):
    """What the recommended lists say of one model."""

    tags: list[str]
    members: dict[str, JsonItem]


def _hints(recommended: bytes) -> dict[str, _Hint]:
    lists: dict[str, str] = {}
    with suppress(ValueError):
        lists = {item.name: item.text for item in json_items(recommended.decode())}
    hints: dict[str, _Hint] = {}
    for list_name, tag in _LISTS.items():
        with suppress(ValueError):
            for item in json_items(lists.get(list_name, "[]")):
                if _id_of(item.value):
                    hint = hints.setdefault(item.value["id"], _Hint([], {}))
                    hint.tags.append(tag)
                    hint.members.update({each.name: each for each in json_items(item.text)})
    return hints


def _merged(listed: Iterable[JsonItem], hint: _Hint | None) -> str:
    """An entry of the list, what the recommended lists add to it, and our members."""
    members = list(listed)
    names = {member.name for member in members}
    tags, hinted = hint or _Hint([], {})
    own = [hinted["tags"]] if "tags" in hinted else []
    own += [member for member in members if member.name == "tags"]
    members += [member for name, member in hinted.items() if name not in names]
    tags = [*tags, *(tag for member in own for tag in _strings(member.value))]
    pricing = {member.name: member.value for member in members}.get("pricing")
    pricing = pricing if isinstance(pricing, dict) else {}
    ours = [f'"tags":{json.dumps(list(dict.fromkeys(tags)), separators=(",", ":"))}']
    for name, key in _PRICES.items():
        ours.append(f'"{name}":{plain(_per_million(pricing.get(key))) or "null"}')
    kept = [member.whole for member in members if member.name not in _OURS]
    return f"{{{','.join([*kept, *ours])}}}"


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _per_million(value: object) -> Decimal | None:
    """A price per token, a decimal string or number, as one per million tokens.

    Below zero it is unknown: OpenRouter's lists say -1 for a router whose price varies.
    """
    price = _amount(_exact(value) if isinstance(value, str) and len(value) < 64 else value)
    if price is None:
        return None
    # Not by multiplication, which rounds to the precision of the context.
    _, digits, exponent = price.as_tuple()
    return Decimal((0, digits, int(exponent) + 6))


def _amount(value: object) -> Decimal | None:
    """A number of which the digits can be written out; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount < _LARGEST:
        return None
    return amount if amount.as_tuple().exponent > -64 else None  # type: ignore[operator]


def plain(amount: Decimal | None) -> str:
    """Digits without exponent or trailing zeros; empty when unknown."""
    if amount is None:
        return ""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse(text: str) -> list[Model]:
    """The models of a merged list, as `json_array` writes it. Raises `InvalidJson`."""
    if text[:1] != "[":
        raise InvalidJson("not a list of models")
    return [_model(item.value, item.text) for item in json_items(text) if _id_of(item.value)]


def _model(entry: dict[str, Any], raw: str) -> Model:
    name = entry.get("name")
    top = entry.get("top_provider")
    contexts = [entry.get(key) for key in _CONTEXT]
    contexts.append(top.get("context_length") if isinstance(top, dict) else None)
    parameters = set(_strings(entry.get("supported_parameters")))
    return Model(
        entry["id"],
        name if isinstance(name, str) else "",
        next((int(amount) for amount in map(_amount, contexts) if amount), None),
        _amount(entry.get("price_input_per_million")),
        _amount(entry.get("price_output_per_million")),
        tags=tuple(_strings(entry.get("tags"))),
        vision=_takes_images(entry.get("architecture")),
        tools="tools" in parameters,
        reasoning=bool(parameters & _REASONING),
        raw=raw,
    )


def _takes_images(architecture: object) -> bool:
    if not isinstance(architecture, dict):
        return False
    modality = architecture.get("modality")
    # `text->image` draws pictures and sees none.
    inputs = modality.split("->")[0].split("+") if isinstance(modality, str) else []
    return "image" in (*inputs, *_strings(architecture.get("input_modalities")))


def json_array(models: Iterable[Model]) -> str:
    """One array on one line, as `parse` reads it."""
    return f"[{','.join(model.raw for model in models)}]"
