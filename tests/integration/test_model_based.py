"""Random sequences of operations against a real daemon and a trivial model of it in memory.

The model is a dictionary; searches are brute force over it. Hypothesis makes the sequences and
shrinks one that fails to the shortest that still does. MODEL_EXAMPLES and MODEL_STEPS say how many,
and how long (make test-model: thousands of steps).
"""

import itertools
import json
import os
import pathlib
import shutil
import tempfile

import numpy
import pytest

from conftest import Daemon, escaped, wait_until

hypothesis = pytest.importorskip("hypothesis", reason="python3-hypothesis is not installed")
from hypothesis import HealthCheck, settings, strategies as st  # noqa: E402
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule  # noqa: E402

DIMENSION = 3
IDS = [f"id{i}" for i in range(12)] + ["ä/ö ü", "…"]
NAMES = ["a", "b"]
FIELDS = {"n": "integer", "tag": "text", "list": "text"}
numbers = itertools.count()

ids = st.sampled_from(IDS)
names = st.sampled_from(NAMES)
vectors = st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION).filter(any)
metadata = st.none() | st.fixed_dictionaries({}, optional={
    "n": st.integers(-3, 3) | st.text(max_size=1), "tag": st.sampled_from(["x", "xy", "z", ""]),
    "list": st.lists(st.sampled_from(["p", "q", "pq"]), max_size=3)})
sources = st.none() | st.sampled_from(["/f", "/g"])
documents = st.lists(st.tuples(ids, st.sampled_from(["t", "u", "long text"]), vectors, metadata, sources),
                     min_size=1, max_size=5)
conditions = st.one_of(
    st.builds(lambda v: {"key": "n", "range": {"gte": v}}, st.integers(-3, 3)),
    st.builds(lambda v: {"key": "n", "match": {"any": v}}, st.lists(st.integers(-3, 3), min_size=1, max_size=3)),
    st.builds(lambda v: {"key": "tag", "match": {"prefix": v}}, st.sampled_from(["x", "z", ""])),
    st.builds(lambda v: {"key": "list", "match": {"value": v}}, st.sampled_from(["p", "q"])),
    st.builds(lambda v: {"key": "list", "match": {"except": [v]}}, st.sampled_from(["p", "q"])),
    st.builds(lambda v: {"key": "tag", "exists": v}, st.booleans()))
filters = st.recursive(conditions, lambda inner: st.fixed_dictionaries({}, optional={
    "must": st.lists(inner, max_size=2), "should": st.lists(inner, min_size=1, max_size=2),
    "must_not": st.lists(inner, max_size=2)}), max_leaves=4)


def values(document, key):
    value = (document["metadata"] or {}).get(key)
    wanted = int if key == "n" else str
    return [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, wanted)]


def matches(document, filter):
    if "key" not in filter:
        return (all(matches(document, f) for f in filter.get("must", [])) and
                ("should" not in filter or any(matches(document, f) for f in filter["should"])) and
                not any(matches(document, f) for f in filter.get("must_not", [])))
    has = values(document, filter["key"])
    if "exists" in filter:
        return bool(has) == filter["exists"]
    if "range" in filter:
        return any(v >= filter["range"]["gte"] for v in has)
    kind, wanted = next(iter(filter["match"].items()))
    return any({"value": v == wanted, "any": kind == "any" and v in wanted,
                "except": kind == "except" and v not in wanted,
                "prefix": kind == "prefix" and v.startswith(wanted)}[kind] for v in has)


class Machine(RuleBasedStateMachine):
    daemon = None  # one for all sequences; each has collections of its own

    @classmethod
    def start(cls):
        if cls.daemon is None:
            cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="sbertd-"))
            cls.daemon = Daemon(cls.folder)

    @classmethod
    def end(cls):
        if cls.daemon is not None:
            cls.daemon.kill()
            shutil.rmtree(cls.folder)
            cls.daemon = None

    @initialize()
    def begin(self):
        self.start()
        self.client = self.daemon.client()
        self.prefix = f"m{next(numbers)}-"
        self.model = {}  # {name: {id: document}}

    def path(self, name):
        return f"/v1/collections/{self.prefix}{name}"

    def teardown(self):
        for name in getattr(self, "model", {}):
            self.client.delete(self.path(name))

    @rule(name=names)
    def create(self, name):
        answer = self.client.put(self.path(name), {"dimension": DIMENSION, "metric": "l2", "fields": FIELDS})
        assert answer.status == (200 if name in self.model else 201), answer
        self.model.setdefault(name, {})

    @rule(name=names)
    def drop(self, name):
        assert self.client.delete(self.path(name)).status == (200 if name in self.model else 404)
        self.model.pop(name, None)

    @rule(name=names, documents=documents)
    def add(self, name, documents):
        answer = self.client.post(f"{self.path(name)}/documents", {"documents": [
            {"id": id, "text": text, "vector": vector, **({"metadata": m} if m is not None else {}),
             **({"source": {"path": source}} if source else {})}
            for id, text, vector, m, source in documents]})
        if name not in self.model:
            assert answer.status == 404, answer
            return
        assert answer.status == 200, answer
        there, last = self.model[name], {d[0]: d for d in documents}
        added = sum(id not in there for id in last)
        for id, text, vector, m, source in documents:
            claims = there[id]["claims"] if id in there else set()
            there[id] = {"text": last[id][1], "vector": last[id][2], "metadata": last[id][3],
                         "claims": claims | {source}}
        assert answer.json["added"] == added and sum(
            answer.json[k] for k in ("added", "replaced", "unchanged")) == len(documents)

    @rule(name=names, some=st.lists(ids, min_size=1, max_size=4))
    def delete(self, name, some):
        answer = self.client.post(f"{self.path(name)}/documents/delete", {"ids": some})
        there = self.model.get(name)
        if there is None:
            assert answer.status == 404
            return
        assert answer.json == {"deleted": len(set(some) & set(there))}
        for id in some:
            there.pop(id, None)

    @rule(name=names, some=st.lists(ids, min_size=1, max_size=4), source=st.sampled_from(["/f", "/g"]))
    @precondition(lambda self: self.model)
    def delete_of_source(self, name, some, source):
        there = self.model.get(name)
        if there is None:
            return
        answer = self.client.post(f"{self.path(name)}/documents/delete", {"ids": some, "source": source})
        gone = [id for id in set(some) & set(there) if there[id]["claims"] == {source}]
        assert answer.json == {"deleted": len(gone)}, answer
        for id in set(some) & set(there):
            there[id]["claims"].discard(source)
        for id in gone:
            del there[id]

    @rule(name=names, filter=filters)
    @precondition(lambda self: self.model)
    def delete_by_filter(self, name, filter):
        there = self.model.get(name)
        if there is None:
            return
        gone = [id for id, document in there.items() if matches(document, filter)]
        answer = self.client.post(f"{self.path(name)}/documents/delete", {"filter": filter})
        assert answer.json == {"deleted": len(gone)}, answer
        for id in gone:
            del there[id]

    @rule(name=names, query=vectors, filter=st.none() | filters, top_k=st.integers(1, 20), exact=st.booleans())
    def search(self, name, query, filter, top_k, exact):
        body = {"vector": query, "top_k": top_k, "exact": exact, **({"filter": filter} if filter is not None else {})}
        answer = self.client.post(f"{self.path(name)}/search", body)
        there = self.model.get(name)
        if there is None:
            assert answer.status == 404
            return
        assert answer.status == 200, answer
        chosen = {id: d for id, d in there.items() if filter is None or matches(d, filter)}
        scores = {id: -float(numpy.linalg.norm(numpy.array(d["vector"]) - query)) for id, d in chosen.items()}
        hits = answer.json["results"]
        assert len(hits) == min(top_k, len(chosen))
        assert len({hit["id"] for hit in hits}) == len(hits)
        for hit, best in zip(hits, sorted(scores.values(), reverse=True)):
            assert abs(hit["score"] - best) < 0.05 and abs(scores[hit["id"]] - best) < 0.05
            assert hit["text"] == chosen[hit["id"]]["text"] and hit["metadata"] == chosen[hit["id"]]["metadata"]

    @rule(name=names, filter=filters, limit=st.integers(1, 5))
    @precondition(lambda self: self.model)
    def list_by_filter(self, name, filter, limit):
        if name not in self.model:
            return
        chosen = sorted((id for id, d in self.model[name].items() if matches(d, filter)), key=str.encode)
        listed, after = [], ""
        while after is not None:
            page = self.client.get(f"{self.path(name)}/documents?limit={limit}&after={escaped(after)}"
                                   f"&filter={escaped(json.dumps(filter))}").json
            listed += [d["id"] for d in page["documents"]]
            after = page["next"]
        assert listed == chosen
        assert self.client.post(f"{self.path(name)}/documents/count", {"filter": filter}).json == {"count": len(chosen)}

    @rule(how=st.sampled_from(["stop", "kill"]))
    def restart(self, how):
        getattr(self.daemon, how)()
        type(self).daemon = Daemon(self.folder)
        self.client = self.daemon.client()
        for name in self.model:
            wait_until(lambda: self.client.get(self.path(name)).json["ready"])

    @invariant()
    def documents_are_those_of_the_model(self):
        for name, there in getattr(self, "model", {}).items():
            listed = self.client.get(f"{self.path(name)}/documents?limit=1000").json["documents"]
            assert {d["id"]: (d["text"], d["metadata"]) for d in listed} == {
                id: (d["text"], d["metadata"]) for id, d in there.items()}
            shown = self.client.get(self.path(name)).json
            assert shown["documents"] == shown["passages"] == len(there)
            assert not shown["ready"] or shown["index"]["vectors"] == len(there)


Machine.TestCase.settings = settings(
    max_examples=int(os.environ.get("MODEL_EXAMPLES", 15)), stateful_step_count=int(os.environ.get("MODEL_STEPS", 30)),
    deadline=None, database=None, print_blob=True, derandomize="MODEL_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck))


class TestModel(Machine.TestCase):
    @classmethod
    def tearDownClass(cls):
        Machine.end()
