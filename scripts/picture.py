"""Draw docs/doctor.svg: a real run of `clinecli doctor` on a terminal, against the mock.

Run it when the report changes its looks: `python scripts/picture.py`. Times and ports differ from
run to run, so that no test compares it.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

TARGET = Path(__file__).parents[1] / "docs" / "doctor.svg"
COLUMNS = 92
COMMAND = "clinecli doctor"
# As rich has it, but for its fonts, which it fetches from elsewhere.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px;
  line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def report() -> str:
    """What doctor writes to a terminal where the account is out of credit."""
    mock = [sys.executable, "-m", "clinecli", "mock", "--fault", "credit", "--"]
    main, terminal = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(
        [*mock, sys.executable, "-m", "clinecli", "doctor"],
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=env,
    ):
        os.close(terminal)
        pieces = []
        while True:
            try:
                pieces.append(os.read(main, 65536))
            except OSError:  # Linux ends a pty with EIO.
                break
    os.close(main)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def main() -> None:
    """Write the picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text.from_ansi(report()))
    svg = console.export_svg(title=COMMAND, code_format=FORMAT, unique_id="doctor")
    TARGET.write_text(re.sub(r"[ \t]+\n", "\n", svg), "utf-8")


if __name__ == "__main__":
    main()
