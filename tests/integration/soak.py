"""The load of test_soak.py: clients that do everything at once, each knowing what it must be answered.

A client owns some documents of two shared collections, which no other changes; so whatever the others
do, it knows those, and what a search must find of them. What is common to all (a collection that does
not change, phrases with their vectors) was looked up once, before there was any load. A client adds as
many documents as it deletes: the number of documents stays.
"""

import contextlib
import json
import random
import socket
import sqlite3
import threading
import time

import numpy

from conftest import ROOT

DIMENSION = 16
OWN = 40  # ids of each client, about half of which are there
BULK = range(48, 64)  # those that send uploads; of these only so many are let wait (docs/PROTOCOL.md)
VECTORS, TEXTS, STILL = "/v1/collections/vectors", "/v1/collections/texts", "/v1/collections/still"
RERANKER = str(ROOT / "tests/golden/cross_encoders/one-label")
WORDS = "cat dog movie film music song rain sun city people water fire happy sad old new".split()
PHRASES = [f"the {a} of the {b}" for a in WORDS for b in WORDS[:4]]
JOBS = [{"kind": "pairs", "top": 50}, {"kind": "pairs", "each": 2}, {"kind": "dedup", "threshold": 0.8},
        {"kind": "clusters", "threshold": 0.6, "min_size": 2}, {"kind": "clusters", "k_means": 5}]
BAD = [  # requests that are refused, and how
    ("POST", f"{VECTORS}/search", "{", 400), ("POST", f"{VECTORS}/search", {"vector": [1]}, 400),
    ("POST", f"{VECTORS}/search", {"vector": [0.5] * DIMENSION, "top": 3}, 400),
    ("POST", f"{VECTORS}/search", {"query": "no model here"}, 400),
    ("POST", f"{VECTORS}/documents", {"documents": [{"id": "bad", "text": "a", "vector": "AAAA"}]}, 400),
    ("POST", f"{VECTORS}/documents/delete", {"filter": {"key": "unknown", "exists": True}}, 400),
    ("GET", f"{VECTORS}/documents/nowhere", None, 404), ("GET", "/v1/collections/nowhere", None, 404),
    ("DELETE", "/v1/collections/nowhere", None, 404), ("PATCH", "/v1/status", None, 405),
    ("PUT", VECTORS, {"dimension": DIMENSION + 1}, 409), ("GET", "/v1/jobs/0", None, 404),
    ("POST", "/v1/embeddings", {"input": [1, 2]}, 422), ("POST", f"{STILL}/jobs", {"kind": "none"}, 400),
    ("POST", f"{STILL}/search", {"queries": ["a"] * 257}, 413),
    ("POST", "/rerank", {"query": "a", "texts": ["b"], "model": "no-such-model"}, 404)]


def vector_of(text):
    chance = random.Random(text)
    return numpy.array([chance.gauss(0, 1) for _ in range(DIMENSION)])


def cosines(vectors, query):
    vectors = numpy.array(vectors).reshape(-1, DIMENSION)
    return vectors @ query / numpy.linalg.norm(vectors, axis=1) / numpy.linalg.norm(query)


def succeed(answer, status=200):
    assert answer.status == status, answer
    return answer.json


class Common:
    """What all clients share: how far they are, and what does not change."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.lock = threading.Lock()
        self.done = {}  # {kind of step: how often}
        self.refused = 0  # answers of 400 and above, all of them asked for
        self.cut = 0  # requests that their client did not end
        self.problem = None
        self.jobs = {}  # {options: result}
        with contextlib.closing(daemon.client()) as client:
            self.prepare(client)

    def prepare(self, client):
        succeed(client.put(VECTORS, {"dimension": DIMENSION, "metric": "cosine", "index": "hnsw",
                                     "fields": {"owner": "integer", "n": "integer"}}), 201)
        succeed(client.put(TEXTS, {"fields": {"owner": "integer"}}), 201)
        succeed(client.put(STILL, {"dimension": DIMENSION, "metric": "cosine"}), 201)
        for path, count in [(VECTORS, 3000), (STILL, 300)]:
            for start in range(0, count, 500):
                texts = {f"base{i}": f"-1 base{i} {WORDS[i % 16]}" for i in range(start, min(start + 500, count))}
                succeed(client.post(f"{path}/documents", {"documents": [
                    {"id": id, "text": text, "vector": list(vector_of(text)), "metadata": {"owner": -1, "n": 0}}
                    for id, text in texts.items()]}))
        self.embedded = dict(zip(PHRASES, embed(client, PHRASES)))
        self.ranked = rerank(client)
        for options in JOBS:
            self.jobs[json.dumps(options)] = run_job(client, options)[0]

    def count(self, kind):
        with self.lock:
            self.done[kind] = self.done.get(kind, 0) + 1

    def refuse(self):
        with self.lock:
            self.refused += 1


def embed(client, texts):
    return [data["embedding"] for data in succeed(client.post("/v1/embeddings", {"input": texts}))["data"]]


def rerank(client):
    return succeed(client.post("/rerank", {"query": PHRASES[0], "texts": PHRASES[1:9], "model": RERANKER}))


def run_job(client, options):
    """Its result, or None where the job has been forgotten meanwhile, and its path."""
    job = client.post(f"{STILL}/jobs", options)
    assert job.status in (200, 201), job
    path = f"/v1/jobs/{job.json['id']}"
    while job.status != 404 and job.json["state"] in ("waiting", "running"):
        time.sleep(0.05)
        job = client.get(path)
    result = client.get(f"{path}/result?limit=1000") if job.status != 404 else job
    return None if result.status == 404 else succeed(result)["results"], path


class Soaker:
    """One client. `vectors` and `texts` are its documents, {id: text}."""

    def __init__(self, number, common):
        self.number, self.common = number, common
        self.random = random.Random(number)
        self.vectors, self.texts = {}, {}
        self.made = 0
        self.client = None
        self.steps = [(self.put_vectors, 8), (self.delete_vectors, 4), (self.search_own, 8), (self.search_all, 8),
                      (self.look, 6), (self.list_own, 2), (self.put_texts, 4), (self.delete_texts, 2),
                      (self.search_texts, 4), (self.embeddings, 4), (self.similarity, 2), (self.rerank, 1),
                      (self.bad, 8), (self.cut, 1), (self.reconnect, 1)]
        # What is dear, or of which there may only be one at a time, is done by some.
        if number < 4:
            self.steps.append((self.job, 2))
        if number == 4:
            self.steps.append((self.backup, 1))
        if number == 5:
            self.steps.append((self.check, 1))
        if 8 <= number < 16:
            self.steps.append((self.collection, 2))
        if number in BULK:
            self.steps.append((self.put_many, 2))

    def fill(self, client):
        """The documents that are there from the start: as many as there stay."""
        self.client = client
        for path, documents, count in [(VECTORS, self.vectors, 22), (TEXTS, self.texts, 18)]:
            documents.update({id: self.text(id) for id in self.some(count)})
            self.put(path, documents)

    def run(self, until):
        try:
            self.client = self.common.daemon.client()
            kinds, weights = zip(*self.steps)
            while time.monotonic() < until and not self.common.problem:
                step, = self.random.choices(kinds, weights)
                step()
                self.common.count(step.__name__)
        except Exception as error:
            self.common.problem = self.common.problem or error
            raise
        finally:
            self.client.close()

    def text(self, id):
        self.made += 1
        return f"{self.number} {id} {self.made} {self.random.choice(WORDS)} {self.random.choice(WORDS)}"

    def some(self, count):
        return self.random.sample([f"{self.number}/{i}" for i in range(OWN)], count)

    def query(self):
        return numpy.array([self.random.gauss(0, 1) for _ in range(DIMENSION)])

    @property
    def own(self):
        return {"key": "owner", "match": {"value": self.number}}

    # --- vectors of the client's own ---

    def put(self, path, documents, **extra):
        body = [{"id": id, "text": text, "metadata": {"owner": self.number, "n": len(text) % 5},
                 **({"vector": list(vector_of(text))} if path is VECTORS else {}), **extra}
                for id, text in documents.items()]
        if self.number in BULK and self.random.random() < 0.5:
            answer = self.client.post(f"{path}/documents", "\n".join(map(json.dumps, body)),
                                      Content_Type="application/x-ndjson")
            assert answer.status == 200 and answer.lines[-1]["done"], answer
        else:
            succeed(self.client.post(f"{path}/documents", {"documents": body}))

    def put_vectors(self):
        documents = {id: self.text(id) for id in self.some(self.random.choice([1, 1, 8]))}
        self.put(VECTORS, documents)
        self.vectors.update(documents)

    def put_many(self):
        """More than is let through at once with the searches."""
        documents = {id: self.text(id) + " x" * 400 for id in self.some(OWN)}
        self.put(VECTORS, documents)
        self.vectors.update(documents)

    def delete_vectors(self):
        way = self.random.randrange(3)
        if way == 0:
            n = self.random.randrange(5)
            gone = [id for id, text in self.vectors.items() if len(text) % 5 == n]
            deleted = succeed(self.client.post(f"{VECTORS}/documents/delete", {"filter": {"must": [
                self.own, {"key": "n", "match": {"value": n}}]}}))
            assert deleted == {"deleted": len(gone)}, (deleted, gone)
        elif way == 1:
            some = self.some(8)
            gone = [id for id in some if id in self.vectors]
            deleted = succeed(self.client.post(f"{VECTORS}/documents/delete", {"ids": some}))
            assert deleted == {"deleted": len(gone)}, (deleted, gone)
        else:
            gone = list(self.vectors)[:1]
            for id in gone:
                succeed(self.client.delete(f"{VECTORS}/documents/{id.replace('/', '%2F')}"))
        for id in gone:
            del self.vectors[id]

    def search_own(self):
        query, top_k = self.query(), self.random.choice([1, 10, 100])
        hits = succeed(self.client.post(f"{VECTORS}/search", {
            "vector": list(query), "top_k": top_k, "filter": self.own, "exact": self.random.random() < 0.5}))["results"]
        assert len(hits) == min(top_k, len(self.vectors)), (len(hits), len(self.vectors))
        assert all(self.vectors[hit["id"]] == hit["text"] for hit in hits)
        if hits:
            scores = cosines([vector_of(hit["text"]) for hit in hits], query)
            best = numpy.sort(cosines([vector_of(text) for text in self.vectors.values()], query))[::-1]
            assert numpy.allclose([hit["score"] for hit in hits], scores, atol=1e-5)
            assert numpy.allclose(scores, best[:len(hits)], atol=1e-5)

    def search_all(self):
        query, exact = self.query(), self.random.random() < 0.3
        hits = succeed(self.client.post(f"{VECTORS}/search", {
            "vector": list(query), "top_k": 20, "exact": exact}))["results"]
        scores = [hit["score"] for hit in hits]
        assert len(hits) == 20 == len({hit["id"] for hit in hits}) and scores == sorted(scores, reverse=True)
        assert all(hit["text"].split(" ", 2)[:2] == [str(hit["metadata"]["owner"]), hit["id"]] for hit in hits)
        assert numpy.allclose(scores, cosines([vector_of(hit["text"]) for hit in hits], query), atol=1e-5)
        mine = {hit["id"]: hit["text"] for hit in hits if hit["metadata"]["owner"] == self.number}
        assert all(self.vectors.get(id) == text for id, text in mine.items())
        if exact and self.vectors:
            of_own = cosines([vector_of(text) for text in self.vectors.values()], query)
            assert all(id in mine for id, score in zip(self.vectors, of_own) if score > scores[-1] + 1e-5)

    def look(self):
        id, = self.some(1)
        answer = self.client.get(f"{VECTORS}/documents/{id.replace('/', '%2F')}")
        if id in self.vectors:
            assert succeed(answer)["text"] == self.vectors[id]
        else:
            assert answer.status == 404, answer
            self.common.refuse()

    def list_own(self):
        filter = json.dumps(self.own).replace(" ", "").replace('"', "%22")
        listed = succeed(self.client.get(f"{VECTORS}/documents?limit=1000&filter={filter}"))["documents"]
        assert {document["id"]: document["text"] for document in listed} == self.vectors
        assert succeed(self.client.post(f"{VECTORS}/documents/count", {"filter": self.own})) == {
            "count": len(self.vectors)}

    # --- texts, which the model reads ---

    def put_texts(self):
        documents = {id: self.text(id) for id in self.some(self.random.choice([1, 4]))}
        self.put(TEXTS, documents)
        self.texts.update(documents)

    def delete_texts(self):
        some = self.some(6)
        deleted = succeed(self.client.post(f"{TEXTS}/documents/delete", {"ids": some}))
        assert deleted == {"deleted": len(set(some) & set(self.texts))}
        for id in some:
            self.texts.pop(id, None)

    def search_texts(self):
        id, text = self.random.choice(list(self.texts.items()) or [("", PHRASES[0])])
        hits = succeed(self.client.post(f"{TEXTS}/search", {"query": text, "top_k": 5, "filter": self.own}))["results"]
        assert len(hits) == min(5, len(self.texts))
        assert all(self.texts[hit["id"]] == hit["text"] for hit in hits)
        assert not self.texts or (id in [hit["id"] for hit in hits] and abs(hits[0]["score"] - 1) < 1e-3), hits

    def embeddings(self):
        phrases = self.random.sample(PHRASES, self.random.choice([1, 5, 20]))
        vectors = embed(self.client, [*phrases, self.text("")])
        assert vectors[:-1] == [self.common.embedded[phrase] for phrase in phrases]

    def similarity(self):
        a, b = self.random.sample(PHRASES, 2)
        similar = succeed(self.client.post("/v1/similarity", {"source": a, "texts": [b]}))["similarities"]
        a, b = numpy.array(self.common.embedded[a]), numpy.array(self.common.embedded[b])
        assert abs(similar[0] - a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b)) < 1e-5

    def rerank(self):
        assert rerank(self.client) == self.common.ranked

    # --- what some do ---

    def collection(self):
        path = f"/v1/collections/own-{self.number}"
        made = {"dimension": DIMENSION, "fields": {"n": "integer"}} if self.random.random() < 0.7 else {}
        succeed(self.client.put(path, made), 201)
        texts = [self.text("") for _ in range(20)]
        succeed(self.client.post(f"{path}/documents", {"documents": [
            {"text": text, **({"vector": list(vector_of(text))} if made else {})} for text in texts]}))
        query = {"vector": list(vector_of(texts[3]))} if made else {"query": texts[3]}
        assert succeed(self.client.post(f"{path}/search", query))["results"][0]["text"] == texts[3]
        succeed(self.client.delete(path))
        assert self.client.get(path).status == 404
        self.common.refuse()

    def job(self):
        """Its result is the same each time. Another client may be given the same job, and forget it."""
        options = self.random.choice(JOBS)
        result, path = run_job(self.client, options)
        assert result is None or result == self.common.jobs[json.dumps(options)], options
        if result is None or self.client.delete(path).status == 404:
            self.common.refuse()

    def backup(self):
        path = self.common.daemon.folder / "backup.sqlite3"
        succeed(self.client.post("/v1/backup", {"path": str(path)}))
        with sqlite3.connect(path) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert copy.execute("SELECT documents FROM collections WHERE name = 'still'").fetchall() == [(300,)]
        copy.close()
        path.unlink()

    def check(self):
        checked = succeed(self.client.post("/v1/check", {}))
        assert checked["ok"] is True and checked["problems"] == [], checked

    # --- what is wrong ---

    def bad(self):
        method, path, body, status = self.random.choice(BAD)
        answer = self.client.request(method, path, body)
        assert answer.status == status and answer.error["message"], answer
        self.common.refuse()

    def cut(self):
        """A request of which half comes, or which is no HTTP at all."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as raw:
            raw.settimeout(60)
            raw.connect(str(self.common.daemon.socket))
            if self.random.random() < 0.3:
                raw.sendall(b"\1\xff what is this\r\n\r\n")
                assert raw.recv(4096).startswith(b"HTTP/1.1 400")
            else:
                raw.sendall(f"POST {VECTORS}/documents HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"
                            '{"documents": [{"id": "bad", "text": "'.encode())
        with self.common.lock:
            self.common.cut += 1

    def reconnect(self):
        self.client.close()
        self.client = self.common.daemon.client()
