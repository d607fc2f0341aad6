"""What `describe` prints."""

from __future__ import annotations

import json

from clinecli.errors import ExitStatus
from clinecli.flags.description import description
from clinecli.flags.table import COMMANDS, all_flags, argument
from tests.helpers.env import ROOT


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


def test_statuses_that_mean_something_else_for_a_command() -> None:
    commands = {command["name"]: command for command in description()["commands"]}
    assert commands["ask"]["exit_statuses"] == []
    assert commands["models"]["exit_statuses"][0] == {
        "status": 0,
        "name": "ok",
        "when": "at least one model matches",
    }


def test_the_man_page_names_every_key() -> None:
    text = (ROOT / "man/prose/clinecli-describe.md").read_text("utf-8")
    whole = description()
    rows = [each for each in whole.values() if isinstance(each, list)]
    rows += [whole["commands"][0]["flags"]]
    keys = {*whole} | {key for each in rows for key in each[0]}
    kinds = {flag["kind"] for each in whole["commands"] for flag in each["flags"]}
    assert {word for word in keys | kinds if f"`{word}`" not in text} == set()


def test_a_flag() -> None:
    ask = description()["commands"][0]
    flags = {flag["name"]: flag for flag in ask["flags"]}
    assert flags["--timeout"] == {
        "name": "--timeout",
        "short": None,
        "group": "Network",
        "help": "Seconds for the whole call, retries included.",
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
