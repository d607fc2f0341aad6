"""`python -I -m clinecli.hooks HOOK`: what `.pre-commit-hooks.yaml` runs.

Neither hook blocks a commit unless it is told to (`--fail`): a model that is not there, or not
right, is no reason not to commit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from clinecli.errors import ExitStatus
from clinecli.text import sanitize

HERE = Path(__file__).parent
# Isolated: the repository that is committed to must not be imported from.
CLINECLI = [sys.executable, "-I", "-m", "clinecli"]
# What is below is the diff that `git commit --verbose` shows, and no message.
SCISSORS = "------------------------ >8 ------------------------"
DIFF = ["git", "diff", "--cached", "--no-color", "--no-ext-diff", "--no-textconv", "--unified=5"]


def main(arguments: Sequence[str]) -> int:
    """Run a hook; its exit status."""
    options = _parse(arguments)
    try:
        return _run(options)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _say(f"{options.hook} skipped: {place}{error.strerror or error}")
        return ExitStatus.USAGE if options.fail else 0


def _run(options: argparse.Namespace) -> int:
    diff = _staged()
    if not diff.strip():
        return 0
    if len(diff) > options.max_bytes:
        _say(f"the diff has {len(diff)} bytes, more than --max-bytes {options.max_bytes}: skipped")
        return 0
    if options.hook == "commit-message":
        return commit_message(options, diff)
    return diff_review(options, diff)


def _staged() -> bytes:
    """The diff that is about to be committed. Raises `OSError` where Git gives none."""
    done = subprocess.run(DIFF, capture_output=True, check=False)
    if done.returncode:
        said = os.fsdecode(done.stderr).partition("\n")[0]
        raise OSError(f"git diff failed; is this a Git repository? ({said})")
    return done.stdout


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="clinecli.hooks", allow_abbrev=False)
    parser.add_argument("hook", choices=["commit-message", "diff-review"])
    parser.add_argument("files", nargs="*", help="the file of the message, from Git")
    parser.add_argument("-m", "--model", help="the model to ask")
    parser.add_argument("--max-bytes", type=int, default=200_000, help="skip larger diffs")
    parser.add_argument("--max-cost", help="USD that one request may cost at most")
    parser.add_argument("--timeout", default="60", help="seconds to wait for the answer")
    parser.add_argument("--fail", action="store_true", help="let errors stop the commit")
    return parser.parse_intermixed_args(arguments)


def commit_message(options: argparse.Namespace, diff: bytes) -> int:
    """Put a draft above what stands in the message's file. A message that the user gave with
    -m, a merge, a squash or an amendment is left alone."""
    if os.environ.get("PRE_COMMIT_COMMIT_MSG_SOURCE") or len(options.files) != 1:
        return 0
    path = Path(options.files[0])
    before = path.read_text("utf-8", "surrogateescape")
    written = before.partition(SCISSORS)[0]
    if any(line.strip() and not line.startswith("#") for line in written.splitlines()):
        return 0
    status, text = _ask(options, "commit_message.prompt.yml", diff)
    if status == 0:
        path.write_text(f"{_harmless(text).strip()}\n{before}", "utf-8", "surrogateescape")
    return status if options.fail else 0


def diff_review(options: argparse.Namespace, diff: bytes) -> int:
    """Print findings like a compiler's."""
    status, text = _ask(options, "diff_review.prompt.yml", diff)
    if status:
        return status if options.fail else 0
    findings = json.loads(text)["findings"]
    for finding in findings:
        place = f"{finding['file']}:{finding['line']}"
        words = " ".join(_harmless(f"{place}: {finding['severity']}: {finding['message']}").split())
        print(words)
    has_error = any(finding["severity"] == "error" for finding in findings)
    return 1 if has_error and options.fail else 0


def _ask(options: argparse.Namespace, prompt: str, diff: bytes) -> tuple[int, str]:
    command = [*CLINECLI, "ask", "-P", str(HERE / prompt), "--var-file", "diff=-"]
    for name in ("model", "max_cost", "timeout"):
        value = getattr(options, name)
        command += [f"--{name.replace('_', '-')}", value] if value else []
    # Its messages are for people, and go where they look.
    done = subprocess.run(
        command,
        input=diff.decode("utf-8", "replace").encode(),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        _say(f"{options.hook} skipped (exit status {done.returncode})")
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _harmless(text: str) -> str:
    """A model's text without anything that a terminal obeys."""
    return sanitize(text)


def _say(text: str) -> None:
    print(f"clinecli: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
