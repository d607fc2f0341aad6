"""Profiles: a key goes to the server that it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clinecli.config.keys import find_key
from clinecli.config.load import load_settings
from clinecli.errors import ClinecliError, ConfigError, UsageError
from clinecli.options.common import NetworkOptions

CONFIG = """
base_url = "https://general.example"
key_file = "{0}/general"
model = "a/general"
timeout = 50
[profile.work]
base_url = "https://work.example/v1"
key_file = "{0}/work"
timeout = 20
[profile.bare]
base_url = "https://bare.example"
[profile.keyless]
key_file = "{0}/work"
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "clinecli").mkdir()
    (tmp_path / "clinecli" / "config.toml").write_text(CONFIG.format(tmp_path))
    (tmp_path / "general").write_text("sk-general-key")
    (tmp_path / "work").write_text("sk-work-key")
    return {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}


def seen(environ: dict[str, str], **flags: Any) -> tuple[str, str, str, float]:
    settings = load_settings(NetworkOptions(**flags), environ)
    key = find_key(settings, environ).secret.reveal()
    return str(settings.base_url), key, settings.model, settings.timeout


WORK = ("https://work.example/v1", "sk-work-key", "a/general", 20.0)


def test_without_a_profile(environ: dict[str, str]) -> None:
    assert seen(environ) == ("https://general.example/api/v1", "sk-general-key", "a/general", 50.0)


def test_a_profile_by_flag_and_by_variable(environ: dict[str, str]) -> None:
    assert seen(environ, profile="work") == WORK
    assert seen({**environ, "CLINE_PROFILE": "work"}) == WORK


def test_nothing_else_reaches_the_server_of_a_profile(environ: dict[str, str]) -> None:
    others = {"CLINE_API_KEY": "sk-other", "CLINE_API_BASE_URL": "https://other.example"}
    assert seen(environ | others, profile="work") == WORK


def test_a_key_file_by_flag_counts(environ: dict[str, str]) -> None:
    path = str(Path(environ["HOME"], "general"))
    assert seen(environ, profile="work", key_file=path)[1] == "sk-general-key"


FAULTS: dict[str, tuple[dict[str, str], type[ClinecliError], str]] = {
    "unknown": ({"profile": "nope"}, UsageError, "no profile 'nope'"),
    "no key": ({"profile": "bare"}, ConfigError, "must have a base_url, and a key_file"),
    "no base URL": ({"profile": "keyless"}, ConfigError, "must have a base_url, and a key_file"),
    "another server": (
        {"profile": "work", "base_url": "https://x.example"},
        UsageError,
        "--base-url and a profile exclude each other",
    ),
}


@pytest.mark.parametrize(("flags", "kind", "said"), FAULTS.values(), ids=FAULTS)
def test_faults(
    flags: dict[str, str], kind: type[ClinecliError], said: str, environ: dict[str, str]
) -> None:
    with pytest.raises(kind, match=said):
        seen(environ, **flags)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('profile = "work"\n', "must be tables"),
        ('[profile]\nwork = "x"\n', "must be tables"),
        ('[profile.work]\nbase_rul = "x"\n', "line 2: unknown key 'base_rul'"),
        ("[profile.work]\ntimeout = true\n", "line 2: timeout must be a number"),
    ],
)
def test_a_config_file_with_a_faulty_profile(text: str, said: str, environ: dict[str, str]) -> None:
    Path(environ["HOME"], "clinecli", "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        seen(environ)
