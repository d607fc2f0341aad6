"""What an error body says, in whichever shape: the code, the message and other facts.

{"error": {"code", "message", "metadata"}}            the Cline API, OpenAI, OpenRouter, Google
{"success": false, "error": "text, maybe JSON"}       Cline's gateway
{"error": "text"}, {"message", "code"}                proxies, Ollama, OAuth
{"type": "error", …}, {"object": "error", …}          Anthropic, vLLM
{"detail": "text" | {…} | [{"loc", "msg"}]}           FastAPI
{"title", "status", "detail"}                         problem details (RFC 9457)
{"errors": […]}, [{"error": …}], "text"               others
… "value": {"error_message"}, "metadata": {"raw"}     the upstream's words in a gateway's
"""

from __future__ import annotations

from typing import Any, NamedTuple

from clinecli.jsontext import InvalidJson, loads

# A body may be huge, and only a line of it is shown.
LONGEST = 64 * 1024
_DEEPEST = 6
_ITEMS = 20


class ErrorBody(NamedTuple):
    """What an error body says. `codes` are numbers or words, the outermost first; `status` is an
    HTTP status that it names."""

    codes: tuple[str, ...] = ()
    message: str = ""
    fields: dict[str, Any] = {}  # noqa: RUF012
    status: int | None = None


_NOTHING = ErrorBody()
# Where a message stands, by rank.
_MESSAGES = ("message", "error_message", "msg", "detail", "error_description", "Message")
# Where the upstream's own words stand in an error of a gateway.
_UPSTREAM = ("metadata", "value", "details")
_RAW = ("raw", "error_message", "body")
_NO_CODES = {"", "error", "fail", "failed", "failure"}


def read_error(document: object, depth: int = 0) -> ErrorBody:
    """What a JSON document says of an error."""
    document = _parsed(document)
    if depth > _DEEPEST:
        return _NOTHING
    if isinstance(document, str):
        return ErrorBody(message=cut(document))
    if isinstance(document, list):
        return _of_list(document, depth)
    if not isinstance(document, dict):
        return _NOTHING
    return _of_object(document, depth)


def cut(text: str, limit: int = LONGEST) -> str:
    """The beginning of a text, whole words only: a part of a secret is not known as one."""
    if len(text) <= limit:
        return text
    head = text[:limit]
    last = max(head.rfind(space) for space in " \t\r\n")
    return head[:last] if last >= 0 else head


def _of_list(items: list[Any], depth: int) -> ErrorBody:
    if all(isinstance(item, dict) and item.get("type") == "text" for item in items):
        return ErrorBody(message=cut(text_of(items)))
    found = [read_error(item, depth + 1) for item in items[:_ITEMS]]
    told = [body for body in found if body != _NOTHING]
    if not told:
        return _NOTHING
    message = "; ".join(body.message for body in told if body.message)
    return told[0]._replace(message=cut(message))


def _of_object(document: dict[str, Any], depth: int) -> ErrorBody:
    inner = _inner(document)
    inside = read_error(inner, depth + 1)
    message = _message(document, depth)
    if isinstance(inner, str) and isinstance(document.get("error_description"), str):
        message = f"{inner}: {document['error_description']}"
    elif inside.message:
        # A problem has both: its title, and the errors.
        message = ": ".join(filter(None, [_title(document), inside.message]))
    upstream = _upstream(document, depth)
    if upstream.message and upstream.message not in message:
        message = f"{message}: {upstream.message}" if message else upstream.message
    codes = (*inside.codes, *_codes(document), *upstream.codes)
    metadata = document.get("metadata")
    facts = metadata if isinstance(metadata, dict) else {}
    return ErrorBody(
        tuple(dict.fromkeys(codes)),
        cut(message),
        {**facts, **document, **inside.fields},
        inside.status or _status(document.get("status")) or _status(document.get("statusCode")),
    )


def _inner(document: dict[str, Any]) -> object:
    """The error inside an object, which has code and message of its own; None without one."""
    detail, errors = document.get("detail"), document.get("errors")
    if isinstance(errors, dict) and not document.get("error"):
        # By the name of the field: {"errors": {"model": ["is required"]}}.
        return [
            f"{name}: {said}"
            for name, value in errors.items()
            for said in (value[:_ITEMS] if isinstance(value, list) else [value])
            if isinstance(said, str)
        ]
    return document.get("error") or errors or (detail if isinstance(detail, dict) else None)


def _message(document: dict[str, Any], depth: int) -> str:
    found = ""
    for name in _MESSAGES:
        if document.get(name):
            found = read_error(document[name], depth + 1).message
            if found:
                break
    title = _title(document)
    if title not in found:
        found = f"{title}: {found}" if found else title
    place = document.get("loc")
    if found and isinstance(place, list) and place:
        found = f"{'.'.join(str(part)[:100] for part in place[:_ITEMS])}: {found}"
    return found


def _title(document: dict[str, Any]) -> str:
    title = document.get("title")
    return title if isinstance(title, str) else ""


def _upstream(document: dict[str, Any], depth: int) -> ErrorBody:
    for outer in _UPSTREAM:
        holder = _parsed(document.get(outer))
        if not isinstance(holder, dict):
            continue
        for name in _RAW:
            if holder.get(name):
                return read_error(holder[name], depth + 1)
    return _NOTHING


def _codes(document: dict[str, Any]) -> list[str]:
    # FastAPI's `type` is that of a single fault, and a problem's is a URL.
    names = ("code",) if "loc" in document else ("code", "type", "status")
    codes = []
    for name in names:
        value = document.get(name)
        is_code = isinstance(value, str) or (isinstance(value, int) and name == "code")
        if not is_code or isinstance(value, bool):
            continue
        # Short enough for `int`.
        code = str(value)[:4000]
        if code.lower() not in _NO_CODES and not (name == "type" and set(code) & {"/", ":"}):
            codes.append(code)
    return codes + _reasons(document.get("details"))


def _reasons(details: object) -> list[str]:
    """Google's own codes, beside a class that says little (`INVALID_ARGUMENT`)."""
    items = details[:_ITEMS] if isinstance(details, list) else []
    reasons = [item.get("reason") for item in items if isinstance(item, dict)]
    return [reason for reason in reasons if isinstance(reason, str) and reason]


def _status(value: object) -> int | None:
    is_status = isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600
    return value if is_status else None  # type: ignore[return-value]


def _parsed(value: object) -> object:
    """The value of text that is itself a JSON object or array."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return loads(value.encode("utf-8", "replace"))
        except InvalidJson:
            return value
    return value


def tells_error(document: object) -> bool:
    """Whether a JSON document that came with HTTP 200 tells of an error."""
    if isinstance(document, list):
        return bool(document) and isinstance(document[0], dict) and bool(document[0].get("error"))
    if not isinstance(document, dict):
        return False
    if document.get("error") or document.get("success") is False:
        return True
    if document.get("choices"):
        return False
    return "error" in (document.get("object"), document.get("type")) or _looks_like_one(document)


def _looks_like_one(document: dict[str, Any]) -> bool:
    """Whether an object without an error's own marks is one all the same."""
    if "choices" in document or "data" in document or document.get("success"):
        return False
    if document.get("detail") or document.get("errors"):
        return True
    said = any(isinstance(document.get(name), str) for name in ("message", "title", "msg"))
    codes = (document.get(name) for name in ("status", "statusCode", "code"))
    return said and any(_status(_number(code)) for code in codes)


def _number(code: object) -> object:
    return int(code) if isinstance(code, str) and code.isdecimal() and len(code) == 3 else code


def text_of(value: object) -> str:
    """Text of a field that is a string, null, or a list of `{"type":"text"}` parts."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        # Not by recursion: a server may nest lists a thousand levels deep.
        texts = (part.get("text") for part in value if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""
