"""JSON text: parsed leniently, written exactly, and edited without being rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from clinecli.errors import UsageError


class InvalidJson(ValueError):
    """Bytes that are not JSON. The text of the error quotes none of them."""


# A document on which parsers give up is looked through up to this size, and kept to this depth.
_PRUNED_BYTES = 4 * 1024 * 1024
_PRUNED_DEPTH = 200
# The most digits that Python makes an integer of by default.
_DIGITS = 4300


def loads(data: bytes) -> Any:
    """Parse JSON from the network, as leniently as it can be understood.

    orjson refuses what RFC 8259 leaves open (lone surrogates as `\\ud83d` escapes) and what
    peers send all the same (NaN, raw control characters); the standard library takes them. An
    integer of more digits than Python reads is infinity. Where a document is nested more deeply
    than parsers go, what is deep inside is null. Raises `InvalidJson`.
    """
    import orjson

    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return _loads_leniently(data)


def _loads_leniently(data: bytes) -> Any:
    import json

    try:
        text = data.decode("utf-8-sig")
        try:
            return json.loads(text, strict=False, parse_int=some_int)
        except RecursionError:
            return json.loads(pruned(text), strict=False, parse_int=some_int)
    except (ValueError, RecursionError) as error:
        raise InvalidJson("not valid JSON") from error


def some_int(spelling: str) -> int | float:
    """An integer, or infinity for one of more digits than Python reads."""
    return int(spelling) if len(spelling) <= _DIGITS else float(spelling)


# Patterns are made where they are first needed: few commands need any.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def pruned(text: str) -> str:
    """JSON text with null for what is nested too deeply. Raises `InvalidJson`."""
    if len(text) > _PRUNED_BYTES:
        raise InvalidJson("nested too deeply")
    pieces: list[str] = []
    depth = start = 0
    for match in re.finditer(rf"{_STRING}|[\[\]{{}}]", text, re.DOTALL):
        found = match[0]
        if found in "[{":
            if depth == _PRUNED_DEPTH:
                pieces.append(text[start : match.start()])
            depth += 1
        elif found in "]}":
            depth -= 1
            if depth == _PRUNED_DEPTH:
                pieces.append("null")
                start = match.end()
    if depth:
        raise InvalidJson("cut off")
    return "".join([*pieces, text[start:]])


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


def dumps_any(value: Any) -> bytes:
    """The same for what `loads` has read: lone surrogates become escapes, integers may have any
    size. Raises `ValueError` for infinity, of which orjson makes null, and for what is nested too
    deeply."""
    import json

    write = partial(json.dumps, separators=(",", ":"), allow_nan=False)
    try:
        return write(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return write(value).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None


# Possessive, or the engine keeps 136 bytes for each byte it has passed.
_WITHOUT_SPACE = re.compile(rf'(?:[^" \t\r\n]++|{_STRING})++'.encode(), re.DOTALL)
_CONTROL = re.compile(rb"[\x00-\x1f]")


def has_controls(data: bytes) -> bool:
    """Whether a text has control characters, line ends included."""
    return _CONTROL.search(data) is not None


def compact(data: bytes) -> bytes:
    """Put a JSON text on one line without touching its strings, numbers or key order.

    Only a raw control character in a string, which `loads` forgives, is escaped: it would
    break the line, and strict parsers downstream. A text that needs nothing is given back itself.
    """
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    whole = _WITHOUT_SPACE.match(data)
    if data and not (whole and whole.end() == len(data)):
        line = bytearray()
        for match in _WITHOUT_SPACE.finditer(data):
            start, end = match.span()
            line += data[start:end]
        data = bytes(line)
    if has_controls(data):
        for code in range(0x20):
            data = data.replace(b"%c" % code, b"\\u%04x" % code)
    return data


def unwrap(data: bytes) -> bytes:
    """The `data` member of a compact `{"success","data"}` envelope, verbatim; else `data` itself.

    `success` may be missing where there is nothing else around, as in a list of models.
    """
    if b'"data":' not in data:
        return data
    spans = _members(data)
    if "data" in spans and ("success" in spans or spans.keys() <= {"data", "error"}):
        start, end = spans["data"]
        return data[start:end]
    return data


def member(data: bytes, name: str) -> bytes:
    """A member of a compact JSON object, verbatim. Raises `InvalidJson` when it has none."""
    try:
        start, end = _members(data)[name]
    except KeyError:
        raise InvalidJson(f"no member {name}") from None
    return data[start:end]


def _members(data: bytes) -> dict[str, tuple[int, int]]:
    """Where the values of a compact JSON object's members stand; empty for anything else."""
    if data[:1] != b"{":
        return {}
    # Latin-1: the names that count are ASCII, and a place in the text is one in the bytes.
    try:
        return {name: (start, end) for name, start, end in json_spans(data.decode("latin-1"))}
    except InvalidJson:
        return {}


_CLOSING = {"[": "]", "{": "}"}
_SCALAR = r'[^\[\]{},:"\s]+'
_TO_BRACKET = rf'(?:[^"\[\]{{}}]++|{_STRING})*+([\[\]{{}}])'


def json_spans(text: str) -> Iterator[tuple[str, int, int]]:
    """Name, start and end of each value in an array or object of compact JSON, however deeply
    it is nested. An item of an array has no name.

    The values themselves are not looked at. Raises `InvalidJson`, for a scalar too.
    """
    closing = _CLOSING.get(text[:1])
    position, end = 1, len(text) - 1
    if not closing or text[end:] != closing:
        raise InvalidJson("not an array or object")
    while position < end:
        name = ""
        if closing == "}":
            named = _pattern(_STRING).match(text, position)
            if not named or text[named.end() : named.end() + 1] != ":":
                raise InvalidJson("not a member of an object")
            name = _name(named[0])
            position = named.end() + 1
        after = _after_value(text, position)
        yield name, position, after
        if after != end and text[after] != ",":
            raise InvalidJson("no comma between items")
        position = after + 1


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


def _name(literal: str) -> str:
    import json

    try:
        name: str = json.loads(literal, strict=False)
    except ValueError:
        raise InvalidJson("not a member of an object") from None
    return name


def _after_value(text: str, position: int) -> int:
    """Where the value ends that begins at a position. Raises `InvalidJson`."""
    first = text[position : position + 1]
    if first not in _CLOSING:
        match = _pattern(_STRING if first == '"' else _SCALAR).match(text, position)
        after = match.end() if match else len(text)
    else:
        after, depth = position + 1, 1
        to_bracket = _pattern(_TO_BRACKET)
        while depth:
            match = to_bracket.match(text, after)
            if not match:
                raise InvalidJson("cut off")
            depth += 1 if match[1] in _CLOSING else -1
            after = match.end()
    if after >= len(text):
        raise InvalidJson("cut off")
    return after


def parse_json(text: str, name: str) -> Any:
    """JSON that the user wrote, number spellings kept. Raises `UsageError` with line and column."""
    try:
        return loads_exact(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise UsageError(
            f"{name} is not JSON: {error}", hint="correct it there; `jq .` checks it"
        ) from None
