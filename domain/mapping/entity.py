"""What an entity is: a kind of record that a migration can fill, with the columns it has."""

from dataclasses import dataclass

from domain.mapping.kinds import TEXT, Kind

PRIORITIES = (1, 2, 3, 4)  # critical, high, medium, low


@dataclass(frozen=True, slots=True)
class Field:
    """A target column that an import can fill. A required field must have a value in every record;
    an indexed one is for finding records, and its values are limited to what an index can hold.

    `synonyms` are names that other systems give to the field. `transformation` is the one that the
    mapping of a source applies to it; a mapping that users write names its own.
    """

    name: str
    kind: Kind = TEXT
    required: bool = False
    indexed: bool = False
    synonyms: tuple[str, ...] = ()
    transformation: str | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of record of the platform: its table in the tenant schema and its fields.

    `over` are the statuses in which nobody works on a record any more. In a `resting` status, a
    record may be active or not.
    """

    name: str
    table: str
    fields: tuple[Field, ...]
    statuses: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)
