"""Keys: where they may be, what is said about the place, and that they are never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.helpers.env import KEY, provider
from tests.helpers.process import (
    BOTH_COMMANDS,
    COMMANDS,
    altered_cli,
    failure,
    no_traceback,
    run,
)
from tests.helpers.proxies import ForwardProxy
from tests.helpers.replies import DONE, REPLY, STOP, completion, delta, event_stream, response
from tests.helpers.servers import RawServer


def own_key(env: dict[str, str], text: str, mode: int = 0o600) -> Path:
    """The key file that needs no setting."""
    del env["CLINE_API_KEY"]
    path = Path(env["HOME"], ".config", "clinecli", "key")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def config(env: dict[str, str], text: str) -> Path:
    path = Path(env["HOME"], ".config", "clinecli", "config.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def sent_key(server: RawServer) -> bytes:
    head = server.requests[-1][0]
    return head.partition(b"\r\nAuthorization: Bearer ")[2].partition(b"\r\n")[0]


# The file beside the config file


@pytest.mark.parametrize("command", [*COMMANDS, "models"])
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o644])
def test_a_key_that_needs_no_setting(mode: int, command: str, env: dict[str, str]) -> None:
    path = own_key(env, f"{KEY}\n", mode)
    question = ["hi"] if command in COMMANDS else ["--refresh"]
    with RawServer(response(b'{"data": []}') if command == "models" else REPLY) as server:
        run([command, *question, "--base-url", server.url], env)
        done = run([command, *question, "--base-url", server.url], env)
    assert sent_key(server) == KEY.encode()
    is_noted = f"others can read {path} (mode {mode:04o}): chmod 600 it".encode() in done.stderr
    assert is_noted == (mode == 0o644)


def test_the_own_key_comes_before_that_of_the_official_cli(env: dict[str, str]) -> None:
    own_key(env, KEY)
    official = Path(env["HOME"], ".cline", "data", "settings", "providers.json")
    official.parent.mkdir(parents=True)
    official.write_text(provider("another"))
    with RawServer(REPLY) as server:
        assert run(["ask", "hi", "--base-url", server.url], env).returncode == 0
        assert sent_key(server) == KEY.encode()
        config(env, 'key_command = ["echo", "of-the-command"]')
        assert run(["ask", "hi", "--base-url", server.url], env).returncode == 0
        assert sent_key(server) == b"of-the-command"


def test_an_own_key_file_without_a_key(env: dict[str, str]) -> None:
    path = own_key(env, "\n")
    message, hint = failure(run(["ask", "hi"], env), 3)
    assert message == f"the API key from {path} is empty"
    assert str(path) in hint


def test_hints_of_a_bad_key_file_speak_of_that_file(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for file in ("missing", "empty"):
        done = run(["ask", "hi", "--key-file", f"./{file}"], env, cwd=tmp_path)
        message, hint = failure(done, 3)
        assert f"--key-file (./{file})" in message
        assert "--key-file" in hint
        assert "CLINE_API_KEY" not in hint


# Paths of the config file


def program(path: Path, output: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {output}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('key_command = ["bin/get"]', "bin/get"),
        ('key_command = ["./get"]', "get"),
        ('key_file = "my.key"', "my.key"),
        ('key_file = "../clinecli/my.key"', "my.key"),
    ],
    ids=["command", "command with a dot", "file", "file above"],
)
def test_relative_paths_start_at_the_config_file(
    line: str, name: str, env: dict[str, str], tmp_path: Path
) -> None:
    del env["CLINE_API_KEY"]
    checkout = tmp_path / "checkout"
    for place, output in ((checkout, "of-the-checkout"), (config(env, line).parent, KEY)):
        if "command" in line:
            program(place / name, output)
        else:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_text(output)
    with RawServer(REPLY) as server:
        done = run(["ask", "hi", "--base-url", server.url], env, cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert sent_key(server) == KEY.encode()


def test_a_relative_ca_file_starts_at_the_config_file(
    env: dict[str, str], ca_file: str, tmp_path: Path
) -> None:
    config(env, 'ca_file = "my.pem"').with_name("my.pem").write_text(Path(ca_file).read_text())
    (tmp_path / "my.pem").write_text("none")
    done = run(["ask", "hi", "--base-url", "https://127.0.0.1:1", "--retries", "0"], env)
    assert done.returncode == 7


@pytest.mark.parametrize("home", [".", "", "checkout"], ids=["dot", "empty", "relative"])
@pytest.mark.parametrize("line", ['key_file = "~/my.key"', 'key_command = ["~/get"]'])
def test_a_tilde_is_not_the_working_directory(
    line: str, home: str, env: dict[str, str], tmp_path: Path
) -> None:
    del env["CLINE_API_KEY"]
    config(env, line)
    program(tmp_path / "get", "evil")
    (tmp_path / "my.key").write_text("evil")
    env |= {"XDG_CONFIG_HOME": f"{env['HOME']}/.config", "HOME": home}
    with RawServer(REPLY) as server:
        done = run(["ask", "hi", "--base-url", server.url], env, cwd=tmp_path)
    assert done.returncode == 3
    assert server.requests == []


@pytest.mark.parametrize("path", ["", ".", "bin", "./bin"], ids=ascii)
def test_a_key_command_is_not_found_in_the_working_directory(
    path: str, env: dict[str, str], tmp_path: Path
) -> None:
    del env["CLINE_API_KEY"]
    config(env, 'key_command = ["pass-of-mine"]')
    program(tmp_path / "pass-of-mine", "evil")
    program(tmp_path / "bin" / "pass-of-mine", "evil")
    env["PATH"] = f"{path}{os.pathsep}/usr/bin"
    message, _ = failure(run(["ask", "hi"], env, cwd=tmp_path), 3)
    assert message == "key_command (pass-of-mine) cannot be run: no such command in PATH"


def test_what_a_key_command_leaves_behind_is_not_waited_for(
    env: dict[str, str], tmp_path: Path
) -> None:
    """As `gpg-agent` or the like, with the command's stdout."""
    del env["CLINE_API_KEY"]
    os.mkfifo(tmp_path / "pipe")
    program(tmp_path / "agent", f"{KEY}\ncat pipe 2>&1 &")
    config(env, f'key_command = ["{tmp_path / "agent"}"]')
    with RawServer(REPLY) as server:
        done = run(["ask", "hi", "--base-url", server.url], env, cwd=tmp_path)
    # Opens when it has a reader, which ends with this.
    os.close(os.open(tmp_path / "pipe", os.O_WRONLY))
    assert (done.returncode, done.stdout) == (0, b"hello\n"), done.stderr
    assert sent_key(server) == KEY.encode()


@pytest.mark.parametrize(
    "line",
    [
        r'key_file = "a\u0000b"',
        r'ca_file = "a\u0000b"',
        r'key_command = ["a\u0000b"]',
        r'key_command = ["a", "\u0000"]',
        r'model = "\u0000"',
    ],
)
def test_nul_in_the_config_file(line: str, env: dict[str, str]) -> None:
    path = config(env, f"\n{line}\n")
    message, _ = failure(run(["ask", "hi"], env), 3)
    name = line.split(" ", maxsplit=1)[0]
    assert message == f"{path}, line 2: {name} has a NUL character in it"


# Keys in the place of a path


BASE64 = "/9j4AAQSkZJRgABAQEAYABgAAD+Q29weXJpZ2h0IQ=="


@pytest.mark.parametrize("key", [BASE64, f"~{BASE64}", f".{BASE64}", f"/tmp{BASE64}", f"/{KEY}"])
@pytest.mark.parametrize("way", ["variable", "flag", "config"])
def test_a_key_in_the_place_of_its_file(way: str, key: str, env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    flags = ["--key-file", key] if way == "flag" else []
    if way == "variable":
        env["CLINE_API_KEY_FILE"] = key
    elif way == "config":
        config(env, f'key_file = "{key}"')
    done = run(["ask", "-v", "hi", *flags], env)
    assert done.returncode == 3
    assert key.lstrip("~./").encode() not in done.stderr


def test_a_key_without_an_end(env: dict[str, str], tmp_path: Path) -> None:
    """It was looked for in every text of a server, in time that grew with its square."""
    (tmp_path / "key").write_text("x" * 5_000_000)
    message, _ = failure(run(["ask", "hi", "--key-file", str(tmp_path / "key")], env), 3)
    assert message.endswith(": it has more than 64 KiB")
    env["CLINE_API_KEY"] = "x" * 8193
    message, _ = failure(run(["ask", "hi"], env), 3)
    assert message == "the API key from CLINE_API_KEY has more than the 8,192 characters of any key"


def test_the_longest_key_is_found_in_time(env: dict[str, str]) -> None:
    key = "ab" * 4096
    env["CLINE_API_KEY"] = key
    hostile = f"{'ab' * 30_000} {key} {quote(key)}"
    answer = response(json.dumps({"error": {"message": hostile}}).encode(), status="400 No")
    with RawServer(answer) as server:
        done = run(["ask", "hi", "--base-url", server.url], env)
    assert done.returncode == 9


# What servers and proxies quote

SPELLINGS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "lower case": str.lower,
    "upper case": str.upper,
    "URL": lambda key: quote(key, safe=""),
    "base64": lambda key: b64encode(key.encode()).decode(),
    "base64 of the header": lambda key: b64encode(f"Bearer {key}".encode()).decode(),
    "HTML": escape,
    "hexadecimal": lambda key: key.encode().hex(),
    "JSON in JSON": lambda key: json.dumps(key)[1:-1],
}
# With every character that a spelling changes.
ODD_KEY = 'sK-Te/st+0123"456&789<abc>def='


def shows(output: bytes, spelled: str) -> bool:
    """Whether a key is there, or the half of it that would be enough to look for."""
    return spelled[6:-6].lower().encode() in output.lower()


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("command", [*COMMANDS, "models"])
def test_no_spelling_of_the_key_is_shown(command: str, spelling: str, env: dict[str, str]) -> None:
    env["CLINE_API_KEY"] = ODD_KEY
    spelled = SPELLINGS[spelling](ODD_KEY)
    error = {"code": spelled, "message": f"no: {spelled}", "metadata": {"raw": spelled}}
    answer = response(
        json.dumps({"error": error}).encode(),
        status="400 No",
        content_type=f"text/{spelled}",
        x_request_id=spelled,
    )
    question = ["hi"] if command in COMMANDS else []
    with RawServer(answer) as server:
        for flags in ([], ["-j"], ["-v"]):
            done = run([command, *question, *flags, "--base-url", server.url], env)
            assert done.returncode == 9
            assert not shows(done.stdout + done.stderr, spelled), done.stderr


@BOTH_COMMANDS
@pytest.mark.parametrize("host", [f"{KEY}.evil.example", f"{KEY}.EVIL.example", KEY.upper()])
def test_a_redirect_to_the_key_does_not_show_it(
    command: str, host: str, env: dict[str, str]
) -> None:
    answer = response(b"", status="302 Found", Location=f"http://{host}/")
    with RawServer(answer) as server:
        done = run([command, "hi", "-v", "--base-url", server.url], env)
    assert done.returncode == 11
    assert not shows(done.stderr, KEY)


def test_usage_and_notes_do_not_show_the_key(env: dict[str, str]) -> None:
    usage: dict[str, Any] = {
        "model": KEY,
        "id": KEY.upper(),
        "usage": {"note": KEY, "prompt_tokens": 1},
    }
    with RawServer(response(completion("ok", **usage))) as server:
        for flags in ([], ["-j"]):
            done = run(["ask", "hi", "--usage", *flags, "--base-url", server.url], env)
            assert done.returncode == 0
            assert not shows(done.stderr, KEY)
    refused = response(json.dumps({"error": {"message": KEY}}).encode(), status="401 No")

    def answer(connection: object, number: int) -> None:
        listing = response(b'{"data": [{"id": "a/b"}]}')
        connection.sendall(refused if number < 2 or number > 2 else listing)  # type: ignore[attr-defined]

    with RawServer(answer) as server:
        done = run(["models", "--base-url", server.url], env)
    assert done.returncode == 0
    assert b"listed without the key" in done.stderr
    assert b"without the recommended models" in done.stderr
    assert not shows(done.stderr, KEY)


# What a message about a reply quotes of it. A message is cut after secrets were taken out.
QUOTED: dict[str, tuple[bytes, int]] = {
    "unknown finish_reason": (response(completion("ok", KEY)), 0),
    "long finish_reason": (response(completion("ok", f"{'x' * (100 - len(KEY) // 2)}{KEY}")), 0),
    "refusal": (
        response(completion(None).replace(b'"role"', f'"refusal": "no {KEY}", "role"'.encode())),
        9,
    ),
    "value against the schema": (response(completion(json.dumps({"a": KEY}))), 11),
    "long value against the schema": (
        response(completion(json.dumps({"a": f"{'x' * (200 - len(KEY) // 2)} {KEY}"}))),
        11,
    ),
    "name against the schema": (response(completion(json.dumps({KEY: 1}))), 11),
    "coding": (response(b"x", Content_Encoding=KEY), 11),
}


@pytest.mark.parametrize("name", QUOTED)
def test_what_is_said_of_a_reply_does_not_show_the_key(
    name: str, env: dict[str, str], tmp_path: Path
) -> None:
    answer, status = QUOTED[name]
    schema = {"additionalProperties": False, "properties": {"a": {"enum": [1]}}}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    flags = ["--schema", "s.json"] if "schema" in name else []
    with RawServer(answer) as server:
        words = ["hi", "--retries", "0", *flags, "--base-url", server.url]
        for extra in ([], ["-j"], ["-v"]):
            done = run(["ask", *words, *extra], env, cwd=tmp_path)
            assert done.returncode == status
            assert b"[key]" in done.stderr
            assert not shows(done.stderr, KEY)
        streamed = run(["stream", *words], env, cwd=tmp_path)
    assert not shows(streamed.stderr, KEY)


def test_a_refusal_that_spells_the_key_in_pieces(env: dict[str, str]) -> None:
    pieces = [delta(delta={"refusal": each}) for each in (KEY[:8], KEY[8:])]
    with RawServer(event_stream(*pieces, STOP, DONE)) as server:
        done = run(["stream", "hi", "--base-url", server.url, "--retries", "0"], env)
    assert failure(done, 9)[0] == "the model refuses to answer: [key]"


PROXY_PASSWORD = "S3cretPw-0815"
PROXY_SPELLINGS = (
    PROXY_PASSWORD,
    b64encode(f"usr:{PROXY_PASSWORD}".encode()).decode(),
    PROXY_PASSWORD.lower(),
)


@pytest.mark.parametrize("spelled", PROXY_SPELLINGS, ids=["raw", "base64", "lower case"])
@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("command", [*COMMANDS, "models"])
def test_a_proxy_that_echoes_its_password(
    command: str, scheme: str, way: str, spelled: str, env: dict[str, str]
) -> None:
    question = ["hi"] if command in COMMANDS else []
    body = json.dumps({"error": {"message": f"bad {spelled}", "code": spelled}}).encode()
    head = f"HTTP/1.1 407 bad usr:{spelled}\r\nContent-Length: {len(body)}\r\n\r\n"
    with ForwardProxy(head.encode() + body) as proxy:
        url = f"http://usr:{PROXY_PASSWORD}@127.0.0.1:{proxy.port}"
        host = f"{scheme}://127.0.0.1:1"
        words = [command, *question, "-v", "--retries", "0", "--base-url", host]
        env["NO_PROXY"] = ""
        if way == "flag":
            words += ["--proxy", url]
        else:
            env[f"{scheme}_proxy"] = url
        done = run(words, env)
    no_traceback(done)
    assert done.returncode not in {0, 1}
    assert spelled.lower().encode() not in (done.stdout + done.stderr).lower()


def test_a_proxy_password_with_a_line_break_is_not_shown(env: dict[str, str]) -> None:
    done = run(["ask", "hi", "--curl", "--proxy", "http://u:a\nPassW0rd@h:1"], env)
    assert done.returncode == 7
    assert b"PassW0rd" not in done.stdout + done.stderr


# Names below localhost

ELSEWHERE = """
import socket
real = socket.getaddrinfo
def getaddrinfo(host, *arguments, **options):
    name = host.decode() if isinstance(host, bytes) else host
    return real("192.0.2.5" if name.endswith(".localhost") else host, *arguments, **options)
socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.parametrize("command", [*COMMANDS, "models"])
@pytest.mark.parametrize("way", ["base URL", "proxy"])
def test_a_name_below_localhost_that_is_elsewhere(
    command: str, way: str, env: dict[str, str], tmp_path: Path
) -> None:
    question = ["hi"] if command in COMMANDS else []
    flags = (
        ["--base-url", "http://evil.localhost:8080"]
        if way == "base URL"
        else ["--base-url", "http://127.0.0.1:1", "--proxy", "http://evil.localhost:8080"]
    )
    words = [*altered_cli(tmp_path, ELSEWHERE), command, *question, *flags]
    done = subprocess.run(
        words, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert "resolves to 192.0.2.5" in failure(done, 3)[0]


def namespaces() -> bool:
    """Whether a hosts file of one's own can be had."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    try:
        return subprocess.run(["unshare", "-m", "-n", "true"], check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not namespaces(), reason="needs root and namespaces")
def test_a_hosts_file_that_leads_elsewhere(env: dict[str, str], tmp_path: Path) -> None:
    """The real resolver: nothing is connected to, though somebody listens there."""
    (tmp_path / "hosts").write_text("203.0.113.5 evil.localhost\n")
    script = (
        "mount --bind hosts /etc/hosts && ip link set lo up && "
        "ip addr add 203.0.113.5/32 dev lo && "
        '"$@" -m clinecli ask hi --base-url http://evil.localhost:8080'
    )
    env["PYTHONPATH"] = os.fspath(Path(__file__).parents[2])
    done = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", script, "sh", sys.executable],
        env=env | {"PATH": f"{env['PATH']}{os.pathsep}/usr/sbin{os.pathsep}/sbin"},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert "resolves to 203.0.113.5" in failure(done, 3)[0]
