"""How a batch has ended: a line, a JSON object, and the error that decides the exit status."""

from __future__ import annotations

from typing import Any, NamedTuple

from clinecli.batch.progress import duration, failures
from clinecli.batch.stops import Stop
from clinecli.batch.tally import Tally, batch_error, kinds
from clinecli.errors import ClinecliError, CreditError, TransientError
from clinecli.models.catalogue import plain
from clinecli.models.price import usd, usd_text
from clinecli.text import counted


class End(NamedTuple):
    """How it ended. `rows` is how many there are to be answered, None where that is not known;
    `resumes` says whether the same command continues."""

    tally: Tally
    stop: Stop | None
    rows: int | None
    seconds: float
    resumes: bool

    @property
    def left(self) -> int:
        """How many rows have no result, as far as that is known."""
        return max(0, self.rows - self.tally.done) if self.rows is not None else 0


def summary_line(end: End) -> str:
    """The end of a batch for people, on one line."""
    tally = end.tally
    answered = tally.answered + tally.earlier
    parts = [f"{answered:,} of {counted(tally.done + end.left, 'row')} answered"]
    if tally.earlier:
        parts[0] += f" ({tally.earlier:,} of them before)"
    parts += failures(tally)
    if end.left:
        parts.append(f"{end.left:,} left")
    if tally.copied:
        parts.append(f"{tally.copied:,} copied")
    if tokens := _tokens(tally):
        parts.append(tokens)
    if tally.cost:
        parts.append(usd_text(tally.cost))
    retried = f" ({tally.retried:,} of them again)" if tally.retried else ""
    requests = f"{counted(tally.requests, 'request')}{retried}"
    return ", ".join([*parts, requests, duration(end.seconds)])


def _tokens(tally: Tally) -> str:
    prompt, completion = tally.prompt_tokens, tally.completion_tokens
    return f"{prompt:,} prompt + {completion:,} completion tokens" if prompt or completion else ""


def summary_object(end: End, status: int) -> dict[str, Any]:
    """The end of a batch for programs (--summary). The cost is a decimal string, exact."""
    tally = end.tally
    return {
        "rows": end.rows if end.rows is not None else tally.done,
        "answered": tally.answered + tally.earlier,
        "answered_before": tally.earlier,
        "failed": tally.failures,
        "failed_by_kind": {kind.name: kind.rows for kind in kinds(tally.failed)},
        "left": end.left,
        "copied": tally.copied,
        "requests": tally.requests,
        "retried": tally.retried,
        "prompt_tokens": tally.prompt_tokens,
        "completion_tokens": tally.completion_tokens,
        "cost_usd": plain(usd(tally.cost)),
        "seconds": round(end.seconds, 3),
        "exit_status": status,
    }


def end_error(end: End) -> ClinecliError | None:
    """Why a batch did not answer every row; None when it did."""
    tally, stop = end.tally, end.stop
    answered = tally.answered + tally.earlier
    so_far = f"{counted(answered, 'row')} {'is' if answered == 1 else 'are'} answered"
    if end.left:
        so_far += f", {end.left:,} {'has' if end.left == 1 else 'have'} no result"
    continues = (
        "the same command continues"
        if end.resumes
        else ("with --output FILE the same command would continue")
    )
    if stop and stop.error:
        return _stopped(stop.error, so_far, continues)
    if not tally.failures:
        return None
    rows = f"{tally.failures:,} of {counted(tally.done + end.left, 'row')} failed"
    named = ", ".join(f"{kind.name} {kind.rows:,}" for kind in kinds(tally.failed))
    if stop and stop.signal is None:
        return batch_error(
            tally.failed, f"too many rows failed (--max-failures): {named}; {so_far}", continues
        )
    them, lines = ("it", "its line says") if tally.failures == 1 else ("them", "their lines say")
    again = f"the same command asks {them} again" if end.resumes else f"{lines} why"
    return batch_error(tally.failed, f"{rows}: {named}", again)


def _stopped(error: ClinecliError, so_far: str, continues: str) -> ClinecliError:
    wait = error.retry_after
    if wait and isinstance(error, CreditError | TransientError):
        continues = f"wait {duration(wait)}; then {continues}"
    message = f"the batch stopped: {error.message}"
    return error.but(message=f"{message}; {so_far}", hints=(*error.hints, continues))
