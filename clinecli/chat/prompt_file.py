"""Prompt files: `.prompt.yml` as GitHub Models had it, and plain text, to messages and fields."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.chat.template import Source, Template, too_long
from clinecli.chat.yaml_text import MAX_YAML, Node, Place, parse
from clinecli.jsontext import dumps, loads_exact

# A top-level key, or one anywhere in what begins as JSON does.
_MESSAGES_KEY = re.compile(r"^([\"']?)messages\1\s*:", re.MULTILINE)
_JSON_MESSAGES_KEY = re.compile(r"\s*\{.*\"messages\"\s*:", re.DOTALL)
_ROLES = ("system", "user", "assistant")
_FORMATS = ("text", "json_object", "json_schema")


class Message(NamedTuple):
    """A message whose text has variables."""

    role: str
    content: Template


class PromptFile(NamedTuple):
    """What a prompt file says. `fields` are body fields by their names in the API; `schema` is
    what the reply must satisfy."""

    messages: tuple[Message, ...]
    model: str | None = None
    fields: Mapping[str, Any] = {}
    schema: Any = None

    @property
    def variables(self) -> frozenset[str]:
        """The names of all variables."""
        return frozenset(name for message in self.messages for name in message.content.variables)

    def fill(self, values: Mapping[str, str]) -> list[dict[str, Any]]:
        """The messages with values in them. Raises `UsageError` naming variable, line and
        column where there is none."""
        return [
            {"role": message.role, "content": message.content.fill(values)}
            for message in self.messages
        ]


def parse_prompt_file(text: str, name: str) -> PromptFile:
    """A prompt file by its name: `.yml` and `.yaml` are YAML, `.txt` and `.md` are one user
    message; under any other name it is YAML if it has `messages:`.

    Raises `UsageError` with line and column.
    """
    text = text.removeprefix("\ufeff")
    lowered = name.lower()
    is_yaml = lowered.endswith((".yml", ".yaml")) or (
        not lowered.endswith((".txt", ".md"))
        and bool(_MESSAGES_KEY.search(text) or _JSON_MESSAGES_KEY.match(text))
    )
    return _from_yaml(text, name) if is_yaml else _from_text(text, name)


def _from_text(text: str, name: str) -> PromptFile:
    # `#!` makes a program of the file, and is no part of the message.
    start = text.find("\n") + 1 or len(text) if text.startswith("#!") else 0
    source = Source(name, text, start, len(text))
    return PromptFile((Message("user", Template.of(text[start:], source)),))


# The keys of each mapping. testData and evaluators are for other programs.
_KEYS = {
    "a prompt file": (
        "name",
        "description",
        "model",
        "modelParameters",
        "responseFormat",
        "jsonSchema",
        "messages",
        "testData",
        "evaluators",
    ),
    "modelParameters": ("maxTokens", "maxCompletionTokens", "temperature", "topP"),
    "a message": ("role", "content"),
}


def _from_yaml(text: str, name: str) -> PromptFile:
    if len(text) > MAX_YAML:
        raise too_long(name)
    root = parse(text, name)
    entries = _entries(root, "a prompt file")
    for key in ("name", "description"):
        _text(entries.get(key), key)
    for key in ("testData", "evaluators"):
        _list(entries.get(key), key)
    schema = _json_schema(entries)
    return PromptFile(
        _messages(entries.get("messages"), root.place, text),
        _text(entries.get("model"), "model") or None,
        _parameters(entries.get("modelParameters")) | _response_format(entries, schema),
        schema["schema"] if schema else None,
    )


def _entries(node: Node, what: str) -> dict[str, Node]:
    """A mapping's values but for nulls, which stand for nothing. Raises `UsageError` for what
    is no mapping and for keys that nobody knows."""
    keys = _KEYS[what]
    if not isinstance(node.value, dict):
        raise node.place.error(f"{what} is a mapping, not {node.kind}", f"its keys: {_join(keys)}")
    for key, (place, _) in node.value.items():
        if key not in keys:
            raise place.error(f"{what} has no key '{key}'", _nearest(key, keys))
    return {key: value for key, (_, value) in node.value.items() if not value.is_null}


def _nearest(word: str, words: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    nearest = get_close_matches(word, words, 1)
    return f"did you mean '{nearest[0]}'?" if nearest else f"it has: {_join(words)}"


def _join(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _text(node: Node | None, what: str) -> str | None:
    if node is None:
        return None
    if not isinstance(node.value, str):
        raise node.place.error(f"{what} is text, not {node.kind}", "put quotes around it")
    return node.value


def _list(node: Node | None, what: str) -> tuple[Node, ...]:
    if node is None:
        return ()
    if not isinstance(node.value, tuple):
        raise node.place.error(f"{what} is a list, not {node.kind}", "begin each item with `- `")
    return node.value


def _messages(node: Node | None, place: Place, text: str) -> tuple[Message, ...]:
    messages = tuple(_one_message(item, text) for item in _list(node, "messages"))
    if not messages:
        raise (node.place if node else place).error(
            "there are no messages", "write `messages:` with a list of `role:` and `content:`"
        )
    return messages


def _one_message(node: Node, text: str) -> Message:
    entries = _entries(node, "a message")
    for key in ("role", "content"):
        if key not in entries:
            raise node.place.error(f"the message has no {key}", "each has `role:` and `content:`")
    role = str(_text(entries["role"], "role")).lower()
    if role not in _ROLES:
        raise entries["role"].place.error(f"no role is '{role}'", f"the roles: {_join(_ROLES)}")
    content = entries["content"]
    source = Source(content.place.name, text, content.start, content.end)
    return Message(role, Template.of(str(_text(content, "content")), source))


class _Range(NamedTuple):
    """A parameter: its name in the API, and the numbers that it takes."""

    field: str
    least: float
    most: float
    is_whole: bool = False


_PARAMETERS = {
    "temperature": _Range("temperature", 0, 2),
    "topP": _Range("top_p", 0, 1),
    "maxTokens": _Range("max_tokens", 1, float("inf"), is_whole=True),
    "maxCompletionTokens": _Range("max_completion_tokens", 1, float("inf"), is_whole=True),
}


def _parameters(node: Node | None) -> dict[str, Any]:
    entries = _entries(node, "modelParameters") if node else {}
    if "maxCompletionTokens" in entries:
        # The deprecated name may stand beside it for older tools.
        entries.pop("maxTokens", None)
    return {
        _PARAMETERS[key].field: _number(entries[key], key, _PARAMETERS[key])
        for key in _PARAMETERS
        if key in entries
    }


def _number(node: Node, key: str, limits: _Range) -> Any:
    value = node.data
    try:
        number = float(dumps(value)) if not isinstance(value, bool | str) else None
    except (TypeError, ValueError):
        number = None
    fits = number is not None and limits.least <= number <= limits.most
    if limits.is_whole and number is not None and number.is_integer():
        value = value if isinstance(value, int) else int(number)
    if not fits or (limits.is_whole and not isinstance(value, int)):
        form = "a whole number" if limits.is_whole else "a number"
        most = "on" if limits.is_whole else f"to {limits.most:g}"
        raise node.place.error(f"{key} is {form} from {limits.least:g} {most}", "correct it there")
    return value


def _json_schema(entries: dict[str, Node]) -> dict[str, Any]:
    """`jsonSchema`, where `responseFormat` asks for it: `{"name", "strict", "schema"}`."""
    node = entries.get("responseFormat")
    if node is None or _text(node, "responseFormat") != "json_schema":
        return {}
    schema = entries.get("jsonSchema")
    if schema is None:
        raise node.place.error(
            "responseFormat json_schema needs a jsonSchema", "add it, or ask for json_object"
        )
    value = _json(schema) if isinstance(schema.value, str) else schema.data
    if not isinstance(value, dict):
        raise schema.place.error("jsonSchema is no JSON object", _SCHEMA_HINT)
    if not isinstance(schema.value, str) and not {"schema", "strict"} & value.keys():
        # Early files gave the schema itself, as YAML.
        return {"name": "reply", "schema": value}
    for key, kinds in (("name", str), ("schema", dict | bool)):
        if key not in value or not isinstance(value[key], kinds):
            raise schema.place.error(f"jsonSchema has no {key}", _SCHEMA_HINT)
    return value


_SCHEMA_HINT = 'write it like {"name": "reply", "strict": true, "schema": {…}}'


def _json(node: Node) -> Any:
    try:
        return loads_exact(str(node.value))
    except json.JSONDecodeError as error:
        where = f" (line {error.lineno}, column {error.colno} of it)"
        raise node.place.error(
            f"jsonSchema is not JSON: {error.msg}{where}", _SCHEMA_HINT
        ) from None
    except ValueError as error:
        raise node.place.error(f"jsonSchema is not JSON: {error}", _SCHEMA_HINT) from None


def _response_format(entries: dict[str, Node], schema: dict[str, Any]) -> dict[str, Any]:
    node = entries.get("responseFormat")
    name = _text(node, "responseFormat")
    if node and name not in _FORMATS:
        raise node.place.error(f"no responseFormat is '{name}'", f"the formats: {_join(_FORMATS)}")
    if name in {None, "text"}:
        return {}  # It is what the API does unasked.
    return {"response_format": {"type": name, **({"json_schema": schema} if schema else {})}}
