"""Speed and memory of imports, beside a floor and a peer (docs/benchmarks.md)."""
