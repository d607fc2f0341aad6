"""`doctor` on the command line: arguments, output, colours, keys and variables."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from clinecli.config.secret import KEY_HINT
from clinecli.doctor.checks import CHECKS
from clinecli.mock import mock_server
from clinecli.options.mock import MockOptions
from tests.helpers.doctor import api, diagnose, reported
from tests.helpers.env import KEY
from tests.helpers.process import CLI, altered_cli, failure, no_traceback, run, started
from tests.helpers.replies import response
from tests.helpers.servers import TcpServer, refusing, stall
from tests.helpers.terminal import Terminal, run_on_terminal

IDS = [check.id for check in CHECKS]


@pytest.fixture
def dead(env: dict[str, str]) -> dict[str, str]:
    """Nothing listens where the API should be."""
    with refusing() as port:
        env["CLINE_API_BASE_URL"] = f"http://127.0.0.1:{port}"
    return env


# Arguments


def test_the_list(env: dict[str, str]) -> None:
    done = run(["doctor", "--list"], env)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == IDS
    assert all(len(line.split()) > 2 for line in lines)


def test_the_list_as_json(env: dict[str, str]) -> None:
    done = run(["doctor", "--list", "--json", "net.tls"], env)
    listed = json.loads(done.stdout)
    assert [check["id"] for check in listed] == [
        *("config", "env.proxy", "env.ca", "net.dns", "net.tcp", "net.proxy", "net.tls")
    ]
    assert listed[-1] == {"id": "net.tls", "title": CHECKS[8].title, "needs": ["net.proxy"]}


@pytest.mark.parametrize(
    ("name", "said"), [("net.dnss", "did you mean net.dns"), ("zzz", "one of runtime, config")]
)
def test_a_check_that_does_not_exist(name: str, said: str, env: dict[str, str]) -> None:
    message, hint = failure(run(["doctor", name], env), 2)
    assert name in message
    assert said in hint


def test_only_what_is_named_and_needed_runs(dead: dict[str, str]) -> None:
    report = reported(dead, "key", "env.ca")
    assert list(report.checks) == ["config", "key", "env.ca"]
    assert report.status == 0


def test_a_bad_flag_is_told_by_its_check(dead: dict[str, str]) -> None:
    report = reported(dead, "--model", " ")
    assert (report.root_cause, report.status) == ("config", 2)


def test_help_names_every_flag(env: dict[str, str]) -> None:
    text = run(["doctor", "--help"], env).stdout.decode()
    for flag in ("--json", "--live", "--request", "--strict", "--list", "--verbose", "--timeout"):
        assert flag in text
    text = " ".join(text.split())
    # As long as `ask` waits.
    assert re.search(r"--connect-timeout S [^\[]*\[default: 10\]", text)
    assert re.search(r" --timeout S [^\[]*\[default: 600\]", text)


# The text report


def masked(done: subprocess.CompletedProcess[bytes], env: dict[str, str]) -> list[str]:
    """The lines on stdout without ports, times, versions and directories."""
    no_traceback(done)
    text = done.stdout.decode().replace(env["HOME"], "HOME")
    for pattern, placeholder in (
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"port \d+", "port PORT"),
        (r"(?<=[( ])\d+ ms", "N ms"),
        (r" \(N ms\)", ""),
        (r"clinecli [\d.]+, .*", "clinecli VERSION"),
        (r"SHA-256 [0-9a-f]{8}(?=\.)", "SHA-256 DIGEST"),
    ):
        text = re.sub(pattern, placeholder, text)
    return text.splitlines()


DEAD = """\
✓ runtime     clinecli VERSION
✓ config      http://127.0.0.1:PORT/api/v1, model anthropic/claude-sonnet-4-6
✓ key         from CLINE_API_KEY, 24 characters, SHA-256 c871f067…
✓ env.proxy   a direct connection: no proxy is set
– env.ca      not used: no https:// is involved
✓ net.dns     127.0.0.1 is an address and needs no DNS
✗ net.tcp     127.0.0.1:PORT refused the connection
              tried 127.0.0.1 on port PORT
– net.ways    there is only one way: direct, by IPv4
– message     no request is given (--request FILE)
– not checked, for want of net.tcp: net.proxy, net.tls, api.http, api.clock, api.auth, \
api.credit, api.model, api.chat, api.body

root cause: net.tcp: 127.0.0.1:PORT refused the connection
→ check host and port of the base URL (from CLINE_API_BASE_URL); is the server running?
exit status 7 (connection)"""


def test_a_failure_in_text(dead: dict[str, str]) -> None:
    dead["LANG"] = "en_US.UTF-8"
    done = run(["doctor"], dead)
    assert (done.returncode, done.stderr) == (7, b"")
    assert masked(done, dead) == DEAD.splitlines()


HEALTHY = """\
ok   runtime     clinecli VERSION
ok   config      http://127.0.0.1:PORT/api/v1, model anthropic/claude-sonnet-4-6
warn key         from CLINE_API_KEY, 16 characters, SHA-256 DIGEST...; it is an account token \
(workos:), which expires
                 -> create an API key
ok   env.proxy   a direct connection: no proxy is set
skip env.ca      not used: no https:// is involved
ok   net.dns     127.0.0.1 is an address and needs no DNS
ok   net.tcp     127.0.0.1 accepts connections on port PORT
skip net.proxy   not used: the connection is direct
skip net.tls     not used: http:// has no encryption, and stays on this machine
skip net.ways    there is only one way: direct, by IPv4
ok   api.http    answers within N ms (HTTP 401 without a key)
ok   api.clock   within 1 s of the server's
ok   api.auth    the key is valid
ok   api.credit  the balance of the account is $12.50
ok   api.model   anthropic/claude-sonnet-4-6 is one of 13 models
skip message     no request is given (--request FILE)
ok   api.chat    refuses a request without a message, as it should; --live sends a real one
skip api.body    a large request is sent with --live alone

no check failed, 1 warning (exit status 0); --live also asks for real"""


@pytest.mark.parametrize("locale", [{"LC_ALL": "C"}, {"LANG": "de_DE.ISO-8859-1"}], ids=str)
def test_a_warning_in_ascii(locale: dict[str, str], env: dict[str, str]) -> None:
    env.pop("LANG", None)
    env |= {"CLINE_API_KEY": "workos:789abcdef", **locale}
    with mock_server(MockOptions()) as server:
        env["CLINE_API_BASE_URL"] = server.base_url
        done = run(["doctor"], env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert masked(done, env) == HEALTHY.splitlines()


def test_details_of_what_passed(env: dict[str, str]) -> None:
    env["LC_ALL"] = "C.UTF-8"
    done = run(["doctor", "--verbose", "config", "env.proxy"], env)
    assert masked(done, env) == [
        "✓ config     https://api.cline.bot/api/v1, model anthropic/claude-sonnet-4-6",
        "             base URL from the default",
        "             model from the default",
        "             config file HOME/.config/clinecli/config.toml, which does not exist",
        "✓ env.proxy  a direct connection: no proxy is set",
        "             NO_PROXY: 127.0.0.1,localhost,::1",
        "",
        "all checks passed (exit status 0)",
    ]


def test_requests_are_told_with_verbose(env: dict[str, str]) -> None:
    with api() as server:
        env["CLINE_API_BASE_URL"] = server.url
        done = run(["doctor", "-v"], env)
    no_traceback(done)
    assert b"> GET " in done.stderr
    assert b"with the key" in done.stderr


def test_strict(env: dict[str, str]) -> None:
    env |= {"CLINE_API_KEY": "workos:789abcdef", "LC_ALL": "C"}
    done = run(["doctor", "key", "--strict"], env)
    assert done.returncode == 1
    *_, cause, last = done.stdout.decode().splitlines()
    assert cause.startswith("root cause: key: from CLINE_API_KEY")
    assert last.endswith("exit status 1: a warning counts as a failure (--strict)")
    report = reported(env, "key", "--strict")
    assert (report.root_cause, report.status) == ("key", 1)


# Terminals


def test_colours_are_for_terminals(dead: dict[str, str]) -> None:
    dead |= {"LC_ALL": "C.UTF-8", "TERM": "xterm"}
    status, text, _ = run_on_terminal(["doctor"], dead)
    assert status == 7
    assert b"\x1b[32m\xe2\x9c\x93\x1b[0m runtime" in text
    assert b"\x1b[31m\xe2\x9c\x97\x1b[0m net.tcp" in text


@pytest.mark.parametrize(
    "plain",
    [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}, {}],
    ids=["NO_COLOR", "dumb", "no TERM"],
)
def test_no_colours(plain: dict[str, str], dead: dict[str, str]) -> None:
    _, text, _ = run_on_terminal(["doctor"], {**dead, **plain, "LC_ALL": "C.UTF-8"})
    assert b"\x1b" not in text
    assert (b"FAIL net.tcp" in text) == (plain.get("TERM") != "xterm")


def test_an_empty_no_color_is_not_set(dead: dict[str, str]) -> None:
    dead |= {"NO_COLOR": "", "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    assert b"\x1b[31m" in run_on_terminal(["doctor"], dead)[1]


def test_json_on_a_terminal_is_json(dead: dict[str, str]) -> None:
    dead["TERM"] = "xterm"
    _, text, _ = run_on_terminal(["doctor", "--json"], dead)
    assert json.loads(text)["root_cause"] == "net.tcp"


def test_a_server_cannot_drive_the_terminal(env: dict[str, str]) -> None:
    evil = b'{"error":{"message":"\\u001b[2J\\u001b]0;owned\\u0007 \\u202e\\n::error::x"}}'
    refusal = response(evil, status="403 Forbidden")
    with api({"GET /users/me": refusal, "POST /chat/completions": refusal}) as server:
        env |= {"CLINE_API_BASE_URL": server.url, "NO_COLOR": "1", "TERM": "xterm"}
        status, text, _ = run_on_terminal(["doctor"], env)
        piped = run(["doctor"], env).stdout
    assert status == 4
    for output in (text, piped):
        assert b"\x1b" not in output
        assert "\u202e".encode() not in output
        assert b"\n::error" not in output


def test_progress_after_two_seconds(env: dict[str, str], tmp_path: Path) -> None:
    with TcpServer(stall) as server:
        env |= {"CLINE_API_BASE_URL": f"http://{server.address}", "TERM": "xterm"}
        command = [*CLI, "doctor", "--timeout", "4"]
        with Terminal(command, env, streams=[2]) as terminal:
            terminal.read_until(b"checking api.http")
            _, text, piped = terminal.finish()
    assert terminal.process.returncode == 10
    assert b"checking api.http (a step may take 4 s, as with `ask`: --timeout) 2 s" in text
    assert text.endswith(b"\r\x1b[K")
    assert b"root cause: api.http" in piped


def test_a_long_wait_is_told_without_a_terminal(env: dict[str, str]) -> None:
    with TcpServer(stall) as server:
        env["CLINE_API_BASE_URL"] = f"http://{server.address}"
        done = run(["doctor", "--timeout", "3.5"], env)
        quiet = run(["doctor", "-q", "--timeout", "3.5"], env)
    assert (done.returncode, quiet.stderr) == (10, b"")
    assert done.stderr.decode() == (
        "clinecli: still checking api.http (a step may take 3.5 s, as with `ask`: --timeout)\n"
    )
    assert b"does not answer within 3.5 s" in done.stdout


def test_no_progress_without_a_terminal(dead: dict[str, str]) -> None:
    assert run(["doctor"], dead).stderr == b""


def mute() -> tuple[threading.Event, Callable[[socket.socket], None]]:
    """A server that hears a request and says nothing; the event tells that it has heard one."""
    asked = threading.Event()

    def handle(connection: socket.socket) -> None:
        while connection.recv(65536):
            asked.set()

    return asked, handle


def test_ctrl_c(env: dict[str, str]) -> None:
    asked, handle = mute()
    with TcpServer(handle) as server:
        env["CLINE_API_BASE_URL"] = f"http://{server.address}"
        with subprocess.Popen([*CLI, "doctor"], env=env, stdout=subprocess.PIPE) as process:
            asked.wait()
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
    assert process.returncode == -signal.SIGINT
    last = output.decode().splitlines()[-1]
    assert "net.tcp" in output.decode()
    assert last == "interrupted while checking api.http"


def test_a_line_is_printed_when_its_check_ends(env: dict[str, str]) -> None:
    with TcpServer(stall) as server:
        env["CLINE_API_BASE_URL"] = f"http://{server.address}"
        with started([*CLI, "doctor"], env) as process:
            assert process.stdout
            lines = iter(process.stdout.readline, b"")
            assert any(b" net.tcp " in line for line in lines)
            assert process.poll() is None


def test_ctrl_c_with_json(env: dict[str, str]) -> None:
    asked, handle = mute()
    with TcpServer(handle) as server:
        env["CLINE_API_BASE_URL"] = f"http://{server.address}"
        with started([*CLI, "doctor", "--json"], env) as process:
            asked.wait()
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate()
    document = json.loads(output)
    assert document["interrupted_at"] == "api.http"
    assert document["checks"][-1]["id"] == "net.ways"


# GitHub Actions


def test_failures_are_annotated(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    env["GITHUB_ACTIONS"] = "true"
    done = run(["doctor", "key", "--json"], env)
    assert done.returncode == 3
    annotation = f"::error::clinecli doctor: key: no API key%0A{KEY_HINT}\n"
    assert done.stderr == annotation.encode()
    assert json.loads(done.stdout)["root_cause"] == "key"


def test_nothing_is_annotated_when_nothing_fails(env: dict[str, str]) -> None:
    env["GITHUB_ACTIONS"] = "true"
    assert run(["doctor", "key"], env).stderr == b""


# A crash


def test_a_check_that_crashes(env: dict[str, str], tmp_path: Path) -> None:
    code = f"""
import clinecli.doctor.dns as dns
def crash(*_, **__): raise KeyError({KEY!r})
dns.resolve = crash
"""
    with api() as server:
        env["CLINE_API_BASE_URL"] = server.url
        command = altered_cli(tmp_path, code)
        report = reported(env, command=command)
    assert (report.root_cause, report.status) == ("net.dns", 1)
    assert report.ids("error") == ["net.dns"]
    assert "KeyError in dns.py:" in report["net.dns"]["summary"]
    assert report["api.chat"]["blocked_by"] == "net.dns"
    assert report["message"]["status"] == "skip"
    assert report["message"]["blocked_by"] is None


# Keys


def key_report(env: dict[str, str], *flags: str) -> tuple[str, str]:
    report = diagnose(env, "key", *flags)
    assert report.root_cause is None
    return report["key"]["status"], report.text("key")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("short-key-12345", "15 characters"),
        ("longer-key-12345", "16 characters, SHA-256 75135989…"),
    ],
)
def test_which_key_it_is_without_a_character_of_it(
    key: str, said: str, env: dict[str, str]
) -> None:
    env["CLINE_API_KEY"] = key
    status, text = key_report(env)
    assert (status, text.splitlines()[0]) == ("ok", f"from CLINE_API_KEY, {said}")


def key_file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "the key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_file(tmp_path: Path, env: dict[str, str]) -> None:
    path = key_file(tmp_path, f"{KEY}\n")
    status, text = key_report(env, "--key-file", str(path))
    assert status == "ok"
    assert text.startswith(f"from --key-file ({path}), 24 characters")
    assert "the same key: CLINE_API_KEY" in text


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o604])
def test_a_key_file_that_others_can_read(mode: int, tmp_path: Path, env: dict[str, str]) -> None:
    path = key_file(tmp_path, KEY, mode)
    status, text = key_report(env, "--key-file", str(path))
    assert status == "warn"
    assert f"(mode {mode:04o})" in text
    assert f"chmod 600 '{path}'" in text


def test_two_sources_that_differ(tmp_path: Path, env: dict[str, str]) -> None:
    env["CLINE_API_KEY_FILE"] = str(key_file(tmp_path, "sk-another-key-0123456789"))
    store = Path(env["HOME"], ".cline", "data", "settings", "providers.json")
    store.parent.mkdir(parents=True)
    store.write_text(
        json.dumps({"providers": {"cline": {"settings": {"apiKey": "workos:a-third-one"}}}})
    )
    status, text = key_report(env)
    assert status == "warn"
    assert "another key, which is not used, is in CLINE_API_KEY_FILE" in text
    assert str(store) in text
    assert "another-key" not in text
    assert "a-third-one" not in text


def test_a_useless_source_that_is_not_used(env: dict[str, str]) -> None:
    env["CLINE_API_KEY_FILE"] = "/nowhere/key"
    status, text = key_report(env)
    assert status == "ok"
    assert "not used, and of no use" in text


def config(env: dict[str, str], text: str) -> None:
    path = Path(env["HOME"], ".config", "clinecli", "config.toml")
    path.parent.mkdir(parents=True)
    path.write_text(text)


def counting_command(tmp_path: Path) -> tuple[str, Path]:
    script, runs = tmp_path / "key-command", tmp_path / "runs"
    script.write_text(f"#!/bin/sh\necho run >> {runs}\necho sk-from-a-command\n")
    script.chmod(0o700)
    return json.dumps([str(script)]), runs


def test_a_key_command_runs_once(tmp_path: Path, env: dict[str, str]) -> None:
    command, runs = counting_command(tmp_path)
    config(env, f"key_command = {command}\n")
    del env["CLINE_API_KEY"]
    status, text = key_report(env)
    assert (status, runs.read_text()) == ("ok", "run\n")
    assert text.startswith("from key_command")


def test_a_key_command_does_not_run_for_a_comparison(tmp_path: Path, env: dict[str, str]) -> None:
    command, runs = counting_command(tmp_path)
    config(env, f"key_command = {command}\n")
    status, text = key_report(env)
    assert (status, runs.exists()) == ("ok", False)
    assert "not run: key_command" in text


def token(expiry: float) -> str:
    import base64

    parts = [b'{"alg":"none"}', json.dumps({"exp": expiry}).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


DOUBTFUL_KEYS = {
    "another provider's": ("sk-ant-0123456789abcdef", "a key of Anthropic"),
    "an expired token": (token(1_577_836_800), "expired on 2020-01-01 00:00 UTC"),
    "an expired account token": (f"workos:{token(1_577_836_800)}", "expired on 2020-01-01"),
}


@pytest.mark.parametrize(("key", "said"), DOUBTFUL_KEYS.values(), ids=DOUBTFUL_KEYS)
def test_a_key_that_is_unlikely(key: str, said: str, env: dict[str, str]) -> None:
    env["CLINE_API_KEY"] = key
    status, text = key_report(env)
    assert (status, said in text) == ("warn", True), text
    assert key not in text


def test_a_key_of_another_provider_at_that_provider(env: dict[str, str]) -> None:
    env["CLINE_API_KEY"] = "sk-ant-0123456789abcdef"
    assert key_report(env, "--base-url", "https://api.anthropic.com/v1")[0] == "ok"


def test_a_key_file_that_is_a_pipe_is_read_once(env: dict[str, str]) -> None:
    command = f"{' '.join(CLI)} doctor key --json --key-file <(echo {KEY})"
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["checks"][1]["status"] == "ok"


# Proxies and trust


def proxy_report(env: dict[str, str], *flags: str) -> tuple[str, str]:
    report = diagnose(env, "env.proxy", *flags)
    assert report.root_cause is None
    return report["env.proxy"]["status"], report.text("env.proxy")


def test_the_proxy_that_counts(env: dict[str, str]) -> None:
    env |= {
        "HTTPS_PROXY": "http://user:pass-word-123@proxy.example:3128",
        "ALL_PROXY": "socks4://other.example:1080",
        "HTTP_PROXY": "http://plain.example",
    }
    status, text = proxy_report(env)
    assert status == "ok"
    summary, *details = text.splitlines()
    assert summary == "http://proxy.example:3128 from HTTPS_PROXY, with credentials"
    assert "HTTPS_PROXY: http://proxy.example:3128" in details
    assert "HTTP_PROXY: http://plain.example:80 (does not count for this base URL)" in details
    assert any("ALL_PROXY: the proxy from ALL_PROXY speaks socks4" in line for line in details)
    assert "pass-word" not in text


def test_variables_that_contradict_each_other(env: dict[str, str]) -> None:
    env |= {"HTTPS_PROXY": "http://one.example:1", "https_proxy": "http://two.example:2"}
    status, text = proxy_report(env)
    assert status == "warn"
    assert text.startswith("http://two.example:2 from https_proxy")
    assert "https_proxy and HTTPS_PROXY differ: https_proxy counts" in text


def test_a_proxy_that_is_passed_by(env: dict[str, str]) -> None:
    env |= {"HTTPS_PROXY": "http://one.example:1", "NO_PROXY": ".cline.bot"}
    status, text = proxy_report(env)
    assert status == "ok"
    assert text.startswith("a direct connection: NO_PROXY covers api.cline.bot, HTTPS_PROXY is set")


def test_an_empty_flag(env: dict[str, str]) -> None:
    env["HTTPS_PROXY"] = "http://one.example:1"
    status, text = proxy_report(env, "--proxy", "")
    assert (status, text.splitlines()[0]) == ("ok", "a direct connection: --proxy is empty")
    assert "HTTPS_PROXY: http://one.example:1 (does not count" in text


@pytest.mark.parametrize(
    ("entry", "status", "said"),
    [
        ("[::1]", "ok", "[::1] works here, but ends other programs that use httpx"),
        ("fd00::/8", "ok", "fd00::/8 works here, but ends other"),
        ("10.0.0.0/8", "ok", "10.0.0.0/8 works here, but not in other"),
        ("10.0.0.0/99", "warn", "10.0.0.0/99 is not a network"),
        ("https://api.cline.bot", "warn", "covers nothing"),
        ("api.*.bot", "warn", "covers nothing"),
        ("*", "ok", "NO_PROXY: *"),
    ],
)
def test_entries_of_no_proxy(entry: str, status: str, said: str, env: dict[str, str]) -> None:
    env["NO_PROXY"] = entry
    found, text = proxy_report(env)
    assert found == status
    assert said in text


@pytest.mark.parametrize(
    ("variables", "status", "said"),
    [
        ({}, "ok", "trusts the system's CAs"),
        ({"SSL_CERT_FILE": ""}, "ok", "SSL_CERT_FILE is empty"),
        ({"REQUESTS_CA_BUNDLE": "/x.pem"}, "warn", 'export SSL_CERT_FILE="$REQUESTS_CA_BUNDLE"'),
        ({"NODE_EXTRA_CA_CERTS": "/x.pem"}, "warn", "NODE_EXTRA_CA_CERTS is for other tools"),
    ],
    ids=str,
)
def test_trust(variables: dict[str, str], status: str, said: str, env: dict[str, str]) -> None:
    report = diagnose(env | variables, "env.ca")
    assert (report.status, report["env.ca"]["status"]) == (0, status)
    assert said in report.text("env.ca")


def test_no_system_store(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinecli.transport.tls.has_system_store", lambda: False)
    monkeypatch.setattr("clinecli.doctor.env.has_system_store", lambda: False)
    report = diagnose(env, "env.ca")
    assert report["env.ca"]["status"] == "warn"
    assert "certifi" in report["env.ca"]["summary"]
