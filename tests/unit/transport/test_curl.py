"""The curl command of a request, as a shell reads it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import Any

import pytest

from clinecli.chat.request import ChatRequest
from clinecli.config.base_url import parse_base_url
from clinecli.config.proxy import choose_proxy
from clinecli.config.settings import Settings
from clinecli.transport.curl import curl_command
from clinecli.transport.route import Route


def settings(**values: Any) -> Settings:
    base_url = parse_base_url("https://api.cline.bot", "test")
    return Settings(base_url, "the default", "a/b", "the default", **values)


def curl(
    body: dict[str, Any],
    headers: tuple[tuple[str, str], ...] = (),
    *,
    stream: bool = False,
    environ: dict[str, str] | None = None,
    **values: Any,
) -> str:
    chosen = settings(**values)
    proxy = choose_proxy(chosen.base_url, chosen.proxy, environ or {}, chosen.config_proxy)
    route = Route(chosen.base_url, proxy)
    return curl_command(ChatRequest(body, headers), chosen, route, stream=stream)


def seen_by_curl(command: str) -> list[str]:
    """The words that a shell would give to curl."""
    done = subprocess.run(
        ["sh", "-c", f'curl() {{ printf "%s\\0" "$@"; }}\n{command}'],
        env={"PATH": os.environ["PATH"], "CLINE_API_KEY": "the-key"},
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


def test_curl_command() -> None:
    command = curl({"model": "a/b"}, (("X-Title", "my title"),), ca_file="/etc/my ca.pem")
    words = seen_by_curl(command)
    assert words == [
        *("--silent", "--show-error", "--connect-timeout", "10", "--max-time", "600"),
        *("--cacert", "/etc/my ca.pem"),
        *("--header", "Authorization: Bearer the-key"),
        *("--header", "Content-Type: application/json"),
        *("--header", "X-Title: my title"),
        *("--data-binary", '{"model":"a/b","stream":false}'),
        "https://api.cline.bot/api/v1/chat/completions",
    ]


def test_curl_streams_without_a_buffer() -> None:
    assert "--no-buffer" in shlex.split(curl({}, stream=True))
    # What the body quotes does not count.
    assert "--no-buffer" not in shlex.split(curl({"content": "--no-buffer"}))


def test_curl_takes_a_long_body_from_stdin() -> None:
    body = {"content": "it's $HOME " * 20_000}
    script = f"curl() {{ cat; }}; {curl(body)}"
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
    assert json.loads(done.stdout) == body | {"stream": False}


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://user:secret@proxy.example:3128", "http://proxy.example:3128"),
        ("user:secret@proxy.example:3128", "http://proxy.example:3128"),
        ("https://user:sec@ret@[::1]:1", "https://[::1]:1"),
    ],
    ids=["none", "usual", "no scheme", "unescaped"],
)
def test_curl_shows_no_password_of_a_proxy(proxy: str, shown: str) -> None:
    words = shlex.split(curl({}, proxy=proxy))
    assert words[words.index("--proxy") + 1] == shown


@pytest.mark.parametrize(
    ("values", "environ", "shown"),
    [
        ({}, {}, None),
        ({"proxy": ""}, {"HTTPS_PROXY": "http://a:1"}, ""),
        ({"config_proxy": "http://c:1"}, {}, "http://c:1"),
        # What curl reads from the environment by itself.
        ({}, {"HTTPS_PROXY": "http://a:1"}, None),
        ({"config_proxy": "http://c:1"}, {"HTTPS_PROXY": "http://a:1"}, None),
        ({"config_proxy": "http://c:1"}, {"NO_PROXY": "*"}, None),
    ],
    ids=["none", "empty flag", "config", "variable", "variable wins", "bypassed"],
)
def test_curl_goes_through_the_same_proxy(
    values: dict[str, Any], environ: dict[str, str], shown: str | None
) -> None:
    words = shlex.split(curl({}, environ=environ, **values))
    assert (words[words.index("--proxy") + 1] if "--proxy" in words else None) == shown


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        '"quoted"',
        "$HOME $(id) `id` ${CLINE_API_KEY}",
        "back\\slash \\' \\n",
        "line\nend\r\n\t",
        "; rm -rf / #",
        "!history !!",
        "é😀",
        "@/etc/passwd",
        "-o /tmp/x",
        "",
    ],
    ids=ascii,
)
def test_curl_command_is_quoted(text: str) -> None:
    words = seen_by_curl(curl({"content": text}, (("X-Title", text.replace("\n", " ")),)))
    body = json.loads(words[words.index("--data-binary") + 1])
    assert body == {"content": text, "stream": False}
    assert f"X-Title: {text}".replace("\n", " ") in words
    assert words[-1] == "https://api.cline.bot/api/v1/chat/completions"
