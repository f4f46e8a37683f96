#!/bin/sh
# polars 2.1.0: a column called "" keeps its name in a dict, and loses it in a list of Series.
#
# DataFrame({"": …}) has a column "". DataFrame([Series("", …)]), as one writes it to keep Series
# as they are, calls it column_0. JSON allows the empty name, so a field of a record disappears
# under that name, or meets a real field that is called column_0.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
"$home/venv/bin/python" - <<'PYTHON'
import polars as pl

column = pl.Series("", [1])
of_dict, of_list = pl.DataFrame({"": column}).columns, pl.DataFrame([column]).columns
print("polars", pl.__version__, "of a dict:", of_dict, "| of a list of Series:", of_list)
assert (of_dict, of_list) == ([""], ["column_0"])
PYTHON
