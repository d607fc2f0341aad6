"""A link with a true delay: two network namespaces, and a wire between them that holds packets.

The wire is a pair of TUN devices, one in each namespace, and a process that carries every packet
from one to the other after half a round trip. So TCP's and TLS's own round trips cost what they
cost on the Internet, which no proxy that sleeps can show. It needs Linux with /dev/net/tun and
`unshare`; no root where users may have namespaces of their own.

    near   this process and its commands   10.99.0.1
    wire   carries packets, 25 ms each way
    far    the server                      10.99.0.2, "api.link.example" by the hosts file

A name is resolved from the hosts file, as from a resolver that has it in its cache: DNS takes no
round trip here. The server's certificate is signed by a private CA.
"""

from __future__ import annotations

import collections
import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn

HOST = "api.link.example"
NEAR, FAR = "10.99.0.1", "10.99.0.2"
_INSIDE = "CLINECLI_BENCHMARK_LINK"
_HOSTS = Path("/etc/hosts")
_STORE = Path("/etc/ssl/certs")
# linux/if_tun.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class Link(NamedTuple):
    """The far end's URL; the CA that signs for it, alone and as a part of the system's store."""

    url: str
    ca_file: str
    has_store: bool


def enter() -> None:
    """Start this program again in namespaces of its own. Returns when it is there."""
    if os.environ.pop(_INSIDE, ""):
        return
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    command = ["unshare", "--net", "--mount", *root, sys.executable, *sys.argv]
    os.environ[_INSIDE] = "1"
    os.execvp(command[0], command)


@contextmanager
def link(round_trip: float, *kind: str) -> Iterator[Link]:
    """A server of `kind` (see `servers`) at the far end of a link, behind TLS 1.3.

    To be called after `enter`.
    """
    near = _tun("near", NEAR)
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory() as name, ours:
        directory = Path(name)
        ca_file = _certificates(directory)
        command = ["unshare", "--net", sys.executable, __file__, "far", str(theirs.fileno())]
        with theirs:
            far = subprocess.Popen([*command, name, *kind], pass_fds=[theirs.fileno()])
        try:
            _, [device], _, _ = socket.recv_fds(ours, 1, 1)
            port = int(ours.recv(16))
            wire = subprocess.Popen(
                [sys.executable, __file__, "wire", str(near), str(device), str(round_trip / 2)],
                pass_fds=[near, device],
            )
            try:
                _name_far_end(directory)
                yield Link(f"https://{HOST}:{port}", ca_file, _trust(directory, ca_file))
            finally:
                _end(wire)
        finally:
            _end(far)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def _tun(name: str, address: str) -> int:
    """The descriptor of a new device with an address in this namespace."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    request = struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI)
    fcntl.ioctl(device, _TUNSETIFF, request)
    for words in (
        f"address add {address}/24 dev {name}",
        f"link set {name} up",
        "link set lo up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    return device


def _certificates(directory: Path) -> str:
    """Put a CA and the server's certificate there; give the CA's file."""
    import trustme

    ca = trustme.CA()
    ca.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
    ca.cert_pem.write_to_path(directory / "ca.pem")
    return str(directory / "ca.pem")


def _name_far_end(directory: Path) -> None:
    """Put the far end's name into the hosts file of this mount namespace."""
    hosts = directory / "hosts"
    hosts.write_text(f"{_HOSTS.read_text()}\n{FAR} {HOST}\n")
    _bind(hosts, _HOSTS)


def _trust(directory: Path, ca_file: str) -> bool:
    """Add the CA to the system's store as this mount namespace sees it, where it is Debian's."""
    bundle = "ca-certificates.crt"
    if not (_STORE / bundle).exists():
        return False
    store = directory / "store"
    shutil.copytree(_STORE, store, symlinks=True)
    shutil.copy(ca_file, store / "link.pem")
    subprocess.run(["openssl", "rehash", str(store)], check=True, stderr=subprocess.DEVNULL)
    with (store / bundle).open("ab") as file:
        file.write(Path(ca_file).read_bytes())
    _bind(store, _STORE)
    return True


def _bind(source: Path, target: Path) -> None:
    subprocess.run(["mount", "--bind", str(source), str(target)], check=True)


def _far(control: int, directory: str, kind: list[str]) -> NoReturn:
    """Hand over the device of this namespace, then serve."""
    import ssl

    from servers import accept

    with socket.socket(fileno=control) as near:
        device = _tun("far", FAR)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(Path(directory) / "server.pem")
        listener = socket.create_server((FAR, 0), backlog=512)
        socket.send_fds(near, [b"d"], [device])
        near.sendall(b"%d" % listener.getsockname()[1])
    accept(listener, kind, context)
    raise SystemExit


def _wire(one: int, other: int, delay: float) -> NoReturn:
    """Carry packets both ways, each after `delay` seconds."""
    across = {one: other, other: one}
    held: collections.deque[tuple[float, int, bytes]] = collections.deque()
    while True:
        wait = max(held[0][0] - time.monotonic(), 0.0) if held else None
        for device in select.select([one, other], [], [], wait)[0]:
            held.append((time.monotonic() + delay, across[device], os.read(device, 65536)))
        while held and held[0][0] <= time.monotonic():
            _, device, packet = held.popleft()
            os.write(device, packet)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["far", control, directory, *kind]:
            _far(int(control), directory, kind)
        case ["wire", one, other, delay]:
            _wire(int(one), int(other), float(delay))
