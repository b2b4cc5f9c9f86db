"""Events become lines: whole for programs, sentences for people, and never at the price of the loop or of memory."""

import asyncio
import gzip
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rrjobs.errors import RRJobsError
from rrjobs.runtime import log_outlet
from rrjobs.runtime.events import EVENTS, Events
from rrjobs.runtime.log import Logs
from rrjobs.runtime.log_config import LogConfig
from rrjobs.runtime.log_file import File, Rotation
from rrjobs.runtime.log_lines import SENTENCES, Console, Line, as_json, as_raw, sentence
from rrjobs.runtime.log_outlet import MAX_WAITING_BYTES, Outlet, Stream

CHANNELS = {kind.channel for kind in EVENTS.values()}


@contextmanager
def logs(**config: Any) -> Iterator[Events]:
    made = Logs(LogConfig.model_validate(config), CHANNELS)
    try:
        yield Events()
    finally:
        made.close()


def line(name: str, /, level: int = logging.INFO, channel: str = "server", **fields: object) -> Line:
    return Line(1_700_000_000.25, level, channel, name, fields)


def test_a_production_line_is_one_object_with_every_field_of_the_event(tmp_path: Path):
    path = tmp_path / "log"
    with logs(mode="production", output=[str(path)]) as events:
        events.emit("worker.failed", pid=7, id="job-1", signal=9, exit_code=None, output="last\nwords")
    told = json.loads(path.read_text())
    assert told.pop("ts") > 1_700_000_000
    assert told == {
        "level": "error",
        "logger": "server",
        "msg": "worker.failed",
        "pid": 7,
        "id": "job-1",
        "signal": 9,
        "exit_code": None,
        "output": "last\nwords",
    }


def test_a_person_reads_a_sentence_with_the_last_words_below():
    text = Console(coloured=False)(
        line("worker.failed", logging.ERROR, pid=7, pool="http", reason="killed", signal=9, output="one\ntwo\n")
    )
    first, *rest = text.splitlines()
    assert first.endswith(".250 ERROR server  worker 7 of pool http failed: killed")
    assert rest == ["    | one", "    | two"]


def test_a_person_is_shown_the_end_of_long_last_words():
    text = Console(coloured=False)(line("worker.failed", output="\n".join(map(str, range(100)))))
    assert text.splitlines()[1] == "    | (88 lines more in the JSON log)"
    assert text.splitlines()[-1] == "    | 99"


def test_fields_that_the_sentence_does_not_use_follow_it():
    assert sentence(line("pipeline.paused", pipeline="mail", why="asked to")) == (
        "pipeline mail is paused  why='asked to'"
    )


def test_an_event_without_a_sentence_is_told_by_its_name():
    assert sentence(line("something.new", a=1, empty="", none=None)) == "something.new  a=1"


def test_every_event_has_a_sentence_for_people():
    assert set(SENTENCES) - {"log.dropped"} == set(EVENTS)


def test_what_a_worker_prints_cannot_forge_a_line_or_drive_the_terminal():
    text = Console(coloured=False)(line("worker.output", text="a\nERROR b\x1b[2J\r\tc"))
    assert text.endswith(r"a\nERROR b\x1b[2J\r" + "\tc")
    assert len(text.splitlines()) == 1


def test_raw_lines_are_the_bare_words():
    assert as_raw(line("app.message", message="hello")) == "hello"


def test_values_that_json_does_not_know_become_text():
    told = json.loads(as_json(line("server.warning", path=Path("/x"), odd={1: "\ud800"[:0]})))
    assert (told["path"], told["odd"]) == ("/x", {"1": ""})


def test_colours_are_for_terminals_only():
    assert "\033[" in Console(coloured=True)(line("pool.ready"))
    assert "\033[" not in Console(coloured=False)(line("pool.ready"))


@pytest.mark.parametrize(
    ("level", "expected"),
    [("debug", ["started", "ready", "failed"]), ("info", ["ready", "failed"]), ("error", ["failed"]), ("panic", [])],
)
def test_a_level_lets_through_what_is_as_grave(tmp_path: Path, level: str, expected: list[str]):
    path = tmp_path / "log"
    with logs(level=level, encoding="json", output=[str(path)]) as events:
        events.emit("worker.started", text="started")
        events.emit("pool.recovered", text="ready")
        events.emit("worker.failed", text="failed")
    assert [json.loads(one)["text"] for one in path.read_text().splitlines()] == expected


def test_a_silent_log_opens_nothing_and_nobody_wants_its_events(tmp_path: Path):
    path = tmp_path / "log"
    with logs(mode="none", output=[str(path)]) as events:
        assert not events.wants("worker.failed")
        events.emit("worker.failed", text="x")
    assert not path.exists()


def test_a_channel_goes_its_own_way_and_the_others_stay(tmp_path: Path):
    own, common = tmp_path / "own", tmp_path / "common"
    channel = {"mode": "raw", "level": "warn", "output": [str(own)]}
    with logs(mode="production", output=[str(common)], channels={"http": channel}) as events:
        assert not events.wants("http.request")
        events.emit("http.warning", method="GET", path="/", reason="odd")
        events.emit("pool.recovered", pool="http")
    assert own.read_text() == "GET /: odd\n"
    assert [json.loads(one)["msg"] for one in common.read_text().splitlines()] == ["pool.recovered"]


def test_several_outputs_get_the_same_lines_in_order(tmp_path: Path):
    paths = [tmp_path / "one", tmp_path / "two"]
    with logs(mode="raw", output=[str(path) for path in paths]) as events:
        for number in range(100):
            events.emit("app.message", message=str(number))
            events.emit("worker.output", text=str(number))
    expected = "".join(f"{number}\n{number}\n" for number in range(100))
    assert [path.read_text() for path in paths] == [expected, expected]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path):
    with pytest.raises(RRJobsError, match=r"^logs: cannot write to .*/none/log: No such file or directory$"):
        Logs(LogConfig(output=(str(tmp_path / "none" / "log"),)), CHANNELS)


def test_complaints_of_libraries_reach_the_log_with_their_traceback(tmp_path: Path):
    path = tmp_path / "log"
    with logs(mode="production", output=[str(path)]):
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("asyncio").exception("Task exception was never retrieved")
        logging.getLogger("asyncio").info("not worth a line")
    told = json.loads(path.read_text())
    assert (told["msg"], told["text"]) == ("server.failed", "Task exception was never retrieved")
    assert told["traceback"].endswith("ValueError: broken")


async def test_the_lines_of_one_turn_are_one_write(tmp_path: Path):
    class Counting(File):
        writes = 0

        def write(self, data: bytes) -> int:
            self.writes += 1
            return super().write(data)

    target = Counting(tmp_path / "log")
    outlet = Outlet(target)
    for number in range(50):
        outlet.take(as_raw, line("app.message", message=number))
    assert target.writes == 0
    await asyncio.sleep(0)
    assert target.writes == 1
    outlet.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 50


async def test_a_reader_that_does_not_read_costs_lines_and_neither_time_nor_memory():
    reader, writer = os.pipe()
    outlet = Outlet(Stream(writer))
    os.close(writer)
    text = "x" * 100_000
    number = 3 * MAX_WAITING_BYTES // len(text)
    for _ in range(number):
        outlet.take(as_raw, line("app.message", message=text))
        await asyncio.sleep(0)
    assert MAX_WAITING_BYTES <= len(outlet._text) < MAX_WAITING_BYTES + 2 * len(text)

    got = await asyncio.to_thread(_read_until_quiet, reader, outlet, asyncio.get_running_loop())
    os.close(reader)
    *kept, told, last = got.decode().splitlines()
    assert set(kept) == {text}
    dropped = int(told.split()[0])
    assert told == f"{dropped} log lines were dropped: whoever reads them is too slow"
    assert len(kept) + dropped == number
    assert last == "the end"


def _read_until_quiet(reader: int, outlet: Outlet, loop: asyncio.AbstractEventLoop) -> bytes:
    """Read all that waits, then ask for one more line, and read to its end."""
    got = bytearray()
    while len(got) < MAX_WAITING_BYTES:
        got += os.read(reader, 1 << 20)

    async def end() -> None:
        outlet.take(as_raw, line("app.message", message="the end"))
        outlet.close()

    ended = asyncio.run_coroutine_threadsafe(end(), loop)
    while part := os.read(reader, 1 << 20):
        got += part
    ended.result(10)
    return bytes(got)


def test_closing_does_not_wait_for_a_reader_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log_outlet, "CLOSE_WAIT_S", 0.05)
    reader, writer = os.pipe()
    outlet = Outlet(Stream(writer))
    os.close(writer)
    outlet.take(as_raw, line("app.message", message="x" * 1_000_000))
    outlet.close()
    outlet.close()
    os.close(reader)


def test_a_reader_that_is_gone_stops_nothing():
    reader, writer = os.pipe()
    outlet = Outlet(Stream(writer))
    os.close(writer)
    os.close(reader)
    for _ in range(3):
        outlet.take(as_raw, line("app.message", message="x"))
    outlet.close()


def test_a_stream_stays_a_waiting_one_for_those_who_share_it():
    reader, writer = os.pipe()
    stream = Stream(writer)
    assert os.get_blocking(writer)
    assert not os.get_blocking(stream.fileno())
    stream.close()
    os.close(reader)
    os.close(writer)


def test_a_full_file_is_rotated_and_the_oldest_goes(tmp_path: Path):
    file = File(tmp_path / "log", Rotation(max_bytes=10, backups=2))
    for number in range(5):
        file.write(f"{number}{number}{number}{number}{number}{number}\n".encode())
    file.close()
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"log": "444444\n", "log.1": "333333\n", "log.2": "222222\n"}


def test_a_file_is_continued_after_a_restart(tmp_path: Path):
    for text in (b"one\n", b"two\n"):
        file = File(tmp_path / "log")
        file.write(text)
        file.close()
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_full_files_are_compressed_one_by_one_and_keep_their_order(tmp_path: Path):
    written = [f"{number}".encode() * 9 + b"\n" for number in range(6)]
    for text in written:  # opened anew for each: closing waits until the compression is done
        file = File(tmp_path / "log", Rotation(max_bytes=10, backups=3, compress=True))
        file.write(text)
        file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1.gz", "log.2.gz", "log.3.gz"]
    assert [gzip.decompress((tmp_path / f"log.{number}.gz").read_bytes()) for number in (3, 2, 1)] == written[2:5]
    assert (tmp_path / "log").read_bytes() == written[5]


def test_a_file_is_not_rotated_while_the_last_one_is_being_compressed(tmp_path: Path, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr("rrjobs.runtime.log_file.compress", lambda path: go_on.wait(20))
    file = File(tmp_path / "log", Rotation(max_bytes=10, backups=3, compress=True))
    for number in range(4):
        file.write(f"{number}".encode() * 9 + b"\n")
    go_on.set()
    file.close()
    assert (tmp_path / "log.1").read_text() == "000000000\n"
    assert (tmp_path / "log").read_text() == "111111111\n222222222\n333333333\n"


def test_what_is_too_old_or_too_much_or_half_compressed_goes_and_strangers_stay(tmp_path: Path):
    for name in ("log.1", "log.2.gz", "log.4", "log.1.gz.part", "log.old", "catalog.1", "log.1.txt"):
        (tmp_path / name).write_text("x")
    day_s = 86400.0
    os.utime(tmp_path / "log.2.gz", (time.time() - 3 * day_s,) * 2)
    File(tmp_path / "log", Rotation(max_bytes=10, backups=3, max_age_s=2 * day_s)).close()
    assert {path.name for path in tmp_path.iterdir()} == {"log", "log.1", "log.old", "catalog.1", "log.1.txt"}


def test_a_rotated_log_is_configured_as_in_roadrunner(tmp_path: Path):
    path = tmp_path / "log"
    options = {"log_output": str(path), "max_size": 1, "max_backups": 2, "max_age": 1, "compress": True}
    old = tmp_path / "log.1"
    old.write_text("x")
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    with logs(mode="production", file_logger_options=options) as events:
        assert not old.exists()
        for number in range(2):
            events.emit("app.message", message=f"{number}" * 700_000)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["log", "log.1.gz"]
    assert b"0" * 700_000 in gzip.decompress((tmp_path / "log.1.gz").read_bytes())


@pytest.mark.parametrize("where", ["stderr", "file"])
def test_an_output_that_fails_is_told_once_where_err_output_says(tmp_path: Path, capfd, where: str):
    told = tmp_path / "failures"
    with logs(output=["/dev/full"], err_output=[str(told) if where == "file" else "stderr"]) as events:
        for _ in range(3):
            events.emit("app.message", message="lost")
    text = told.read_text() if where == "file" else capfd.readouterr().err
    assert text.count("logs: cannot write to /dev/full: No space left on device") == 1
