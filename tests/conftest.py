from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.helpers.support import KEY, clean_environment

# Slow machines are no failure, and a hundred thousand examples belong into a fuzzing session.
settings.register_profile("clinecli", deadline=None, max_examples=60)
settings.load_profile("clinecli")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A clean environment with a key, and a home directory of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return clean_environment(home, CLINE_API_KEY=KEY)
