"""The GitHub Action: its steps run as the runner runs them, against servers of any kind."""

from __future__ import annotations

import fcntl
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import pytest
import yaml

from tests.helpers.actions_runner import Run, base_environment, load_action, run_action
from tests.helpers.env import KEY, ROOT
from tests.helpers.replies import completion, response
from tests.helpers.servers import RawServer, TcpServer, refusing

ACTION = load_action(ROOT / "action.yml")
USAGE = {"prompt_tokens": 14, "completion_tokens": 8, "cost": 0.000162}


@pytest.fixture(scope="session")
def tool_cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The runner's folder of tools, with clinecli installed by the action's own steps, once for
    all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "tools"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not list(folder.glob("clinecli/*/complete")):
            scratch = tmp_path_factory.mktemp("install")
            env = {**base_environment(scratch), "RUNNER_TOOL_CACHE": str(folder)}
            run = run_action(ROOT, {"prompt": "hi", "mock": "true"}, env, scratch, scratch)
            assert run.steps == ["locate", "install", "ask"], run.log
            assert run.status == 0, run.log
    return folder


class Act(Protocol):
    """Runs the action in the workspace."""

    def __call__(self, job: Mapping[str, str] = ..., /, **inputs: str) -> Run: ...


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def act(tool_cache: Path, tmp_path: Path, workspace: Path) -> Act:
    home = tmp_path / "home"
    home.mkdir()

    def run(job: Mapping[str, str] = MappingProxyType({}), /, **inputs: str) -> Run:
        temporary = tmp_path / f"temporary{len(list(tmp_path.iterdir()))}"
        temporary.mkdir()
        env = {**base_environment(home), "RUNNER_TOOL_CACHE": str(tool_cache), **job}
        given = {re.sub(r"_(?!input)", "-", name): text for name, text in inputs.items()}
        done = run_action(ROOT, given, env, workspace, temporary)
        assert KEY not in done.seen + done.summary + json.dumps(done.outputs)
        assert "Traceback" not in done.log
        # Nothing but the reply stays on the disk.
        kept = [path for path in temporary.rglob("*") if path.is_file()]
        assert [path for path in kept if KEY in path.read_text("utf-8", "replace")] == []
        return done

    return run


@pytest.fixture
def ask(act: Act) -> Iterator[Callable[..., Run]]:
    """Run the action against a server that gives one answer; `run.requests` are its requests."""
    servers = []

    def run(answer: Any = b"", **inputs: str) -> Run:
        server = RawServer(answer).__enter__()
        servers.append(server)
        defaults = {"prompt": "Hello", "token": KEY, "endpoint": server.url}
        return act(**{**defaults, **inputs})

    yield run
    for server in servers:
        server.__exit__()


def reply(text: str | None, **extra: Any) -> bytes:
    return response(completion(text, usage=USAGE, **extra), X_Request_Id="req_1")


# action.yml


def test_every_input_reaches_the_step_by_its_environment() -> None:
    ask_step = ACTION["runs"]["steps"][-1]
    given = {
        f"CLINECLI_INPUT_{name.replace('-', '_').upper()}": f"${{{{ inputs.{name} }}}}"
        for name in ACTION["inputs"]
        if name != "version"
    }
    assert {**given, "CLINECLI_DIRECTORY": ask_step["env"]["CLINECLI_DIRECTORY"]} == ask_step["env"]


def test_the_inputs_of_ai_inference_are_there() -> None:
    theirs = """prompt prompt-file input file_input model endpoint system-prompt
        system-prompt-file max-tokens max-completion-tokens temperature top-p token custom-headers
        enable-github-mcp github-mcp-token github-mcp-toolsets"""
    assert {*theirs.split()} <= ACTION["inputs"].keys()
    assert {"response", "response-file"} <= ACTION["outputs"].keys()
    given = {name: spec["default"] for name, spec in ACTION["inputs"].items() if spec["default"]}
    assert given == {"mock": "false", "on-failure": "fail", "enable-github-mcp": "false"}


def test_foreign_actions_are_pinned() -> None:
    steps = ACTION["runs"]["steps"]
    assert all(re.search(r"@[0-9a-f]{40}$", step["uses"]) for step in steps if "uses" in step)
    assert all("${{" not in step.get("run", "") for step in steps)


# Success


def test_answer(ask: Callable[..., Run]) -> None:
    run = ask(reply("Paris.\n"), prompt="Capital of France?", max_tokens="99", temperature="0.2")
    assert run.status == 0
    path = run.outputs.pop("response-file")
    assert Path(path).read_bytes() == b"Paris.\n"
    assert run.outputs == {
        "response": "Paris.\n",
        "exit-status": "0",
        "kind": "ok",
        "retryable": "false",
        "model": "test/model",
        "request-id": "req_1",
        "usage": json.dumps(USAGE),
        "cost": "0.000162",
        "values": "{}",
    }
    assert [command.name for command in run.commands] == ["add-mask"]
    assert "| answered | test/model | 14 | 8 | $0.000162 |" in run.summary
    assert "Paris" not in run.summary + run.log


def test_mock(act: Act) -> None:
    run = act(prompt="What is the capital of France?", mock="true")
    assert (run.status, run.outputs["response"]) == (0, "The capital of France is Paris.")


def test_mock_and_a_schema(act: Act, workspace: Path) -> None:
    """Workflows with structured outputs can be tried with the mock, too."""
    schema = json.dumps({"name": "verdict", "schema": SCHEMA})
    prompt = {
        "messages": [user("ok?")],
        "responseFormat": "json_schema",
        "jsonSchema": schema,
    }
    (workspace / "p.prompt.yml").write_text(yaml.safe_dump(prompt))
    run = act(prompt_file="p.prompt.yml", mock="true")
    assert run.status == 0, run.log
    assert json.loads(run.outputs["values"])["approved"] is False


def test_replay(act: Act, workspace: Path) -> None:
    exchange = {
        "method": "POST",
        "path": "/api/v1/chat/completions",
        "status": 200,
        "contentType": "application/json",
        "response": json.loads(completion("recorded")),
    }
    (workspace / "tape.json").write_text(json.dumps([exchange]))
    run = act(prompt="Hello", replay="tape.json")
    assert (run.status, run.outputs["response"]) == (0, "recorded"), run.log


def test_clinecli_is_on_the_path_of_later_steps(act: Act) -> None:
    (folder,) = act(prompt="hi", mock="true").path
    assert [path.name for path in Path(folder).iterdir()] == ["clinecli"]


# What is sent


class Sent(NamedTuple):
    inputs: dict[str, str]
    body: dict[str, Any]
    files: Mapping[str, str] = MappingProxyType({})


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


MODEL = "anthropic/claude-sonnet-4-6"
PROMPT = """\
messages:
  - role: system
    content: Be as concise as possible
  - role: user
    content: 'Compare {{a}} and {{b}}, please'
model: openai/gpt-4o
"""
CONCISE = {"role": "system", "content": "Be as concise as possible"}
SENT: dict[str, Sent] = {
    # As every JavaScript action has its inputs: without white space around them.
    "prompt": Sent({"prompt": " Hi\n $(id)\n"}, {"messages": [user("Hi\n $(id)")]}),
    "system": Sent(
        {"prompt": "Hi", "system-prompt": "Be brief\n"},
        {"messages": [{"role": "system", "content": "Be brief"}, user("Hi")]},
    ),
    "system-file-counts-more": Sent(
        {"prompt": "Hi", "system-prompt": "no", "system-prompt-file": "s.txt"},
        {"messages": [{"role": "system", "content": "Be kind\n"}, user("Hi")]},
        {"s.txt": "Be kind\n"},
    ),
    "prompt-file-counts-more": Sent(
        {"prompt": "no", "prompt-file": "p.txt"},
        {"messages": [user("Is {{this}} sent? {{ so }}\n")]},
        {"p.txt": "Is {{this}} sent? {{ so }}\n"},
    ),
    "large-prompt-file": Sent(
        {"prompt-file": "p.md"}, {"messages": [user("x" * 300_000)]}, {"p.md": "x" * 300_000}
    ),
    "parameters": Sent(
        {"prompt": "Hi", "model": "m/x", "max-tokens": "5", "temperature": "0", "top-p": "0.5"},
        {"model": "m/x", "messages": [user("Hi")], "temperature": 0, "max_tokens": 5, "top_p": 0.5},
    ),
    "completion-tokens-count-more": Sent(
        {"prompt": "Hi", "max-tokens": "5", "max-completion-tokens": "7"},
        {"messages": [user("Hi")], "max_completion_tokens": 7},
    ),
    "prompt-yml": Sent(
        {"prompt-file": "p.prompt.yml", "input": "a: cats\nb: dogs\n"},
        {"model": "openai/gpt-4o", "messages": [CONCISE, user("Compare cats and dogs, please")]},
        {"p.prompt.yml": PROMPT},
    ),
    "prompt-yml-counts-more-than-inputs": Sent(
        {
            "prompt-file": "p.prompt.yaml",
            "input": '{"a": "cats", "b": "{{a}}"}',
            "file_input": "b: b.txt",
            "model": "m/x",
            "max-tokens": "5",
            "temperature": "1",
            "top-p": "0.5",
            "prompt": "no",
            "system-prompt": "no",
        },
        {
            "model": "openai/gpt-4o",
            "messages": [CONCISE, user("Compare cats and {{a}} $(id)\n, please")],
            "max_completion_tokens": 9,
            "temperature": 0.3,
            "top_p": 0.5,
        },
        {
            "p.prompt.yaml": PROMPT
            + "modelParameters: {maxCompletionTokens: 9, temperature: 0.3}\n",
            "b.txt": "{{a}} $(id)\n",
        },
    ),
    "prompt-fills-its-place": Sent(
        {"prompt-file": "p.prompt.yml", "prompt": "a joke"},
        {"messages": [user("Is this funny? a joke")]},
        {"p.prompt.yml": "messages: [{role: user, content: 'Is this funny? {{input}}'}]"},
    ),
}


@pytest.mark.parametrize("case", SENT.values(), ids=SENT)
def test_sent(case: Sent, act: Act, workspace: Path) -> None:
    for name, text in case.files.items():
        (workspace / name).write_text(text)
    with RawServer(reply("ok")) as server:
        inputs = {name.replace("-", "_"): text for name, text in case.inputs.items()}
        run = act(token=KEY, endpoint=server.url, **inputs)
    assert (run.status, run.outputs["response"]) == (0, "ok"), run.log
    assert server.bodies == [{"model": MODEL, **case.body, "stream": False}]


def test_headers(act: Act) -> None:
    headers = "Ocp-Apim-Subscription-Key: s3cr3t-s3cr3t\nserviceName: 'code review'\nenv: 1.10\n"
    with RawServer(reply("ok")) as server:
        run = act(prompt="hi", token=KEY, endpoint=server.url, custom_headers=headers)
    assert run.status == 0, run.log
    ((head, _),) = server.requests
    assert {
        b"Ocp-Apim-Subscription-Key: s3cr3t-s3cr3t",
        b"serviceName: code review",
        b"env: 1.10",
    } <= {*head.split(b"\r\n")}
    assert "s3cr3t" not in run.seen


def test_ignored_inputs_are_told(act: Act, workspace: Path) -> None:
    (workspace / "p.txt").write_text("hi")
    run = act(prompt_file="p.txt", input="a: b", mock="true")
    assert run.status == 0
    assert [
        "input and file_input fill in .prompt.yml" in text for text in run.annotations("warning")
    ] == [True]


def test_no_argument_and_no_log_has_the_key_or_the_prompt(act: Act) -> None:
    """While the request is under way, no process shows them."""
    shown: list[bytes] = []

    def answer(connection: socket.socket, _: int) -> None:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                shown.append(process.read_bytes())
            except OSError:
                continue
        connection.sendall(reply("ok"))

    with RawServer(answer) as server:
        run = act(prompt="my-private-prompt", token=KEY, endpoint=server.url)
    assert run.status == 0
    listing = b"\n".join(shown)
    assert b"clinecli" in listing
    assert KEY.encode() not in listing
    assert b"my-private-prompt" not in listing
    assert "my-private-prompt" not in run.log + run.summary


def test_nothing_of_the_checkout_is_imported(act: Act, workspace: Path) -> None:
    for name in ("clinecli", "json", "yaml", "typing", "sitecustomize", "action_inputs"):
        (workspace / f"{name}.py").write_text("open('executed', 'w')")
    run = act({"PYTHONPATH": str(workspace)}, prompt="hi", mock="true")
    assert run.status == 0, run.log
    assert not (workspace / "executed").exists()


# Typed outputs

SCHEMA = {
    "type": "object",
    "properties": {
        "approved": {"type": "boolean"},
        "score": {"type": "number"},
        "count": {"type": "integer"},
        "severity": {"$ref": "#/$defs/Severity"},
        "label": {"enum": ["it's $(id)", "fine"]},
        "comment": {"type": "string"},
        "list": {"type": "array"},
        "response": {"const": "kept apart"},
    },
    "required": ["approved"],
    "$defs": {"Severity": {"enum": ["low", "high"]}},
}
VERDICT = {
    "approved": True,
    "score": 0.5,
    "count": 3,
    "severity": "high",
    "label": "it's $(id)",
    "comment": "$(touch pwned)",
    "list": [1],
    "response": "kept apart",
}


def test_typed_values(ask: Callable[..., Run], workspace: Path) -> None:
    (workspace / "schema.json").write_text(json.dumps(SCHEMA))
    run = ask(reply(json.dumps(VERDICT)), schema="schema.json")
    assert run.status == 0, run.log
    assert json.loads(run.outputs["values"]) == {
        "approved": True,
        "score": 0.5,
        "count": 3,
        "severity": "high",
        "response": "kept apart",
    }
    assert json.loads(run.outputs["response"]) == VERDICT


def test_typed_values_of_a_prompt_file_and_of_a_fallback(
    ask: Callable[..., Run], workspace: Path
) -> None:
    schema = json.dumps({"name": "verdict", "strict": True, "schema": SCHEMA})
    prompt = {
        "messages": [user("ok?")],
        "responseFormat": "json_schema",
        "jsonSchema": schema,
    }
    (workspace / "p.prompt.yml").write_text(yaml.safe_dump(prompt))
    inputs = {
        "prompt": "",
        "prompt_file": "p.prompt.yml",
        "on_failure": "fallback",
        "fallback_text": '{"approved": false}',
    }
    run = ask(reply('{"approved": true}'), **inputs)
    assert run.outputs["values"] == '{"approved": true}'
    wrong = ask(reply('{"approved": "yes; rm -rf /"}'), **inputs)
    assert (wrong.status, wrong.outputs["exit-status"]) == (0, "11")
    assert wrong.outputs["values"] == '{"approved": false}'
    assert wrong.outputs["response"] == '{"approved": false}'


# Hostile replies

COMMANDS = (
    "::error::x\n::set-output name=kind::pwned\n##[add-mask]the\nx ##[error]y\n::stop-commands::z"
)
HOSTILE = {
    "workflow-commands": COMMANDS,
    "workflow-commands-by-carriage-return": COMMANDS.replace("\n", "\r"),
    "delimiters": "EOF\nghadelimiter\nclinecli-0\nkind=pwned\nexit-status<<EOF\n0\nEOF",
    "shell": "$(touch pwned) `touch pwned` \"; touch pwned; ' ${IFS} ${{ secrets.X }}",
    "markdown": "# x\n<script>alert(1)</script>\n| a |\n![](https://example.com/x.png)",
    "terminal": "\x1b]0;title\x07\x1b[2J\u202eabc\u2028::error::x",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_reply(text: str, ask: Callable[..., Run], workspace: Path) -> None:
    run = ask(reply(text))
    plain = ask(reply("harmless"))
    assert run.outputs["response"] == text
    assert Path(run.outputs["response-file"]).read_bytes() == text.encode()
    for different in ("response", "response-file"):
        run.outputs.pop(different)
        plain.outputs.pop(different)
    assert run.outputs == plain.outputs
    assert run.commands == plain.commands
    assert re.sub(r"\d+\.\d \|", "", run.summary) == re.sub(r"\d+\.\d \|", "", plain.summary)
    assert list(workspace.iterdir()) == []


def test_reply_that_no_output_can_hold(ask: Callable[..., Run]) -> None:
    text = "é" * 1_000_000
    run = ask(reply(text))
    assert (run.status, run.outputs["response"], run.outputs["kind"]) == (0, "", "ok")
    assert Path(run.outputs["response-file"]).read_text("utf-8") == text
    (warning,) = run.annotations("warning")
    assert run.outputs["response-file"] in warning


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_server(text: str, ask: Callable[..., Run], workspace: Path) -> None:
    """Text of a server in an error, a model's name, an id and in usage."""
    error = json.dumps({"error": {"code": text, "message": text, "metadata": {"raw": text}}})
    run = ask(response(error.encode(), status="400 Bad Request", X_Request_Id="a\tb$(id)"))
    assert run.status == 9
    assert [command.name for command in run.commands] == ["add-mask", "error"]
    assert run.outputs["request-id"] in {"", "a_b__id_"}
    usage = {text: 1, "cost": text, "prompt_tokens": text, "completion_tokens": {"x": text}}
    odd = ask(response(completion("hi", model=text, id=text, usage=usage)))
    assert odd.status == 0, odd.log
    assert [command.name for command in odd.commands] == ["add-mask"]
    assert re.fullmatch(r"[\w./:@+-]*", odd.outputs["model"])
    assert odd.outputs["usage"] in {"{}", '{"completion_tokens": {}}'}
    assert odd.outputs["cost"] == ""
    for summary in (run.summary, odd.summary):
        assert not re.search(r"^(#(?!## clinecli$)|<script|!\[)", summary, re.MULTILINE)
    assert list(workspace.iterdir()) == []


# Failures


def refuse(status: str, code: str, message: str) -> bytes:
    error = {"error": {"code": code, "message": message}}
    return response(json.dumps(error).encode(), status=status, X_Request_Id="req_9")


class Failure(NamedTuple):
    status: int
    kind: str
    answer: bytes
    cause: str
    remedy: str
    inputs: Mapping[str, str] = MappingProxyType({})


FAILURES: dict[str, Failure] = {
    "usage": Failure(
        2, "usage", b"", "cannot read gone.txt", "check the path", {"prompt_file": "gone.txt"}
    ),
    "config": Failure(3, "config", b"", "no API key", "secret CLINE_API_KEY", {"token": ""}),
    "auth": Failure(
        4, "auth", refuse("401 Unauthorized", "invalid_key", "bad"), "req_9", "check the key"
    ),
    "credit": Failure(
        5,
        "credit",
        refuse("402 Payment Required", "insufficient_credits", "none"),
        "req_9",
        "add credits",
    ),
    "empty-message": Failure(6, "empty-message", b"", "no user message", "prompt", {"prompt": " "}),
    "rejected": Failure(9, "rejected", refuse("400 Bad Request", "bad", "no"), "req_9", ""),
    "transient": Failure(
        10,
        "transient",
        refuse("503 Service Unavailable", "busy", "busy"),
        "503",
        "later",
        {"timeout": "2"},
    ),
    "incomplete": Failure(11, "incomplete", reply(""), "empty", "another model"),
}


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
def test_failure(case: Failure, ask: Callable[..., Run], workspace: Path) -> None:
    """Red with its cause; green when told so, with the status in the outputs."""
    run = ask(case.answer, **case.inputs)
    assert run.status == case.status, run.log
    (text,) = run.annotations("error")
    assert case.cause in text
    assert case.remedy in text
    expected = {
        "response": "",
        "response-file": "",
        "exit-status": str(case.status),
        "kind": case.kind,
    }
    assert {name: run.outputs[name] for name in expected} == expected
    assert f"{case.kind} ({case.status})" in run.summary

    warned = ask(case.answer, **case.inputs, on_failure="warn")
    assert (warned.status, warned.annotations("error")) == (0, [])
    assert case.cause in warned.annotations("warning")[-1]
    assert {name: warned.outputs[name] for name in expected} == expected

    fallback = {"on_failure": "fallback", "fallback_file": "fallback.md"}
    (workspace / "fallback.md").write_text("No review today.\n")
    stood_in = ask(case.answer, **case.inputs, **fallback)
    assert (stood_in.status, stood_in.annotations("error")) == (0, [])
    assert stood_in.outputs["response"] == "No review today.\n"
    assert Path(stood_in.outputs["response-file"]).read_text() == "No review today.\n"
    assert stood_in.outputs["exit-status"] == str(case.status)


def test_connection_and_tls(act: Act) -> None:
    with refusing() as port:
        run = act(prompt="hi", token=KEY, endpoint=f"http://127.0.0.1:{port}", timeout="3")
    assert (run.status, run.outputs["retryable"]) == (7, "true")
    assert "Found by doctor: net.tcp" in run.annotations("error")[0]

    def no_tls(connection: socket.socket) -> None:
        connection.recv(1)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with TcpServer(no_tls) as plain:
        run = act(prompt="hi", token=KEY, endpoint=f"https://{plain.address}")
    assert (run.status, run.outputs["kind"]) == (8, "tls")
    assert "Found by doctor: net.tls" in run.annotations("error")[0]


def test_token_that_is_no_key(ask: Callable[..., Run]) -> None:
    run = ask(b"", token="sk 0123456789")
    assert run.status == 3
    assert "the API key from the input token has white space in it" in run.annotations("error")[0]


def test_mock_has_no_prices(act: Act) -> None:
    """Nothing is billed, so that nothing costs too much."""
    assert act(prompt="hi", mock="true", max_cost="0.01").status == 0


def test_cause_that_doctor_finds(ask: Callable[..., Run]) -> None:
    run = ask(refuse("401 Unauthorized", "invalid_key", "bad"))
    (text,) = run.annotations("error")
    assert re.search(r"\nFound by doctor: api\.auth: .+", text), text


# Inputs that cannot work


@pytest.mark.parametrize(
    ("inputs", "status", "words"),
    [
        ({"enable_github_mcp": "true"}, 2, "no tools are called"),
        ({"github_mcp_token": "x"}, 2, "no tools are called"),
        ({"on_failure": "ignore"}, 2, "on-failure is one of fail, warn, fallback"),
        ({"on_failure": "fallback"}, 2, "fallback-text or fallback-file"),
        ({"on_failure": "fallback", "fallback_file": "gone"}, 2, "cannot be read"),
        ({"on_failure": "fallback", "fallback_text": " \n"}, 2, "the fallback has no text"),
        ({"mock": "yes"}, 2, "mock is true or false"),
        ({"token": "ghs_0123456789abcdef"}, 3, "a GitHub token"),
        ({"endpoint": "https://models.github.ai/inference"}, 3, "retired"),
    ],
    ids=[
        "mcp",
        "mcp-token",
        "policy",
        "no-fallback",
        "fallback-file",
        "blank",
        "mock",
        "token",
        "endpoint",
    ],
)
def test_wrong_inputs_are_red_whatever_the_policy(
    inputs: dict[str, str], status: int, words: str, ask: Callable[..., Run]
) -> None:
    run = ask(reply("paid"), **{"on_failure": "warn", **inputs})
    assert run.status == status
    assert words in run.annotations("error")[0]
    assert "ghs_0123456789abcdef" not in run.seen


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"prompt": ""}, "there is no prompt"),
        ({"top_p": "much"}, "top-p: 'much' is not a number"),
        ({"top_p": "1.5"}, "from 0 to 1"),
        ({"temperature": "9"}, "the input temperature: '9'"),
        ({"max_tokens": "many"}, "the input max-tokens: 'many'"),
        ({"max_completion_tokens": "7.5"}, "'7.5' is not a whole number"),
        ({"replay": "gone.json"}, "gone.json"),
        ({"prompt_file": "x.prompt.yml", "file_input": "a:"}, "names no file for 'a'"),
        ({"prompt_file": "x.prompt.yml", "file_input": "a: '-'"}, "cannot read ./-"),
        ({"custom_headers": "[a]"}, "custom-headers:1:1: "),
        ({"custom_headers": 'a: "x\\ny"'}, "more than one line"),
        ({"custom_headers": "Authorization: x"}, "Authorization"),
        ({"prompt_file": "x.prompt.yml"}, "x.prompt.yml:1:37: the variable 'a' has no value"),
        ({"prompt_file": "x.prompt.yml", "input": "a: {"}, "input:2:1: not YAML"),
    ],
    ids=[
        "none",
        "top-p",
        "top-p-range",
        "temperature",
        "max-tokens",
        "max-completion-tokens",
        "replay",
        "no-file",
        "stdin",
        "headers",
        "header-lines",
        "authorization",
        "variable",
        "input",
    ],
)
def test_wrong_usage(
    inputs: dict[str, str], words: str, ask: Callable[..., Run], workspace: Path
) -> None:
    (workspace / "x.prompt.yml").write_text("messages: [{role: user, content: 'x {{a}}'}]")
    run = ask(reply("paid"), **inputs)
    assert (run.status, run.outputs["exit-status"]) == (2, "2"), run.log
    assert words in run.annotations("error")[0]


@pytest.mark.parametrize(
    ("head", "actor", "words"),
    [
        ("them/repo", "them", "from forks"),
        ("us/repo", "dependabot[bot]", "Dependabot"),
        ("us/repo", "us", "token is empty"),
    ],
    ids=["fork", "dependabot", "own"],
)
def test_missing_secret(head: str, actor: str, words: str, act: Act, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    sides = {"head": {"repo": {"full_name": head}}, "base": {"repo": {"full_name": "us/repo"}}}
    event.write_text(json.dumps({"pull_request": sides}))
    env = {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_ACTOR": actor,
    }
    run = act(env, prompt="hi")
    assert run.status == 3
    assert words in run.annotations("error")[0]


def test_key_of_the_environment(act: Act) -> None:
    with RawServer(reply("ok")) as server:
        run = act({"CLINE_API_KEY": KEY}, prompt="hi", endpoint=server.url)
    assert run.status == 0
    assert f"Authorization: Bearer {KEY}".encode() in server.requests[0][0]


def test_workflow_of_ai_inference_as_it_is(act: Act) -> None:
    """The mock needs neither key nor endpoint: those of GitHub Models may stay."""
    retired = {"token": "ghs_0123456789abcdef", "endpoint": "https://models.github.ai/inference"}
    run = act(prompt="What is the capital of France?", mock="true", **retired)
    assert (run.status, run.outputs["response"]) == (0, "The capital of France is Paris."), run.log
    assert "ghs_0123456789abcdef" not in run.seen


def test_key_of_the_environment_beside_a_github_token(act: Act) -> None:
    with RawServer(reply("ok")) as server:
        run = act(
            {"CLINE_API_KEY": KEY},
            prompt="hi",
            endpoint=server.url,
            token="ghs_0123456789abcdef",
        )
    assert run.status == 0, run.log
    ((head, _),) = server.requests
    assert f"Authorization: Bearer {KEY}".encode() in head
    assert b"ghs_" not in head
    (warning,) = run.annotations("warning")
    assert "is a GitHub token" in warning
    assert "ghs_0123456789abcdef" not in run.seen


# Installation


def test_environment_whose_python_has_gone(act: Act, tool_cache: Path, tmp_path: Path) -> None:
    """A kept runner may lose the Python that the environment links to."""
    copy = tmp_path / "tools"
    (kept,) = tool_cache.glob("clinecli/*/complete")
    broken = copy / "clinecli" / kept.parent.name
    (broken / "bin").mkdir(parents=True)
    (broken / "complete").touch()
    (broken / "bin" / "python").symlink_to(tmp_path / "gone")
    run = act({"RUNNER_TOOL_CACHE": str(copy)}, prompt="hi", mock="true")
    assert (run.status, run.steps) == (0, ["locate", "install", "ask"]), run.log


def test_pip_that_fails(act: Act, tmp_path: Path) -> None:
    """Without a network there is no clinecli, but still a policy."""
    with refusing() as port:
        env = {
            "RUNNER_TOOL_CACHE": str(tmp_path / "empty"),
            "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple",
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_FIND_LINKS": "",
            "PIP_RETRIES": "0",
        }
        red = act(env, prompt="hi", mock="true")
        green = act(env, prompt="hi", mock="true", on_failure="fallback", fallback_text="later")
    assert (red.status, red.steps) == (7, ["locate", "install"])
    assert "could not be installed" in red.annotations("error")[0]
    assert (green.status, green.outputs["response"], green.outputs["exit-status"]) == (
        0,
        "later",
        "7",
    )


def test_pins_cover_what_the_package_needs() -> None:
    """`action/requirements.txt` is generated; see its first line."""
    import tomllib

    from packaging.requirements import Requirement

    text = (ROOT / "action" / "requirements.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for requirement in map(Requirement, needed):
        assert pins[requirement.name.lower()] in requirement.specifier
    assert text.count("==") * 1 <= text.count("--hash=sha256:")
