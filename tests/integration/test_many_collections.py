"""A thousand small collections at once (MANY_COLLECTIONS; the ordinary tests have a hundred), each with the
model or with vectors of its clients: what they cost in memory, descriptors, threads and time, and that
each answers for itself, also after a restart and after a kill."""

import os
import pathlib
import time

from conftest import DIMENSION, Daemon

COUNT = int(os.environ.get("MANY_COLLECTIONS", 100))
DOCUMENTS = 5


def resources(daemon):
    process = pathlib.Path(f"/proc/{daemon.process.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return {"KiB": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]),
            "descriptors": len(os.listdir(process / "fd"))}


def path(i):
    return f"/v1/collections/c{i}"


def vector(i, n, dimension):
    return [n + 1, i % 7, (i + n) % 5, *range(3, dimension)]


def dimension(i):
    return 0 if i % 3 == 0 else 8 + i % 5  # 0: of the model


def make(client, i):
    own = {"dimension": dimension(i)} if dimension(i) else {}
    assert client.put(path(i), {**own, "fields": {"n": "integer"}}).status == 201
    answer = client.post(f"{path(i)}/documents", {"documents": [
        {"id": f"{i}-{n}", "text": f"text {n} of {i}", "metadata": {"n": n},
         **({"vector": vector(i, n, dimension(i))} if dimension(i) else {})} for n in range(DOCUMENTS)]})
    assert answer.status == 200, answer


def check(client, i):
    query = {"vector": vector(i, 2, dimension(i))} if dimension(i) else {"query": f"text 2 of {i}"}
    answer = client.post(f"{path(i)}/search", {**query, "filter": {"key": "n", "range": {"gte": 1}}})
    assert answer.status == 200, answer
    hits = answer.json["results"]
    assert hits[0]["id"] == f"{i}-2" and {hit["id"] for hit in hits} == {f"{i}-{n}" for n in range(1, DOCUMENTS)}
    shown = client.get(path(i)).json
    assert (shown["documents"], shown["dimension"]) == (DOCUMENTS, dimension(i) or DIMENSION)


def test_many_small_collections_are_open_at_once(folder):
    daemon, took = Daemon(folder), {}

    def timed(what, action):
        start = time.monotonic()
        result = action()
        took[what] = time.monotonic() - start
        return result

    try:
        client = daemon.client()
        before = resources(daemon)
        timed("make", lambda: [make(client, i) for i in range(COUNT)])
        timed("ask", lambda: [check(client, i) for i in range(COUNT)])
        after = resources(daemon)
        each = (after["KiB"] - before["KiB"]) / COUNT
        assert each < 256, (before, after)
        assert after["descriptors"] < before["descriptors"] + 16, (before, after)
        assert after["threads"] < before["threads"] + 8, (before, after)
        assert len(client.get("/v1/collections").json["collections"]) == COUNT

        assert timed("stop", daemon.stop) == 0, daemon.tail()
        daemon = timed("start", lambda: Daemon(folder))
        started = resources(daemon)
        client = daemon.client()
        for i in range(0, COUNT, max(COUNT // 50, 1)):
            check(client, i)
        daemon.kill()
        daemon = timed("start after a kill", lambda: Daemon(folder))
        client = daemon.client()
        for i in range(0, COUNT, max(COUNT // 50, 1)):
            check(client, i)
        assert client.post("/v1/check", {}).json["ok"]
        assert timed("drop", lambda: [client.delete(path(i)).status for i in range(COUNT)]) == [200] * COUNT
        assert client.get("/v1/collections").json["collections"] == []
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()
    print(f"\n{COUNT} collections: {each:.1f} KiB each; {after}; after a restart {started}; "
          + ", ".join(f"{what} {seconds:.2f} s" for what, seconds in took.items()))
