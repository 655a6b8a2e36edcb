"""Backups, checks, restoring and repairing, with the real programs: what was backed up comes back, and
what is damaged is found, said, and saved as far as it can be read."""

import json
import random
import subprocess
import threading

import pytest

from conftest import BIN, DEADLINE, Daemon

PATH = "/v1/collections/v"
DIMENSION = 8


def index(command, *arguments, socket="/nonexistent/socket"):
    return subprocess.run([BIN / "sbert-index", command, f"--socket={socket}", *map(str, arguments)],
                          capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)


def fill(client, count, start=0):
    chance = random.Random(start)
    documents = [{"id": f"d{i:05}", "text": f"text {i} " + "x" * 300, "metadata": {"n": i},
                  "vector": [chance.uniform(-1, 1) for _ in range(DIMENSION)]}
                 for i in range(start, start + count)]
    for i in range(0, count, 500):
        answer = client.post(f"{PATH}/documents", {"documents": documents[i:i + 500]})
        assert answer.status == 200, answer
    return {d["id"]: d for d in documents}


def stored(client):
    documents, after = {}, ""
    while after is not None:
        page = client.get(f"{PATH}/documents?limit=1000&after={after}").json
        documents.update({d["id"]: d for d in page["documents"]})
        after = page["next"]
    return documents


def make(folder, count):
    daemon = Daemon(folder)
    client = daemon.client()
    assert client.put(PATH, {"dimension": DIMENSION, "fields": {"n": "integer"}}).status == 201
    return daemon, client, fill(client, count)


def test_a_backup_made_during_adds_is_of_one_moment_and_comes_back(folder):
    daemon, client, made = make(folder, 3000)
    try:
        stop, error = threading.Event(), []

        def add():
            other = daemon.client()
            n = 10000
            while not stop.is_set():
                try:
                    fill(other, 10, n)
                except Exception as e:  # shown by the test
                    error.append(e)
                    return
                n += 10

        thread = threading.Thread(target=add)
        thread.start()
        backup = folder / "backup.sqlite3"
        done = index("backup", backup, socket=daemon.socket)
        stop.set()
        thread.join()
        assert not error, error
        assert done.returncode == 0 and "made and checked" in done.stdout, done
        assert client.get("/v1/status").json["backup"] is None
        assert [p.name for p in folder.glob("backup*")] == ["backup.sqlite3"]
        assert index("backup", backup, socket=daemon.socket).returncode == 2  # it is there already
        assert index("check", socket=daemon.socket).returncode == 0
        refused = index("restore", "--force", "--data-dir", daemon.data, backup)
        assert refused.returncode == 2 and "process" in refused.stderr  # while it runs
        assert daemon.stop() == 0

        assert index("restore", "--data-dir", daemon.data, backup).returncode == 2  # not without --force
        done = index("restore", "--force", "--data-dir", daemon.data, backup)
        assert done.returncode == 0 and ".replaced-" in done.stdout, done
        daemon = Daemon(folder)
        client = daemon.client()
        there = stored(client)
        late = sorted(set(there) - set(made))
        assert set(made) <= set(there)
        assert late == [f"d{10000 + i:05}" for i in range(len(late))] and len(late) % 10 == 0
        for id, document in made.items():
            assert there[id]["text"] == document["text"] and there[id]["metadata"] == document["metadata"]
        answer = client.post(f"{PATH}/search", {"vector": made["d00042"]["vector"], "top_k": 1,
                                               "filter": {"key": "n", "range": {"lt": 100}}})
        assert answer.json["results"][0]["id"] == "d00042"
        assert client.post("/v1/check", {}).json["ok"] is True
        assert daemon.stop() == 0

        # into a folder of its own
        other = folder / "other"
        assert index("restore", "--data-dir", other, backup).returncode == 0
        assert index("check", "--data-dir", other).returncode == 0
    finally:
        daemon.kill()


def test_what_is_no_backup_is_refused_and_changes_nothing(folder):
    daemon, client, made = make(folder, 50)
    try:
        assert client.post("/v1/backup", {"path": "relative"}).status == 400
        assert client.post("/v1/backup", {"path": str(folder / "no" / "folder")}).status in (404, 500)
        assert client.post("/v1/backup", {"path": str(daemon.data / "store.sqlite3")}).status == 409
        backup = folder / "backup"
        assert client.post("/v1/backup", {"path": str(backup)}).status == 200
        assert daemon.stop() == 0
        before = (daemon.data / "store.sqlite3").read_bytes()
        bad = folder / "bad"
        contents = bytearray(backup.read_bytes())
        for damaged in (b"", b"text", contents[:len(contents) // 2],
                        contents[:30000] + bytes(8192) + contents[38192:]):
            bad.write_bytes(damaged)
            done = index("restore", "--force", "--data-dir", daemon.data, bad)
            assert done.returncode == 2 and done.stderr, done
        assert index("restore", "--data-dir", daemon.data, folder / "missing").returncode == 2
        assert (daemon.data / "store.sqlite3").read_bytes() == before
    finally:
        daemon.kill()


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_store_is_refused_and_repaired(folder, seed):
    daemon, client, made = make(folder, 3000)
    assert daemon.stop() == 0
    store = daemon.data / "store.sqlite3"
    chance = random.Random(seed)
    contents = bytearray(store.read_bytes())
    pages = len(contents) // 8192
    for _ in range(4):  # not the first, where SQLite's header is
        start = chance.randrange(8, pages) * 8192
        contents[start:start + 8192] = bytes(8192) if seed % 2 else chance.randbytes(8192)
    store.write_bytes(contents)
    checked = index("check", "--data-dir", daemon.data)
    assert checked.returncode == 1 and "sbert-index repair" in checked.stderr, checked
    repaired = index("repair", "--data-dir", daemon.data)
    assert repaired.returncode == 0, repaired
    assert index("check", "--data-dir", daemon.data).returncode == 0
    daemon = Daemon(folder)
    try:
        client = daemon.client()
        there = stored(client)
        assert len(there) > len(made) * 0.5, repaired.stdout  # four pages of some two hundred
        lost = f"saved {len(there):,} documents; {len(made) - len(there):,} more could not be read"
        assert lost in repaired.stdout or seed % 2, repaired.stdout  # zeros may take the count with them
        for id, document in there.items():
            assert document["text"] == made[id]["text"] and document["metadata"] == made[id]["metadata"]
        for id in list(there)[::97]:
            hits = client.post(f"{PATH}/search", {"vector": made[id]["vector"], "top_k": 1}).json["results"]
            assert hits[0]["id"] == id and hits[0]["score"] > 0.99
        fill(client, 100, 50000)
        assert client.post("/v1/check", {}).json == {
            "ok": True, "problems": [], "notes": [], "collections": 1,
            "documents": len(there) + 100, "passages": len(there) + 100}
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


def test_repair_of_what_is_whole_changes_no_document(folder):
    daemon, client, made = make(folder, 1500)
    assert daemon.stop() == 0
    done = index("repair", "--data-dir", daemon.data)
    assert done.returncode == 0 and "the store is whole" in done.stdout, done
    notes = json.loads(index("check", "--json", "--data-dir", daemon.data).stdout)["notes"]
    assert "no index snapshot" in notes[0]
    daemon = Daemon(folder)
    try:
        assert set(stored(daemon.client())) == set(made)
        assert daemon.stop() == 0
    finally:
        daemon.kill()


def test_a_store_of_which_nothing_can_be_read_is_said_so(folder):
    daemon, client, made = make(folder, 10)
    assert daemon.stop() == 0
    store = daemon.data / "store.sqlite3"
    store.write_bytes(bytes(100) + store.read_bytes()[100:])
    refused = Daemon(folder, ready=False)
    assert refused.process.wait(DEADLINE) != 0
    assert "sbert-index repair" in refused.tail() and "sbert-index restore" in refused.tail()
    done = index("repair", "--data-dir", daemon.data)
    assert done.returncode == 2 and "restore" in done.stderr, done
    assert store.exists()
