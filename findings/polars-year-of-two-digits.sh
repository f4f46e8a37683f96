#!/bin/sh
# polars 2.1.0: "%Y" reads 20-01-01 as the year 20, and 7-1-1 as the year 7.
#
# Python's strptime wants four digits there; polars (chrono) takes any number of them. With
# strict=False nothing says so: dates of a file with short years land two thousand years ago instead
# of becoming null, and no count of nulls shows them.
set -eu
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
python3 -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0
"$home/venv/bin/python" - <<'PYTHON'
from datetime import datetime

import polars as pl

texts = ["2020-01-01", "20-01-01", "7-1-1"]
read = pl.Series(texts).str.to_datetime("%Y-%m-%d", strict=False)
years = read.dt.year().to_list()
refused = []
for text in texts:
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        refused.append(text)
print("polars", pl.__version__, "years:", years, "| refused by Python's strptime:", refused)
assert years == [2020, 20, 7]
assert refused == ["20-01-01", "7-1-1"]
PYTHON
