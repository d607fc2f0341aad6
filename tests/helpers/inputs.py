"""Input of `ask` and `stream`: files, turns, and bodies as they are sent."""

from __future__ import annotations

from typing import Any

from clinecli.options.common import DEFAULT_MODEL

TOOLS = '[{"type": "function", "function": {"name": "f", "parameters": {"maximum": 1.10}}}]'
TURNS = '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1.0"}]'


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A body as it is sent by `ask`."""
    return {"model": DEFAULT_MODEL, "messages": list(messages), **fields, "stream": False}


FILES = {
    "a.txt": "alpha\n",
    "b.txt": "beta",
    'q"&.txt': "quoted\n",
    "empty.txt": "",
    "system.txt": "Be brief.\n",
    "tools.json": TOOLS,
    "turns.json": "\ufeff" + TURNS,
    "thread.json": TURNS,
    "new.json": "",
    "schema.json": '{"title": "A reply!", "type": "object", "maximum": 1.10}',
    "request.json": '{"stream": true, "z": 1.10, "model": "own/model", "messages": [{"role": '
    '"user", "content": "from file"}], "n": -0}',
    "no-messages.json": '{"top_p": 0.5}',
}
HI = user("hi")
SYSTEM, OTHER = {"role": "system", "content": "Be kind."}, user("1.0")
BRIEF = {"role": "system", "content": "Be brief."}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
