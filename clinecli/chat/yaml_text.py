"""YAML that the user wrote, as nodes that know where they stand.

Nothing is constructed but text, numbers, booleans, lists and mappings, by the core schema of
YAML 1.2 (`yes` is text), as the tools did for which these files were written. PyYAML is
imported here alone, by the calls that read such a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from clinecli.errors import UsageError
from clinecli.jsontext import loads_exact

# Parsing takes a second for some ten megabytes.
MAX_YAML = 4 * 1024 * 1024
MAX_DEPTH = 64
# Aliases may repeat a document's content this often over, plus a little for short files.
MAX_EXPANSION = 10
_FREE_EXPANSION = 10_000

_CORE = "tag:yaml.org,2002:"
_TAGS = {None, "!"} | {
    _CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq")
}
_TEXT_TAGS = {"!", f"{_CORE}str"}
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
# Half characters, as JSON writes those beyond U+FFFF; YAML has no such escapes.
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")


class Place(NamedTuple):
    """A position in a file, counted from 1, as editors do."""

    name: str
    line: int
    column: int

    def error(self, message: str, hint: str) -> UsageError:
        return UsageError(f"{self}: {message}", hint=hint)

    def __str__(self) -> str:
        return f"{self.name}:{self.line}:{self.column}"


class Node(NamedTuple):
    """A scalar's text, a list's nodes, or a mapping's nodes by key.

    `start` and `end` are offsets into the document's text. `size` is what the node would cost
    if all its aliases were written out.
    """

    value: str | tuple[Node, ...] | dict[str, tuple[Place, Node]]
    place: Place
    start: int
    end: int
    size: int
    is_plain: bool = False

    @property
    def kind(self) -> str:
        return {str: "text", tuple: "a list", dict: "a mapping"}[type(self.value)]

    @property
    def is_null(self) -> bool:
        return self.is_plain and _CONSTANTS.get(str(self.value), False) is None

    @property
    def data(self) -> Any:
        """The node as JSON has it, numbers spelled as they were written."""
        if isinstance(self.value, tuple):
            return [node.data for node in self.value]
        if isinstance(self.value, dict):
            return {key: node.data for key, (_, node) in self.value.items()}
        return _scalar(self.value) if self.is_plain else self.value


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _JSON_NUMBER.fullmatch(text):
        return loads_exact(text)
    if _RADIX.fullmatch(text):
        return int(text, 0)
    if _NUMBER.fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    return text


def parse(text: str, name: str) -> Node:
    """The one document of a YAML text. Raises `UsageError` with line and column.

    An alias counts with the size of what it stands for, so that a few lines cannot become
    gigabytes ("billion laughs").
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(yaml.parse(text, Loader=loader), name, len(text)).document()
    except yaml.MarkedYAMLError as error:
        joined = _PAIR.sub(_joined, text) if "escape" in str(error.problem) else text
        if joined != text:
            return parse(joined, name)
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = error.problem or error.context or "cannot be parsed"
        raise _not_yaml(Place(name, line, column), problem) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _not_yaml(place, "a control character that YAML does not allow") from None


def _joined(pair: re.Match[str]) -> str:
    units = bytes.fromhex(pair[1] + pair[2])
    return units.decode("utf-16-be")


def _not_yaml(place: Place, problem: str) -> UsageError:
    return place.error(
        f"not YAML: {problem}", "correct it there; text with `: ` or `#` needs quotes"
    )


class _Builder:
    """Builds nodes from PyYAML's events, which come without recursion of their own."""

    def __init__(self, events: Iterator[Any], name: str, length: int) -> None:
        self._events = events
        self._name = name
        self._anchors: dict[str, Node] = {}
        self._budget = MAX_EXPANSION * length + _FREE_EXPANSION

    def document(self) -> Node:
        """The only document; an empty text is null."""
        _, start = self._next(), self._next()
        if _kind(start) == "StreamEnd":
            return Node("", self._place(start), 0, 0, 1, is_plain=True)
        node = self._node(self._next(), 0)
        _, end = self._next(), self._next()
        if _kind(end) != "StreamEnd":
            raise self._place(end).error("a second document begins", "keep one in a file")
        return node

    def _next(self) -> Any:
        return next(self._events)

    def _place(self, event: Any) -> Place:
        return Place(self._name, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int) -> Node:
        place = self._place(event)
        if depth > MAX_DEPTH:
            raise place.error("nested too deeply", f"{MAX_DEPTH} levels are enough")
        if _kind(event) == "Alias":
            return self._alias(event.anchor, place)
        if event.tag not in _TAGS:
            raise place.error(f"the tag {event.tag} is not plain data", "leave the tag out")
        build = {"Scalar": _scalar_node, "SequenceStart": self._list, "MappingStart": self._mapping}
        node = build[_kind(event)](event, place, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, anchor: str, place: Place) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise place.error(
                f"the alias *{anchor} stands for nothing before it", f"define &{anchor} first"
            )
        self._budget -= node.size
        if self._budget < 0:
            raise place.error("aliases make the file too large", "write out what it needs")
        return node

    def _list(self, event: Any, place: Place, depth: int) -> Node:
        nodes: list[Node] = []
        while _kind(item := self._next()) != "SequenceEnd":
            nodes.append(self._node(item, depth + 1))
        size = 1 + sum(node.size for node in nodes)
        return Node(tuple(nodes), place, event.start_mark.index, item.end_mark.index, size)

    def _mapping(self, event: Any, place: Place, depth: int) -> Node:
        own: dict[str, tuple[Place, Node]] = {}
        merged: dict[str, tuple[Place, Node]] = {}
        while _kind(item := self._next()) != "MappingEnd":
            key, value = self._node(item, depth + 1), self._node(self._next(), depth + 1)
            if not isinstance(key.value, str):
                raise key.place.error(f"a key is {key.kind}", "a key is a word")
            if key.value == "<<" and key.is_plain:
                merged = {**_merged(value), **merged}
            elif key.value in own:
                first = own[key.value][0].line
                raise key.place.error(
                    f"'{key.value}' is given twice (first in line {first})", "keep one of the two"
                )
            else:
                own[key.value] = (key.place, value)
        entries = {**merged, **own}
        size = 1 + sum(len(key) + node.size for key, (_, node) in entries.items())
        return Node(entries, place, event.start_mark.index, item.end_mark.index, size)


def _kind(event: Any) -> str:
    return type(event).__name__.removesuffix("Event")


def _scalar_node(event: Any, place: Place, _depth: int) -> Node:
    text: str = event.value
    span = event.start_mark.index, event.end_mark.index
    is_plain = not event.style if event.tag is None else event.tag not in _TEXT_TAGS
    return Node(text, place, *span, 1 + len(text), is_plain)


def _merged(node: Node) -> dict[str, tuple[Place, Node]]:
    """What `<<` brings in: a mapping, or a list of them of which the first counts most."""
    nodes = node.value if isinstance(node.value, tuple) else (node,)
    entries: dict[str, tuple[Place, Node]] = {}
    for each in nodes:
        if not isinstance(each.value, dict):
            raise node.place.error("<< takes a mapping", "give it the alias of one")
        entries = {**each.value, **entries}
    return entries
