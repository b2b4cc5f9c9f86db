"""The range of a pool's workers: what the keys come to, and one clear error for each that cannot be."""

import pytest

from rrjobs.worker.autoscale import Limits
from rrjobs.worker.config import PoolConfig, cores

AT_ONCE = 2 * cores()


@pytest.mark.parametrize(
    ("keys", "limits"),
    [
        ("autoscale: {min: 2, max: 9}", Limits(2, 9, 0.05, 32, 60.0, AT_ONCE)),
        ("num_workers: 3, autoscale: {max: 9}", Limits(3, 9, 0.05, 32, 60.0, AT_ONCE)),
        ("num_workers: 3, autoscale: {min: 3, max: 3}", Limits(3, 3, 0.05, 32, 60.0, AT_ONCE)),
        ("autoscale: {max: 1}", Limits(1, 1, 0.05, 32, 60.0, AT_ONCE)),
        (
            "autoscale: {min: 1, max: 2, target_wait_ms: 200, spawn_rate: 1, idle_s: 5}",
            Limits(1, 2, 0.2, 1, 5.0, AT_ONCE),
        ),
        ("num_workers: 4, dynamic_allocator: {}", Limits(4, 14, 0.05, 5, 60.0, AT_ONCE)),
        (
            "num_workers: 4, dynamic_allocator: {max_workers: 25, spawn_rate: 10, idle_timeout: 10s}",
            Limits(4, 29, 0.05, 10, 10.0, AT_ONCE),
        ),
        (
            "num_workers: 4, dynamic_allocator: {max_workers: 1000, spawn_rate: 1000, idle_timeout: 10ms}",
            Limits(4, 104, 0.05, 100, 60.0, AT_ONCE),
        ),
        ("num_workers: 450, dynamic_allocator: {max_workers: 100}", Limits(450, 500, 0.05, 5, 60.0, AT_ONCE)),
        ("num_workers: 4, allocate_timeout: 20ms, dynamic_allocator: {}", Limits(4, 14, 0.01, 5, 60.0, AT_ONCE)),
        ("num_workers: 4", None),
        ("debug: true, autoscale: {max: 9}", None),
    ],
)
def test_the_range_and_its_pace(read, keys, limits):
    found = read(f"http: {{address: ':80', pool: {{{keys}}}}}")
    assert found.errors == []
    pool: PoolConfig = found.loaded.root.http.pool
    assert pool.limits == limits
    assert limits is None or (pool.fewest_workers, pool.most_workers) == (limits.min, limits.max)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ("autoscale: {min: 5, max: 4}", "http.pool.autoscale: min (5) is above max (4)"),
        ("autoscale: {}", "http.pool.autoscale.max: is required"),
        ("autoscale: {max: 0}", "http.pool.autoscale.max: must be at least 1, got 0"),
        ("autoscale: {max: 501}", "http.pool.autoscale.max: must be at most 500, got 501"),
        ("autoscale: {max: many}", "http.pool.autoscale.max: must be a whole number, got 'many'"),
        ("autoscale: {min: -1, max: 4}", "http.pool.autoscale.min: must be at least 0, got -1"),
        ("autoscale: {max: 4, target_wait_ms: 0}", "target_wait_ms: must be at least 1, got 0"),
        ("autoscale: {max: 4, target_wait_ms: 9999999999}", "target_wait_ms: must be at most 3600000"),
        ("autoscale: {max: 4, spawn_rate: 0}", "spawn_rate: must be at least 1, got 0"),
        ("autoscale: {max: 4, idle_s: -1}", "idle_s: must be a duration between 0 and 292 years"),
        ("autoscale: {max: 4, idle: 5}", "http.pool.autoscale.idle: unknown key, did you mean `idle_s`?"),
        ("num_workers: 8, autoscale: {max: 4}", "http.pool: num_workers (8) is above autoscale.max (4)"),
        (
            "num_workers: 3, autoscale: {min: 2, max: 4}",
            "http.pool: num_workers (3) and autoscale.min (2) both name the fewest workers: remove one of them",
        ),
        (
            "autoscale: {max: 4}, dynamic_allocator: {}",
            "http.pool: autoscale and dynamic_allocator cannot be set at the same time: remove one of them",
        ),
        ("dynamic_allocator: {max_workers: -1}", "dynamic_allocator.max_workers: must be at least 0, got -1"),
        ("dynamic_allocator: {spawn_rate: x}", "dynamic_allocator.spawn_rate: must be a whole number, got 'x'"),
    ],
)
def test_a_range_that_cannot_be_is_one_clear_error(read, keys, error):
    errors = read(f"http: {{address: ':80', pool: {{{keys}}}}}").errors
    assert len(errors) == 1, errors
    assert error in errors[0]
