"""Certificates for TLS tests: an authority of its own, a server's for localhost, a client's; made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from servers.binaries import program

DAYS = "2"
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files; `bundle` is the server's key with its certificate."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path
    bundle: Path


def make_certificates(directory: Path) -> Certificates:
    """All files in `directory`; takes about half a second."""
    directory.mkdir(parents=True, exist_ok=True)
    made = Certificates(
        *(directory / name for name in ("ca.pem", "cert.pem", "key.pem", "client-cert.pem", "client-key.pem")),
        bundle=directory / "bundle.pem",
    )
    ca_key = directory / "ca-key.pem"
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", DAYS]
    _openssl(*new, "-subj", "/CN=rrjobs test authority", "-keyout", ca_key, "-out", made.ca)
    for cert, key, who in ((made.cert, made.key, "localhost"), (made.client_cert, made.client_key, "client")):
        _openssl(
            *new, "-subj", f"/CN={who}", "-addext", NAMES, "-addext", "basicConstraints=critical,CA:FALSE",
            "-CA", made.ca, "-CAkey", ca_key, "-keyout", key, "-out", cert,
        )  # fmt: skip
    made.bundle.write_text(made.key.read_text() + made.cert.read_text() + made.ca.read_text())
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        [program("openssl", "openssl"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}"
