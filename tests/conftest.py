from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import KEY, clean_environment


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A clean environment with a key, and a home directory of its own."""
    home = tmp_path / "home"
    home.mkdir()
    return clean_environment(home, CLINE_API_KEY=KEY)
