"""The fields of a request body that have flags of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clinecli.chat.request import TOKEN_CAPS
from clinecli.errors import UsageError
from clinecli.jsontext import loads_exact
from clinecli.options.chat import ChatOptions
from clinecli.text import argument

# What `--param` may not set, and what to use instead.
_RESERVED = {
    "stream": "the command decides it: `ask` or `stream`",
    "messages": "use --messages FILE",
}
# As the official client has it: these refuse `max_tokens`.
_COMPLETION_CAP = re.compile(r"(?:.*/)?(?:o1|o3|o4|gpt-5)(?![a-z0-9])", re.IGNORECASE)


def with_cap_for(model: object, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with its token cap under the name that the model takes, in the same place."""
    old, new = TOKEN_CAPS
    if not _COMPLETION_CAP.match(str(model)) or body.get(old) is None:
        return dict(body)
    if body.get(new) is not None:
        return {name: value for name, value in body.items() if name != old}
    return {new if name == old else name: value for name, value in body.items()}


def flag_fields(options: ChatOptions, whole: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that flags set, but for `--param`. `whole` is what they win over."""
    fields: dict[str, Any] = {}
    if options.temperature is not None:
        fields["temperature"] = options.temperature
    if options.max_tokens is not None:
        fields["max_tokens"] = options.max_tokens
    if options.effort:
        given = whole.get("reasoning")
        fields["reasoning"] = {
            **(given if isinstance(given, dict) else {}),
            "effort": options.effort,
        }
    return fields


def response_format(schema: Any) -> dict[str, Any]:
    """The field that asks for a reply of a schema."""
    title = schema.get("title") if isinstance(schema, dict) else None
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", title)[:64] if isinstance(title, str) else ""
    return {"type": "json_schema", "json_schema": {"name": name or "reply", "schema": schema}}


def parse_param(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` of `--param`: JSON where it parses, else a string. Raises `UsageError`."""
    text = argument(text, "--param")
    name, separator, value = text.partition("=")
    name = name.strip()
    if not separator or not name:
        raise UsageError(f"--param takes KEY=VALUE, not '{text}'", hint="e.g. -p top_p=0.9")
    if name in _RESERVED:
        raise UsageError(f"--param cannot set '{name}'", hint=_RESERVED[name])
    try:
        return name, loads_exact(value)
    except ValueError:
        return name, value
