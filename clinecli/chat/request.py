"""What is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.jsontext import dumps

TOKEN_CAPS = ("max_tokens", "max_completion_tokens")


class ChatRequest(NamedTuple):
    """One chat completions request: the body's fields but for `stream`, and extra headers.

    `secret_headers` are the names of those whose values are shown nowhere, with the files that
    they come from.
    """

    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()
    secret_headers: Mapping[str, str] = {}

    def encode(self, *, stream: bool) -> bytes:
        """The exact bytes of the body. Raises `ValueError` for text that is not Unicode."""
        return dumps({**self.body, "stream": stream})

    @property
    def limits_tokens(self) -> bool:
        """Whether the caller capped the reply, which makes `finish_reason: length` expected."""
        return any(self.body.get(cap) is not None for cap in TOKEN_CAPS)

    @property
    def has_user_content(self) -> bool:
        """Whether a user message says anything: text that is not all white space, or a part
        that is not text."""
        messages = self.body.get("messages")
        return isinstance(messages, list) and any(
            isinstance(message, dict)
            and message.get("role") == "user"
            and _has_content(message.get("content"))
            for message in messages
        )


def _has_content(content: object) -> bool:
    if isinstance(content, str):
        return bool(content.strip())
    if not isinstance(content, list):
        return False
    return any(
        bool(str(part.get("text") or "").strip()) if part.get("type") == "text" else True
        for part in content
        if isinstance(part, dict)
    )
