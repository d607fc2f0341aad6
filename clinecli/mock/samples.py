"""JSON that a schema asks for: the simplest that satisfies it, always the same.

Patterns and conditions are not looked at: what depends on them may be refused by the schema, as a
model's reply may be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TEXT = "mock"
# Below this depth only what is required is there: a schema may contain itself.
_DEEP = 4
_DEEPEST = 8
_LONGEST = 1000

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "user@example.com",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Any) -> Any:
    """A value for a JSON Schema."""
    return _sample(schema, schema, 0)


def _sample(schema: Any, root: Any, depth: int) -> Any:
    schema = _resolved(schema, root, depth)
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    make: _Maker = _BY_TYPE.get(_type(schema), _string)
    return make(schema, root, depth)


def _resolved(
    schema: Any, root: Any, depth: int, seen: frozenset[int] = frozenset()
) -> dict[str, Any]:
    """A schema with the parts in it that it refers to, chooses from or adds up; `seen` are those
    that it is a part of."""
    if not isinstance(schema, dict) or depth > _DEEPEST or id(schema) in seen:
        return {}
    parts = [_referred(schema["$ref"], root)] if "$ref" in schema else []
    parts += [schema[key][0] for key in ("anyOf", "oneOf") if _has_items(schema, key)]
    parts += schema["allOf"] if _has_items(schema, "allOf") else []
    merged = {key: value for key, value in schema.items() if key not in _COMBINED}
    for part in parts:
        found = _resolved(part, root, depth, seen | {id(schema)})
        merged = {**found, **merged, **_joined(merged, found)}
    return merged


_COMBINED = frozenset({"$ref", "anyOf", "oneOf", "allOf"})


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What both parts of a schema say of an object."""
    joined: dict[str, Any] = {}
    first, second = other.get("properties"), one.get("properties")
    if isinstance(first, dict) and isinstance(second, dict):
        joined["properties"] = {**first, **second}
    first, second = other.get("required"), one.get("required")
    if isinstance(first, list) and isinstance(second, list):
        joined["required"] = [*first, *second]
    return joined


def _has_items(schema: dict[str, Any], key: str) -> bool:
    return isinstance(schema.get(key), list) and bool(schema[key])


def _referred(reference: Any, root: Any) -> Any:
    found = root
    if not isinstance(reference, str) or not reference.startswith("#"):
        return {}
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _type(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


def _object(schema: dict[str, Any], root: Any, depth: int) -> dict[str, Any]:
    properties, required = schema.get("properties"), schema.get("required")
    properties = properties if isinstance(properties, dict) else {}
    names = [*map(str, required)] if isinstance(required, list) else []
    if depth < _DEEP:
        names = [*properties, *(name for name in names if name not in properties)]
    return {name: _sample(properties.get(name), root, depth + 1) for name in names}


def _array(schema: dict[str, Any], root: Any, depth: int) -> list[Any]:
    first = schema["prefixItems"] if _has_items(schema, "prefixItems") else []
    least = _whole(schema.get("minItems"), 1 if depth < _DEEP else 0)
    most = _whole(schema.get("maxItems"), least)
    number = max(len(first), min(least, most, _LONGEST))
    kinds = [*first, *[schema.get("items")] * (number - len(first))]
    return [_sample(kind, root, depth + 1) for kind in kinds]


def _string(schema: dict[str, Any], _root: Any, _depth: int) -> str:
    text = _FORMATS.get(str(schema.get("format")), TEXT)
    least = min(_whole(schema.get("minLength"), 0), _LONGEST)
    return text.ljust(least, ".")[: _whole(schema.get("maxLength"), max(least, len(text)))]


def _number(schema: dict[str, Any], _root: Any, _depth: int) -> float:
    step = schema.get("multipleOf", 1)
    above = [schema[key] for key in ("minimum", "exclusiveMinimum") if _is_number(schema.get(key))]
    below = [schema[key] for key in ("maximum", "exclusiveMaximum") if _is_number(schema.get(key))]
    step = step if _is_number(step) and step > 0 else 1
    value: float = 0
    if above and max(above) >= 0:
        value = -(-max(above) // step) * step
        value += step if value == schema.get("exclusiveMinimum") else 0
    elif below and min(below) <= 0:
        value = min(below) // step * step
        value -= step if value == schema.get("exclusiveMaximum") else 0
    is_above = below and (value > min(below) or value == schema.get("exclusiveMaximum"))
    return float(max(above) + min(below)) / 2 if above and is_above else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _whole(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and value >= 0 else otherwise


_Maker = Callable[[dict[str, Any], Any, int], Any]
_BY_TYPE: dict[str, _Maker] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _number,
    # A mock approves of nothing.
    "boolean": lambda *_: False,
    "null": lambda *_: None,
}
