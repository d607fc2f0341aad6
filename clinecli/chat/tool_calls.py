"""Tool calls, put together from the pieces of a stream."""

from __future__ import annotations

from typing import NamedTuple

from clinecli.errors import Code, IncompleteError
from clinecli.jsontext import InvalidJson, loads

# The most that all calls of a reply may be; each counts for what it is in memory.
MAX_BYTES = 32 * 1024 * 1024
_CALL_BYTES = 500
# So many pieces become one: each is 50 bytes of memory at least.
_PIECES = 1000


class ToolCallPiece(NamedTuple):
    """A fragment of a tool call: `id` and `name` come first, `arguments` in pieces.

    `position` is the wire's `index`, a name that tuples have taken; None where there was none.
    """

    position: int | None
    id: str
    name: str
    arguments: str


class ToolCall(NamedTuple):
    """A whole tool call. `arguments` is JSON text, as the model wrote it."""

    id: str = ""
    name: str = ""
    arguments: str = ""


class _Call:
    """A call that is being put together."""

    __slots__ = ("blocks", "id", "is_whole", "name", "pieces", "size")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.is_whole = False
        self.size = 0
        self.pieces: list[str] = []
        self.blocks: list[str] = []

    def add(self, piece: ToolCallPiece) -> None:
        self.id = self.id or piece.id
        self.name = self.name or piece.name
        if piece.arguments:
            self.size += len(piece.arguments)
            self.pieces.append(piece.arguments)
            if len(self.pieces) == _PIECES:
                self.blocks.append("".join(self.pieces))
                self.pieces.clear()

    @property
    def arguments(self) -> str:
        return "".join([*self.blocks, *self.pieces])

    def is_again(self, piece: ToolCallPiece) -> bool:
        """Whether a piece that is a whole call is this one."""
        size = len(piece.arguments)
        return self.id == piece.id and self.size == size and self.arguments == piece.arguments


class ToolCalls:
    """Folds pieces into calls. Memory stays flat: what is kept is the text of the calls.

    A piece belongs to the call of its `index`, or to the latest call where it has none. Servers
    that number nothing, or every call with 0, tell calls apart by id and name:

        id        name             the piece
        known     any              goes on with that call
        new       given            begins a call
        new       none             goes on: some servers make up an id for each piece
        none      another          begins a call
        none      the same         begins a call if the call before and this piece are whole JSON
        none      none             goes on

    A whole call that comes again, with id, name and arguments, is no piece.
    """

    def __init__(self) -> None:
        self._calls: list[tuple[int, _Call]] = []
        self._by_position: dict[int | None, _Call] = {}
        self._by_id: dict[tuple[int | None, str], _Call] = {}
        self._bytes = 0

    def add(self, piece: ToolCallPiece) -> None:
        """Take one piece in. Raises `IncompleteError` when calls get larger than they may."""
        position, call_id, name, arguments = piece
        is_whole = bool(name) and _is_object(arguments)
        call = self._call_of(piece, is_whole=is_whole)
        if call is None:
            if not (call_id or name or arguments):
                return
            call = _Call()
            self._calls.append((position or 0, call))
            self._bytes += _CALL_BYTES
        if is_whole and call.is_again(piece):
            return
        if arguments:
            call.is_whole = is_whole and not call.size
        call.add(piece)
        # What has no index goes on with the latest call, whichever it is.
        self._by_position[position] = self._by_position[None] = call
        if call_id and call.id == call_id:
            self._by_id[position, call_id] = call
        self._bytes += len(call_id) + len(name) + len(arguments)
        if self._bytes > MAX_BYTES:
            raise IncompleteError(
                f"the tool calls of the reply exceed {MAX_BYTES >> 20} MiB", code=Code.TOO_LARGE
            )

    def _call_of(self, piece: ToolCallPiece, *, is_whole: bool) -> _Call | None:
        """The call that a piece goes on with, None for a new one. `is_whole` says that its
        arguments are a JSON object by themselves."""
        position, call_id, name, _ = piece
        call = self._by_position.get(position)
        if call_id and (position, call_id) in self._by_id:
            return self._by_id[position, call_id]
        if call is None or not name:
            return call
        if call_id:
            return None if call.id else call
        is_another = bool(call.name) and (name != call.name or (call.is_whole and is_whole))
        return None if is_another else call

    def calls(self) -> list[ToolCall]:
        """The calls that have a name, in the order of their index, and as they came."""
        ordered = sorted(self._calls, key=lambda numbered: numbered[0])
        return [
            ToolCall(call.id, call.name, call.arguments) for _, call in ordered if call.name.strip()
        ]

    @property
    def has_any(self) -> bool:
        """Whether a call has a name."""
        return any(call.name.strip() for _, call in self._calls)

    @property
    def nameless(self) -> int:
        """How many calls have no name, and cannot be made."""
        return sum(not call.name.strip() for _, call in self._calls)


def _is_object(arguments: str) -> bool:
    if not (arguments[:1] == "{" and arguments[-1:] == "}"):
        return False
    try:
        return isinstance(loads(arguments.encode("utf-8", "replace")), dict)
    except InvalidJson:
        return False
