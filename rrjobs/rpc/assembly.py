"""Which services an RPC server has, given what the configuration turned on."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from rrjobs.pipeline.registry import Registry
from rrjobs.rpc.config import RpcConfig
from rrjobs.rpc.method import AnyMethod, MethodTable
from rrjobs.rpc.methods.app import AppMethods
from rrjobs.rpc.methods.informer import InformerMethods, Pools
from rrjobs.rpc.methods.resetter import Pools as ResettablePools
from rrjobs.rpc.methods.resetter import ResetterMethods
from rrjobs.rpc.methods.rpc import RpcMethods
from rrjobs.rpc.methods.status import Statuses, StatusMethods
from rrjobs.rpc.server import RpcServer
from rrjobs.runtime.address import parse_dsn
from rrjobs.runtime.events import Events

if TYPE_CHECKING:  # imported for real only where there are metrics
    from rrjobs.services.collectors import Collectors


class ServedPools(Pools, ResettablePools, Protocol):
    """Pools that can be listed, scaled and reset."""


def build_server(
    config: RpcConfig,
    events: Events,
    registry: Registry | None,
    pools: ServedPools,
    statuses: Statuses,
    version: str,
    tree: Mapping[str, object],
    collectors: "Collectors | None" = None,
) -> RpcServer:
    """`jobs.*` exists with a registry only, `metrics.*` with collectors; the other services always."""
    methods: list[AnyMethod] = [
        *InformerMethods(pools, registry).methods(),
        *ResetterMethods(pools).methods(),
        *RpcMethods(version, lambda: tree).methods(),
        *StatusMethods(statuses).methods(),
        *AppMethods(events, sys.stderr.write).methods(),
    ]
    if registry is not None:
        from rrjobs.rpc.methods.dead import DeadMethods
        from rrjobs.rpc.methods.jobs import JobsMethods  # brings the protobuf library along
        from rrjobs.rpc.methods.limits import LimitsMethods

        methods += [*JobsMethods(registry).methods(), *DeadMethods(registry).methods()]
        methods += LimitsMethods(registry.limits).methods()
    if collectors is not None:
        from rrjobs.rpc.methods.metrics import MetricsMethods

        methods += MetricsMethods(collectors).methods()
    limit = config.max_connections
    return RpcServer(parse_dsn(config.listen), MethodTable(methods), events, max_connections=limit)
