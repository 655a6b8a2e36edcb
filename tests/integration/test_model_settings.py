"""What a model's own settings change about the service: its similarity and its prompts.

The models are copies of the tiny ones of tests/golden; what sentence-transformers makes of prompts is
beside them, and similarities are reckoned from vectors here.
"""

import json
import shutil

import numpy
import pytest

from conftest import ROOT, Daemon
from test_protocol import refused

GOLDEN = ROOT / "tests/golden/models"
TEXTS = ["a cat sat on the mat", "the sun", "good day"]


def cosine(a, b):
    return a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b)


SIMILARITIES = {
    "cosine": (cosine, "cosine"),
    "dot": (lambda a, b: a @ b, "dot"),
    "euclidean": (lambda a, b: -numpy.linalg.norm(a - b), "l2"),
    "manhattan": (lambda a, b: -numpy.abs(a - b).sum(), None),
}


def model_with(folder, **settings):
    """A copy of cls-32, whose vectors are of no special length, with settings of its own."""
    model = folder / "model"
    shutil.copytree(GOLDEN / "cls-32", model)
    file = model / "config_sentence_transformers.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return model


@pytest.fixture
def serve(folder):
    """Starts a daemon with a model and gives a client of it; both end with the test."""
    started = []

    def start(model):
        daemon = Daemon(folder, "--precision=f32", model=model)
        client = daemon.client()
        started.extend([client.close, daemon.stop])
        return client

    yield start
    for stop in started:
        stop()


def vectors(client, texts, **more):
    answer = client.post("/v1/embeddings", {"input": texts, **more})
    assert answer.status == 200, answer
    return numpy.array([data["embedding"] for data in answer.json["data"]])


@pytest.mark.parametrize("name", SIMILARITIES)
def test_texts_and_collections_are_compared_by_the_models_similarity(name, folder, serve):
    similarity, metric = SIMILARITIES[name]
    client = serve(model_with(folder, similarity_fn_name=name))
    source, *others = vectors(client, TEXTS)
    answer = client.post("/v1/similarity", {"source": TEXTS[0], "texts": TEXTS[1:]})
    wanted = [similarity(source, other) for other in others]
    assert numpy.allclose(answer.json["similarities"], wanted, rtol=1e-4, atol=1e-4)

    made = client.put("/v1/collections/own", {})
    if metric:
        assert made.status == 201 and made.json["metric"] == metric
    else:
        message = refused(made, 422, "unsupported")
        assert "manhattan" in message and "cosine, dot or l2" in message
        assert client.get("/v1/collections/own").status == 404
    asked = client.put("/v1/collections/asked", {"metric": "cosine"})
    assert asked.status == 201 and asked.json["metric"] == "cosine"


def test_a_prompt_is_put_before_texts_by_its_name(serve):
    model = GOLDEN / "prompts-16"
    client = serve(model)
    about = json.loads((model / "expected/expected.json").read_text())

    def expected(file, entries):
        """The rows of a file of expected vectors whose texts are not empty."""
        rows = numpy.fromfile(model / "expected" / file, "<f4").reshape(about["files"][file])
        return rows[[i for i, entry in enumerate(entries) if entry["text"] and entry["pair"] is None]]

    singles = [entry for entry in about["texts"] if entry["pair"] is None]
    texts = [entry["text"] for entry in singles if entry["text"]]
    for name, wanted in [("query", expected("prompt_query.f32", singles)),
                         ("passage", expected("prompt_passage.f32", singles)),
                         ("document", expected("final.f32", about["texts"]))]:
        assert numpy.abs(vectors(client, texts, prompt_name=name) - wanted).max() < 2e-5

    source, *others = vectors(client, texts[:4], prompt_name="query")
    answer = client.post("/v1/similarity", {"source": texts[0], "texts": texts[1:4],
                                            "prompt_name": "query"})
    assert numpy.allclose(answer.json["similarities"], [cosine(source, o) for o in others], atol=1e-5)
    without = client.post("/v1/similarity", {"source": texts[0], "texts": texts[1:4]})
    assert not numpy.allclose(without.json["similarities"], answer.json["similarities"], atol=1e-3)
