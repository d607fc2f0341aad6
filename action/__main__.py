"""The step itself: inputs of the action to one call of clinecli, and its end to outputs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from action_inputs import (
    PREFIX,
    Inputs,
    Plan,
    check,
    in_terms_of_inputs,
    make_plan,
    read_inputs,
)
from action_outputs import Outcome, command, line
from conclude import conclude, read_policy, wrong_input
from typed_values import typed_values, without_fence

from clinecli.chat.prompt_file import PromptFile, parse_prompt_file
from clinecli.errors import ClinecliError, ConfigError, ExitStatus
from clinecli.jsontext import parse_json
from clinecli.streams.inputs import read_text

# Isolated: a module that lies in the checkout must not be imported.
CLINECLI = [sys.executable, "-I", "-m", "clinecli"]
KEY_VARIABLES = ("CLINE_API_KEY", "CLINE_API_KEY_FILE")
DIAGNOSED = (ExitStatus.AUTH, ExitStatus.CREDIT, ExitStatus.CONNECTION, ExitStatus.TLS)
HELPER_SECONDS = 60


class Call(NamedTuple):
    """A call that can be run: its files are there."""

    plan: Plan
    environment: dict[str, str]
    is_local: bool
    replay: str


def main() -> int:
    """Run the step; its exit status."""
    try:
        policy = read_policy(os.environ)
    except ValueError as error:
        return conclude(wrong_input(str(error)), os.environ)
    inputs = read_inputs(os.environ)
    try:
        check(inputs, has_other_key=_has_key(os.environ))
    except ClinecliError as error:
        # What can never work must not become green by a policy for failures.
        return conclude(_failed(error), {**os.environ, f"{PREFIX}ON_FAILURE": "fail"})
    schema = None
    try:
        prompt, text = _prompt(inputs)
        schema = _schema(inputs, prompt)
        with tempfile.TemporaryDirectory(dir=os.environ.get("RUNNER_TEMP") or None) as folder:
            plan = make_plan(inputs, prompt, text, folder)
            if schema is not None:
                # A fence around a reply that is right costs nothing.
                plan += Plan(("--repair", "0"))
            outcome = _ask(_prepare(inputs, plan, Path(folder)))
    except ClinecliError as error:
        outcome = _failed(error)
    if outcome.status == 0 and schema is not None:
        text = without_fence(outcome.text)
        outcome = outcome._replace(text=text, values=typed_values(schema, text))
    return conclude(outcome, os.environ, fallback_values=typed_values(schema, policy.text))


def _failed(error: ClinecliError) -> Outcome:
    return Outcome(status=int(error.status), error=error.as_dict())


def _prompt(inputs: Inputs) -> tuple[PromptFile | None, str]:
    if not inputs.prompt_file:
        return None, ""
    text = read_text(inputs.prompt_file)
    if inputs.is_prompt_yaml:
        return parse_prompt_file(text, inputs.prompt_file), ""
    return None, text


def _schema(inputs: Inputs, prompt: PromptFile | None) -> Any:
    if inputs.schema:
        return parse_json(read_text(inputs.schema), inputs.schema)
    return prompt.schema if prompt else None


def _prepare(inputs: Inputs, plan: Plan, folder: Path) -> Call:
    """Write the private files and hide the secrets. Raises `ConfigError` without a key."""
    for secret in (inputs.token, *plan.masked):
        _mask(secret)
    for warning in plan.warnings:
        print(command("warning", warning, title="clinecli"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    if not inputs.is_local:
        _add_access(inputs, environment, folder)
    for path, text in plan.files.items():
        _write(Path(path), text)
    return Call(plan, environment, inputs.is_local, inputs.replay)


def _mask(secret: str) -> None:
    for part in secret.splitlines():
        if part.strip():
            print(command("add-mask", part.strip()), flush=True)


def _add_access(inputs: Inputs, environment: dict[str, str], folder: Path) -> None:
    if inputs.endpoint:
        environment["CLINE_API_BASE_URL"] = inputs.endpoint
    if inputs.key:
        for name in KEY_VARIABLES:
            environment.pop(name, None)
        _write(folder / "key", inputs.key)
        environment["CLINE_API_KEY_FILE"] = str(folder / "key")
    elif not _has_key(environment):
        raise _no_key()
    _mask(environment.get("CLINE_API_KEY", ""))


def _has_key(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) for name in KEY_VARIABLES)


def _no_key() -> ConfigError:
    reason = _why_no_secret(os.environ)
    if reason:
        return ConfigError(
            f"there is no API key: {reason}",
            hint="leave this step out for such runs (`if:`), use `mock: true` or `replay: FILE`, "
            "or choose on-failure: warn",
        )
    return ConfigError(
        "there is no API key: the input token is empty",
        hint="add the secret CLINE_API_KEY under Settings > Secrets and variables > Actions, and "
        "pass it: token: ${{ secrets.CLINE_API_KEY }}",
    )


def _why_no_secret(environ: Mapping[str, str]) -> str:
    """Why GitHub withholds secrets from this run; empty when it does not."""
    if environ.get("GITHUB_ACTOR") == "dependabot[bot]":
        return "runs of Dependabot see the secrets of Dependabot alone"
    if environ.get("GITHUB_EVENT_NAME") != "pull_request":
        return ""
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_bytes())
        head, base = (event["pull_request"][side]["repo"] for side in ("head", "base"))
        is_fork = head is None or head["full_name"] != base["full_name"]
    except (KeyError, OSError, TypeError, ValueError):
        return ""
    return "GitHub gives no secrets to pull requests from forks" if is_fork else ""


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _ask(call: Call) -> Outcome:
    """Run the call, and doctor where it can say more."""
    wrapper = [
        "mock",
        *(["--replay", call.replay, "--strict"] if call.replay else []),
        "--",
        *CLINECLI,
    ]
    ask = [*CLINECLI, *(wrapper if call.is_local else []), "ask", "--json", "--usage"]
    ask += call.plan.arguments
    started = time.monotonic()
    done = subprocess.run(
        ask,
        input=call.plan.stdin.encode("utf-8", "surrogateescape"),
        capture_output=True,
        env=call.environment,
        check=False,
    )
    outcome = read_run(done.returncode, done.stdout, done.stderr)
    outcome = outcome._replace(seconds=time.monotonic() - started)
    if outcome.error:
        outcome = outcome._replace(error=in_terms_of_inputs(outcome.error))
    # The user's own limit is no trouble of the API.
    is_limit = outcome.error.get("code") == "max_cost"
    if outcome.status in DIAGNOSED and not call.is_local and not is_limit:
        finding = _diagnose(call)
        outcome = outcome._replace(error={**outcome.error, "doctor": finding})
    return outcome


def read_run(status: int, stdout: bytes, stderr: bytes) -> Outcome:
    """What a run of `ask --json --usage` says. Its notes go to the log."""
    status = status if status >= 0 else 128 - status
    error: dict[str, Any] = {}
    report: dict[str, Any] = {}
    said: list[str] = []
    for raw in stderr.decode("utf-8", "replace").splitlines():
        item = _json_object(raw)
        if "error" in item:
            error = item["error"]
        elif "usage" in item:
            report = item
        elif raw:
            said.append(str(item.get("note", raw)))
            print(line(said[-1]))
    if status and not error:
        error = _plain_error(status, said)
    text = "" if status else _content(_json_object(stdout.decode("utf-8", "surrogatepass")))
    if not status and not text.strip():
        status = int(ExitStatus.INCOMPLETE)
        error = {"kind": "incomplete", "message": "the reply has no text, but calls tools"}
    return Outcome(
        status,
        text,
        error,
        str(report.get("model") or ""),
        str(report.get("request_id") or ""),
        _usage(report),
    )


def _plain_error(status: int, said: Sequence[str]) -> dict[str, Any]:
    """The error of a run that ended before `--json` was known, such as that of the mock."""
    found = dict(re.findall(r"^clinecli: (error|hint): (.*)", "\n".join(said), re.MULTILINE))
    labels = {each.value: each.label for each in ExitStatus}
    return {
        "kind": labels.get(status, "internal") if found else "internal",
        "message": found.get("error", f"clinecli ended with status {status}"),
        "hint": found.get("hint", ""),
    }


def _usage(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the last reply used, and what all of them cost where there were more."""
    usage = report.get("usage")
    total = {"total_cost": report["total_cost"]} if "total_cost" in report else {}
    return {**(usage if isinstance(usage, dict) else {}), **total}


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _content(reply: Mapping[str, Any]) -> str:
    return str(reply["choices"][0]["message"].get("content") or "")


def _diagnose(call: Call) -> str:
    """The root cause that doctor finds, in a line; empty when it finds none."""
    report = _json_object(_run(["doctor", "--json"], call))
    for check_ in report.get("checks", []):
        if check_["id"] == report.get("root_cause"):
            return f"{check_['id']}: {check_['summary']} ({check_['remedy']})"
    return ""


def _run(words: list[str], call: Call) -> str:
    """What another command of clinecli prints for the same API; its failure is no failure."""
    try:
        done = subprocess.run(
            [*CLINECLI, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=call.environment,
            timeout=HELPER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main())
