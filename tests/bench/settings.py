"""What `make bench` measures with: the environment it reads, and the PHP programs."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "php" / "examples"
PROGRAMS = Path(__file__).resolve().parent / "php"

ONLY = tuple(filter(None, os.environ.get("BENCH_ONLY", "").split(",")))
"""Families to measure; empty: all."""
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
STARTS = 3
"""How often the HTTP servers are started anew: where the kernel puts their processes changes a rate by a third."""
SECONDS = int(os.environ.get("BENCH_SECONDS", "2"))
"""How long one load lasts."""
PATIENCE_S = float(os.environ.get("BENCH_PATIENCE", "300"))
"""How long one run may wait in all for a quieter machine."""
PROTOTYPES = os.environ.get("BENCH_PROTOTYPES", "")
"""Folder of http_ingress.py and dispatch_batched.py; empty: without that peer."""
ROADRUNNER = os.environ.get("RR_BIN", "")
"""RoadRunner's binary; empty: without that peer."""
AUTOLOAD = os.environ.get("PHP_AUTOLOAD", "")
"""Autoloader of the published PHP packages; empty: our own PHP library."""

WORKERS = 2
PHP_FLAGS = ("-d", "opcache.enable_cli=1", "-d", "opcache.jit_buffer_size=64M", "-d", "opcache.jit=tracing")
PHP = " ".join(("php", *PHP_FLAGS))
NYHOLM = Path(AUTOLOAD or "/usr/share/php/Nyholm/Psr7/autoload.php")


def http_workers() -> dict[str, str]:
    """Command lines of the HTTP hello programs, by the name a row shows."""
    found = {"array": f"{PHP} {EXAMPLES}/hello_http.php"}
    if AUTOLOAD:
        found["published PSR-7"] = f"{PHP} {PROGRAMS}/published_http.php"
    elif NYHOLM.exists():
        found["PSR-7"] = f"{PHP} {EXAMPLES}/hello_psr7.php"
    return found


def jobs_worker() -> str:
    """A program that completes every job at once."""
    return f"{PHP} {PROGRAMS}/published_jobs.php" if AUTOLOAD else f"{PHP} {EXAMPLES}/echo_jobs.php"


def stamping_worker() -> str:
    """A program that notes in BENCH_STAMPS when each job began."""
    return f"{PHP} {PROGRAMS}/{'published_' if AUTOLOAD else ''}stamp_jobs.php"


def calling_client() -> str:
    """A program that calls over RPC: ADDRESS SECONDS."""
    return f"{PHP} {PROGRAMS}/{'published_' if AUTOLOAD else ''}rpc_calls.php"
