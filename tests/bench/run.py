"""`make bench`: every figure of docs/benchmarks.md, each beside its peer in the same run, taken in turn.

Environment: BENCH_ONLY (families, separated by commas), BENCH_ROUNDS, BENCH_SECONDS (of one load), BENCH_PATIENCE
(seconds to wait in all for a quieter machine), BENCH_PROTOTYPES (folder of http_ingress.py and dispatch_batched.py),
RR_BIN (RoadRunner's binary), PHP_AUTOLOAD (autoloader of the published PHP packages). A peer that is not there has no
rows. HTTP needs wrk.
"""

import sys
import tempfile
from pathlib import Path

from tests.bench import backlog, burst, footprint, http, jobs, journal, journalled, latency, limits, quiet, rpc
from tests.bench.brokers import amqp, beanstalk, kafka, nats, sqs
from tests.bench.report import machine
from tests.bench.settings import AUTOLOAD, ONLY, ROUNDS, SECONDS

FAMILIES = {
    "http": http.measure,
    "jobs": jobs.measure,
    "latency": latency.measure,
    "backlog": backlog.measure,
    "limits": limits.measure,
    "journal": journal.measure,
    "journalled": journalled.measure,
    "rpc": rpc.measure,
    "burst": burst.measure,
    "footprint": footprint.measure,
    "amqp": amqp.measure,
    "nats": nats.measure,
    "beanstalk": beanstalk.measure,
    "kafka": kafka.measure,
    "sqs": sqs.measure,
}


def main() -> None:
    """Print the tables."""
    if unknown := set(ONLY) - set(FAMILIES):
        sys.exit(f"BENCH_ONLY: no such family: {', '.join(sorted(unknown))}; there are {', '.join(FAMILIES)}")
    packages = "the published PHP packages" if AUTOLOAD else "our PHP library"
    print(f"{machine()}; {packages}; {ROUNDS} rounds in turn, loads of {SECONDS} s", flush=True)
    for name, measure in FAMILIES.items():
        if not ONLY or name in ONLY:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder))
    print(f"\n{quiet.told()}")


if __name__ == "__main__":
    main()
