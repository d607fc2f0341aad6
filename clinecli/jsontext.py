"""JSON text: parsed leniently, written exactly, and edited without being rewritten."""

from __future__ import annotations

import re
from typing import Any

from clinecli.errors import UsageError


class InvalidJson(ValueError):
    """Bytes that are not JSON. The text of the error quotes none of them."""


def loads(data: bytes) -> Any:
    """Parse JSON from the network, as leniently as it can be understood.

    orjson refuses what RFC 8259 leaves open (lone surrogates as `\\ud83d` escapes) and what
    peers send all the same (NaN, raw control characters); the standard library takes them.
    Raises `InvalidJson`.
    """
    import orjson

    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    import json

    try:
        return json.loads(data.decode("utf-8-sig"), strict=False)
    except (ValueError, RecursionError) as error:
        raise InvalidJson("not valid JSON") from error


class Number:
    """A JSON number whose spelling Python's own types would change (`1.10`, 30 digits)."""

    __slots__ = ("spelling",)

    def __init__(self, spelling: str) -> None:
        self.spelling = spelling

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and other.spelling == self.spelling

    def __hash__(self) -> int:
        return hash(self.spelling)

    def __repr__(self) -> str:
        return f"Number({self.spelling!r})"


def loads_exact(text: str) -> Any:
    """Parse JSON that the user wrote so that `dumps` gives every number back as it was spelled.

    Raises `ValueError` with the line and column, for NaN and Infinity too (RFC 8259 has
    neither).
    """

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    import json

    try:
        return json.loads(
            text, parse_int=_exact_int, parse_float=_exact_float, parse_constant=refuse
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _exact_int(spelling: str) -> int | Number:
    # -0 is an integer in JSON, but not in Python.
    return Number(spelling) if len(spelling) >= 19 or spelling == "-0" else int(spelling)


def _exact_float(spelling: str) -> float | Number:
    # orjson spells exponents in its own way (1e-05 becomes 0.00001), so `repr` proves nothing.
    value = float(spelling)
    return value if dumps(value) == spelling.encode() else Number(spelling)


def dumps(value: Any) -> bytes:
    """Serialise compactly, as UTF-8. Raises `ValueError` for text that is not Unicode."""
    import orjson

    def spell(item: Any) -> Any:
        if isinstance(item, Number):
            return orjson.Fragment(item.spelling)
        raise TypeError(type(item).__name__)

    try:
        return orjson.dumps(value, default=spell)
    except orjson.JSONEncodeError as error:
        raise ValueError(str(error)) from error


_CONTROL = re.compile(rb"[\x00-\x1f]")
_STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', re.DOTALL)


def compact(data: bytes) -> bytes:
    """Put a JSON text on one line without touching its strings, numbers or key order.

    Only a raw control character in a string, which `loads` forgives, is escaped: it would
    break the line, and strict parsers downstream.
    """
    if not data.isascii() and data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    data = _STRING_OR_SPACE.sub(lambda match: match[1] or b"", data)
    return _CONTROL.sub(lambda match: b"\\u%04x" % match[0][0], data)


def one_line(data: bytes, document: Any) -> bytes:
    """The same for JSON whose document is known: most servers send it on one line already."""
    try:
        return data if dumps(document) == data else compact(data)
    except ValueError:
        return compact(data)


def unwrap(data: bytes) -> bytes:
    """The `data` member of a compact `{"success","data"}` envelope, verbatim; else `data` itself.

    `success` may be missing where there is nothing else around, as in a list of models.
    """
    if b'"data":' not in data:
        return data
    text = data.decode("utf-8", "surrogateescape")
    members = _members(text)
    if "data" in members and ("success" in members or members.keys() <= {"data", "error"}):
        start, end = members["data"]
        return text[start:end].encode("utf-8", "surrogateescape")
    return data


def _members(text: str) -> dict[str, tuple[int, int]]:
    """Where the values of a compact JSON object's members stand in its text."""
    import json

    decoder = json.JSONDecoder(strict=False)
    spans: dict[str, tuple[int, int]] = {}
    position = 1
    try:
        while text[:1] == "{" and text[position : position + 1] == '"':
            key, position = decoder.raw_decode(text, position)
            start = position + 1
            _, position = decoder.raw_decode(text, start)
            spans[key] = (start, position)
            position += 1
    except (ValueError, RecursionError):
        return {}
    return spans


def parse_json(text: str, name: str) -> Any:
    """JSON that the user wrote, number spellings kept. Raises `UsageError` with line and column."""
    try:
        return loads_exact(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise UsageError(
            f"{name} is not JSON: {error}", hint="correct it there; `jq .` checks it"
        ) from None
