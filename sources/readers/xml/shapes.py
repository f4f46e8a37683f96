"""Regular expressions for the shapes of record that an XML export repeats.

A shape is the start tag of a record and the names of its fields in their order. Its expression
matches a record only if it is the start tag, the fields and the end tag and nothing else but
white space between them, so what it captures are the very values an XML parser would report:

- tags are literal, hence balanced, and no name is a prefixed one; an attribute is in double
  quotes, each name at most once;
- a value holds no `<`, and no `&` but that of the references listed here; no control character
  (a carriage return included, so that there are no line ends to normalise), in an attribute
  not even a tab or line feed. That rules out sections, comments and processing instructions.

What is left for the caller to prove is that the text is UTF-8 without `]]>`, U+FFFE and U+FFFF.
Every repetition is possessive, so the time is linear.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars as pl
from lxml import etree

REFERENCES = {
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&#9;": "\t",
    "&#10;": "\n",
    "&#13;": "\r",
    "&#34;": '"',
    "&#39;": "'",
    "&#xA;": "\n",
    "&#xD;": "\r",
}
SHOWN = ("display_value", "name")  # what users see of a reference: the first that is not empty
_SHAPES = 16  # that are learned; a file with more is not regular
_SEEN = 1_000  # kinds of record remembered, as a shape is learned when its kind comes again
_ATTRIBUTES = 4  # of one field
_NAME = re.compile(r"(?!xml)[A-Za-z_][A-Za-z0-9_.-]*")
_PLACE = ""  # the column of a record's place in its run; no field has this name
_SPACE = r"[ \t\n]*+"


def _value(unlike: str) -> str:
    references = "|".join(name[1:] for name in REFERENCES)
    return rf"[^<&{unlike}]*+(?:&(?:{references})[^<&{unlike}]*+)*+"


_TEXT = _value(r"\x00-\x08\x0b-\x1f")
_ATTRIBUTE = _value(r'"\x00-\x1f')


@dataclass(slots=True)
class Shape:
    """One kind of record: the attributes that each of its fields may have, in their order.

    Records of a `kept` shape are read, others are only counted.
    """

    tag: str
    start: str
    kept: bool
    fields: dict[str, list[str]] = field(default_factory=dict)

    @property
    def captures(self) -> list[str]:
        """What each group of the expression holds, after the first, which is the start tag."""
        if not self.kept:
            return []
        return [
            column
            for name, attributes in self.fields.items()
            for column in [*(f"{name} {each}" for each in attributes if each in SHOWN), name]
        ]

    def expression(self) -> str:
        """The start tag as a group, and a group for each value if the shape is kept."""
        start, end = re.escape(self.start), re.escape(f"</{self.tag}>")
        return _SPACE.join([f"({start})", *map(self._field, self.fields), end])

    def _field(self, name: str) -> str:
        group = "(" if self.kept else "(?:"
        attributes = "".join(
            f'(?: {re.escape(each)}="{group if each in SHOWN else "(?:"}{_ATTRIBUTE})")?+'
            for each in self.fields[name]
        )
        tag = re.escape(name)
        return f"<{tag}{attributes}(?:>{group}{_TEXT})</{tag}>| ?/>)"

    def frame(self, values: Iterable[Sequence[bytes]]) -> pl.DataFrame:
        """The records' columns from the values of each group; a display value may be null."""
        raw = (pl.Series(*each, pl.Binary) for each in zip(self.captures, values, strict=True))
        columns: list[pl.Expr] = []
        for name, attributes in self.fields.items():
            columns.append(pl.col(name))
            shown = [f"{name} {each}" for each in SHOWN if each in attributes]
            if shown:
                display = pl.coalesce(pl.col(each).replace("", None) for each in shown)
                columns.append(display.alias(f"{name}.display_value"))
        return _resolved(pl.DataFrame(raw).cast(pl.String)).select(columns)


@dataclass(frozen=True, slots=True)
class Run:
    """Regular records that end at `end`: those to keep, and how many of others there were."""

    frame: pl.DataFrame
    ignored: dict[str, int]
    end: int


class Shapes:
    """The shapes seen so far in a file of which the records of `tables` are wanted."""

    def __init__(self, tables: frozenset[str]) -> None:
        self._tables = tables
        self._known: dict[object, Shape] = {}
        self._seen: set[object] = set()
        self._expression: re.Pattern[bytes] | None = None

    def learn(self, record: etree._Element) -> None:
        """Learn the shape of a record that lxml read, if it is simple and was seen before. Those of
        deletions are not learned, as their reader needs to see which record is deleted."""
        names = tuple(each.tag for each in record)
        if not _is_simple(record, names) or is_deletion(record):
            return
        key = (record.tag, record.get("action"), names)
        if key not in self._known and key in self._seen and len(self._known) < _SHAPES:
            self._known[key] = self._shape(record)
            self._expression = None
        if (shape := self._known.get(key)) and _widen(shape, record):
            self._expression = None
        if len(self._seen) < _SEEN:
            self._seen.add(key)

    def read(self, text: bytes, at: int, end: int) -> Run | None:
        """The run of regular records that begins at `at`; None if the next record is irregular."""
        if not self._known:
            return None
        rows = self._compiled().findall(text, at, end)
        # Where no record follows, the last group takes all that is left: no gap can go unseen.
        if rows and (rest := rows[-1][-1]):
            end -= len(rest)
            rows.pop()
        return self._run(rows, end) if rows else None

    def _compiled(self) -> re.Pattern[bytes]:
        if self._expression is None:
            shapes = "|".join(shape.expression() for shape in self._known.values())
            self._expression = re.compile(rf"{_SPACE}(?:{shapes})|((?s:.)++)".encode())
        return self._expression

    def _run(self, rows: list[tuple[bytes, ...]], end: int) -> Run:
        frames: list[pl.DataFrame] = []
        ignored = Counter[str]()
        group = 0
        for shape in self._known.values():
            places = [place for place, row in enumerate(rows) if row[group]]
            width = 1 + len(shape.captures)
            if places and shape.kept:
                mine = rows if len(places) == len(rows) else [rows[place] for place in places]
                values = [*zip(*mine, strict=True)][group + 1 : group + width]
                frames.append(shape.frame(values).with_columns(pl.Series(_PLACE, places)))
            elif places:
                ignored[shape.tag] += len(places)
            group += width
        return Run(_in_order(frames), ignored, end)

    def _shape(self, record: etree._Element) -> Shape:
        action = record.get("action")
        start = f"<{record.tag}>" if action is None else f'<{record.tag} action="{action}">'
        fields: dict[str, list[str]] = {each.tag: [] for each in record}
        return Shape(record.tag, start, record.tag in self._tables, fields)


def is_deletion(record: etree._Element) -> bool:
    """Whether the element deletes a record: by DELETE, or by delete_multiple of update sets."""
    return record.get("action", "").lower().startswith("delete")


def _is_simple(record: etree._Element, names: tuple[str, ...]) -> bool:
    """Whether a shape can stand for the record; the names of its columns have to be different."""
    columns = {*names, *(f"{name}.display_value" for name in names)}
    attributes = {name for each in record for name in _attributes(each)}
    return (
        bool(names)
        and len(columns) == 2 * len(names)
        and all(_NAME.fullmatch(name) for name in (record.tag, *names, *attributes))
        and re.fullmatch("[A-Z_]*", record.get("action", "")) is not None
        and set(record.keys()) <= {"action"}
        and max(len(_attributes(each)) for each in record) <= _ATTRIBUTES
    )


def _widen(shape: Shape, record: etree._Element) -> bool:
    """Let the shape's fields have the attributes of the record's; returns whether any is new."""
    wider = False
    for each in record:
        known = shape.fields[each.tag]
        new = [name for name in _attributes(each) if name not in known]
        if new and len(known) + len(new) <= _ATTRIBUTES:
            known.extend(new)
            wider = True
    return wider


def _in_order(frames: list[pl.DataFrame]) -> pl.DataFrame:
    if not frames:
        return pl.DataFrame()
    together = pl.concat(frames, how="diagonal").sort(_PLACE) if len(frames) > 1 else frames[0]
    return together.drop(_PLACE)


def _resolved(text: pl.DataFrame) -> pl.DataFrame:
    """The text with its references replaced."""
    found = text.select(pl.all().str.contains("&", literal=True).any()).row(0, named=True)
    escaped = pl.col(name for name in found if found[name])
    return text.with_columns(escaped.str.replace_many([*REFERENCES], [*REFERENCES.values()]))


def _attributes(element: etree._Element) -> list[str]:
    return [*map(str, element.keys())]
