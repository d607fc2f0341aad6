"""Flags, environment, config file and key sources. Proxies are in test_proxies."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clinecli.config.paths import config_path
from tests.helpers.env import KEY, provider
from tests.helpers.process import BOTH_COMMANDS, failure, no_traceback, run
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer

pytestmark = pytest.mark.smoke

# In a real process


def write_config(env: dict[str, str], text: str) -> Path:
    path = config_path(env)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_config_file_at_work(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    with RawServer(response(completion("ok"))) as server:
        config = {
            "base_url": server.url,
            "model": "from/file",
            "key_command": ["printf", KEY],
            "title": "Tïtle",
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in config.items()]
        write_config(env, "\n".join(lines))
        done = run(["ask", "hi", "-v"], env)
    no_traceback(done)
    assert (done.returncode, done.stdout) == (0, b"ok\n")
    assert b"* key from key_command (printf), model from/file" in done.stderr
    assert server.bodies[0]["model"] == "from/file"
    head = server.requests[0][0]
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in head
    assert "\r\nX-Title: Tïtle\r\n".encode() in head + b"\r\n"


@BOTH_COMMANDS
def test_bad_config_file_ends_with_status_3(command: str, env: dict[str, str]) -> None:
    with RawServer(response(completion("never"))) as server:
        env["CLINE_API_BASE_URL"] = server.url
        path = write_config(env, "\n\ntimeout = 'soon'\n")
        done = run([command, "hi"], env)
    message, _ = failure(done, 3)
    assert message == f"{path}, line 3: timeout must be a number"
    assert server.requests == []


@pytest.mark.parametrize("name", ["directory", "not-utf8"])
def test_unreadable_config_file_ends_with_status_3(name: str, env: dict[str, str]) -> None:
    path = config_path(env)
    path.parent.mkdir(parents=True)
    if name == "directory":
        path.mkdir()
        words = f"cannot read the config file {path}: Is a directory"
    else:
        path.write_bytes(b"model = '\xff'")
        words = f"the config file {path} is not UTF-8 text (byte 9)"
    assert failure(run(["ask", "hi", "--dry-run"], env), 3)[0] == words


TRAP = "import os; os.write(2, b'trapped'); os._exit(66)\n"


def test_hostile_working_directory(env: dict[str, str], tmp_path: Path) -> None:
    """A checkout must not redirect the key, give one, or run code, whatever it contains."""
    script = Path(sys.executable).with_name("clinecli")
    if not script.exists():
        pytest.skip("clinecli is not installed")
    checkout = tmp_path / "checkout"
    trap, api = RawServer(response(completion("trap"))), RawServer(response(completion("ok")))
    with trap as evil, api as server:
        lines = f'base_url = "{evil.url}"\nkey_command = ["touch", "trapped"]\n'
        hostile = {
            ".env": f"CLINE_API_BASE_URL={evil.url}\nCLINE_API_KEY=evil\nhttp_proxy={evil.url}\n",
            ".netrc": "machine 127.0.0.1 login evil password evil\n",
            "config.toml": lines,
            "clinecli.toml": lines,
            "clinecli/config.toml": lines,
            ".config/clinecli/config.toml": lines,
            ".cline/data/settings/providers.json": provider("evil"),
            "pyproject.toml": f"[tool.clinecli]\n{lines}",
            "clinecli/__init__.py": TRAP,
            **{f"{name}.py": TRAP for name in ("httpx", "orjson", "typer", "sitecustomize")},
        }
        for name, text in hostile.items():
            path = checkout / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        before = sorted(checkout.rglob("*"))
        env |= {"CLINE_API_BASE_URL": server.url, "XDG_CONFIG_HOME": "."}
        keyless = {key: value for key, value in env.items() if key != "CLINE_API_KEY"}
        done, without = (
            subprocess.run(
                [script, "ask", "hi"],
                cwd=checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
            for environment in (env, keyless)
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok\n", b"")
    assert failure(without, 3)[0] == "no API key"
    ((head, _),) = server.requests
    assert re.findall(rb"\r\nAuthorization: ([^\r]*)", head) == [f"Bearer {KEY}".encode()]
    assert evil.requests == []
    assert sorted(checkout.rglob("*")) == before


def test_a_key_that_the_server_quotes_at_the_cut_of_a_message(env: dict[str, str]) -> None:
    for padding in range(340, 400, 7):
        error = {"error": {"code": 400, "message": "x" * padding + f" {KEY} tail"}}
        answer = response(json.dumps(error).encode(), status="400 Bad")
        with RawServer(answer) as server:
            done = run(["ask", "hi", "--base-url", server.url], env)
        assert done.returncode == 9
        assert KEY[:6].encode() not in done.stderr


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--key-file", KEY], id="bare"),
        pytest.param(["--key-file", f"sk/{KEY}"], id="with-a-slash"),
        pytest.param(["--base-url", f"http://user:{KEY}@127.0.0.1:1"], id="in-the-url"),
    ],
)
def test_no_secret_of_a_misplaced_flag_in_the_hint(flags: list[str], env: dict[str, str]) -> None:
    done = run(["ask", "-v", "hi", *flags], env)
    assert done.returncode == 3
    assert b"clinecli doctor" in done.stderr
    assert KEY.encode() not in done.stderr


def test_a_relative_home_is_not_the_working_directory(env: dict[str, str], tmp_path: Path) -> None:
    evil = tmp_path / ".config" / "clinecli"
    evil.mkdir(parents=True)
    (evil / "config.toml").write_text('base_url = "https://evil.example"')
    done = run(["ask", "--curl", "hi"], env | {"HOME": "."}, cwd=tmp_path)
    assert done.returncode == 0
    assert b"evil.example" not in done.stdout
