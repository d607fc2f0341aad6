"""Which rows are this process's own, where several share the work.

A row belongs to shard I of N when `int(SHA-256(id)[:8], big-endian) mod N` is I - 1: the same on
every machine, in every version, whatever else the input holds. Shards count from 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from clinecli.errors import ConfigError, UsageError

_MOST_SHARDS = 1_000_000
_HINT = "write it like --shard 1/4, or --shard auto where a scheduler numbers the tasks"


class Shard(NamedTuple):
    """Part `part` of `parts`, from 1. `source` says where that was read."""

    part: int
    parts: int
    source: str = "--shard"

    def __str__(self) -> str:
        return f"{self.part}/{self.parts}"

    def takes(self, row_id: str) -> bool:
        """Whether the row of this id is one of the shard's."""
        digest = hashlib.sha256(row_id.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.parts == self.part - 1


class _Scheduler(NamedTuple):
    """The variables in which a scheduler numbers the tasks of a job.

    `first` is the number of the first task: a constant, or the variable that has it. How many
    tasks there are is in `tasks`, or follows from the last one's number. They are `step` apart.
    """

    name: str
    task: str
    first: int | str
    tasks: str | None
    last: str | None = None
    step: str | None = None


_SCHEDULERS = (
    _Scheduler("Slurm", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_COUNT",
               "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP"),
    _Scheduler("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", 0, "AWS_BATCH_JOB_ARRAY_SIZE"),
    _Scheduler("Kubernetes", "JOB_COMPLETION_INDEX", 0, None),
    _Scheduler("Cloud Run", "CLOUD_RUN_TASK_INDEX", 0, "CLOUD_RUN_TASK_COUNT"),
    _Scheduler("Google Batch", "BATCH_TASK_INDEX", 0, "BATCH_TASK_COUNT"),
    _Scheduler("GitLab", "CI_NODE_INDEX", 1, "CI_NODE_TOTAL"),
    _Scheduler("CircleCI", "CIRCLE_NODE_INDEX", 0, "CIRCLE_NODE_TOTAL"),
    _Scheduler("Buildkite", "BUILDKITE_PARALLEL_JOB", 0, "BUILDKITE_PARALLEL_JOB_COUNT"),
    _Scheduler("Grid Engine", "SGE_TASK_ID", "SGE_TASK_FIRST", None, "SGE_TASK_LAST",
               "SGE_TASK_STEPSIZE"),
)  # fmt: skip
# Grid Engine's word in a job that is no array.
_UNSET = {"", "undefined"}


def parse_shard(text: str, environ: Mapping[str, str]) -> Shard:
    """The shard that `--shard` names: `I/N`, `auto`, or `auto/N`.

    Raises `UsageError` for anything else, and `ConfigError` where the scheduler's variables do not
    say which part this is.
    """
    match = re.fullmatch(r"(?:(auto)|([0-9]{1,9}))(?:/([0-9]{1,9}))?", text.strip())
    if not match or not (match[1] or match[3]):
        raise UsageError(f"--shard does not know '{text}'", hint=_HINT)
    count = int(match[3]) if match[3] else None
    if count is not None and not 1 <= count <= _MOST_SHARDS:
        raise UsageError(f"--shard {text}: there can be 1 to {_MOST_SHARDS} shards", hint=_HINT)
    if match[1]:
        return _from_scheduler(environ, count)
    part = int(match[2])
    if part == 0:
        raise UsageError(
            f"--shard {text}: shards count from 1",
            hint=f"the first is --shard 1/{count}, the last --shard {count}/{count}",
        )
    if count is None or part > count:
        raise UsageError(f"--shard {text}: there is no part {part} of {count}", hint=_HINT)
    return Shard(part, count)


def _from_scheduler(environ: Mapping[str, str], given: int | None) -> Shard:
    """The shard that the first scheduler's variables name, `given` being N of `auto/N`."""
    for scheduler in _SCHEDULERS:
        if _number(scheduler.task, environ) is not None:
            return _placed(_array(scheduler, environ, given), given)
    names = ", ".join(scheduler.task for scheduler in _SCHEDULERS)
    raise ConfigError(
        "--shard auto: no scheduler numbers this task",
        hint=f"it reads the first that is set of {names}; elsewhere write --shard I/N",
    )


def _number(variable: str | None, environ: Mapping[str, str]) -> int | None:
    text = environ.get(variable or "", "").strip()
    if text in _UNSET:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ConfigError(f"--shard auto: {variable} is '{text}', not a number", hint=_HINT)
    return int(text)


class _Array(NamedTuple):
    """What a scheduler says: its name for this task, the task's number, the first one's, how many
    there are, and how many fit between first and last."""

    source: str
    task: int
    first: int
    step: int
    tasks: int
    spanned: int


def _array(scheduler: _Scheduler, environ: Mapping[str, str], given: int | None) -> _Array:
    task = _number(scheduler.task, environ) or 0
    source = f"{scheduler.task}={task} ({scheduler.name})"
    # Where the user decides what the first one is, it is 1 unless something else is told.
    first = scheduler.first
    if isinstance(first, str):
        told_first = _number(first, environ)
        first = 1 if told_first is None else told_first
    step = _number(scheduler.step, environ) or 1
    last = _number(scheduler.last, environ)
    spanned = None if last is None else (last - first) // step + 1
    told = _number(scheduler.tasks, environ)
    told = spanned if told is None else told
    if told is not None and given not in {None, told}:
        raise ConfigError(
            f"--shard auto/{given}: {scheduler.name} says that there are {told} tasks",
            hint="leave /N out, or name the part yourself with --shard I/N",
        )
    tasks = given if told is None else told
    if tasks is None:
        raise ConfigError(
            f"--shard auto: {scheduler.name} does not tell how many tasks there are",
            hint=f"write --shard auto/N; this task is {source}",
        )
    return _Array(source, task, first, step, tasks, tasks if spanned is None else spanned)


def _placed(array: _Array, given: int | None) -> Shard:
    place, odd = divmod(array.task - array.first, array.step)
    # Part of an array, as in `sbatch --array=3` or `--array=1,3,7`: the whole is not told.
    gaps = odd or array.spanned != array.tasks or not 0 <= place < array.tasks
    if gaps or (array.tasks == 1 and array.task > 1 and given is None):
        raise ConfigError(
            f"--shard auto: {array.source} in an array of {array.tasks} does not tell "
            "which part of the whole this is",
            hint="number the tasks without gaps, or name the part yourself with --shard I/N",
        )
    return Shard(place + 1, array.tasks, array.source)
