"""Run by the Python that has dlt, as `dlt_pipeline.py FILE`: loads the file into PostgreSQL and
prints rows and seconds, for benchmarks/peer.py.

dlt's documentation recommends Arrow tables and CSV files for speed with PostgreSQL
(dlthub.com/docs: "Arrow table / Pandas", "CSV file format").
"""

import json
import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

import dlt  # type: ignore[import-not-found]  # installed on demand, elsewhere
from pyarrow import csv  # type: ignore[import-not-found]


def incidents(file: str) -> Iterator[Any]:
    parsing = csv.ParseOptions(newlines_in_values=True)
    reading = csv.ReadOptions(block_size=8 * 2**20)
    yield from csv.open_csv(file, reading, parsing)


def main(file: str) -> None:
    with TemporaryDirectory() as directory:
        pipeline = dlt.pipeline("peer", directory, destination="postgres", dataset_name="peer")
        resource = dlt.resource(
            incidents(file), name="incidents", write_disposition="merge", primary_key="sys_id"
        )
        begin = time.perf_counter()
        pipeline.run(resource, loader_file_format="csv")
        seconds = time.perf_counter() - begin
        rows = pipeline.last_trace.last_normalize_info.row_counts["incidents"]
    sys.stdout.write(json.dumps({"rows": rows, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
