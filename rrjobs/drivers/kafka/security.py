"""What a client needs to be let in: TLS and SASL, from the section `kafka`."""

import asyncio
import base64
import os
import re
import ssl
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from rrjobs.drivers.kafka.config import MECHANISMS, KafkaSection, SaslConfig, TlsConfig
from rrjobs.errors import BrokerRefused

TOKEN_S = 900
"""How long a token for MSK is good."""

_MSK_HOST = re.compile(r"\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com")


def client_options(section: KafkaSection, own: SaslConfig | None = None) -> dict[str, Any]:
    """Arguments that all clients take; `own` is the login of the pipeline. Raises BrokerRefused."""
    options: dict[str, Any] = {"bootstrap_servers": list(section.brokers)}
    protocol = "PLAINTEXT"
    if section.tls is not None:
        options["ssl_context"] = tls_context(section.tls)
        protocol = "SSL"
    if (sasl := own or section.sasl) is not None:
        protocol = "SASL_SSL" if section.tls is not None else "SASL_PLAINTEXT"
        options |= _sasl(sasl, section.brokers[0])
    return {**options, "security_protocol": protocol}


def tls_context(tls: TlsConfig) -> ssl.SSLContext:
    """TLS 1.2 and later. Raises BrokerRefused."""
    try:
        context = ssl.create_default_context(cafile=tls.root_ca or None)
    except (OSError, ssl.SSLError) as err:
        raise BrokerRefused(f"kafka.tls.root_ca: cannot read {tls.root_ca}: {_why(err)}") from err
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.cert:
        try:
            context.load_cert_chain(tls.cert, tls.key)
        except (OSError, ssl.SSLError) as err:
            raise BrokerRefused(f"kafka.tls: cannot use {tls.cert} with {tls.key}: {_why(err)}") from err
    return context


def _sasl(sasl: SaslConfig, broker: str) -> dict[str, Any]:
    options: dict[str, Any] = {"sasl_mechanism": MECHANISMS[sasl.mechanism.lower()]}
    if sasl.mechanism == "aws_msk_iam":
        return {**options, "sasl_oauth_token_provider": MskTokens(sasl, broker)}
    return {**options, "sasl_plain_username": sasl.username, "sasl_plain_password": sasl.password}


class MskTokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for Amazon MSK: a request to connect, signed with the credentials of AWS."""

    def __init__(self, sasl: SaslConfig, broker: str) -> None:
        super().__init__()
        self._sasl = sasl
        found = _MSK_HOST.search(broker)
        self._region = (
            os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION")
            or (found.group(1) if found else "us-east-1")
        )

    async def token(self) -> str:
        """See AbstractTokenProvider. Raises BrokerRefused without credentials."""
        return await asyncio.to_thread(self._signed)

    def _signed(self) -> str:
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        from botocore.session import Session

        found = Session().get_credentials()
        sasl = self._sasl
        if found is None and sasl.access_key and sasl.secret_key:
            found = Credentials(sasl.access_key, sasl.secret_key, sasl.session_token or None)
        if found is None:
            raise BrokerRefused("kafka.sasl: aws_msk_iam found no credentials: set access_key and secret_key")
        url = f"https://kafka.{self._region}.amazonaws.com/?Action=kafka-cluster%3AConnect"
        request = AWSRequest(method="GET", url=url)
        SigV4QueryAuth(found.get_frozen_credentials(), "kafka-cluster", self._region, expires=TOKEN_S).add_auth(request)
        signed = f"{request.url}&User-Agent={sasl.user_agent or 'rrjobs'}"
        return base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")


def _why(err: OSError) -> str:
    if isinstance(err, FileNotFoundError):
        return "there is no such file"
    return str(getattr(err, "reason", "") or err.strerror or err)
