"""What the sections of a good configuration come to, and where each value came from."""

import ipaddress
import os

import pytest

from rrjobs.config.effective import effective
from rrjobs.drivers.memory.config import MemoryConfig
from rrjobs.worker.config import PoolConfig

HTTP = "http: {address: ':80'}\n"


def sources(found):
    return {one.key: (one.value, str(one.origin)) for one in effective(found.loaded.root, found.loaded.nodes)}


def test_a_small_configuration_has_roadrunner_s_defaults(read):
    root = read(HTTP + "jobs: {pipelines: {mail: {driver: memory}}}\nrpc: {}\nmetrics: {}\n").loaded.root
    cores = len(os.sched_getaffinity(0))
    pool = root.http.pool
    assert (pool.num_workers, pool.max_jobs, pool.max_queue_size, pool.debug) == (cores, 0, 0, False)
    assert {pool.allocate_timeout_s, pool.reset_timeout_s, pool.stream_timeout_s, pool.destroy_timeout_s} == {60.0}
    assert (pool.supervisor.watch_tick_s, pool.supervisor.exec_ttl_s) == (5.0, 0.0)
    assert (root.http.internal_error_code, root.http.max_request_bytes) == (500, 1000 * 2**20)
    assert (root.jobs.timeout_s, root.jobs.pipeline_size, root.jobs.options.parallelism) == (60.0, 1_000_000, 10)
    mail = root.jobs.pipelines["mail"]
    assert (mail.priority, mail.config, mail.pool) == (10, MemoryConfig(), None)
    assert root.rpc.listen == "tcp://127.0.0.1:6001"
    assert root.metrics.address == "127.0.0.1:2112"
    assert root.endure.grace_period_s == 30.0
    assert root.server.relay is None
    assert root.status is None


def test_values_may_be_written_as_loosely_as_in_roadrunner(read):
    root = read(
        "http:\n  address: ':80'\n  max_request_size: '0'\n  raw_body: 'on'\n  uploads.forbid: '.php, .exe'\n"
        "  trusted_subnets: 10.0.0.0/8,fd00::/8\n  pool.num_workers: '3'\n  pool.supervisor.exec_ttl: 1m30s\n"
        "jobs:\n  options: {}\n  consume: mail\n  pipelines:\n    - mail: {driver: memory, config: {priority: '5'}}\n",
    ).loaded.root
    assert (root.http.max_request_size_mib, root.http.raw_body) == (1000, True)
    assert root.http.uploads.forbid == (".php", ".exe")
    assert root.http.trusted_subnets == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    assert (root.http.pool.num_workers, root.http.pool.supervisor.exec_ttl_s) == (3, 90.0)
    assert root.jobs.options.parallelism == 5
    assert root.jobs.consume == ("mail",)
    assert root.jobs.pipelines["mail"].priority == 5


def test_a_pipeline_s_own_priority_wins_over_the_one_in_its_config(read):
    text = "jobs: {pipelines: {a: {driver: memory, priority: 3, config: {priority: 7}}}}\n"
    assert read(text).loaded.root.jobs.pipelines["a"].priority == 3


@pytest.mark.parametrize("relay", ["private", "''", "~"])
def test_private_descriptors_are_the_default_relay(read, relay):
    assert read("", head=f'version: "3"\nserver: {{relay: {relay}}}\n').loaded.root.server.relay is None


@pytest.mark.parametrize("relay", ["pipes", "tcp://127.0.0.1:6002", "unix://rr.sock"])
def test_other_relays_are_kept_verbatim(read, relay):
    assert read("", head=f'version: "3"\nserver: {{relay: "{relay}"}}\n').loaded.root.server.relay == relay


def test_one_pool_can_serve_requests_and_jobs(read):
    root = read(f"any: {{pool: {{num_workers: 2}}}}\n{HTTP}jobs: {{}}\n").loaded.root
    assert root.any_mode.pool == PoolConfig(num_workers=2)


def test_sections_for_anchors_are_not_read(read):
    text = "x-pool: &pool {num_workers: 3}\nhttp: {address: ':80', pool: {<<: *pool, max_jobs: 5}}\n"
    loaded = read(text).loaded
    assert (loaded.root.http.pool.num_workers, loaded.root.http.pool.max_jobs) == (3, 5)
    assert "x-pool" not in loaded.tree


def test_the_merged_tree_is_plain_data_as_written(read):
    loaded = read(HTTP + "server.env: [{A: 1}]\n", "http.pool.num_workers=2").loaded
    assert loaded.tree == {
        "version": "3",
        "server": {"command": "php worker.php", "env": [{"a": 1}]},
        "http": {"address": ":80", "pool": {"num_workers": "2"}},
    }


def test_every_effective_value_says_where_it_came_from(read):
    found = read(
        "http:\n  address: '$HOST:80'\n  pool: {max_jobs: 5}\n"
        "jobs: {pipelines: {mail: {driver: memory, config: {priority: 4}}}}\n"
        "server.env: [{DB: x}]\ninclude: [a.yaml]\n",
        "http.pool.num_workers=${N:-2}",
        "http.raw_body=true",
        files={"a.yaml": "version: '3'\nlogs:\n  level: error\n"},
        environ={"HOST": "127.0.0.1"},
    )
    told = sources(found)
    assert told["server.command"] == (["php", "worker.php"], ".rr.yaml:2:19")
    assert told["http.address"] == ("127.0.0.1:80", "environment HOST (.rr.yaml:4:12)")
    assert told["http.pool.max_jobs"] == (5, ".rr.yaml:5:20")
    assert told["http.pool.num_workers"] == (2, "-o http.pool.num_workers")
    assert told["http.raw_body"] == (True, "-o http.raw_body")
    assert told["http.pool.allocate_timeout"] == ("1m", "default")
    assert told["jobs.pipelines.mail.priority"] == (4, ".rr.yaml:6:62")
    assert told["server.env.DB"] == ("x", ".rr.yaml:7:19")
    assert told["logs.level"][0] == "error"
    assert told["logs.level"][1].startswith("include ")
    assert told["logs.level"][1].endswith("a.yaml:3:10")
    assert told["endure.grace_period"] == ("30s", "default")


def test_a_variable_that_is_not_set_is_not_told_as_where_a_value_came_from(read):
    text = "http: {address: '${HOST:-127.0.0.1}:${PORT:-80}', priority: '${PRIO:-3}'}\n"
    told = sources(read(text, environ={"PORT": "81", "PRIO": ""}))
    assert told["http.address"] == ("127.0.0.1:81", "environment PORT (.rr.yaml:3:17)")
    assert told["http.priority"] == (3, ".rr.yaml:3:61, PRIO not set")


def test_the_prefetch_that_nobody_set_is_shown_as_what_it_will_be(read):
    told = sources(read(HTTP + "jobs: {}\n"))
    assert told["http.pool.prefetch"] == (1, "default")
    assert told["jobs.pool.prefetch"] == ("auto", "default")
    both = sources(read(f"any: {{}}\n{HTTP}jobs: {{}}\n"))
    assert both["any.pool.prefetch"] == ("1 for requests, auto for jobs", "default")


def test_pools_that_serve_nothing_are_not_shown(read):
    told = sources(read(f"any: {{}}\n{HTTP}jobs: {{}}\n"))
    assert "any.pool.num_workers" in told
    assert not [key for key in told if key.startswith(("http.pool", "jobs.pool"))]
    named = sources(read("jobs: {pools: {a: {}}}\n"))
    assert "jobs.pools.a.num_workers" in named
    assert "jobs.pool.num_workers" not in named


def test_secrets_are_hidden_and_the_rest_is_shown(read):
    env = "DB_PASSWORD: hunter2, API_TOKEN: t, APP_KEY: k, AWS_SECRET_ACCESS_KEY: s, KEYBOARD: us, "
    url = "DATABASE_URL: 'mysql://me:hunter2@db/x'"
    told = sources(read(f"server.env: {{{env}{url}}}\n"))
    shown = {key.removeprefix("server.env."): value for key, (value, _) in told.items()}
    assert {shown[name] for name in ("DB_PASSWORD", "API_TOKEN", "APP_KEY", "AWS_SECRET_ACCESS_KEY")} == {"***"}
    assert shown["KEYBOARD"] == "us"
    assert shown["DATABASE_URL"] == "mysql://me:***@db/x"
    assert "hunter2" not in str(told)


def test_names_of_headers_and_routes_are_no_secrets(read):
    one = "driver: amqp, config: {routing_key: k}, concurrency: 1, concurrency_key: c, rate: {limit: 1, key: r}"
    other = "driver: memory, ordering: key, ordering_key: o"
    told = sources(read(f"amqp: {{}}\njobs: {{pipelines: {{a: {{{one}}}, b: {{{other}}}}}}}\n"))
    keys = ("a.config.routing_key", "a.concurrency_key", "a.rate.key", "b.ordering_key")
    assert [told[f"jobs.pipelines.{key}"][0] for key in keys] == ["k", "c", "r", "o"]


def test_quantiles_are_numbers_however_they_are_written(read):
    text = "metrics:\n  collect:\n    a: {type: summary, objectives: {0.5: 0.05, 0.99: 0.001, 1: 0.1}}\n"
    text += "    b: {type: summary, objectives: [{0.5: 0.05}, {1.0: 0.1}]}\n"
    collect = read(text).loaded.root.metrics.collect
    assert collect["a"].objectives == {0.5: 0.05, 0.99: 0.001, 1.0: 0.1}
    assert collect["b"].objectives == {0.5: 0.05, 1.0: 0.1}


@pytest.mark.parametrize(("word", "level"), [("WARNING", "warn"), ("panic", "panic"), ("fatal", "panic")])
def test_roadrunner_s_other_words_for_levels_are_understood(read, word, level):
    assert read(f'logs: {{level: {word}, mode: off, line_ending: "\\n"}}\n').loaded.root.logs.level == level
