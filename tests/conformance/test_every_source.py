"""The requirements on every registered source, tested on its examples."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from domain.failures import BadInput
from domain.mapping.entities.registry import ENTITIES
from domain.mapping.mapping import mapping_problems
from sources import SOURCES, Source
from sources.readers.chunk import ROW
from tests.sources.reading import Read, read

ROOT = Path(__file__).parents[2]
EXAMPLES, DOCUMENTATION = ROOT / "examples", ROOT / "docs/migration.md"
FORMATS = [(source.system, format) for source in SOURCES.values() for format in source.readers]
FILES = sorted(
    path
    for system in SOURCES
    for path in (EXAMPLES / system).iterdir()
    if not path.name.endswith(".expected.jsonl")
)


def read_example(path: Path, content: bytes | None = None) -> Read:
    source = SOURCES[path.parent.name]
    reader = source.reader(path.suffix.removeprefix("."))
    return read(reader, content or path.read_bytes(), source.table(path.stem))


def set_chunk_rows(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for name, module in [*sys.modules.items()]:
        if name.startswith("sources.") and hasattr(module, "CHUNK_ROWS"):
            monkeypatch.setattr(module, "CHUNK_ROWS", size)


@pytest.mark.parametrize(("system", "format"), FORMATS)
def test_every_format_has_an_example(system: str, format: str) -> None:
    files = [EXAMPLES / system / f"{entity}.{format}" for entity in SOURCES[system].entities]
    assert any(file.is_file() for file in files)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
class TestEveryExample:
    def test_gives_the_expected_records(self, path: Path) -> None:
        expected = path.with_name(f"{path.name}.expected.jsonl").read_text().splitlines()
        assert read_example(path).rows == [json.loads(line) for line in expected]

    def test_the_same_bytes_give_the_same_batches(self, path: Path) -> None:
        first, second = read_example(path), read_example(path)
        assert first.profile == second.profile
        assert all(
            a.frame.equals(b.frame) and a.rejected == b.rejected
            for a, b in zip(first.chunks, second.chunks, strict=True)
        )

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_the_size_of_chunks_changes_no_record(
        self, path: Path, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = read_example(path)
        set_chunk_rows(monkeypatch, size)
        parts = read_example(path)
        assert parts.rows == whole.rows
        assert parts.profile == whole.profile
        sizes = [batch.frame.height + len(batch.rejected) for batch in parts.chunks]
        assert set(sizes[:-1]) <= {size}
        assert 0 < sizes[-1] <= size

    def test_records_are_numbered_from_one_without_a_gap(self, path: Path) -> None:
        result = read_example(path)
        numbers = [row[ROW] for row in result.rows] + [each.row for each in result.rejected]
        assert sorted(numbers) == [*range(1, result.profile.records + 1)]

    def test_columns_are_those_of_the_profile(self, path: Path) -> None:
        result = read_example(path)
        assert result.chunks[-1].frame.columns == [ROW, *result.profile.columns]

    def test_a_truncated_file_names_the_place(self, path: Path) -> None:
        content = path.read_bytes()
        lines = content.count(b"\n")
        with pytest.raises(BadInput) as refused:
            read_example(path, content[:-30])
        assert "_truncated" in refused.value.problem.code or path.suffix == ".csv"
        assert refused.value.problem.line in range(lines - 3, lines + 1)

    def test_the_default_mapping_fits(self, path: Path) -> None:
        entity = ENTITIES[path.stem]
        result = read_example(path)
        source = SOURCES[path.parent.name]
        mapping = source.default_mapping(entity.name, [*result.profile.columns])
        assert [*mapping_problems(mapping, entity)] == []
        assert {
            each.source_field for each in mapping.field_mappings
        } <= result.profile.columns.keys()
        assert all(mapping.source_of(each.name) for each in entity.fields if each.required)

    def test_the_default_mapping_knows_every_status_and_priority(self, path: Path) -> None:
        entity = ENTITIES[path.stem]
        result = read_example(path)
        mapping = SOURCES[path.parent.name].default_mapping(entity.name, [*result.profile.columns])
        for target, words in (
            ("status", mapping.status_words(entity)),
            ("priority", mapping.priority_words()),
        ):
            if entity.field(target):
                field = mapping.source_of(target)
                assert field is not None
                assert all(words.meaning(row[field.source_field]) for row in result.values)


EVERY_SOURCE = pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.system)


@EVERY_SOURCE
def test_default_mappings_fit_whatever_the_columns_are(source: Source) -> None:
    assert source.entities
    for entity in map(ENTITIES.__getitem__, source.entities):
        every_column = [name for each in entity.fields for name in (each.name, each.name.title())]
        mapping = source.default_mapping(entity.name, [*every_column, "state", "short_description"])
        assert [*mapping_problems(mapping, entity)] == []
        assert source.default_mapping(entity.name, []).field_mappings == ()


@EVERY_SOURCE
def test_of_columns_that_are_spelled_alike_the_exact_one_is_mapped_or_none(source: Source) -> None:
    def mapped(entity: str, *columns: str) -> dict[str, str]:
        mapping = source.default_mapping(entity, columns)
        return {each.target_field: each.source_field for each in mapping.field_mappings}

    for entity, has in source.entities.items():
        target, (name, *_) = next(iter(has.columns.items()))
        others = {name.upper(), name.lower(), name.title()} - {name}
        assert mapped(entity, *others, name) == {target: name}
        assert mapped(entity, *others) == {}
        assert mapped(entity, name.upper()) == {target: name.upper()}


@EVERY_SOURCE
def test_an_entity_that_the_source_does_not_have_is_refused(source: Source) -> None:
    for ask in (source.table, lambda entity: source.default_mapping(entity, [])):
        with pytest.raises(BadInput) as refused:
            ask("spaceship")
        assert refused.value.problem.code == "entity_unsupported"
        assert refused.value.problem.detail.endswith(", ".join(source.entities))


@EVERY_SOURCE
def test_the_documentation_says_what_the_source_has(source: Source) -> None:
    formats = ", ".join(format.upper() for format in source.readers)
    entities = ", ".join(f"`{entity}`" for entity in source.entities)
    row = f"| `{source.system}` | {formats} | {entities} |"
    assert row in DOCUMENTATION.read_text().splitlines()


def test_importing_the_registry_loads_no_parser() -> None:
    """The API process asks the registry and must stay small."""
    code = "import sources, sys; print(*{'polars', 'lxml'} & {*sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []
