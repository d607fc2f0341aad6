"""The command line as data, for programs: what `clinecli describe` prints."""

from __future__ import annotations

from typing import Any

from clinecli import __version__
from clinecli.errors import Code, ExitStatus
from clinecli.flags.table import COMMANDS, VERSION, exit_statuses, parameters, usage
from clinecli.options.flag import Flag


def description() -> dict[str, Any]:
    """Commands, flags, exit statuses and error codes. Keys are only ever added."""
    return {
        "program": "clinecli",
        "version": __version__,
        "flags": [_flag(VERSION)],
        "commands": [_command(name) for name in COMMANDS],
        "exit_statuses": [_status(status, when) for status, when in exit_statuses().items()],
        "error_codes": [{"code": str(code), "meaning": code.meaning} for code in Code],
    }


def _command(name: str) -> dict[str, Any]:
    command, flags = COMMANDS[name], parameters(name)
    return {
        "name": name,
        "summary": command.summary,
        "help": command.help,
        "usage": usage(name),
        "examples": list(command.examples),
        "arguments": [_flag(flag) for flag in flags if flag.is_argument],
        "flags": [_flag(flag) for flag in flags if not flag.is_argument],
        "exit_statuses": [_status(status, when) for status, when in command.outcomes.items()],
    }


def _status(status: ExitStatus, when: str) -> dict[str, Any]:
    return {"status": int(status), "name": status.label, "when": when}


def _flag(flag: Flag) -> dict[str, Any]:
    return {
        "name": flag.value_name if flag.is_argument else flag.long,
        "short": f"-{flag.short}" if flag.short else None,
        "group": str(flag.group),
        "help": flag.help,
        "type": _TYPES[flag.value_type],
        "kind": str(flag.kind),
        "value": flag.value_name or None,
        "choices": list(flag.choices) or None,
        "minimum": flag.minimum,
        "maximum": flag.maximum,
        "above": flag.above,
        "repeatable": flag.repeatable,
        "required": flag.required,
        "env": flag.env or None,
        "config_key": flag.field if flag.config else None,
        "default": flag.shown_default,
    }


_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
