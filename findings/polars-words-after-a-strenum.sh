#!/bin/sh
# polars 2.1.0: a list whose first element is a member of a StrEnum takes no other string.
#
# A StrEnum's members are strings everywhere in Python, but polars looks at the first element alone
# and takes its class for the column's dtype: Series([Skip.EXISTS, "refused"]) raises, the same two
# the other way round are a String column. `is_in` with such a list raises as well, so that a filter
# breaks when somebody sorts its words.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
"$home/venv/bin/python" - <<'PYTHON'
from enum import StrEnum

import polars as pl


class Skip(StrEnum):
    EXISTS = "exists"


def outcome(words):
    try:
        return str(pl.Series(["refused"]).is_in(words).to_list())
    except pl.exceptions.InvalidOperationError as error:
        return type(error).__name__


first, last = outcome([Skip.EXISTS, "refused"]), outcome(["refused", Skip.EXISTS])
print("polars", pl.__version__, "| member first:", first, "| member last:", last)
assert (first, last) == ("InvalidOperationError", "[True]")
PYTHON
