"""Every problem code of the product, declared once; docs/errors.md shows the same tables.

Code that raises a problem writes the problem code as a string; `declaration_of` finds its
declaration, and fails for a string that is not declared.
"""

from domain.problem_codes.code import ProblemCode
from domain.problem_codes.files import CSV, FILES, JSON, UPLOADS, XML
from domain.problem_codes.integrations import ADDRESSES, INTEGRATIONS, NOTIFICATIONS
from domain.problem_codes.jobs import JOBS, OPERATED_JOBS
from domain.problem_codes.requests import REQUESTS
from domain.problem_codes.rows import MAPPINGS, REMARKS, ROWS

# By the headings of docs/errors.md, in its order.
PROBLEM_CODES: dict[str, tuple[ProblemCode, ...]] = {
    "Requests": REQUESTS,
    "Uploads": UPLOADS,
    "Files of any format": FILES,
    "CSV files": CSV,
    "JSON files": JSON,
    "XML files": XML,
    "Mappings": MAPPINGS,
    "Rejected rows": ROWS,
    "Remarks": REMARKS,
    "Jobs": JOBS,
    "Jobs changed in Temporal": OPERATED_JOBS,
    "Integrations": INTEGRATIONS,
    "Addresses of integrations": ADDRESSES,
    "Channels and preferences": NOTIFICATIONS,
}
_BY_CODE = {each.code: each for group in PROBLEM_CODES.values() for each in group}


def declaration_of(code: str) -> ProblemCode:
    """The declaration of a code. Raises LookupError for a code that is not declared here."""
    if code not in _BY_CODE:
        raise LookupError(f"the problem code {code!r} is not declared in domain/problem_codes")
    return _BY_CODE[code]


def status_of_failure(code: str) -> int:
    """The HTTP status of an answer that hands on a job's failure: 422 if the code declares none, or
    is not declared: an operator can fail a job by hand in Temporal, with any code.
    """
    found = _BY_CODE.get(code)
    return 422 if found is None or found.status is None else found.status
