"""The check of a request that is to be sent: what `ask` refuses, and what the API would."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from clinecli.chat.images import MAX_IMAGE_BYTES, image_type
from clinecli.doctor.check import Finding, Findings, failed, ok, skip, warn
from clinecli.doctor.setup import Asked, Setup
from clinecli.errors import EmptyMessageError, RejectedError
from clinecli.jsontext import Number, loads

_ROLES = ("system", "user", "assistant", "tool")
# Not in the API's documentation, but taken by some models of its catalogue.
_OTHER_ROLES = ("developer",)
_PART_TYPES = ("text", "image_url")
_DATA_URL = re.compile(r"data:([^;,]*)(;[^,]*)?,(.*)", re.DOTALL)

# (whether the API refuses it, what is wrong)
_Fault = tuple[bool, str]


def message(setup: Setup, known: Findings) -> Finding:
    """The request of `--request`, which `ask --request` would send."""
    name = setup.options.request
    request, error = known[Asked]
    remedy = f"correct {'the request' if name == '-' else name}"
    if isinstance(error, EmptyMessageError) and isinstance(setup.request, str):
        reasons = [*_emptiness(setup.request)]
        said = error.but(message=f"{error.message}: {reasons[0]}") if reasons else error
        return failed(said, *reasons[1:], remedy=f"{remedy}: a user message needs content")
    if error:
        raise error
    if request is None:
        return skip("no request is given (--request FILE)")
    body = request.body
    faults = [*_model(body), *_temperature(body), *_messages(body["messages"])]
    wrong = [text for refused, text in faults if refused]
    doubts = [text for refused, text in faults if not refused]
    if wrong:
        error = RejectedError(f"the API would refuse the request: {wrong[0]}", hint=remedy)
        return failed(error, *wrong[1:], *doubts)
    if doubts:
        return warn(f"the request may be refused: {doubts[0]}", *doubts[1:], remedy=remedy)
    return ok(f"{len(body['messages'])} message(s), model {body.get('model')}")


def _emptiness(text: str) -> Iterator[str]:
    """In which way a request asks nothing, and where."""
    if not text.strip():
        yield "it is empty"
        return
    body = loads(text.encode())
    messages = body.get("messages") if isinstance(body, dict) else None
    if not messages:
        yield "messages is empty" if isinstance(messages, list) else "it has no messages"
        return
    users = [
        (number, entry.get("content"))
        for number, entry in enumerate(messages, 1)
        if isinstance(entry, dict) and entry.get("role") == "user"
    ]
    if not users:
        roles = {str(entry.get("role"))[:40] for entry in messages if isinstance(entry, dict)}
        yield f"none of the {len(messages)} has the role user (but {', '.join(sorted(roles))})"
    for number, content in users:
        yield f"message {number}: {_how_empty(content)}"


def _how_empty(content: object) -> str:
    if content is None:
        return "its content is missing or null"
    if isinstance(content, str):
        return "its content is white space alone" if content else "its content is empty"
    if isinstance(content, list):
        if not content:
            return "its content is an empty array"
        return f"none of its {len(content)} parts has text" + (
            "" if all(isinstance(part, dict) for part in content) else " (a part is no object)"
        )
    return "its content is neither text nor an array of parts"


def _model(body: dict[str, Any]) -> Iterator[_Fault]:
    if not isinstance(body.get("model", ""), str):
        yield True, "the model is no string"


def _temperature(body: dict[str, Any]) -> Iterator[_Fault]:
    value = body.get("temperature")
    if value is None:
        return
    number = float(value.spelling) if isinstance(value, Number) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        yield True, "temperature is no number"
    elif not 0 <= number <= 2:
        yield False, f"temperature is {number:g}, and not between 0 and 2"


def _messages(messages: list[dict[str, Any]]) -> Iterator[_Fault]:
    users = [number for number, entry in enumerate(messages, 1) if entry.get("role") == "user"]
    for number, entry in enumerate(messages, 1):
        where = f"message {number}"
        if number == users[-1] and not _shows(entry.get("content")):
            yield False, f"{where}: the last question is empty, or has invisible characters alone"
        role = entry.get("role")
        if role not in (*_ROLES, *_OTHER_ROLES):
            said = repr(role)[:40] if role else "missing"
            yield True, f"{where}: the role is {said}, and none of {', '.join(_ROLES)}"
        elif role in _OTHER_ROLES:
            yield False, f"{where}: the role {role} is not known to every model"
        elif role == "tool" and not isinstance(entry.get("tool_call_id"), str):
            yield False, f"{where}: a tool's answer has no tool_call_id"
        yield from _content(entry.get("content"), where)


def _shows(content: object) -> bool:
    """Whether there is anything to see in a content; what is no text counts."""
    texts = [content] if isinstance(content, str) else []
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        if any(part.get("type") != "text" for part in parts) or len(parts) < len(content):
            return True
        texts = [str(part.get("text") or "") for part in parts]
    return any(c.isprintable() and not c.isspace() for text in texts for c in text)


def _content(content: object, where: str) -> Iterator[_Fault]:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        yield True, f"{where}: the content is neither text nor an array of parts"
        return
    for number, part in enumerate(content, 1):
        yield from _part(part, f"{where}, part {number}")


def _part(part: object, where: str) -> Iterator[_Fault]:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        yield True, f"{where}: it has no type"
    elif part["type"] == "image_url":
        image = part.get("image_url")
        yield from _image(image.get("url") if isinstance(image, dict) else None, where)
    elif part["type"] == "text" and not isinstance(part.get("text"), str):
        yield True, f"{where}: it has no text"
    elif part["type"] == "text" and not part["text"].strip():
        yield False, f"{where}: its text is empty"
    elif part["type"] not in _PART_TYPES:
        yield False, f"{where}: the type {part['type'][:40]} is not known to every model"


def _image(url: object, where: str) -> Iterator[_Fault]:
    if not isinstance(url, str) or not url:
        yield True, f'{where}: the image has no URL ({{"image_url": {{"url": …}}}})'
        return
    if url.startswith(("http://", "https://")):
        return
    match = _DATA_URL.match(url)
    if not match:
        yield True, f"{where}: the image is neither a data: nor an https: URL"
        return
    said, parameters, text = match.groups()
    if not (parameters or "").endswith(";base64"):
        yield True, f"{where}: the image is not marked as base64"
        return
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        yield True, f"{where}: the image is not base64"
        return
    found = image_type(data)
    if not found:
        yield True, f"{where}: what is meant as an image is no PNG, JPEG, GIF or WebP"
    elif found != said:
        yield False, f"{where}: the image is {found}, not {said or 'untyped'}"
    elif len(data) > MAX_IMAGE_BYTES:
        yield False, f"{where}: the image has more than {MAX_IMAGE_BYTES >> 20} MiB"
