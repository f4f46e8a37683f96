"""Writes files durably: a file that counts as written survives a power cut; an unfinished one is
removed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

_MOVE_ATTEMPTS = 10


def new_draft(folder: Path) -> BinaryIO:
    """Create an empty temporary file in the folder, and the folder if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return cast(BinaryIO, NamedTemporaryFile(dir=folder, delete=False))


@contextmanager
def discarded(draft: BinaryIO) -> Iterator[BinaryIO]:
    """Close the draft at the end of the block, and delete it unless it was moved away."""
    try:
        yield draft
    finally:
        # A draft that is kept was flushed before. On a full disk, closing would fail again.
        with suppress(OSError):
            draft.close()
        Path(draft.name).unlink(missing_ok=True)


def flush_to_disk(file: BinaryIO) -> None:
    """Return once the file's bytes are on disk."""
    file.flush()
    os.fsync(file.fileno())


def move_durably(source: Path, target: Path, root: Path) -> None:
    """Rename a flushed file; returns once its new name, and new folders below `root`, are on
    disk."""
    for attempt in range(1, _MOVE_ATTEMPTS + 1):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            break
        except (FileNotFoundError, FileExistsError):
            # `remove_empty_folders` may have removed a folder that was just made or found.
            if attempt == _MOVE_ATTEMPTS:
                raise
    for folder in target.parents:
        sync_folder(folder)
        if folder == root:
            break


def sync_folder(folder: Path) -> None:
    """Return once the names in the folder are on disk; fsync of a file does not ensure that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_empty_folders(folder: Path, top: Path) -> None:
    """Remove the folder, and its parents below `top`, as long as they are empty."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
