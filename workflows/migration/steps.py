"""The activities of a migration job, as its workflows see them."""

from datetime import timedelta

from workflows.migration import messages as m
from workflows.step import BEAT, BRIEF, IMPORT, Step

_HOURS = timedelta(hours=6)
inspect_upload = Step("inspect_upload", m.JobRef, m.Upload)
parse_upload = Step("parse_upload", m.ParseInput, m.Parsed, IMPORT, _HOURS, BEAT)
validate_records = Step("validate_records", m.ValidateInput, m.Validated, IMPORT, _HOURS, BEAT)
begin_import = Step("begin_import", m.BeginInput, m.Begun)
import_segment = Step("import_segment", m.SegmentInput, m.Segment, IMPORT, _HOURS, BEAT)
set_state = Step("set_state", m.StateInput, m.State)
recall_job = Step("recall_job", m.JobRef, m.RecordedJob)
undo_import = Step("undo_import", m.UndoInput, m.TakenBack, IMPORT, _HOURS, BEAT)
clean_up = Step("clean_up", m.JobRef, m.Cleaned, timeout=timedelta(minutes=5), retry=BRIEF)
close_job = Step("close_job", m.CloseInput, m.Closed)

STEPS = (
    inspect_upload,
    parse_upload,
    validate_records,
    begin_import,
    import_segment,
    set_state,
    recall_job,
    undo_import,
    clean_up,
    close_job,
)
