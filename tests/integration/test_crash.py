"""A real daemon killed with SIGKILL while it is written to, and the order in which it syncs and answers.

Thirty rounds (make test-crash: a thousand; CRASH_SEED= for other ones, so that they can be run in
parts): clients add, replace and delete over the socket until the daemon dies under them, in the middle
of requests, of the compaction of a database from which much was deleted, or of the snapshots that a
stop saves. After each restart, what was acknowledged is there, what was not is there whole or not at
all, each index equals the store, and searches answer as brute force over the same texts does. A kill cannot show a missing sync, since the system keeps what was written; so
the second test looks at the order of the system calls, and test_faults.py cuts the power.
"""

import http.client
import os
import random
import shutil
import subprocess
import threading
import time

import numpy
import pytest

from conftest import ROOT, Daemon, escaped, wait_until

ROUNDS = int(os.environ.get("CRASH_ROUNDS", 30))
SEED = int(os.environ.get("CRASH_SEED", 20))
WRITERS = 3
DOCUMENTS = "/v1/collections/default/documents"
LARGE = "/v1/collections/large"
WORDS = "cat dog movie film music song rain sun city people water fire happy sad old new".split()


class Stopping(Exception):
    """The daemon said that it stops: the request was not, or not wholly, carried out."""


def succeed(answer):
    if answer.status == 503:
        raise Stopping
    assert answer.status == 200, answer
    return answer.json


class Writer(threading.Thread):
    """Changes documents of its own, one request after the other, until the daemon is gone.

    `known` is what its documents are as far as they were acknowledged, `wanted` what they are if the
    request under way was carried out.
    """

    def __init__(self, number, known, seed, daemon):
        super().__init__()
        self.number, self.known, self.wanted = number, known, dict(known)
        self.random = random.Random(seed)
        self.client = daemon.client()
        self.acknowledged = 0
        self.error = None

    def text(self):
        return f"{self.random.choice(WORDS)} {self.random.choice(WORDS)} {self.random.randrange(9999)}"

    def change(self):
        """One request; `wanted` says what it makes of the documents."""
        many = len(self.known) > 500  # so that a thousand rounds do not make it ever slower
        some = self.random.sample(sorted(self.known), min(len(self.known), 200 if many else 4))
        if some and self.random.random() < (0.5 if many else 0.2):
            self.wanted = {id: text for id, text in self.known.items() if id not in some}
            succeed(self.client.post(f"{DOCUMENTS}/delete", {"ids": some}))
            return
        count = self.random.choice([1, 8, 40])
        documents = {f"{self.number}/{self.random.randrange(10**9)}": self.text() for _ in range(count)}
        documents.update({id: self.text() for id in some[:4]})
        self.wanted = {**self.known, **documents}
        succeed(self.client.post(DOCUMENTS, {
            "documents": [{"id": id, "text": text} for id, text in documents.items()]}))

    def run(self):
        try:
            while True:
                self.change()
                self.known = self.wanted
                self.acknowledged += 1
        except (OSError, http.client.HTTPException):
            pass  # the daemon is gone
        except Stopping:
            pass
        except Exception as error:  # shown by the test
            self.error = error


class LargeWriter(Writer):
    """The same with long texts and vectors of its own, in another collection, of which it deletes so
    much at once that pages are handed back to the file system."""

    def change(self):
        if len(self.known) > 150 and self.random.random() < 0.3:
            limit = self.random.choice([3, 8, 9])
            self.wanted = {id: text for id, text in self.known.items() if int(id[-1]) >= limit}
            succeed(self.client.post(f"{LARGE}/documents/delete", {
                "filter": {"key": "last", "range": {"lt": limit}}}))
            return
        documents = {f"large{self.random.randrange(10**6)}": self.text() + " x" * self.random.randrange(20000)
                     for _ in range(self.random.choice([1, 10, 60]))}
        self.wanted = {**self.known, **documents}
        succeed(self.client.post(f"{LARGE}/documents", {"documents": [
            {"id": id, "text": text, "metadata": {"last": int(id[-1])}, "vector": large_vector(text)}
            for id, text in documents.items()]}))


def large_vector(text):
    chance = random.Random(text)
    return [chance.uniform(-1, 1) for _ in range(16)]


def check_large(client, documents, chance):
    if not documents:
        return
    ids = list(documents)
    vectors = numpy.array([large_vector(text) for text in documents.values()])
    query = numpy.array([chance.uniform(-1, 1) for _ in range(16)])
    cosines = vectors @ query / numpy.linalg.norm(vectors, axis=1) / numpy.linalg.norm(query)
    hits = succeed(client.post(f"{LARGE}/search", {"vector": list(query), "top_k": 10}))["results"]
    best = numpy.argsort(-cosines)[:10]
    assert numpy.allclose([hit["score"] for hit in hits], cosines[best], atol=2e-2)
    assert all(hit["text"] == documents[hit["id"]] for hit in hits)
    assert set(hit["id"] for hit in hits) & set(ids[i] for i in best)


def check_all(client):
    checked = succeed(client.post("/v1/check", {}))
    assert checked["ok"] is True and checked["problems"] == [], checked


def stored_documents(client, path=DOCUMENTS):
    documents, after = {}, ""
    while after is not None:
        page = succeed(client.get(f"{path}?limit=1000&after={escaped(after)}"))
        documents.update({document["id"]: document["text"] for document in page["documents"]})
        after = page["next"]
    return documents


class Oracle:
    """Brute force over the texts, with vectors that the daemon makes of them afresh."""

    def __init__(self):
        self.vectors = {}

    def embed(self, client, texts):
        new = [text for text in dict.fromkeys(texts) if text not in self.vectors]
        for i in range(0, len(new), 2000):
            answer = succeed(client.post("/v1/embeddings", {"input": new[i:i + 2000]}))
            for text, data in zip(new[i:i + 2000], answer["data"]):
                vector = numpy.array(data["embedding"], numpy.float64)
                self.vectors[text] = vector / numpy.linalg.norm(vector)
        return numpy.array([self.vectors[text] for text in texts])

    def check(self, client, documents, query):
        top_k = 10
        ids = list(documents)
        cosines = self.embed(client, list(documents.values())) @ self.embed(client, [query])[0]
        score_of = dict(zip(ids, cosines))
        hits = succeed(client.post("/v1/collections/default/search",
                                   {"query": query, "top_k": top_k}))["results"]
        best = numpy.sort(cosines)[::-1][:top_k]
        assert len(hits) == len(best)
        assert len({hit["id"] for hit in hits}) == len(hits)
        assert numpy.allclose([hit["score"] for hit in hits], best, atol=1e-5)
        for hit in hits:
            assert hit["text"] == documents[hit["id"]]
            assert abs(hit["score"] - score_of[hit["id"]]) < 1e-5


def own(documents, number):
    return {id: text for id, text in documents.items() if id.startswith(f"{number}/")}


def test_what_was_acknowledged_survives_kills(folder):
    chance = random.Random(SEED)
    known = [{} for _ in range(WRITERS)]
    oracle = Oracle()
    acknowledged = pending_there = 0
    large = {}
    daemon = Daemon(folder)
    assert daemon.client().put(LARGE, {"dimension": 16, "fields": {"last": "integer"}}).status == 201
    try:
        for round in range(ROUNDS):
            writers = [Writer(i, known[i], f"{SEED} {round} {i}", daemon) for i in range(WRITERS)]
            writers.append(LargeWriter("large", large, f"{SEED} {round}", daemon))
            for writer in writers:
                writer.start()
            enough = chance.randrange(4, 40)
            wait_until(lambda: sum(writer.acknowledged for writer in writers) >= enough, daemon.tail)
            time.sleep(chance.random() * 0.01)  # so that the kill finds it anywhere in a request
            if round % 5 == 3:  # in the middle of a stop, which saves snapshots
                daemon.process.terminate()
                time.sleep(chance.random() * 0.03)
            daemon.kill()
            for writer in writers:
                writer.join()
                assert writer.error is None, writer.error

            daemon = Daemon(folder)
            client = daemon.client()
            documents = stored_documents(client)
            there = stored_documents(client, f"{LARGE}/documents")
            assert there in (writers[-1].known, writers[-1].wanted), f"round {round}"
            large = there
            check_large(client, large, chance)
            check_all(client)
            for writer in writers[:-1]:
                there = own(documents, writer.number)
                assert there in (writer.known, writer.wanted), f"round {round}, writer {writer.number}"
                known[writer.number] = there
                acknowledged += writer.acknowledged
                pending_there += there != writer.known
            assert len(documents) == sum(len(own(documents, i)) for i in range(WRITERS))
            oracle.check(client, documents, f"{chance.choice(WORDS)} of the {chance.choice(WORDS)}")
            if round % 4 == 1:  # the next kills leave a snapshot behind that is older than the store
                client.close()
                assert daemon.stop() == 0, daemon.tail()
                daemon = Daemon(folder)
        assert daemon.stop() == 0, daemon.tail()
        daemon = Daemon(folder)  # from the snapshot now
        assert "vectors ready, 0 changes replayed" in daemon.tail()
        assert stored_documents(daemon.client()) == documents
        oracle.check(daemon.client(), documents, "the music of the rain")
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()
    print(f"seed {SEED}: {ROUNDS} rounds, {acknowledged} requests acknowledged, {len(documents)} documents at the end, "
          f"{pending_there} requests on disk without their answer")


def build_shim(folder):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("there is no C compiler to build the shim with")
    library = folder / "sync_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library,
                    ROOT / "tests/fault/sync_shim.c", "-ldl"], check=True)
    return library


def changes():
    """Requests that write, each after the ones before it."""
    for i, word in enumerate(WORDS):
        yield "POST", DOCUMENTS, {"documents": [{"id": f"{i}", "text": f"{word} {i}"}]}
    yield "POST", DOCUMENTS, {"documents": [{"id": "0", "text": "another text"}]}
    yield "POST", f"{DOCUMENTS}/delete", {"ids": ["1", "2"]}
    yield "DELETE", f"{DOCUMENTS}/3", None


def test_the_log_is_synced_before_a_write_is_answered(folder):
    log = folder / "events"
    daemon = Daemon(folder, environment={
        "LD_PRELOAD": str(build_shim(folder)), "SHIM_LOG": str(log),
        "SHIM_FOLDER": str(folder.resolve() / "data")})
    try:
        client = daemon.client()
        succeed(client.get("/health"))
        for change in changes():
            before = log.stat().st_size
            succeed(client.request(*change))
            with open(log) as stream:
                stream.seek(before)
                events = [line.rstrip("\n").split(" ", 2) for line in stream]
            answer = next(i for i, (op, _, path) in enumerate(events)
                          if op in ("send", "write") and path.startswith("socket:"))
            log_events = [op for op, _, path in events[:answer] if path.endswith("/store.sqlite3-wal")]
            assert "write" in log_events, f"{change} was answered before it was written: {events}"
            assert log_events[-1] == "sync", f"{change} was answered before it was synced: {events}"
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()
