"""Where the API key and the config file come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clinecli.config import key_command
from clinecli.config.keys import Key, find_key
from clinecli.config.load import load_settings
from clinecli.config.paths import config_path
from clinecli.config.secret import Secret
from clinecli.config.settings import (
    resolve,
)
from clinecli.errors import ConfigError
from clinecli.options.common import NetworkOptions
from tests.helpers.env import KEY, provider


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"HOME": "/h"}, "/h/.config/clinecli/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "/x/clinecli/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": ""}, "/h/.config/clinecli/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "."}, "/h/.config/clinecli/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "conf"}, "/h/.config/clinecli/config.toml"),
    ],
    ids=["home", "xdg", "empty", "working-directory", "relative"],
)
def test_config_path(environ: dict[str, str], expected: str) -> None:
    assert str(config_path(environ)) == expected


# Where the key comes from


class Sources:
    """A home directory with a key in every source."""

    NAMES = (
        "--key-file",
        "CLINE_API_KEY",
        "CLINE_API_KEY_FILE",
        "key_file of the config file",
        "key_command",
        "providers.json",
    )

    def __init__(self, home: Path) -> None:
        self.home = home
        self.providers = home / ".cline/data/settings/providers.json"
        self.providers.parent.mkdir(parents=True)
        self.providers.write_text(provider("key-5\n"))
        for number in (0, 2, 3):
            (home / f"key{number}").write_text(f" key-{number}\n")
        self.flags = NetworkOptions(key_file=str(home / "key0"))
        self.environ = {
            "HOME": str(home),
            "CLINE_API_KEY": "key-1\n",
            "CLINE_API_KEY_FILE": str(home / "key2"),
        }
        self.config = {"key_file": str(home / "key3"), "key_command": ["printf", "key-%s\n", "4"]}

    def drop(self, number: int) -> None:
        """Take a source away."""
        if number == 0:
            self.flags = NetworkOptions()
        elif number in {1, 2}:
            del self.environ[self.NAMES[number]]
        elif number in {3, 4}:
            del self.config["key_file" if number == 3 else "key_command"]
        else:
            self.providers.unlink()

    def find(self) -> Key:
        return find_key(resolve(self.flags, self.environ, self.config, "c.toml"), self.environ)


@pytest.fixture
def key_sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


def test_order_of_the_key_sources(key_sources: Sources) -> None:
    for number, name in enumerate(Sources.NAMES):
        key = key_sources.find()
        assert key.secret == Secret(f"key-{number}")
        assert name in key.source
        key_sources.drop(number)
    with pytest.raises(ConfigError) as caught:
        key_sources.find()
    assert caught.value.message == "no API key"
    assert "https://app.cline.bot" in caught.value.hint


def only(sources: Sources, number: int) -> Sources:
    for other in range(len(Sources.NAMES)):
        if other != number:
            sources.drop(other)
    return sources


@pytest.mark.parametrize("number", range(4), ids=Sources.NAMES[:4])
def test_configured_source_without_a_key_does_not_fall_through(
    number: int, key_sources: Sources
) -> None:
    for earlier in range(number):
        key_sources.drop(earlier)
    if number == 1:
        key_sources.environ["CLINE_API_KEY"] = " "
        words = "is empty"
    else:
        (key_sources.home / f"key{number}").unlink()
        words = "does not exist"
    with pytest.raises(ConfigError) as caught:
        key_sources.find()
    assert Sources.NAMES[number] in caught.value.message
    assert words in caught.value.message


COMMANDS: dict[str, tuple[list[str], str]] = {
    "not-there": (["/missing/pass"], "key_command (/missing/pass) cannot be run: No such file"),
    "failing": (["sh", "-c", f"echo {KEY}; exit 3"], "key_command (sh) failed with status 3"),
    "silent": (["true"], "the API key from key_command (true) is empty"),
    "two-lines": (["echo", f"{KEY}\n{KEY}"], "from key_command (echo) has white space"),
    "not-utf8": (["printf", r"\377"], "from key_command (printf) has non-ASCII"),
    "slow": (["sleep", "30"], "key_command (sleep) did not finish within"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_key_command_that_fails(
    name: str, key_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_command, "KEY_COMMAND_TIMEOUT", 0.3 if name == "slow" else 30)
    command, words = COMMANDS[name]
    only(key_sources, 4).config = {"key_command": command}
    with pytest.raises(ConfigError) as caught:
        key_sources.find()
    assert words in caught.value.message
    assert caught.value.hint
    assert KEY not in caught.value.message + caught.value.hint


def test_key_command_is_run_without_a_shell(key_sources: Sources) -> None:
    only(key_sources, 4).config = {"key_command": ["echo", "$HOME;`id`|*"]}
    assert key_sources.find().secret == Secret("$HOME;`id`|*")


PROVIDERS: dict[str, str] = {
    "another-provider": '{"providers": {"openai": {"settings": {"apiKey": "x"}}}}',
    "no-settings": '{"providers": {"cline": {}}}',
    "null": provider(None),
    "number": provider(7),
    "blank": provider(" "),
    "array": "[]",
    "text": '"x"',
    "odd-nesting": '{"providers": [{"cline": 1}]}',
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_official_store_without_a_key(name: str, key_sources: Sources) -> None:
    only(key_sources, 5).providers.write_text(PROVIDERS[name])
    with pytest.raises(ConfigError, match="no API key"):
        key_sources.find()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"{", "is not JSON"), (b"\xff", "is not UTF-8 text (byte 0)")],
    ids=["no-json", "no-text"],
)
def test_official_store_that_is_broken(content: bytes, words: str, key_sources: Sources) -> None:
    only(key_sources, 5).providers.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        key_sources.find()
    assert "providers.json" in caught.value.message
    assert words in caught.value.message


PATHS: dict[str, str] = {
    "the-key-itself": KEY,
    "a-very-long-key": KEY * 200,
    "unknown-home": "~nobody-of-that-name/key",
}


@pytest.mark.parametrize("name", PATHS)
def test_key_file_that_is_none(name: str, key_sources: Sources) -> None:
    only(key_sources, 2).environ["CLINE_API_KEY_FILE"] = PATHS[name]
    with pytest.raises(ConfigError) as caught:
        key_sources.find()
    assert "CLINE_API_KEY_FILE" in caught.value.message
    assert KEY not in caught.value.message + caught.value.hint


def test_key_file_that_is_a_directory(key_sources: Sources) -> None:
    only(key_sources, 0).flags = NetworkOptions(key_file=str(key_sources.home))
    with pytest.raises(ConfigError, match="cannot read the key file of --key-file"):
        key_sources.find()


def test_settings_come_from_the_environment_that_is_given(tmp_path: Path) -> None:
    """Not from that of the process, which tests and doctor rely on."""
    environ = {"HOME": str(tmp_path), "CLINE_MODEL": "given/model"}
    assert os.environ.get("CLINE_MODEL") != "given/model"
    assert load_settings(NetworkOptions(), environ).model == "given/model"
