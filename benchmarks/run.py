"""Every figure of the README's table, one after the other: `python benchmarks/run.py`.

Run it where clinecli is installed with its `test` extra. Each module here measures one row of
the table by itself, e.g. `python benchmarks/startup.py`; `measure` says how to read what they
print. Nothing is asserted. On a machine that others use, too, real-time priority helps:
`sudo chrt --fifo 10 python benchmarks/run.py`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# In the order of the table.
MODULES = ("startup", "wall", "stream", "threads", "batch", "stack")


def main() -> None:
    """Run each module as a process of its own."""
    for name in MODULES:
        script = str(Path(__file__).with_name(f"{name}.py"))
        subprocess.run([sys.executable, script, *sys.argv[1:]], check=False)


if __name__ == "__main__":
    main()
