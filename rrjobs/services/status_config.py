"""The `status` section (spec/jobs-and-rpc.md 8.1)."""

from typing import Annotated

from pydantic import AfterValidator

from rrjobs.runtime.address import checked_address
from rrjobs.runtime.section import Section, setting
from rrjobs.runtime.values import Int, SecondsOrDefault


class StatusConfig(Section):
    """Health and readiness over HTTP."""

    address: Annotated[str, AfterValidator(checked_address)] = setting(
        ..., "Where to listen: host:port, :port, [::1]:port or unix://path.", min_length=1
    )
    check_timeout_s: SecondsOrDefault = setting(60.0, "Longest read of a request; a number of seconds or a duration.")
    unavailable_status_code: Int = setting(503, "Status of the answer when not healthy.", ge=100, le=599)
