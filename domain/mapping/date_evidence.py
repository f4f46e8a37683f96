"""In which order the dates of a file have day and month, as far as they show it."""

import polars as pl

from domain.mapping.plan import Plan
from domain.values.date_parts import two_way_dates
from domain.values.date_rules import DateEvidence


def date_evidence(frame: pl.DataFrame, plan: Plan) -> DateEvidence:
    """What this batch's nn/nn/yyyy dates, over all columns of dates, tell about their order."""
    dated = (t for t in plan.targets if t.field.kind == "timestamp" or t.transformation == "date")
    ordered = [] if plan.dates.format else [each for each in dated if each.date_format is None]
    wanted = {name for each in ordered for name in (each.source, *each.fallbacks)}
    columns = (frame[name] for name in frame.columns if name in wanted)
    return DateEvidence.total(map(two_way_dates, columns))
