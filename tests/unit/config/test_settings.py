"""Flags, environment and config file become settings."""

from __future__ import annotations

from typing import Any

import pytest

from clinecli.config.base_url import BaseUrl, parse_base_url
from clinecli.config.settings import Settings, parse_config, resolve
from clinecli.errors import ClinecliError, ConfigError, UsageError
from clinecli.options.common import DEFAULT_BASE_URL, DEFAULT_MODEL, NetworkOptions
from tests.helpers.env import KEY

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
    "ipv6-in-full": (
        "http://[0:0:0:0:0:0:0:1]:1",
        BaseUrl("http", "::1", 1, "/api/v1"),
        "http://[::1]:1/api/v1",
    ),
    "international": (
        "https://BÜCHER.example",
        BaseUrl("https", "xn--bcher-kva.example", 443, "/api/v1"),
        "https://xn--bcher-kva.example/api/v1",
    ),
    "underscore": (
        "https://my_api.example",
        BaseUrl("https", "my_api.example", 443, "/api/v1"),
        "https://my_api.example/api/v1",
    ),
    "international-path": (
        "https://h/größe/v1",
        BaseUrl("https", "h", 443, "/gr%C3%B6%C3%9Fe/v1"),
        "https://h/gr%C3%B6%C3%9Fe/v1",
    ),
    "encoded-path": (
        "https://h/a%2Fb/v1",
        BaseUrl("https", "h", 443, "/a%2Fb/v1"),
        "https://h/a%2Fb/v1",
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
    "bad-port": ("https://h:44x3", "is malformed: the port is no number"),
    "port-zero": ("https://h:0", "is malformed: a port is a number from 1 to 65535"),
    "port-too-high": ("https://h:65536/v1", "malformed: a port is a number from 1 to 65535"),
    "open-bracket": ("https://[::1", MALFORMED),
    "zone": ("https://[fe80::1%25eth0]", MALFORMED),
    "space": ("https://api cline.bot", "is malformed: there is white space in it"),
    "quotes": ('"https://h"', "https:// or http://: it is wrapped in quotes"),
    "one-slash": ("https:/h/v1", "is malformed: two slashes belong after the colon"),
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
    "address-of-two-numbers": ("http://127.1", MALFORMED),
    "address-as-one-number": ("http://2130706433", MALFORMED),
    "address-in-hexadecimal": ("http://0x7f.0.0.1", MALFORMED),
    "no-such-address": ("https://1.2.3.999", MALFORMED),
    "no-such-address-at-all": ("https://256.256.256.256", MALFORMED),
    "no-such-loopback": ("http://127.999.999.999", MALFORMED),
    "octal-loopback": ("http://127.00.00.01", MALFORMED),
    "address-with-a-dot-at-the-end": ("https://1.2.3.4.", MALFORMED),
    "mapped-loopback": ("http://[::ffff:127.0.0.1]", PLAIN_TEXT),
    "no-address": ("https://[v1.a]", MALFORMED),
    "ipv4-in-brackets": ("https://[1.2.3.4]", MALFORMED),
    "no-punycode": ("https://xn--zzzzzz.com", MALFORMED),
    "punycode-of-a-control-character": ("https://xn--a", MALFORMED),
    "empty-punycode": ("https://xn--.com", MALFORMED),
    "snowman": ("https://☃.invalid", MALFORMED),
    # What IDNA of 2003 sends elsewhere than browsers and curl.
    "sharp-s": ("https://faß.de", MALFORMED),
    "final-sigma": ("https://βόλος.com", MALFORMED),
    "zero-width-joiner": ("https://a\u200db.de", MALFORMED),
    "empty-label": ("https://a..b", MALFORMED),
    "label-of-64": (f"https://{'a' * 64}.de", MALFORMED),
    "name-of-256": (f"https://{'a.' * 126}abcd", MALFORMED),
    "hyphen-first": ("https://-a.de", MALFORMED),
    "percent-in-path": ("https://h/%zz", MALFORMED),
    "70-kB-path": (f"https://h/{'x' * 70_000}", "more than the 2,000 characters"),
    "endpoint": ("https://h/v1/chat/completions", "ends with /chat/completions"),
    "endpoint-and-slash": ("https://h/v1/Chat/Completions/", "ends with /chat/completions"),
    "models": ("http://localhost:1/v1/models", "ends with /models"),
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


BAD_SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any], type[ClinecliError], str]] = {
    "flag-zero": ({"timeout": 0.0}, {}, UsageError, "--timeout must be a number above 0"),
    "flag-negative": ({"idle_timeout": -1.0}, {}, UsageError, "--idle-timeout must be"),
    "flag-nan": ({"connect_timeout": float("nan")}, {}, UsageError, "--connect-timeout must be"),
    "flag-retries": ({"retries": -1}, {}, UsageError, "--retries must be a whole number, 0 or"),
    "file-zero": ({}, {"timeout": 0}, ConfigError, "c.toml (timeout) must be a number above 0"),
    "file-retries": ({}, {"retries": -1}, ConfigError, "c.toml (retries) must be a whole number"),
    "flag-key-alone": ({"cert_key": "k"}, {}, UsageError, "--cert-key without a certificate"),
    "file-key-alone": ({}, {"cert_key": "k"}, ConfigError, "(cert_key) without a certificate"),
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_bad_setting(name: str) -> None:
    flags, config, kind, words = BAD_SETTINGS[name]
    with pytest.raises(kind) as caught:
        resolve(NetworkOptions(**flags), {}, config, "c.toml")
    assert words in caught.value.message
    assert caught.value.hint
