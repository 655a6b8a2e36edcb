"""The program sbertd: start, stop, restart, status, run; what is stale, what is taken, what is hostile."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from conftest import BIN, DEADLINE, MODEL, ROOT, Daemon, sbertd, wait_until


class Started:
    """A folder with what `sbertd start` needs to be told."""

    def __init__(self, folder):
        self.socket, self.data = folder / "run" / "s", folder / "data"
        self.options = [f"--socket={self.socket}", f"--data-dir={self.data}", f"--model={MODEL}", "--threads=2"]

    def __call__(self, command, *options, **kwargs):
        return sbertd(command, *self.options, *options, **kwargs)

    def status(self):
        return json.loads(self("status", "--json").stdout)


@pytest.fixture
def service(folder):
    started = Started(folder)
    yield started
    assert started("stop").returncode == 0


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# --- start, stop, restart, status ---


def test_start_returns_when_it_is_ready(service):
    result = service("start")
    assert result.returncode == 0, result.stderr
    assert "sbertd is ready: mean-64, 64 dimensions" in result.stdout
    assert service.status()["model"] == "mean-64"
    shown = service("status")
    assert shown.returncode == 0 and "is running" in shown.stdout and "64 dimensions" in shown.stdout
    assert stat.S_IMODE(os.stat(service.socket).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(service.data).st_mode) == 0o700
    assert "ready" in (service.data / "sbertd.log").read_text()


def test_starting_twice_is_fine(service):
    service("start")
    pid = service.status()["pid"]
    again = service("start")
    assert again.returncode == 0 and f"running already (process {pid})" in again.stdout
    assert service.status()["pid"] == pid


def test_stop_ends_it_and_cleans_up(service):
    service("start")
    pid = service.status()["pid"]
    stopped = service("stop")
    assert stopped.returncode == 0 and str(pid) in stopped.stdout
    assert gone(pid) and not service.socket.exists()
    assert service("status").returncode == 3
    assert service.status() == {"running": False}
    again = service("stop")
    assert again.returncode == 0 and "not running" in again.stdout
    assert (service.data / "sbertd.log").read_text().splitlines()[-1].endswith("stopped")


def test_restart_is_another_process_with_the_same_documents(service, folder):
    service("start")
    before = service.status()["pid"]
    with contextlib.closing(client_of(service.socket)) as client:
        client.post("/v1/collections/default/documents", {"documents": [{"text": "hello"}]})
    assert service("restart").returncode == 0
    after = service.status()
    assert after["pid"] != before and after["documents"] == 1
    assert service("restart").returncode == 0


def test_restart_starts_what_does_not_run(service):
    assert service("restart").returncode == 0
    assert service.status()["pid"]


def client_of(path):
    from conftest import Client
    return Client(path)


def test_a_missing_model_says_how_to_get_it(folder):
    for command in ["start", "run"]:
        result = sbertd(command, f"--socket={folder}/s", f"--data-dir={folder}/data",
                        environment={"SBERT_MODELS": str(folder), "HOME": str(folder), "XDG_DATA_HOME": str(folder)})
        if result.returncode == 0:
            sbertd("stop", f"--socket={folder}/s")
            pytest.skip("all-MiniLM-L6-v2 is installed for the whole machine")
        assert result.returncode == 2
        assert "sbert-model pull all-MiniLM-L6-v2, or start with --pull" in result.stderr
        assert not (folder / "s").exists()


def test_pull_runs_the_program_beside_it(folder):
    programs = folder / "bin"
    programs.mkdir()
    (programs / "sbertd").hardlink_to(BIN / "sbertd") if os.stat(BIN).st_dev == os.stat(folder).st_dev \
        else __import__("shutil").copy(BIN / "sbertd", programs / "sbertd")
    (folder / "lib").symlink_to(BIN.parent / "lib")
    script = programs / "sbert-model"
    script.write_text(f'#!/bin/sh\necho "$@" >{folder}/asked\nmkdir -p {folder}/models\n'
                      f'ln -s {MODEL} {folder}/models/all-MiniLM-L6-v2\n')
    script.chmod(0o755)
    options = [f"--socket={folder}/s", f"--data-dir={folder}/data"]
    environment = {**os.environ, "SBERT_MODELS": f"{folder}/models"}
    result = subprocess.run([programs / "sbertd", "start", "--pull", *options], env=environment,
                            capture_output=True, text=True, timeout=DEADLINE)
    try:
        assert result.returncode == 0, result.stderr
        assert (folder / "asked").read_text() == "pull all-MiniLM-L6-v2\n"
        assert "64 dimensions" in result.stdout
    finally:
        sbertd("stop", *options)


def test_a_start_that_fails_says_why(service):
    service.data.mkdir(parents=True)
    (service.data / "store.sqlite3").write_bytes(b"this is no database" * 100)
    result = service("start")
    assert result.returncode == 2
    assert "did not start" in result.stderr and "store.sqlite3" in result.stderr
    assert not service.socket.exists()


def test_a_model_that_is_not_there_is_named(folder):
    result = sbertd("run", f"--socket={folder}/s", f"--data-dir={folder}/data", "--model=./nowhere")
    assert result.returncode == 2 and "nowhere" in result.stderr


# --- two daemons, and what dead ones leave ---


def test_a_second_daemon_on_the_same_data_is_refused(folder):
    first = Daemon(folder)
    try:
        result = sbertd("run", f"--socket={folder}/other", f"--data-dir={first.data}", f"--model={MODEL}")
        assert result.returncode == 2
        assert str(first.process.pid) in result.stderr and str(first.data) in result.stderr
        assert not (folder / "other").exists()
        assert first.healthy()
    finally:
        assert first.stop() == 0


def test_a_second_daemon_on_the_same_socket_is_refused(folder):
    first = Daemon(folder)
    try:
        result = sbertd("run", f"--socket={first.socket}", f"--data-dir={folder}/other", f"--model={MODEL}")
        assert result.returncode == 2
        assert f"process {first.process.pid}" in result.stderr and str(first.socket) in result.stderr
        assert first.healthy()
    finally:
        assert first.stop() == 0


def test_a_killed_daemon_leaves_nothing_that_blocks_the_next(folder):
    first = Daemon(folder)
    first.kill()
    assert first.socket.exists() and (first.data / "lock").exists()
    assert sbertd("status", f"--socket={first.socket}").returncode == 3
    stopped = sbertd("stop", f"--socket={first.socket}", f"--data-dir={first.data}")
    assert stopped.returncode == 0 and "not running" in stopped.stdout
    second = Daemon(folder)
    assert second.stop() == 0


def test_the_pid_of_another_process_is_left_alone(folder):
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        (folder / "data").mkdir()
        (folder / "data" / "lock").write_text(f"{bystander.pid}\n")
        result = sbertd("stop", f"--socket={folder}/s", f"--data-dir={folder}/data")
        assert result.returncode == 0 and "not running" in result.stdout
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_file_in_the_socket_s_place_is_left_alone(folder):
    (folder / "s").write_text("precious")
    result = sbertd("run", f"--socket={folder}/s", f"--data-dir={folder}/data", f"--model={MODEL}")
    assert result.returncode == 2 and "is not a socket" in result.stderr
    assert (folder / "s").read_text() == "precious"


def test_a_daemon_whose_socket_is_lost_is_found_by_its_lock(folder):
    daemon = Daemon(folder)
    daemon.socket.unlink()
    result = sbertd("stop", f"--socket={daemon.socket}", f"--data-dir={daemon.data}")
    assert result.returncode == 0 and str(daemon.process.pid) in result.stdout
    assert daemon.process.wait(DEADLINE) == 0


def test_many_that_start_at_once_leave_one(folder):
    options = [f"--socket={folder}/s", f"--data-dir={folder}/data", f"--model={MODEL}"]
    starts = [subprocess.Popen([BIN / "sbertd", "start", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
              for _ in range(5)]
    outputs = [start.communicate(timeout=DEADLINE)[0].decode() for start in starts]
    assert any("is ready" in output for output in outputs), outputs
    assert client_of(folder / "s").get("/health").status == 200
    stopped = sbertd("stop", *options)
    assert stopped.returncode == 0 and "has stopped" in stopped.stdout
    assert "not running" in sbertd("stop", *options).stdout


# --- settings ---


def test_the_socket_s_mode_and_group_can_be_given(folder):
    daemon = Daemon(folder, "--socket-mode=0660", f"--socket-group={os.getgid()}")
    try:
        status = os.stat(daemon.socket)
        assert stat.S_IMODE(status.st_mode) == 0o660 and status.st_gid == os.getgid()
    finally:
        assert daemon.stop() == 0
    result = sbertd("run", f"--socket={folder}/t", f"--data-dir={folder}/data", f"--model={MODEL}",
                    "--socket-group=no-such-group")
    assert result.returncode == 2 and "no-such-group" in result.stderr and not (folder / "t").exists()


def test_others_get_through_to_a_socket_that_is_open_to_them(folder):
    own = folder / "sbertd"
    for mode, expected in ((0o600, 0o700), (0o660, 0o710), (0o666, 0o711)):
        daemon = Daemon(folder, f"--socket={own}/s", f"--socket-mode={mode:04o}", ready=False)
        daemon.socket = own / "s"
        try:
            daemon.wait_until_ready()
            assert stat.S_IMODE(own.stat().st_mode) == expected
        finally:
            assert daemon.stop() == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700  # a folder of another name is left alone


def test_options_come_before_variables_and_these_before_the_file(folder):
    config = folder / "conf"
    config.write_text(f"# a comment\n\nsocket = {folder}/file\nmodel = {MODEL}\n data-dir={folder}/data \n")
    environment = {"SBERTD_CONFIG": str(config), "SBERTD_SOCKET": str(folder / "variable")}
    started = sbertd("start", environment=environment)
    assert started.returncode == 0, started.stderr
    assert str(folder / "variable") in started.stdout
    assert sbertd("stop", environment=environment).returncode == 0
    started = sbertd("start", f"--socket={folder}/option", environment=environment)
    assert str(folder / "option") in started.stdout
    assert sbertd("stop", f"--socket={folder}/option", environment=environment).returncode == 0


@pytest.mark.parametrize("text, complaint", [
    ("socket", ":1: expected"), ("\n# x\nsocked = /x\n", ":3: no setting is named \"socked\""),
    ("log-level = loud", ":1: must be error, warning, info or debug"), ("threads = -1", ":1: must be a number"),
    ("socket =", ":1: must not be empty"), ("config = x", ":1: no setting")])
def test_a_mistake_in_the_file_names_its_line(folder, text, complaint):
    (folder / "conf").write_text(text)
    result = sbertd("status", f"--config={folder}/conf")
    assert result.returncode == 2 and f"{folder}/conf{complaint}" in result.stderr, result.stderr


def test_bad_options_are_refused(folder):
    for options, complaint in [(["--config=/nowhere/x"], "/nowhere/x"), (["--threads=many"], "--threads"),
                               (["--precision=f8"], "--precision: must be auto, f32, bf16 or int8"),
                               (["--index-precision=f8"], "--index-precision: must be f32, f16 or int8"),
                               (["--socket-mode=999"], "--socket-mode"), ([f"--socket={'x' * 120}"], "107"),
                               (["--log-level=7"], "--log-level")]:
        result = sbertd("status", *options)
        assert result.returncode == 2 and complaint in result.stderr, (options, result.stderr)
    assert sbertd("dance").returncode == 2
    assert sbertd().returncode == 2
    assert sbertd("run", "stop").returncode == 2
    assert sbertd("status", "--no-such-option").returncode == 2


def test_help_fits_a_screen_and_version_is_said():
    if not (BIN / "sbertd").exists():
        pytest.skip(f"{BIN / 'sbertd'} is not built")
    shown = sbertd("--help").stdout.splitlines()
    assert len(shown) <= 30 and all(len(line) <= 80 for line in shown)
    assert sbertd("--version").stdout.startswith("sbertd ")


def test_sighup_reloads_the_log_level_and_reopens_the_log(folder):
    config, log = folder / "conf", folder / "logfile"
    config.write_text("log-level = warning\n")
    daemon = Daemon(folder, f"--config={config}", f"--log-file={log}")
    client = daemon.client()
    try:
        assert "ready" not in log.read_text()
        config.write_text("log-level = debug\n")
        log.rename(folder / "rotated")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: log.exists() and "SIGHUP" in log.read_text())
        client.get("/health")
        wait_until(lambda: "GET /health" in log.read_text())
        config.write_text("log-level = nonsense\n")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not reloaded" in log.read_text())
        assert client.get("/health").status == 200
    finally:
        client.close()
        assert daemon.stop() == 0


def test_a_supervisor_is_notified(folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(folder / "notify"))
        supervisor.settimeout(DEADLINE)
        daemon = Daemon(folder, environment={"NOTIFY_SOCKET": str(folder / "notify")})
        assert supervisor.recv(100) == b"READY=1"
        assert daemon.stop() == 0
        assert supervisor.recv(100) == b"STOPPING=1"


# --- stopping ---


def add_many(client, results, count=3000):
    documents = [{"id": str(i), "text": f"document number {i} " * 8} for i in range(count)]
    results.append(client.post("/v1/collections/default/documents", {"documents": documents}))


def busy(client):
    return client.get("/v1/status").json["requests"]["in_flight"] > 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_is_in_flight(folder, number):
    daemon = Daemon(folder)
    client, worker, results = daemon.client(), daemon.client(), []
    thread = threading.Thread(target=add_many, args=(worker, results))
    thread.start()
    wait_until(lambda: busy(client) or results)
    daemon.process.send_signal(number)
    assert daemon.process.wait(DEADLINE) == 0, daemon.tail()
    thread.join(DEADLINE)
    assert results[0].status == 200 and results[0].json["added"] == 3000
    assert not daemon.socket.exists()
    again = Daemon(folder)
    assert again.client().get("/v1/status").json["documents"] == 3000
    assert again.stop() == 0


def test_a_second_signal_gives_up_what_is_under_way(folder):
    daemon = Daemon(folder)
    client, worker, results = daemon.client(), daemon.client(), []
    thread = threading.Thread(target=add_many, args=(worker, results, 10000))
    thread.start()
    wait_until(lambda: results or client.get("/v1/status").json["engine"]["bulk_texts_waiting"] > 0)
    daemon.process.terminate()
    wait_until(lambda: "stopping" in daemon.log.read_text())
    daemon.process.terminate()
    assert daemon.process.wait(DEADLINE) == 0, daemon.tail()
    thread.join(DEADLINE)
    assert results[0].status in (200, 503), results  # 200 where it was done already
    again = Daemon(folder)
    assert again.client().get("/v1/status").json["documents"] == (10000 if results[0].status == 200 else 0)
    assert again.stop() == 0


def test_lines_stop_at_their_next_batch(folder):
    daemon = Daemon(folder)
    worker, stopping = daemon.client(), threading.Event()

    def pieces():
        for i in range(2000):
            yield json.dumps({"id": str(i), "text": f"line {i}"}).encode() + b"\n"
        stopping.wait(DEADLINE)
        for i in range(2000, 4000):
            yield json.dumps({"id": str(i), "text": f"line {i}"}).encode() + b"\n"

    def stop():
        client = daemon.client()
        wait_until(lambda: client.get("/v1/status").json["documents"] >= 512)
        daemon.process.terminate()
        wait_until(lambda: "stopping" in daemon.log.read_text())
        stopping.set()

    thread = threading.Thread(target=stop)
    thread.start()
    answer = worker.post("/v1/collections/default/documents", pieces(), Content_Type="application/x-ndjson")
    thread.join(DEADLINE)
    assert daemon.process.wait(DEADLINE) == 0
    *batches, error = answer.lines
    assert answer.status == 503 and error["error"]["code"] == "stopping"
    assert error["error"]["line"] == batches[-1]["lines"][1] + 1 > 512
    again = Daemon(folder)
    assert again.client().get("/v1/status").json["documents"] == error["error"]["line"] - 1
    assert again.stop() == 0


def test_an_upload_without_end_does_not_hold_up_the_stop(folder):
    daemon = Daemon(folder)
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as raw:
        raw.connect(str(daemon.socket))
        raw.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        client = daemon.client()
        wait_until(lambda: busy(client))
        client.close()
        started = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - started < 20


def test_an_idle_connection_does_not_hold_up_the_stop(folder):
    daemon = Daemon(folder)
    client = daemon.client()
    client.get("/health")
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 4
    client.close()


# --- hostile clients ---


def raw_request(daemon, data, answer=True):
    """Sends bytes and the end of the stream; all that comes back."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as raw:
        raw.settimeout(DEADLINE)
        raw.connect(str(daemon.socket))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            raw.sendall(data)
            raw.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while answer and (piece := raw.recv(65536)):
                received += piece
        return received


HEAD = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\n"


GARBAGE = [
    b"\n", bytes(range(256)) * 40, b"GET /health HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    b"GET /health HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(20000)) + b"\r\n",
    b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/collections/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
    b"DELETE * HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n" * 10000, b"\0" * 1000,
    HEAD + b"Content-Length: -1\r\n\r\n{}",
    HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}", HEAD + b"Content-Length: 9999999999\r\n\r\n{}",
    HEAD + b"Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}", HEAD + b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx", HEAD + b"Transfer-Encoding: rot13\r\n\r\nx",
    HEAD + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    HEAD + b"Content-Type: application/x-ndjson\r\nContent-Length: 5\r\n\r\n{}\n{}",
    b"", b"GET", b"GET /health", b"GET /health HTTP/1.1\r\nHost", HEAD + b"Content-Length: 100\r\n\r\n{\"input\"",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"inp"]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_survived(daemon, client, data):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as raw:
        raw.settimeout(DEADLINE)
        raw.connect(str(daemon.socket))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            raw.sendall(data)
        assert daemon.healthy()  # the loop has been past our bytes by then
        raw.setblocking(False)
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            received = raw.recv(65536)
            assert received == b"" or received.startswith(b"HTTP/1."), received[:200]
    wait_until(lambda: client.get("/v1/status").json["requests"]["in_flight"] == 1)


def test_what_is_too_long_for_a_head_is_refused_as_http_has_it(daemon, client):
    answer = raw_request(daemon, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 414 " in answer.split(b"\r\n")[0] or b" 431 " in answer.split(b"\r\n")[0], answer[:100]
    answer = raw_request(daemon, b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n")
    assert b" 431 " in answer.split(b"\r\n")[0], answer[:100]
    answer = raw_request(daemon, b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 30_000 + b"\r\n\r\n")
    assert b" 200 " in answer.split(b"\r\n")[0], answer[:100]


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_a_body_that_dribbles_in_is_given_up(folder, kind):
    shim, ahead = folder / "clock_shim.so", folder / "ahead"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, ROOT / "tests/fault/clock_shim.c"], check=True)
    running = Daemon(folder, environment={"LD_PRELOAD": str(shim), "CLOCK_SHIM_AHEAD": str(ahead)})
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as raw:
            raw.settimeout(DEADLINE)
            raw.connect(str(running.socket))
            raw.sendall(b"POST /v1/collections/default/documents HTTP/1.1\r\nHost: x\r\n"
                        b"Content-Type: " + kind.encode() + b"\r\nContent-Length: 1000\r\n\r\n{")
            for seconds in (100, 200, 290):  # slow, and in time
                ahead.write_bytes(b"x" * seconds)
                raw.sendall(b" ")
                assert running.healthy()
            raw.setblocking(False)
            with pytest.raises(BlockingIOError):
                raw.recv(1)
            raw.settimeout(DEADLINE)
            ahead.write_bytes(b"x" * 400)
            raw.sendall(b" ")
            with contextlib.suppress(ConnectionResetError):
                assert raw.recv(1) == b""
        assert running.healthy()
        assert "has not arrived in 300 s" in running.log.read_text()
    finally:
        running.stop()


def test_a_client_that_waits_to_continue_is_refused_before_it_sends(daemon, client):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as raw:
        raw.settimeout(DEADLINE)
        raw.connect(str(daemon.socket))
        raw.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 50000000\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


def test_clients_that_hang_up_are_forgotten(daemon, client):
    body = json.dumps({"input": [f"text {i}" for i in range(500)]}).encode()
    head = HEAD + b"Content-Length: %d\r\n\r\n" % len(body)
    for _ in range(20):
        raw_request(daemon, head + body, answer=False)
        raw_request(daemon, head + body[:100], answer=False)
    wait_until(lambda: client.get("/v1/status").json["requests"]["in_flight"] == 1)


def test_slow_clients_do_not_hold_up_others(daemon, client):
    slow = []
    try:
        for _ in range(100):
            raw = socket.socket(socket.AF_UNIX)
            raw.connect(str(daemon.socket))
            raw.sendall(HEAD + b"Content-Length: 20\r\n\r\n{")
            slow.append(raw)
        started = time.monotonic()
        assert client.post("/v1/embeddings", {"input": "quick"}).status == 200
        assert time.monotonic() - started < 5
        slow[0].sendall(b'"input": "slowly"} ')
        slow[0].settimeout(DEADLINE)
        assert slow[0].recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        for raw in slow:
            raw.close()


def test_connections_beyond_the_limit_wait_and_are_served(daemon, client):
    client.get("/health")
    idle = []
    try:
        for _ in range(300):
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(DEADLINE)
            raw.connect(str(daemon.socket))
            idle.append(raw)
        assert client.get("/health").status == 200
        last = idle[-1]
        last.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        for raw in idle[:200]:
            raw.close()
        assert last.recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        for raw in idle:
            raw.close()


def test_requests_can_be_pipelined(daemon, client):
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = raw_request(daemon, request * 5 + b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 6


def test_a_full_queue_answers_503_and_comes_back(daemon, client):
    """More bulk requests at once than the queue holds."""
    heavy = {"input": [f"some longer text to keep it busy {i} " * 20 for i in range(2000)]}
    light = {"input": ["a body that is more than interactive " * 500]}
    answers, lock = [], threading.Lock()

    def work(body):
        own = daemon.client()
        answer = own.post("/v1/embeddings", body)
        own.close()
        with lock:
            answers.append(answer)

    def start(body, count):
        threads = [threading.Thread(target=work, args=(body,)) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads

    threads = start(heavy, 5)
    wait_until(lambda: client.get("/v1/status").json["requests"]["waiting_bulk"] >= 2)
    threads += start(light, 50)
    for thread in threads:
        thread.join(DEADLINE)
    statuses = [answer.status for answer in answers]
    assert len(answers) == 55 and set(statuses) == {200, 503}
    for answer in answers:
        if answer.status == 503:
            assert answer.error["code"] == "busy" and int(answer.headers["Retry-After"]) >= 1
    assert client.post("/v1/embeddings", {"input": "again"}).status == 200


def test_an_index_keeps_vectors_in_the_precision_that_is_asked_for(folder):
    """Also after a restart with another one, for which the index is built anew from the store."""
    points = [[float(i % 7), float(i % 5), 1.0, -float(i % 3)] for i in range(200)]
    for precision in ("f32", "int8", "f16"):
        daemon = Daemon(folder, f"--index-precision={precision}")
        try:
            client = daemon.client()
            client.request("PUT", "/v1/collections/points", b'{"dimension": 4, "metric": "l2"}')
            documents = [{"id": str(i), "text": "", "vector": point} for i, point in enumerate(points)]
            added = client.post("/v1/collections/points/documents", {"documents": documents})
            assert added.status in (200, 201), added
            index = client.get("/v1/collections/points").json["index"]
            assert index["precision"] == precision and index["vectors"] == len(points)
            answer = client.post("/v1/collections/points/search", {"vector": points[37], "top_k": 1})
            assert abs(answer.json["results"][0]["score"]) < 0.2, answer
        finally:
            daemon.stop()


def test_the_precision_that_is_asked_for_runs_and_is_told_everywhere(folder):
    daemon = Daemon(folder, "--precision=f32")
    try:
        client = daemon.client()
        assert client.get("/health").json["precision"] == "f32"
        assert client.get("/v1/status").json["precision_reason"] == "asked for"
        assert "computes in  f32 (asked for)" in sbertd("status", f"--socket={daemon.socket}").stdout
        assert client.request("PUT", "/v1/collections/notes", b"{}").json["precision"] == "f32"
    finally:
        daemon.stop()
