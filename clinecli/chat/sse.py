"""A decoder for Server-Sent Events: bytes in, events out.

The rules are those of the WHATWG HTML standard, section 9.2.6 "Interpreting an event
stream". Only `data` and `event` matter to chat completions; `id` and `retry`, which steer a
browser's reconnection, are read over.
"""

from __future__ import annotations

from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
DEFAULT_MAX_EVENT_BYTES = 64 * 1024 * 1024
# So much is looked at in one go.
_SLICE_BYTES = 1024 * 1024


class ServerSentEvent(NamedTuple):
    """One dispatched event. `data` is undecoded: JSON parsers take bytes."""

    data: bytes
    event: str = ""


# A named tuple without the call of a Python function: there is one for each word of a reply.
_new = tuple.__new__


class EventTooLarge(ValueError):
    """A single event outgrew the decoder's cap. `events` are those before it."""

    events: list[ServerSentEvent]


class SSEDecoder:
    """Splits a byte stream into events, wherever the network cut it.

    Work is linear in the bytes fed, and memory is what the text of an unfinished event takes,
    in however many pieces and lines it comes. `is_idle` says that nothing is under way.
    """

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._partial = bytearray()
        # The data lines of the event under way; None before the first.
        self._data: bytes | bytearray | None = None
        self._event = b""
        self._after_cr = False
        self._at_start = True
        self.is_idle = False

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that `chunk` completes.

        Raises `EventTooLarge` when the event under way exceeds the cap.
        """
        events: list[ServerSentEvent] = []
        try:
            if len(chunk) <= _SLICE_BYTES:
                self._feed(chunk, events)
                return events
            # Decompression may give a lot at once: its lines are not to be in memory all together.
            for start in range(0, len(chunk), _SLICE_BYTES):
                self._feed(chunk[start : start + _SLICE_BYTES], events)
        except EventTooLarge as error:
            error.events = events
            raise
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return the event that the end of the stream left unfinished, if any.

        The standard drops it; servers that forget the last blank line are common, and a
        consumer that parses `data` notices by itself when it was cut.
        """
        return self.feed(b"\n\n")

    def _feed(self, chunk: bytes, events: list[ServerSentEvent]) -> None:
        if self._after_cr and chunk:
            # The LF of a CRLF that was cut between two reads.
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" in chunk:
            if self._partial:
                self._partial += chunk
                chunk = bytes(self._partial)
                self._partial = bytearray()
            if self._at_start:
                self._at_start = False
                chunk = chunk.removeprefix(BOM)
            chunk = self._split(chunk, events)
        if chunk:
            self._partial += chunk
            self._check_size()
        self.is_idle = (
            not (self._partial or self._event or self._after_cr or self._at_start)
            and self._data is None
        )

    def _split(self, chunk: bytes, events: list[ServerSentEvent]) -> bytes:
        """Add the events of whole lines, and give back the unfinished line after them."""
        lines = chunk.split(b"\n")
        rest = lines.pop()
        is_idle = self._data is None and not self._event and len(chunk) <= self._max
        if not is_idle or len(lines) % 2 or any(lines[1::2]):
            self._lines(lines, events)
            return rest
        # Nearly all events are one line of data, and a blank one.
        for line in lines[::2]:
            if line.startswith(b"data: "):
                events.append(_new(ServerSentEvent, (line[6:], "")))
            else:
                self._lines([line, b""], events)
        return rest

    def _lines(self, lines: list[bytes], events: list[ServerSentEvent]) -> None:
        for line in lines:
            if not line:
                self._dispatch(events)
                continue
            name, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if name == b"data":
                if self._data is None:
                    self._data = value
                else:
                    if type(self._data) is bytes:
                        self._data = bytearray(self._data)
                    self._data += b"\n"
                    self._data += value
                self._check_size()
            elif name == b"event":
                self._event = value

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        """The end of an event. One without data is none, but for an error, which must not get
        lost: there the standard is not followed."""
        if self._data is not None or self._event == b"error":
            event = self._event.decode("utf-8", "replace")
            events.append(ServerSentEvent(bytes(self._data or b""), event))
        self._data = None
        self._event = b""

    def _check_size(self) -> None:
        # With the end of its last line.
        data = 0 if self._data is None else len(self._data) + 1
        if len(self._partial) + data > self._max:
            raise EventTooLarge(f"an event of the stream exceeds {self._max} bytes")
