"""In which order the dates of a file have day and month, as far as they show it."""

import polars as pl

from domain.mapping.plan import Plan, Target
from domain.values.date_parts import two_way_dates
from domain.values.date_rules import DateEvidence


def date_evidence(frame: pl.DataFrame, plan: Plan) -> DateEvidence:
    """What this batch's nn/nn/yyyy dates, over all columns of dates, tell about their order."""
    dated = filter(_reads_dates, plan.targets)
    unformatted = (each for each in dated if plan.dates_of(each).format is None)
    wanted = {name for each in unformatted for name in (each.source, *each.fallbacks)}
    columns = (frame[name] for name in frame.columns if name in wanted)
    return DateEvidence.total(map(two_way_dates, columns))


def _reads_dates(target: Target) -> bool:
    changed = target.transformation.options if target.transformation else ()
    return "date_format" in (*target.field.kind.options, *changed)
