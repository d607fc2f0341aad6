"""The end of the step: what `on-failure` says, and everything that the runner is told.

Standard library alone, since an installation may have failed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from action_outputs import (
    Outcome,
    annotation,
    command,
    fits_output,
    outputs,
    record,
    summary,
)

POLICIES = ("fail", "warn", "fallback")


class Policy(NamedTuple):
    """What a failure means for the step, and what then stands for the reply."""

    name: str = "fail"
    text: str = ""


def read_policy(environ: Mapping[str, str]) -> Policy:
    """The inputs `on-failure`, `fallback-text` and `fallback-file`. Raises `ValueError` with
    what is wrong."""
    name = environ.get("CLINECLI_INPUT_ON_FAILURE", "").strip().lower() or "fail"
    text = environ.get("CLINECLI_INPUT_FALLBACK_TEXT", "")
    path = environ.get("CLINECLI_INPUT_FALLBACK_FILE", "").strip()
    if name not in POLICIES:
        raise ValueError(f"on-failure is one of {', '.join(POLICIES)}, not '{name}'")
    if name != "fallback":
        return Policy(name)
    if bool(text) == bool(path):
        raise ValueError("on-failure: fallback takes fallback-text or fallback-file, one of them")
    try:
        text = text or Path(path).read_text("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ValueError(f"the fallback-file {path} cannot be read: {reason}") from None
    if not text.strip():
        raise ValueError(f"the fallback has no text: {path or 'fallback-text'} is blank")
    return Policy(name, text)


def wrong_input(message: str) -> Outcome:
    """The outcome of a step whose own inputs are wrong: no policy makes that green."""
    error = {"kind": "usage", "message": message, "hint": "correct the inputs under `with:`"}
    return Outcome(status=2, error=error)


def conclude(
    outcome: Outcome,
    environ: Mapping[str, str],
    *,
    fallback_values: Mapping[str, bool | int | float | str] | None = None,
) -> int:
    """Write outputs, summary and annotation; the status of the step.

    `fallback_values` are the typed outputs of the fallback.
    """
    try:
        policy = read_policy(environ)
    except ValueError as error:
        outcome, policy = wrong_input(str(error)), Policy()
    if outcome.status == 0 or policy.name == "fallback":
        text = outcome.text if outcome.status == 0 else policy.text
    else:
        text = ""
    if outcome.status and policy.name == "fallback":
        outcome = outcome._replace(values=fallback_values or {})
    if outcome.error:
        print(annotation(outcome, policy.name))
    path = _keep(text, environ) if text else ""
    records = [record(*pair) for pair in outputs(outcome, path).items()]
    if fits_output(text):
        records.append(record("response", text))
    else:
        records.append(record("response", ""))
        print(command("warning", f"the reply is larger than an output may be: read {path}"))
    _append(environ, "GITHUB_OUTPUT", "".join(records))
    model = environ.get("CLINECLI_INPUT_MODEL", "")
    _append(environ, "GITHUB_STEP_SUMMARY", summary(outcome, model, policy.name))
    return outcome.status if policy.name == "fail" else 0


def _keep(text: str, environ: Mapping[str, str]) -> str:
    """Write the reply where later steps find it; the runner clears the place after the job."""
    folder = tempfile.mkdtemp(prefix="clinecli-", dir=environ.get("RUNNER_TEMP") or None)
    path = Path(folder) / "response.txt"
    path.write_bytes(text.encode("utf-8", "replace"))
    return str(path)


def _append(environ: Mapping[str, str], variable: str, text: str) -> None:
    if environ.get(variable):
        with Path(environ[variable]).open("ab") as file:
            file.write(text.encode("utf-8", "replace"))
