"""Run by the Python that has Apprise, as `apprise_fanout.py N URL …`: sends N events to all URLs
and prints the seconds."""

import sys
import time

import apprise


def main() -> None:
    count, urls = int(sys.argv[1]), sys.argv[2:]
    sender = apprise.Apprise()
    for url in urls:
        sender.add(url)
    started = time.perf_counter()
    for number in range(count):
        # One call sends to all URLs at once, each in a thread.
        body = "92 % of /var is used; it was 85 % an hour ago. Rotate the logs or add space."
        assert sender.notify(title=f"Disk of host {number} is nearly full", body=body)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
