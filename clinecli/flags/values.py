"""The text of a value as what it means. Raises `UsageError` in plain words, naming the flag."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from clinecli.errors import UsageError
from clinecli.flags.table import options_class
from clinecli.options.flag import Flag, Kind

# An empty one of these is an unset variable of a script: `--schema "$UNSET"` has to count.
_NEVER_EMPTY = {Kind.FILE, Kind.AT_FILE, Kind.MODEL, Kind.PROMPT_FILE}
# JSON's parsers and writers take integers of 64 bits.
_LARGEST = 2**63 - 1


def options_of(
    name: str, own: Mapping[str, Flag], shared: Mapping[str, Flag], given: Mapping[str, Any]
) -> Any:
    """The options of a command, from what was given for its flags, by field."""
    kind = options_class(name)
    values = {field: convert(flag, given[field], name) for field, flag in own.items()}
    if shared:
        network = type(kind._field_defaults["network"])
        values["network"] = network(
            **{field: convert(flag, given[field], name) for field, flag in shared.items()}
        )
    return kind(**values)


def convert(flag: Flag, given: Any, command: str) -> Any:
    """What was given for a flag of a command, as its field has it."""
    if flag.kind is Kind.SWITCH:
        return bool(given)
    if flag.repeatable:
        return [_value(flag, text, command) for text in given] if given else flag.unset
    return flag.unset if given is None else _value(flag, given, command)


def _value(flag: Flag, text: str, command: str) -> Any:
    label = "/".join(flag.names) or flag.value_name
    if flag.kind is Kind.NUMBER:
        return _number(flag, text, label, command)
    if not text and flag.kind in _NEVER_EMPTY:
        raise UsageError(
            f"{flag.long} is empty", hint=f"give it a value: {flag.long} {flag.value_name}"
        )
    # With a value name of its own, a choice is only a part of the value.
    if flag.choices and not flag.metavar and text not in flag.choices:
        raise UsageError(
            f"{flag.long if flag.names else command} does not know {text!a}",
            hint=f"choose from {', '.join(flag.choices)}",
        )
    # Names of files, and what another program is given, may be any bytes.
    return text if flag.kind in {Kind.FILE, Kind.COMMAND} else _utf8(text, label)


def _number(flag: Flag, text: str, label: str, command: str) -> int | float:
    try:
        # Python takes other scripts' digits and 1_000, too.
        number = flag.value_type(text if text.isascii() and "_" not in text else "")
    except ValueError:
        number = math.nan
    if not flag.accepts(number):
        raise UsageError(
            f"{label}: {text!r} is not {flag.wanted}", hint=f"see clinecli {command} --help"
        )
    if isinstance(number, int) and number > _LARGEST:
        raise UsageError(f"{label}: {text} is too large", hint=f"see clinecli {command} --help")
    value: int | float = number
    return value


def _utf8(text: str, label: str) -> str:
    """An argument as text: bytes that the locale cannot read reach Python as lone surrogates
    (PEP 383)."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode()
    except UnicodeDecodeError as error:
        byte = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
        raise UsageError(
            f"{label} is not UTF-8 text: {byte}", hint="convert it first (iconv -t UTF-8)"
        ) from None
