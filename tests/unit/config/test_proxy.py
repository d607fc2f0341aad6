"""Which proxy, if any."""

from __future__ import annotations

import pytest

from clinecli.config.base_url import BaseUrl, parse_base_url
from clinecli.config.host import is_loopback
from clinecli.config.proxy import (
    Proxy,
    bypassed,
    choose_proxy,
    no_proxy,
    parse_proxy,
    proxy_secrets,
    proxy_token,
)
from clinecli.config.secret import Secret
from clinecli.errors import ConfigError, ConnectionFailed
from tests.helpers.proxies import ESCAPED, PASSWORD, UNUSABLE

BYPASSED = [
    ("*", "api.cline.bot", True),
    ("api.cline.bot", "api.cline.bot", True),
    ("API.Cline.Bot", "api.cline.bot", True),
    ("api.cline.bot.", "api.cline.bot", True),
    ("api.cline.bot", "api.cline.bot.", True),
    ("cline.bot", "api.cline.bot", True),
    (".cline.bot", "api.cline.bot", True),
    (".cline.bot", "cline.bot", True),
    ("*.cline.bot", "api.cline.bot", True),
    ("line.bot", "api.cline.bot", False),
    ("cline.bot", "cline.bot.example", False),
    ("api.cline.bot:443", "api.cline.bot", True),
    ("api.cline.bot:8443", "api.cline.bot", False),
    ("", "api.cline.bot", False),
    (".", "api.cline.bot", False),
    ("*.", "api.cline.bot", False),
    ("127.0.0.1", "127.0.0.1", True),
    ("127.0.0.0/8", "127.9.9.9", True),
    ("127.0.0.1/8", "127.9.9.9", True),
    ("10.0.0.0/8", "127.0.0.1", False),
    ("0.0.0.0/0", "api.cline.bot", False),
    ("27.0.0.1", "127.0.0.1", False),
    ("::1", "::1", True),
    ("[::1]", "::1", True),
    ("[::1]:443", "::1", True),
    ("[::1]:80", "::1", False),
    ("0:0:0:0:0:0:0:1", "::1", True),
    ("fd00::/8", "fd12:3456::1", True),
    ("fd00::/8", "fe80::1", False),
    ("fd00::/8", "127.0.0.1", False),
    ("fd00::/999", "fd00::1", False),
    ("[", "::1", False),
]


@pytest.mark.parametrize(("entry", "host", "expected"), BYPASSED)
def test_bypassed(entry: str, host: str, expected: bool) -> None:
    assert bypassed(host, 443, [entry] if entry else []) is expected
    assert bypassed(host, 443, ["other.example", entry, "10.1.2.3"]) is expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("NO_PROXY", [])),
        ({"NO_PROXY": "a, b ,,c d"}, ("NO_PROXY", ["a", "b", "c", "d"])),
        ({"NO_PROXY": "a", "no_proxy": "b"}, ("no_proxy", ["b"])),
        ({"NO_PROXY": "a", "no_proxy": ""}, ("no_proxy", [])),
    ],
    ids=["unset", "commas and spaces", "lower case wins", "lower case wins when empty"],
)
def test_no_proxy(environ: dict[str, str], expected: tuple[str, list[str]]) -> None:
    assert no_proxy(environ) == expected


HTTPS = parse_base_url("https://api.cline.bot", "test")
HTTP = parse_base_url("http://127.0.0.1:8080", "test")
A, B = "http://127.0.0.1:1", "http://127.0.0.1:2"
FAR = "http://10.0.0.1:3128"


@pytest.mark.parametrize(
    ("base_url", "flag", "environ", "expected"),
    [
        (HTTPS, None, {}, None),
        (HTTPS, None, {"HTTPS_PROXY": A}, "HTTPS_PROXY"),
        (HTTPS, None, {"HTTPS_PROXY": A, "https_proxy": B}, "https_proxy"),
        (HTTPS, None, {"HTTPS_PROXY": A, "https_proxy": ""}, None),
        (HTTPS, None, {"HTTP_PROXY": A, "http_proxy": A}, None),
        (HTTPS, None, {"ALL_PROXY": A}, "ALL_PROXY"),
        (HTTPS, None, {"ALL_PROXY": A, "HTTPS_PROXY": B}, "HTTPS_PROXY"),
        (HTTPS, None, {"ALL_PROXY": A, "all_proxy": B}, "all_proxy"),
        (HTTPS, None, {"HTTPS_PROXY": A, "NO_PROXY": "cline.bot"}, None),
        (HTTPS, None, {"HTTPS_PROXY": A, "ALL_PROXY": B, "NO_PROXY": "cline.bot"}, None),
        (HTTPS, None, {"HTTPS_PROXY": A, "NO_PROXY": "bot.cline"}, "HTTPS_PROXY"),
        (HTTPS, None, {"HTTPS_PROXY": A, "NO_PROXY": "cline.bot:443"}, None),
        (HTTPS, None, {"HTTPS_PROXY": A, "NO_PROXY": "cline.bot:80"}, "HTTPS_PROXY"),
        (HTTPS, None, {"https_proxy": "", "ALL_PROXY": A}, "ALL_PROXY"),
        (HTTPS, A, {"HTTPS_PROXY": B, "NO_PROXY": "*"}, "--proxy"),
        (HTTPS, "", {"HTTPS_PROXY": B}, None),
        (HTTPS, " ", {"HTTPS_PROXY": B}, None),
        (HTTP, None, {"HTTPS_PROXY": A}, None),
        (HTTP, None, {"http_proxy": A}, "http_proxy"),
        (HTTP, None, {"HTTP_PROXY": A}, "HTTP_PROXY"),
        (HTTP, None, {"HTTP_PROXY": A, "REQUEST_METHOD": "GET"}, None),
        (HTTP, None, {"http_proxy": A, "REQUEST_METHOD": "GET"}, "http_proxy"),
    ],
)
def test_choose_proxy(
    base_url: BaseUrl, flag: str | None, environ: dict[str, str], expected: str | None
) -> None:
    proxy = choose_proxy(base_url, flag, environ)
    assert (proxy.source if proxy else None) == expected
    if proxy:
        assert str(proxy) == {**environ, "--proxy": flag}[proxy.source]
    elif flag is None and "NO_PROXY" not in environ:
        # What is left when no variable speaks for the scheme.
        assert choose_proxy(base_url, flag, environ, A)


def test_no_proxy_outranks_the_config_file() -> None:
    assert choose_proxy(HTTPS, None, {"NO_PROXY": "cline.bot"}, A) is None


@pytest.mark.parametrize(
    ("flag", "environ", "source", "hint"),
    [
        (None, {"http_proxy": FAR}, "http_proxy", "add 127.0.0.1 to NO_PROXY"),
        (FAR, {}, "--proxy", "use https://, or leave out --proxy"),
    ],
    ids=["variable", "flag"],
)
def test_choose_proxy_keeps_the_key_from_far_proxies(
    flag: str | None, environ: dict[str, str], source: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_proxy(HTTP, flag, environ)
    assert f"{FAR} from {source} would see the key in plain text" in caught.value.message
    assert caught.value.hint == hint


CREDENTIALS: list[tuple[str, str, tuple[str, ...]]] = [
    # Of RFC 7617, section 2 and 2.1.
    ("http://Aladdin:open%20sesame@h", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", ("open sesame",)),
    ("http://test:123%C2%A3@h", "dGVzdDoxMjPCow==", ("123£",)),
    ("http://test@h", "dGVzdDo=", ()),
    ("http://test:@h", "dGVzdDo=", ()),
    ("http://h", "", ()),
]


@pytest.mark.parametrize(("text", "token", "passwords"), CREDENTIALS)
def test_credentials(text: str, token: str, passwords: tuple[str, ...]) -> None:
    proxy = parse_proxy(text, "X")
    assert proxy_token(proxy) == token
    secrets = [secret.reveal() for secret in proxy_secrets(proxy)]
    assert secrets == ([*passwords, token] if passwords else [])


def test_no_proxy_has_no_secrets() -> None:
    assert proxy_secrets(None) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy.example:3128", Proxy("http", "proxy.example", 3128, "X")),
        (" http://proxy.example:3128/ \n", Proxy("http", "proxy.example", 3128, "X")),
        ("proxy.example:3128", Proxy("http", "proxy.example", 3128, "X")),
        ("proxy.example", Proxy("http", "proxy.example", 80, "X")),
        ("https://proxy.example", Proxy("https", "proxy.example", 443, "X")),
        ("HTTP://Proxy.Example", Proxy("http", "proxy.example", 80, "X")),
        ("[::1]:3128", Proxy("http", "::1", 3128, "X")),
        ("u:p@h:1", Proxy("http", "h", 1, "X", "u", Secret("p"))),
        ("u@h:1", Proxy("http", "h", 1, "X", "u")),
        (f"http://u:{ESCAPED}@h:1", Proxy("http", "h", 1, "X", "u", Secret(PASSWORD))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parse_proxy(text: str, expected: Proxy) -> None:
    proxy = parse_proxy(text, "X")
    assert proxy == expected
    assert "p@ss" not in f"{proxy} {proxy!r}"


@pytest.mark.parametrize("value", [value for value, _ in UNUSABLE.values()], ids=UNUSABLE)
def test_an_unusable_proxy_is_not_worth_a_retry(value: str) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        parse_proxy(value, "X")
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("api.localhost.", True),
        ("127.0.0.1", True),
        ("127.255.255.254.", True),
        ("::1", True),
        (".localhost.example", False),
        ("notlocalhost", False),
        ("127.0.0.1.example", False),
        ("1127.0.0.1", False),
        ("127.1", False),
        ("::2", False),
        ("", False),
    ],
)
def test_what_never_leaves_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
