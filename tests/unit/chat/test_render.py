"""Rendering of replies: code blocks, tool calls, usage."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.chat.render import first_code_block, tool_call_line, usage_json, usage_line
from clinecli.chat.reply import Delta, Event, Reply
from clinecli.chat.tool_calls import ToolCall

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


SLOW: dict[str, tuple[str, str | None]] = {
    "backticks": ("`" * 300_000 + "x`", None),
    "backticks-in-each-line": (("`" * 1000 + "x`\n") * 1000, None),
    "a-long-fence": ("`" * 300_000 + "\nx\n" + "`" * 300_000, "x\n"),
    "a-long-fence-that-never-ends": ("`" * 1000 + "\n" + ("`" * 999 + "\n") * 1000, None),
    "spaces": (" " * 1_000_000 + "x", None),
    "spaces-after-a-fence": ("```\n" + "```" + " \t" * 500_000 + "x\n```", None),
    "numbers": ("1. " * 300_000, None),
    "tildes": ("~" * 1_000_000 + "\nx", None),
    "line-ends": ("\n" * 3_000_000, None),
}


@pytest.mark.parametrize(("text", "code"), SLOW.values(), ids=SLOW)
def test_what_would_take_long_or_much(text: str, code: str | None) -> None:
    tracemalloc.start()
    found = first_code_block(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    if code is None and not text.startswith("```\n"):
        assert found is None
    elif code is not None:
        assert found == code
    assert peak < 5 * len(text) + 1_000_000


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
    folded.add(Event(b"", Delta(text="hi", usage=usage, model=model, id=reply_id)))
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
    assert usage_line([given_reply], 1.46) == line


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {"prompt_tokens": 14, "cost": 0.5, "cost_details": {"x": [1]}},
        {"prompt_tokens": 2**70},
        {"note": "\ud83d"},
        {"note": "é"},
    ],
    ids=["none", "nested", "a large number", "surrogate", "text"],
)
def test_usage_json_keeps_every_field(usage: dict[str, Any] | None) -> None:
    answered = reply(usage, "a/b", "gen-1")
    answered.request_id = "req-1"
    line = usage_json([answered], 1.23456)
    expected = {
        "usage": usage or {},
        "model": "a/b",
        "id": "gen-1",
        "request_id": "req-1",
        "seconds": 1.235,
    }
    assert json.loads(line) == expected
    assert b"\n" not in line


@pytest.mark.parametrize(
    "odd",
    [json.loads("[" * 900 + "]" * 900), float("inf"), 1e300],
    ids=["deep", "infinite", "huge"],
)
def test_usage_that_no_json_can_hold_leaves_the_numbers(odd: Any) -> None:
    deep = odd
    for _ in range(900 if isinstance(odd, list) else 0):
        deep = [deep]
    line = usage_json([reply({"prompt_tokens": 14, "x": deep}, "a/b", "gen-1")], 1.0)
    found = json.loads(line)
    assert found["usage"]["prompt_tokens"] == 14
    assert (found["model"], found["id"]) == ("a/b", "gen-1")


FIRST = {"prompt_tokens": 14, "completion_tokens": 0, "cost": 0.25}


def test_replies_that_were_paid_for_one_by_one_are_added_up() -> None:
    replies = [reply(FIRST, "a/b", "gen-1"), reply(), reply(FIRST | {"cost": 0.5}, "a/b", "gen-2")]
    assert usage_line(replies, 1.0) == (
        "28 prompt tokens, 0 completion tokens, $0.750000, 3 replies, a/b, gen-2, 1.0 s"
    )
    assert json.loads(usage_json(replies, 1.0)) == {
        "usage": FIRST | {"cost": 0.5},
        "model": "a/b",
        "id": "gen-2",
        "seconds": 1.0,
        "attempts": 3,
        "total_cost": 0.75,
    }


@pytest.mark.parametrize(
    "amount", ["7", True, None, [7], 1e300, 10**400, float("nan")], ids=lambda a: repr(a)[:12]
)
def test_what_is_no_amount_is_not_added(amount: Any) -> None:
    replies = [reply({"prompt_tokens": amount, "cost": amount}), reply()]
    assert usage_line(replies, 1.0) == "2 replies, 1.0 s"
    assert json.loads(usage_json(replies, 1.0))["total_cost"] is None
