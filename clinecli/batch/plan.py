"""What the flags of `batch` mean, as values: nothing is open yet, nothing was sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.batch.rows import Defaults
from clinecli.batch.shard import Shard, parse_shard
from clinecli.batch.source import SETTINGS_BYTES, Form
from clinecli.batch.stops import Tolerance
from clinecli.batch.tasks import Pricing
from clinecli.batch.template import RowTemplate, row_template, template_of
from clinecli.chat import compose
from clinecli.chat.compose import Given
from clinecli.chat.conversation import NO_PROMPT
from clinecli.chat.inputs import Inputs, stdin_flag
from clinecli.chat.prompt_file import parse_prompt_file
from clinecli.chat.request import TOKEN_CAPS, ChatRequest
from clinecli.config.load import load_settings
from clinecli.config.settings import Settings
from clinecli.errors import UsageError
from clinecli.jsontext import dumps
from clinecli.models.price import Prices, cached_prices, parse_usd
from clinecli.options.batch import BatchOptions
from clinecli.options.chat import ChatOptions
from clinecli.streams.inputs import read_text
from clinecli.text import argument


class Plan(NamedTuple):
    """A batch that is understood. `digest` stands for all that decides what a row asks. `cap` is in
    pico-dollars, `rpm` and `tpm` are per minute: each is the shard's part."""

    options: BatchOptions
    settings: Settings
    form: Form
    defaults: Defaults
    request: ChatRequest
    digest: bytes
    shard: Shard | None
    pricing: Pricing
    prices: Prices
    cap: int | None
    rpm: float | None
    tpm: float | None
    tolerance: Tolerance


def request_options(options: BatchOptions) -> ChatOptions:
    """The flags of a request, as `ask` has them."""
    shared = set(ChatOptions._fields) & set(BatchOptions._fields) - {
        "output",
        "max_cost",
        "dry_run",
    }
    given = {name: getattr(options, name) for name in shared}
    return ChatOptions(**given, no_stdin=True)


def plan(options: BatchOptions, inputs: Inputs, environ: Mapping[str, str]) -> Plan:
    """Understand the flags. `inputs` are the files that they name.

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
    given, template = _given(options, inputs, settings)
    form = Form.CSV if options.csv else Form.LINES if options.lines else Form.JSON
    shard = parse_shard(options.shard, environ) if options.shard else None
    parts = shard.parts if shard else 1
    cap = parse_usd(str(options.max_cost), "--max-cost") if options.max_cost else None
    prices = Prices()
    if cap is not None or options.estimate:
        prices = cached_prices(environ, str(settings.base_url))
    defaults = Defaults(_fields(options, given), given.system, given.earlier, template)
    return Plan(
        options,
        settings,
        form,
        defaults,
        given.request,
        _digest(defaults, form),
        shard,
        Pricing(tokens=options.tpm is not None, prices=None if cap is None else prices),
        prices,
        cap=None if cap is None else cap // parts,
        rpm=options.rpm / parts if options.rpm else None,
        tpm=options.tpm / parts if options.tpm else None,
        tolerance=_tolerance(options.max_failures),
    )


def _given(
    options: BatchOptions, inputs: Inputs, settings: Settings
) -> tuple[Given, RowTemplate | None]:
    """What the request flags and the prompt file say, as `ask` understands them."""
    prompt = None
    if options.template is not None:
        prompt = template_of(_template_text(options.template))
    elif inputs.prompt_file:
        prompt = parse_prompt_file(inputs.prompt_file.text, inputs.prompt_file.name)
    said = NO_PROMPT
    if prompt:
        said = said._replace(model=prompt.model, fields=prompt.fields)
    defaults = compose.Defaults(
        settings.model, settings.model_source, settings.referer, settings.title
    )
    given = compose.given(request_options(options), inputs, defaults, said)
    if inputs.schema and given.schema:
        from clinecli.chat.schema import load_schema

        load_schema(given.schema.schema, given.schema.name)
    if prompt is None:
        return given, None
    template = row_template(prompt, inputs.values, replaces_system=bool(given.system))
    return given, template


def _fields(options: BatchOptions, given: Given) -> dict[str, Any]:
    """The fields that rows may leave out. A flag's cap gets the name that a row's model takes."""
    fields = given.request.body
    if options.max_tokens is None:
        return fields
    others = {name: value for name, value in fields.items() if name not in TOKEN_CAPS}
    return {**others, TOKEN_CAPS[0]: options.max_tokens}


def _digest(defaults: Defaults, form: Form) -> bytes:
    template = defaults.template
    messages = template and [
        [message.role, *message.content.parts] for message in template.prompt.messages
    ]
    values = template and sorted(template.values.items())
    what = [defaults.fields, defaults.system, defaults.examples, messages, values, form.value]
    return hashlib.blake2b(dumps(what), digest_size=SETTINGS_BYTES).digest()


# Flags that exclude each other, and why.
_EXCLUDE = (
    ("lines", "csv", "the input has one form"),
    ("restart", "keep_failed", "a new beginning keeps nothing"),
    ("estimate", "dry_run", "each prints something else"),
    ("template", "prompt_file", "both say what is asked"),
    ("merge", "text", "results are merged, which are more than text"),
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
    if stdin_flag(request_options(options)):
        raise UsageError("stdin is for the rows", hint="put the prompt and its values into files")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _template_text(template: str) -> str:
    if template.startswith("@"):
        return read_text(template[1:])
    return argument(template, "--template")


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
