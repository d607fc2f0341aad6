"""The text of a row to values: strict, exact, and told in words that a row's place can precede."""

from __future__ import annotations

import json
from typing import Any

from clinecli.jsontext import loads_exact


class RowFault(Exception):
    """Why a row is no request: without its place, which is added by who knows it."""

    def __init__(self, message: str, hint: str = "correct the row", *, empty: bool = False):
        super().__init__(message)
        self.hint = hint
        self.empty = empty


def parse_row(data: bytes) -> Any:
    """A line of JSON. Numbers that Python would respell are kept as they are."""
    import orjson

    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _parse_exactly(data)
    if isinstance(value, dict):
        body = value.get("body")
        if isinstance(body, dict):
            others = all(field is body or type(field) is str for field in value.values())
            is_plain = others and _is_plain(body)
        else:
            is_plain = _is_plain(value)
        if not is_plain:
            return _parse_exactly(data)
    return value


def _is_plain(fields: dict[str, Any]) -> bool:
    """Whether all numbers in it are surely spelled as Python spells them."""
    for value in fields.values():
        kind = type(value)
        if kind is list:
            for item in value:
                if type(item) is dict:
                    for part in item.values():
                        if type(part) is not str:
                            return False
                elif type(item) is not str:
                    return False
        elif kind is not str and (kind is not int or not value) and kind is not bool:
            return False
    return True


def _parse_exactly(data: bytes) -> Any:
    text = decoded(data)
    try:
        return loads_exact(text)
    except json.JSONDecodeError as error:
        raise RowFault(
            f"it is not JSON: {error.msg.removesuffix(' at')} at column {error.colno}",
            "each line is a JSON object or string (`jq -c '.[]'` makes them of an array); "
            "--lines reads plain text, --csv CSV",
        ) from None
    except ValueError as error:
        raise RowFault(f"it is not JSON: {error}") from None


def decoded(raw: bytes) -> str:
    """A row's bytes as text."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise RowFault(
            f"it is not UTF-8 text: byte 0x{raw[error.start]:02x} at offset {error.start}",
            "convert the input first: iconv -t UTF-8",
        ) from None


def cell_value(name: str, cell: str) -> Any:
    """A cell as a field of the body: JSON where it parses, else text."""
    if name in {"id", "custom_id", "prompt", "model"}:
        return cell
    try:
        return loads_exact(cell)
    except ValueError:
        return cell
