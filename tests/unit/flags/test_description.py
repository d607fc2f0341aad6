"""What `describe` prints."""

from __future__ import annotations

import json

from clinecli.errors import ExitStatus
from clinecli.flags.description import description
from clinecli.flags.table import COMMANDS, all_flags, argument


def test_it_is_json_and_whole() -> None:
    shown = json.loads(json.dumps(description()))
    assert [command["name"] for command in shown["commands"]] == [*COMMANDS]
    for command in shown["commands"]:
        expected = [flag.long for flag in all_flags(command["name"])]
        assert [flag["name"] for flag in command["flags"]] == expected
        operand = argument(command["name"])
        assert [each["name"] for each in command["arguments"]] == (
            [operand.value_name] if operand else []
        )
    statuses = [(each["status"], each["name"]) for each in shown["exit_statuses"]]
    assert statuses == [(int(status), status.label) for status in ExitStatus]


def test_a_flag() -> None:
    ask = description()["commands"][0]
    flags = {flag["name"]: flag for flag in ask["flags"]}
    assert flags["--timeout"] == {
        "name": "--timeout",
        "short": None,
        "group": "Network",
        "help": "Seconds for all of it, retries included.",
        "type": "number",
        "kind": "number",
        "value": "S",
        "choices": None,
        "minimum": None,
        "maximum": None,
        "above": 0,
        "repeatable": False,
        "required": False,
        "env": None,
        "config_key": "timeout",
        "default": 600.0,
    }
    assert flags["--json"]["type"] == "boolean"
    assert (flags["--model"]["short"], flags["--model"]["env"]) == ("-m", "CLINE_MODEL")
    assert flags["--file"]["repeatable"]
