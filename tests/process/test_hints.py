"""What to do next fits the server, the command, and where the key came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.env import KEY
from tests.helpers.process import BOTH_COMMANDS, COMMANDS, failure, run
from tests.helpers.replies import response
from tests.helpers.servers import RawServer


def refusal(status: str, **error: object) -> bytes:
    return response(json.dumps({"error": {"message": "no", **error}}).encode(), status=status)


@pytest.mark.parametrize("command", [*COMMANDS, "models"])
def test_a_refused_key_is_named_by_its_place(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "my.key").write_text(KEY)
    question = ["hi"] if command in COMMANDS else []
    with RawServer(refusal("401 No")) as server:
        words = [command, *question, "--base-url", server.url]
        _, hint = failure(run(words, env), 4)
        _, other = failure(run([*words, "--key-file", "my.key"], env, cwd=tmp_path), 4)
    assert "CLINE_API_KEY" in hint
    assert "app.cline.bot" not in hint
    assert "--key-file (my.key)" in other


@BOTH_COMMANDS
def test_what_was_not_found_is_named_by_its_url(command: str, env: dict[str, str]) -> None:
    with RawServer(refusal("404 Not Found")) as server:
        _, hint = failure(run([command, "hi", "--base-url", f"{server.url}/v2"], env), 9)
    assert f"{server.url}/v2/chat/completions" in hint


@pytest.mark.parametrize("command", [*COMMANDS, "models"])
@pytest.mark.parametrize("status", [400, 402, 403, 404, 500])
def test_hints_of_another_server_do_not_send_to_cline(
    command: str, status: int, env: dict[str, str]
) -> None:
    question = ["hi", "--retries", "0"] if command in COMMANDS else ["--retries", "0"]
    with RawServer(refusal(f"{status} No")) as server:
        done = run([command, *question, "--base-url", server.url], env)
    assert done.returncode > 1
    assert b"app.cline.bot" not in done.stderr
    assert (b"--dry-run" in done.stderr) == (status == 400 and command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_local_server_takes_any_key(command: str, env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    local = ["--base-url", "http://localhost:11434/v1"]
    _, hint = failure(run([command, "hi", *local], env), 3)
    assert hint == "any key will do: CLINE_API_KEY=none"
    _, hint = failure(run([command, "hi"], env), 3)
    assert "app.cline.bot" in hint
    assert ".config/clinecli/key" in hint


@BOTH_COMMANDS
@pytest.mark.parametrize(
    "answer",
    [
        refusal("404 Not Found", message="model not found"),
        refusal("400 Bad Request", message="model not found: antropic/claud"),
        refusal("400 Bad Request", code="model_not_found"),
    ],
    ids=["404", "400", "400 by its code"],
)
def test_an_unknown_model_gets_the_nearest_ones(
    command: str, answer: bytes, env: dict[str, str]
) -> None:
    cache = Path(env["HOME"], ".cache", "clinecli")
    cache.mkdir(parents=True)
    (cache / "models.txt").write_text("anthropic/claude-x\nopenai/gpt-z\n")
    with RawServer(answer) as server:
        words = [command, "hi", "-m", "antropic/claud-x", "--base-url", server.url]
        _, hint = failure(run(words, env), 9)
    assert "the nearest models: anthropic/claude-x" in hint


@pytest.mark.parametrize("endpoint", ["/chat/completions", "/models"])
def test_a_base_url_that_ends_with_an_endpoint(endpoint: str, env: dict[str, str]) -> None:
    done = run(["ask", "hi", "--base-url", f"https://api.example/v1{endpoint}"], env)
    message, hint = failure(done, 3)
    assert message == f"the base URL from --base-url ends with {endpoint}, which is added to it"
    assert f"leave {endpoint} out" in hint


BAD_HOSTS = (
    *("https://1.2.3.999", "https://256.256.256.256", "http://127.999.999.999"),
    *("http://127.00.00.01", "https://xn--zzzzzz.com", "https://xn--a", "https://☃.invalid"),
    *("https://faß.de", f"https://h/{'x' * 70_000}", "https://a..b"),
)


@pytest.mark.parametrize("command", [*COMMANDS, "models"])
@pytest.mark.parametrize("url", BAD_HOSTS, ids=lambda url: url[:24])
def test_a_base_url_that_cannot_be(command: str, url: str, env: dict[str, str]) -> None:
    question = ["hi"] if command in COMMANDS else []
    message, _ = failure(run([command, *question, "--base-url", url], env), 3)
    assert message.startswith("the base URL from --base-url ")
