"""Files that survive a power cut once they count as written, and leave nothing if they do not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

_MOVE_ATTEMPTS = 10


def new_draft(folder: Path) -> BinaryIO:
    """A new empty file in the folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    return cast(BinaryIO, NamedTemporaryFile(dir=folder, delete=False))


@contextmanager
def discarded(draft: BinaryIO) -> Iterator[BinaryIO]:
    """At the end the draft is closed and gone, unless it was moved away meanwhile."""
    try:
        yield draft
    finally:
        # What mattered was flushed before; on a full disk, closing would only fail once more.
        with suppress(OSError):
            draft.close()
        Path(draft.name).unlink(missing_ok=True)


def flush_to_disk(file: BinaryIO) -> None:
    """Return once the file's bytes are on disk."""
    file.flush()
    os.fsync(file.fileno())


def move_durably(source: Path, target: Path, root: Path) -> None:
    """Rename a file that is on disk; its new name, and new folders below `root`, are too."""
    for attempt in range(1, _MOVE_ATTEMPTS + 1):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            break
        except (FileNotFoundError, FileExistsError):
            # `remove_empty_folders` may have taken a folder that was just made, or just seen.
            if attempt == _MOVE_ATTEMPTS:
                raise
    for folder in target.parents:
        sync_folder(folder)
        if folder == root:
            break


def sync_folder(folder: Path) -> None:
    """Return once the names in the folder are on disk: a file's own flush does not see to that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_empty_folders(folder: Path, top: Path) -> None:
    """Remove the folder and those above it, below `top`, as far as they are empty."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
