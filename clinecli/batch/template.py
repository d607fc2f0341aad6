"""`--template`: text with `{{field}}`, filled from the fields of a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.errors import UsageError

_FIELD = re.compile(r"\{\{([\w.-]+)\}\}")


class Template(NamedTuple):
    """One user message: text and field names by turns, text first."""

    parts: tuple[str, ...]

    @property
    def variables(self) -> frozenset[str]:
        """The names of the fields."""
        return frozenset(self.parts[1::2])

    def fill(self, values: Mapping[str, str]) -> list[dict[str, Any]]:
        """The message. Values are inserted as they are, and once."""
        texts = [*self.parts]
        texts[1::2] = [values[name] for name in self.parts[1::2]]
        return [{"role": "user", "content": "".join(texts)}]


def parse_template(text: str, name: str) -> Template:
    """Take a text apart. Raises `UsageError` when it has no field."""
    parts = tuple(_FIELD.split(text))
    if len(parts) == 1:
        raise UsageError(
            f"{name} has no {{{{field}}}}: every row would be asked the same",
            hint="e.g. --template 'Classify: {{text}}'; a text row is {{input}}",
        )
    return Template(parts)
