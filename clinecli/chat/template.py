"""Texts with variables: `{{name}}`, without spaces.

A text is taken apart once and filled in as often as there are sets of values. Values are
inserted as text and once: a value that holds `{{x}}` is not looked into again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.chat.yaml_text import MAX_YAML, Place, parse
from clinecli.errors import UsageError
from clinecli.jsontext import dumps, loads_exact

# Where PROMPT and stdin go, in a file that has it.
INPUT = "input"

_VARIABLE = re.compile(r"\{\{([\w.-]+)\}\}")
_NAME = re.compile(r"[\w.-]+")


class Source(NamedTuple):
    """The part of a file that a text was read from: the file's name and text, and two offsets."""

    name: str
    text: str
    start: int
    end: int

    def place(self, offset: int) -> Place:
        """An offset as line and column."""
        line_start = self.text.rfind("\n", 0, offset) + 1
        return Place(self.name, self.text.count("\n", 0, offset) + 1, offset - line_start + 1)

    def offset(self, parts: tuple[str, ...], index: int) -> int:
        """Where the variable `parts[index]` stands: the n-th of its name in this part of the
        file. Where YAML spells it with escapes, the text's beginning."""
        offset = self.start - 1
        for _ in range(parts[1 : index + 1 : 2].count(parts[index])):
            offset = self.text.find(f"{{{{{parts[index]}}}}}", offset + 1, self.end)
            if offset < 0:
                return self.start
        return offset


class Template(NamedTuple):
    """Text and variable names by turns, text first."""

    parts: tuple[str, ...]
    source: Source

    @classmethod
    def of(cls, text: str, source: Source) -> Template:
        """Take a text apart."""
        return cls(tuple(_VARIABLE.split(text)), source)

    @property
    def variables(self) -> tuple[str, ...]:
        return self.parts[1::2]

    def fill(self, values: Mapping[str, str]) -> str:
        """The text. Raises `UsageError` with line and column for a variable without a value."""
        texts = list(self.parts)
        for index in range(1, len(texts), 2):
            value = values.get(texts[index])
            if value is None:
                raise self._no_value(index)
            texts[index] = value
        return "".join(texts)

    def _no_value(self, index: int) -> UsageError:
        name = self.parts[index]
        hint = f"give it: --var {name}=VALUE, --var-file {name}=FILE or --vars FILE"
        if name == INPUT:
            hint = f"PROMPT and stdin fill it; or {hint}"
        place = self.source.place(self.source.offset(self.parts, index))
        return place.error(f"the variable '{name}' has no value", hint)


def as_text(value: Any) -> str:
    """A value as it is inserted: text as it is, null as nothing, all else as JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else dumps(value).decode()


def parse_values(text: str, name: str) -> dict[str, str]:
    """Values by name, from a YAML or JSON mapping. Numbers and dates stay as they are spelled.

    Raises `UsageError` with line and column.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        try:
            return {key: as_text(value) for key, value in loads_exact(text).items()}
        except ValueError:
            pass  # It may still be YAML, which tells better what is wrong.
    if len(text) > MAX_YAML:
        raise too_long(name)
    node = parse(text, name)
    if node.is_null:
        return {}
    if not isinstance(node.value, dict):
        raise node.place.error(
            f"values of variables are a mapping, not {node.kind}", "write `name: value`"
        )
    return {
        key: value.value
        if isinstance(value.value, str) and not value.is_null
        else as_text(value.data)
        for key, (_, value) in node.value.items()
    }


def too_long(name: str) -> UsageError:
    """The error for YAML that would take too long to parse."""
    return UsageError(
        f"{name} has more than {MAX_YAML >> 20} MiB of YAML",
        hint="put long texts into files of their own: --var-file NAME=FILE",
    )


def parse_pair(text: str, flag: str, value: str) -> tuple[str, str]:
    """`NAME=VALUE` of a flag. Raises `UsageError`."""
    name, separator, rest = text.partition("=")
    if not separator or not _NAME.fullmatch(name):
        raise UsageError(
            f"{flag} takes NAME={value}, not '{text}'",
            hint="a name has letters, digits, '_', '.' and '-', and no spaces",
        )
    return name, rest
