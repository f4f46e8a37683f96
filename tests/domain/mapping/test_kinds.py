"""The requirements on every kind of field and every transformation."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from domain.mapping.entities.registry import ENTITIES
from domain.mapping.kinds import KINDS, Kind
from domain.mapping.mapping import FieldMapping, ImportMapping
from domain.mapping.transformations import TRANSFORMATIONS, Transformation
from domain.values.reading import ReadingRules

ROOT = Path(__file__).parents[3]
RULES: ReadingRules = ImportMapping().reading_rules(ENTITIES["incident"])
TEXTS = pl.Series([None, "1", "new", "2020-01-02 03:04:05", "no such value", " ", "Straße"])
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
EVERY_TRANSFORMATION = pytest.mark.parametrize(
    "transformation", TRANSFORMATIONS.values(), ids=lambda each: each.name
)


@EVERY_KIND
def test_a_converted_column_has_the_type_of_its_kind(kind: Kind) -> None:
    for texts in (TEXTS, TEXTS.clear()):
        values, faults = kind.convert(texts, RULES)
        assert (values.dtype, len(values)) == (kind.dtype(), len(texts))
        assert faults is None or (faults.dtype, len(faults)) == (pl.String(), len(texts))


@EVERY_KIND
def test_null_stays_null_without_a_fault(kind: Kind) -> None:
    values, faults = kind.convert(TEXTS, RULES)
    assert (values[0], faults is None or faults[0] is None) == (None, True)


@EVERY_KIND
def test_what_is_no_value_of_the_kind_has_a_fault(kind: Kind) -> None:
    values, faults = kind.convert(TEXTS, RULES)
    lost = values.is_null() & TEXTS.is_not_null() & (TEXTS != " ")
    assert (faults is None) is not lost.any()
    assert faults is None or faults.is_not_null().equals(lost)


@EVERY_TRANSFORMATION
def test_a_transformation_makes_texts_of_texts(transformation: Transformation) -> None:
    for texts in (TEXTS, TEXTS.clear()):
        values, faults = transformation.apply(texts, RULES)
        assert (values.dtype, len(values)) == (pl.String(), len(texts))
        assert faults is None or len(faults) == len(texts)


@EVERY_TRANSFORMATION
def test_a_transformation_fits_some_kind(transformation: Transformation) -> None:
    assert transformation.kinds
    assert {*transformation.kinds} <= {*KINDS.values()}


@pytest.mark.parametrize(
    "each", [*KINDS.values(), *TRANSFORMATIONS.values()], ids=lambda each: each.name
)
def test_options_are_those_of_a_field_mapping(each: Kind | Transformation) -> None:
    assert {*each.options} <= FieldMapping.model_fields.keys()


def test_the_contract_lists_the_transformations() -> None:
    [listed, _] = FieldMapping.model_json_schema()["properties"]["transformation"]["anyOf"]
    assert listed == {"enum": [*TRANSFORMATIONS], "type": "string"}


def test_transformations_of_entities_are_known() -> None:
    fields = (field for entity in ENTITIES.values() for field in entity.fields)
    assert {field.transformation for field in fields} <= {None, *TRANSFORMATIONS}


def test_the_documentation_lists_them() -> None:
    text = (ROOT / "docs/migration.md").read_text()
    names = ", ".join(f"`{name}`" for name in TRANSFORMATIONS)
    assert f"* `transformation`: {names}." in " ".join(text.split())
    for entity in ENTITIES.values():
        fields = " ".join(field.name for field in entity.fields)
        statuses = f"`; statuses `{' '.join(entity.statuses)}`" if entity.statuses else "`"
        assert f"`{fields}{statuses}" in " ".join(text.split())


def test_importing_a_mapping_loads_no_polars() -> None:
    code = "import domain.mapping.plan, sys; print('polars' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == ["False"]
