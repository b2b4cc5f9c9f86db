"""A new server takes the place of the old one while clients come all the time, and none of them notices."""

import os
import pwd
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ports import free_port
from server_process import ServerProcess, alive, wait_until
from shop import Customers, Shop

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "1"))
JOURNAL = {"config": {"journal": {"sync": "always"}}}


@pytest.fixture
def shop(tmp_path):
    made: list[Shop] = []

    def make(**pipeline) -> Shop:
        made.append(Shop(tmp_path, **pipeline))
        return made[-1]

    yield make
    for one in made:
        for server in one.servers:
            print(f"--- {server.pid}")
            print("".join(line for line in server.lines if "http.request" not in line)[-6000:])
        one.close()


def check_jobs(shop: Shop, customers: Customers) -> None:
    """Every job that was pushed ran once."""
    runs = shop.runs()
    lost = [ident for ident in customers.pushed if not runs[ident]]
    assert not lost, f"{len(lost)} of {len(customers.pushed)} jobs are lost: {lost[:5]}"
    assert set(runs.values()) == {1}


@pytest.mark.soak
@pytest.mark.parametrize("pipeline", [JOURNAL, {}], ids=["journal", "parked"])
def test_takeovers_in_a_row_fail_no_request_and_lose_no_job(shop, pipeline):
    shop = shop(**pipeline)
    shop.start("-p").ready()
    with Customers(shop.port) as customers:
        for version in range(2, ROUNDS + 2):
            customers.wait_for(100)
            old = shop.server
            shop.config["server"]["command"] = shop.command(f"--version={version}", "--boot-rpc")
            new = shop.start("-p", "--takeover").ready()
            assert old.wait() == 0
            assert f"process {new.pid} has taken over" in old.output
            assert (shop.folder / ".pid").read_text() == str(new.pid)
            wait_until(lambda version=version: customers.served[str(version)] > 10, "the new one serves")
    assert not customers.failures, customers.failures[:5]
    shop.settle()
    check_jobs(shop, customers)


def test_a_takeover_that_fails_leaves_the_old_server_untouched(shop, tmp_path):
    shop = shop(**JOURNAL)
    old = shop.start("-p").ready()
    proper = shop.config["server"]["command"]
    with Customers(shop.port) as customers:
        shop.config["server"]["command"] = shop.command("--boot=exit")
        assert shop.start("-p", "--takeover").wait() == 1
        assert "does not want to boot" in shop.server.output
        shop.config["server"]["command"] = proper
        taken = free_port()
        with socket.create_server(("127.0.0.1", taken)):
            shop.config["metrics"]["address"] = f"127.0.0.1:{taken}"
            assert shop.start("-p", "--takeover").wait() == 1
        assert f"127.0.0.1:{taken}: another program has this port" in shop.server.output
        customers.wait_for(100)
        assert old.exit_code is None
        assert (shop.folder / ".pid").read_text() == str(old.pid)
        assert shop.start("-p", "--takeover").ready()
        assert old.wait() == 0
        customers.wait_for(100)
    assert not customers.failures, customers.failures[:5]
    shop.settle()
    check_jobs(shop, customers)


def test_of_two_takeovers_at_once_one_is_refused(shop):
    shop = shop()
    old = shop.start("-p").ready()
    proper = shop.config["server"]["command"]
    shop.config["server"]["command"] = shop.command("--boot=slow")
    winner = shop.start("-p", "--takeover")
    wait_until(winner.workers, "it boots")
    shop.config["server"]["command"] = proper
    loser = shop.start("-p", "--takeover")
    assert loser.wait() == 1
    assert (
        f"cannot take over from process {old.pid}: process {winner.pid} is taking over from it already" in loser.output
    )
    winner.ready()
    assert old.wait() == 0
    assert winner.cli("stop").stdout == f"asked process {winner.pid} to stop\n"
    assert winner.wait() == 0


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever_and_gets_no_order_later(shop):
    shop = shop()
    old = shop.start().ready()
    old.signal(signal.SIGSTOP)
    try:
        assert shop.start("--takeover").wait() == 1
    finally:
        old.signal(signal.SIGCONT)
    assert f"kill -9 {old.pid}" in shop.server.output
    with Customers(shop.port) as customers:
        customers.wait_for(50)
    assert old.exit_code is None


def test_a_takeover_says_why_there_is_nothing_to_take(shop):
    shop = shop()
    assert shop.start("--takeover").wait() == 1
    assert "cannot take over: no server of" in shop.server.output
    shop.start().ready()
    (shop.folder / "b").mkdir()
    shop.config = {"http": {"address": "127.0.0.1:0"}, "server": shop.config["server"], "state_dir": "../.rrjobs"}
    other = ServerProcess(shop.folder / "b", shop.config, ["--takeover"])
    shop.servers.append(other)
    assert other.wait() == 1
    assert "has other addresses" in other.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_server_of_another_user_is_left_alone(shop):
    shop = shop()
    nobody = pwd.getpwnam("nobody")
    shop.start().ready()
    door = next((shop.folder / ".rrjobs" / "run").glob("*.sock"))
    door.unlink()
    pid = os.fork()
    if not pid:
        os._exit(_stranger(door, nobody.pw_uid))
    try:
        wait_until(door.exists, "a door of another user")
        assert shop.start("--takeover").wait() == 1
        assert "it runs as user nobody (uid " in shop.server.output
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _stranger(door: Path, uid: int) -> int:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as one:
        one.bind(str(door))
        os.setuid(uid)
        one.listen()
        signal.pause()
    return 0


@pytest.mark.soak
def test_a_second_instance_at_the_same_ports_takes_over_when_the_first_is_stopped(shop):
    shop = shop(**JOURNAL)
    shop.config["endure"]["reuse_port"] = True
    shop.start().ready()
    with Customers(shop.port) as customers:
        for version in range(2, ROUNDS + 2):
            customers.wait_for(30)
            first = shop.server
            shop.config["server"]["command"] = shop.command(f"--version={version}", "--boot-rpc")
            shop.start().ready()
            assert first.stop() == 0
            wait_until(lambda version=version: customers.served[str(version)] > 10, "the new one serves")
    assert not customers.failures, customers.failures[:5]
    shop.settle()
    check_jobs(shop, customers)


def test_the_new_server_may_have_another_file_and_other_sections_and_unix_sockets_go_along(shop):
    shop = shop(**JOURNAL)
    calls = shop.folder / "rpc.sock"
    shop.config["rpc"]["listen"] = f"unix://{calls}"
    shop.config["server"]["relay"] = f"tcp://127.0.0.1:{free_port()}"
    old = shop.start().ready()
    (shop.folder / "next").mkdir()
    del shop.config["metrics"]
    shop.config["state_dir"] = "../.rrjobs"
    with Customers(shop.port) as customers:
        customers.wait_for(50)
        shop.servers.append(ServerProcess(shop.folder / "next", shop.config, ["--takeover"]))
        shop.server.ready()
        assert old.wait() == 0
        customers.wait_for(50)
    assert not customers.failures, customers.failures[:5]
    assert "is of no section here: closed" in shop.server.output
    shop.settle()
    check_jobs(shop, customers)
    assert list(shop.folder.glob("rpc.sock*")) == []
    assert list((shop.folder / ".rrjobs" / "run").iterdir()) == []


def test_a_chain_of_takeovers_waits_for_the_oldest_whose_job_still_runs(shop):
    shop = shop(**JOURNAL)
    first = shop.start().ready()
    shop.push("job-0", "job-1", until=str(shop.end))
    shop.push("job-2", "job-3")
    second = shop.start("--takeover").ready()
    shop.start("--takeover").ready()
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(shop.push, "job-4")
        assert first.exit_code is None
        assert not pushed.done()
        shop.end.touch()
        pushed.result(20)
    assert (first.wait(), second.wait()) == (0, 0)
    shop.settle()
    assert shop.runs() == {f"job-{number}": 1 for number in range(5)}
    assert "stopped: 2 finished, 2 returned, 0 cut off" in first.output


def test_a_predecessor_that_is_killed_in_its_drain_leaves_its_journal_to_the_successor(shop):
    shop = shop(**JOURNAL)
    old = shop.start().ready()
    shop.push("long", until=str(shop.end))
    shop.push("job-0", "job-1")
    shop.start("--takeover").ready()
    workers = old.workers()
    old.signal(signal.SIGKILL)
    old.wait()
    wait_until(lambda: not any(map(alive, workers)), "its workers end with it")
    shop.push("more")
    wait_until(lambda: {"job-0", "job-1", "more"} <= set(shop.runs()), "the others run")
    shop.end.touch()
    shop.settle()
    assert shop.runs() == {"job-0": 1, "job-1": 1, "more": 1, "long": 1}
