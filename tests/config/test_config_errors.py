"""Bad configurations: every error at once, each at its place, with what would be right."""

import pytest

from rrjobs.config.load import Request

HTTP = "http: {address: ':80'}\n"


def test_all_errors_of_all_sections_are_told_at_once_in_the_order_of_the_file(read):
    found = read(
        "http:\n"
        "  address: 127.0.0.1\n"
        "  pool:\n"
        "    num_worker: 4\n"
        "    num_workers: -1\n"
        "    allocate_timeout: 30\n"
        "jobs:\n"
        "  pipelines:\n"
        "    mail: {driver: memroy}\n"
        "    news: {driver: memory, config: {prefetch: none}}\n"
        "rcp: {}\n",
        "logs.level=loud",
    )
    assert found.errors == [
        ".rr.yaml:4:12: http.address: '127.0.0.1' has no port: write host:port, :port or unix://path",
        ".rr.yaml:6:5: http.pool.num_worker: unknown key, did you mean `num_workers`?",
        ".rr.yaml:7:18: http.pool.num_workers: must be 0 (one worker per core) to 500, got -1",
        ".rr.yaml:11:20: jobs.pipelines.mail.driver: unknown driver 'memroy', did you mean `memory`?",
        ".rr.yaml:12:47: jobs.pipelines.news.config.prefetch: must be a whole number, got 'none'",
        ".rr.yaml:13:1: rcp: unknown key, did you mean `rpc`?",
        "-o logs.level: logs.level: must be 'debug', 'info', 'warn', 'error' or 'panic', got 'loud'",
    ]
    assert found.warnings == [
        ".rr.yaml:8:23: http.pool.allocate_timeout: 30 means 30 nanoseconds; write 30s for seconds"
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("http: {address: ':80', num_workers: 2}", "http.num_workers: unknown key here, it belongs into `pool`"),
        (
            "nats: {}\njobs: {pipelines: {a: {driver: nats, config: {ack_wait: 5ms}}}}",
            "jobs.pipelines.a.config.ack_wait: must be at least 1, got 0.005",
        ),
        (
            "kafka: {brokers: ['a:1']}\njobs: {pipelines: {a: {driver: kafka, config: {group_options: {group_id: g, "
            "session_timeout: 100h}}}}}",
            "jobs.pipelines.a.config.group_options.session_timeout: must be at most 1800, got 360000",
        ),
        (
            "jobs: {pipelines: {a: {driver: memory, max_jobs: 5}}}",
            "jobs.pipelines.a.max_jobs: unknown key here, it belongs into `config`",
        ),
        ("http: {address: ':80', pool: 3}", "http.pool: must be a section: keys with values below it, got 3"),
        ("http: {address: ':80', pool: []}", "http.pool: must be a section: keys with values below it, got a list"),
        ("http: {address: ':80', pool: {num_workers: 501}}", "number of workers can't be more than 500"),
        ("http: {address: ':80', pool: {num_workers: two}}", "must be a whole number, got 'two'"),
        ("http: {address: ':80', pool: {prefetch: 65}}", "must be auto or a whole number from 1 to 64, got 65"),
        ("http: {address: ':80', pool: {max_jobs: -1}}", "http.pool.max_jobs: must be at least 0, got -1"),
        ("http: {address: ':80', pool: {allocate_timeout: 5 s}}", "must be a duration such as 30s"),
        ("http: {address: ':80', pool: {command: 'php a.php b,c'}}", "write the arguments as a list"),
        ("http: {address: ':80', raw_body: maybe}", "http.raw_body: must be true or false, got 'maybe'"),
        ("http: {address: ':80', codec: jsn}", "must be 'json' or 'protobuf', got 'jsn', did you mean 'json'?"),
        ("http: {address: ':80', internal_error_code: 99}", "must be at least 100, got 99"),
        ("http: {address: ':80', trusted_subnets: [nope]}", "must be networks such as 10.0.0.0/8"),
        ("http: {address: ':80', uploads: {dir: [a]}}", "http.uploads.dir: must be a text, got a list"),
        ("http: {}", "unable to run http service, no method has been specified"),
        ("http: text", "http: must be a section: keys with values below it, got 'text'"),
        ("rpc: {listen: ':6001'}", "invalid socket DSN (tcp://:6001, unix://file.sock), got ':6001'"),
        ("status: {}", "status.address: is required"),
        ("status: {address: ''}", "status.address: should not be empty"),
        ("metrics: {collect: {a: {type: meter}}}", "must be 'histogram', 'gauge', 'counter' or 'summary', got 'meter'"),
        ("metrics: {collect: {a: {}}}", "metrics.collect.a.type: is required"),
        ("metrics: {collect: {a: {type: histogram, buckets: [x]}}}", "buckets.0: must be a number, got 'x'"),
        ("jobs: {pipelines: {a: {}}}", "jobs.pipelines.a.driver: is required"),
        ("jobs: {pipelines: {a: memory}}", "jobs.pipelines.a: must be a section"),
        ("jobs: {pipelines: memory}", "jobs.pipelines: must be a map of names, got 'memory'"),
        ("jobs: {pipelines: {a: {driver: boltdb}}}", "the driver boltdb is not available yet; "),
        (
            "jobs: {pipelines: {a: {driver: memory, retry: {max_attempts: 0}}}}",
            "max_attempts must be 1 to 1000000, got 0",
        ),
        (
            "jobs: {pipelines: {a: {driver: memory, retry: {initial: 2s, max: 1s}}}}",
            "max (1s) is shorter than initial (2s)",
        ),
        ("jobs: {pipelines: {a: {driver: memory, retry: {initial: -1s}}}}", "must not be negative, got '-1s'"),
        ("jobs: {pipelines: {a: {driver: memory, max_crashes: 0}}}", "a.max_crashes: must be at least 1, got 0"),
        (
            "jobs: {pipelines: {a: {driver: memory, dead_letter: {max_bytes: 0}}}}",
            "max_bytes: must be at least 1, got 0",
        ),
        ("http: {address: ':80', retry: {}}", "http.retry: does not belong here: a request is answered once"),
        ("jobs: {pipelines: {a: {driver: redis}}}", "unknown driver 'redis', known here: "),
        ("jobs: {pipelines: {a: {driver: memory, config: {prefetsh: 1}}}}", "did you mean `prefetch`?"),
        ("jobs: {pipelines: {a: {driver: memory, config: 3}}}", "a.config: must be a section"),
        ("jobs: {pipelines: {a: {driver: memory, pool: x}}}", "no pool 'x': there is no `jobs.pools`"),
        ("jobs: {pools: {b: {}}, pipelines: {a: {driver: memory, pool: x}}}", "no pool 'x': known are b"),
        ("jobs: {pool: {}, pools: {a: {}}}", "both pool and pools options cannot be set at the same time"),
        ("jobs: {pools: [{a: {num_worker: 1}}]}", "jobs.pools.a.num_worker: unknown key"),
        ("logs: {channels: {http: {level: 5}}}", "logs.channels.http.level: must be 'debug'"),
        ("logs: {file_logger_options: {}}", "logs.file_logger_options.log_output: is required"),
        ("any: {}", "its pool has nothing to serve: add a section `http` or `jobs`"),
        ("any: {}\nhttp: {address: ':80', pool: {}}", "`http.pool` cannot stand beside `any.pool`"),
        ("any: {}\njobs: {pools: {}}", "`jobs.pools` cannot stand beside `any.pool`"),
        ("endure: {grace_period: -1s}", "endure.grace_period: must not be negative, got '-1s'"),
        ("xyz: {}", "xyz: unknown key, known here: "),
    ],
)
def test_a_wrong_value_or_key_is_one_error_that_says_what_is_right(read, text, error):
    errors = read(text).errors
    assert len(errors) == 1, errors
    assert error in errors[0]
    assert errors[0].startswith(".rr.yaml:")


@pytest.mark.parametrize(
    ("server", "error"),
    [
        ("server: {relay: 'tcp:6001'}", "server.relay: invalid DSN (tcp://:6001, unix://file.sock)"),
        ("server: {relay: 'tcp://[::1]:6001'}", "PHP workers cannot connect to an IPv6 literal"),
        ("server: {relay: 'unix://a:b'}", "PHP workers cannot connect to a path with a colon"),
        ("server: {command: 5}", "server.command: must be a text or a list of texts, got 5"),
        ("server: {command: x, on_init: {}}", "server.on_init.command: is required"),
        ("server: {command: x, on_init: {command: ''}}", "server.on_init.command: should not be empty"),
        ("server: {command: x, env: {a: {b: 1}}}", "the value of a must be a text, got a map"),
        ("server: {comand: x}", "did you mean `command`?"),
    ],
)
def test_a_wrong_server_section_is_told_at_its_place(read, server, error):
    assert any(error in told for told in read(f"{server}\n", head='version: "3"\n').errors)


@pytest.mark.parametrize("section", ["http: {address: ':80'}", "jobs: {}", "any: {}\nhttp: {address: ':80'}"])
def test_workers_without_a_command_are_an_error(read, section):
    for server in ("", "server: {}\n", "server: {command: ''}\n"):
        errors = read(f"{server}{section}\n", head='version: "3"\n').errors
        assert len(errors) == 1
        assert "command should not be empty" in errors[0]


def test_pools_with_commands_of_their_own_need_no_other(read):
    text = "http: {address: ':80', pool: {command: x}}\njobs: {pools: {a: {command: y}}}\n"
    assert read(text, head='version: "3"\n').errors == []
    assert len(read(text.replace("{command: y}", "{}"), head='version: "3"\n').errors) == 1


@pytest.mark.parametrize(
    ("version", "error"),
    [
        ("", 'a configuration has a version: write version: "3"'),
        ("version: 3\n", 'version should be a string, it is a number: write version: "3"'),
        ("version:\n", "a configuration has a version"),
        ("version: [3]\n", "it is a section"),
    ],
)
def test_a_version_is_required_and_a_text(read, version, error):
    errors = read("logs: {}\n", head=version).errors
    assert len(errors) == 1
    assert error in errors[0]


def test_another_version_is_read_with_a_warning(read):
    found = read("logs: {}\n", head='version: "2.7"\n')
    assert found.loaded.root.version == "2.7"
    assert found.warnings == ['.rr.yaml:1:10: version: read as version "3", which it should say']


@pytest.mark.parametrize(
    "text",
    [
        "kv: {a: {driver: memory}}",
        "temporal: {address: x}",
        "grpc: {listen: x}",
        "service: {a: {command: x}}",
        "otel: {insecure: true}",
        "http: {address: ':80', ssl: {address: ':443'}}",
        "http: {address: ':80', middleware: [gzip]}",
        "http: {ssl: {address: ':443'}}",
        "http: {fcgi: {address: ':9000'}}",
        "http: {address: ':80', static: {dir: .}}",
        "http: {address: ':80', http2: {h2c: true}}",
        "logs: {line_ending: x}",
    ],
)
def test_what_does_not_exist_yet_is_refused_and_never_ignored(read, text):
    errors = read(text).errors
    assert len(errors) == 1, errors
    assert "not available yet" in errors[0]


def test_empty_keys_of_what_does_not_exist_yet_are_no_matter(read):
    assert read("http: {address: ':80', middleware: [], ssl: {}, static: }\nkv:\n").errors == []


@pytest.mark.parametrize("name", ["kv", "temporal", "service", "grpc", "lock"])
def test_an_empty_section_that_would_start_a_plugin_in_roadrunner_is_refused(read, name):
    assert len(read(f"{name}: {{}}\n").errors) == 1


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("server.relay_timeout: 60s", "server.relay_timeout"),
        ("server.after_init: {command: x}", "server.after_init"),
        ("server.group: www", "server.group"),
        ("reload: {interval: 1s}", "reload"),
        ("jobs: {num_pollers: 5}", "jobs.num_pollers"),
        ("endure: {log_level: error}", "endure.log_level"),
        ("endure: {watchdog_sec: 5, print_graph: true}", "endure.watchdog_sec"),
    ],
)
def test_keys_that_roadrunner_files_carry_without_effect_are_accepted_with_a_warning(read, text, key):
    found = read(f"{text}\n", head='version: "3"\nserver.command: x\n')
    assert found.loaded is not None
    assert f": {key}: ignored: " in found.warnings[0]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("jobs: {consume: [mial], pipelines: {mail: {driver: memory}}}", "no pipeline 'mial' in `jobs.pipelines`, did"),
        ("jobs: {consume: Mail, pipelines: {Mail: {driver: memory}}}", "no pipeline 'Mail' in `jobs.pipelines`, did"),
        ("jobs: {pools: {b: {}}, pipelines: {a: {driver: memory}}}", "has no pool"),
        ("http: {address: ':80', trusted_headers: [x]}", "no effect without `http.trusted_subnets`"),
        ("server.relay: 'tcp://:6002'", "PHP workers cannot connect to :6002: write tcp://127.0.0.1:6002"),
        ("rpc: {listen: 'tcp://10.0.0.1:6001'}", "anybody who reaches this port can push jobs"),
        ("http: {address: ':80', uploads: {dir: '$A ${B:-x}'}}", "becomes empty: once a reference has a default"),
        ("http: {address: ':80', limits: {idle_timeout: 30}}", "30 means 30 nanoseconds; write 30s"),
    ],
)
def test_what_is_valid_but_hardly_meant_is_a_warning(read, text, warning):
    found = read(f"{text}\n", head='version: "3"\nserver.command: x\n')
    assert found.errors == []
    assert any(warning in told for told in found.warnings), found.warnings


def test_an_error_in_a_value_from_a_variable_names_the_variable(read):
    found = read("http: {address: ':80', pool: {num_workers: '${N:-x}'}}")
    assert found.errors == [".rr.yaml:3:44: http.pool.num_workers: must be a whole number, got 'x' (the value of N)"]


def test_an_error_never_tells_a_secret(read):
    found = read("server: {env: {db_password: {a: hunter2}}}\nlogs: {token: hunter2}\n", head='version: "3"\n')
    assert found.errors
    assert "hunter2" not in "".join(found.errors)


def test_an_error_in_an_override_names_the_override_and_not_its_value(read):
    found = read(HTTP, "http.pool.secret_token=hunter2", "nonsense")
    assert found.errors == [
        "-o: invalid flag `nonsense`: write -o key.path=value",
        "-o http.pool.secret_token: http.pool.secret_token: unknown key, known here: allocate_timeout, "
        "autoscale, command, debug, destroy_timeout, dynamic_allocator, max_jobs, max_queue_size, num_workers, "
        "prefetch, reserve, reset_timeout, stream_timeout, supervisor",
    ]


def test_a_yaml_error_comes_with_the_errors_that_can_be_known(read):
    found = read("http: {address: ':80'\n", request=Request(overrides=["x"]))
    assert len(found.errors) == 1
    assert "not YAML" in found.errors[0]


@pytest.mark.parametrize(
    ("text", "key", "meant"),
    [
        ("http: {adress: ':80'}", "http.adress", "address"),
        ("status: {adress: ':80'}", "status.adress", "address"),
        ("jobs: {pipelines: {a: {drivr: memory}}}", "jobs.pipelines.a.drivr", "driver"),
    ],
)
def test_a_misspelt_key_is_one_error_and_not_a_missing_one_too(read, text, key, meant):
    (error,) = read(text).errors
    assert error.endswith(f"{key}: unknown key, did you mean `{meant}`?")


def test_a_misspelt_key_beside_the_right_one_hides_nothing(read):
    errors = read("http: {address: ':80', pool: {num_workers: -1, num_worker: 2}}").errors
    assert len(errors) == 2


def test_what_has_no_effect_in_the_log_is_told(read):
    rotated = "file_logger_options: {log_output: a.log}"
    found = read(f"logs: {{output: [stdout], {rotated}, channels: {{htpp: {{level: info}}, http: {{{rotated}}}}}}}\n")
    assert found.errors == []
    assert [warning.partition(": logs.")[2] for warning in found.warnings] == [
        "channels.htpp: nothing is logged on this channel, did you mean `http`?",
        "output: no effect beside `file_logger_options`, which take its place",
    ]


@pytest.mark.parametrize(
    ("journal", "error"),
    [
        ("on", "journal: must be 'off' or a section, got 'on'"),
        ("3", "journal: must be 'off' or a section, got 3"),
        ("{sync: never}", "journal.sync: must be 'always' or 'interval', got 'never'"),
        ("{interval_ms: 0}", "journal.interval_ms: must be at least 1, got 0"),
        ("{pth: a}", "journal.pth: unknown key, did you mean `path`?"),
    ],
)
def test_of_a_word_or_a_section_only_what_was_written_is_complained_about(read, journal, error):
    (found,) = read(f"jobs: {{pipelines: {{mail: {{driver: memory, config: {{journal: {journal}}}}}}}}}").errors
    assert found.endswith(f" jobs.pipelines.mail.config.{error}")
