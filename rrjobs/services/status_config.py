"""The `status` section (spec/jobs-and-rpc.md 8.1)."""

from typing import Annotated

from pydantic import AfterValidator

from rrjobs.runtime.address import checked_address
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int, Seconds, SecondsOrDefault

LIVENESS_S = 60.0
STALL_S = 5.0


class StatusConfig(Section):
    """Health and readiness over HTTP."""

    address: Annotated[str, AfterValidator(checked_address)] = setting(
        ..., "Where to listen: host:port, :port, [::1]:port or unix://path.", min_length=1
    )
    check_timeout_s: SecondsOrDefault = setting(60.0, "Longest read of a request; a number of seconds or a duration.")
    unavailable_status_code: Int = setting(503, "Status of the answer when not healthy.", ge=100, le=599)
    liveness_s: Seconds = setting(
        LIVENESS_S,
        "How long deliveries may wait for a pool that finishes none before readiness turns red; 0 never. "
        "While all its workers are busy, an `exec_ttl` that is longer counts instead.",
        alias="liveness_s",
        differs="RoadRunner looks at workers only",
    )
    stall_s: Seconds = setting(
        STALL_S,
        "How long the event loop may stand still before its stacks go to the log and health and readiness turn red; "
        "0 never.",
        alias="stall_s",
        differs="RoadRunner has no event loop",
    )
