"""The completion script of fish, 3.0 and later."""

from __future__ import annotations

from collections.abc import Mapping

from clinecli.flags.completion.template import fill
from clinecli.flags.table import COMMANDS, TOP, all_flags, argument
from clinecli.options.flag import Flag, Kind

_VALUES = {
    Kind.SWITCH: "",
    Kind.FILE: " -r -F",
    Kind.AT_FILE: " -x -a '(__clinecli_at_file)'",
    Kind.PROMPT_FILE: " -x -a '(__clinecli_prompt_files)'",
    Kind.VARIABLE: " -x -a '(__clinecli_variables)'",
    Kind.VARIABLE_FILE: " -x -a '(__clinecli_variable_files)'",
    Kind.MODEL: " -x -a '(__clinecli_models)'",
    Kind.TEXT: " -x",
    Kind.NUMBER: " -x",
}


def script() -> str:
    """The whole script."""
    top = "__clinecli_is"
    lines = [_flag(top, flag) for flag in TOP]
    lines += [
        _words(top, {name: command.summary.rstrip(".")}) for name, command in COMMANDS.items()
    ]
    for name in COMMANDS:
        lines += ["", *_command(name)]
    names = " ".join(name for flag in TOP for name in flag.names)
    return fill("clinecli.fish", TOP=names, SPECS="\n".join(lines))


def _command(name: str) -> list[str]:
    condition = f"__clinecli_is {name}"
    flags, operand = all_flags(name), argument(name)
    lines = []
    if operand and operand.kind is Kind.COMMAND:
        valued = " ".join(
            each for flag in flags if flag.kind is not Kind.SWITCH for each in flag.names
        )
        inner = f"{name} {valued}"
        lines.append(f"complete -c clinecli -n '{condition}' -a '(__clinecli_delegate {inner})'")
        condition += f"; and not __clinecli_inner {inner} >/dev/null"
    elif operand and operand.choices and operand.repeatable:
        unused = " ".join(_quote(f"{word}:{text}") for word, text in operand.choices.items())
        words = _quote(f"(__clinecli_unused {unused})")
        lines.append(f"complete -c clinecli -n '{condition}' -a {words}")
    elif operand and operand.choices:
        lines.append(_words(condition, operand.choices))
    elif operand and operand.kind is Kind.FILE:
        lines.append(f"complete -c clinecli -n '{condition}' -F")
    return lines + [_flag(condition, flag) for flag in flags]


def _flag(condition: str, flag: Flag) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names
    )
    values = f" -x -a {_listed(flag.choices)}" if flag.choices else _VALUES[flag.kind]
    return f"complete -c clinecli -n '{condition}' {names}{values} -d {_quote(flag.summary)}"


def _words(condition: str, words: Mapping[str, str]) -> str:
    return f"complete -c clinecli -n '{condition}' -a {_listed(words)}"


def _listed(words: Mapping[str, str]) -> str:
    # Fish splits the list once more, so that the descriptions carry quotes of their own.
    entries = (f"{word}\\t{_quote(text)}" if text else word for word, text in words.items())
    return '"' + " ".join(entries) + '"'


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
