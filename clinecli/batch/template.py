"""`--template` and `--prompt-file`: messages with `{{field}}`, filled from the fields of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.batch.rowtext import RowFault
from clinecli.chat.prompt_file import Message, PromptFile
from clinecli.chat.template import INPUT, Source, Template, as_text
from clinecli.errors import UsageError


class RowTemplate(NamedTuple):
    """Messages whose variables are fields of a row; `values` are those that flags give.

    The text of a row (a string, a line, its "prompt") fills `{{input}}`. Where there is no such
    variable, and no field of the row is used either, it is a message of its own, the last one.
    """

    prompt: PromptFile
    variables: frozenset[str]
    values: Mapping[str, str]

    def fill(self, row: str | Mapping[str, Any]) -> list[dict[str, Any]]:
        """The messages of a row. Raises `RowFault`."""
        fields: Mapping[str, Any] = {} if isinstance(row, str) else row
        text = row if isinstance(row, str) else row.get("prompt")
        values: dict[str, str] = dict(self.values)
        used = self.variables & fields.keys()
        values.update((name, as_text(fields[name])) for name in used)
        takes_text = isinstance(text, str) and INPUT in self.variables - used
        if takes_text:
            values[INPUT] = str(text)
        if missing := sorted(self.variables - values.keys()):
            raise RowFault(
                f"the template's field '{missing[0]}' is not there: {_described(fields)}",
                "correct its name in the template or in the row, or give it by --var",
            )
        messages = self.prompt.fill(values)
        if takes_text or used:
            return messages
        if not isinstance(text, str):
            raise RowFault(
                f"the template uses nothing of it: {_described(fields)}",
                "name one of its fields in the template, as {{field}}",
            )
        return [*messages, {"role": "user", "content": text}]


def _described(fields: Mapping[str, Any]) -> str:
    return f"the fields are {', '.join(fields)[:100]}" if fields else "the row is a text"


def template_of(text: str) -> PromptFile:
    """One user message. Raises `UsageError` when it has no field."""
    template = Template.of(text, Source("--template", text, 0, len(text)))
    if not template.variables:
        raise UsageError(
            "--template has no {{field}}: every row would be asked the same",
            hint="e.g. --template 'Classify: {{text}}'; a text row is {{input}}",
        )
    return PromptFile((Message("user", template),))


def row_template(
    prompt: PromptFile, values: Mapping[str, str], *, replaces_system: bool
) -> RowTemplate:
    """A prompt for rows; with `replaces_system`, a flag gives the system message."""
    if replaces_system:
        kept = tuple(message for message in prompt.messages if message.role != "system")
        prompt = prompt._replace(messages=kept)
    return RowTemplate(prompt, prompt.variables, values)
