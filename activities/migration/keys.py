"""Where the files of a job lie: `slug/migrations/id.csv` is the upload, `slug/migrations/id/…` the
chunks that it was cut into."""

import re

from sources.version import READERS

_CHUNK = re.compile(rf"c([0-9]+)-{READERS}\.arrow")


def job_prefix(key: str) -> str:
    """What the keys of a job's upload and of all its chunks begin with, of any one of them."""
    *folders, name = key.split("/")[:3]
    return "/".join([*folders, name.partition(".")[0]])


def new_chunk_key(prefix: str, number: int, readers: str | None = READERS) -> str:
    """Where these readers, or others, store a chunk; None stands for those that had no version."""
    return f"{prefix}/c{number:06}{'' if readers is None else f'-{readers}'}.arrow"


def new_chunk_number(key: str) -> int | None:
    """The number of the chunk that lies there; None if there is none, or one of other readers."""
    found = _CHUNK.fullmatch(key.rpartition("/")[2])
    return int(found[1]) if found else None
