"""Limits that are changed or declared at run time: one clear line for each that cannot be."""

import pytest

from rrjobs.errors import DriverError
from rrjobs.pipeline.limits.config import changed_limits, declared_limits
from rrjobs.pipeline.limits.limits import Limits, LimitsError, Rate

RATED = Limits(max_workers=2, rate=Rate(5, 60.0, "tenant"))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ordering": "key"}, "ordering: key needs an ordering_key, the header that names what belongs together"),
        ({"ordering": "keys"}, "ordering: must be 'none' or 'key', got 'keys'"),
        ({"rate": 5}, "rate: must be an object with the keys limit, per_s and key"),
        ({"rate": {"limit": 1, "burst": 2}}, "rate.burst: there is no such key"),
        ({"rate": {"per_s": 2}}, "rate.limit: is required"),
        ({"concurrency": 1, "concurrency_key": ["a"]}, "concurrency_key: must be a text"),
        ({"max_workers": -1}, "max_workers must be between 0 and 500, got -1"),
        ({"max_workers": True}, "max_workers: must be a whole number, got true"),
        ({"speed": 1}, "speed is no limit of a pipeline: there are reserve, max_workers, aging_s"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_one_line(changes, error):
    with pytest.raises(LimitsError) as refused:
        changed_limits(RATED, changes)
    assert str(refused.value).startswith(error)
    assert "\n" not in str(refused.value)


def test_what_is_not_named_stays_and_null_takes_a_limit_away():
    assert changed_limits(RATED, {"aging_s": 2}) == Limits(max_workers=2, aging_s=2.0, rate=RATED.rate)
    assert changed_limits(RATED, {"rate": None, "max_workers": None}) == Limits()


@pytest.mark.parametrize(("text", "error"), [("fast", "rate: is no JSON"), ("5", "rate: must be an object with")])
def test_a_declared_rate_is_an_object_of_json(text, error):
    with pytest.raises(DriverError, match=error):
        declared_limits({"rate": text})
