"""Limits in the configuration: what the keys come to, and one clear error for each that cannot be."""

import pytest

from rrjobs.pipeline.limits.limits import Limits, Rate

JOBS = "jobs: {pool: {num_workers: 4%s}, pipelines: {mail: {driver: memory, %s}}}"


@pytest.mark.parametrize(
    ("keys", "limits"),
    [
        ("max_workers: 2, reserve: 3", Limits(reserve=3, max_workers=2)),
        ("aging_s: 1.5", Limits(aging_s=1.5)),
        ("aging_s: 2m", Limits(aging_s=120.0)),
        ("concurrency: 2, concurrency_key: tenant", Limits(concurrency=2, concurrency_key="tenant")),
        ("ordering: key, ordering_key: tenant", Limits(ordering_key="tenant")),
        ("ordering: none", Limits()),
        ("rate: {limit: 5}", Limits(rate=Rate(5, 1.0))),
        ("rate: {limit: '5', per_s: 90s, key: tenant}", Limits(rate=Rate(5, 90.0, "tenant"))),
    ],
)
def test_what_a_pipeline_may_have(read, keys, limits):
    found = read(JOBS % ("", keys))
    assert found.errors == []
    assert found.loaded.root.jobs.pipelines["mail"].limits() == limits


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("max_workers: -1", "mail: max_workers must be between 0 and 500, got -1"),
        ("max_workers: 100000", "mail: max_workers must be between 0 and 500, got 100000"),
        ("reserve: -2", "mail: reserve must be between 0 and 500, got -2"),
        ("aging_s: -1", "mail.aging_s: must be a duration between 0 and 292 years"),
        ("aging_s: 30d", "aging_s"),
        ("aging_s: 99999999", "mail: aging_s must be between 0 and 604800, got 99999999"),
        ("concurrency: 2", "mail: concurrency needs a concurrency_key, the header whose values it counts"),
        ("concurrency_key: tenant", "mail: concurrency_key needs a concurrency"),
        ("ordering: key", "mail: ordering: key needs an ordering_key"),
        ("ordering_key: tenant", "mail: ordering_key needs `ordering: key`"),
        ("ordering: partition", "mail.ordering: "),
        (
            "ordering: key, ordering_key: tenant, concurrency: 2, concurrency_key: tenant",
            "mail: concurrency cannot go with `ordering: key`",
        ),
        ("concurrency: -1, concurrency_key: tenant", "concurrency must be between 0 and 500, got -1"),
        ("rate: {per_s: 5}", "mail.rate.limit: is required"),
        ("rate: {limit: 0}", "mail.rate: rate.limit must be between 1 and 1000000, got 0"),
        ("rate: {limit: 1, per_s: 0}", "mail.rate: rate.per_s must be between 0.001 and 86400, got 0"),
        ("rate: {limit: 1, per_s: 2000000}", "rate.per_s must be between 0.001 and 86400"),
        ("rate: fast", "mail.rate: must be a section"),
        ("rate: {limit: 1, burst: 2}", "mail.rate.burst: unknown key"),
        ("reserve: 4", "mail.reserve: jobs.pool has 4 workers, and 4 of them cannot be kept free"),
        ("pool: nope, reserve: 1", "no pool 'nope'"),
    ],
)
def test_an_impossible_limit_is_one_clear_error(read, keys, error):
    (found,) = read(JOBS % ("", keys)).errors
    assert error in found


def test_reservations_of_a_pool_and_its_pipelines_are_counted_together(read):
    (error,) = read(JOBS % (", reserve: {workers: 2, priority: 3}", "reserve: 2")).errors
    assert "jobs.pool has 4 workers, and 4 (2 + 2 together) of them cannot be kept free" in error
    assert read(JOBS % (", reserve: {workers: 2, priority: 3}", "reserve: 1")).errors == []


def test_a_pool_that_grows_keeps_no_more_free_than_its_fewest_workers_allow(read):
    text = "jobs: {pool: {autoscale: {min: 2, max: 9}, reserve: {workers: 2}}, pipelines: {mail: {driver: memory}}}"
    (error,) = read(text).errors
    assert "jobs.pool.reserve.workers: jobs.pool has 2 workers at least" in error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("http: {address: ':80', rate: {limit: 5}}", "http.rate: does not belong here: pipelines have a rate"),
        ("http: {address: ':80', max_workers: 5}", "http.max_workers: does not belong here"),
        ("http: {address: ':80', reserve: 1}", "http.reserve: does not belong here: a pool keeps workers free"),
        ("http: {address: ':80', concurrency: 1}", "http.concurrency: does not belong here"),
        ("http: {address: ':80', ordering: key}", "http.ordering: does not belong here"),
        ("http: {address: ':80', aging_s: 1}", "http.aging_s: does not belong here: requests are served in order"),
        ("http: {address: ':80', pool: {reserve: {workers: 1}}}", "http.pool.reserve: does not belong here"),
        ("http: {address: ':80', pool: {max_workers: 3}}", "http.pool.max_workers: does not belong here"),
        (
            "jobs: {pools: {a: {num_workers: 3}}, pipelines: {m: {driver: memory, reserve: 1}}}",
            "m.reserve: needs a pool",
        ),
        ("any: {pool: {num_workers: 2, reserve: {workers: 2}}}\nhttp: {address: ':80'}", "any.pool has 2 workers"),
        (
            "any: {pool: {reserve: {workers: -1}}}\nhttp: {address: ':80'}",
            "any.pool.reserve.workers: must be at least 0",
        ),
        ("any: {pool: {reserve: {priority: 1}}}\nhttp: {address: ':80'}", "any.pool.reserve.workers: is required"),
    ],
)
def test_a_limit_where_it_does_not_belong_is_one_clear_error(read, text, error):
    (found,) = read(text).errors
    assert error in found
