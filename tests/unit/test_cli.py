"""The table of flags: arguments to the options of each command."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.cli import Invocation, parse
from clinecli.errors import UsageError
from clinecli.flags.table import COMMANDS, HELP, all_flags, options_class, shared_flags
from clinecli.options.common import NetworkOptions

Cases = dict[tuple[str, ...], dict[str, Any]]

NETWORK: Cases = {
    ("--base-url", "https://h"): {"base_url": "https://h"},
    ("--key-file", "k"): {"key_file": "k"},
    ("--proxy", "http://p:1"): {"proxy": "http://p:1"},
    ("--proxy", ""): {"proxy": ""},
    ("--ca-file", "ca.pem"): {"ca_file": "ca.pem"},
    ("--cert", "c.pem"): {"cert": "c.pem"},
    ("--cert-key", "c.key"): {"cert_key": "c.key"},
    ("--profile", "work"): {"profile": "work"},
    ("--connect-timeout", "0.5"): {"connect_timeout": 0.5},
    ("--idle-timeout", "30"): {"idle_timeout": 30.0},
    ("--timeout", "1e3"): {"timeout": 1000.0},
    ("--timeout=inf",): {"timeout": float("inf")},
    ("--retries", "0"): {"retries": 0},
    ("-v",): {"verbose": True},
    ("--verbose",): {"verbose": True},
    ("-q",): {"quiet": True},
    ("--quiet",): {"quiet": True},
    ("-vq",): {"verbose": True, "quiet": True},
}
CHAT: Cases = {
    (): {},
    ("Why", "not?"): {"prompt": ["Why", "not?"]},
    ("-",): {"prompt": ["-"]},
    ("--", "--model"): {"prompt": ["--model"]},
    ("-P", "a.prompt.yml"): {"prompt_file": "a.prompt.yml"},
    ("--prompt-file", "-"): {"prompt_file": "-"},
    ("-V", "a=1", "--var", "b=x=y"): {"var": ["a=1", "b=x=y"]},
    ("--var-file", "a=-", "--var-file", "b=f"): {"var_file": ["a=-", "b=f"]},
    ("--vars", "v.yml"): {"vars": "v.yml"},
    ("--no-stdin",): {"no_stdin": True},
    ("-m", "a/b"): {"model": "a/b"},
    ("-ma/b",): {"model": "a/b"},
    ("--model", "a/b"): {"model": "a/b"},
    ("--model=a/b",): {"model": "a/b"},
    ("--model", "a", "--model", "b"): {"model": "b"},
    ("-s", "Be brief."): {"system": "Be brief."},
    ("--system", ""): {"system": ""},
    # As the arguments reach Python in a locale without UTF-8.
    ("-s", "caf\udcc3\udca9"): {"system": "café"},
    ("--system-file", "s.txt"): {"system_file": "s.txt"},
    ("-f", "a", "--file", "b"): {"file": ["a", "b"]},
    ("-f", "-"): {"file": ["-"]},
    ("-f", "caf\udce9"): {"file": ["caf\udce9"]},
    ("-i", "a.png", "--image", "https://h/b.png"): {"image": ["a.png", "https://h/b.png"]},
    ("-t", "0"): {"temperature": 0.0},
    ("--temperature", "2"): {"temperature": 2.0},
    ("--max-tokens", "1"): {"max_tokens": 1},
    ("--fallback", "a/b", "--fallback", "c/d"): {"fallback": ["a/b", "c/d"]},
    ("--effort", "xhigh"): {"effort": "xhigh"},
    ("--max-cost", "0.05"): {"max_cost": 0.05},
    ("-H", "a: b", "--header", "c: @f"): {"header": ["a: b", "c: @f"]},
    ("-p", "a=1", "--param", "b=x=y"): {"param": ["a=1", "b=x=y"]},
    ("--cache", "d"): {"cache": "d"},
    ("--cache-all",): {"cache_all": True},
    ("--cache-only",): {"cache_only": True},
    ("--tools", "t.json"): {"tools": "t.json"},
    ("--schema", "s.json"): {"schema": "s.json"},
    ("--messages", "m.json"): {"messages": "m.json"},
    ("--thread", "t.json"): {"thread": "t.json"},
    ("--request", "-"): {"request": "-"},
    ("--referer", "https://r"): {"referer": "https://r"},
    ("--title", "T"): {"title": "T"},
    ("-j",): {"json": True},
    ("--json",): {"json": True},
    ("-o", "out"): {"output": "out"},
    ("--output", "out"): {"output": "out"},
    ("--usage",): {"usage": True},
    ("--reasoning",): {"reasoning": True},
    ("--dry-run",): {"dry_run": True},
    ("--curl",): {"curl": True},
    ("hi", "-jt1", "there"): {"prompt": ["hi", "there"], "json": True, "temperature": 1.0},
}
# What `batch` has in common with `ask`.
SHARED = (
    ("-P", "a.prompt.yml"),
    ("--prompt-file", "-"),
    ("-V", "a=1", "--var", "b=x=y"),
    ("--var-file", "a=-", "--var-file", "b=f"),
    ("--vars", "v.yml"),
    ("-m", "a/b"),
    ("--model", "a/b"),
    ("-s", "Be brief."),
    ("--system", ""),
    ("--system-file", "s.txt"),
    ("--messages", "m.json"),
    ("-t", "0"),
    ("--temperature", "2"),
    ("--max-tokens", "1"),
    ("--effort", "xhigh"),
    ("--max-cost", "0.05"),
    ("-p", "a=1", "--param", "b=x=y"),
    ("--tools", "t.json"),
    ("--schema", "s.json"),
    ("-o", "out"),
    ("--output", "out"),
    ("--dry-run",),
    ("--referer", "https://r"),
    ("--title", "T"),
    ("-H", "a: b", "--header", "c: @f"),
)
CASES: dict[str, Cases] = {
    "ask": {
        **CHAT,
        ("-x",): {"extract": True},
        ("--extract",): {"extract": True},
        ("--schema", "s", "--repair", "2"): {"schema": "s", "repair": 2},
        ("--repair", "0"): {"repair": 0},
    },
    "stream": CHAT,
    "batch": {
        (): {},
        ("a.jsonl", "b"): {"words": ["a.jsonl", "b"]},
        ("-",): {"words": ["-"]},
        ("--lines",): {"lines": True},
        ("--csv",): {"csv": True},
        ("--template", "{{a}}"): {"template": "{{a}}"},
        **{words: CHAT[words] for words in SHARED},
        ("--skip-bad",): {"skip_bad": True},
        ("--shard", "auto/8"): {"shard": "auto/8"},
        ("--errors", "e"): {"errors": "e"},
        ("--ordered",): {"ordered": True},
        ("--text",): {"text": True},
        ("--keep-failed",): {"keep_failed": True},
        ("--restart",): {"restart": True},
        ("in", "--merge", "a", "b"): {"words": ["in", "a", "b"], "merge": True},
        ("--summary", "s.json"): {"summary": "s.json"},
        ("-J", "64"): {"jobs": 64},
        ("--jobs", "4096"): {"jobs": 4096},
        ("--rpm", "0.5"): {"rpm": 0.5},
        ("--tpm", "1e6"): {"tpm": 1e6},
        ("--max-failures", "2%"): {"max_failures": "2%"},
        ("--dedupe",): {"dedupe": True},
        ("--grace", "0"): {"grace": 0.0},
        ("--estimate",): {"estimate": True},
    },
    "models": {
        (): {},
        ("claude", "opus"): {"words": ["claude", "opus"]},
        ("--free",): {"free": True},
        ("--recommended",): {"recommended": True},
        ("--vision",): {"vision": True},
        ("--tools",): {"tools": True},
        ("--reasoning",): {"reasoning": True},
        ("--min-context", "0"): {"min_context": 0},
        ("--max-price", "1.5"): {"max_price": 1.5},
        ("--sort", "price"): {"sort": "price"},
        ("--reverse",): {"reverse": True},
        ("--ids",): {"ids": True},
        ("-j",): {"json": True},
        ("--json",): {"json": True},
        ("--refresh",): {"refresh": True},
        ("--offline",): {"offline": True},
    },
    "doctor": {
        (): {},
        ("key", "net.dns"): {"checks": ["key", "net.dns"]},
        ("-m", "a/b"): {"model": "a/b"},
        ("--model", "a/b"): {"model": "a/b"},
        ("-j",): {"json": True},
        ("--json",): {"json": True},
        ("--live",): {"live": True},
        ("--request", "r.json"): {"request": "r.json"},
        ("--strict",): {"strict": True},
        ("--list",): {"list": True},
        ("--schema",): {"schema": True},
        ("--markdown",): {"markdown": True},
        ("--bundle", "b.txt"): {"bundle": "b.txt"},
        ("--save-chain", "c.pem"): {"save_chain": "c.pem"},
        ("--baseline", "b.json"): {"baseline": "b.json"},
        ("--wait", "5"): {"wait": 5.0},
        ("--watch", "5", "--count", "2"): {"watch": 5.0, "count": 2},
    },
    "mock": {
        (): {},
        ("--", "sh", "-c", "x"): {"command": ["sh", "-c", "x"]},
        ("sh", "--port", "1"): {"command": ["sh", "--port", "1"]},
        ("--latency", "0.5"): {"latency": 0.5},
        ("--record", "r.json"): {"record": "r.json"},
        ("--replay-speed", "10"): {"replay_speed": 10.0},
        ("--strict",): {"strict": True},
        ("cat", "caf\udce9"): {"command": ["cat", "caf\udce9"]},
        ("--port", "65535"): {"port": 65535},
        ("--delay", "0.1"): {"delay": 0.1},
        ("--reply", "@f"): {"reply": "@f"},
        ("--fault", "auth:1", "--fault", "html"): {"fault": ["auth:1", "html"]},
        ("--replay", "f"): {"replay": "f"},
    },
    "completion": {("zsh",): {"shell": "zsh"}},
    "describe": {(): {}, ("-j",): {"json": True}, ("--json",): {"json": True}},
    "help": {(): {}, ("ask",): {"command": "ask"}},
}
ROWS = [(name, words) for name, cases in CASES.items() for words in cases]


@pytest.mark.parametrize(("name", "words"), ROWS, ids=lambda each: " ".join(each) or "nothing")
def test_options(name: str, words: tuple[str, ...]) -> None:
    expected = options_class(name)(**CASES[name][words])
    assert parse([name, *words]) == Invocation(name, expected)


@pytest.mark.parametrize("name", [name for name in COMMANDS if shared_flags(name)])
@pytest.mark.parametrize("words", NETWORK, ids=" ".join)
def test_network_options(name: str, words: tuple[str, ...]) -> None:
    expected = options_class(name)(network=NetworkOptions(**NETWORK[words]))
    assert parse([name, *words]) == Invocation(name, expected)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_name_of_every_flag_has_a_case(name: str) -> None:
    names = {each for flag in all_flags(name) for each in flag.names} - {*HELP.names}
    cases = [*CASES[name], *(NETWORK if shared_flags(name) else ())]
    assert names <= {word.partition("=")[0] for words in cases for word in words}


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "word": (("ask", "-t", "hot"), "-t/--temperature: 'hot' is not a number from 0 to 2"),
    "above": (("ask", "-t", "2.1"), "-t/--temperature: '2.1' is not a number from 0 to 2"),
    "below": (("ask", "-t=-1"), "-t/--temperature: '=-1' is not a number from 0 to 2"),
    "nan": (("ask", "-t", "nan"), "-t/--temperature: 'nan' is not a number from 0 to 2"),
    "empty": (("ask", "-t", ""), "-t/--temperature: '' is not a number from 0 to 2"),
    "other-digits": (("ask", "-t", "\u0661"), "'\u0661' is not a number from 0 to 2"),
    "grouped": (("ask", "--max-tokens", "1_000"), "'1_000' is not a whole number, 1 or more"),
    "64-bits": (("ask", "--max-tokens", str(2**64)), f"--max-tokens: {2**64} is too large"),
    "endless": (("ask", "--max-tokens", "9" * 5000), "is not a whole number, 1 or more"),
    "fraction": (("ask", "--max-tokens", "1.5"), "--max-tokens: '1.5' is not a whole number"),
    "zero-tokens": (("ask", "--max-tokens", "0"), "'0' is not a whole number, 1 or more"),
    "no-time": (("ask", "--timeout", "0"), "--timeout: '0' is not a number above 0"),
    "negative-time": (
        (
            "ask",
            "--idle-timeout=-1",
        ),
        "'-1' is not a number above 0",
    ),
    "retries": (
        (
            "ask",
            "--retries=-1",
        ),
        "--retries: '-1' is not a whole number, 0 or more",
    ),
    "endless-retries": (("ask", "--retries", "inf"), "'inf' is not a whole number, 0 or more"),
    "port": (("mock", "--port", "65536"), "'65536' is not a whole number from 0 to 65535"),
    "delay": (("mock", "--delay", "inf"), "--delay: 'inf' is not a number from 0 to 3600"),
    "price": (("models", "--max-price", "-1"), "--max-price: '-1' is not a number, 0 or more"),
    "context": (("models", "--min-context", "8k"), "'8k' is not a whole number, 0 or more"),
    "model-bytes": (("doctor", "-m", "\udcff"), "-m/--model is not UTF-8 text"),
    "prompt-bytes": (("ask", "hi", "\udcff"), "PROMPT is not UTF-8 text"),
    "url-bytes": (("ask", "--base-url", "https://\udcff"), "--base-url is not UTF-8 text"),
    "reply-bytes": (("mock", "--reply", "\udcff"), "--reply is not UTF-8 text"),
    "empty-file": (("ask", "--schema", ""), "--schema is empty"),
    "empty-file-of-several": (("ask", "-f", "a", "-f", ""), "--file is empty"),
    "empty-model": (("ask", "-m", ""), "--model is empty"),
    "unknown-shell": (("completion", "tcsh"), "completion does not know 'tcsh'"),
    "unknown-order": (("models", "--sort", "size"), "--sort does not know 'size'"),
}


TOGETHER: dict[str, str] = {
    "ask --extract --json": "--extract and --json exclude each other",
    "ask --request r -P p": "--request and --prompt-file exclude each other",
    "stream --request r -P p": "--request and --prompt-file exclude each other",
    "ask --repair 2": "--repair has no effect without --schema or --prompt-file or --request",
    "batch --lines --csv": "--lines and --csv exclude each other",
    "batch --restart --keep-failed -o f": "--restart and --keep-failed exclude each other",
    "batch --merge --text a.jsonl": "--merge and --text exclude each other",
    "batch --estimate --dry-run": "--estimate and --dry-run exclude each other",
    "batch --template {{a}} -P p": "--template and --prompt-file exclude each other",
    "models --ids --json": "--ids and --json exclude each other",
    "models --refresh --offline": "--refresh and --offline exclude each other",
    "doctor --json --markdown": "--json and --markdown exclude each other",
    "doctor --wait 1 --watch 1": "--wait and --watch exclude each other",
    "doctor --count 2": "--count has no effect without --watch",
}


# Letters that are written together are read by Typer, all else without it.
@pytest.mark.parametrize("more", [[], ["-qv"]], ids=["plain", "typer"])
@pytest.mark.parametrize("line", TOGETHER)
def test_flags_that_do_not_go_together(line: str, more: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse([*line.split(), *more])
    assert caught.value.message == TOGETHER[line]
    assert "leave" in caught.value.hint


def test_every_rule_about_flags_has_a_case() -> None:
    rules = {
        f"{name} {field}"
        for name, command in COMMANDS.items()
        for field in (*(one for one, _ in command.excludes), *command.needs)
    }
    cases = {
        f"{line.split()[0]} {message.split()[0].removeprefix('--').replace('-', '_')}"
        for line, message in TOGETHER.items()
    }
    assert rules == cases


@pytest.mark.parametrize("case", BAD)
def test_bad_values(case: str) -> None:
    words, message = BAD[case]
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert message in caught.value.message
    assert caught.value.hint


WORDS = sorted({name for each in COMMANDS for flag in all_flags(each) for name in flag.names})


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*COMMANDS, "", "-", "--", "1", "x"]),
            st.sampled_from([word for word in WORDS if word not in HELP.names]),
            st.text(max_size=4),
            st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=2),
        ),
        min_size=1,
        max_size=6,
    ).filter(lambda words: not {"--version", "-h", "--help"} & {*words})
)
def test_any_words_are_options_or_a_usage_error(words: list[str]) -> None:
    try:
        invocation = parse(words)
    except UsageError as raised:
        error = raised
    else:
        assert invocation is None or isinstance(invocation.options, options_class(invocation.name))
        return
    assert error.message
    assert error.hint
