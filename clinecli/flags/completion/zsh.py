"""The completion script of zsh."""

from __future__ import annotations

from collections.abc import Mapping

from clinecli.flags.completion.template import fill
from clinecli.flags.table import COMMANDS, TOP, all_flags, argument, parameters
from clinecli.options.flag import Flag, Kind

_ACTIONS = {
    Kind.FILE: "_files",
    Kind.AT_FILE: "_clinecli_at_file",
    Kind.PROMPT_FILE: "_clinecli_prompt_files",
    Kind.VARIABLE: "_clinecli_variables",
    Kind.VARIABLE_FILE: "_clinecli_variable_files",
    Kind.MODEL: "_clinecli_models",
    Kind.COMMAND: " _command_names -e",
    Kind.TEXT: " ",
    Kind.NUMBER: " ",
}
_HELP = "(- : *)"


def script() -> str:
    """The whole script."""
    explained = {
        flag.field: flag for name in COMMANDS for flag in parameters(name) if _is_explained(flag)
    }
    lists = [
        _list(flag.field, flag.choices, once=flag.is_argument and flag.repeatable)
        for flag in explained.values()
    ]
    return fill(
        "clinecli.zsh",
        SPECS="\n".join(map(_command, COMMANDS)),
        LISTS="\n\n".join(lists),
        TOP=" \\\n".join(f"    {_flag(flag)}" for flag in TOP),
    )


def _is_explained(flag: Flag) -> bool:
    return any(flag.choices.values())


def _list(name: str, words: Mapping[str, str], *, once: bool) -> str:
    """A function that offers words and what they mean."""
    entries = [f"    {_quote(f'{_colons(word)}:{text}')}" for word, text in words.items()]
    return "\n".join(
        [
            f"_clinecli_{name}_words() {{",
            "  local -a entries=(",
            *entries,
            "  )",
            *(["  _clinecli_unused"] if once else []),
            f"  _describe -t {name} {name} entries",
            "}",
        ]
    )


def _command(name: str) -> str:
    operand = argument(name)
    specs = [*map(_flag, all_flags(name)), *(_operands(operand) if operand else [])]
    lines = " \\\n".join(f"        {each}" for each in specs)
    return f"    {name})\n      _arguments -s -S : \\\n{lines} && ret=0 ;;"


def _flag(flag: Flag) -> str:
    if flag in TOP:
        before = _HELP
    elif flag.repeatable:
        before = "*"
    else:
        before = f"({' '.join(flag.names)})" if len(flag.names) > 1 else ""
    has_value = flag.kind is not Kind.SWITCH
    names = [_with_value(name) if has_value else name for name in flag.names]
    after = f"[{_brackets(flag.summary)}]"
    if has_value:
        after += f":{_colons(_label(flag))}:{_action(flag)}"
    if len(names) == 1:
        return _quote(before + names[0] + after)
    return f"{_quote(before) if before else ''}{{{','.join(names)}}}{_quote(after)}"


def _with_value(name: str) -> str:
    # -m may be followed by its value at once, --model by an equals sign.
    return f"{name}=" if name.startswith("--") else f"{name}+"


def _operands(operand: Flag) -> list[str]:
    if operand.kind is Kind.COMMAND:
        return [
            _quote(f"(-)1:{_label(operand)}:{_action(operand)}"),
            _quote("*::argument:_clinecli_delegate"),
        ]
    number = "*" if operand.repeatable else "1" if operand.required else "1:"
    return [_quote(f"{number}:{_label(operand)}:{_action(operand)}")]


def _action(flag: Flag) -> str:
    if _is_explained(flag):
        return f"_clinecli_{flag.field}_words"
    return f"({' '.join(flag.choices)})" if flag.choices else _ACTIONS[flag.kind]


def _label(flag: Flag) -> str:
    """What the shell calls the value."""
    if flag.choices and not flag.metavar:
        return "choice"
    return flag.value_name.partition("[")[0].partition("|")[0].lower()


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _colons(text: str) -> str:
    return text.replace(":", "\\:")


def _brackets(text: str) -> str:
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
