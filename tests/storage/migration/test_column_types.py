"""Every kind of field has a type of column."""

from domain.mapping.entities.registry import ENTITIES
from domain.mapping.kinds import KINDS
from storage.migration.tables import COLUMN_TYPES, records


def test_every_kind_of_field_has_a_type() -> None:
    assert COLUMN_TYPES.keys() == {*KINDS.values()}


def test_every_entity_has_a_table_with_its_fields() -> None:
    for name, entity in ENTITIES.items():
        assert {field.name for field in entity.fields} <= {*records[name].columns.keys()}
