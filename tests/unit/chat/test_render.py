"""Rendering of replies: code blocks, tool calls, usage, curl."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.render import (
    curl_command,
    first_code_block,
    tool_call_line,
    usage_json,
    usage_line,
)
from clinecli.chat.reply import ChatRequest, Delta, Reply, ToolCall
from clinecli.config.settings import Settings, parse_base_url

# Code blocks: CommonMark 4.5, by its examples and by what models write


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```\n<\n >\n```", "<\n >\n"),
        ("~~~\n<\n >\n~~~", "<\n >\n"),
        ("``\nfoo\n``", None),
        ("```\naaa\n~~~\n```", "aaa\n~~~\n"),
        ("~~~\naaa\n```\n~~~", "aaa\n```\n"),
        ("````\naaa\n```\n``````", "aaa\n```\n"),
        ("~~~~\naaa\n~~~\n~~~~", "aaa\n~~~\n"),
        ("````\naaa\n```", None),
        ("```\n\n  \n```", "\n  \n"),
        ("```\n```", ""),
        (" ```\n aaa\naaa\n```", "aaa\naaa\n"),
        ("  ```\naaa\n  aaa\naaa\n  ```", "aaa\naaa\naaa\n"),
        ("   ```\n   aaa\n    aaa\n  aaa\n   ```", "aaa\n aaa\naaa\n"),
        ("    ```\n    aaa\n    ```", None),
        ("```\naaa\n  ```", "aaa\n"),
        ("   ```\naaa\n  ```", "aaa\n"),
        ("```\naaa\n    ```", None),
        ("``` ```\naaa", None),
        ("``` aa ```\naaa", None),
        ("~~~~~~\naaa\n~~~ ~~", None),
        ("foo\n```\nbar\n```\nbaz", "bar\n"),
        ("```ruby\ndef foo(x)\n  return 3\nend\n```", "def foo(x)\n  return 3\nend\n"),
        ("~~~~    ruby startline=3 $%@#$\ndef foo(x)\n~~~~~~~", "def foo(x)\n"),
        ("````;\n````", ""),
        ("~~~ aa ``` ~~~\nfoo\n~~~", "foo\n"),
        ("```\n``` aaa\n```", "``` aaa\n"),
        ("```\naaa\n``` \t\nbbb", "aaa\n"),
        ("```\naaa\n```~", None),
        ("```python\nx = 1\n```\n\n```python\ny = 2\n```", "x = 1\n"),
        ("no code here", None),
        ("", None),
        ("inline ``` fence\ncode\n```\nmore", None),
        ("```\ncut off", None),
        ("```", None),
        ("```\r\nx\r\ny\r\n```\r\n", "x\ny\n"),
        ("```\na\x0cb\u2028c\n```", "a\x0cb\u2028c\n"),
        ("```make\nall:\n\tcc x.c\n```", "all:\n\tcc x.c\n"),
        ("1. Do:\n\n   ```py\n   if x:\n       y()\n   ```\n", "if x:\n    y()\n"),
        ("10. Do:\n    ```py\n    if x:\n        y()\n    ```\n", "if x:\n    y()\n"),
        ("- a\n  - b\n\n    ```\n    x\n\n    y\n    ```", "x\n\ny\n"),
        ("- ```sh\n  ls\n  ```", "ls\n"),
        ("1. - ```sh\n     ls\n     ```", "ls\n"),
        ("- a\n\ntext\n\n    ```\n    x\n    ```", None),
    ],
    ids=ascii,
)
def test_first_code_block(text: str, code: str | None) -> None:
    assert first_code_block(text) == code


@given(
    before=st.sampled_from(["", "text\n", "a\n\nb\n", "- item\n\n"]),
    mark=st.sampled_from("`~"),
    info=st.sampled_from(["", "python", " js title"]),
    code=st.text("ab `~\n\t", max_size=30),
)
def test_a_fenced_text_comes_back(before: str, mark: str, info: str, code: str) -> None:
    # Longer than any run of marks in the code, which would close the block.
    fence = mark * 31
    text = f"{before}{fence}{info}\n{code}\n{fence}\nafter\n"
    assert first_code_block(text) == code + "\n"


def test_fences_that_never_close_take_no_quadratic_time() -> None:
    # With one scan for each, this would be ten thousand million steps.
    assert first_code_block("```a\n" * 100_000) is None
    assert first_code_block("* " * 100_000 + "```") is None


# Tool calls and usage


def test_a_tool_call_is_one_line_of_json() -> None:
    line = tool_call_line(ToolCall("call\ud83d", "grep", '{"a":\n"é"}'))
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "id": "call\ufffd",
        "type": "function",
        "function": {"name": "grep", "arguments": '{"a":\n"é"}'},
    }


def reply(usage: Any = None, model: str | None = None, reply_id: str | None = None) -> Reply:
    folded = Reply()
    folded.add(Delta(text="hi", usage=usage, model=model, id=reply_id))
    return folded


@pytest.mark.parametrize(
    ("given_reply", "line"),
    [
        (reply(), "1.5 s"),
        (
            reply({"prompt_tokens": 14, "completion_tokens": 8, "cost": 0.000162}, "a/b", "gen-1"),
            "14 prompt tokens, 8 completion tokens, $0.000162, a/b, gen-1, 1.5 s",
        ),
        (reply({"prompt_tokens": 0}), "0 prompt tokens, 1.5 s"),
        (reply({"prompt_tokens": None, "cost": None}), "1.5 s"),
        (reply({"cost": 0}), "$0.000000, 1.5 s"),
        (reply({"cost": "1"}, "m"), "m, 1.5 s"),
        (reply({"total_tokens": 3}, None, "gen\n\x1b]0;x\x07"), "gen ^[]0;x^G, 1.5 s"),
        (reply(None, "m\ud83d"), "m\ufffd, 1.5 s"),
    ],
    ids=["nothing", "all", "zero", "null", "free", "cost is text", "hostile", "surrogate"],
)
def test_usage_line(given_reply: Reply, line: str) -> None:
    assert usage_line(given_reply, 1.46) == line


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": 14, "cost": 0.5, "cost_details": {"x": [1]}},
        {"prompt_tokens": 2**70},
        {"note": "\ud83d"},
    ],
    ids=["none", "nested", "a large number", "surrogate"],
)
def test_usage_json_keeps_every_field(usage: dict[str, Any] | None) -> None:
    line = usage_json(reply(usage, "a/b", "gen-1"), 1.23456)
    expected = {"usage": usage or {}, "model": "a/b", "id": "gen-1", "seconds": 1.235}
    assert json.loads(line) == expected
    assert b"\n" not in line


# curl


def settings(**values: Any) -> Settings:
    base_url = parse_base_url("https://api.cline.bot", "test")
    return Settings(base_url, "the default", "a/b", "the default", **values)


JSON_TYPE = {"Content-Type": "application/json"}


def curl(
    body: bytes,
    headers: tuple[tuple[str, str], ...] = (),
    *,
    stream: bool = False,
    **values: Any,
) -> str:
    return curl_command(
        ChatRequest({}, headers), body, settings(**values), JSON_TYPE, stream=stream
    )


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
    body = b'{"model":"a/b","stream":false}'
    words = seen_by_curl(curl(body, (("X-Title", "my title"),), ca_file="/etc/my ca.pem"))
    assert words == [
        *("--silent", "--show-error", "--connect-timeout", "10", "--max-time", "600"),
        *("--cacert", "/etc/my ca.pem"),
        *("--header", "Authorization: Bearer the-key"),
        *("--header", "Content-Type: application/json"),
        *("--header", "X-Title: my title"),
        *("--data-binary", body.decode()),
        "https://api.cline.bot/api/v1/chat/completions",
    ]


def test_curl_streams_without_a_buffer() -> None:
    assert "--no-buffer" in shlex.split(curl(b"{}", stream=True))
    # What the body quotes does not count.
    assert "--no-buffer" not in shlex.split(curl(b'{"model":"a/b","stream":true}'))


def test_curl_takes_a_long_body_from_stdin() -> None:
    body = b'{"content":"' + b"it's $HOME " * 20_000 + b'"}'
    script = f"curl() {{ cat; }}; {curl(body)}"
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
    assert done.stdout == body + b"\n"


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://user:secret@proxy.example:3128", "http://proxy.example:3128"),
        ("user:secret@proxy.example:3128", "proxy.example:3128"),
        ("https://user:sec@ret@[::1]:1", "https://[::1]:1"),
    ],
    ids=["none", "usual", "no scheme", "unescaped"],
)
def test_curl_shows_no_password_of_a_proxy(proxy: str, shown: str) -> None:
    words = shlex.split(curl(b"{}", proxy=proxy))
    assert words[words.index("--proxy") + 1] == shown


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
    body = json.dumps({"content": text}, ensure_ascii=False).encode()
    words = seen_by_curl(curl(body, (("X-Title", text.replace("\n", " ")),)))
    assert words[words.index("--data-binary") + 1] == body.decode()
    assert f"X-Title: {text}".replace("\n", " ") in words
    assert words[-1] == "https://api.cline.bot/api/v1/chat/completions"
