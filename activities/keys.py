"""Where the files of a job lie: `slug/migrations/id.csv` is the upload, `slug/migrations/id/…` the
chunks that it was cut into."""


def job_prefix(key: str) -> str:
    """What the keys of a job's upload and of all its chunks begin with, of any one of them."""
    *folders, name = key.split("/")[:3]
    return "/".join([*folders, name.partition(".")[0]])


def new_chunk_key(prefix: str, number: int) -> str:
    return f"{prefix}/c{number:06}.arrow"


def new_chunk_number(key: str) -> int | None:
    """The number of the chunk that lies there; None if that is no chunk, or one of the old."""
    name = key.rpartition("/")[2].partition(".")[0]
    return int(name[1:]) if name[:1] == "c" and name[1:].isdecimal() else None
