"""Files that only their owner may read: keys and passwords."""

import os
from pathlib import Path

from storage.files import sync_folder


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically and durably; only its owner can read it."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)
