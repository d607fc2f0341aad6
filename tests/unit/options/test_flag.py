"""Rows: what is read off a field, and what is derived from it."""

from __future__ import annotations

from typing import Any, get_origin, get_type_hints

import pytest

import clinecli.options.chat
from clinecli.config.settings import CONFIG_KEYS, Settings, resolve
from clinecli.flags.table import COMMANDS, all_flags, options_class, parameters
from clinecli.options.common import SETTINGS, NetworkOptions
from clinecli.options.flag import Flag, Kind, flags_of

CLASSES = [*dict.fromkeys(map(options_class, COMMANDS)), NetworkOptions]
EVERY = [(name, flag) for name in COMMANDS for flag in parameters(name)]
each_flag = pytest.mark.parametrize(
    ("command", "flag"), EVERY, ids=[f"{name} {flag.field}" for name, flag in EVERY]
)


@pytest.mark.parametrize("options", CLASSES, ids=lambda each: each.__name__)
def test_every_field_is_a_flag(options: Any) -> None:
    fields = [field for field in options._fields if field != "network"]
    assert [*flags_of(options)] == fields


@pytest.mark.parametrize("options", CLASSES, ids=lambda each: each.__name__)
def test_what_is_read_off_the_type(options: Any) -> None:
    # A field of a class hides a built-in type of its name.
    hints = get_type_hints(options, vars(clinecli.options.chat), {})
    for field, flag in flags_of(options).items():
        hint = str(hints[field]).replace("typing.", "")
        assert flag.repeatable == ("list[str]" in hint), field
        if not flag.repeatable:
            assert flag.value_type.__name__ in hint, field
        assert flag.required == (field not in options._field_defaults), field


@each_flag
def test_a_row_is_whole(command: str, flag: Flag) -> None:
    assert flag.help.endswith("."), "help is sentences"
    assert "[" not in flag.help, "variable and default are fields"
    assert bool(flag.value_name) == (flag.kind is not Kind.SWITCH)
    assert not isinstance(flag.default, int | float) or flag.accepts(flag.default)
    assert get_origin(flag.value_type) is None


@pytest.mark.parametrize("command", COMMANDS)
def test_names_are_unique(command: str) -> None:
    names = [name for flag in all_flags(command) for name in flag.names]
    assert len(names) == len({*names})
    assert sum(flag.is_argument for flag in parameters(command)) <= 1


@pytest.mark.parametrize("field", [*SETTINGS, "verbose", "quiet"])
def test_the_same_name_is_the_same_flag_of_all_commands(field: str) -> None:
    rows = [
        flag._replace(help="", default=None)
        for command in COMMANDS
        for flag in parameters(command)
        if flag.field == field
    ]
    assert rows
    assert all(row == rows[0] for row in rows)


# Defaults, variables and config keys stand in the rows alone.


def test_settings_are_the_defaults_of_the_rows() -> None:
    settings = resolve(NetworkOptions(), {}, {}, "c.toml")
    assert str(settings.base_url) == SETTINGS["base_url"].default
    # That of a stream is the transport's; for a whole reply there is none.
    assert settings.idle_timeout is None
    fields = [field for field in SETTINGS if field not in {"base_url", "idle_timeout"}]
    for field in fields:
        assert getattr(settings, field) == SETTINGS[field].default, field
    assert settings == Settings(settings.base_url, "the default", settings.model, "the default")


@pytest.mark.parametrize("field", ["base_url", "model"])
def test_the_variable_of_a_row_is_read(field: str) -> None:
    settings = resolve(NetworkOptions(), {SETTINGS[field].env: "https://h/v1"}, {}, "c.toml")
    assert str(getattr(settings, field)) == "https://h/v1"
    assert getattr(settings, f"{field}_source") == SETTINGS[field].env


def test_config_keys_are_the_flags_that_say_so() -> None:
    said = {flag.field for command in COMMANDS for flag in parameters(command) if flag.config}
    assert {*CONFIG_KEYS} == said | {"key_command"}
