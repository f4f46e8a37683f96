"""Remember the identities of the records that were read, in eight bytes each."""

import polars as pl

IDENTITY = "sys_id"
_AT_ONCE = 10_000


class Seen:
    """Tells whether a record was read before, by hashes that two identities share once in 2**64."""

    def __init__(self) -> None:
        self._hashes: list[pl.Series] = []
        self._single: list[str] = []

    def add(self, identity: str | None) -> None:
        self._single += [identity] if identity else []
        if len(self._single) == _AT_ONCE:
            self._hashes.append(pl.Series(self._single).hash())
            self._single = []

    def add_all(self, records: pl.DataFrame) -> None:
        if IDENTITY in records.columns:
            self._hashes.append(records[IDENTITY].hash())

    def __contains__(self, identity: str) -> bool:
        [wanted] = pl.Series([identity]).hash()
        return identity in self._single or any((each == wanted).any() for each in self._hashes)
