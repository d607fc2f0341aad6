"""Files with settings and keys, read within limits."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from clinecli.errors import ConfigError
from clinecli.reading import MIB, TooLarge, read_file

CONFIG_BYTES = MIB
KEY_BYTES = 64 * 1024


def read_setting(path: str, what: str, *, limit: int, seconds: float) -> str | None:
    """The text of a file, None when it is absent. `what` it is stands in the `ConfigError`."""
    try:
        return read_file(path, limit=limit, seconds=seconds).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except TimeoutError:
        reason = f"it took more than {seconds:g} s (--timeout)"
        hint = "is it a named pipe that nobody writes, or on a disk that does not answer?"
    except TooLarge:
        reason = f"it has more than {limit // 1024} KiB"
        hint = "check whether it is the file that was meant"
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the {what} is not UTF-8 text (byte {error.start})", hint="save it as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = os.strerror(number) if number else "its name is not a valid path"
        hint = "check its name and permissions"
    raise ConfigError(f"cannot read the {what}: {reason}", hint=hint)


def mode_for_others(path: str) -> int | None:
    """The mode of a file that others can read or write; None when they cannot."""
    try:
        mode = Path(path).stat().st_mode
    except OSError:
        return None
    return stat.S_IMODE(mode) if stat.S_ISREG(mode) and mode & 0o077 else None
