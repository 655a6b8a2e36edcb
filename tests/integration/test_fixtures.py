"""Stores that earlier versions have written are opened by this one, with all that is in them."""

import gzip
import sys

import pytest

from conftest import ROOT, Daemon, wait_until

sys.path.insert(0, str(ROOT / "tests/fixtures"))
from make_storage import GONE, TEXTS, VECTORS, metadata  # noqa: E402

FIXTURES = sorted((ROOT / "tests/fixtures").glob("storage-v*.sqlite3.gz"))


def test_there_is_one_for_each_version():
    steps = (ROOT / "storage/schema.c").read_text().split("schema_steps[] = {")[1].split("}")[0].count("STEP_")
    assert [path.name for path in FIXTURES] == [f"storage-v{n + 1}.sqlite3.gz" for n in range(steps)]


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)
def test_a_store_of_an_earlier_version_is_opened_with_all_that_is_in_it(folder, fixture):
    (folder / "data").mkdir(mode=0o700)
    (folder / "data" / "store.sqlite3").write_bytes(gzip.decompress(fixture.read_bytes()))
    for start in range(2):  # migrated, and then as it has become
        daemon = Daemon(folder)
        try:
            client = daemon.client()
            notes = {d["id"]: d for d in client.get("/v1/collections/notes/documents").json["documents"]}
            assert set(notes) == set(TEXTS) | ({"new"} if start else set())
            for i, (id, text) in enumerate(TEXTS.items()):
                assert notes[id]["text"] == text and notes[id]["metadata"] == metadata(i)
                assert notes[id]["source"] == {"path": f"/{id}.txt", "line": i + 1}
            hits = client.post("/v1/collections/notes/search", {"query": TEXTS["film"], "top_k": 1}).json["results"]
            assert hits[0]["id"] == "film" and hits[0]["score"] > 0.98
            there = client.get("/v1/collections/vectors/documents").json["documents"]
            assert [d["id"] for d in there] == sorted(set(VECTORS) - set(GONE))
            for id in set(VECTORS) - set(GONE):
                hits = client.post("/v1/collections/vectors/search", {"vector": VECTORS[id], "top_k": 1}).json["results"]
                assert hits[0]["id"] == id and abs(hits[0]["score"]) < 0.05
            assert client.post("/v1/check", {}).json["ok"] is True
            if start == 0:
                assert client.post("/v1/collections/notes/documents", {"documents": [
                    {"id": "new", "text": "something new"}]}).json["added"] == 1
                assert client.post("/v1/collections/vectors/fields", {"fields": {"n": "integer"}}).status == 200
            wait_until(lambda: client.get("/v1/collections/vectors").json["fields"]["n"]["ready"])
            body = {"filter": {"key": "n", "range": {"lt": 5}}}
            assert client.post("/v1/collections/vectors/documents/count", body).json == {"count": 4}
            assert daemon.stop() == 0, daemon.tail()
        finally:
            daemon.kill()
