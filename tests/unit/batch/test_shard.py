from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.batch.shard import Shard, parse_shard
from clinecli.errors import ClinecliError, ConfigError, UsageError

SLURM = {
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "8",
    "SLURM_ARRAY_TASK_COUNT": "8",
    "SLURM_ARRAY_TASK_STEP": "1",
}
GRID = {"SGE_TASK_ID": "4", "SGE_TASK_FIRST": "2", "SGE_TASK_LAST": "8", "SGE_TASK_STEPSIZE": "2"}
GITLAB = {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5"}

# --shard, environment -> part, parts, a part of the source
PLACES: dict[str, tuple[str, dict[str, str], int, int, str]] = {
    "first": ("1/4", {}, 1, 4, "--shard"),
    "last": ("4/4", {}, 4, 4, "--shard"),
    "whole": ("1/1", {}, 1, 1, "--shard"),
    "spaces-around": (" 2/3 ", {}, 2, 3, "--shard"),
    "by-hand-wins-over-a-scheduler": ("2/3", SLURM, 2, 3, "--shard"),
    "slurm": ("auto", SLURM, 3, 8, "SLURM_ARRAY_TASK_ID=3 (Slurm)"),
    "slurm-from-0": (
        "auto",
        {**SLURM, "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "7"},
        4, 8, "SLURM_ARRAY_TASK_ID=3",
    ),
    "slurm-from-5": (
        "auto",
        {"SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"},
        2, 4, "SLURM_ARRAY_TASK_ID=6",
    ),
    "slurm-in-steps": (
        "auto",
        {
            "SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_MIN": "0",
            "SLURM_ARRAY_TASK_MAX": "12", "SLURM_ARRAY_TASK_COUNT": "4",
            "SLURM_ARRAY_TASK_STEP": "4",
        },
        3, 4, "SLURM_ARRAY_TASK_ID=8",
    ),
    "slurm-says-the-same": ("auto/8", SLURM, 3, 8, "Slurm"),
    "aws-batch": (
        "auto",
        {"AWS_BATCH_JOB_ARRAY_INDEX": "0", "AWS_BATCH_JOB_ARRAY_SIZE": "4"},
        1, 4, "AWS_BATCH_JOB_ARRAY_INDEX=0",
    ),
    "kubernetes": ("auto/5", {"JOB_COMPLETION_INDEX": "4"}, 5, 5, "JOB_COMPLETION_INDEX=4"),
    "cloud-run": (
        "auto",
        {"CLOUD_RUN_TASK_INDEX": "1", "CLOUD_RUN_TASK_COUNT": "2"},
        2, 2, "CLOUD_RUN_TASK_INDEX=1",
    ),
    "google-batch": (
        "auto", {"BATCH_TASK_INDEX": "0", "BATCH_TASK_COUNT": "3"}, 1, 3, "BATCH_TASK_INDEX=0",
    ),
    "gitlab": ("auto", GITLAB, 2, 5, "CI_NODE_INDEX=2"),
    "circleci": (
        "auto", {"CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "2"}, 1, 2, "CIRCLE_NODE_INDEX=0",
    ),
    "buildkite": (
        "auto",
        {"BUILDKITE_PARALLEL_JOB": "3", "BUILDKITE_PARALLEL_JOB_COUNT": "4"},
        4, 4, "BUILDKITE_PARALLEL_JOB=3",
    ),
    "grid-engine": ("auto", GRID, 2, 4, "SGE_TASK_ID=4"),
    "grid-engine-without-an-array": (
        "auto", {"SGE_TASK_ID": "undefined", **GITLAB}, 2, 5, "CI_NODE_INDEX=2",
    ),
    "the-first-that-is-set": ("auto", {**GITLAB, **SLURM}, 3, 8, "SLURM_ARRAY_TASK_ID"),
    "empty-is-not-set": ("auto", {**SLURM, **GITLAB, "SLURM_ARRAY_TASK_ID": ""}, 2, 5, "GitLab"),
    "one-task": (
        "auto",
        {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "1"},
        1, 1, "Slurm",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "environ", "part", "parts", "source"), PLACES.values(), ids=PLACES
)
def test_shard(text: str, environ: dict[str, str], part: int, parts: int, source: str) -> None:
    shard = parse_shard(text, environ)
    assert (shard.part, shard.parts, str(shard)) == (part, parts, f"{part}/{parts}")
    assert source in shard.source


# --shard, environment -> error, a part of its message, a part of its hint
REFUSED: dict[str, tuple[str, dict[str, str], type[ClinecliError], str, str]] = {
    "counts-from-1": ("0/4", {}, UsageError, "shards count from 1", "--shard 1/4"),
    "beyond": ("5/4", {}, UsageError, "no part 5 of 4", "--shard 1/4"),
    "of-none": ("1/0", {}, UsageError, "1 to 1000000", ""),
    "of-too-many": ("1/1000001", {}, UsageError, "1 to 1000000", ""),
    "no-total": ("3", {}, UsageError, "does not know '3'", "--shard 1/4"),
    "negative": ("-1/4", {}, UsageError, "does not know", ""),
    "word": ("all", {}, UsageError, "does not know 'all'", ""),
    "empty": ("", {}, UsageError, "does not know", ""),
    "digits-of-another-script": ("١/٤", {}, UsageError, "does not know", ""),
    "automatic-of-none": ("auto/0", SLURM, UsageError, "1 to", ""),
    "no-scheduler": ("auto", {}, ConfigError, "no scheduler", "SLURM_ARRAY_TASK_ID, AWS_BATCH"),
    "kubernetes-without-a-count": (
        "auto", {"JOB_COMPLETION_INDEX": "2"}, ConfigError, "how many tasks", "--shard auto/N",
    ),
    "not-a-number": (
        "auto", {**SLURM, "SLURM_ARRAY_TASK_COUNT": "many"}, ConfigError,
        "SLURM_ARRAY_TASK_COUNT is 'many'", "",
    ),
    "another-count": ("auto/4", SLURM, ConfigError, "Slurm says that there are 8", "leave /N out"),
    "beyond-the-count": ("auto/2", {"JOB_COMPLETION_INDEX": "2"}, ConfigError, "which part", ""),
    "before-the-first": (
        "auto", {"CI_NODE_INDEX": "0", "CI_NODE_TOTAL": "2"}, ConfigError, "which part", "",
    ),
    "slurm-with-gaps": (
        "auto",
        {**SLURM, "SLURM_ARRAY_TASK_MAX": "7", "SLURM_ARRAY_TASK_COUNT": "3"},
        ConfigError, "which part", "without gaps",
    ),
    "slurm-between-steps": (
        "auto",
        {**SLURM, "SLURM_ARRAY_TASK_STEP": "4", "SLURM_ARRAY_TASK_COUNT": "2"},
        ConfigError, "which part", "",
    ),
    # `sbatch --array=3` to repeat one task of eight: all rows would be its own.
    "slurm-one-task-again": (
        "auto",
        {
            "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "3",
            "SLURM_ARRAY_TASK_MAX": "3", "SLURM_ARRAY_TASK_COUNT": "1",
        },
        ConfigError, "which part", "--shard I/N",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "environ", "kind", "message", "hint"), REFUSED.values(), ids=REFUSED
)
def test_refused(
    text: str, environ: dict[str, str], kind: type[ClinecliError], message: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        parse_shard(text, environ)
    assert message in caught.value.message
    assert hint in caught.value.hint


@given(st.text(st.characters(), max_size=20), st.integers(1, 40))
def test_each_row_is_one_shards(row_id: str, parts: int) -> None:
    assert sum(Shard(part, parts).takes(row_id) for part in range(1, parts + 1)) == 1


def test_the_hash_is_as_documented_and_stays() -> None:
    for row_id in ("1", "2", "line 3", "é"):
        first = hashlib.sha256(row_id.encode()).hexdigest()[:16]
        assert Shard(int(first, 16) % 7 + 1, 7).takes(row_id)
    # Written down: another cut would pay for rows twice where a batch goes on.
    assert [n for n in range(1, 21) if Shard(1, 4).takes(str(n))] == [9, 10, 12]


def test_shards_are_of_about_the_same_size() -> None:
    sizes = [sum(Shard(part, 4).takes(str(n)) for n in range(4000)) for part in range(1, 5)]
    assert sum(sizes) == 4000
    assert min(sizes) > 900
