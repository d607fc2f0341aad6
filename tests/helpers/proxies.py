"""Forward proxies: one of ours that records, and a real one."""

from __future__ import annotations

import os
import select
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.servers import TcpServer, read_head

# A password of characters that a URL must escape.
PASSWORD = "p@ss:wörd/1"
ESCAPED = "p%40ss%3Aw%C3%B6rd%2F1"
# Settings that name no proxy we can use, and a word of the complaint.
UNUSABLE = {
    "socks4": ("socks4://127.0.0.1:1080", b"speaks socks4"),
    "socks4a with credentials": ("socks4a://user:secret-1@127.0.0.1:1080", b"speaks socks4a"),
    "not a port": ("http://user:secret-1@127.0.0.1:abc", b"malformed"),
    "port 0": ("http://user:secret-1@127.0.0.1:0", b"malformed"),
    "port too large": ("http://127.0.0.1:99999", b"malformed"),
    "no host": ("http://:3128", b"malformed"),
    "open bracket": ("http://[::1:3128", b"malformed"),
    "# in the password": ("http://user:sec#secret-1@127.0.0.1:3128", b"malformed"),
    "/ in the password": ("http://user:80/secret-1@127.0.0.1:3128", b"malformed"),
    "white space": ("http://127.0.0.1 :3128", b"malformed"),
    "no host name": ("http://☃.example:3128", b"malformed"),
    "quotes": ('"http://127.0.0.1:3128"', b"stands in quotes"),
    "no address": ("http://127.999.999.999:3128", b"malformed"),
}


class ForwardProxy(TcpServer):
    """A proxy that records what it is sent (`heads`) and tunnels, or answers `answer`.

    With `upstream`, every tunnel leads to that port of `upstream_host`, whatever name was asked
    for. With `context`, the proxy itself speaks TLS.
    """

    def __init__(
        self,
        answer: bytes | None = None,
        *,
        upstream: int | None = None,
        upstream_host: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._proxy)
        self.answer = answer
        self._upstream = (upstream_host, upstream) if upstream else None
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
            if self.answer is not None:
                connection.sendall(self.answer)
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection(self._upstream or (host, int(port))) as upstream:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _relay(connection, upstream)


class SocksProxy(TcpServer):
    """A SOCKS5 proxy that records whom it was asked for (`targets`), or answers `reply`.

    With `login` (`user:password`) it wants that. With `upstream`, every tunnel leads to that port
    of `upstream_host`.
    """

    def __init__(
        self,
        *,
        login: str | None = None,
        upstream: int | None = None,
        upstream_host: str = "127.0.0.1",
        reply: int = 0,
    ) -> None:
        super().__init__(self._proxy)
        self._login = login
        self._upstream = upstream
        self._upstream_host = upstream_host
        self.reply = reply
        self.targets: list[tuple[str, int]] = []

    def url(self, scheme: str = "socks5h", login: str = "") -> str:
        """Its URL."""
        return f"{scheme}://{f'{login}@' if login else ''}127.0.0.1:{self.port}"

    def _proxy(self, connection: socket.socket) -> None:
        methods = _exactly(connection, _exactly(connection, 2)[1])
        wanted = 2 if self._login else 0
        connection.sendall(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods or (self._login and not self._logs_in(connection)):
            return
        kind = _exactly(connection, 4)[3]
        if kind == 3:
            host = _exactly(connection, _exactly(connection, 1)[0]).decode()
        else:
            family = socket.AF_INET if kind == 1 else socket.AF_INET6
            host = socket.inet_ntop(family, _exactly(connection, 4 if kind == 1 else 16))
        port = int.from_bytes(_exactly(connection, 2), "big")
        self.targets.append((host, port))
        connection.sendall(bytes([5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self.reply:
            return
        target = (self._upstream_host, self._upstream or port)
        with socket.create_connection(target) as upstream:
            _relay(connection, upstream)

    def _logs_in(self, connection: socket.socket) -> bool:
        user = _exactly(connection, _exactly(connection, 2)[1]).decode()
        password = _exactly(connection, _exactly(connection, 1)[0]).decode()
        is_right = f"{user}:{password}" == self._login
        connection.sendall(bytes([1, 0 if is_right else 1]))
        return is_right


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data


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
