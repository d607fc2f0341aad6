"""Small lists of models."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from clinecli.jsontext import compact, unwrap
from clinecli.models.catalogue import Model, merge


def encoded(value: Any) -> bytes:
    """As `Client.get` gives it."""
    return unwrap(compact(json.dumps(value).encode()))


def merged(*entries: dict[str, Any], **lists: Any) -> list[Model]:
    return merge(encoded({"data": list(entries)}), encoded(lists))


def entry(**fields: Any) -> dict[str, Any]:
    return {"id": "v/m"} | fields


def model(model_id: str, usd: str | None = None, /, **fields: Any) -> dict[str, Any]:
    """An entry with an output price per million tokens, and half of it for input."""
    if usd is not None:
        price = Decimal(usd) / 1_000_000
        fields["pricing"] = {"prompt": f"{price / 2:f}", "completion": f"{price:f}"}
    return {"id": model_id} | fields


def some(*names: str) -> list[Model]:
    return merge(json.dumps([{"id": name} for name in names], separators=(",", ":")).encode())
