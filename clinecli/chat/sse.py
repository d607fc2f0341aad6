"""A decoder for Server-Sent Events: bytes in, events out.

The rules are those of the WHATWG HTML standard, section 9.2.6 "Interpreting an event
stream". Only `data` and `event` matter to chat completions; `id` and `retry`, which steer a
browser's reconnection, are read over.
"""

from __future__ import annotations

from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
DEFAULT_MAX_EVENT_BYTES = 64 * 1024 * 1024


class ServerSentEvent(NamedTuple):
    """One dispatched event. `data` is undecoded: JSON parsers take bytes."""

    data: bytes
    event: str = ""


class EventTooLarge(ValueError):
    """A single event outgrew the decoder's cap."""


class SSEDecoder:
    """Splits a byte stream into events, wherever the network cut it.

    Work is linear in the bytes fed: pieces of an unfinished line are kept in a list and
    joined once, when its end arrives.
    """

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._partial: list[bytes] = []
        self._data: list[bytes] = []
        self._event = b""
        # Bytes of the unfinished line, and of the data lines before it with their line ends.
        self._partial_size = 0
        self._data_size = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that `chunk` completes.

        Raises `EventTooLarge` when the event under way exceeds the cap.
        """
        if self._after_cr and chunk:
            # The LF of a CRLF that was cut between two reads.
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            if self._partial:
                self._partial.append(lines[0])
                lines[0] = b"".join(self._partial)
                self._partial.clear()
                self._partial_size = 0
            events = self._lines(lines)
        else:
            events = []
        if rest:
            self._partial.append(rest)
            self._partial_size += len(rest)
            self._check_size()
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return the event that the end of the stream left unfinished, if any.

        The standard drops it; servers that forget the last blank line are common, and a
        consumer that parses `data` notices by itself when it was cut.
        """
        return self.feed(b"\n\n")

    def _check_size(self) -> None:
        if self._partial_size + self._data_size > self._max:
            raise EventTooLarge(f"an event of the stream exceeds {self._max} bytes")

    def _lines(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        if self._at_start:
            self._at_start = False
            lines[0] = lines[0].removeprefix(BOM)
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(
                        ServerSentEvent(b"\n".join(data), self._event.decode("utf-8", "replace"))
                    )
                    data.clear()
                self._event = b""
                self._data_size = 0
                continue
            name, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if name == b"data":
                data.append(value)
                # Empty lines count too, or endless ones would never reach the cap.
                self._data_size += len(value) + 1
                self._check_size()
            elif name == b"event":
                self._event = value
        return events
