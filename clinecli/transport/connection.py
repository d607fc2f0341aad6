"""A dialled socket and the state of HTTP on it: bytes out, bytes in, each within its deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clinecli.errors import ClinecliError
from clinecli.transport.body import new_state
from clinecli.transport.dial import is_readable
from clinecli.transport.failures import failure
from clinecli.transport.route import Hop, Stage

if TYPE_CHECKING:
    from clinecli.transport.deadline import Deadline
    from clinecli.transport.dial import Dialled

_READ_BYTES = 65536
_WRITE_BYTES = 256 * 1024
# Python overlooks a signal that comes right before a blocking call: none blocks for longer.
_LONGEST_WAIT = 1.0


class Connection:
    """A dialled socket and the state of HTTP on it. It carries one exchange at a time."""

    def __init__(self, dialled: Dialled, hop: Hop, tls_host: str) -> None:
        self.dialled = dialled
        self.http = new_state()
        self._socket = dialled.socket
        self._hop = hop
        self._tls_host = tls_host
        self._timeout = -1.0
        self._broken: OSError | None = None

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def peek(self) -> Literal["quiet", "closed", "bytes"]:
        """What has come while nothing was asked. Bytes are lost: nothing may be read after."""
        if not is_readable(self._socket):
            return "quiet"
        self._set_timeout(0.0)
        try:
            return "bytes" if self._socket.recv(1) else "closed"
        except OSError as error:
            # A TLS ticket is readable, and no data.
            if type(error).__name__ == "SSLWantReadError":
                return "quiet"
            # TLS tells why it ends once only: the next read does.
            self._broken = error
            return "closed"

    def write(self, data: bytes, deadline: Deadline, idle: float | None) -> None:
        """Send everything. Raises `ClinecliError` when the peer stops reading.

        A peer that hangs up, or answers early with 413, is heard first: reading tells.
        """
        view = memoryview(data)
        for start in range(0, len(view), _WRITE_BYTES):
            limit = deadline.bound(idle)
            self._set_timeout(limit)
            try:
                self._socket.sendall(view[start : start + _WRITE_BYTES])
            except OSError as error:
                # What is left of the request would be taken for the next one.
                self.http.send_failed()
                is_stuck = isinstance(error, TimeoutError)
                if is_stuck and not is_readable(self._socket):
                    raise self._failed(Stage.SEND, error, deadline, idle) from None
                return

    def read(self, stage: Stage, deadline: Deadline, idle: float | None) -> bytes:
        """What one read of the network brings; empty at its end. Raises `ClinecliError`."""
        limit = deadline.bound(idle)
        try:
            if self._broken:
                raise self._broken
            while True:
                part = min(limit, _LONGEST_WAIT)
                self._set_timeout(part)
                try:
                    return self._socket.recv(_READ_BYTES)
                except TimeoutError:
                    limit -= part
                    if limit <= 0:
                        raise
        except OSError as error:
            raise self._failed(stage, error, deadline, idle) from None

    def _failed(
        self, stage: Stage, error: Exception, deadline: Deadline, idle: float | None
    ) -> ClinecliError:
        if isinstance(error, TimeoutError) and (idle is None or deadline.remaining() <= 0):
            return deadline.exceeded()
        return self.failed(stage, error, idle)

    def failed(self, stage: Stage, error: Exception, seconds: float | None = None) -> ClinecliError:
        """The error that an exception of this connection means."""
        return failure(stage, error, hop=self._hop, host=self._tls_host, seconds=seconds)

    def _set_timeout(self, seconds: float) -> None:
        # A system call each time, and mostly the same value.
        if seconds != self._timeout:
            self._socket.settimeout(seconds)
            self._timeout = seconds
