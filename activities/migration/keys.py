"""The storage keys of a job's files: `slug/migrations/id.csv` is the upload, and
`slug/migrations/id/…` are the chunks that it was cut into."""

import re

from sources.version import READERS

_CHUNK = re.compile(rf"c([0-9]+)-{READERS}\.arrow")


def job_prefix(key: str) -> str:
    """The beginning that the keys of a job's upload and chunks share, from any one of them."""
    *folders, name = key.split("/")[:3]
    return "/".join([*folders, name.partition(".")[0]])


def new_chunk_key(prefix: str, number: int, readers: str | None = READERS) -> str:
    """The key of a chunk that this version of the readers has parsed. `readers` None: the keys of
    an earlier release, which name no version."""
    return f"{prefix}/c{number:06}{'' if readers is None else f'-{readers}'}.arrow"


def new_chunk_number(key: str) -> int | None:
    """The number of the chunk with this key; None if it is no chunk of this version's readers."""
    found = _CHUNK.fullmatch(key.rpartition("/")[2])
    return int(found[1]) if found else None
