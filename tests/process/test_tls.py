"""TLS through the real command: who is trusted, and what a handshake that fails says."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tests.helpers.env import KEY
from tests.helpers.process import (
    BOTH_COMMANDS,
    CLI,
    altered_cli,
    failure,
    no_traceback,
    run,
)
from tests.helpers.replies import (
    DONE,
    REPLY,
    STOP,
    STREAM,
    STREAM_HEAD,
    completion,
    delta,
    http_chunk,
    response,
)
from tests.helpers.servers import TcpServer, has_ipv6, reset, stall
from tests.helpers.tls import Authority, TlsServer, self_signed

pytestmark = pytest.mark.smoke


def answer(connection: socket.socket, _number: int) -> None:
    connection.sendall(REPLY)


# Trust


@BOTH_COMMANDS
@pytest.mark.parametrize("source", ["--ca-file", "SSL_CERT_FILE", "config file"])
def test_a_private_ca_is_trusted(
    command: str, source: str, authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    flags = []
    if source == "--ca-file":
        flags = ["--ca-file", ca_file]
    elif source == "SSL_CERT_FILE":
        env["SSL_CERT_FILE"] = ca_file
    else:
        config = Path(env["HOME"], ".config", "clinecli", "config.toml")
        config.parent.mkdir(parents=True)
        config.write_text(f'ca_file = "{ca_file}"\n')
    reply = REPLY if command == "ask" else STREAM
    with TlsServer(reply, authority.valid()) as server:
        done = run([command, "hi", "--base-url", server.url, *flags], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
    ((head, _),) = server.requests
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in head


def test_the_flag_outranks_the_variable(
    authority: Authority, ca_file: str, tmp_path: Path, env: dict[str, str]
) -> None:
    env["SSL_CERT_FILE"] = str(tmp_path / "missing.pem")
    with TlsServer(REPLY, authority.valid()) as server:
        done = run(["ask", "hi", "--base-url", server.url, "--ca-file", ca_file], env)
    assert (done.returncode, done.stdout) == (0, b"hello\n")


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to name the hashed file")
@pytest.mark.parametrize("directories", ["{0}", "/usr/share:{0}"], ids=["one", "a list"])
def test_a_directory_of_cas_is_trusted(
    directories: str, authority: Authority, ca_file: str, tmp_path: Path, env: dict[str, str]
) -> None:
    hashed = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", ca_file],
        capture_output=True,
        check=True,
        text=True,
    )
    store = tmp_path / "store"
    store.mkdir()
    authority.write(store / f"{hashed.stdout.strip()}.0")
    env["SSL_CERT_DIR"] = directories.format(store)
    with TlsServer(REPLY, authority.valid()) as server:
        done = run(["ask", "hi", "--base-url", server.url], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


def test_an_intermediate_ca_in_the_file_is_enough(
    authority: Authority, tmp_path: Path, env: dict[str, str]
) -> None:
    # As with curl: what the user names is trusted, whether it signs itself or not.
    child = authority.child()
    ca_file = child.write(tmp_path / "child.pem")
    with TlsServer(REPLY, child.valid()) as server:
        done = run(["ask", "hi", "--base-url", server.url, "--ca-file", ca_file], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_an_ip_address_in_the_certificate_is_enough(
    authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    with TlsServer(REPLY, authority.valid("127.0.0.1")) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        done = run(["ask", "hi", "--base-url", url, "--ca-file", ca_file], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


def test_the_system_store_serves_the_real_command(
    authority: Authority, ca_file: str, tmp_path: Path, env: dict[str, str]
) -> None:
    # OpenSSL's place of the system's store, moved to a file of ours.
    code = f"""
import ssl
paths = ssl.get_default_verify_paths()
ssl.get_default_verify_paths = lambda: paths._replace(openssl_cafile={ca_file!r})
"""
    with TlsServer(REPLY, authority.valid()) as server:
        command = [*altered_cli(tmp_path, code), "ask", "hi", "--base-url", server.url]
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


# Certificates that are refused


REFUSED: dict[str, tuple[Callable[[Authority], ssl.SSLContext], bytes, bytes]] = {
    "unknown CA": (lambda _: Authority().valid(), b"signed by a CA that", b"--ca-file"),
    "self-signed": (lambda _: self_signed(), b"is self-signed", b"--ca-file"),
    "expired": (lambda ca: ca.expired(), b"has expired", b"clock"),
    "not yet valid": (lambda ca: ca.not_yet_valid(), b"not valid yet", b"clock"),
    "wrong host": (lambda ca: ca.wrong_host(), b"another host name", b"base URL"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("fault", REFUSED)
def test_a_bad_certificate_names_its_fault(
    command: str, fault: str, authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    make, message, hint = REFUSED[fault]
    with TlsServer(REPLY, make(authority)) as server:
        done = run([command, "hi", "--base-url", server.url, "--ca-file", ca_file], env)
    assert (done.returncode, done.stdout) == (8, b"")
    said, advice = done.stderr.splitlines()
    assert said.startswith(b"clinecli: error: the certificate of localhost ")
    assert message in said
    assert hint in advice
    assert server.requests == []
    no_traceback(done)


def test_the_systems_store_does_not_trust_a_private_ca(
    authority: Authority, env: dict[str, str]
) -> None:
    with TlsServer(REPLY, authority.valid()) as server:
        done = run(["ask", "hi", "--base-url", server.url], env)
    assert done.returncode == 8
    assert b"CA that this machine does not trust" in done.stderr
    assert server.requests == []


def test_another_address_than_the_certificates(
    authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    with TlsServer(REPLY, authority.valid("127.0.0.2")) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        done = run(["ask", "hi", "--base-url", url, "--ca-file", ca_file], env)
    assert done.returncode == 8
    assert b"the certificate of 127.0.0.1 is for another IP address" in done.stderr


def test_nothing_is_tried_again(ca_file: str, env: dict[str, str]) -> None:
    with TlsServer(REPLY, self_signed()) as server:
        arguments = ["ask", "hi", "--base-url", server.url, "--ca-file", ca_file, "--retries", "3"]
        done = run(arguments, env)
    assert done.returncode == 8
    assert b"trying again" not in done.stderr


def test_a_server_that_asks_for_a_client_certificate(
    authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    context = authority.valid()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.pem.decode())
    with TlsServer(REPLY, context) as server:
        arguments = ["ask", "hi", "--base-url", server.url, "--ca-file", ca_file, "--retries", "0"]
        done = run(arguments, env)
    assert done.returncode == 8
    assert b"client certificate" in done.stderr


# What is not TLS


def plain_http(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(response(b"{}", status="400 Bad Request"))


def banner(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.recv(65536)


def cut(connection: socket.socket) -> None:
    connection.recv(65536)


def cut_by_reset(connection: socket.socket) -> None:
    connection.recv(1)
    reset(connection)


def cut_inside(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"\x16\x03\x03\x00\x7a\x02")


NOT_TLS: dict[str, tuple[Callable[[socket.socket], None], bytes]] = {
    "plain HTTP": (plain_http, b"does not speak TLS on this port"),
    "another protocol": (banner, b"does not speak TLS on this port"),
    "cut": (cut, b"cut the TLS handshake"),
    "reset": (cut_by_reset, b"cut the TLS handshake"),
    "cut inside a message": (cut_inside, b"cut the TLS handshake"),
}


@BOTH_COMMANDS
@pytest.mark.parametrize("fault", NOT_TLS)
def test_a_port_without_tls(command: str, fault: str, env: dict[str, str]) -> None:
    handle, message = NOT_TLS[fault]
    with TcpServer(handle) as server:
        done = run([command, "hi", "--base-url", f"https://{server.address}"], env)
    assert (done.returncode, done.stdout) == (8, b"")
    assert b"error: 127.0.0.1 " + message in done.stderr
    assert b"\nclinecli: hint: " in done.stderr
    no_traceback(done)


def test_a_handshake_that_stalls_ends_with_the_connect_timeout(env: dict[str, str]) -> None:
    with TcpServer(stall) as server:
        arguments = ["ask", "hi", "--base-url", f"https://{server.address}"]
        done = run([*arguments, "--connect-timeout", "0.5", "--retries", "0"], env)
    assert done.returncode == 7
    assert b"the TLS handshake with 127.0.0.1 did not finish within 0.5 s" in done.stderr
    no_traceback(done)


# CA files that are no good


@pytest.fixture
def silent_server() -> Iterator[TcpServer]:
    with TcpServer(stall) as server:
        yield server


BAD_FILES: dict[str, tuple[bytes | None, bytes]] = {
    "missing": (None, b"does not exist"),
    "empty": (b"", b"holds no PEM certificate"),
    "garbage": (b"\x00\xffgarbage\n", b"holds no PEM certificate"),
    "damaged PEM": (
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"holds no PEM certificate",
    ),
}


@pytest.mark.parametrize("source", ["SSL_CERT_FILE", "--ca-file"])
@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_ca_file_that_cannot_be_used(
    source: str, fault: str, silent_server: TcpServer, tmp_path: Path, env: dict[str, str]
) -> None:
    content, message = BAD_FILES[fault]
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    arguments = ["ask", "hi", "--base-url", f"https://{silent_server.address}"]
    if source == "SSL_CERT_FILE":
        env[source] = str(file)
    else:
        arguments += [source, str(file)]
    done = run(arguments, env)
    assert done.returncode == (3 if source == "--ca-file" else 8)
    assert message in done.stderr
    assert source.encode() in done.stderr
    assert bytes(file) in done.stderr
    if source == "--ca-file":
        # The variables' CAs are loaded beside the connection.
        assert silent_server.connections == 0
    no_traceback(done)


@BOTH_COMMANDS
def test_plain_http_does_not_mind_a_bad_variable(command: str, env: dict[str, str]) -> None:
    env["SSL_CERT_FILE"] = "/nonexistent/ca.pem"
    env["SSL_CERT_DIR"] = "/nonexistent"

    def speak(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(REPLY if command == "ask" else STREAM)

    with TcpServer(speak) as server:
        done = run([command, "hi", "--base-url", f"http://{server.address}"], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


def test_a_reply_in_two_parts_with_a_long_wait(
    authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    # A read that times out must go on where it was.
    def halting(connection: socket.socket, _number: int) -> None:
        connection.sendall(STREAM_HEAD + http_chunk(delta("hel")))
        threading.Event().wait(1.3)
        connection.sendall(http_chunk(delta("lo") + STOP + DONE) + http_chunk(b""))

    with TlsServer(halting, authority.valid()) as server:
        done = run(["stream", "hi", "--base-url", server.url, "--ca-file", ca_file], env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


def test_a_reply_that_tls_cuts_is_incomplete(
    authority: Authority, ca_file: str, env: dict[str, str]
) -> None:
    def cut_reply(connection: socket.socket, _number: int) -> None:
        connection.sendall(STREAM_HEAD + http_chunk(delta("partial")))

    with TlsServer(cut_reply, authority.valid()) as server:
        done = run(["stream", "hi", "--base-url", server.url, "--ca-file", ca_file], env)
    assert (done.returncode, done.stdout) == (11, b"partial\n")
    assert b"cut" in done.stderr
    no_traceback(done)


# Client certificates


@pytest.fixture
def identity(tmp_path: Path) -> tuple[trustme.CA, dict[str, str]]:
    """A CA, and files of a client certificate of it."""
    ca = trustme.CA()
    issued = ca.issue_cert("me@example.com")
    files = {"cert": tmp_path / "me.pem", "key": tmp_path / "me.key"}
    issued.cert_chain_pems[0].write_to_path(str(files["cert"]))
    issued.private_key_pem.write_to_path(str(files["key"]))
    return ca, {name: str(path) for name, path in files.items()}


def test_a_client_certificate(
    identity: tuple[trustme.CA, dict[str, str]],
    authority: Authority,
    tmp_path: Path,
    env: dict[str, str],
) -> None:
    ca, files = identity
    env["SSL_CERT_FILE"] = authority.write(tmp_path / "ca.pem")
    context = authority.valid()
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    with TlsServer(response(completion("hello")), context) as server:
        env["CLINE_API_BASE_URL"] = server.url
        flags = ["--cert", files["cert"], "--cert-key", files["key"]]
        done = run(["ask", "hi", *flags], env)
        assert (done.returncode, done.stdout) == (0, b"hello\n"), done
        _, hint = failure(run(["ask", "hi", "--retries", "0"], env), 8)
        assert "--cert" in hint
        # Secrets that are on no disk: each pipe can be read once.
        for pipes in ('--cert <(cat "$cert" "$key")', '--cert "$cert" --cert-key <(cat "$key")'):
            script = f'"$@" {pipes}'
            done = subprocess.run(
                ["bash", "-c", script, "bash", *CLI, "ask", "--no-stdin", "hi"],
                env=env | files,
                capture_output=True,
                check=False,
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


@pytest.mark.parametrize("flag", ["--ca-file", "--cert", "SSL_CERT_FILE"])
def test_a_pipe_of_certificates_that_nobody_writes(
    flag: str, silent_server: TcpServer, tmp_path: Path, env: dict[str, str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    flags = [flag, str(pipe)] if flag.startswith("--") else []
    env[flag] = str(pipe)
    words = ["ask", "hi", "--timeout", "0.5", "--base-url", f"https://{silent_server.address}"]
    message, _ = failure(run([*words, *flags], env, timeout=20), 3 if flags else 8)
    assert "was not read within 0.5 s" in message
    assert flag in message


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--cert", "/dev/zero"], "no PEM of certificate and key"),
        (["--cert", "/nowhere.pem"], "does not exist: /nowhere.pem"),
        (["--cert", "{cert}"], "no PEM of certificate and key"),
        (["--cert", "{cert}", "--cert-key", "{other}"], "does not belong to its key"),
    ],
    ids=["endless", "missing", "no key", "another key"],
)
def test_a_client_certificate_that_cannot_be_used(
    flags: list[str],
    said: str,
    identity: tuple[trustme.CA, dict[str, str]],
    tmp_path: Path,
    env: dict[str, str],
) -> None:
    other = tmp_path / "other.key"
    trustme.CA().issue_cert("x@example.com").private_key_pem.write_to_path(str(other))
    words = [flag.format(**identity[1], other=other) for flag in flags]
    message, _ = failure(run(["ask", "hi", *words], env), 3)
    assert said in message
