"""Files that the user names."""

from __future__ import annotations

import pytest

from clinecli.errors import UsageError
from clinecli.streams.inputs import read_text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "cannot read missing: No such file"),
        (".", "cannot read .: Is a directory"),
        ("a\0b", "not a valid path"),
    ],
    ids=["missing", "directory", "NUL"],
)
@pytest.mark.usefixtures("files")
def test_a_file_that_cannot_be_read(path: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_text(path)
    assert message in caught.value.message
    assert caught.value.hint
