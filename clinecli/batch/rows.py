"""One row of the input to one request: pure, the same for every kind of input.

What a row is, is told by its keys:

| row | request |
|---|---|
| `{"custom_id", "method", "url", "body": {…}}` | the body, as the Batch API has it |
| `{"id"?, "messages": […], …}` | other keys are fields of the body |
| `{"id"?, "prompt": "…", …}` | the same, with one user message |
| `"…"`, and a line of text | a prompt |
| any object, with a template | the template, filled from its fields |

Flags give what a row leaves out (`Defaults`). Every row becomes the bytes that are sent, once, so
that what is checked, fingerprinted, estimated and asked is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.batch.rowtext import RowFault, cell_value, parse_row
from clinecli.batch.template import RowTemplate
from clinecli.chat.parameters import with_cap_for
from clinecli.chat.request import TOKEN_CAPS, ChatRequest
from clinecli.errors import ClinecliError, EmptyMessageError, UsageError
from clinecli.jsontext import Number, dumps

_ENDPOINT = "/chat/completions"
_BODY_KEYS = {"custom_id", "id", "method", "url", "body"}
# Newer models call the system message by another name.
_SYSTEM = ("system", "developer")
_SHAPES = (
    'a row has "prompt", "messages" or "body"; any other object needs --template, and lines of '
    "text need --lines"
)


class Defaults(NamedTuple):
    """What the flags give to a row that leaves it out.

    `fields` are fields of the body, `system` goes before messages that have no system message,
    `examples` (earlier turns) before a prompt.
    """

    fields: Mapping[str, Any]
    system: tuple[dict[str, Any], ...] = ()
    examples: tuple[dict[str, Any], ...] = ()
    template: RowTemplate | None = None


class Row(NamedTuple):
    """A request. `number` is its place in the input, from 0, `line` the line where it begins, from
    1; `data` is the body as it is sent."""

    id: str
    number: int
    line: int
    body: dict[str, Any]
    data: bytes


class BadRow(NamedTuple):
    """A row that is no request, and why."""

    id: str
    number: int
    line: int
    error: ClinecliError


class Place(NamedTuple):
    """Where a row is: the input's name, the row's number from 0 and its line from 1."""

    name: str
    number: int
    line: int


def bad_row(fault: RowFault, place: Place, row_id: str | None = None) -> BadRow:
    """A fault as a row of its own."""
    kind = EmptyMessageError if fault.empty else UsageError
    error = kind(f"{place.name}, line {place.line}: {fault}", hint=fault.hint)
    return BadRow(row_id or str(place.line), place.number, place.line, error)


def row_from_json(data: bytes, place: Place, defaults: Defaults) -> Row | BadRow:
    """The row of one line of JSON."""
    row_id = None
    try:
        value = parse_row(data)
        if isinstance(value, dict):
            row_id = _id(value)
        return _finish(_body(value, defaults), place, row_id)
    except RowFault as fault:
        return bad_row(fault, place, row_id)


def row_from_text(text: str, place: Place, defaults: Defaults) -> Row | BadRow:
    """The row of one line of text."""
    try:
        return _finish(_body(text, defaults), place, None)
    except RowFault as fault:
        return bad_row(fault, place)


def row_from_cells(cells: dict[str, str], place: Place, defaults: Defaults) -> Row | BadRow:
    """The row of one record of CSV, by column. Without a template, other columns than `id` and
    `prompt` are fields of the body, as with --param; an empty cell gives none."""
    row_id = None
    try:
        row_id = _id({name: value for name, value in cells.items() if value})
        value: dict[str, Any] = cells
        if not defaults.template:
            if "prompt" not in cells:
                raise RowFault(
                    "there is no column 'prompt'",
                    f"the columns are: {', '.join(cells)[:200]}; choose by --template "
                    "'… {{column}} …'",
                )
            value = {name: cell_value(name, cell) for name, cell in cells.items() if cell}
            value.setdefault("prompt", "")
        return _finish(_body(value, defaults), place, row_id)
    except RowFault as fault:
        return bad_row(fault, place, row_id)


def _id(row: Mapping[str, Any]) -> str | None:
    """The id that a row names; None when it names none."""
    value = row.get("custom_id")
    if value is None:
        value = row.get("id")
    if value is None:
        return None
    if isinstance(value, Number) and value.spelling.removeprefix("-").isdigit():
        return value.spelling
    if type(value) is int:
        return str(value)
    if not isinstance(value, str) or not value:
        raise RowFault("its id is neither text nor a whole number", 'e.g. "id": "row-1"')
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RowFault("its id is no Unicode text", "\\ud83d alone is no text") from None
    return value


def _body(value: Any, defaults: Defaults) -> dict[str, Any]:
    """The request of a parsed row, `stream` apart."""
    if not isinstance(value, dict | str):
        raise RowFault("it is neither a JSON object nor a string", _SHAPES)
    if defaults.template:
        return _merged({"messages": defaults.template.fill(value)}, defaults)
    if isinstance(value, str):
        value = {"prompt": value}
    body = value.get("body")
    if isinstance(body, dict) or "url" in value:
        return _whole(value, body, defaults)
    fields = {name: field for name, field in value.items() if name not in {"id", "custom_id"}}
    if "prompt" not in fields:
        if "messages" not in fields:
            raise RowFault(f"it is no request: its keys are {_keys(value)}", _SHAPES)
        return _merged(fields, defaults)
    if "messages" in fields:
        raise RowFault('it has "prompt" and "messages"', "leave one of them out")
    prompt = fields.pop("prompt")
    if not isinstance(prompt, str):
        raise RowFault('its "prompt" is no text', 'write it like {"prompt": "…"}')
    fields["messages"] = [*defaults.examples, {"role": "user", "content": prompt}]
    return _merged(fields, defaults)


def _keys(value: dict[str, Any]) -> str:
    return ", ".join(value)[:100] or "none"


def _whole(row: dict[str, Any], body: Any, defaults: Defaults) -> dict[str, Any]:
    """The body of a row in the shape of the Batch API."""
    if not isinstance(body, dict):
        raise RowFault('its "body" is no JSON object', _SHAPES)
    url, method = row.get("url", _ENDPOINT), row.get("method", "POST")
    if not isinstance(url, str) or not url.endswith(_ENDPOINT):
        raise RowFault(
            f"its url is not {_ENDPOINT}: {str(url)[:100]}", "only chat completions can be asked"
        )
    if method != "POST":
        raise RowFault(f"its method is not POST: {str(method)[:100]}", "leave it out")
    if others := row.keys() - _BODY_KEYS:
        raise RowFault(
            f'it has keys beside its "body": {", ".join(sorted(others))[:100]}',
            "fields of the request go into the body",
        )
    return _merged(body, defaults)


def _merged(fields: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    """A row's fields, and what they leave out."""
    messages = fields.get("messages")
    if type(messages) is not list or not messages:
        raise RowFault('its "messages" are no array of messages', "write them like [{…}, {…}]")
    has_system = False
    for message in messages:
        if type(message) is not dict:
            raise RowFault('its "messages" are no array of objects', "write them like [{…}, {…}]")
        if message.get("role") in _SYSTEM:
            has_system = True
    body = {**defaults.fields, **fields}
    if defaults.system and not has_system:
        body["messages"] = [*defaults.system, *messages]
    if TOKEN_CAPS[0] in body and TOKEN_CAPS[1] in body:
        # One cap by two names: the row's own counts.
        own = [cap for cap in TOKEN_CAPS if cap in fields] or list(TOKEN_CAPS)
        for cap in TOKEN_CAPS:
            if cap not in own:
                del body[cap]
    if TOKEN_CAPS[0] in defaults.fields and TOKEN_CAPS[0] not in fields:
        return with_cap_for(body.get("model"), body)
    return body


def _finish(body: dict[str, Any], place: Place, row_id: str | None) -> Row:
    """Check a request and write it down."""
    last = body["messages"][-1]
    content = last.get("content") if last.get("role") == "user" else None
    if (type(content) is not str or not content.strip()) and not ChatRequest(body).has_user_content:
        raise RowFault(
            "there is no user message with content", "give it one, or leave the row out", empty=True
        )
    model = body.get("model")
    if type(model) is not str or not model.strip():
        raise RowFault('its "model" is no text', "e.g. anthropic/claude-sonnet-4-6")
    body["stream"] = False
    try:
        data = dumps(body)
    except ValueError as error:
        raise RowFault(
            f"it cannot be sent as JSON: {error}",
            "\\ud83d alone is no text, and 254 levels are deep enough",
        ) from None
    return Row(row_id or str(place.line), place.number, place.line, body, data)
