"""A hostile network on loopback: certificates of every fault, TLS servers, forward proxies,
addresses that never accept, names that never resolve, and terminals.

Everything that runs is a context manager. Nothing here waits by the clock: whoever needs a
moment (a request came, a spinner is shown) waits for that.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.helpers.support import CLI, RawServer

HOST = "localhost"
PATIENCE = 60.0


# Certificates: each method of `Authority` gives the TLS settings of a server.


class Authority:
    """A certificate authority. A client trusts it by the file that `write` makes."""

    def __init__(self, parent: trustme.CA | None = None) -> None:
        self._ca = parent.create_child_ca() if parent else trustme.CA()

    @property
    def pem(self) -> bytes:
        """The CA's own certificate."""
        return self._ca.cert_pem.bytes()

    def write(self, path: Path) -> str:
        """Put the CA's certificate into a file and give its name."""
        path.write_bytes(self.pem)
        return str(path)

    def child(self) -> Authority:
        """An intermediate CA."""
        return Authority(self._ca)

    def valid(self, *names: str) -> ssl.SSLContext:
        """For `localhost` and the loopback addresses, or for `names`."""
        return self._context(names or (HOST, "127.0.0.1", "::1"))

    def expired(self) -> ssl.SSLContext:
        return self._context((HOST,), not_after=datetime(2010, 1, 1, tzinfo=UTC))

    def not_yet_valid(self) -> ssl.SSLContext:
        start = datetime(2090, 1, 1, tzinfo=UTC)
        return self._context((HOST,), not_before=start, not_after=start + timedelta(days=90))

    def wrong_host(self) -> ssl.SSLContext:
        return self._context(("another.example",))

    def _context(self, names: Sequence[str], **validity: datetime) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*names, **validity).configure_cert(context)
        return context


def self_signed(name: str = HOST) -> ssl.SSLContext:
    """The TLS settings of a server whose certificate vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2090, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


# Servers


class TcpServer:
    """A listener that hands every connection to `handle`, in a thread, with nothing read.

    `connections` counts them, `connected` is set by the first.
    """

    def __init__(self, handle: Callable[[socket.socket], None], host: str = "127.0.0.1") -> None:
        self._handle = handle
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.connections = 0
        self.connected = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Unlike close, shutdown wakes the thread that accepts.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.connected.set()
            threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        # The client goes when it likes; that is what many tests are about.
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._handle(connection)


class TlsServer(RawServer):
    """A `RawServer` behind TLS. `url` names it `localhost`."""

    def __init__(
        self, answer: Callable[[socket.socket, int], None] | bytes, context: ssl.SSLContext
    ) -> None:
        super().__init__(answer)
        self._context = context
        self.url = f"https://{HOST}:{self.port}"

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection = self._context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()  # The client does not trust us, as some tests want it.
            return
        with contextlib.suppress(OSError):
            super()._handle(connection)


def stall(connection: socket.socket) -> None:
    """For `TcpServer`: say nothing until the client goes."""
    while connection.recv(65536):
        pass


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset instead of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_head(connection: socket.socket) -> bytes:
    """An HTTP request up to its blank line; what follows is left unread. Empty without one."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            return b""
        head += piece
    return head


@contextmanager
def refusing() -> Iterator[int]:
    """A port that refuses every connection: bound, so that nobody else gets it, and deaf."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@contextmanager
def blackhole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that neither accepts nor refuses: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        address = listener.getsockname()
        while True:
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
            # The first one that gets no answer shows that the queue is full.
            if not select.select([], [filler], [], 0.2)[1]:
                break
        yield address[1]


def has_ipv6() -> bool:
    """Whether this machine has ::1."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


# Proxies


class ForwardProxy(TcpServer):
    """A proxy that records what it is sent (`heads`) and tunnels, or answers `answer`.

    With `upstream`, every tunnel leads to that local port, whatever name was asked for. With
    `context`, the proxy itself speaks TLS.
    """

    def __init__(
        self,
        answer: bytes | None = None,
        *,
        upstream: int | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._proxy)
        self._answer = answer
        self._upstream = upstream
        self._context = context
        self.heads: list[bytes] = []
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"

    def _proxy(self, connection: socket.socket) -> None:
        if self._context:
            connection = self._context.wrap_socket(connection, server_side=True)
        with connection:
            head = read_head(connection)
            if not head:
                return
            self.heads.append(head)
            if self._answer is not None:
                connection.sendall(self._answer)
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            target = ("127.0.0.1", self._upstream) if self._upstream else (host, int(port))
            with socket.create_connection(target) as upstream:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _relay(connection, upstream)


def _relay(client: socket.socket, upstream: socket.socket) -> None:
    while True:
        buffered = isinstance(client, ssl.SSLSocket) and client.pending()
        readable = [client] if buffered else select.select([client, upstream], [], [])[0]
        for source in readable:
            data = source.recv(65536)
            if not data:
                return
            (upstream if source is client else client).sendall(data)


@contextmanager
def real_proxy(directory: Path, credentials: str | None = None) -> Iterator[str]:
    """A proxy.py process, asking for `credentials` (`user:password`) if given; gives its URL."""
    port_file = directory / "proxy-port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0"]
    command += ["--port-file", str(port_file), "--num-workers", "1", "--num-acceptors", "1"]
    command += ["--data-dir", str(directory / "proxy-data"), "--log-level", "CRITICAL"]
    command += ["--basic-auth", credentials] if credentials else []
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            # proxy.py tells its port in a file and gives no other sign.
            while not (port_file.exists() and port_file.read_text().strip()):
                assert process.poll() is None, "proxy.py did not start"
                threading.Event().wait(0.02)
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.terminate()


# Names


def altered_cli(directory: Path, code: str) -> list[str]:
    """The command line of clinecli in a process that runs `code` first, from a script there."""
    script = directory / "altered.py"
    root = str(Path(__file__).parents[2])
    path = f"import sys\nsys.path.insert(0, {root!r})\n"
    script.write_text(f"{path}{code}\nfrom clinecli.__main__ import main\nmain()\n")
    return [sys.executable, str(script)]


DNS_STALLS = """
import socket, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
"""


# Terminals


class Terminal:
    """A process with a pseudo-terminal for some of its standard streams.

    `streams` are the descriptors on the terminal; stdin is else /dev/null, the others are
    pipes. The terminal neither echoes nor turns LF into CRLF, so `output` is what was written;
    ^C and ^D (bytes to `type`) work, and `control` makes it the controlling terminal.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        streams: Sequence[int] = (0, 1, 2),
        control: bool = False,
    ) -> None:
        self._master, slave = os.openpty()
        mode = termios.tcgetattr(slave)
        mode[1] &= ~termios.OPOST
        mode[3] &= ~termios.ECHO
        termios.tcsetattr(slave, termios.TCSANOW, mode)
        if control:
            command = [sys.executable, "-c", _TAKE_CONTROL, *command]
        self.output = b""
        self.process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=slave if 0 in streams else subprocess.DEVNULL,
            stdout=slave if 1 in streams else subprocess.PIPE,
            stderr=slave if 2 in streams else subprocess.PIPE,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._master)

    def type(self, data: bytes) -> None:
        """Press keys."""
        os.write(self._master, data)

    def read_until(self, marker: bytes) -> bytes:
        """Everything on the terminal so far, once `marker` is part of it."""
        while marker not in self.output:
            assert self._read_more(), f"{marker!r} never came: {self.output!r}"
        return self.output

    def finish(self) -> tuple[int, bytes, bytes]:
        """Exit status, what was written to the terminal, and what came through the pipes."""
        while self._read_more():
            pass
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, self.output, (out or b"") + (err or b"")

    def _read_more(self) -> bool:
        readable, _, _ = select.select([self._master], [], [], PATIENCE)
        assert readable, f"the terminal is silent: {self.output!r}"
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False  # Linux ends a pty with EIO.
        self.output += data
        return bool(data)


_TAKE_CONTROL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def run_on_terminal(
    arguments: Sequence[str], env: Mapping[str, str], **options: Any
) -> tuple[int, bytes, bytes]:
    """Run clinecli on a terminal to its end: as `Terminal.finish`."""
    with Terminal([*CLI, *arguments], env, **options) as terminal:
        return terminal.finish()
