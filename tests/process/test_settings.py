"""Flags, environment, config file and key sources. Proxies are in test_proxies."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clinecli.config import keys as sources
from clinecli.config.keys import Key, config_path, find_key, load_settings
from clinecli.config.secret import Secret, parse_key, redact
from clinecli.config.settings import (
    DEFAULT_BASE_URL,
    BaseUrl,
    Settings,
    parse_base_url,
    parse_config,
    resolve,
)
from clinecli.errors import ClinecliError, ConfigError, UsageError
from clinecli.options.common import DEFAULT_MODEL, NetworkOptions
from tests.helpers.support import KEY, RawServer, completion, failure, no_traceback, response, run

# Secrets


SHOWN: dict[str, Callable[[Secret], str]] = {
    "repr": repr,
    "str": str,
    "f-string": lambda secret: f"{secret}",
    "conversion": lambda secret: f"{secret!r} {secret!s} {secret!a}",
    "format": "{}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
    "in-a-list": lambda secret: str([secret]),
    "in-a-tuple": lambda secret: repr(Key(secret, "here")),
    "in-an-error": lambda secret: str(ValueError(secret)),
    "attributes": lambda secret: str(vars(type(secret)).keys()) + str(dir(secret)),
}


@pytest.mark.parametrize("name", SHOWN)
def test_secret_does_not_show(name: str) -> None:
    shown = SHOWN[name](Secret(KEY))
    assert shown
    assert KEY not in shown


@pytest.mark.parametrize("dump", [pickle.dumps, copy.deepcopy, json.dumps])
def test_secret_is_not_serialised(dump: Any) -> None:
    with pytest.raises(TypeError) as caught:
        dump(Secret(KEY))
    assert KEY not in str(caught.value)


def test_secret_has_no_attributes_to_walk() -> None:
    with pytest.raises(TypeError):
        vars(Secret(KEY))


def test_secret_is_not_in_a_traceback_that_shows_variables() -> None:
    def use(secret: Secret) -> None:
        raise ValueError("boom")

    try:
        use(Secret(KEY))
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    text = "".join(shown.format())
    assert "secret" in text
    assert KEY not in text


def test_secret_compares_and_reveals() -> None:
    assert Secret(KEY).reveal() == KEY
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY
    assert hash(Secret(KEY)) == hash(Secret(KEY))


# The base URL


BASE_URLS: dict[str, tuple[str, BaseUrl, str]] = {
    "host": (
        "https://api.cline.bot",
        BaseUrl("https", "api.cline.bot", 443, "/api/v1"),
        "https://api.cline.bot/api/v1",
    ),
    "host-and-slash": (
        "https://api.cline.bot/",
        BaseUrl("https", "api.cline.bot", 443, "/api/v1"),
        "https://api.cline.bot/api/v1",
    ),
    "root": (
        "https://api.cline.bot/api/v1",
        BaseUrl("https", "api.cline.bot", 443, "/api/v1"),
        "https://api.cline.bot/api/v1",
    ),
    "root-and-slashes": (
        " https://api.cline.bot/api/v1//\n",
        BaseUrl("https", "api.cline.bot", 443, "/api/v1"),
        "https://api.cline.bot/api/v1",
    ),
    "other-path": (
        "https://llm.example.org:8443/v1",
        BaseUrl("https", "llm.example.org", 8443, "/v1"),
        "https://llm.example.org:8443/v1",
    ),
    "capitals": (
        "HTTPS://API.Cline.Bot/V1",
        BaseUrl("https", "api.cline.bot", 443, "/V1"),
        "https://api.cline.bot/V1",
    ),
    "default-port": (
        "https://h:443",
        BaseUrl("https", "h", 443, "/api/v1"),
        "https://h/api/v1",
    ),
    "international-name": (
        "https://bücher.example",
        BaseUrl("https", "xn--bcher-kva.example", 443, "/api/v1"),
        "https://xn--bcher-kva.example/api/v1",
    ),
    "localhost": (
        "http://localhost:11434/v1",
        BaseUrl("http", "localhost", 11434, "/v1"),
        "http://localhost:11434/v1",
    ),
    "below-localhost": (
        "http://api.localhost",
        BaseUrl("http", "api.localhost", 80, "/api/v1"),
        "http://api.localhost/api/v1",
    ),
    "loopback": (
        "http://127.8.9.1:80",
        BaseUrl("http", "127.8.9.1", 80, "/api/v1"),
        "http://127.8.9.1/api/v1",
    ),
    "ipv6-loopback": (
        "http://[::1]:8080/v1",
        BaseUrl("http", "::1", 8080, "/v1"),
        "http://[::1]:8080/v1",
    ),
    "ipv6": (
        "https://[2001:db8::7]",
        BaseUrl("https", "2001:db8::7", 443, "/api/v1"),
        "https://[2001:db8::7]/api/v1",
    ),
}


@pytest.mark.parametrize("name", BASE_URLS)
def test_base_url(name: str) -> None:
    text, expected, shown = BASE_URLS[name]
    base_url = parse_base_url(text, "here")
    assert base_url == expected
    assert str(base_url) == shown
    assert parse_base_url(shown, "here") == expected


PLAIN_TEXT, MALFORMED, NO_SCHEME = "in plain text", "is malformed", "does not start with https://"
BAD_BASE_URLS: dict[str, tuple[str, str]] = {
    "empty": ("", NO_SCHEME),
    "no-scheme": ("api.cline.bot", NO_SCHEME),
    "host-and-port": ("localhost:8080", NO_SCHEME),
    "other-scheme": ("ftp://api.cline.bot", NO_SCHEME),
    "file": ("file:///etc/passwd", NO_SCHEME),
    "no-host": ("https://", MALFORMED),
    "no-host-but-path": ("https:///api/v1", MALFORMED),
    "bad-port": ("https://h:x", MALFORMED),
    "port-zero": ("https://h:0", MALFORMED),
    "port-too-high": ("https://h:65536", MALFORMED),
    "open-bracket": ("https://[::1", MALFORMED),
    "zone": ("https://[fe80::1%25eth0]", MALFORMED),
    "space": ("https://api cline.bot", MALFORMED),
    "newline": ("https://h/\nX-Evil: 1", MALFORMED),
    "backslash": ("https://h\\@evil.example", MALFORMED),
    "percent-in-host": ("https://a%2eb", MALFORMED),
    "label-too-long": (f"https://ü{'x' * 70}.example", MALFORMED),
    "not-unicode": ("https://h/\udcff", MALFORMED),
    "user": ("https://me@h", "carries credentials"),
    "password": (f"https://me:{KEY}@h", "carries credentials"),
    "empty-user": (f"https://:{KEY}@h", "carries credentials"),
    "query": (f"https://h/v1?key={KEY}", "has a query or a fragment"),
    "fragment": ("https://h/v1#x", "has a query or a fragment"),
    "plain-http": ("http://api.cline.bot", PLAIN_TEXT),
    "private-address": ("http://192.168.1.7:8080", PLAIN_TEXT),
    "any-address": ("http://0.0.0.0:8080", PLAIN_TEXT),
    "not-quite-localhost": ("http://localhost.evil.example", PLAIN_TEXT),
    "not-quite-loopback": ("http://127.0.0.1.evil.example", PLAIN_TEXT),
    "loopback-in-disguise": ("http://127.1", PLAIN_TEXT),
}


@pytest.mark.parametrize("name", BAD_BASE_URLS)
def test_bad_base_url(name: str) -> None:
    text, words = BAD_BASE_URLS[name]
    with pytest.raises(ConfigError) as caught:
        parse_base_url(text, "CLINE_API_BASE_URL")
    error = caught.value
    assert error.message.startswith("the base URL from CLINE_API_BASE_URL ")
    assert words in error.message
    assert error.hint
    assert KEY not in error.message + error.hint


# The key


@pytest.mark.parametrize(
    "text",
    [KEY, f"{KEY}\n", f" \t{KEY}\r\n", "workos:eyJh.bGc_-+/=~", "x"],
    ids=["bare", "newline", "space-around", "token", "short"],
)
def test_key(text: str) -> None:
    assert parse_key(text, "here") == Secret(text.strip())


BAD_KEYS: dict[str, tuple[str, str]] = {
    "empty": ("", "is empty"),
    "blank": (" \n", "is empty"),
    "non-ascii": (f"{KEY}ü", "non-ASCII"),
    "typographic-quote": (f"“{KEY}”", "non-ASCII"),
    "bom": (f"\ufeff{KEY}", "non-ASCII"),
    "undecodable": (f"{KEY}\udcff", "non-ASCII"),
    "double-quotes": (f'"{KEY}"', "wrapped in quotes"),
    "single-quotes": (f"'{KEY}'", "wrapped in quotes"),
    "bearer": (f"Bearer {KEY}", "'Bearer'"),
    "two-lines": (f"{KEY}\n{KEY}", "white space"),
    "header-injection": (f"{KEY}\r\nX-Evil: 1", "white space"),
    "space": (f"{KEY} {KEY}", "white space"),
    "control-character": (f"{KEY}\x07x", "control characters"),
    "escape-sequence": (f"\x1b[31m{KEY}", "control characters"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_bad_key_is_refused_and_not_quoted(name: str) -> None:
    text, words = BAD_KEYS[name]
    with pytest.raises(ConfigError) as caught:
        parse_key(text, "CLINE_API_KEY")
    error = caught.value
    assert error.message.startswith("the API key from CLINE_API_KEY ")
    assert words in error.message
    assert "CLINE_API_KEY" in error.hint
    assert KEY not in error.message + error.hint


# The config file


CONFIG = """
# every key
base_url = "https://h/v1"
model = "a/b"
key_file = "/k"
key_command = ["pass", "show", "cline"]
proxy = "http://p:3128"
ca_file = "/ca.pem"
connect_timeout = 1
idle_timeout = 2.5
timeout = 30
retries = 0
referer = "https://r"
title = "T"
"""


def test_every_key_of_the_config_file() -> None:
    config = parse_config(CONFIG, "c.toml")
    assert resolve(NetworkOptions(), {}, config, "c.toml") == Settings(
        base_url=BaseUrl("https", "h", 443, "/v1"),
        base_url_source="c.toml (base_url)",
        model="a/b",
        model_source="c.toml (model)",
        config_key_file="/k",
        key_command=("pass", "show", "cline"),
        config_proxy="http://p:3128",
        ca_file="/ca.pem",
        connect_timeout=1.0,
        idle_timeout=2.5,
        timeout=30.0,
        retries=0,
        referer="https://r",
        title="T",
    )


BAD_CONFIGS: dict[str, tuple[str, str, str]] = {
    "no-toml": ("model = 'a'\n\nretries: 3\n", "line 3", "KEY = VALUE"),
    "unclosed-string": (f"model = 'a'\nx = \"{KEY}\n", "line 2", "KEY = VALUE"),
    "twice": ("model = 'a'\nmodel = 'b'\n", "line 2", "KEY = VALUE"),
    "unknown-key": ("\nmodle = 'a'\n", "c.toml, line 2: unknown key 'modle'", "'model'"),
    "key-itself": (f"api_key = '{KEY}'", "c.toml, line 1: unknown key 'api_key'", "key"),
    "table": ("[network]\ntimeout = 3\n", "c.toml, line 1: unknown key 'network'", "known keys"),
    "text-for-number": ("\n\ntimeout = '30'\n", "line 3: timeout must be a number", "correct"),
    "number-for-text": ("model = 7", "line 1: model must be a string", "correct"),
    "true-for-number": ("retries = true", "line 1: retries must be a whole number", "correct"),
    "fraction-for-whole": ("retries = 2.5", "line 1: retries must be a whole number", "correct"),
    "shell-command": (f"key_command = 'echo {KEY}'", "key_command must be an array", "correct"),
    "empty-command": ("key_command = []", "key_command must be an array", "correct"),
    "command-of-numbers": ("key_command = [1]", "key_command must be an array", "correct"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config_file_names_the_line(name: str) -> None:
    text, words, hint = BAD_CONFIGS[name]
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "c.toml")
    error = caught.value
    assert error.message.startswith("c.toml")
    assert words in error.message
    assert hint in error.hint
    assert KEY not in error.message + error.hint


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


# Flags > environment > config file


DEFAULTS = Settings(
    BaseUrl("https", "api.cline.bot", 443, "/api/v1"),
    "the default",
    DEFAULT_MODEL,
    "the default",
)


def test_defaults() -> None:
    settings = resolve(NetworkOptions(), {}, {}, "c.toml")
    assert settings == DEFAULTS
    assert str(settings.base_url) == DEFAULT_BASE_URL
    timeouts = (settings.connect_timeout, settings.idle_timeout, settings.timeout)
    assert (*timeouts, settings.retries) == (10.0, None, 600.0, 3)


FLAG_URL, ENV_URL, FILE_URL = "https://flag/f", "https://env/e", "https://file/c"
MERGED: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "flag-wins": (
        {"base_url": FLAG_URL, "timeout": 1.0, "retries": 0},
        {"CLINE_API_BASE_URL": ENV_URL},
        {"base_url": FILE_URL, "timeout": 3, "retries": 7, "idle_timeout": 9},
        {
            "base_url": BaseUrl("https", "flag", 443, "/f"),
            "base_url_source": "--base-url",
            "timeout": 1.0,
            "retries": 0,
            "idle_timeout": 9.0,
        },
    ),
    "environment-wins": (
        {},
        {"CLINE_API_BASE_URL": ENV_URL, "CLINE_MODEL": "e/m"},
        {"base_url": FILE_URL, "model": "f/m"},
        {
            "base_url": BaseUrl("https", "env", 443, "/e"),
            "base_url_source": "CLINE_API_BASE_URL",
            "model": "e/m",
            "model_source": "CLINE_MODEL",
        },
    ),
    "empty-variables-do-not-count": (
        {},
        {"CLINE_API_BASE_URL": "", "CLINE_MODEL": ""},
        {"base_url": FILE_URL, "model": "f/m"},
        {
            "base_url": BaseUrl("https", "file", 443, "/c"),
            "base_url_source": "c.toml (base_url)",
            "model": "f/m",
            "model_source": "c.toml (model)",
        },
    ),
    "the-rest": (
        {"key_file": "k", "proxy": "", "ca_file": "c", "verbose": True, "quiet": True},
        {},
        {"key_file": "other", "proxy": "http://p", "ca_file": "d"},
        {
            "key_file": "k",
            "config_key_file": "other",
            "proxy": "",
            "config_proxy": "http://p",
            "ca_file": "c",
            "verbose": True,
            "quiet": True,
        },
    ),
    "as-long-as-the-system-can-wait": (
        {"timeout": 1e300, "idle_timeout": float("inf")},
        {},
        {"connect_timeout": 10**400, "retries": 10**400},
        {
            "timeout": 2e6,
            "idle_timeout": 2e6,
            "connect_timeout": 2e6,
            "retries": 2_000_000,
        },
    ),
}


@pytest.mark.parametrize("name", MERGED)
def test_precedence(name: str) -> None:
    flags, environ, config, expected = MERGED[name]
    settings = resolve(NetworkOptions(**flags), environ, config, "c.toml")
    assert settings == DEFAULTS._replace(**expected)


def test_chat_flags_win() -> None:
    config = {"model": "f/m", "referer": "file", "title": "file"}
    settings = resolve(
        NetworkOptions(), {"CLINE_MODEL": "e/m"}, config, "c", model="a/b", referer="r", title="t"
    )
    assert (settings.model, settings.model_source) == ("a/b", "--model")
    assert (settings.referer, settings.title) == ("r", "t")


NUMBERS: dict[str, tuple[dict[str, Any], dict[str, Any], type[ClinecliError], str]] = {
    "flag-zero": ({"timeout": 0.0}, {}, UsageError, "--timeout must be a number above 0, not 0"),
    "flag-negative": ({"idle_timeout": -1.0}, {}, UsageError, "--idle-timeout must be"),
    "flag-nan": ({"connect_timeout": float("nan")}, {}, UsageError, "--connect-timeout must be"),
    "flag-retries": ({"retries": -1}, {}, UsageError, "--retries must be a whole number, 0 or"),
    "file-zero": ({}, {"timeout": 0}, ConfigError, "c.toml (timeout) must be a number above 0"),
    "file-retries": ({}, {"retries": -1}, ConfigError, "c.toml (retries) must be a whole number"),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_bad_number(name: str) -> None:
    flags, config, kind, words = NUMBERS[name]
    with pytest.raises(kind) as caught:
        resolve(NetworkOptions(**flags), {}, config, "c.toml")
    assert words in caught.value.message
    assert caught.value.hint


# Where the key comes from


def provider(key: Any) -> str:
    return json.dumps({"providers": {"cline": {"settings": {"apiKey": key}}}})


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
    monkeypatch.setattr(sources, "KEY_COMMAND_TIMEOUT", 0.3 if name == "slow" else 30)
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


# In a real process


def write_config(env: dict[str, str], text: str) -> Path:
    path = config_path(env)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_config_file_at_work(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    with RawServer(response(completion("ok"))) as server:
        config = {
            "base_url": server.url,
            "model": "from/file",
            "key_command": ["printf", KEY],
            "title": "Tïtle",
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in config.items()]
        write_config(env, "\n".join(lines))
        done = run(["ask", "hi", "-v"], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (0, b"ok\n")
    assert b"* key from key_command (printf), model from/file" in done.stderr
    assert server.bodies[0]["model"] == "from/file"
    head = server.requests[0][0]
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in head
    assert "\r\nX-Title: Tïtle\r\n".encode() in head + b"\r\n"


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_bad_config_file_ends_with_status_3(command: str, env: dict[str, str]) -> None:
    with RawServer(response(completion("never"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        path = write_config(env, "\n\ntimeout = 'soon'\n")
        done = run([command, "hi"], env)
    message, _ = failure(done, 3)
    assert message == f"{path}, line 3: timeout must be a number"
    assert server.requests == []


@pytest.mark.parametrize("name", ["directory", "not-utf8"])
def test_unreadable_config_file_ends_with_status_3(name: str, env: dict[str, str]) -> None:
    path = config_path(env)
    path.parent.mkdir(parents=True)
    if name == "directory":
        path.mkdir()
        words = f"cannot read the config file {path}: Is a directory"
    else:
        path.write_bytes(b"model = '\xff'")
        words = f"the config file {path} is not UTF-8 text (byte 9)"
    assert failure(run(["ask", "hi", "--dry-run"], env), 3)[0] == words


TRAP = "import os; os.write(2, b'trapped'); os._exit(66)\n"


def test_hostile_working_directory(env: dict[str, str], tmp_path: Path) -> None:
    """A checkout must not redirect the key, give one, or run code, whatever it contains."""
    script = Path(sys.executable).with_name("clinecli")
    if not script.exists():
        pytest.skip("clinecli is not installed")
    checkout = tmp_path / "checkout"
    trap, api = RawServer(response(completion("trap"))), RawServer(response(completion("ok")))
    with trap as evil, api as server:
        lines = f'base_url = "{evil.url}"\nkey_command = ["touch", "trapped"]\n'
        hostile = {
            ".env": f"CLINE_API_BASE_URL={evil.url}\nCLINE_API_KEY=evil\nhttp_proxy={evil.url}\n",
            ".netrc": "machine 127.0.0.1 login evil password evil\n",
            "config.toml": lines,
            "clinecli.toml": lines,
            "clinecli/config.toml": lines,
            ".config/clinecli/config.toml": lines,
            ".cline/data/settings/providers.json": provider("evil"),
            "pyproject.toml": f"[tool.clinecli]\n{lines}",
            "clinecli/__init__.py": TRAP,
            **{f"{name}.py": TRAP for name in ("httpx", "orjson", "typer", "sitecustomize")},
        }
        for name, text in hostile.items():
            path = checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        before = sorted(checkout.rglob("*"))
        env |= {"CLINE_API_BASE_URL": server.url, "XDG_CONFIG_HOME": "."}
        keyless = {key: value for key, value in env.items() if key != "CLINE_API_KEY"}
        done, without = (
            subprocess.run(
                [script, "ask", "hi"],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
            for environment in (env, keyless)
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")
    assert failure(without, 3)[0] == "no API key"
    ((head, _),) = server.requests
    assert re.findall(rb"\r\nAuthorization: ([^\r]*)", head) == [f"Bearer {KEY}".encode()]
    assert evil.requests == []
    assert sorted(checkout.rglob("*")) == before


def test_settings_come_from_the_environment_that_is_given(tmp_path: Path) -> None:
    """Not from that of the process, which tests and doctor rely on."""
    environ = {"HOME": str(tmp_path), "CLINE_MODEL": "given/model"}
    assert os.environ.get("CLINE_MODEL") != "given/model"
    assert load_settings(NetworkOptions(), environ).model == "given/model"


SECRET = Secret("sk-0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("bad sk-0123456789abcdef here", "bad [key] here", id="whole"),
        pytest.param("bad sk-0123456789abc…", "bad [key]…", id="cut-within"),
        pytest.param("bad sk-01… (HTTP 400)", "bad [key]… (HTTP 400)", id="cut-early"),
        pytest.param("code sk-0123456789", "code [key]", id="at-the-end"),
        pytest.param("sk- is how keys begin", "sk- is how keys begin", id="nothing-told"),
        pytest.param("all is well", "all is well", id="nothing"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text, SECRET) == expected


def test_a_short_key_is_redacted_as_a_word() -> None:
    assert redact("key k, like (k): ok", Secret("k")) == "key [key], like ([key]): ok"


def test_a_key_that_the_server_quotes_at_the_cut_of_a_message(env: dict[str, str]) -> None:
    for padding in range(340, 400, 7):
        error = {"error": {"code": 400, "message": "x" * padding + f" {KEY} tail"}}
        answer = response(json.dumps(error).encode(), status="400 Bad")
        with RawServer(answer) as server:
            done = run(["ask", "hi", "--base-url", server.url], env)
        assert done.returncode == 9
        assert KEY[:6].encode() not in done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--key-file", KEY], id="bare"),
        pytest.param(["--key-file", f"sk/{KEY}"], id="with-a-slash"),
        pytest.param(["--base-url", f"http://user:{KEY}@127.0.0.1:1"], id="in-the-url"),
    ],
)
def test_no_secret_of_a_misplaced_flag_in_the_hint(flags: list[str], env: dict[str, str]) -> None:
    done = run(["ask", "-v", "hi", *flags], env)
    assert done.returncode == 3
    assert b"clinecli doctor" in done.stderr
    assert KEY.encode() not in done.stderr


def test_a_relative_home_is_not_the_working_directory(env: dict[str, str], tmp_path: Path) -> None:
    evil = tmp_path / ".config" / "clinecli"
    evil.mkdir(parents=True)
    (evil / "config.toml").write_text('base_url = "https://evil.example"')
    done = run(["ask", "--curl", "hi"], env | {"HOME": "."}, cwd=tmp_path)
    assert done.returncode == 0
    assert b"evil.example" not in done.stdout
