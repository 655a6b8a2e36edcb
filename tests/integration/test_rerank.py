"""The second stage of a search by a cross-encoder, and /rerank: scores are those of tests/golden."""

import json
import math
import subprocess

import pytest

from conftest import BIN, DEADLINE, MODEL, ROOT, Daemon

CROSS = ROOT / "tests/golden/cross_encoders"
ONE_LABEL = CROSS / "one-label"
PAIRS = json.loads((ONE_LABEL / "expected.json").read_text())["pairs"]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """The expected scores are of f32."""
    folder = tmp_path_factory.mktemp("d")
    running = Daemon(folder, "--precision=f32")
    yield running
    assert running.stop() == 0, running.tail()


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize("name", ["one-label", "one-label-logits"])
def test_a_search_is_put_in_the_order_of_the_cross_encoder(client, collection, name):
    pairs = [pair for pair in json.loads((CROSS / name / "expected.json").read_text())["pairs"]
             if pair["pair"] and pair["tokens"] == pair["full_count"] and len(pair["pair"]) < 60]
    documents = [{"id": str(i), "text": pair["pair"]} for i, pair in enumerate(pairs)]
    assert client.post(f"{collection}/documents", {"documents": documents}).status == 200
    for i, pair in enumerate(pairs):
        if not pair["text"]:
            continue
        plain = client.post(f"{collection}/search", {"query": pair["text"], "top_k": 100}).json["results"]
        answer = client.post(f"{collection}/search", {
            "query": pair["text"], "top_k": 100, "rerank": {"model": str(CROSS / name)}})
        assert answer.status == 200, answer
        hits = answer.json["results"]
        assert {hit["id"]: hit["vector_score"] for hit in hits} == {hit["id"]: hit["score"] for hit in plain}
        assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
        mine = next(hit for hit in hits if hit["id"] == str(i))
        assert mine["score"] == pytest.approx(pair["scores"][0], abs=2e-5)
        least = hits[len(hits) // 2]["score"] - 1e-7
        few = client.post(f"{collection}/search", {
            "query": pair["text"], "top_k": 100, "min_score": least,
            "rerank": {"model": str(CROSS / name)}}).json["results"]
        assert [hit["id"] for hit in few] == [hit["id"] for hit in hits if hit["score"] >= least]


def test_models_that_cannot_rerank_are_refused(client, collection):
    answer = client.post(f"{collection}/search", {"query": "a", "rerank": {}})
    assert answer.status == 400 and answer.error["param"] == "rerank.model", answer
    for model, status, words in [(CROSS / "three-labels", 422, "3 labels"),
                                 (MODEL, 422, "classification head"),
                                 ("no-such-model", 404, "no-such-model")]:
        answer = client.post(f"{collection}/search", {"query": "a", "rerank": {"model": str(model)}})
        assert answer.status == status and words in answer.error["message"], answer
    answer = client.post(f"{collection}/search", {
        "queries": ["a"] * 5, "rerank": {"model": str(ONE_LABEL), "candidates": 1000}})
    assert answer.status == 413 and "4096" in answer.error["message"], answer


def test_texts_are_ranked_as_text_embeddings_inference_does(client):
    query = PAIRS[0]["text"]
    pairs = [pair for pair in PAIRS if pair["text"] == query]
    texts = [pair["pair"] for pair in pairs]
    request = {"query": query, "texts": texts, "model": str(ONE_LABEL)}
    answer = client.post("/rerank", request)
    assert answer.status == 200, answer
    ranks = answer.json
    assert sorted(rank["index"] for rank in ranks) == list(range(len(texts)))
    assert all(set(rank) == {"index", "score"} for rank in ranks)
    for rank in ranks:
        assert rank["score"] == pytest.approx(sigmoid(pairs[rank["index"]]["logits"][0]), abs=2e-5)
    raw = client.post("/rerank", {**request, "raw_scores": True, "return_text": True}).json
    assert [rank["index"] for rank in raw] == [rank["index"] for rank in ranks]
    for rank in raw:
        assert rank["score"] == pytest.approx(pairs[rank["index"]]["logits"][0], abs=2e-5)
        assert rank["text"] == texts[rank["index"]]
    for body, param in [({"texts": ["a"], "model": "m"}, "query"), ({"query": "a", "model": "m"}, "texts"),
                        ({"query": "a", "texts": ["b"]}, "model"),
                        ({**request, "raw_scores": 1}, "raw_scores")]:
        answer = client.post("/rerank", body)
        assert answer.status == 400 and answer.error["param"] == param, answer


def test_a_service_may_have_a_model_of_its_own(folder):
    daemon = Daemon(folder, "--precision=f32", f"--rerank-model={ONE_LABEL}")
    try:
        client = daemon.client()
        request = {"query": "a day", "texts": ["a great day", "music"]}
        answer = client.post("/rerank", request)
        assert answer.status == 200 and answer.json == client.post("/rerank", {**request, "model": str(ONE_LABEL)}).json
        documents = [{"id": str(i), "text": text} for i, text in enumerate(request["texts"])]
        assert client.post("/v1/collections/default/documents", {"documents": documents}).status == 200
        found = [client.post("/v1/collections/default/search", {"query": "a day", "rerank": rerank}).json["results"]
                 for rerank in ({}, {"model": str(ONE_LABEL)})]
        assert found[0] == found[1] and "vector_score" in found[0][0]
    finally:
        assert daemon.stop() == 0, daemon.tail()


def test_sbert_query_reranks(daemon, client, collection):
    texts = ["the cat sat on the mat", "a great day", "new music", "search the files"]
    documents = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    assert client.post(f"{collection}/documents", {"documents": documents}).status == 200
    scored = subprocess.run([BIN / "sbert-encode", f"--model={ONE_LABEL}", "--pairs", "--precision=f32"],
                            capture_output=True, input="".join(f"a day\t{text}\n" for text in texts).encode(), timeout=DEADLINE)
    scores = {str(i): json.loads(line)["scores"][0] for i, line in enumerate(scored.stdout.splitlines())}

    def query(*arguments, folder=ONE_LABEL.parent):
        return subprocess.run(
            [BIN / "sbert-query", f"--socket={daemon.socket}", f"--collection={collection.rsplit('/', 1)[1]}",
             *arguments, "a day"], capture_output=True, timeout=DEADLINE, cwd=folder)

    done = query("--rerank", "./one-label", "--json")
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)["results"]
    assert {hit["id"]: hit["score"] for hit in hits} == pytest.approx(scores, abs=2e-5)
    assert [hit["id"] for hit in hits] == sorted(scores, key=lambda id: -scores[id])
    assert len(json.loads(query(f"--rerank={ONE_LABEL}", "--candidates=2", "--json").stdout)["results"]) == 2
    assert query("--candidates=2").returncode == 2
    refused = query("--rerank", str(MODEL))
    assert refused.returncode == 2 and b"classification head" in refused.stderr
