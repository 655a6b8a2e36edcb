"""What the integration tests share: a daemon of one's own, and HTTP over its socket.

The programs are looked for in $SBERTD_BIN, else build/bin. A daemon gets a folder and a socket of its
own and is ended by its pid. The model is a tiny one of random numbers (tests/golden).
"""

import contextlib
import http.client
import itertools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SBERTD_BIN", ROOT / "build/bin")).resolve()
MODEL = ROOT / "tests/golden/models/mean-64"
DIMENSION = 64
DEADLINE = float(os.environ.get("SBERTD_TEST_DEADLINE", 60))  # seconds for anything to happen, also under a sanitizer

for variable in [name for name in os.environ if name.startswith("SBERTD_") and name not in ("SBERTD_BIN", "SBERTD_TEST_DEADLINE", "SBERTD_TEST_DATA")]:
    del os.environ[variable]


class Connection(http.client.HTTPConnection):
    """An HTTP connection over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def error(self):
        return self.json["error"]

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Client:
    """Requests on one connection that is kept alive."""

    def __init__(self, path):
        self.connection = Connection(path)

    def request(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, (bytes, str)) and not hasattr(body, "__next__"):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        self.connection.request(method, path, body, headers)
        return Answer(self.connection.getresponse())

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, body=None, **headers):
        return self.request("POST", path, body, **headers)

    def put(self, path, body=None, **headers):
        return self.request("PUT", path, body, **headers)

    def delete(self, path, **headers):
        return self.request("DELETE", path, **headers)

    def close(self):
        self.connection.close()


class Daemon:
    """`sbertd run` in a folder of its own; `prefix` is a command that runs it."""

    def __init__(self, folder, *options, model=MODEL, environment=None, ready=True, prefix=()):
        self.folder, self.socket, self.data = folder, folder / "s", folder / "data"
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [*prefix, BIN / "sbertd", "run", f"--socket={self.socket}", f"--data-dir={self.data}",
             f"--model={model}", "--threads=2", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(self.log, "ab"),
            env={**os.environ, **(environment or {})})
        if ready:
            self.wait_until_ready()

    def client(self):
        return Client(self.socket)

    def healthy(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            client = self.client()
            try:
                return client.get("/health").status == 200
            finally:
                client.close()
        return False

    def wait_until_ready(self):
        wait_until(lambda: self.process.poll() is not None or self.healthy(), self.tail)
        assert self.process.poll() is None, self.tail()

    def tail(self):
        """The last lines of its log."""
        return "".join(self.log.read_text().splitlines(keepends=True)[-15:])

    def stop(self):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(DEADLINE)

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)


def wait_until(condition, explain=lambda: ""):
    """Asks again and again, up to the deadline, until the condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.005)


def escaped(text):
    return urllib.parse.quote(text, safe="")


def sbertd(*arguments, environment=None):
    """Runs the program to its end."""
    return subprocess.run([BIN / "sbertd", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=2 * DEADLINE,
                          env={**os.environ, **(environment or {})})


def _folder():
    if not (BIN / "sbertd").exists():
        pytest.skip(f"{BIN / 'sbertd'} is not built")
    return pathlib.Path(tempfile.mkdtemp(prefix="sbertd-"))  # short, for the socket's sake


@pytest.fixture
def folder():
    path = _folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def daemon():
    """A daemon that the tests of a module share; each makes collections of its own."""
    path = _folder()
    running = Daemon(path, "--log-level=debug")
    yield running
    code = running.stop()
    log = running.tail()
    shutil.rmtree(path)
    assert code == 0, log


@pytest.fixture
def client(daemon):
    connected = daemon.client()
    yield connected
    connected.close()
    assert daemon.process.poll() is None, daemon.tail()
    assert daemon.healthy(), daemon.tail()


_numbers = itertools.count(1)


@pytest.fixture
def collection(client):
    """The path of a fresh collection that belongs to the default model."""
    path = f"/v1/collections/test-{next(_numbers)}"
    assert client.put(path, {}).status == 201
    return path
