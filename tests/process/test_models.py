"""`models` as a process, against real sockets; and its cache."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pytest

from clinecli.mock import mock_server
from clinecli.models.cache import CachedModels, load, save
from clinecli.options.mock import MockOptions
from tests.helpers.env import KEY, clean_environment
from tests.helpers.models import some
from tests.helpers.process import CLI, failure, no_traceback, run
from tests.helpers.replies import response
from tests.helpers.servers import RawServer
from tests.helpers.terminal import Terminal

LIST, RECOMMENDED, OPENAI = "/ai/cline/models", "/ai/cline/recommended-models", "/models"
REFUSED = response(b'{"error":{"code":401,"message":"bad key"}}', status="401 Unauthorized")
MISSING = response(b"no such page", status="404 Not Found", content_type="text/plain")
NO_HINTS = response(b"{}")


def listing(*entries: str) -> bytes:
    return response(f'{{"data":[{",".join(entries)}]}}'.encode())


ONE = listing('{"id":"v/one"}')


class Api(RawServer):
    """A server with a response for each path below /api/v1, or two: with the key and without."""

    def __init__(self, **paths: bytes | tuple[bytes, bytes] | None) -> None:
        self.answers = {LIST: MISSING, RECOMMENDED: MISSING, OPENAI: MISSING}
        self.keyless = dict(self.answers)
        for name, answer in paths.items():
            path = {"list": LIST, "recommended": RECOMMENDED, "openai": OPENAI}[name]
            pair = answer if isinstance(answer, tuple) else (answer, answer)
            self.answers[path], self.keyless[path] = (each or b"" for each in pair)
        super().__init__(self._route)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def _route(self, connection: socket.socket, number: int) -> None:
        path, has_key = self.calls[number]
        answer = (self.answers if has_key else self.keyless)[path]
        if not answer:
            connection.recv(1)  # Says nothing until the client goes.
        connection.sendall(answer)

    @property
    def calls(self) -> list[tuple[str, bool]]:
        """Path of each request, and whether it had the key."""
        return [
            (
                head.split(b" ")[1].decode().removeprefix("/api/v1"),
                f"authorization: bearer {KEY}".encode() in head.lower(),
            )
            for head, _ in self.requests
        ]


def models(
    env: dict[str, str], *arguments: str, url: str = "", **options: Any
) -> subprocess.CompletedProcess[bytes]:
    extra = {"CLINE_API_BASE_URL": url} if url else {}
    done = run(["models", *arguments], env | extra, **options)
    no_traceback(done)
    return done


def cache(env: dict[str, str], name: str = "models.json") -> Path:
    return Path(env["HOME"], ".cache", "clinecli", name)


def make_stale(env: dict[str, str], seconds: int = 100_000) -> None:
    text = json.loads(cache(env).read_text())
    text["time"] -= seconds
    cache(env).write_text(json.dumps(text, separators=(",", ":")))


# Four hundred models, and the recommended ones

IDS = [f"vendor-{number % 20}/model-{number:03d}" for number in range(400)]


def _entry(number: int, name: str) -> str:
    """A model whose numbers have spellings of their own."""
    return (
        f'{{"context_length":{number * 1000},"id":"{name}","name":"Model é {number}",'
        f'"pricing":{{"completion":"{Decimal(number) / 10_000_000:f}",'
        f'"prompt":"0.00000{number:03d}0"}},"score":{number}.50,"ratio":1E-0{number % 10},'
        '"architecture":{"modality":"text%s->text"},"supported_parameters":["tools"%s],'
        '"description":"%s"}' % ("+image" * (number % 2), ',"reasoning"' * (number == 7), "x" * 600)
    )


ENTRIES = [_entry(number, name) for number, name in enumerate(IDS)]
HINTS: dict[str, list[dict[str, Any]]] = {
    "recommended": [{"id": IDS[3], "name": "three", "tags": ["BEST"]}],
    "free": [{"id": IDS[0]}],
    "clinePass": [{"id": "cline-pass/extra", "name": "Extra"}],
}


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, dict[str, str]]]:
    """A server with 400 models, and an environment whose cache has them."""
    home = tmp_path_factory.mktemp("home")
    pretty = json.dumps(HINTS, indent=1).encode()
    with Api(list=listing(*ENTRIES), recommended=response(pretty)) as api:
        env = clean_environment(home, CLINE_API_KEY=KEY, CLINE_API_BASE_URL=api.url)
        done = models(env)
        assert (done.returncode, done.stderr) == (0, b"")
        assert api.calls == [(LIST, True), (RECOMMENDED, True)]
        (home / "first-output").write_bytes(done.stdout)
        yield api, env


Fetched = tuple[Api, dict[str, str]]


def test_pipe_gets_tabs(fetched: Fetched) -> None:
    out = (Path(fetched[1]["HOME"]) / "first-output").read_text()
    rows = [line.split("\t") for line in out.split("\n")]
    assert rows.pop() == [""]
    assert [row[0] for row in rows] == [*IDS, "cline-pass/extra"]
    assert rows[0] == [IDS[0], "", "0", "0", "free"]
    assert rows[3] == [IDS[3], "3000", "0.03", "0.3", "recommended,BEST"]
    assert rows[10] == [IDS[10], "10000", "0.1", "1", ""]
    assert rows[-1] == ["cline-pass/extra", "", "", "", "cline-pass"]


def test_second_run_asks_nobody_and_prints_the_same(fetched: Fetched) -> None:
    api, env = fetched
    before = len(api.requests)
    assert models(env).stdout == (Path(env["HOME"]) / "first-output").read_bytes()
    assert len(api.requests) == before
    assert models(env, "--refresh", "--ids").stdout.decode().split() == [*IDS, "cline-pass/extra"]
    assert len(api.requests) == before + 2


def test_json_is_what_the_server_sent_and_ours(fetched: Fetched) -> None:
    done = models(fetched[1], "--json")
    sent = json.loads(f"[{','.join(ENTRIES)}]")
    got = json.loads(done.stdout)
    for theirs, mine in zip(sent, got, strict=False):
        assert theirs.items() <= mine.items()
        assert list(mine) == [
            *theirs, "tags", "price_input_per_million", "price_output_per_million"
        ]  # fmt: skip
    assert got[-1] == HINTS["clinePass"][0] | {
        "tags": ["cline-pass"],
        "price_input_per_million": None,
        "price_output_per_million": None,
    }
    # Byte for byte: spellings that Python or jq would change.
    entry = ENTRIES[8].removesuffix("}").encode()
    ours = b',"tags":[],"price_input_per_million":0.08,"price_output_per_million":0.8}'
    assert entry + ours in done.stdout
    assert done.stdout.count(b"\n") == 1


FLAGS: dict[str, tuple[list[str], list[str]]] = {
    "words": (["MODEL-01", "vendor-1"], [IDS[i] for i in (10, 11, 12, 13, 14, 15, 16, 17, 18, 19)]),
    "free": (["--free"], [IDS[0]]),
    "recommended": (["--recommended"], [IDS[3]]),
    "reasoning-and-tools": (["--reasoning", "--tools"], [IDS[7]]),
    "vision-by-price": (
        ["--vision", "--max-price", "0.5", "--sort", "price", "--reverse"],
        [IDS[5], IDS[3], IDS[1]],
    ),
    "context": (["--min-context", "398000", "--sort=context", "--reverse"], [IDS[399], IDS[398]]),
}


@pytest.mark.parametrize(("flags", "expected"), FLAGS.values(), ids=FLAGS)
def test_flags(fetched: Fetched, flags: list[str], expected: list[str]) -> None:
    done = models(fetched[1], "--ids", "--offline", *flags)
    assert (done.returncode, done.stdout.decode().split()) == (0, expected)


NOTHING = b"clinecli: none of 401 models matches\n"
NOTHING_JSON = b'{"note": "none of 401 models matches"}\n'


@pytest.mark.parametrize(
    ("flags", "out", "err"),
    [([], b"", NOTHING), (["-q"], b"", b""), (["--json"], b"[]\n", NOTHING_JSON)],
    ids=["lines", "quiet", "json"],
)
def test_nothing_found_is_status_1_as_of_grep(
    fetched: Fetched, flags: list[str], out: bytes, err: bytes
) -> None:
    done = models(fetched[1], "no-such-model", *flags)
    assert (done.returncode, done.stdout, done.stderr) == (1, out, err)


def test_closed_pipe_is_a_silent_death(fetched: Fetched) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*CLI, "models", "--json"],
        env=fetched[1],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (-13, b"")


@pytest.mark.parametrize("columns", [100, 60])
def test_table_fits_the_terminal(fetched: Fetched, columns: int) -> None:
    command = f"stty cols {columns} && exec {sys.executable} -m clinecli models model-00"
    with Terminal(["sh", "-c", command], fetched[1]) as terminal:
        status, out, _ = terminal.finish()
    header, *rows = out.decode().splitlines()
    assert status == 0
    assert header.split()[:2] == ["ID", "CONTEXT"]
    assert [row.split()[0] for row in rows] == IDS[:10]
    assert all(len(row) <= columns for row in (header, *rows))
    assert rows[3].index(" 0.03 ") == rows[4].index(" 0.04 ")


@pytest.mark.parametrize("flags", [[], ["--ids"], ["--json"]], ids=str)
def test_hostile_id_reaches_no_terminal(env: dict[str, str], flags: list[str]) -> None:
    name = r"a\u001b]0;owned\u0007\u009b31m\t\nb"
    with Api(list=listing(f'{{"id":"{name}","x":"\u009b\u202e"}}')) as api:
        command = [*CLI, "models", *flags]
        with Terminal(command, env | {"CLINE_API_BASE_URL": api.url}) as terminal:
            status, out, _ = terminal.finish()
    assert status == 0
    assert not set(out.decode()) & set("\x1b\x07\x9b\u202e\t")
    # One model is one line, below the header of the table.
    assert out.count(b"\n") == (1 if flags else 2)


# Which list, with the key or without


def test_openai_server(env: dict[str, str]) -> None:
    body = response(b'{"object":"list","data":[{"id":"llama3","object":"model","created":1.0}]}')
    with Api(openai=body) as api:
        assert models(env, url=api.url).stdout == b"llama3\t\t\t\t\n"
        assert api.calls == [(LIST, True), (OPENAI, True)]
        done = models(env, "--json", "--offline", url=api.url)
    assert done.stdout == (
        b'[{"id":"llama3","object":"model","created":1.0,"tags":[],'
        b'"price_input_per_million":null,"price_output_per_million":null}]\n'
    )


def test_no_list_anywhere(env: dict[str, str]) -> None:
    with Api() as api:
        message, hint = failure(models(env, url=api.url), 9)
    assert "HTTP 404" in message
    assert f"{api.url}/api/v1" in hint
    assert "-m" not in hint


def test_html_is_not_the_api(env: dict[str, str]) -> None:
    with Api(list=response(b"<html>", content_type="text/html")) as api:
        message, _ = failure(models(env, url=api.url), 11)
    assert "HTML" in message
    assert not cache(env).exists()


def test_refused_key_is_left_out(env: dict[str, str]) -> None:
    with Api(list=(REFUSED, ONE), recommended=NO_HINTS) as api:
        done = models(env, "--ids", url=api.url)
        assert (done.returncode, done.stdout) == (0, b"v/one\n")
        assert api.calls == [(LIST, True), (OPENAI, True), (LIST, False), (RECOMMENDED, False)]
    assert done.stderr == (
        b"clinecli: listed without the key: the API refused the key: bad key (HTTP 401)\n"
    )


def test_refused_with_and_without_a_key(env: dict[str, str]) -> None:
    with Api(list=REFUSED) as api:
        message, hint = failure(models(env, url=api.url), 4)
        assert api.calls == [(LIST, True), (OPENAI, True), (LIST, False), (OPENAI, False)]
    assert message == "the API refused the key: bad key (HTTP 401)"
    assert "check the key" in hint


def test_no_key_is_needed_unless_the_server_wants_one(env: dict[str, str]) -> None:
    del env["CLINE_API_KEY"]
    with Api(list=ONE, recommended=NO_HINTS) as api:
        assert models(env, "--ids", url=api.url).stdout == b"v/one\n"
        assert api.calls == [(LIST, False), (RECOMMENDED, False)]
        api.keyless[LIST] = REFUSED
        message, hint = failure(models(env, "--refresh", url=api.url), 4)
    assert message.startswith("there is no API key")
    assert "CLINE_API_KEY" in hint


def test_malformed_key_is_no_missing_key(env: dict[str, str]) -> None:
    failure(models(env | {"CLINE_API_KEY": "two words"}, url="http://127.0.0.1:9"), 3)


BAD_HINTS = {
    "server-error": (response(b"", status="500 Oops"), b"the server failed (HTTP 500)"),
    "html": (response(b"<html>", content_type="text/html"), b"not from the API: an HTML page"),
    "silent": (None, b"no complete answer within"),
}


@pytest.mark.parametrize(("answer", "note"), BAD_HINTS.values(), ids=BAD_HINTS)
def test_failing_recommended_list_fails_nothing(
    env: dict[str, str], answer: bytes | None, note: bytes
) -> None:
    with Api(list=ONE, recommended=answer) as api:
        done = models(env, "--timeout", "1", url=api.url)
        assert (done.returncode, done.stdout) == (0, b"v/one\t\t\t\t\n")
        assert done.stderr.startswith(b"clinecli: without the recommended models: ")
        assert note in done.stderr
        # Kept for --offline and for completion, but the next run tries again.
        api.answers[RECOMMENDED] = response(b'{"free":[{"id":"v/one"}]}')
        assert models(env, "--offline", url=api.url).stdout == b"v/one\t\t\t\t\n"
        assert models(env, url=api.url).stdout == b"v/one\t\t\t\tfree\n"


def test_empty_list_finds_nothing_and_is_not_kept(env: dict[str, str]) -> None:
    with Api(openai=response(b'{"object":"list","data":null}')) as api:
        done = models(env, url=api.url)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        b"",
        b"clinecli: there are no models\n",
    )
    assert not cache(env).exists()


def test_usage_errors_fetch_nothing(env: dict[str, str]) -> None:
    message, hint = failure(models(env, "--sort", "size", url="http://127.0.0.1:9"), 2)
    assert "size" in message
    assert "id, price, context, name" in hint


# Cache


def test_offline_needs_a_cache_of_the_same_server(env: dict[str, str]) -> None:
    offline = "--offline", "--ids"
    with Api(list=ONE) as api:
        message, hint = failure(models(env, *offline, url=api.url), 2)
        assert api.url in message
        assert "without --offline" in hint
        models(env, url=api.url)
        make_stale(env)
        # Without a key, and with one that is malformed: nothing is sent.
        done = models(env | {"CLINE_API_KEY": "two words"}, *offline, url=api.url)
        assert done.stdout == b"v/one\n"
        failure(models(env, *offline, url=f"{api.url}/v1"), 2)
        assert len(api.requests) == 2


def test_stale_cache_is_renewed_and_dead_network_points_to_it(env: dict[str, str]) -> None:
    with Api(list=ONE) as api:
        url = api.url
        models(env, url=url)
        make_stale(env)
        api.answers[LIST] = listing('{"id":"v/two"}')
        assert models(env, "--ids", url=url).stdout == b"v/two\n"
        assert cache(env, "models.txt").read_bytes() == b"v/two\n"
    make_stale(env, 10 * 86400)
    message, hint = failure(models(env, "--retries", "0", url=url), 7)
    assert "refused" in message
    assert hint.endswith("--offline lists the models as they were 10 days ago")
    assert models(env, "--ids", "--offline", url=url).stdout == b"v/two\n"


def test_broken_cache_is_replaced(env: dict[str, str]) -> None:
    cache(env).parent.mkdir(parents=True)
    cache(env).write_bytes(b'{"origin":"\xff')
    with Api(list=ONE) as api:
        done = models(env, url=api.url)
        assert (done.returncode, done.stderr) == (0, b"")
        failure(models(env, "--offline", url=f"{api.url}/other"), 2)
    assert json.loads(cache(env).read_bytes())["models"][0]["id"] == "v/one"


@pytest.mark.parametrize(
    ("member", "junk"),
    [("time", b"9" * 4000), ("models", b"[]"), ("models", b'[{"id":[]}]'), ("origin", b"{}")],
)
def test_broken_member_of_a_fresh_cache_is_replaced(
    env: dict[str, str], member: str, junk: bytes
) -> None:
    with Api(list=ONE) as api:
        models(env, url=api.url)
        whole = json.loads(cache(env).read_bytes())
        members = {name: json.dumps(each, separators=(",", ":")) for name, each in whole.items()}
        members[member] = junk.decode()
        text = ",".join(f'"{name}":{each}' for name, each in members.items())
        cache(env).write_text(f"{{{text}}}")
        done = models(env, "--ids", url=api.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"v/one\n", b"")
    assert json.loads(cache(env).read_bytes())["models"][0]["id"] == "v/one"


# Numbers that are not ours to have written, but cost no status 1.
@pytest.mark.parametrize("number", ["9" * 4000, "1E999999999", "0E+999999999999999999", "-0.0"])
def test_odd_numbers_in_a_cache(env: dict[str, str], number: str) -> None:
    entry = (
        f'{{"id":"a","context_length":{number},"price_input_per_million":{number},'
        f'"price_output_per_million":{number},"tags":{number}}}'
    )
    url = "https://api.test/v1"
    cache(env).parent.mkdir(parents=True)
    cache(env).write_text(f'{{"origin":"{url}","time":1,"complete":true,"models":[{entry}]}}')
    for flags in ([], ["--json"], ["--sort", "price"], ["--max-price", "0"], ["--free"]):
        done = models(env, "--offline", *flags, url=url)
        assert done.returncode in {0, 1}
        assert b"internal" not in done.stderr
        assert b"bug" not in done.stderr


@pytest.mark.parametrize("flags", [[], ["--offline"]])
def test_lost_ids_are_written_again_without_the_network(
    env: dict[str, str], flags: list[str]
) -> None:
    with Api(list=ONE) as api:
        models(env, url=api.url)
        cache(env, "models.txt").unlink()
        assert models(env, "--ids", *flags, url=api.url).stdout == b"v/one\n"
        assert len(api.requests) == 2
    assert cache(env, "models.txt").read_bytes() == b"v/one\n"


def test_least_context_of_zero_is_no_limit(env: dict[str, str]) -> None:
    with Api(list=ONE) as api:
        assert models(env, "--ids", "--min-context", "0", url=api.url).stdout == b"v/one\n"


def test_mock_does_not_replace_the_models_of_a_real_api(env: dict[str, str]) -> None:
    place = {"XDG_CACHE_HOME": str(cache(env).parents[1])}
    real = CachedModels("https://api.cline.bot/api/v1", time.time(), some("real/one"))
    save(real, place)
    for flags in ([], ["--refresh"]):
        done = run(["mock", "--", *CLI, "models", "--ids", "-v", *flags], env)
        no_traceback(done)
        assert done.returncode == 0
        assert b"anthropic/claude-sonnet-4-6\n" in done.stdout
        assert b"the cache keeps those of https://api.cline.bot/api/v1\n" in done.stderr
    assert load(place) == real._replace(time=int(real.time))
    assert cache(env, "models.txt").read_bytes() == b"real/one\n"
    done = run(["mock", "--", *CLI, "models", "--offline"], env)
    assert f"remove {cache(env)}," in failure(done, 2)[1]


def test_local_lists_replace_each_other(env: dict[str, str]) -> None:
    with Api(list=ONE) as one, Api(list=listing('{"id":"v/two"}')) as two:
        models(env, url=one.url)
        models(env, url=two.url)
    assert cache(env, "models.txt").read_bytes() == b"v/two\n"


def test_unwritable_cache_is_only_a_detail(env: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    env["XDG_CACHE_HOME"] = str(file)
    with Api(list=ONE) as api:
        done = models(env, url=api.url)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"v/one\t\t\t\t\n", b"")
        done = models(env, "-v", url=api.url)
    assert b"* the models are not cached: Not a directory\n" in done.stderr


def test_processes_at_once_leave_a_whole_cache(env: dict[str, str], tmp_path: Path) -> None:
    env["XDG_CACHE_HOME"] = str(tmp_path)
    with mock_server(MockOptions()) as server:
        command = [*CLI, "models", "--refresh", "--base-url", server.base_url]
        running = [
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(6)
        ]
        path = tmp_path / "clinecli" / "models.json"
        while any(process.poll() is None for process in running):
            if path.exists():
                assert len(json.loads(path.read_bytes())["models"]) == 13
            time.sleep(0.001)
        outputs = {process.communicate() for process in running}
    assert len(outputs) == 1
    assert outputs.pop()[1] == b""
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["models.json", "models.txt"]


def test_mock_lists_its_models(env: dict[str, str]) -> None:
    done = run(["mock", "--", *CLI, "models", "--recommended"], env)
    no_traceback(done)
    assert done.returncode == 0
    assert b"anthropic/claude-sonnet-4-6\t200000\t3\t15\trecommended,BEST\n" in done.stdout
