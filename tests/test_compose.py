"""docker-compose.yml holds together, and the examples in config/ find its servers at their default addresses."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml
from servers.development import PLACES

from rrjobs.config.load import Request, examine

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
TOXIPROXY = json.loads((ROOT / "docker" / "toxiproxy.json").read_text())
PORT = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")
PINNED = re.compile(r"[a-z0-9./-]+:\d+\.\d+(\.\d+)?(-[a-z]+)*")
ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")
SERVER_OF = {"amqp": "rabbitmq", "kafka": "kafka", "sqs": "sqs", "nats": "nats", "beanstalk": "beanstalkd"}

each_service = pytest.mark.parametrize("name", SERVICES)


def published(name) -> dict[int, int]:
    found = [PORT.fullmatch(port) for port in SERVICES[name]["ports"]]
    assert all(found), "bound to more than this machine"
    return {int(match[1]): int(match[2]) for match in found}


def test_it_has_every_server_there_is_work_for():
    wanted = {"rabbitmq", "kafka", "sqs", "nats", "beanstalkd", "temporal", "redis", "memcached", "postgres"}
    assert set(SERVICES) == wanted | {"toxiproxy", "rrjobs"}


@each_service
def test_a_service_is_pinned_and_healthy_by_a_check_of_its_own(name):
    service = SERVICES[name]
    images = [service["image"]] if "image" in service else base_images(service["build"])
    assert images
    assert all(PINNED.fullmatch(image) for image in images)
    check = service["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert len(check["test"]) > 1
    assert {"interval", "timeout", "retries"} <= set(check)


def base_images(build) -> list[str]:
    context = ROOT / (build if isinstance(build, str) else build["context"])
    file = "Dockerfile" if isinstance(build, str) else build["dockerfile"]
    return re.findall(r"^FROM (\S+)", (context / file).read_text(), re.MULTILINE)


@each_service
def test_a_service_is_published_to_this_machine_alone(name):
    assert published(name)


def test_no_two_services_want_the_same_port():
    ports = [port for name in SERVICES for port in published(name)]
    assert len(ports) == len(set(ports))


@each_service
def test_a_service_mounts_only_what_there_is(name):
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        assert source in COMPOSE["volumes"] if not source.startswith(".") else (ROOT / source).is_file()


def test_every_volume_is_used():
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert set(COMPOSE["volumes"]) <= used


def test_the_proxy_leads_to_services_that_are_there_and_is_published():
    ports = published("toxiproxy")
    assert {proxy["upstream"].partition(":")[0] for proxy in TOXIPROXY} == set(SERVICES) - {"rrjobs", "toxiproxy"}
    for proxy in TOXIPROXY:
        host, port = proxy["upstream"].split(":")
        listened = int(proxy["listen"].split(":")[1])
        assert listened == ports[listened]
        if host != "kafka":
            assert int(port) in published(host).values()
    inside = SERVICES["kafka"]["environment"]
    kafka = next(proxy for proxy in TOXIPROXY if proxy["name"] == "kafka")
    assert f"PROXIED://:{kafka['upstream'].split(':')[1]}" in inside["KAFKA_LISTENERS"]
    assert f"PROXIED://127.0.0.1:{kafka['listen'].split(':')[1]}" in inside["KAFKA_ADVERTISED_LISTENERS"]


@pytest.mark.parametrize("driver", SERVER_OF)
def test_an_example_finds_its_server_in_compose_and_among_the_development_servers(driver, monkeypatch):
    for place in PLACES:
        monkeypatch.delenv(place.variable, raising=False)
    section = yaml.safe_load((ROOT / "config" / f"{driver}.yaml").read_text())[driver]
    addressed = {int(port) for port in ADDRESS.findall(str(section))}
    assert addressed <= set(published(SERVER_OF[driver]))
    assert addressed == {place.port for place in PLACES if place.name == (SERVER_OF[driver].removesuffix("d"))}


def test_the_service_runs_the_example_with_a_configuration_that_holds():
    words = SERVICES["rrjobs"]["command"]
    overrides = tuple(value for flag, value in itertools.pairwise(words) if flag == "-o")
    path = ROOT / words[words.index("-c") + 1]
    reading = examine(Request(path, overrides=overrides), {})
    assert [str(problem) for problem in (*reading.errors, *reading.findings.warnings)] == []
    root = reading.loaded.root
    listened = {root.http.address, root.status.address}
    kept = Path("/app") / reading.loaded.directory.relative_to(ROOT) / root.state_dir
    assert SERVICES["rrjobs"]["volumes"] == [f"rrjobs:{kept}"]
    assert listened == {f"0.0.0.0:{port}" for port in published("rrjobs").values()}
