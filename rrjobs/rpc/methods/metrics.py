"""metrics.*: metrics of the application (spec/jobs-and-rpc.md 2.4)."""

from collections.abc import Callable, Sequence
from typing import Any

from pydantic import ValidationError

from rrjobs.errors import RpcError
from rrjobs.rpc.jsonpb import json_name
from rrjobs.rpc.method import AnyMethod, Method
from rrjobs.rpc.shapes import ANYTHING, TEXT, Value
from rrjobs.services.collectors import Collectors, MetricError
from rrjobs.services.metrics_config import CollectorConfig

KINDS = ("histogram", "gauge", "counter", "summary")
_OBJECT: Value[dict[str, Any]] = Value({})


class MetricsMethods:
    """The service `metrics`."""

    def __init__(self, collectors: Collectors) -> None:
        self._collectors = collectors

    def methods(self) -> list[AnyMethod]:
        """All of it."""
        moves: list[AnyMethod] = [
            Method(f"metrics.{operation}", _OBJECT, ANYTHING, self._move(operation))
            for operation in ("Add", "Sub", "Observe", "Set")
        ]
        return [
            *moves,
            Method("metrics.Declare", _OBJECT, ANYTHING, self._declare),
            Method("metrics.Unregister", TEXT, ANYTHING, self._unregister),
        ]

    def _move(self, operation: str) -> "Callable[[dict[str, Any]], Any]":
        async def handle(metric: dict[str, Any]) -> bool:
            found = {str(key).lower(): value for key, value in metric.items()}
            name, value, labels = found.get("name", ""), found.get("value", 0), found.get("labels") or ()
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise RpcError(f"json: value is {json_name(value)}, not a number")
            if not isinstance(name, str) or not _texts(labels):
                raise RpcError("json: name is a text, labels are a list of texts")
            try:
                self._collectors.move(operation, name, float(value), labels)
            except MetricError as err:
                raise RpcError(str(err)) from err
            return True

        return handle

    async def _declare(self, argument: dict[str, Any]) -> bool:
        found = {str(key).lower(): value for key, value in argument.items()}
        name, collector = found.get("name", ""), found.get("collector") or {}
        if not isinstance(name, str) or not isinstance(collector, dict):
            raise RpcError("json: name is a text, collector an object")
        known = CollectorConfig.model_fields.keys() - {"objectives"}  # whose keys are numbers: not in JSON
        collector = {str(key).lower(): value for key, value in collector.items() if value is not None}
        collector = {key: value for key, value in collector.items() if key in known}
        kind = collector.get("type", "")
        if kind not in KINDS:
            raise RpcError(f"metrics_rpc_declare: unknown collector type: {kind}")
        try:
            self._collectors.declare(name, CollectorConfig.model_validate(collector))
        except ValidationError as err:
            first = err.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise RpcError(f"metrics_rpc_declare: {where}: {first['msg']}") from err
        except MetricError as err:
            raise RpcError(f"metrics_rpc_declare: {err}") from err
        return True

    async def _unregister(self, name: str) -> bool:
        if not self._collectors.unregister(name):
            raise RpcError(f"undefined collector: {name}")
        return True


def _texts(values: Sequence[object]) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)
