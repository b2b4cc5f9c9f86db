"""Rights and users of a Kafka that guards its topics: given and taken while clients are connected."""

import asyncio
import hashlib
import os
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactBytes, CompactString, Int8, Int16, Int32, Schema, TaggedFields

from servers.kafka_admin import DEADLINE_S, administrator, aside

RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
OPERATIONS = {"all": 2, "read": 3, "write": 4, "create": 5, "describe": 8}
_LITERAL, _ALLOW, _SHA_256, _ITERATIONS = 3, 3, 1, 4096


class Rights:
    """Through the listener at `address`, whose clients may do everything."""

    def __init__(self, address: str, sasl_port: int) -> None:
        self._address = address
        self._sasl_port = sasl_port

    def give(self, user: str, operation: str, resource: str, name: str) -> None:
        """Like `give("rr", "read", "topic", "mail")`; for sync and async tests."""
        (outcome,) = self._ask(CreateAclsRequest(*_rule(user, operation, resource, name))).creation_responses
        assert outcome[0] == 0, outcome

    def take(self, user: str, operation: str, resource: str, name: str) -> None:
        """What was given."""
        (outcome,) = self._ask(DeleteAclsRequest(*_rule(user, operation, resource, name))).filter_responses
        assert outcome[0] == 0 and outcome[2], f"there is no such right: {outcome}"

    def add_user(self, user: str, password: str) -> None:
        """With SCRAM-SHA-256. Once this returns it can log in, and has all rights that were given before."""
        salt = os.urandom(16)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
        self._alter([], [(user, _SHA_256, _ITERATIONS, salt, salted, {})])
        aside(lambda: self._login(user, password))

    def delete_user(self, user: str) -> None:
        """It cannot log in any more; connections that it has stay."""
        self._alter([(user, _SHA_256, {})], [])

    def _alter(self, deletions: list[Any], upsertions: list[Any]) -> None:
        for user, code, reason, _ in self._ask(_AlterUsers(deletions, upsertions)).results:
            assert code == 0, f"{user}: {reason}"

    def _ask(self, request: Any) -> Any:
        return aside(lambda: self._answer(request))

    async def _answer(self, request: Any) -> Any:
        async with administrator(self._address) as admin:
            return await admin._send_to_controller(request)

    async def _login(self, user: str, password: str) -> None:
        login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": user, "sasl_plain_password": password}
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    connection = await create_conn(
                        "127.0.0.1", self._sasl_port, security_protocol="SASL_PLAINTEXT", **login
                    )
                    return connection.close()
                except SaslAuthenticationFailed:
                    await asyncio.sleep(0.05)


def _rule(user: str, operation: str, resource: str, name: str) -> tuple[Any, ...]:
    return RESOURCES[resource], name, _LITERAL, f"User:{user}", "*", OPERATIONS[operation], _ALLOW


_NAME = ("name", CompactString("utf-8"))
_TAGS = ("tags", TaggedFields)


class _UsersAltered(Response):
    """AlterUserScramCredentials, which aiokafka does not have."""

    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", CompactArray(_NAME, ("error_code", Int16), ("message", CompactString("utf-8")), _TAGS)),
        _TAGS,
    )


class _AlterUsers0(RequestStruct):
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _UsersAltered
    SCHEMA = Schema(
        ("deletions", CompactArray(_NAME, ("mechanism", Int8), _TAGS)),
        (
            "upsertions",
            CompactArray(
                _NAME,
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _AlterUsers(Request[_AlterUsers0]):
    API_KEY = 51

    def __init__(self, deletions: list[Any], upsertions: list[Any]) -> None:
        self._deletions = deletions
        self._upsertions = upsertions

    def build(self, request_struct_class: type[_AlterUsers0]) -> _AlterUsers0:
        return request_struct_class(self._deletions, self._upsertions, {})
