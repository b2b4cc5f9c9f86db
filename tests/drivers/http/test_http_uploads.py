"""Uploaded files: the leaf PHP gets, the file on disk, and its end (spec/worker-and-http.md 5.5)."""

import asyncio
import os
import re
import stat
from pathlib import Path

import pytest
from http_doubles import Work, until

from rrjobs.drivers.http.config import UploadsConfig
from rrjobs.drivers.http.uploads import UploadStore

KIND = "multipart/form-data; boundary=X"


def part(name: str, filename: str, content: bytes, mime: str = "text/x-test") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"--X\r\n{disposition}\r\nContent-Type: {mime}\r\n\r\n".encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--X--\r\n"


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.suffix != ".lock")


async def upload(serve, directory: Path, *parts: bytes, **uploads) -> tuple[dict, list[bytes]]:
    """The upload tree, and what every file in it held while the worker had it."""
    held: list[bytes] = []

    def program(work: Work) -> None:
        held.extend(Path(path).read_bytes() for path in _paths(work.context["uploads"]))
        work.echo()

    site = await serve(program, uploads={"dir": str(directory), **uploads})
    response = await (await site.client()).post(body(*parts), KIND)
    assert response.status == 200, response.body
    await until(lambda: files(directory) == [], "temporary files are removed")
    return site.workers.taken[0].context["uploads"], held


def _paths(tree) -> list[str]:
    nodes = tree.values() if isinstance(tree, dict) else tree
    if isinstance(tree, dict) and "tmpName" in tree:
        return [tree["tmpName"]] if tree["tmpName"] else []
    return [path for node in nodes for path in _paths(node)]


async def test_a_stored_file_is_told_with_name_type_size_and_path(serve, tmp_path):
    tree, held = await upload(serve, tmp_path, part("f", "dir/a.TXT", b"content"))
    leaf = tree["f"]
    assert re.fullmatch(rf"{re.escape(str(tmp_path))}/upload\d+", leaf.pop("tmpName"))
    assert leaf == {"name": "a.TXT", "mime": "text/x-test", "size": 7, "error": 0}
    assert held == [b"content"]


async def test_the_temporary_file_is_for_its_owner_only(serve, tmp_path):
    modes = []

    def program(work: Work) -> None:
        modes.append(stat.S_IMODE(Path(work.context["uploads"]["f"]["tmpName"]).stat().st_mode))
        work.echo()

    site = await serve(program, uploads={"dir": str(tmp_path)})
    await (await site.client()).post(body(part("f", "a", b"1")), KIND)
    assert modes == [0o600]


async def test_uploads_nest_like_fields_and_of_equal_names_the_first_counts(serve, tmp_path):
    names = ["a", "a", "list[]", "list[]", "deep[x][y]", "deep[x][]"]
    with pytest.raises(AssertionError, match="invalid multiple values"):
        await upload(serve, tmp_path, part("a", "1", b""), part("a[b]", "2", b""))
    tree, held = await upload(
        serve, tmp_path, *(part(name, f"{number}.bin", b"%d" % number) for number, name in enumerate(names[:5]))
    )
    assert tree["a"]["name"] == "0.bin"
    assert [leaf["name"] for leaf in tree["list"]] == ["2.bin", "3.bin"]
    assert tree["deep"]["x"]["y"]["name"] == "4.bin"
    assert held == [b"0", b"2", b"3", b"4"]


async def test_an_empty_file_is_stored_and_a_file_without_a_name_is_a_field(serve, tmp_path):
    site = await serve(uploads={"dir": str(tmp_path)})
    await (await site.client()).post(body(part("f", "empty", b""), part("g", "", b"")), KIND)
    work = site.workers.taken[0]
    assert work.form == {"g": ""}
    leaf = work.context["uploads"]["f"]
    assert (leaf["size"], leaf["error"], bool(leaf["tmpName"])) == (0, 0, True)


@pytest.mark.parametrize(
    ("forbid", "allow", "name", "error"),
    [
        ([".php"], [], "a.php", 8),
        ([".php"], [], "a.PHP", 8),
        ([".php"], [], "a.php.txt", 0),
        ([".php"], [], "php", 0),
        ([], [".png"], "a.png", 0),
        ([], [".png"], "a.jpg", 8),
        ([], [".png"], "a", 8),
        ([".png"], [".png"], "a.png", 8),
        ([], [], "a.php", 0),
    ],
)
async def test_extensions_decide_what_is_taken(serve, tmp_path, forbid, allow, name, error):
    tree, _ = await upload(serve, tmp_path, part("f", name, b"12"), forbid=forbid, allow=allow)
    leaf = tree["f"]
    assert leaf["error"] == error
    assert (leaf["size"], bool(leaf["tmpName"])) == ((0, False) if error else (2, True))


async def test_a_missing_directory_is_error_6_and_the_request_goes_on(serve, tmp_path):
    site = await serve(uploads={"dir": str(tmp_path / "none")})
    await (await site.client()).post(body(part("f", "a", b"1"), part("g", "b", b"2")), KIND)
    tree = site.workers.taken[0].context["uploads"]
    assert {(leaf["error"], leaf["size"], leaf["tmpName"]) for leaf in tree.values()} == {(6, 0, "")}


async def test_a_disk_that_takes_no_more_is_error_7(tmp_path):
    store = UploadStore(UploadsConfig(dir=str(tmp_path)))
    from rrjobs.drivers.http.uploads import Upload

    upload = Upload("a", "")
    upload.write(b"1", store)
    os.close(upload._descriptor)
    upload._descriptor = os.open("/dev/full", os.O_WRONLY)
    upload.write(b"2", store)
    assert (upload.error, upload.size, upload.path) == (7, 0, "")
    assert files(tmp_path) == []
    store.close()


async def test_a_large_file_reaches_the_disk_whole(serve, tmp_path):
    content = os.urandom(5_000_000)
    tree, held = await upload(serve, tmp_path, part("f", "big", content), part("g", "small", b"s"))
    assert tree["f"]["size"] == len(content)
    assert held == [content, b"s"]


async def test_files_the_program_moved_are_its_own(serve, tmp_path):
    kept = tmp_path / "kept.lock"

    def program(work: Work) -> None:
        Path(work.context["uploads"]["f"]["tmpName"]).rename(kept)
        work.echo()

    site = await serve(program, uploads={"dir": str(tmp_path)})
    await (await site.client()).post(body(part("f", "a", b"1")), KIND)
    await site.close()
    assert kept.read_bytes() == b"1"


async def test_temporary_files_go_after_a_crash_too(serve, tmp_path):
    site = await serve(lambda work: work.fail(), uploads={"dir": str(tmp_path)})
    assert (await (await site.client()).post(body(part("f", "a", b"1")), KIND)).status == 500
    await until(lambda: files(tmp_path) == [], "temporary files are removed")


async def test_temporary_files_stay_while_the_worker_has_a_request_whose_client_left(serve, tmp_path):
    site = await serve(None, uploads={"dir": str(tmp_path)})
    client = await site.client()
    sending = asyncio.ensure_future(client.post(body(part("f", "a", b"1")), KIND))
    work = await site.workers.next()
    client.reset()
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await sending
    await until(lambda: work.delivery.gone, "the server notices")
    assert len(files(tmp_path)) == 1
    work.echo()
    await until(lambda: files(tmp_path) == [], "temporary files are removed")


async def test_a_client_that_leaves_in_the_middle_of_a_file_leaves_nothing_behind(serve, tmp_path):
    site = await serve(uploads={"dir": str(tmp_path)})
    client = await site.client()
    client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: 9000000\r\n\r\n" % KIND.encode())
    client.send(part("f", "a", bytes(2_000_000)))
    await until(lambda: files(tmp_path), "the file is begun")
    client.reset()
    await until(lambda: files(tmp_path) == [], "the file is removed")


async def test_a_form_that_turns_out_bad_leaves_no_files_behind(serve, tmp_path):
    site = await serve(uploads={"dir": str(tmp_path)})
    response = await (await site.client()).post(part("f", "a", bytes(400_000)), KIND)
    assert response.status == 400
    await until(lambda: files(tmp_path) == [], "the file is removed")


def test_a_new_server_sweeps_what_a_dead_one_left_and_nothing_else(tmp_path):
    dead, alive = UploadStore(UploadsConfig(dir=str(tmp_path))), UploadStore(UploadsConfig(dir=str(tmp_path)))
    left, used = dead.create(), alive.create()
    for descriptor, _ in (left, used):
        os.close(descriptor)
    foreign = tmp_path / "upload123"
    foreign.write_text("somebody else's")
    os.close(dead._lock)  # what the kernel does at a kill -9
    UploadStore(UploadsConfig(dir=str(tmp_path))).open()
    assert not Path(left[1]).exists()
    assert Path(used[1]).exists() and foreign.exists()
    alive.close()
    assert len(list(tmp_path.glob("*.lock"))) == 0


def test_a_server_without_uploads_leaves_no_trace(tmp_path):
    store = UploadStore(UploadsConfig(dir=str(tmp_path)))
    store.open()
    store.close()
    assert list(tmp_path.iterdir()) == []
