"""What the command line says: one frozen object per command, before any file is read.

Field names are the names of the flags; those of `network` are flags of their own. `None`
means "not given", so that settings can fall back to the environment and the config file.

Named tuples and not dataclasses: they are made in a tenth of the time, at every start.
"""

from __future__ import annotations

from typing import NamedTuple

# `list` is a field below, which would hide the type in the annotation of another.
Words = list[str]
DEFAULT_MODEL = "anthropic/claude-sonnet-4-6"


class NetworkOptions(NamedTuple):
    """Flags of every command that talks to the API. Times are in seconds."""

    base_url: str | None = None
    key_file: str | None = None
    proxy: str | None = None
    ca_file: str | None = None
    connect_timeout: float | None = None
    idle_timeout: float | None = None
    timeout: float | None = None
    retries: int | None = None
    verbose: bool = False
    quiet: bool = False


class ChatOptions(NamedTuple):
    """Flags of `ask` and `stream`; `extract` is of `ask` alone."""

    network: NetworkOptions = NetworkOptions()
    prompt: list[str] | None = None
    no_stdin: bool = False
    model: str | None = None
    system: str | None = None
    system_file: str | None = None
    file: list[str] | None = None
    image: list[str] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    param: list[str] | None = None
    tools: str | None = None
    schema: str | None = None
    messages: str | None = None
    thread: str | None = None
    request: str | None = None
    referer: str | None = None
    title: str | None = None
    json: bool = False
    extract: bool = False
    output: str | None = None
    usage: bool = False
    reasoning: bool = False
    dry_run: bool = False
    curl: bool = False


class BatchOptions(NamedTuple):
    """Flags of `batch`. `words` are the input, and with `merge` the outputs of shards. `timeout` of
    `network` is for a row; `grace` is in seconds, `rpm` and `tpm` are per minute."""

    network: NetworkOptions = NetworkOptions()
    words: list[str] | None = None
    lines: bool = False
    csv: bool = False
    template: str | None = None
    model: str | None = None
    system: str | None = None
    system_file: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    param: list[str] | None = None
    tools: str | None = None
    schema: str | None = None
    messages: str | None = None
    referer: str | None = None
    title: str | None = None
    output: str | None = None
    errors: str | None = None
    text: bool = False
    ordered: bool = False
    restart: bool = False
    keep_failed: bool = False
    skip_bad: bool = False
    dedupe: bool = False
    jobs: int = 8
    rpm: float | None = None
    tpm: float | None = None
    max_cost: str | None = None
    max_failures: str | None = None
    grace: float = 10.0
    shard: str | None = None
    merge: bool = False
    estimate: bool = False
    dry_run: bool = False
    summary: str | None = None


class MockOptions(NamedTuple):
    """Flags of `mock`. `delay` is in seconds per token; `fault` entries are `NAME[:N]`."""

    command: list[str] | None = None
    port: int | None = None
    delay: float = 0.0
    reply: str | None = None
    fault: list[str] | None = None
    replay: str | None = None


class ModelsOptions(NamedTuple):
    """Flags of `models`. Prices are in USD per million tokens."""

    network: NetworkOptions = NetworkOptions()
    words: list[str] | None = None
    free: bool = False
    recommended: bool = False
    vision: bool = False
    tools: bool = False
    reasoning: bool = False
    min_context: int | None = None
    max_price: float | None = None
    sort: str | None = None
    reverse: bool = False
    ids: bool = False
    json: bool = False
    refresh: bool = False
    offline: bool = False


class DoctorOptions(NamedTuple):
    """Flags of `doctor`."""

    network: NetworkOptions = NetworkOptions()
    checks: Words | None = None
    model: str | None = None
    json: bool = False
    live: bool = False
    request: str | None = None
    strict: bool = False
    list: bool = False


class CompletionOptions(NamedTuple):
    """Arguments of `completion`."""

    shell: str
