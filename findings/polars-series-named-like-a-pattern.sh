#!/bin/sh
# polars 2.1.0: what a Series is called decides whether its texts can be stripped.
#
# The methods in `Series.str` run as an expression over a column of the Series' own name, and a name
# that begins with ^ and ends with $ is a pattern there. It matches no column (its own name has a ^),
# so a column of an export that is called "^x$" raises IndexError, while "*" works. A name from a
# file has to be replaced before anything is asked of its texts.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
"$home/venv/bin/python" - <<'PYTHON'
import polars as pl


def stripped(name):
    try:
        return pl.Series(name, [" a "]).str.strip_chars().to_list()
    except IndexError as error:
        return type(error).__name__


found = {name: stripped(name) for name in ("x", "*", "^x$")}
print("polars", pl.__version__, found)
assert found == {"x": ["a"], "*": ["a"], "^x$": "IndexError"}
PYTHON
