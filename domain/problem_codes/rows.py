"""Codes of a mapping, of single records, and of what is odd about records."""

from domain.problem_codes.code import ProblemCode as Code

MAPPINGS = (
    Code(
        "mapping_invalid",
        422,
        "The mapping cannot work. Each of its `errors` has a `pointer` and one of the codes below.",
        "Correct every place that `errors` points at.",
    ),
    Code(
        "unknown_target_field",
        None,
        "The entity has no such target field.",
        "Use one of the entity's [target fields](migration.md#mapping).",
    ),
    Code(
        "duplicate_target_field",
        None,
        "Two field mappings fill the same target field.",
        "Remove one of them; use `fallbackFields` to fill a field from several columns.",
    ),
    Code(
        "unknown_status",
        None,
        "A `targetStatus` is not a status of this entity.",
        "Use one of the statuses that `detail` lists.",
    ),
    Code(
        "invalid_default",
        None,
        "A `defaultValue` does not fit its target field.",
        "Correct the default, or remove it.",
    ),
    Code(
        "ambiguous_time_zone",
        None,
        "`sourceTimezone` is an abbreviation that different systems read differently.",
        "Name a place, such as `Europe/Berlin`.",
    ),
    Code(
        "other_mapping",
        None,
        "The mapping names another `entityType` or `sourceSystem` than the job or template has.",
        "Use a mapping that was made for them, or leave the two members out.",
    ),
)

ROWS = (
    Code(
        "required_missing",
        None,
        "A required field has neither a value nor a default.",
        "Fill the field in the file, or give its mapping a `defaultValue`.",
    ),
    Code(
        "unknown_value",
        None,
        "The status or priority has no known meaning.",
        'Name the word in `statusMappings` or `priorityMappings`, or map `"*"`.',
    ),
    Code(
        "boolean_invalid",
        None,
        "The value is not a known word for yes or no.",
        "Write `true`, `false`, `yes`, `no`, `1` or `0`.",
    ),
    Code(
        "date_invalid",
        None,
        "The date cannot be read, or does not fit the `dateFormat`.",
        "Name the `dateFormat` in which the file writes its dates.",
    ),
    Code(
        "date_ambiguous",
        None,
        "Day and month of the date cannot be told apart.",
        "Name the `dateOrder`: `dmy` or `mdy`.",
    ),
    Code(
        "date_zone_unknown",
        None,
        "Clocks in the `sourceTimezone` did not show the zone that the date names.",
        "Pass the `sourceTimezone` whose clocks showed it.",
    ),
    Code(
        "date_out_of_range",
        None,
        "The date is not between the years 1 and 9999.",
        "Correct the date, or leave it empty.",
    ),
    Code(
        "source_id_missing",
        None,
        "The record has no value that identifies it.",
        "Name a `sourceIdField` that every record fills.",
    ),
    Code(
        "source_id_too_long",
        None,
        "The value that identifies the record is too long to be indexed.",
        "Name a `sourceIdField` with shorter values.",
    ),
    Code(
        "value_too_long",
        None,
        "The value is too long for a field that is indexed.",
        "Shorten the value, or map the column to another field.",
    ),
    Code(
        "duplicate_record",
        None,
        "An earlier record of the file, or one that the tenant has, is the same ticket (same id,"
        " or same number, by `matchBy`), and `skipDuplicates` is `false`.",
        "Remove the record, or execute with `skipDuplicates` or `updateExisting`.",
    ),
    Code(
        "column_count_mismatch",
        None,
        "The record has more cells than the header, or is one half of a record in two lines.",
        "Quote values that hold delimiters or line breaks.",
    ),
    Code(
        "record_not_object",
        None,
        "An entry among the records is not a JSON object.",
        "Write each record as an object with its fields.",
    ),
    Code(
        "record_not_exported",
        None,
        "The export holds, in place of the record, a note that it could not be exported.",
        "Export this record again.",
    ),
    Code(
        "json_duplicate_key",
        None,
        "The record has the same key twice.",
        "Remove one of the two.",
    ),
    Code(
        "xml_duplicate_field",
        None,
        "The record has the same element twice.",
        "Remove one of the two.",
    ),
    Code(
        "nul_not_storable",
        None,
        "A value holds the character U+0000, which PostgreSQL does not store.",
        "Remove the character at the source.",
    ),
    Code(
        "kept_edited",
        None,
        "The import was taken back, but this record stays: somebody has edited it since.",
        "Delete or correct the record yourself, if it is to go.",
    ),
    Code(
        "kept_referenced",
        None,
        "The import was taken back, but this record stays: other data refers to it.",
        "Delete what refers to the record, then the record, if it is to go.",
    ),
    Code(
        "too_many_row_errors",
        None,
        "This entry is about no record: the list ends here, as only 10,000 faults are kept.",
        "Correct what is listed and upload the file again.",
    ),
)

REMARKS = (
    Code(
        "closed_but_active",
        None,
        "The status says that the record is over, but the record is active.",
        "Check `statusMappings`.",
    ),
    Code(
        "open_but_inactive",
        None,
        "The status says that the record is not over, but the record is not active.",
        "Check `statusMappings`.",
    ),
    Code(
        "open_but_closed",
        None,
        "The status says that the record is not over, but `closed_at` is set.",
        "Check `statusMappings`.",
    ),
    Code(
        "dates_disagree",
        None,
        "The record was updated, resolved or closed before it was created.",
        "Check `dateOrder` and `sourceTimezone`, and which columns are mapped.",
    ),
    Code(
        "date_long_ago",
        None,
        "The date is so early that it stands for no date, as in the year 0001, 1899 or 1900.",
        "Add the value to `nullValues`.",
    ),
    Code(
        "date_far_ahead",
        None,
        "The date is more than ten years ahead.",
        "Check `dateOrder`, or correct the date at the source.",
    ),
    Code(
        "fields_disagree",
        None,
        "Another column of the record contradicts the mapped one, such as ServiceNow's `state`"
        " against `incident_state`. The mapped one counts.",
        "Map the column that is right.",
    ),
    Code(
        "filled_from_another",
        None,
        "The field was empty and was filled from another column, such as a title from the number.",
        "Remove the column from `fallbackFields`, if the field is to stay empty.",
    ),
    Code(
        "null_word",
        None,
        "The value is a word that many programs write for nothing, such as `null` or `n/a`.",
        "Add the word to `nullValues`, if it stands for nothing.",
    ),
    Code(
        "priority_scale",
        None,
        "The priority is a digit, which is read as 1 (critical) to 4 (low).",
        "Pass `priorityMappings`, if the source counts the other way.",
    ),
    Code(
        "matched_by_number",
        None,
        "The tenant's record with this number has another id, but is taken for the same record.",
        "Execute with `matchBy: id`, if the two are different records.",
    ),
    Code(
        "known_otherwise",
        None,
        "The tenant has a record with this number under another id; both are kept.",
        "Execute with `matchBy: number`, if the two are the same record.",
    ),
)
