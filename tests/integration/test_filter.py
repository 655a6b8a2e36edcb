"""Filters on metadata through the real daemon and programs: searches, lists, counts and deletes that
see only what matches, against the same conditions in Python."""

import json
import random
import subprocess

import numpy
import pytest

from conftest import BIN, DEADLINE, Daemon, escaped, wait_until

DIMENSION = 8
FIELDS = {"year": "integer", "lang": "text", "price": "real", "new": "boolean", "tags": "text"}


def documents(count, chance):
    return [{"id": f"d{i:04}", "text": f"text {i}",
             "vector": [chance.uniform(-1, 1) for _ in range(DIMENSION)],
             "metadata": {"year": 2000 + i % 25, "lang": chance.choice(["en", "de", "fr"]),
                          "price": i / 10, "new": i % 3 == 0,
                          "tags": chance.sample(["a", "ab", "b"], chance.randrange(3))}}
            for i in range(count)]


FILTERS = [
    ("year >= 2020", lambda m: m["year"] >= 2020),
    ("year = 2003 or lang = 'fr'", lambda m: m["year"] == 2003 or m["lang"] == "fr"),
    ("lang in ('de', 'fr') and not new = true", lambda m: m["lang"] != "en" and not m["new"]),
    ("tags ^= 'a' and price < 12.5", lambda m: any(t.startswith("a") for t in m["tags"]) and m["price"] < 12.5),
    ("not tags exists", lambda m: not m["tags"]),
    ("lang != 'en' and year > 2010 and year <= 2011", lambda m: m["lang"] != "en" and m["year"] == 2011),
    ("year = 1", lambda m: False),
]


@pytest.fixture
def filled(daemon, client):
    """A collection with client vectors and declared fields; its documents by id."""
    path = "/v1/collections/filtered"
    client.delete(path)
    assert client.put(path, {"dimension": DIMENSION, "fields": FIELDS}).status == 201
    made = documents(600, random.Random(3))
    assert client.post(f"{path}/documents", {"documents": made}).status == 200
    return path, {d["id"]: d for d in made}


def parsed(expression):
    """The JSON of an expression, as sbert-query makes it, by way of what the daemon is asked."""
    tokens = {
        "year >= 2020": {"key": "year", "range": {"gte": 2020}},
        "year = 2003 or lang = 'fr'": {"should": [{"key": "year", "match": {"value": 2003}},
                                                  {"key": "lang", "match": {"value": "fr"}}]},
        "lang in ('de', 'fr') and not new = true": {
            "must": [{"key": "lang", "match": {"any": ["de", "fr"]}}],
            "must_not": [{"key": "new", "match": {"value": True}}]},
        "tags ^= 'a' and price < 12.5": {"must": [{"key": "tags", "match": {"prefix": "a"}},
                                                  {"key": "price", "range": {"lt": 12.5}}]},
        "not tags exists": {"key": "tags", "exists": False},
        "lang != 'en' and year > 2010 and year <= 2011": {
            "must": [{"key": "lang", "match": {"except": ["en"]}},
                     {"key": "year", "range": {"gt": 2010, "lte": 2011}}]},
        "year = 1": {"must": {"key": "year", "match": {"value": 1}}},
    }
    return tokens[expression]


def expected(made, matches, query, top_k):
    ids = [id for id, d in made.items() if matches(d["metadata"])]
    vectors = numpy.array([made[id]["vector"] for id in ids]).reshape(-1, DIMENSION)
    query = numpy.array(query)
    cosines = vectors @ query / (numpy.linalg.norm(vectors, axis=1) * numpy.linalg.norm(query))
    return [ids[i] for i in numpy.argsort(-cosines)[:top_k]]


@pytest.mark.parametrize("expression,matches", FILTERS)
def test_a_search_sees_only_what_matches(client, filled, expression, matches):
    path, made = filled
    query = [0.5, -0.25, 0.1, 1, 0, 0.3, -0.7, 0.2]
    for _ in range(2):  # the second one is answered from the cache
        for exact in (False, True):
            hits = client.post(f"{path}/search", {"vector": query, "top_k": 10, "exact": exact,
                                                  "filter": parsed(expression)}).json["results"]
            assert [hit["id"] for hit in hits] == expected(made, matches, query, 10)


@pytest.mark.parametrize("expression,matches", FILTERS)
def test_lists_and_counts_see_only_what_matches(daemon, client, filled, expression, matches):
    path, made = filled
    ids = sorted(id for id, d in made.items() if matches(d["metadata"]))
    body = {"filter": parsed(expression)}
    assert client.post(f"{path}/documents/count", body).json == {"count": len(ids)}
    listed, after = [], ""
    while after is not None:
        page = client.get(f"{path}/documents?limit=70&after={after}"
                          f"&filter={escaped(json.dumps(body['filter']))}").json
        listed += [document["id"] for document in page["documents"]]
        after = page["next"]
    assert listed == ids
    out = index(daemon, "list", "--json", "--filter", expression)
    assert [json.loads(line)["id"] for line in out.stdout.splitlines()] == ids
    assert out.returncode == (0 if ids else 1)


def index(daemon, command, *arguments, stdin=subprocess.DEVNULL):
    return subprocess.run([BIN / "sbert-index", command, f"--socket={daemon.socket}", "-c", "filtered",
                           *arguments], capture_output=True, text=True, timeout=DEADLINE, stdin=stdin)


def test_a_search_sees_every_change_that_was_acknowledged(client, filled):
    path, made = filled
    body = {"vector": [1] * DIMENSION, "top_k": 1000, "filter": parsed("year = 2003 or lang = 'fr'")}

    def found():
        return {hit["id"] for hit in client.post(f"{path}/search", body).json["results"]}

    matches = FILTERS[1][1]
    for id in ("d0000", "d0003", "d0100"):
        document = dict(made[id])
        for year in (2003, 1999):  # only the metadata changes
            document["metadata"] = {"year": year, "lang": "en"}
            assert client.post(f"{path}/documents", {"documents": [document]}).json["replaced"] == 1
            made[id] = {**document, "metadata": {**document["metadata"], "new": 0, "tags": [], "price": 0}}
            assert found() == {i for i, d in made.items() if matches(d["metadata"])}
    assert client.delete(f"{path}/documents/d0003").status == 200
    del made["d0003"]
    assert found() == {i for i, d in made.items() if matches(d["metadata"])}


def test_deletes_by_filter_say_how_many_and_ask(daemon, client, filled):
    path, made = filled
    condition = "year >= 2020"
    count = sum(d["metadata"]["year"] >= 2020 for d in made.values())
    refused = index(daemon, "delete", "--filter", condition)
    assert refused.returncode == 2 and f"{count} documents" in refused.stderr and "--yes" in refused.stderr
    assert client.get(path).json["documents"] == len(made)
    done = index(daemon, "delete", "--filter", condition, "--yes")
    assert (done.returncode, done.stdout) == (0, f"removed {count}\n"), done
    assert client.get(path).json["documents"] == len(made) - count
    assert index(daemon, "delete", "--filter", condition).returncode == 1
    assert client.post(f"{path}/documents/delete", {"filter": parsed("not tags exists")}).json["deleted"] > 0
    body = {"vector": [1] * DIMENSION, "top_k": 1000}
    for hit in client.post(f"{path}/search", body).json["results"]:
        assert hit["metadata"]["year"] < 2020 and hit["metadata"]["tags"]


def test_what_a_filter_cannot_ask_is_refused_with_the_cure(daemon, client, filled):
    path, _ = filled
    for condition, part in [
        ({"key": "month", "match": {"value": 1}}, 'no field "month"'),
        ({"key": "month", "match": {"value": 1}}, "sbert-index fields add month:"),
        ({"key": "year", "match": {"value": "2020"}}, "year has the type integer, and is compared with a text"),
        ({"key": "year", "match": {"prefix": "2"}}, "only texts have a prefix"),
        ({"key": "year"}, "give exactly one of match, range and exists"),
        ({"key": "year", "match": {"value": 1, "any": [1]}}, "give exactly one of value"),
        ({"key": "year", "match": {"any": []}}, "filter.match.any: is an empty list"),
        ({"key": "year", "range": {}}, "give one of gt"),
        ({"key": "year", "range": {"gt": 1, "gte": 1}}, "give one of gte and gt"),
        ({"must": [{"key": "year", "range": {"gt": [1]}}]}, "filter.must[0].range.gt: must be a string"),
        ({"must": 3}, "filter.must: must be an object"),
        ({"musst": []}, "filter.musst: unknown field"),
    ]:
        answer = client.post(f"{path}/search", {"vector": [1] * DIMENSION, "filter": condition})
        assert answer.status == 400 and part in answer.error["message"], answer
    deep = {"key": "year", "exists": True}
    for _ in range(20):
        deep = {"must": [deep]}
    assert client.post(f"{path}/documents/count", {"filter": deep}).status == 413
    wide = {"key": "year", "match": {"any": list(range(10001))}}
    assert client.post(f"{path}/documents/count", {"filter": wide}).status == 413
    wrong = subprocess.run([BIN / "sbert-query", f"--socket={daemon.socket}", "--filter", "year >", "x"],
                           capture_output=True, text=True, timeout=DEADLINE)
    assert wrong.returncode == 2 and "the filter ends where a number" in wrong.stderr


def test_sbert_query_takes_a_filter(daemon, client, collection):
    assert client.post(f"{collection}/fields", {"fields": {"lang": "text"}}).json["fields"] == {
        "lang": {"type": "text", "ready": True}}
    assert client.post(f"{collection}/documents", {"documents": [
        {"id": "a", "text": "a cat", "metadata": {"lang": "en"}},
        {"id": "b", "text": "the cat", "metadata": {"lang": "de"}},
        {"id": "c", "text": "the cat sat"}]}).status == 200

    def ids(*arguments):
        done = subprocess.run([BIN / "sbert-query", f"--socket={daemon.socket}", "-c",
                               collection.rsplit("/", 1)[1], "--json", *arguments, "the cat"],
                              capture_output=True, text=True, timeout=DEADLINE)
        assert done.returncode in (0, 1), done.stderr
        return {hit["id"] for hit in json.loads(done.stdout)["results"]}

    assert ids("--filter", "lang = 'en'") == {"a"}
    assert ids("--filter", "lang != 'en'", "--exact") == {"b", "c"}
    assert ids("--filter", "lang = 'fr'") == set()


def test_fields_of_a_collection_that_is_there_are_filled_in_the_background(folder):
    daemon = Daemon(folder)
    try:
        client = daemon.client()
        assert client.put("/v1/collections/filtered", {"dimension": DIMENSION}).status == 201
        made = documents(3000, random.Random(5))
        assert client.post("/v1/collections/filtered/documents", {"documents": made}).status == 200
        done = index(daemon, "fields", "add", "year:integer", "lang:text")
        assert (done.returncode, done.stdout) == (0, "lang\ttext\nyear\tinteger\n"), done
        assert index(daemon, "fields", "add", "year:text").returncode == 2  # it is there with another type
        assert index(daemon, "fields", "add", "year:number").returncode == 2
        body = {"filter": parsed("year >= 2020")}
        count = sum(d["metadata"]["year"] >= 2020 for d in made)
        assert client.post("/v1/collections/filtered/documents/count", body).json == {"count": count}

        # one that is cut short goes on after the next start
        assert client.post("/v1/collections/filtered/fields", {"fields": {"price": "real"}}).status == 200
        daemon.kill()
        daemon = Daemon(folder)
        client = daemon.client()
        wait_until(lambda: all(f["ready"] for f in client.get("/v1/collections/filtered").json["fields"].values()))
        body = {"filter": {"key": "price", "range": {"lt": 10}}}
        assert client.post("/v1/collections/filtered/documents/count", body).json == {"count": 100}
        assert daemon.stop() == 0
    finally:
        daemon.kill()


def test_a_collection_is_made_with_fields(daemon, client):
    client.delete("/v1/collections/made")
    done = subprocess.run([BIN / "sbert-index", "create", "made", f"--socket={daemon.socket}",
                           "--field", "year:integer", "--field", "author.name:text"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    fields = client.get("/v1/collections/made").json["fields"]
    assert fields == {"author.name": {"type": "text", "ready": True}, "year": {"type": "integer", "ready": True}}

