"""Codes of an upload and of the file as a whole: nothing of the file is imported."""

from domain.problem_codes.code import ProblemCode as Code

UPLOADS = (
    Code("file_missing", 400, "The form has no file.", "Name the part of the file `file`."),
    Code(
        "too_many_parts",
        400,
        "The form has more than `limit` parts.",
        "Send only the fields that the upload knows, and one file.",
    ),
    Code(
        "multipart_invalid",
        400,
        "The body is not a complete multipart/form-data form with one file and each field once.",
        "Correct what `detail` names and upload again.",
    ),
    Code(
        "quota_exceeded",
        403,
        "The tenant's unfinished migrations leave only `limit` bytes for another file.",
        "Finish or cancel other migrations first, or have `TENANT_QUOTA_BYTES` raised.",
    ),
    Code(
        "upload_too_slow",
        408,
        "Less than 1 KiB per second arrived for a minute.",
        "Upload again over a faster connection.",
    ),
    Code(
        "file_too_large",
        413,
        "The upload is larger than `limit` bytes.",
        "Split the file, or have `UPLOAD_MAX_BYTES` raised.",
    ),
    Code(
        "form_field_too_large",
        413,
        "A form field other than the file is larger than `limit` bytes.",
        "Shorten the field; keep a large mapping as a template and name its id instead.",
    ),
    Code(
        "checksum_mismatch",
        422,
        "The bytes that arrived do not have the `sha256` that the form names.",
        "Compute the checksum of the file again and repeat the upload.",
    ),
)

FILES = (
    Code("file_empty", 422, "The file has no content.", "Export the file again."),
    Code(
        "compressed_unsupported",
        415,
        "The file is compressed.",
        "Unpack the file and upload what is in it.",
    ),
    Code(
        "format_unsupported",
        415,
        "The file is in a format that is not read, at all or from this `sourceSystem`.",
        "Export as CSV, JSON or XML, whichever the source system can be imported from.",
    ),
    Code(
        "entity_unsupported",
        415,
        "Records of this `entityType` cannot be imported from this `sourceSystem`.",
        "Choose one of the entity types that the detail names, or another `sourceSystem`.",
    ),
    Code(
        "format_mismatch",
        422,
        "The file's name promises another format than its content has.",
        "Check that the file is the export itself, and not a login page saved in its place.",
    ),
    Code(
        "encoding_invalid",
        422,
        "Bytes are not valid in the file's encoding. A form field that is not UTF-8 is refused"
        " with the same code. At a row, only that record is rejected.",
        "Pass the `charset` of a CSV file, or export in UTF-8.",
    ),
    Code(
        "no_records_found",
        422,
        "The file holds no records of the wanted kind.",
        "Check that you exported the right table and that the export did not fail.",
    ),
    Code(
        "record_deleted",
        422,
        "The file deletes a record that stands earlier in it, so that record no longer exists.",
        "Remove the deleted record and its deletion from the file.",
    ),
    Code(
        "time_zone_contradicted",
        422,
        "The file's time stamps are in UTC, but `sourceTimezone` names another zone.",
        "Leave `sourceTimezone` out; to insist on it, set it in the mapping.",
    ),
    Code(
        "column_name_invalid",
        422,
        "A field has a name that is reserved, too long, or holds the character U+0000.",
        "Rename the field in the file.",
    ),
    Code(
        "too_many_columns",
        422,
        "The file has more than `limit` different columns or fields.",
        "Export fewer fields.",
    ),
)

CSV = (
    Code(
        "csv_unclosed_quote",
        422,
        "A quote is opened and not closed before the file ends or the record is too long.",
        "Close the quote in the line that is named, or export the file again.",
    ),
    Code(
        "csv_malformed_quote",
        422,
        'A quoted field goes on after its closing quote, or quotes are escaped as `\\"`.',
        "Double each quote inside a quoted field.",
    ),
    Code(
        "csv_field_too_large",
        422,
        "A field is longer than `limit` bytes.",
        "Shorten the field, or export without it.",
    ),
    Code(
        "record_too_large",
        422,
        "A record is longer than `limit` bytes.",
        "Shorten the record, or export fewer fields.",
    ),
    Code(
        "csv_duplicate_header",
        422,
        "The header gives the same name to several columns.",
        "Rename the columns in the header.",
    ),
    Code(
        "csv_header_invalid",
        422,
        "The header is blank, or one of its cells is reserved, too long or not readable.",
        "Correct the cell that `column` names.",
    ),
)

JSON = (
    Code(
        "json_malformed",
        422,
        "The file is not valid JSON at the place that is named. The body of a request that is not"
        " JSON has the same code with the status 400.",
        "Correct the place, or export the file again.",
        other_status=400,
    ),
    Code(
        "json_truncated",
        422,
        "The file ends inside a value.",
        "Export the file again and check that it is complete.",
    ),
    Code(
        "json_trailing_data",
        422,
        "Other text follows after the records.",
        "Remove what stands after the last record.",
    ),
    Code(
        "json_string_invalid",
        422,
        "A string holds half of a surrogate pair, which is no character.",
        "Correct or remove the string.",
    ),
    Code(
        "json_number_invalid",
        422,
        "A number is too large for any number format, or is `NaN` or `Infinity`.",
        "Correct the number, or write it as a string.",
    ),
    Code(
        "json_number_too_long",
        422,
        "A number has too many characters.",
        "Shorten the number, or write it as a string.",
    ),
    Code(
        "json_field_too_large",
        422,
        "A field is longer than `limit` bytes.",
        "Shorten the field, or export without it.",
    ),
    Code(
        "json_record_too_large",
        422,
        "A record is longer than `limit` bytes.",
        "Shorten the record, or export fewer fields.",
    ),
    Code(
        "json_too_deep",
        422,
        "Values are nested more than `limit` levels deep.",
        "Export fewer levels.",
    ),
)

XML = (
    Code(
        "xml_malformed",
        422,
        "The markup is broken, as by a stray `<` or an element that is not closed. At a row, only"
        " that record is rejected: it holds a bare `&` or an unknown entity.",
        "Correct the place, or export as JSON or CSV.",
    ),
    Code(
        "xml_truncated",
        422,
        "The file ends before its last element does.",
        "Export the file again and check that it is complete.",
    ),
    Code(
        "xml_char_invalid",
        422,
        "A character is one that XML forbids. At a row, only that record is rejected.",
        "Remove the character at the source, or export as JSON or CSV.",
    ),
    Code(
        "xml_dtd_forbidden",
        422,
        "The file has a DOCTYPE, which is never read, as it can make a parser open other files.",
        "Remove the DOCTYPE; check that the file is not a web page.",
    ),
    Code(
        "xml_text_too_large",
        422,
        "A value is too long, as attachments are.",
        "Export without that field, or as JSON.",
    ),
    Code(
        "xml_record_too_large",
        422,
        "A record is longer than `limit` bytes.",
        "Shorten the record, or export fewer fields.",
    ),
    Code(
        "xml_too_many_attributes",
        422,
        "An element has more than `limit` attributes.",
        "Check that the file is an export of records.",
    ),
    Code(
        "xml_too_deep",
        422,
        "Elements are nested too deep.",
        "Check that the file is an export of records.",
    ),
)
