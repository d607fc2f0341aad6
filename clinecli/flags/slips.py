"""A command line that is wrong: what is meant, in one line, and where to read on.

Imported for a mistake alone. The tables hold what users of other tools type (OpenAI's and
llm's flags, curl's); a value is never repeated, since it may be a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from clinecli.errors import UsageError
from clinecli.flags.parser import PROGRAM, NoCommand
from clinecli.flags.table import COMMANDS, all_flags, argument
from clinecli.options.flag import Flag

_KEY = (
    "the key never goes on a command line, where others can read it: set CLINE_API_KEY, "
    "or use --key-file FILE"
)
_FIELD = "any other field of the request is set by -p: -p {field}=VALUE"
# What is meant, by the flags that people try. One that is `text` has no flag of ours.
_MEANT = {
    "--output": "output-file out outfile save",
    "--schema": "json-schema response-format structured-output",
    "--max-tokens": "max-completion-tokens max-output-tokens num-predict maxtokens",
    "--temperature": "temp",
    "--system": "system-prompt system-message instructions",
    "--thread": "conversation continue history session resume cid chat c",
    "--request": "data data-binary data-raw body d",
    "--tools": "functions tool function",
    "--param": "option options set",
    "--header": "headers",
    "--effort": "reasoning-effort",
    "--prompt-file": "template",
    "--var": "variable variables",
    "--fallback": "fallback-model fallbacks",
    "--max-cost": "budget max-budget max-spend",
    "--extract": "code extract-last xl",
    "--file": "attachment attach attachments files fragment a",
    "--image": "images picture",
    "--ca-file": "cacert ca-bundle ca-cert cafile",
    "--timeout": "max-time request-timeout",
    "--retries": "retry max-retries",
    "--quiet": "silent no-progress",
    "--verbose": "debug trace",
    "--base-url": "url api-base api-url base endpoint host",
    "--dry-run": "dryrun noop",
    "--no-stdin": "nostdin no-input",
}
_TEXTS = {
    _KEY: "api-key apikey key token openai-api-key auth-token bearer user u",
    "use `clinecli stream`": "stream",
    "use `clinecli ask`, which does not stream": "no-stream nostream",
    "the message is a word of its own: clinecli {command} 'QUESTION'": (
        "prompt message query question content"
    ),
    "certificates are always checked; --ca-file FILE trusts one more authority": (
        "insecure k no-verify verify"
    ),
    "the models are listed by `clinecli models`": "models list-models",
    "it is a flag of its own: clinecli --version": "version",
    _FIELD: (
        "top-p top-k min-p seed stop n frequency-penalty presence-penalty repetition-penalty "
        "logprobs logit-bias tool-choice parallel-tool-calls service-tier"
    ),
}
# What the same words mean for one command.
_TEXTS_OF = {
    "stream": {"leave it out: `clinecli stream` streams": "stream"},
    "batch": {
        "did you mean --jobs?": "j concurrency max-concurrency parallel workers threads",
        "with -o FILE, the same command continues": "resume continue",
        "leave it out: every line of the output is JSON": "json jsonl",
        "the input is a word of its own: clinecli batch FILE": "input i file f",
    },
    "models": {
        "write the words to look for alone: clinecli models WORD": "search filter query model m",
    },
}
_FLAGS = {wish: flag for flag, wishes in _MEANT.items() for wish in wishes.split()}
_ADVICE = {wish: text for text, wishes in _TEXTS.items() for wish in wishes.split()}
_ADVICE_OF = {
    command: {wish: text for text, wishes in texts.items() for wish in wishes.split()}
    for command, texts in _TEXTS_OF.items()
}
_COMMAND_WISHES = {
    "chat": "ask",
    "prompt": "ask",
    "run": "ask",
    "complete": "ask",
    "list": "models",
    "ls": "models",
    "model": "models",
    "check": "doctor",
    "diagnose": "doctor",
    "status": "doctor",
    "server": "mock",
    "serve": "mock",
    "completions": "completion",
}
_LOGIN = "there is no login: set CLINE_API_KEY, or use --key-file FILE"
_QUESTION = "a question goes to: clinecli ask 'QUESTION'"
_VERSION = "did you mean `clinecli --version`?"
# What stands in the place of a command and means something else.
_COMMAND_ADVICE = {
    **dict.fromkeys(("login", "auth", "configure", "setup"), _LOGIN),
    "version": _VERSION,
}


def explain(error: Exception, arguments: Sequence[str]) -> UsageError:
    """An exception of the parser as an error of ours."""
    if isinstance(error, NoCommand):
        return no_command(error.name)
    command = arguments[0] if arguments[0] in COMMANDS else ""
    see = f"see {f'{PROGRAM} {command}'.strip()} --help"
    option = getattr(error, "option_name", "")
    if hasattr(error, "possibilities"):
        meant = _meant(option, command) if command else _without_command(option, arguments)
        return _error(f"no such flag: {option}", meant, see)
    flag = next((flag for flag in _flags(command) if option in flag.names), None)
    if flag and flag.value_name:
        return _error(f"{option} needs a value", f"write {option} {flag.value_name}", see)
    operand = argument(command) if command else None
    if getattr(error, "param_type_name", "") or hasattr(error, "param_hint"):
        wanted = operand.value_name if operand else "a value"
        return _error(f"{command} needs {wanted}", f"write clinecli {command} {wanted}", see)
    message = getattr(error, "format_message", lambda: str(error))()
    return _error(f"{message[:1].lower()}{message[1:]}".rstrip("."), "", see)


def no_command(name: str, otherwise: str = _QUESTION) -> UsageError:
    """The error for a word that is no command, with `otherwise` as advice where none is near."""
    if not name:
        return _error("no command", "", "see clinecli --help")
    near = get_close_matches(name.lower(), COMMANDS, n=1)
    wish = _COMMAND_WISHES.get(name) or (near[0] if near else "")
    meant = f"did you mean `clinecli {wish}`?" if wish else otherwise
    advice = _COMMAND_ADVICE.get(name, meant)
    return _error(f"no such command: {name}", advice, "see clinecli --help")


def _error(message: str, advice: str, see: str) -> UsageError:
    joint = " " if advice.endswith("?") else "; "
    return UsageError(" ".join(message.split()), hint=f"{advice}{joint}{see}" if advice else see)


def _flags(command: str) -> list[Flag]:
    return all_flags(command) if command else []


def _meant(option: str, command: str) -> str:
    """What an unknown flag of a command stands for, as advice; empty where nothing is near."""
    wish = option.lstrip("-").lower().replace("_", "-")
    own = {flag.long.removeprefix("--") for flag in _flags(command)}
    if wish in own:
        return f"did you mean --{wish}?"
    advice = _ADVICE_OF.get(command, {}).get(wish) or _ADVICE.get(wish)
    if advice:
        return advice.format(command=command, field=wish.replace("-", "_"))
    target = _FLAGS.get(wish, option)
    if target.removeprefix("--") in own:
        return f"did you mean {target}?"
    owners = [name for name in COMMANDS if any(target in flag.names for flag in all_flags(name))]
    if owners:
        return f"{target} is a flag of `clinecli {owners[0]}`"
    longer = [name for name in own if len(wish) > 1 and name.startswith(wish)]
    near = longer if len(longer) == 1 else get_close_matches(wish, own, n=1, cutoff=0.7)
    return f"did you mean --{near[0]}?" if near else ""


def _without_command(option: str, arguments: Sequence[str]) -> str:
    """Advice for a flag that stands before the command, or without one."""
    for command in (word for word in arguments if word in COMMANDS):
        if any(option in flag.names for flag in all_flags(command)):
            return f"flags come after the command: clinecli {command} {option} …"
    return _VERSION if option == "-V" else ""
