"""A row of the table of flags, and how it is read off the field that it annotates.

    temperature: Annotated[float | None, Flag(MODEL, "Randomness.", "T", short="t")] = None

is the flag `-t, --temperature T`: name, type and value when it is not given come from the field,
all else from the row.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeAlias, get_origin

# Short names for annotations; a field called `list` or `str` hides the built-in type.
Text: TypeAlias = str | None
Words: TypeAlias = list[str] | None
Value: TypeAlias = str | int | float


class Group(StrEnum):
    """The headings of help and man page, in their order."""

    INPUT = "Input"
    MODEL = "Model"
    OUTPUT = "Output"
    PACE = "Pace and cost"
    INSPECT = "Inspect"
    NETWORK = "Network"


class Kind(StrEnum):
    """What the value of a flag is: it decides the completion and what is refused."""

    TEXT = "text"
    FILE = "file"
    AT_FILE = "at-file"
    """Text, or a file after an @."""
    PROMPT_FILE = "prompt-file"
    VARIABLE = "variable"
    """A variable of the prompt file on the command line, and its value after an equals sign."""
    VARIABLE_FILE = "variable-file"
    """The same, and a file that holds the value."""
    MODEL = "model"
    WORDS = "words"
    """One of `choices`."""
    COMMAND = "command"
    """The words of a command to run."""
    SUBCOMMAND = "subcommand"
    """One of our own commands."""
    # These are read off the field's type.
    NUMBER = "number"
    SWITCH = "switch"
    """No value: it is given or not."""


class Flag(NamedTuple):
    """One flag, or the argument of a command.

    `help` is a sentence or two. `env` and `config` tell where a value comes from when the flag
    is not given (`config` stands for a key of the same name), and `default` what holds when
    there is none: `clinecli.config` reads all three here. `default_note` says when it holds.
    """

    group: Group
    help: str
    metavar: str = ""
    short: str = ""
    kind: Kind = Kind.TEXT
    choices: Mapping[str, str] = {}
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    env: str = ""
    config: bool = False
    default: Value | None = None
    default_note: str = ""
    is_argument: bool = False
    # Read off the field.
    field: str = ""
    value_type: type = str
    repeatable: bool = False
    required: bool = False
    unset: Any = None

    @property
    def long(self) -> str:
        """The long name, with its dashes."""
        return f"--{self.field.replace('_', '-')}"

    @property
    def names(self) -> tuple[str, ...]:
        """What may be typed; nothing for an argument."""
        if self.is_argument:
            return ()
        return (f"-{self.short}", self.long) if self.short else (self.long,)

    @property
    def value_name(self) -> str:
        """What help calls the value; empty for a switch."""
        return self.metavar or "|".join(self.choices) or _VALUE_NAMES[self.kind]

    @property
    def usage(self) -> str:
        """How an argument stands in the line that shows the usage."""
        if self.kind is Kind.COMMAND:
            return f"[-- {self.value_name}...]"
        name = self.value_name if self.required else f"[{self.value_name}]"
        return f"{name}..." if self.repeatable else name

    @property
    def shown_default(self) -> Value | None:
        """The value that holds when nothing is given anywhere; None where there is none."""
        return self.unset or None if self.default is None else self.default

    @property
    def summary(self) -> str:
        """The help without its full stop."""
        return self.help.rstrip(".")

    def accepts(self, number: float) -> bool:
        """Whether a number is one, and within the limits."""
        return (
            number == number  # noqa: PLR0124 - NaN is not
            and (self.above is None or number > self.above)
            and (self.minimum is None or number >= self.minimum)
            and (self.maximum is None or number <= self.maximum)
        )

    @property
    def wanted(self) -> str:
        """The numbers that are accepted, in words: `a number from 0 to 2`."""
        noun = "a whole number" if self.value_type is int else "a number"
        if self.above is not None:
            return f"{noun} above {self.above:g}"
        if self.minimum is None:
            return noun
        if self.maximum is None:
            return f"{noun}, {self.minimum:g} or more"
        return f"{noun} from {self.minimum:g} to {self.maximum:g}"

    @property
    def notes(self) -> dict[str, str]:
        """Environment variable and default, as far as there are any, as help shows them."""
        default = self.shown_default
        text = f"{default:g}" if isinstance(default, float) else str(default)
        notes = {"env": self.env, "default": f"{text} {self.default_note}".rstrip()}
        return {name: note for name, note in notes.items() if note and (name == "env" or default)}


_VALUE_NAMES = {
    Kind.TEXT: "TEXT",
    Kind.FILE: "FILE",
    Kind.AT_FILE: "TEXT|@FILE",
    Kind.PROMPT_FILE: "FILE|-",
    Kind.VARIABLE: "NAME=VALUE",
    Kind.VARIABLE_FILE: "NAME=FILE",
    Kind.MODEL: "ID",
    Kind.COMMAND: "COMMAND",
    Kind.SUBCOMMAND: "COMMAND",
    Kind.NUMBER: "N",
    Kind.SWITCH: "",
    Kind.WORDS: "",
}


def flags_of(options: Any) -> dict[str, Flag]:
    """The flags of a class of options, by field, in their order."""
    unset = options._field_defaults
    return {
        field: _bound(field, hint, unset)
        for field, hint in options.__annotations__.items()
        if hasattr(hint, "__metadata__")
    }


def _bound(field: str, hint: Any, unset: Mapping[str, Any]) -> Flag:
    """The row of a field, with what its type and default say."""
    row: Flag = hint.__metadata__[0]
    kind = hint.__origin__
    if isinstance(kind, UnionType):
        kind = next(each for each in kind.__args__ if each is not NoneType)
    repeatable = get_origin(kind) is list
    value_type = str if repeatable else kind
    return row._replace(
        field=field,
        value_type=value_type,
        repeatable=repeatable,
        required=field not in unset,
        unset=unset.get(field),
        kind=_KINDS.get(value_type) or (Kind.WORDS if row.choices else row.kind),
    )


_KINDS = {bool: Kind.SWITCH, int: Kind.NUMBER, float: Kind.NUMBER}
