"""Fixtures, signals and the one profile of the property tests.

`CLINECLI_FUZZ=2000 pytest tests/unit -m hypothesis` turns every property test into a fuzz session
of 2,000 examples each, and lifts the time limit. Without the variable each has 60.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers.env import KEY, ROOT, clean_environment
from tests.helpers.inputs import FILES

if TYPE_CHECKING:
    from tests.helpers.tls import Authority

FUZZ = int(os.environ.get("CLINECLI_FUZZ") or 0)

# Slow machines are no failure.
settings.register_profile(
    "clinecli",
    deadline=None,
    max_examples=FUZZ or 60,
    # A fuzz session takes its time; mutmut runs the methods of a class twice in one process.
    suppress_health_check=[HealthCheck.differing_executors]
    + ([HealthCheck.too_slow] if FUZZ else []),
)
settings.load_profile("clinecli")


def _stay_deaf(*_: object) -> None:
    """The handler of a signal that this process was started to ignore."""


# A process that is started with a signal ignored, as all are that a script puts into the
# background, hands that on to its children, which the tests want to end by signals. A handler is
# not handed on: exec puts the default in its place.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _stay_deaf)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark unit tests as `smoke`; a fuzz session takes its time."""
    unit = ROOT / "tests" / "unit"
    for item in items:
        if unit in item.path.parents:
            item.add_marker(pytest.mark.smoke)
        if FUZZ and getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(0))


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A clean environment with a key, and a home directory of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return clean_environment(home, CLINE_API_KEY=KEY)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files of the tables."""
    directory = tmp_path / "work"
    directory.mkdir()
    for name, text in FILES.items():
        (directory / name).write_text(text)
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture(scope="session")
def authority() -> Authority:
    """A certificate authority that nobody trusts yet."""
    from tests.helpers.tls import Authority  # Costs as much as all unit tests of a module.

    return Authority()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> str:
    """Its certificate as a file, for whoever is to trust it."""
    return authority.write(tmp_path / "ca.pem")
