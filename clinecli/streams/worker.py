"""Work that must be able to end: a function that runs in a process of its own.

Python cannot stop a thread, and a regular expression may take for ever. A process can be killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import subprocess
import sys
import threading
import time
from importlib import import_module

_LENGTH = struct.Struct(">Qd")
_PIECE = 65536
# The child has the parent's path for imports, but for the working directory.
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[3:]; "
    "from clinecli.streams.worker import serve; serve(*sys.argv[1:3])"
)
# The linker's variables, without which Python itself may not start, and nothing else.
_KEPT = ("LD_", "DYLD_")
# How deeply the child may recurse. A crash of it harms nobody.
_DEPTH = 10_000


class Worker:
    """Calls `function` of `module`, bytes to bytes, in a process that is started once and used by
    any number of threads, one call at a time. `start` begins it, so that it imports meanwhile."""

    def __init__(self, module: str, function: str) -> None:
        self._arguments = (module, function)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, unless it runs. Raises `OSError`."""
        if self._process is None:
            paths = [path for path in sys.path if path.startswith("/")]
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, *self._arguments, *paths],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if name.startswith(_KEPT)},
                cwd="/",
            )

    def ask(self, request: bytes, seconds: float) -> bytes:
        """What the function gives. Raises `TimeoutError` when it takes longer than `seconds`, and
        `EOFError` when it fails or its process cannot be started."""
        end = time.monotonic() + seconds
        if not self._lock.acquire(timeout=max(seconds, 0)):
            raise TimeoutError
        try:
            self.start()
            return self._exchange(request, end)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise EOFError from None
            raise
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the process; it is started again when it is asked again."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    # What could not be sent is of no use any more.
                    with contextlib.suppress(OSError):
                        stream.close()

    def _exchange(self, request: bytes, end: float) -> bytes:
        process = self._process
        assert process
        assert process.stdin
        # The child reads all of it before it begins to work.
        process.stdin.write(_LENGTH.pack(len(request), max(end - time.monotonic(), 0)))
        process.stdin.write(request)
        process.stdin.flush()
        (size, _) = _LENGTH.unpack(self._read(_LENGTH.size, end))
        return self._read(size, end)

    def _read(self, size: int, end: float) -> bytes:
        process = self._process
        assert process
        assert process.stdout
        data = bytearray()
        while len(data) < size:
            if not select.select([process.stdout], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError
            piece = os.read(process.stdout.fileno(), min(size - len(data), _PIECE))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)


def serve(module: str, function: str) -> None:
    """The other side: answer until the parent is gone."""
    import resource

    sys.setrecursionlimit(_DEPTH)
    work = getattr(import_module(module), function)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(_LENGTH.size):
        size, seconds = _LENGTH.unpack(head)
        request = source.read(size)
        # Should the parent die without a word, the system ends what goes on too long.
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        limit = int(used + min(seconds, 1e6)) + 2
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        if most == resource.RLIM_INFINITY or limit < most:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, most))
        result = work(request)
        sink.write(_LENGTH.pack(len(result), 0))
        sink.write(result)
        sink.flush()
