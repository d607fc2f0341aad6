"""What the flags of `batch` mean, as values: nothing is open yet, nothing was sent."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from clinecli.batch.rows import Defaults, Template
from clinecli.batch.shard import Shard, parse_shard
from clinecli.batch.source import SETTINGS_BYTES, Form
from clinecli.batch.stops import Tolerance
from clinecli.batch.tasks import Pricing
from clinecli.batch.template import parse_template
from clinecli.chat import compose
from clinecli.config.keys import load_settings
from clinecli.config.settings import Settings
from clinecli.errors import UsageError
from clinecli.jsontext import dumps
from clinecli.models.price import Prices, cached_prices, parse_usd
from clinecli.options.batch import BatchOptions
from clinecli.options.chat import ChatOptions
from clinecli.streams.files import read_text
from clinecli.text import decode_text


class Plan(NamedTuple):
    """A batch that is understood. `digest` stands for all that decides what a row asks. `cap` is in
    pico-dollars, `rpm` and `tpm` are per minute: each is the shard's part."""

    options: BatchOptions
    settings: Settings
    form: Form
    defaults: Defaults
    headers: tuple[tuple[str, str], ...]
    digest: bytes
    shard: Shard | None
    pricing: Pricing
    prices: Prices
    cap: int | None
    rpm: float | None
    tpm: float | None
    tolerance: Tolerance


def plan(options: BatchOptions, environ: Mapping[str, str]) -> Plan:
    """Understand the flags, and read the files that they name.

    Raises `UsageError`, `ConfigError`.
    """
    _check(options)
    settings = load_settings(
        options.network,
        environ,
        model=options.model,
        referer=options.referer,
        title=options.title,
    )
    given = _given(options, settings)
    text = _template_text(options.template)
    template: Template | None = parse_template(text, "--template") if text is not None else None
    form = Form.CSV if options.csv else Form.LINES if options.lines else Form.JSON
    what = [given.fields, given.system, given.earlier, text, form.value]
    shard = parse_shard(options.shard, environ) if options.shard else None
    parts = shard.parts if shard else 1
    cap = parse_usd(options.max_cost, "--max-cost") if options.max_cost else None
    prices = Prices()
    if cap is not None or options.estimate:
        prices = cached_prices(environ, str(settings.base_url))
    return Plan(
        options,
        settings,
        form,
        Defaults(given.fields, given.system, given.earlier, template),
        given.headers,
        hashlib.blake2b(dumps(what), digest_size=SETTINGS_BYTES).digest(),
        shard,
        Pricing(tokens=options.tpm is not None, prices=None if cap is None else prices),
        prices,
        cap=None if cap is None else cap // parts,
        rpm=options.rpm / parts if options.rpm else None,
        tpm=options.tpm / parts if options.tpm else None,
        tolerance=_tolerance(options.max_failures),
    )


# Flags that exclude each other, and why.
_EXCLUDE = (
    ("lines", "csv", "the input has one form"),
    ("restart", "keep_failed", "a new beginning keeps nothing"),
    ("estimate", "dry_run", "each prints something else"),
)
_NEED_OUTPUT = ("restart", "keep_failed")


def _check(options: BatchOptions) -> None:
    for one, other, why in _EXCLUDE:
        if getattr(options, one) and getattr(options, other):
            raise UsageError(
                f"{_flag(one)} and {_flag(other)} exclude each other: {why}",
                hint="leave one of them out",
            )
    for name in _NEED_OUTPUT:
        if getattr(options, name) and options.output in {None, "-"}:
            raise UsageError(f"{_flag(name)} needs a file", hint="name it by --output FILE")
    for name in ("rpm", "tpm", "grace"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf") and (name != "grace" or value != 0):
            raise UsageError(f"{_flag(name)} must be more than 0, not {value}", hint="e.g. 60")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _given(options: BatchOptions, settings: Settings) -> compose.Given:
    """What the request flags say, as `ask` understands them."""

    def text(path: str | None) -> compose.Named | None:
        return compose.Named(path, read_text(path)) if path else None

    flags = ChatOptions(
        system=options.system,
        temperature=options.temperature,
        max_tokens=options.max_tokens,
        param=options.param,
    )
    inputs = compose.Inputs(
        system=text(options.system_file),
        tools=text(options.tools),
        schema=text(options.schema),
        messages=text(options.messages),
    )
    defaults = compose.Defaults(
        settings.model, settings.model_source, settings.referer, settings.title
    )
    given = compose.given(flags, inputs, defaults)
    if options.schema:
        from clinecli.chat.schema import load_schema

        load_schema(given.schema, options.schema)
    return given


def _template_text(template: str | None) -> str | None:
    if template is None:
        return None
    if template.startswith("@"):
        return read_text(template[1:])
    return decode_text(os.fsencode(template), "--template")


def _tolerance(text: str | None) -> Tolerance:
    if text is None:
        return Tolerance()
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]+)?)\s*(%?)\s*", text)
    if not match or (not match[2] and "." in match[1]) or (match[2] and float(match[1]) > 100):
        raise UsageError(
            f"--max-failures is '{text}', neither a number of rows nor a percentage",
            hint="e.g. --max-failures 10, or --max-failures 2%",
        )
    if match[2]:
        return Tolerance(share=float(match[1]) / 100)
    return Tolerance(number=int(match[1]))
