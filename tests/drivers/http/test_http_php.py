"""HTTP from the socket to a real PHP program and back, in the whole server."""

import http.client
import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_process import ROOT, ServerProcess, wait_until

PROGRAM = """<?php
require '{autoload}';
use RRJobs\\Http\\HttpWorker;
use RRJobs\\Http\\Response;
$http = HttpWorker::create();
while (($request = $http->waitRequest()) !== null) {{
    switch ($request->path()) {{
        case '/told':
            $told = get_object_vars($request);
            unset($told['body'], $told['query']);
            $told['form'] = $request->parsed ? json_decode($request->body, true) : null;
            $http->respond(200, json_encode($told), ['Content-Type' => 'application/json']);
            break;
        case '/files':
            $seen = array_map(fn ($file) => [file_get_contents($file['tmpName']), $file['size']], $request->uploads);
            $http->respond(200, json_encode($seen));
            break;
        case '/stream':
            $http->respond(200, (function () {{ for ($i = 0; $i < 20; $i++) yield "part $i\\n"; return "end"; }})());
            break;
        case '/endless':
            $parts = (function () {{ while (true) yield str_repeat('x', 8192); }})();
            $http->respond(200, $parts);
            break;
        case '/hints':
            $http->interim(103, ['Link' => '</a.css>; rel=preload']);
            $http->respond(200, 'after hints');
            break;
        case '/pid': $http->respond(200, (string) getmypid()); break;
        case '/die': exit(3);
        case '/error': $http->error('the program <says> no'); break;
        default: $http->respond(404, 'not found', ['X-Trail' => 'x', 'Trailer' => 'X-Trail']);
    }}
}}
"""


@pytest.fixture
def site(start_server, free_port, tmp_path):
    def start(**section) -> ServerProcess:
        program = tmp_path / "program.php"
        program.write_text(PROGRAM.format(autoload=ROOT / "php" / "autoload.php"))
        return start_server(
            {
                "server": {"command": ["php", str(program)]},
                "http": {"address": f"127.0.0.1:{free_port()}", "pool": {"num_workers": 1}, **section},
                "logs": {"mode": "production"},
            }
        )

    return start


def port_of(server: ServerProcess) -> int:
    return int(server.config["http"]["address"].rpartition(":")[2])


def ask(server: ServerProcess, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=20)
    try:
        connection.request(method, path, body or None, {name.replace("_", "-"): v for name, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("codec", ["json", "protobuf"])
def test_php_is_told_what_the_client_sent(site, codec, tmp_path):
    server = site(codec=codec, uploads={"dir": str(tmp_path)})
    status, body = ask(server, "GET", "/told?a[]=1&b=%20", Cookie="c=d%20e", X_Custom="v")
    told = json.loads(body)
    assert status == 200
    assert (told["method"], told["rawQuery"], told["remoteAddr"]) == ("GET", "a[]=1&b=%20", "127.0.0.1")
    assert told["uri"] == f"http://127.0.0.1:{port_of(server)}/told?a[]=1&b=%20"
    assert (told["cookies"], told["headers"]["X-Custom"]) == ({"c": "d e"}, ["v"])
    form = b"a%5Bb%5D=1&z=%C3%A9&list[]=x&list[]=y"
    status, body = ask(server, "POST", "/told", form, Content_Type="application/x-www-form-urlencoded")
    assert json.loads(body)["form"] == {"a": {"b": "1"}, "z": "é", "list": ["x", "y"]}
    content = os.urandom(300_000).hex()
    multipart = f'--X\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n{content}\r\n--X--\r\n'
    status, body = ask(server, "POST", "/files", multipart.encode(), Content_Type="multipart/form-data; boundary=X")
    assert json.loads(body) == {"f": [content, 600_000]}
    wait_until(lambda: not list(tmp_path.glob("upload*")), "the temporary file is removed")
    assert ask(server, "GET", "/nowhere") == (404, b"not found")
    assert server.stop() == 0
    assert not list(tmp_path.glob("*.lock"))


def test_streams_hints_errors_and_deaths_of_php_reach_the_client_as_they_should(site):
    server = site(pool={"num_workers": 1, "debug": False})
    assert ask(server, "GET", "/stream") == (200, b"".join(b"part %d\n" % n for n in range(20)) + b"end")
    with socket.create_connection(("127.0.0.1", port_of(server)), 20) as raw:
        raw.sendall(b"GET /hints HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        seen = b"".join(iter(lambda: raw.recv(65536), b""))
    assert seen.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert seen.endswith(b"after hints")
    assert ask(server, "GET", "/error") == (500, b"")
    wait_until(lambda: server.events("http.failed"), "the failure is logged")
    assert "the program <says> no" in json.dumps(server.events("http.failed"))
    pid = ask(server, "GET", "/pid")[1]
    assert ask(server, "GET", "/die") == (500, b"")
    assert ask(server, "GET", "/pid")[1] != pid


def test_a_stream_whose_client_leaves_gives_its_worker_back(site):
    server = site()
    with socket.create_connection(("127.0.0.1", port_of(server)), 20) as raw:
        raw.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        assert raw.recv(65536)
    status, pid = ask(server, "GET", "/pid")
    assert status == 200 and int(pid) in server.workers()
    assert server.events("worker.failed") == []


def test_temporary_files_of_a_killed_server_are_swept_by_the_next(site, tmp_path):
    uploads = {"dir": str(tmp_path)}
    server = site(uploads=uploads)
    head = b'--X\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\n\r\n'
    with socket.create_connection(("127.0.0.1", port_of(server)), 20) as raw:
        raw.sendall(
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=X\r\n"
            b"Content-Length: 2000000\r\n\r\n" + head + bytes(600_000)
        )
        wait_until(lambda: list(tmp_path.glob("upload*")), "a temporary file is made")
        server.signal(signal.SIGKILL)
        server.wait()
    assert list(tmp_path.glob("upload*"))
    (tmp_path / "upload-of-somebody-else").touch()
    site(uploads=uploads)
    assert [path.name for path in Path(tmp_path).glob("upload*")] == ["upload-of-somebody-else"]


def test_many_clients_on_kept_connections_all_get_their_own_answers(site):
    server = site(pool={"num_workers": 2})

    def visit(number: int) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=20)
        try:
            for turn in range(20):
                connection.request("GET", f"/told?n={number}-{turn}")
                told = json.loads(connection.getresponse().read())
                if told["rawQuery"] != f"n={number}-{turn}":
                    return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(visit, range(32)))
