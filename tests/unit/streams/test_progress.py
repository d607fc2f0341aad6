"""The progress line, whatever the width of the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinecli.streams.progress import progress_line
from clinecli.text import columns_of

FRAME, LABEL = "⠋", "waiting for a/b"


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (80, "⠋ waiting for a/b 7 s"),
        (22, "⠋ waiting for a/b 7 s"),
        (21, "⠋ waiting for a… 7 s"),
        (9, "⠋ w… 7 s"),
        (8, "⠋ … 7 s"),
        (7, "⠋ 7 s"),
        (6, "⠋ 7 s"),
        (5, "⠋ 7…"),
        (2, "…"),
        (1, ""),
    ],
)
def test_it_is_cut_to_fit(columns: int, line: str) -> None:
    assert progress_line(FRAME, LABEL, 7.2, columns) == line


@given(st.text(max_size=40), st.floats(0, 1e6), st.integers(1, 100))
def test_it_never_fills_the_last_column(label: str, seconds: float, columns: int) -> None:
    assert columns_of(progress_line(FRAME, label, seconds, columns)) < columns
