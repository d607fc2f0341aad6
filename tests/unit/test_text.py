"""Text on its way out: what a terminal and a pipe get, code blocks, usage, errors, curl."""

from __future__ import annotations

import json
import os
import re
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
from clinecli.errors import AuthError, ClinecliError, InternalError, TransientError
from clinecli.streams.report import error_json, error_text
from clinecli.text import TextRenderer, clean, escape_json, sanitize, utf8

OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LONE = re.compile("[\ud800-\udfff]")
SPECIAL = "\r\n\t\x00\x1b\x07\x7f\x80\x9b\x9f\xa0\u2029\u202e\u2066\u2069\ufeff\ud83d\ude00aé😀"
TEXTS = st.text(st.sampled_from(SPECIAL) | st.characters(), max_size=12)


# Neutral on a terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a^Mb"),
        ("a\r", "a^M"),
        ("a\r\r\nb", "a^M\nb"),
        ("\x00\x01\x1a\x1b\x1c\x1f", "^@^A^Z^[^\\^_"),
        ("\x7f", "^?"),
        ("\x80\x85\x9b\x9f", "<U+0080><U+0085><U+009B><U+009F>"),
        ("\u202a\u202e\u2066\u2069", "<U+202A><U+202E><U+2066><U+2069>"),
        ("\xa0\u2029\u200f\u2065\u206a\u202f", "\xa0\u2029\u200f\u2065\u206a\u202f"),
        ("日本 👩‍👩‍👧 e\u0301", "日本 👩‍👩‍👧 e\u0301"),
    ],
    ids=ascii,
)
def test_sanitize(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(TEXTS)
def test_sanitize_leaves_nothing_to_obey(text: str) -> None:
    shown = sanitize(text)
    assert not OBEYED.search(shown)
    assert sanitize(shown) == shown
    if not OBEYED.search(text):
        assert shown == text


@given(TEXTS.map(clean))
def test_escaped_json_means_the_same(text: str) -> None:
    line = json.dumps({text: [text]}, ensure_ascii=False).encode() + b"\n"
    shown = escape_json(line)
    assert not OBEYED.search(shown.decode())
    assert json.loads(shown) == {text: [text]}
    if not OBEYED.search(line.decode()):
        assert shown == line


def test_escaped_json_of_a_server_that_escapes_nothing() -> None:
    line = b'{"a":"\x1b[2J\x7f\r"}\n'
    assert escape_json(line) == b'{"a":"\\u001b[2J\\u007f\\u000d"}\n'


def test_escaped_json_takes_bytes_that_are_no_text() -> None:
    assert escape_json(b'"\xff"\n') == '"\ufffd"\n'.encode()


# UTF-8


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("é", b"\xc3\xa9"),
        ("😀", b"\xf0\x9f\x98\x80"),
        ("\ud83d\ude00", b"\xf0\x9f\x98\x80"),
        ("\ud83d", b"\xef\xbf\xbd"),
        ("\ud83dX", b"\xef\xbf\xbdX"),
        ("X\ude00", b"X\xef\xbf\xbd"),
        ("\ude00\ud83d", b"\xef\xbf\xbd\xef\xbf\xbd"),
        ("\ud83d\ud83d\ude00", b"\xef\xbf\xbd\xf0\x9f\x98\x80"),
        ("é\ud83dé", b"\xc3\xa9\xef\xbf\xbd\xc3\xa9"),
    ],
    ids=ascii,
)
def test_utf8(text: str, data: bytes) -> None:
    assert utf8(text) == data
    assert clean(text) == data.decode()


@given(TEXTS)
def test_utf8_touches_surrogates_alone(text: str) -> None:
    assert not LONE.search(clean(text))
    if not LONE.search(text):
        assert utf8(text) == text.encode()
        assert clean(text) == text


# Pieces


def rendered(pieces: list[str], *, terminal: bool) -> bytes:
    renderer = TextRenderer(terminal=terminal)
    return b"".join([*(renderer.render(piece) for piece in pieces), renderer.finish()])


@pytest.mark.parametrize(
    ("pieces", "in_pipe", "on_terminal"),
    [
        ([], b"", b""),
        ([""], b"", b""),
        (["a"], b"a\n", b"a\n"),
        (["a\n"], b"a\n", b"a\n"),
        (["a", "", "\n", ""], b"a\n", b"a\n"),
        (["\n", "a"], b"\na\n", b"\na\n"),
        (["a\r", "\nb"], b"a\r\nb\n", b"a\nb\n"),
        (["a\r\n"], b"a\r\n", b"a\n"),
        (["a\r"], b"a\r\n", b"a^M\n"),
        (["a\r", "", "\n"], b"a\r\n", b"a\n"),
        (["a\r", "\r", "\n"], b"a\r\r\n", b"a^M\n"),
        (["\ud83d", "\ude00"], "😀\n".encode(), "😀\n".encode()),
        (["\ud83d", "", "\ude00\n"], "😀\n".encode(), "😀\n".encode()),
        (["\ud83d", "a"], "\ufffda\n".encode(), "\ufffda\n".encode()),
        (["\ud83d"], "\ufffd\n".encode(), "\ufffd\n".encode()),
        (["\ud83d\r", "\n"], b"\xef\xbf\xbd\r\n", b"\xef\xbf\xbd\n"),
        (["\x1b", "[2J"], b"\x1b[2J\n", b"^[[2J\n"),
    ],
    ids=ascii,
)
def test_pieces(pieces: list[str], in_pipe: bytes, on_terminal: bytes) -> None:
    assert rendered(pieces, terminal=False) == in_pipe
    assert rendered(pieces, terminal=True) == on_terminal


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@given(text=TEXTS)
def test_any_split_gives_the_whole(terminal: bool, text: str) -> None:
    whole = rendered([text], terminal=terminal)
    for cut in range(len(text) + 1):
        assert rendered([text[:cut], text[cut:]], terminal=terminal) == whole
    assert rendered(list(text), terminal=terminal) == whole


@given(TEXTS)
def test_a_pipe_gets_the_very_bytes_and_a_line_end(text: str) -> None:
    data = utf8(text)
    assert rendered([text], terminal=False) == data + (b"" if data[-1:] in b"\n" else b"\n")


@given(TEXTS)
def test_a_terminal_gets_nothing_to_obey(text: str) -> None:
    shown = rendered(list(text), terminal=True).decode()
    assert not OBEYED.search(shown)
    assert not shown or shown.endswith("\n")


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_nothing_waits_that_need_not(terminal: bool) -> None:
    renderer = TextRenderer(terminal=terminal)
    assert [renderer.render(piece) for piece in ("é", "\x1b", "\n", "😀")] == [
        "é".encode(),
        b"^[" if terminal else b"\x1b",
        b"\n",
        "😀".encode(),
    ]


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


# Errors


ERROR = TransientError(
    "rate limit reached: slow\ud83d down (HTTP 429)",
    hint="später",
    http_status=429,
    code="rate_limit",
    request_id="req-1",
)


def test_an_error_is_two_lines() -> None:
    error = AuthError("the API refused the key", hint="check it")
    text = "clinecli: error: the API refused the key\nclinecli: hint: check it"
    assert error_text(error) == text


@pytest.mark.parametrize(
    "error", [ClinecliError("it failed"), AuthError("it failed", hint="")], ids=["none", "empty"]
)
def test_an_error_without_a_hint_is_one_line(error: ClinecliError) -> None:
    assert error_text(error) == "clinecli: error: it failed"


def test_an_error_as_json() -> None:
    line = error_json(ERROR)
    assert json.loads(line) == {
        "error": {
            "kind": "transient",
            "message": "rate limit reached: slow\ufffd down (HTTP 429)",
            "hint": "später",
            "status": 429,
            "code": "rate_limit",
            "request_id": "req-1",
            "retryable": True,
            "exit_status": 10,
        }
    }
    assert "später".encode() in line
    assert b"\n" not in line


def test_an_error_of_ours_as_json() -> None:
    fields = json.loads(error_json(InternalError("internal error: ValueError")))["error"]
    assert (fields["kind"], fields["exit_status"], fields["retryable"]) == ("internal", 1, False)
    assert fields["status"] is fields["code"] is fields["request_id"] is None
    assert "report" in fields["hint"]


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
