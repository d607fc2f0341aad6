"""Typing slips: what is meant, and where to read on."""

from __future__ import annotations

import pytest

from clinecli.cli import parse
from clinecli.errors import UsageError
from clinecli.flags.slips import _FLAGS
from clinecli.flags.table import COMMANDS, all_flags

KEY = "sk-SeCrEt-0123456789"

SLIPS: dict[str, tuple[str, str]] = {
    "ask --modle x": ("no such flag: --modle", "did you mean --model? see clinecli ask --help"),
    "ask --MODEL x": ("no such flag: --MODEL", "did you mean --model?"),
    "ask --max_tokens 9": ("--max_tokens", "did you mean --max-tokens?"),
    "ask --max-completion-tokens 9": ("--max-completion-tokens", "did you mean --max-tokens?"),
    "ask --temp 1": ("--temp", "did you mean --temperature?"),
    "ask --dryrun": ("--dryrun", "did you mean --dry-run?"),
    "ask --dry_run": ("--dry_run", "did you mean --dry-run?"),
    "ask --output-file x": ("--output-file", "did you mean --output?"),
    "ask --json-schema x": ("--json-schema", "did you mean --schema?"),
    "ask --response-format x": ("--response-format", "did you mean --schema?"),
    "ask --system-prompt x": ("--system-prompt", "did you mean --system?"),
    "ask --continue": ("--continue", "did you mean --thread?"),
    "ask -d @f": ("-d", "did you mean --request?"),
    "ask --cacert f": ("--cacert", "did you mean --ca-file?"),
    "ask --max-time 3": ("--max-time", "did you mean --timeout?"),
    "ask --retry 3": ("--retry", "did you mean --retries?"),
    "ask --silent": ("--silent", "did you mean --quiet?"),
    "ask --api-base x": ("--api-base", "did you mean --base-url?"),
    "ask --stream": ("--stream", "use `clinecli stream`"),
    "stream --stream": ("--stream", "leave it out: `clinecli stream` streams"),
    "stream --no-stream": ("--no-stream", "use `clinecli ask`"),
    "stream -x": ("-x", "-x is a flag of `clinecli ask`"),
    "stream --extract": ("--extract", "--extract is a flag of `clinecli ask`"),
    "stream --code": ("--code", "--extract is a flag of `clinecli ask`"),
    "ask --live": ("--live", "--live is a flag of `clinecli doctor`"),
    "ask --vision": ("--vision", "--vision is a flag of `clinecli models`"),
    "ask --top_p 1": ("--top_p", "-p top_p=VALUE"),
    "ask --top-p=1": ("--top-p", "-p top_p=VALUE"),
    "ask --reasoning-effort low": ("--reasoning-effort", "--effort"),
    "ask --prompt hi": ("--prompt", "clinecli ask 'QUESTION'"),
    "ask --headers x": ("--headers", "--header"),
    "ask -k": ("-k", "certificates are always checked; --ca-file"),
    "ask --version": ("--version", "clinecli --version"),
    "batch -j 8": ("no such flag: -j", "did you mean --jobs?"),
    "batch --concurrency 8": ("no such flag: --concurrency", "did you mean --jobs?"),
    "batch --continue": ("no such flag: --continue", "with -o FILE, the same command continues"),
    "batch --json": ("no such flag: --json", "every line of the output is JSON"),
    "batch -f rows": ("no such flag: -f", "clinecli batch FILE"),
    "models --search x": ("no such flag: --search", "clinecli models WORD"),
    "ask --xyzzy": ("no such flag: --xyzzy", "see clinecli ask --help"),
    "-m x ask": ("no such flag: -m", "flags come after the command: clinecli ask -m"),
    "--xyzzy": ("no such flag: --xyzzy", "see clinecli --help"),
    "ask --model": ("--model needs a value", "write --model ID; see clinecli ask --help"),
    "ask -f": ("-f needs a value", "write -f FILE; see clinecli ask --help"),
    "ask --json=1": ("'--json' does not take a value", "see clinecli ask --help"),
    "completion": ("completion needs bash|zsh|fish", "see clinecli completion --help"),
    "completion bash zsh": ("unexpected extra argument", "see clinecli completion --help"),
    "aks hi": ("no such command: aks", "did you mean `clinecli ask`? see clinecli --help"),
    "chat": ("no such command: chat", "did you mean `clinecli ask`?"),
    "ls": ("no such command: ls", "did you mean `clinecli models`?"),
    "version": ("no such command: version", "did you mean `clinecli --version`?"),
    "-V": ("no such flag: -V", "did you mean `clinecli --version`?"),
    "-v": ("no such flag: -v", "see clinecli --help"),
    "-V a=b ask": ("no such flag: -V", "flags come after the command: clinecli ask -V"),
    "login": ("no such command: login", "there is no login: set CLINE_API_KEY"),
    "What": ("no such command: What", "a question goes to: clinecli ask 'QUESTION'"),
    "--": ("no command", "see clinecli --help"),
}


@pytest.mark.parametrize("line", SLIPS)
def test_slip(line: str) -> None:
    message, hint = SLIPS[line]
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "--help" in caught.value.hint


@pytest.mark.parametrize(
    "words",
    [
        ["ask", "--api-key", KEY, "hi"],
        ["ask", f"--api-key={KEY}", "hi"],
        ["ask", "--api_key", KEY],
        ["models", "--key", KEY],
        ["doctor", f"--token={KEY}"],
        ["stream", "-u", KEY],
    ],
    ids=lambda words: words[1].partition("=")[0],
)
def test_a_key_has_no_place_on_a_command_line(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(words)
    assert "CLINE_API_KEY, or use --key-file FILE" in caught.value.hint
    assert KEY not in f"{caught.value.message} {caught.value.hint}"


def test_what_is_meant_is_a_flag() -> None:
    names = {name for command in COMMANDS for flag in all_flags(command) for name in flag.names}
    assert {*_FLAGS.values()} <= names
    assert not {f"--{wish}" for wish in _FLAGS} & {flag.long for flag in all_flags("ask")}
