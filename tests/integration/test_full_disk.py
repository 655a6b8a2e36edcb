"""A disk that is really full, under the daemon and the programs: a small tmpfs that is filled and emptied.

What needs room is refused, clearly, and all else goes on; when there is room again, so does the rest, and
nobody has to start anything anew. (test_bad_input.py has the same by a shim, where nothing may be mounted.)
"""

import json
import os
import pathlib
import random
import shutil
import subprocess

import pytest

from conftest import BIN, DEADLINE, MODEL, Daemon

PATH = "/v1/collections/v"
DIMENSION = 64


class Disk:
    """A file system of its own, mounted where a process that holds it sees it, and others by /proc."""

    def __init__(self, mount_point, size):
        if not shutil.which("unshare") or not shutil.which("nsenter"):
            pytest.skip("there is no unshare or nsenter")
        mount_point.mkdir()
        self.holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size="$1" none "$2" && echo mounted && exec sleep infinity',
             "sh", size, mount_point], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self.holder.stdout.readline() != b"mounted\n":
            self.close()
            pytest.skip("this user may not mount a small file system")
        self.prefix = ["nsenter", f"--target={self.holder.pid}", "--user", "--mount", "--preserve-credentials",
                       f"--wd={pathlib.Path.cwd()}", "--"]
        self.path = pathlib.Path(f"/proc/{self.holder.pid}/root{mount_point.resolve()}")
        self.ballast = self.path / "ballast"

    def fill(self, leave=0):
        """Leaves so many bytes, rounded down to pages."""
        with open(self.ballast, "ab") as file:
            room = os.statvfs(self.path).f_bavail * os.statvfs(self.path).f_bsize - leave
            if room > 0:
                os.posix_fallocate(file.fileno(), file.tell(), room)

    def empty(self):
        self.ballast.unlink()

    def run(self, *command):
        return subprocess.run([*self.prefix, *map(str, command)], capture_output=True, text=True, timeout=DEADLINE,
                              stdin=subprocess.DEVNULL)

    def files(self):
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file()} - {"ballast"}

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()


@pytest.fixture
def disk(folder):
    disk = Disk(folder / "data", "48m")
    yield disk
    disk.close()


def vector(i):
    chance = random.Random(i)
    return [chance.uniform(-1, 1) for _ in range(DIMENSION)]


def documents(first, count, padding=0):
    return {"documents": [{"id": f"d{i:05}", "text": f"text {i} " + "x" * padding, "vector": vector(i),
                           "metadata": {"n": i}} for i in range(first, first + count)]}


def add(client, first, count, padding=0):
    return client.post(f"{PATH}/documents", documents(first, count, padding))


def ids(client):
    found, after = set(), ""
    while after is not None:
        page = client.get(f"{PATH}/documents?limit=1000&after={after}").json
        found |= {document["id"] for document in page["documents"]}
        after = page["next"]
    return found


def finds(client, i):
    answer = client.post(f"{PATH}/search", {"vector": vector(i), "top_k": 1})
    assert answer.status == 200, answer
    return answer.json["results"][0]["id"] == f"d{i:05}"


def refuses(answer):
    assert answer.status == 507 and answer.error["code"] == "no_space", answer
    return answer.error["message"]


@pytest.fixture
def daemon(folder, disk):
    daemon = Daemon(folder, prefix=disk.prefix)
    client = daemon.client()
    assert client.put(PATH, {"dimension": DIMENSION, "fields": {"n": "integer"}}).status == 201
    assert add(client, 0, 500).status == 200
    yield daemon
    daemon.kill()


def test_adds_until_the_disk_is_full_lose_nothing_and_go_on_when_there_is_room(daemon, disk):
    client, taken = daemon.client(), {f"d{i:05}" for i in range(500)}
    for first in range(500, 20000, 100):
        answer = add(client, first, 100, padding=2000)
        if answer.status != 200:
            break
        taken |= {f"d{i:05}" for i in range(first, first + 100)}
    assert "free some on its disk, or delete documents" in refuses(answer) and len(taken) > 1000
    for i in (3, 400, 499, first - 1):  # searches go on, by a filter too
        assert finds(client, i)
    hit, = client.post(f"{PATH}/search", {"vector": vector(3), "filter": {"key": "n", "match": {"value": 7}}}).json["results"]
    assert hit["id"] == "d00007"
    assert ids(client) == taken
    # So do deletes, by id and by filter, and what they free is there for the next add.
    assert client.delete(f"{PATH}/documents/d00003").status == 200
    gone = client.post(f"{PATH}/documents/delete", {"filter": {"key": "n", "range": {"gte": 500}}})
    assert gone.status == 200 and gone.json["deleted"] == len(taken) - 500, gone
    assert add(client, 30000, 100, padding=2000).status == 200
    assert finds(client, 30050)
    assert client.post("/v1/check", {}).json["ok"]


def test_a_full_disk_recovers_by_itself(folder, daemon, disk):
    client = daemon.client()
    lines = [json.dumps(document) for document in documents(1000, 5)["documents"]]
    (folder / "lines.jsonl").write_text("\n".join(lines))
    disk.fill()
    refuses(add(client, 1000, 5))
    refuses(client.post(f"{PATH}/documents", "\n".join(lines), Content_Type="application/x-ndjson"))
    refuses(client.put("/v1/collections/more", {"dimension": 2}))
    refuses(client.post(f"{PATH}/fields", {"fields": {"more": "text"}}))
    done = disk.run(BIN / "sbert-index", "add", f"--socket={daemon.socket}", "-c", "v", folder / "lines.jsonl")
    assert done.returncode == 2 and "free some on its disk, or delete documents" in done.stderr, done
    assert finds(client, 42) and client.delete(f"{PATH}/documents/d00042").status == 200
    disk.empty()
    for first in range(1000, 1500, 50):
        assert add(client, first, 50).status == 200
    assert finds(client, 1234) and not finds(client, 42)
    assert daemon.stop() == 0, daemon.tail()


def test_backups_and_exports_to_a_full_disk_are_refused_and_leave_nothing(daemon, disk):
    client = daemon.client()
    before = disk.files()
    disk.fill(leave=65536)
    message = refuses(client.post("/v1/backup", {"path": str(daemon.data / "backup")}))
    assert "backup" in message
    done = disk.run(BIN / "sbert-index", "backup", f"--socket={daemon.socket}", daemon.data / "backup")
    assert done.returncode == 2 and "no space left" in done.stderr.lower(), done
    done = disk.run(BIN / "sbert-index", "export", f"--socket={daemon.socket}", "-c", "v", daemon.data / "export")
    assert done.returncode == 2 and f"cannot write {daemon.data}/export: No space left on device" in done.stderr
    assert disk.files() == before
    disk.empty()
    for command in ("backup", "export"):
        done = disk.run(BIN / "sbert-index", command, f"--socket={daemon.socket}", "-c", "v", daemon.data / command)
        assert done.returncode == 0, done
    assert disk.files() == before | {"backup", "export"}
    assert len((disk.path / "export").read_text().splitlines()) == 502


def test_a_daemon_stops_and_starts_on_a_full_disk(folder, daemon, disk):
    client = daemon.client()
    there = ids(client)
    disk.fill()
    assert daemon.stop() == 0, daemon.tail()  # no room for a snapshot
    assert "no snapshot of its index could be saved" in daemon.tail()
    disk.fill()  # what the stop gave back
    again = Daemon(folder, prefix=disk.prefix)
    try:
        client = again.client()
        assert ids(client) == there and finds(client, 77)
        refuses(add(client, 1000, 5))
        assert client.post(f"{PATH}/documents/delete", {"ids": ["d00001", "d00002"]}).json["deleted"] == 2
        again.kill()
        disk.fill()
        again = Daemon(folder, prefix=disk.prefix)
        client = again.client()
        assert ids(client) == there - {"d00001", "d00002"} and finds(client, 77)
        disk.empty()
        assert add(client, 1000, 5).status == 200 and finds(client, 1003)
        assert client.post("/v1/check", {}).json["ok"]
        assert again.stop() == 0, again.tail()
    finally:
        again.kill()


def test_a_first_start_on_a_full_disk_says_so(folder, disk):
    disk.fill()
    done = disk.run(BIN / "sbertd", "run", f"--socket={folder}/s", f"--data-dir={folder}/data", f"--model={MODEL}")
    assert done.returncode == 2 and "no space left" in done.stderr.lower() and "store.sqlite3" in done.stderr, done
    assert not (folder / "s").exists()
    disk.empty()
    daemon = Daemon(folder, prefix=disk.prefix)
    try:
        assert daemon.client().put(PATH, {"dimension": DIMENSION}).status == 201
        assert add(daemon.client(), 0, 10).status == 200
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


def test_a_restore_to_a_full_disk_leaves_the_store_that_is_there(folder, daemon, disk):
    client = daemon.client()
    there = ids(client)
    assert client.post("/v1/backup", {"path": str(folder / "backup")}).status == 200
    assert daemon.stop() == 0
    before = disk.files()
    disk.fill(leave=65536)
    done = disk.run(BIN / "sbert-index", "restore", "--force", f"--data-dir={daemon.data}", folder / "backup")
    assert done.returncode == 2 and "no space left" in done.stderr.lower(), done
    assert disk.files() == before
    disk.empty()
    again = Daemon(folder, prefix=disk.prefix)
    try:
        assert ids(again.client()) == there and finds(again.client(), 9)
        assert again.stop() == 0
    finally:
        again.kill()
