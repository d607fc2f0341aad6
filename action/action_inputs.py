"""The action's inputs to a command line of `clinecli ask`, and to the files that go with it.

Nothing of an input becomes a word of a command line that a shell reads, and neither key nor
prompt nor header becomes an argument: others on the machine can read those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from clinecli.chat.prompt_file import PromptFile
from clinecli.chat.template import INPUT, parse_values
from clinecli.errors import ConfigError, UsageError
from clinecli.jsontext import dumps

PREFIX = "CLINECLI_INPUT_"
_GITHUB_TOKEN = re.compile(r"(?:gh[pousr]_|github_pat_)\w+")
_RETIRED = re.compile(r"(?:https?://)?models\.(?:github\.ai|inference\.ai\.azure\.com)\b", re.I)
_SECRET_HEADER = re.compile(r"key|token|secret|password|auth|cookie|signature", re.IGNORECASE)


class Inputs(NamedTuple):
    """The inputs that shape the call, by their names in `action.yml`."""

    prompt: str = ""
    prompt_file: str = ""
    input: str = ""
    file_input: str = ""
    system_prompt: str = ""
    system_prompt_file: str = ""
    model: str = ""
    max_tokens: str = ""
    max_completion_tokens: str = ""
    temperature: str = ""
    top_p: str = ""
    custom_headers: str = ""
    endpoint: str = ""
    token: str = ""
    schema: str = ""
    timeout: str = ""
    max_cost: str = ""
    fallback: str = ""
    mock: str = ""
    replay: str = ""
    enable_github_mcp: str = ""
    github_mcp_token: str = ""
    github_mcp_toolsets: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the mock answers."""
        return bool(self.replay) or is_true(self.mock, "mock")

    @property
    def key(self) -> str:
        """The API key; empty for a GitHub token, which is never sent."""
        return "" if _GITHUB_TOKEN.fullmatch(self.token) else self.token

    @property
    def is_prompt_yaml(self) -> bool:
        """Whether `prompt-file` has messages of its own, by the name that the format has."""
        return self.prompt_file.lower().endswith((".prompt.yml", ".prompt.yaml"))


def read_inputs(environ: Mapping[str, str]) -> Inputs:
    """The inputs as the composite hands them over, without white space around them, as every
    JavaScript action gets them. A prompt of nothing else stays one, and is told as empty."""
    given = {name: environ.get(f"{PREFIX}{name.upper()}", "") for name in Inputs._fields}
    trimmed = {name: text.strip() for name, text in given.items()}
    return Inputs(**{**trimmed, "prompt": trimmed["prompt"] or given["prompt"]})


def is_true(text: str, name: str) -> bool:
    """A boolean input. Raises `UsageError`."""
    values = {"true": True, "false": False, "": False}
    if text.lower() not in values:
        raise UsageError(f"{name} is true or false, not '{text}'", hint=f"write {name}: true")
    return values[text.lower()]


class Plan(NamedTuple):
    """What to run. `files` are to be written first, by their paths; the values in `masked`
    belong into no log."""

    arguments: tuple[str, ...] = ()
    stdin: str = ""
    files: Mapping[str, str] = {}
    masked: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Plan) -> Plan:  # type: ignore[override]
        """Both: the words of one after those of the other."""
        return Plan(
            self.arguments + other.arguments,
            self.stdin + other.stdin,
            {**self.files, **other.files},
            self.masked + other.masked,
            self.warnings + other.warnings,
        )


def check(inputs: Inputs, *, has_other_key: bool) -> None:
    """Refuse what cannot work. The mock needs neither key nor endpoint, so that workflows of
    ai-inference can be tried as they are. Raises `UsageError` and `ConfigError`."""
    is_true(inputs.mock, "mock")
    mcp = inputs.github_mcp_token or inputs.github_mcp_toolsets
    if mcp or is_true(inputs.enable_github_mcp, "enable-github-mcp"):
        raise UsageError(
            "the inputs enable-github-mcp, github-mcp-token and github-mcp-toolsets have no "
            "counterpart here: no tools are called",
            hint="remove them; fetch what the model needs in a step before, with `gh`, and pass "
            "it by file_input",
        )
    if inputs.is_local:
        return
    if _RETIRED.match(inputs.endpoint):
        raise ConfigError(
            f"{inputs.endpoint} was retired with GitHub Models on 2026-07-30",
            hint="remove the input endpoint, or give it the root of an OpenAI-compatible API",
        )
    if inputs.token and not inputs.key and not has_other_key:
        raise ConfigError(
            "the input token is a GitHub token, which no model API takes: nothing was sent",
            hint="give it a key of the API: token: ${{ secrets.CLINE_API_KEY }}",
        )


def make_plan(inputs: Inputs, prompt: PromptFile | None, prompt_text: str, folder: str) -> Plan:
    """The call that the inputs ask for, with private files in `folder`. `prompt` is what a
    `.prompt.yml` says, `prompt_text` the text of any other `prompt-file`. Raises `UsageError`."""
    said = {**prompt.fields, **({"model": prompt.model} if prompt.model else {})} if prompt else {}
    what = _structured(inputs, prompt, folder) if prompt else _plain(inputs, prompt_text, folder)
    plan = what + _parameters(inputs, said) + _headers(inputs.custom_headers, folder)
    if inputs.token and not inputs.key and not inputs.is_local:
        warning = "the input token is a GitHub token: the key of the environment is used"
        plan += Plan(warnings=(warning,))
    return plan


def _plain(inputs: Inputs, prompt_text: str, folder: str) -> Plan:
    """One user message, and a system message where one is given."""
    if not inputs.prompt and not inputs.prompt_file:
        raise UsageError("there is no prompt", hint="give the input prompt or prompt-file")
    plan = Plan(("-",), prompt_text if inputs.prompt_file else inputs.prompt)
    if inputs.system_prompt_file:
        plan += Plan(("--system-file", inputs.system_prompt_file))
    elif inputs.system_prompt:
        path = f"{folder}/system.txt"
        plan += Plan(("--system-file", path), files={path: inputs.system_prompt})
    if inputs.input or inputs.file_input:
        warning = "input and file_input fill in .prompt.yml files alone: they are not used"
        plan += Plan(warnings=(warning,))
    return plan


def _structured(inputs: Inputs, prompt: PromptFile, folder: str) -> Plan:
    """The messages of a `.prompt.yml`. As with ai-inference, `prompt` and `system-prompt` do
    not count beside it; but where it has a place for a prompt, that is filled."""
    values = parse_values(inputs.input, "input")
    paths = parse_values(inputs.file_input, "file_input")
    takes_prompt = INPUT in prompt.variables and INPUT not in values.keys() | paths.keys()
    has_prompt = bool(inputs.prompt and takes_prompt)
    plan = Plan(("--prompt-file", inputs.prompt_file, "-" if has_prompt else "--no-stdin"))
    plan = plan._replace(stdin=inputs.prompt if has_prompt else "")
    own = {name: text for name, text in values.items() if name not in paths}
    if own:
        path = f"{folder}/variables.json"
        plan += Plan(("--vars", path), files={path: dumps(own).decode()})
    for name, path in paths.items():
        plan += Plan(("--var-file", f"{name}={_path(name, path)}"))
    unused = {
        "prompt": inputs.prompt and not has_prompt,
        "system-prompt": inputs.system_prompt or inputs.system_prompt_file,
    }
    return plan + Plan(
        warnings=tuple(
            f"{name} is not used beside a .prompt.yml, which has messages of its own"
            for name, is_given in unused.items()
            if is_given
        )
    )


def _path(name: str, path: str) -> str:
    """The file of a variable: stdin is not the workflow's to give."""
    if not path:
        raise UsageError(f"file_input names no file for '{name}'", hint=f"write {name}: PATH")
    return f"./{path}" if path == "-" else path


def _parameters(inputs: Inputs, said: Mapping[str, Any]) -> Plan:
    """Flags of either kind of prompt. What a `.prompt.yml` has `said` counts more than an input,
    as with ai-inference."""
    words: list[str] = []
    for name in ("model", "temperature", "schema", "timeout"):
        text = getattr(inputs, name)
        if text and name not in said:
            words += [f"--{name}", text]
    if inputs.max_cost and not inputs.is_local:
        words += ["--max-cost", inputs.max_cost]
    if inputs.top_p and "top_p" not in said:
        words += ["--param", f"top_p={_top_p(inputs.top_p)}"]
    if not said.keys() & {"max_tokens", "max_completion_tokens"}:
        words += _cap(inputs)
    for model in re.split(r"[,\s]+", inputs.fallback):
        words += ["--fallback", model] if model else []
    return Plan(tuple(words))


def _cap(inputs: Inputs) -> list[str]:
    count = inputs.max_completion_tokens
    if not count:
        return ["--max-tokens", inputs.max_tokens] if inputs.max_tokens else []
    if not re.fullmatch(r"0*[1-9][0-9]*", count):
        raise UsageError(
            f"max-completion-tokens: '{count}' is not a whole number, 1 or more",
            hint="correct the input max-completion-tokens",
        )
    return ["--param", f"max_completion_tokens={count.lstrip('0')}"]


def _top_p(text: str) -> str:
    """A number for `--param`, where other text would become a string."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1:
        raise UsageError(
            f"top-p: '{text}' is not a number from 0 to 1", hint="correct the input top-p"
        )
    return str(number)


def _headers(text: str, folder: str) -> Plan:
    """`custom-headers` as lines of a file for `--header`."""
    headers = parse_values(text, "custom-headers")
    for name, value in headers.items():
        if len(f"{name}{value}.".splitlines()) > 1:
            raise UsageError(
                f"the custom header '{name.splitlines()[0]}' has more than one line",
                hint="a header is one line: `name: value`",
            )
    if not headers:
        return Plan()
    lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
    masked = tuple(value for name, value in headers.items() if _SECRET_HEADER.search(name))
    path = f"{folder}/headers.txt"
    return Plan(("--header", f"@{path}"), files={path: lines}, masked=masked)


# What clinecli calls by its own names, and a workflow by those of the inputs.
_SPELLINGS = (
    (re.compile(r"CLINE_API_KEY_FILE \([^)]*\)"), "the input token"),
    (re.compile(r"(?:-\w/)?--(model|temperature|max-tokens|max-cost|timeout|schema|fallback)\b"),
     r"the input \1"),
    (re.compile("see clinecli ask --help"), "correct the inputs under `with:`"),
)  # fmt: skip


def in_terms_of_inputs(error: Mapping[str, Any]) -> dict[str, Any]:
    """An error whose message and hint name inputs instead of flags."""
    told = {name: str(error.get(name) or "") for name in ("message", "hint")}
    for pattern, words in _SPELLINGS:
        told = {name: pattern.sub(words, text) for name, text in told.items()}
    return {**error, **told}
