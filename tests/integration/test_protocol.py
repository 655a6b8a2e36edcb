"""Every route of the protocol, with good and with bad input, over a real socket."""

import base64
import concurrent.futures
import json
import math
import struct

import pytest

from conftest import DIMENSION, MODEL, ROOT, escaped


def unit(i):
    return [1.0 if j == i else 0.0 for j in range(DIMENSION)]


def packed(vector):
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def refused(answer, status, code, param=None):
    """The answer is an error of the one form."""
    assert answer.status == status, answer
    assert set(answer.json) == {"error"}
    error = answer.error
    assert set(error) <= {"code", "message", "param", "line"}
    assert error["code"] == code, answer
    assert error["message"]
    assert error.get("param") == param, answer
    assert answer.headers["Content-Type"] == "application/json"
    return error["message"]


# --- the service ---


def test_health_is_ok(client):
    answer = client.get("/health")
    status = client.get("/v1/status").json
    assert (answer.status, answer.json) == (200, {
        "status": "ok", "precision": status["precision"], "precision_reason": status["precision_reason"]})
    assert status["precision"] in ("f32", "bf16", "int8") and status["precision_reason"]


def test_status_says_what_runs(client, daemon):
    status = client.get("/v1/status").json
    assert status["pid"] == daemon.process.pid
    assert status["model"] == MODEL.name
    assert status["dimension"] == DIMENSION
    assert status["max_seq_length"] == 24
    assert len(status["fingerprint"]) == 64
    assert status["uptime_s"] > 0
    assert status["memory_bytes"] > 1_000_000
    assert status["socket"] == str(daemon.socket)
    assert status["requests"]["in_flight"] >= 1
    assert status["engine"]["store_bytes"] > 0


def test_openapi_lists_exactly_the_routes_of_the_protocol(client):
    document = client.get("/openapi.json").json
    listed = {(method.upper(), path) for path, methods in document["paths"].items()
              for method in methods if method != "parameters"}
    table = [line.split("|") for line in (ROOT / "docs/PROTOCOL.md").read_text().splitlines()
             if line.startswith(("| GET |", "| POST |", "| PUT |", "| DELETE |"))]
    assert listed == {(cells[1].strip(), cells[2].strip().strip("`")) for cells in table}
    assert document["openapi"].startswith("3.1")


def test_openapi_refers_only_to_what_it_defines(client):
    document = client.get("/openapi.json").json

    def check(value):
        if isinstance(value, dict):
            if "$ref" in value:
                target = document
                for part in value["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for member in value.values():
                check(member)
        elif isinstance(value, list):
            for member in value:
                check(member)

    check(document)


def test_every_documented_route_exists(client):
    paths = client.get("/openapi.json").json["paths"]
    for path, methods in paths.items():
        url = path.replace("{name}", "no-such").replace("{id}", "x")
        for method in methods:
            if method != "parameters":
                answer = client.request(method.upper(), url)
                assert answer.status != 405, (method, path)
                assert "no route" not in answer.body.decode(), (method, path)
                if method == "put":
                    client.delete(url)


def test_an_unknown_route_is_named(client):
    assert "/v1/nothing" in refused(client.get("/v1/nothing"), 404, "not_found")
    for path in ["/", "//", "/v1", "/v1/", "/v1/status/", "/v1/collections//documents", "/health/x"]:
        refused(client.get(path), 404, "not_found")


def test_a_wrong_method_is_told_the_right_ones(client):
    answer = client.delete("/v1/status")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
    answer = client.request("PATCH", "/v1/collections/a")
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "PUT, GET, HEAD, DELETE"


def test_head_is_get_without_the_body(client):
    head, get = client.request("HEAD", "/health"), client.get("/health")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_a_prompt_that_the_model_has_not_is_refused_by_name(client):
    request = {"input": "hello", "prompt_name": "clustering"}
    assert "no prompt clustering" in refused(client.post("/v1/embeddings", request), 400, "invalid")
    request = {"source": "hello", "texts": ["day"], "prompt_name": "clustering"}
    assert "no prompt clustering" in refused(client.post("/v1/similarity", request), 400, "invalid")


def test_a_whole_url_is_a_target_too(client):
    assert client.get("http://localhost/health").status == 200


# --- bodies ---


def test_broken_json_is_named_with_its_position(client):
    message = refused(client.post("/v1/embeddings", '{\n "input": "a",,}'), 400, "invalid")
    assert "line 2 column 15" in message


@pytest.mark.parametrize("body", [
    '[]', '"x"', '17', 'null', '{', '{"input": "a"} x', '{"input": "a", "input": "b"}', '\x00',
    '{"input": "\\ud800"}', b'{"input": "\xff\xfe"}', b'{"input": "\xc0\xaf"}', '[' * 100_000,
    '{"a":' * 100_000, '{"input": 1e999}', "\ufeff{}"])
def test_what_is_no_json_object_is_refused(client, body):
    answer = client.post("/v1/embeddings", body, Content_Type="application/json")
    refused(answer, 400, "invalid")


def test_an_unknown_field_is_refused_by_name(client, collection):
    for path, body, param in [
        ("/v1/embeddings", {"input": "a", "inputs": "b"}, "inputs"),
        ("/v1/similarity", {"source": "a", "texts": ["b"], "x": 1}, "x"),
        (f"{collection}/search", {"query": "a", "k": 3}, "k"),
        (f"{collection}/documents", {"documents": [{"text": "a"}], "upsert": True}, "upsert"),
        (f"{collection}/documents", {"documents": [{"text": "a", "body": "b"}]}, "documents[0].body"),
        (f"{collection}/documents", {"documents": [{"text": "a", "source": {"path": "p", "col": 1}}]},
         "documents[0].source.col"),
        (f"{collection}/documents/delete", {"ids": ["a"], "force": 1}, "force"),
    ]:
        message = refused(client.post(path, body), 400, "invalid", param)
        assert "unknown field" in message
    refused(client.put("/v1/collections/unknown-field", {"dim": 3}), 400, "invalid", "dim")


def test_null_is_as_good_as_leaving_out(client, collection):
    assert client.post(f"{collection}/search", {"query": "a", "top_k": None, "filter": None}).status == 200


def test_other_content_types_are_refused(client, collection):
    body = json.dumps({"query": "a"})
    for kind in ["text/plain", "application/xml", "application/x-ndjson", "application/jsonx"]:
        answer = client.post(f"{collection}/search", body, Content_Type=kind)
        refused(answer, 415, "unsupported_media_type", "Content-Type")
    answer = client.post(f"{collection}/search", body, Content_Encoding="gzip")
    refused(answer, 415, "unsupported_media_type", "Content-Encoding")
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/x-www-form-urlencoded"]:
        assert client.post(f"{collection}/search", body, Content_Type=kind).status == 200


def test_a_body_where_none_belongs_is_refused(client):
    refused(client.request("GET", "/health", b"{}"), 400, "invalid")


def test_a_body_over_the_limit_is_refused(client):
    body = b'{"input": "' + b"a" * (33 << 20) + b'"}'
    assert "33554432" in refused(client.post("/v1/embeddings", body), 413, "limit")
    assert client.get("/health").status == 200


def test_a_chunked_body_over_the_limit_is_refused(client):
    pieces = iter([b"a" * (1 << 20)] * 33)
    refused(client.post("/v1/embeddings", pieces), 413, "limit")


def test_a_chunked_body_is_as_good_as_any(client):
    answer = client.post("/v1/embeddings", iter([b'{"inp', b'ut": ', b'"hello"}']))
    assert answer.status == 200


# --- embeddings and similarity ---


def test_embeddings_come_as_openai_has_them(client):
    answer = client.post("/v1/embeddings", {"input": ["hello", "good day"], "model": MODEL.name, "user": "me"})
    assert answer.status == 200, answer
    body = answer.json
    assert body["object"] == "list" and body["model"] == MODEL.name
    assert [data["index"] for data in body["data"]] == [0, 1]
    assert all(data["object"] == "embedding" for data in body["data"])
    vector = body["data"][0]["embedding"]
    assert len(vector) == DIMENSION
    assert math.isclose(math.fsum(x * x for x in vector), 1, abs_tol=1e-5)
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 4


def test_base64_holds_the_same_vectors(client):
    request = {"input": "hello"}
    floats = client.post("/v1/embeddings", request).json["data"][0]["embedding"]
    coded = client.post("/v1/embeddings", {**request, "encoding_format": "base64"}).json["data"][0]["embedding"]
    numbers = struct.unpack(f"<{DIMENSION}f", base64.b64decode(coded))
    assert list(numbers) == [struct.unpack("<f", struct.pack("<f", x))[0] for x in floats]


def test_a_text_has_one_vector_whatever_it_comes_with(client):
    texts = [f"text {i} " * (i % 7 + 1) for i in range(300)]
    together = client.post("/v1/embeddings", {"input": texts}).json["data"]
    for i in [0, 150, 299]:
        assert client.post("/v1/embeddings", {"input": texts[i]}).json["data"][0]["embedding"] == \
            together[i]["embedding"]


def test_bad_embeddings_requests_are_refused(client):
    for body, status, code, param in [
        ({}, 400, "invalid", "input"),
        ({"input": []}, 400, "invalid", "input"),
        ({"input": 7}, 400, "invalid", "input"),
        ({"input": ["a", 7]}, 400, "invalid", "input[1]"),
        ({"input": [1, 2, 3]}, 422, "unsupported", "input"),
        ({"input": [[1, 2], [3]]}, 422, "unsupported", "input"),
        ({"input": ["a"] * 2049}, 413, "limit", "input"),
        ({"input": "a", "encoding_format": "hex"}, 400, "invalid", "encoding_format"),
        ({"input": "a", "dimensions": 8}, 422, "unsupported", "dimensions"),
        ({"input": "a", "dimensions": 0}, 400, "invalid", "dimensions"),
        ({"input": "a" * ((16 << 20) + 1)}, 413, "limit", "input"),
    ]:
        refused(client.post("/v1/embeddings", body), status, code, param)
    assert client.post("/v1/embeddings", {"input": "a", "dimensions": DIMENSION}).status == 200
    assert client.post("/v1/embeddings", {"input": "a", "model": "other"}).status == 404


def test_similarities_are_cosines(client):
    texts = ["good day", "hello", "a cat"]
    vectors = [data["embedding"] for data in client.post("/v1/embeddings", {"input": texts}).json["data"]]
    similarities = client.post("/v1/similarity", {"source": texts[0], "texts": texts}).json["similarities"]
    for vector, similarity in zip(vectors, similarities):
        assert math.isclose(similarity, math.fsum(a * b for a, b in zip(vectors[0], vector)), abs_tol=1e-5)
    refused(client.post("/v1/similarity", {"texts": ["a"]}), 400, "invalid", "source")
    refused(client.post("/v1/similarity", {"source": "a"}), 400, "invalid", "texts")


# --- collections ---


def test_a_collection_is_made_shown_and_deleted(client):
    path = "/v1/collections/Notes-1.x_y"
    made = client.put(path, {"metric": "dot", "index": "flat"})
    assert made.status == 201, made
    assert (made.json["name"], made.json["model"]) == ("Notes-1.x_y", MODEL.name)
    assert (made.json["metric"], made.json["dimension"]) == ("dot", DIMENSION)
    assert made.json["index"]["setting"] == "flat"
    assert client.put(path, {"metric": "dot"}).status == 200
    refused(client.put(path, {"metric": "l2"}), 409, "conflict")
    assert client.get(path).json == made.json
    assert made.json in client.get("/v1/collections").json["collections"]
    assert client.delete(path).json == {"deleted": True}
    refused(client.get(path), 404, "not_found")
    refused(client.delete(path), 404, "not_found")


def test_bad_collections_are_refused(client):
    for name in ["a%20b", "a" * 65, "..", "%00", "%zz", "a%2Fb", "%ff", "%c3%a9"]:
        refused(client.put(f"/v1/collections/{name}", {}), 400, "invalid", "name")
    for body, status, code, param in [
        ({"metric": "hamming"}, 400, "invalid", "metric"),
        ({"index": 7}, 400, "invalid", "index"),
        ({"dimension": 0}, 400, "invalid", "dimension"),
        ({"dimension": 1.5}, 400, "invalid", "dimension"),
        ({"fields": {"a": "int"}}, 400, "invalid", "fields.a"),
    ]:
        refused(client.put("/v1/collections/bad", body), status, code, param)
    assert client.put("/v1/collections/bad", {"model": "nobody"}).status == 404


def test_a_collection_without_a_model_takes_vectors(client):
    path = "/v1/collections/vectors"
    made = client.put(path, {"dimension": 4, "metric": "l2"})
    assert made.status == 201 and made.json["model"] is None and made.json["dimension"] == 4
    answer = client.post(f"{path}/documents", {"documents": [
        {"id": "x", "text": "x", "vector": [1, 0, 0, 0]}, {"id": "y", "text": "y", "vector": packed([0, 1, 0, 0])}]})
    assert answer.json["added"] == 2, answer
    for vector in [[0, 0.9, 0, 0], packed([0, 0.9, 0, 0])]:
        hits = client.post(f"{path}/search", {"vector": vector}).json["results"]
        assert [hit["id"] for hit in hits] == ["y", "x"]
    assert math.isclose(hits[0]["score"], -0.1, abs_tol=1e-6)
    assert client.post(f"{path}/search", {"query": "x"}).status in (400, 409)
    assert client.post(f"{path}/documents", {"documents": [{"text": "no vector"}]}).status == 400
    for vector, param in [([1, 2], None), ([], "vector"), (["a"], "vector[0]"), ("AAA=", "vector"),
                          ("AAAA", "vector"), ("####", "vector"), ("AADAfw==", "vector"), (7, "vector"),
                          ([1e39, 0, 0, 0], "vector[0]")]:
        answer = client.post(f"{path}/search", {"vector": vector})
        refused(answer, 400, "invalid", param)
    client.delete(path)


# --- documents ---


def test_documents_are_added_replaced_and_left_alone(client, collection):
    path = f"{collection}/documents"
    first = client.post(path, {"documents": [{"id": "a", "text": "one"}, {"text": "two"}, {"text": "two"}]})
    assert first.status == 200, first
    counts = first.json
    assert counts["ids"][0] == "a" and counts["ids"][1] == counts["ids"][2]
    assert counts["added"] + counts["replaced"] + counts["unchanged"] == 3
    assert client.get(collection).json["documents"] == 2
    again = client.post(path, {"documents": [{"id": "a", "text": "one"}]}).json
    assert (again["added"], again["replaced"], again["unchanged"]) == (0, 0, 1)
    other = client.post(path, {"documents": [{"id": "a", "text": "one!"}]}).json
    assert (other["added"], other["replaced"], other["unchanged"]) == (0, 1, 0)
    noted = client.post(path, {"documents": [{"id": "a", "text": "one!", "metadata": {"n": 1}}]}).json
    assert noted["replaced"] == 1
    assert client.get(f"{path}/a").json["metadata"] == {"n": 1}


def test_metadata_comes_back_as_it_went_in(client, collection):
    metadata = {"z": [1, 2.5, 1e300, 0.1, -0.0, True, None, "x"], "ä\n\"": {"deep": {"er": []}},
                "big": 9223372036854775807, "real": 1.0}
    client.post(f"{collection}/documents", {"documents": [{"id": "m", "text": "t", "metadata": metadata}]})
    stored = client.get(f"{collection}/documents/m").json["metadata"]
    assert stored == metadata
    assert isinstance(stored["real"], float)


@pytest.mark.parametrize("id", ["a/b", "a b", "ünï", "%", "a?b=c&d#e", "delete", "..", "\n", "x" * 512, "日本"])
def test_any_id_can_be_fetched_and_deleted(client, collection, id):
    path = f"{collection}/documents"
    assert client.post(path, {"documents": [{"id": id, "text": "text of it"}]}).json["ids"] == [id]
    assert client.get(f"{path}/{escaped(id)}").json["id"] == id
    assert client.get(f"{path}?after=&limit=1").json["documents"][0]["id"] == id
    assert client.delete(f"{path}/{escaped(id)}").json == {"deleted": True}
    refused(client.get(f"{path}/{escaped(id)}"), 404, "not_found", None)
    refused(client.delete(f"{path}/{escaped(id)}"), 404, "not_found", "id")


def test_any_text_comes_back_as_it_went_in(client, collection):
    path = f"{collection}/documents"
    for id, text in [("nul", "a\0b"), ("controls", "\x01\x1f\x7f\t\r\n\b\f\"\\/"), ("astral", "😀𝔘 e\u0301"),
                     ("separators", "\u2028\u2029\ufeff")]:
        assert client.post(path, {"documents": [{"id": id, "text": text}]}).status == 200
        assert client.get(f"{path}/{id}").json["text"] == text
        hit = client.post(f"{collection}/search", {"query": text, "top_k": 1}).json["results"][0]
        assert hit["text"].encode()[hit["passage"]["start"]:hit["passage"]["end"]]


def test_an_add_is_all_or_nothing(client, collection):
    answer = client.post(f"{collection}/documents", {"documents": [{"text": "fine"}, {"text": 7}]})
    refused(answer, 400, "invalid", "documents[1].text")
    assert client.get(collection).json["documents"] == 0


@pytest.mark.parametrize("document, status, param", [
    ({}, 400, "documents[0].text"),
    ([], 400, "documents[0]"),
    ({"text": None}, 400, "documents[0].text"),
    ({"text": "a", "id": ""}, 400, "documents[0].id"),
    ({"text": "a", "id": 7}, 400, "documents[0].id"),
    ({"text": "a", "id": "x" * 513}, 413, "documents[0].id"),
    ({"text": "a", "id": "x\0y"}, 400, "documents[0].id"),
    ({"text": "a", "metadata": []}, 400, "documents[0].metadata"),
    ({"text": "a", "metadata": {"x": "y" * (1 << 20)}}, 413, "documents[0].metadata"),
    ({"text": "a", "vector": []}, 400, "documents[0].vector"),
    ({"text": "a", "vector": [1, None]}, 400, "documents[0].vector[1]"),
    ({"text": "a", "source": "p"}, 400, "documents[0].source"),
    ({"text": "a", "source": {}}, 400, "documents[0].source.path"),
    ({"text": "a", "source": {"path": "p", "line": 0}}, 400, "documents[0].source.line"),
    ({"text": "a", "source": {"path": "p", "byte_start": 9, "byte_end": 3}}, 400, "documents[0].source.byte_end"),
    ({"text": "a", "source": {"path": "p", "byte_start": 9}}, 400, "documents[0].source.byte_end"),
])
def test_bad_documents_are_refused(client, collection, document, status, param):
    answer = client.post(f"{collection}/documents", {"documents": [document]})
    refused(answer, status, "limit" if status == 413 else "invalid", param)


def test_a_vector_of_the_wrong_length_is_refused(client, collection):
    answer = client.post(f"{collection}/documents", {"documents": [{"text": "a", "vector": [1, 2]}]})
    assert answer.status == 400 and answer.error["code"] == "invalid"


def test_too_many_documents_are_refused(client, collection):
    answer = client.post(f"{collection}/documents", {"documents": [{"text": "a"}] * 10001})
    refused(answer, 413, "limit", "documents")
    refused(client.post(f"{collection}/documents", {"documents": []}), 400, "invalid", "documents")


def test_sources_are_kept_listed_and_dropped(client, collection):
    path = f"{collection}/documents"
    source = {"path": "dir/file one.txt", "line": 3, "byte_start": 10, "byte_end": 20}
    client.post(path, {"documents": [{"id": "a", "text": "one", "source": source},
                                     {"id": "b", "text": "two", "source": {"path": "other"}},
                                     {"id": "c", "text": "three"}]})
    assert client.get(f"{path}/a").json["source"] == source
    assert client.get(f"{path}/b").json["source"] == {"path": "other"}
    assert "source" not in client.get(f"{path}/c").json
    listed = client.get(f"{path}?source={escaped(source['path'])}").json
    assert [document["id"] for document in listed["documents"]] == ["a"] and listed["next"] is None
    hit = client.post(f"{collection}/search", {"query": "one", "top_k": 1}).json["results"][0]
    assert (hit["id"], hit["source"]) == ("a", source)
    client.post(path, {"documents": [{"id": "a", "text": "one", "source": {"path": "other"}}]})
    dropped = client.post(f"{path}/delete", {"ids": ["a", "b"], "source": "other"}).json
    assert dropped == {"deleted": 1}
    assert [document["id"] for document in client.get(path).json["documents"]] == ["a", "c"]


def test_a_long_list_comes_in_pages(client, collection):
    path = f"{collection}/documents"
    ids = sorted(f"id {i}" for i in range(25))
    client.post(path, {"documents": [{"id": id, "text": id} for id in ids]})
    seen, after = [], ""
    while after is not None:
        page = client.get(f"{path}?limit=10&after={escaped(after)}").json
        seen += [document["id"] for document in page["documents"]]
        after = page["next"]
    assert seen == ids
    for query, param in [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit"), ("limit=-1", "limit"),
                         ("limit=1&limit=2", "limit"), ("offset=3", "offset"), ("after=%zz", "after"),
                         ("after=%00", "after")]:
        refused(client.get(f"{path}?{query}"), 400, "invalid", param)


def test_many_documents_are_deleted_at_once(client, collection):
    path = f"{collection}/documents"
    client.post(path, {"documents": [{"id": str(i), "text": f"text {i}"} for i in range(10)]})
    assert client.post(f"{path}/delete", {"ids": ["1", "2", "nobody", "2"]}).json == {"deleted": 2}
    assert client.get(collection).json["documents"] == 8
    assert not {"1", "2"} & {hit["id"] for hit in client.post(f"{collection}/search", {"query": "text 1"}).json["results"]}
    for body, param in [({}, "ids"), ({"ids": []}, "ids"), ({"ids": [1]}, "ids[0]"), ({"ids": "a"}, "ids"),
                        ({"ids": ["a"], "source": ""}, "source")]:
        refused(client.post(f"{path}/delete", body), 400, "invalid", param)


def test_a_collection_that_is_not_there_is_404(client):
    path = "/v1/collections/nowhere"
    for answer in [client.post(f"{path}/documents", {"documents": [{"text": "a"}]}),
                   client.post(f"{path}/search", {"query": "a"}), client.get(f"{path}/documents"),
                   client.get(f"{path}/documents/a"), client.post(f"{path}/documents/delete", {"ids": ["a"]})]:
        refused(answer, 404, "not_found")


def test_the_default_collection_makes_itself(client):
    assert client.post("/v1/collections/default/documents", {"documents": [{"text": "hello"}]}).json["added"] == 1
    assert client.post("/v1/collections/default/search", {"query": "hello"}).json["results"][0]["text"] == "hello"


# --- search ---


def test_a_search_ranks_by_score(client, collection):
    client.post(f"{collection}/documents", {"documents": [{"id": t, "text": t} for t in ["good day", "hello", "a cat"]]})
    answer = client.post(f"{collection}/search", {"query": "hello"}).json
    assert answer["took_ms"] > 0
    results = answer["results"]
    assert results[0]["id"] == "hello" and math.isclose(results[0]["score"], 1, abs_tol=1e-5)
    assert [r["score"] for r in results] == sorted((r["score"] for r in results), reverse=True)
    assert results[0]["passage"] == {"start": 0, "end": 5} and results[0]["metadata"] is None
    assert client.post(f"{collection}/search", {"query": "hello", "top_k": 1}).json["results"] == results[:1]
    assert client.post(f"{collection}/search", {"query": "hello", "min_score": 0.9999}).json["results"] == results[:1]
    assert client.post(f"{collection}/search", {"query": "hello", "min_score": 1.1}).json["results"] == []
    lists = client.post(f"{collection}/search", {"queries": ["hello", "a cat"], "top_k": 1}).json["results"]
    assert [[hit["id"] for hit in hits] for hits in lists] == [["hello"], ["a cat"]]
    vector = client.post("/v1/embeddings", {"input": "hello"}).json["data"][0]["embedding"]
    assert client.post(f"{collection}/search", {"vector": vector}).json["results"][0]["id"] == "hello"


def test_a_search_finds_the_passage_of_a_long_text(client, collection):
    sentences = [f"Sentence {i} tells about the number {i} and the cat." for i in range(40)]
    text = " ".join(sentences)
    added = client.post(f"{collection}/documents", {"documents": [{"id": "long", "text": text}]}).json
    assert added["truncated"] == 0
    assert client.get(f"{collection}/documents/long").json["passages"] > 5
    results = client.post(f"{collection}/search", {"query": sentences[25]}).json["results"]
    assert [hit["id"] for hit in results] == ["long"]
    passage = text.encode()[results[0]["passage"]["start"]:results[0]["passage"]["end"]].decode()
    assert passage in text and 0 < len(passage) < len(text)


def test_an_empty_collection_answers_with_nothing(client, collection):
    assert client.post(f"{collection}/search", {"query": "a"}).json["results"] == []


def test_bad_searches_are_refused(client, collection):
    for body, status, code, param in [
        ({}, 400, "invalid", "query"),
        ({"query": "a", "vector": [1.0]}, 400, "invalid", "query"),
        ({"query": 7}, 400, "invalid", "query"),
        ({"queries": []}, 400, "invalid", "queries"),
        ({"queries": ["a", None]}, 400, "invalid", "queries[1]"),
        ({"queries": ["a"] * 257}, 413, "limit", "queries"),
        ({"query": "a", "top_k": 0}, 400, "invalid", "top_k"),
        ({"query": "a", "top_k": 1001}, 400, "invalid", "top_k"),
        ({"query": "a", "top_k": "many"}, 400, "invalid", "top_k"),
        ({"query": "a", "min_score": "high"}, 400, "invalid", "min_score"),
        ({"query": "a", "rerank": {}}, 400, "invalid", "rerank.model"),
        ({"query": "a", "rerank": "model"}, 400, "invalid", "rerank"),
        ({"query": "a", "rerank": {"model": "m", "candidates": 1001}}, 400, "invalid", "rerank.candidates"),
        ({"vector": [1.0], "rerank": {"model": "m"}}, 400, "invalid", "rerank"),
        ({"query": "a", "filter": {"key": "year"}}, 400, "invalid", "filter"),
        ({"query": "a", "exact": 1}, 400, "invalid", "exact"),
    ]:
        refused(client.post(f"{collection}/search", body), status, code, param)


# --- NDJSON ---


def ndjson(client, collection, lines):
    body = lines if hasattr(lines, "__next__") else "".join(
        (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return client.post(f"{collection}/documents", body, Content_Type="application/x-ndjson")


def test_lines_are_committed_in_batches(client, collection):
    answer = ndjson(client, collection, [{"id": str(i), "text": f"text {i}"} for i in range(1300)])
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/x-ndjson", answer
    *batches, done = answer.lines
    assert [batch["batch"] for batch in batches] == list(range(1, len(batches) + 1)) and len(batches) >= 3
    assert batches[0]["lines"][0] == 1 and batches[-1]["lines"][1] == 1300
    for one, next in zip(batches, batches[1:]):
        assert next["lines"][0] == one["lines"][1] + 1
    assert sum((batch["ids"] for batch in batches), []) == [str(i) for i in range(1300)]
    assert done == {"done": True, "lines": 1300, "added": 1300, "replaced": 0, "unchanged": 0, "truncated": 0}
    assert client.get(collection).json["documents"] == 1300


def test_a_long_upload_in_small_pieces_arrives_whole(client, collection):
    def pieces():
        pending = b""
        for i in range(5000):
            pending += json.dumps({"id": str(i), "text": f"t{i % 10}"}).encode() + b"\r\n"
            if len(pending) > 3000:
                yield pending[:2900]
                pending = pending[2900:]
        yield pending.rstrip()  # the last line has no newline

    answer = ndjson(client, collection, pieces())
    assert answer.lines[-1]["added"] == 5000 and answer.lines[-1]["lines"] == 5000
    assert client.get(collection).json["documents"] == 5000


def test_empty_lines_are_passed_over_and_counted(client, collection):
    answer = ndjson(client, collection, ["", {"id": "a", "text": "one"}, "  \r", "", {"id": "b"}])
    *batches, error = answer.lines
    assert [batch["ids"] for batch in batches] == [["a"]]
    assert answer.status == 400 and error["error"]["line"] == 5 and error["error"]["param"] == "text"


def test_an_empty_upload_is_done(client, collection):
    assert ndjson(client, collection, []).lines == [
        {"done": True, "lines": 0, "added": 0, "replaced": 0, "unchanged": 0, "truncated": 0}]


@pytest.mark.parametrize("bad, code", [
    ("{", "invalid"), ("[1]", "invalid"), ('{"text": 7}', "invalid"), ('{"text": "a", "x": 1}', "invalid"),
    ('{"text": "a", "vector": [1]}', "invalid"), ('{"text": ""}', "invalid")])
@pytest.mark.parametrize("before", [0, 3, 600])
def test_everything_before_a_bad_line_is_committed(client, collection, bad, code, before):
    lines = [{"id": f"{i:04}", "text": f"text {i}"} for i in range(before)]
    answer = ndjson(client, collection, [*lines, bad, {"id": "later", "text": "never"}])
    assert answer.status == 400, answer
    *batches, error = answer.lines
    assert error["error"]["code"] == code and error["error"]["line"] == before + 1
    assert f"line {before + 1}: " in error["error"]["message"]
    assert sum((batch["ids"] for batch in batches), []) == [line["id"] for line in lines]
    assert client.get(collection).json["documents"] == before


def test_bad_bytes_in_a_line_are_named(client, collection):
    answer = ndjson(client, collection, iter([b'{"id": "a", "text": "fine"}\n{"text": "\xff"}\n']))
    assert answer.status == 400 and answer.lines[-1]["error"]["line"] == 2


def test_a_line_over_the_limit_stops_the_upload(client, collection):
    pieces = iter([b'{"id": "a", "text": "fine"}\n{"text": "'] + [b"a" * (1 << 20)] * 33)
    answer = ndjson(client, collection, pieces)
    assert answer.status == 413, answer
    assert answer.lines[0]["ids"] == ["a"]
    assert answer.lines[-1]["error"]["code"] == "limit" and answer.lines[-1]["error"]["line"] == 2


def test_memory_does_not_grow_with_the_upload(client, collection, daemon):
    def resident():
        return client.get("/v1/status").json["memory_bytes"]

    line = json.dumps({"id": "same", "text": "hello", "metadata": {"pad": "x" * 20000}}).encode() + b"\n"
    ndjson(client, collection, iter([line] * 500))
    before = resident()
    answer = ndjson(client, collection, iter([line * 50] * 60))  # 60 MB
    assert answer.lines[-1]["lines"] == 3000
    assert resident() - before < 50_000_000


# --- many at once ---


def test_sixteen_clients_work_at_once(daemon, client, collection):
    def work(number):
        own = daemon.client()
        try:
            for i in range(20):
                id = f"{number}-{i}"
                added = own.post(f"{collection}/documents", {"documents": [{"id": id, "text": f"text {id}"}]})
                assert added.status == 200, added
                hits = own.post(f"{collection}/search", {"query": f"text {id}", "top_k": 400}).json["results"]
                assert id in {hit["id"] for hit in hits}
                assert own.get(f"{collection}/documents/{id}").json["text"] == f"text {id}"
                assert own.post("/v1/embeddings", {"input": id}).status == 200
            return True
        finally:
            own.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
    assert client.get(collection).json["documents"] == 320
