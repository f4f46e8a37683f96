#!/bin/sh
# polars 2.1.0: three rows of no columns are three rows after drop, and none after select.
#
# A frame keeps its height when its last column is dropped, but selecting an empty list of columns,
# which leaves the same nothing, gives a frame of height 0. Code that selects the columns a record
# has (perhaps none) and then counts rows loses them all without an error.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
"$home/venv/bin/python" - <<'PYTHON'
import polars as pl

frame = pl.DataFrame({"a": [1, 2, 3]})
dropped, selected = frame.drop("a"), frame.select([])
print("polars", pl.__version__, "drop:", dropped.shape, "select:", selected.shape)
assert (dropped.shape, selected.shape) == ((3, 0), (0, 0))
PYTHON
