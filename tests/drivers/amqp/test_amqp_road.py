"""The whole road: the shipped configuration, `rrjobs run`, real PHP that pushes and real PHP that works."""

import asyncio
import json
import subprocess
from pathlib import Path

import yaml
from house import eventually
from server_process import ROOT, ServerProcess

HERE = Path(__file__).parent


async def test_php_pushes_and_works_through_the_shipped_configuration(
    rabbitmq, names, tmp_path, start_server, free_port
):
    config = yaml.safe_load((ROOT / "config" / "amqp.yaml").read_text())
    rpc = f"tcp://127.0.0.1:{free_port()}"
    config["server"] = {
        "command": ["php", str(HERE.parent / "road" / "worker.php")],
        "env": {"SEEN": str(tmp_path / "seen")},
    }
    config["rpc"]["listen"] = rpc
    config["status"]["address"] = f"127.0.0.1:{free_port()}"
    extra = {"AMQP_ADDR": rabbitmq.uri(), "QUEUE": names("mail"), "EXCHANGE": names("exchange")}
    server: ServerProcess = await asyncio.to_thread(lambda: start_server(config, **extra))
    done = await asyncio.to_thread(
        subprocess.run,
        ["php", str(HERE / "road_producer.php"), rpc, names("made")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + server.output
    said = json.loads(done.stdout)
    assert (said["pushed"], said["stat"]) == (50, "amqp")
    assert "no queue is bound to exchange" in said["error"] and "'nowhere'" in said["error"]
    await eventually(lambda: len(_seen(tmp_path)) >= 54, f"all have run:\n{server.output}")
    runs = _seen(tmp_path)
    by_id = {(run["id"], run["attempt"]): run for run in runs}
    assert len(runs) == len(by_id) == 54
    plain = by_id["id-1", 1]
    assert (plain["payload"], plain["headers"], plain["queue"]) == ("00ff", {"a": ["b", "c"]}, names("mail"))
    assert by_id["id-2", 1]["headers"] == [] and by_id["id-3", 2]["pipeline"] == "made"
    assert server.stop() == 0


def _seen(folder: Path) -> list[dict]:
    path = folder / "seen"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
