"""Calls rpc.Version for some seconds, prints calls per second: `python -m tests.bench.rpc_calls ADDRESS SECONDS`."""

import sys
import time

from rrjobs.rpc.client import RpcClient

BETWEEN_LOOKS = 50


def main(address: str, seconds: float) -> None:
    """One connection, one call at a time."""
    with RpcClient(address) as client:
        client.json("rpc.Version")
        calls = 0
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            for _ in range(BETWEEN_LOOKS):
                client.json("rpc.Version")
            calls += BETWEEN_LOOKS
    print(calls / passed)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
