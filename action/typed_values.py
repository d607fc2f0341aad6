"""The booleans, numbers and enums of a reply that a schema describes.

They alone are safe to insert into a command line: a boolean and a number cannot hold text, and
the words of an enum are the schema's, not the model's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

Value = bool | int | float | str

# No character that a shell, PowerShell or an expression would take for more than itself.
_HARMLESS = re.compile(r"[\w .,:/@%+=-]{0,200}")
_MAX_REFERENCES = 8


def without_fence(text: str) -> str:
    """The JSON of a reply that has satisfied a schema, which may stand in a code fence."""
    from clinecli.chat.render import first_code_block

    try:
        json.loads(text)
    except ValueError:
        return first_code_block(text) or text
    return text


def typed_values(schema: Any, text: str) -> dict[str, Value]:
    """The typed top-level properties of a reply; none when there is no such schema or reply."""
    try:
        reply = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    properties = _resolved(schema, schema).get("properties")
    if not isinstance(reply, dict) or not isinstance(properties, dict):
        return {}
    return {
        name: reply[name]
        for name, kind in properties.items()
        if name in reply and _is_typed(_resolved(kind, schema), reply[name])
    }


def _is_typed(kind: Mapping[str, Any], value: Any) -> bool:
    if isinstance(value, str):
        choices = [kind["const"]] if "const" in kind else kind.get("enum")
        is_choice = isinstance(choices, list) and value in choices
        return is_choice and bool(_HARMLESS.fullmatch(value))
    return isinstance(value, bool | int | float) and math.isfinite(value)


def _resolved(kind: Any, root: Any) -> Mapping[str, Any]:
    """A subschema, references within the schema followed."""
    for _ in range(_MAX_REFERENCES):
        reference = kind.get("$ref") if isinstance(kind, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        kind = root
        for step in reference[2:].split("/"):
            kind = kind.get(step) if isinstance(kind, dict) else None
    return kind if isinstance(kind, dict) else {}
