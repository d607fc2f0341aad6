"""The text of a value as what it means. Raises `UsageError` in plain words, naming the flag."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from clinecli.errors import UsageError
from clinecli.flags.table import COMMANDS, options_class
from clinecli.options.flag import Flag, Kind

# An empty one of these is an unset variable of a script: `--schema "$UNSET"` has to count.
_NEVER_EMPTY = {Kind.FILE, Kind.AT_FILE, Kind.MODEL, Kind.PROMPT_FILE}
# JSON's parsers and writers take integers of 64 bits.
_LARGEST = 2**63 - 1


def options_of(
    name: str, own: Mapping[str, Flag], shared: Mapping[str, Flag], given: Mapping[str, Any]
) -> Any:
    """The options of a command, from what was given for its flags, by field.

    Raises `UsageError` for a value that is wrong, and for flags that do not go together.
    """
    kind = options_class(name)
    values = {field: convert(flag, given[field], name) for field, flag in own.items()}
    if shared:
        network = type(kind._field_defaults["network"])
        values["network"] = network(
            **{field: convert(flag, given[field], name) for field, flag in shared.items()}
        )
    options = kind(**values)
    _check(name, options)
    return options


def _check(command: str, options: Any) -> None:
    rules = COMMANDS[command]
    for pair in rules.excludes:
        if all(getattr(options, field) for field in pair):
            one, other = map(_long, pair)
            raise UsageError(f"{one} and {other} exclude each other", hint="leave one of them out")
    for field, others in rules.needs.items():
        if getattr(options, field) and not any(getattr(options, other) for other in others):
            raise UsageError(
                f"{_long(field)} has no effect without {' or '.join(map(_long, others))}",
                hint=f"add {_long(others[0])}, or leave {_long(field)} out",
            )


def _long(field: str) -> str:
    return f"--{field.replace('_', '-')}"


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
