"""Pairs, duplicates and clusters of a collection, as jobs of the daemon."""

import itertools
import math
import random

import pytest

from conftest import DIMENSION, Daemon, wait_until


def vectors(count, seed=7):
    """Vectors of random directions, with a near-duplicate of every tenth."""
    draw = random.Random(seed)
    made = []
    for i in range(count):
        if i % 10 == 1:
            made.append([value * 2 + draw.gauss(0, 0.01) for value in made[-1]])
        else:
            made.append([draw.gauss(0, 1) for _ in range(DIMENSION)])
    return made


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


@pytest.fixture
def filled(client, collection):
    given = vectors(100)
    documents = [{"id": f"{i:03}", "text": f"text {i}", "vector": vector} for i, vector in enumerate(given)]
    assert client.post(f"{collection}/documents", {"documents": documents}).status == 200
    return collection, given


def finished(client, job):
    def is_finished():
        nonlocal job
        job = client.get(f"/v1/jobs/{job['id']}").json
        return job["state"] not in ("waiting", "running")
    wait_until(is_finished)
    return job


def run(client, collection, **options):
    answer = client.post(f"{collection}/jobs", options)
    assert answer.status in (200, 201), answer
    return finished(client, answer.json)


def result(client, job, limit=7):
    after, entries = 0, []
    while after is not None:
        answer = client.get(f"/v1/jobs/{job['id']}/result?limit={limit}&after={after}")
        assert answer.status == 200 and len(answer.json["results"]) <= limit, answer
        entries += answer.json["results"]
        after = answer.json["next"]
    return entries


def test_pairs_are_the_best_of_all(client, filled):
    collection, given = filled
    job = run(client, collection, kind="pairs", top=20)
    assert (job["state"], job["documents"], job["results"]) == ("done", 100, 20)
    assert job["options"] == {"top": 20} and "progress" not in job
    expected = sorted(((cosine(given[a], given[b]), f"{a:03}", f"{b:03}")
                       for a, b in itertools.combinations(range(100), 2)), reverse=True)[:20]
    found = result(client, job)
    assert [(pair["a"]["id"], pair["b"]["id"]) for pair in found] == [pair[1:] for pair in expected]
    assert [pair["score"] for pair in found] == pytest.approx([pair[0] for pair in expected], abs=1e-5)
    assert found[0]["a"]["text"] == f"text {int(found[0]['a']['id'])}"


def test_each_document_has_its_best(client, filled):
    collection, given = filled
    job = run(client, collection, kind="pairs", each=2, threshold=-1)
    found = result(client, job, 1000)
    assert len(found) == 200
    for i, pair in enumerate(found[::2]):
        others = [(cosine(given[i], given[j]), f"{j:03}") for j in range(100) if j != i]
        assert (pair["a"]["id"], pair["b"]["id"]) == (f"{i:03}", max(others)[1])


def test_duplicates_and_clusters_come_in_groups(client, filled):
    collection, _ = filled
    found = result(client, run(client, collection, kind="dedup"))
    assert [entry["document"]["id"] for entry in found] == [f"{i:03}" for i in range(100) if i % 10 < 2]
    assert [entry["group"] for entry in found] == [i // 2 for i in range(20)]
    assert all(entry["size"] == 2 for entry in found)
    job = run(client, collection, kind="clusters", min_size=2)
    assert job["groups"] == 10 and job["options"] == {"threshold": 0.75, "min_size": 2}
    job = run(client, collection, kind="clusters", k_means=5)
    assert job["results"] == 100 and 1 <= job["groups"] <= 5


def test_what_is_deleted_meanwhile_is_left_out(client, filled):
    collection, _ = filled
    job = run(client, collection, kind="dedup")
    assert client.delete(f"{collection}/documents/001").status == 200
    ids = [entry["document"]["id"] for entry in result(client, job)]
    assert "001" not in ids and len(ids) == 19


def test_a_job_is_listed_until_it_is_forgotten(client, filled):
    collection, _ = filled
    job = run(client, collection, kind="pairs")
    assert job in client.get("/v1/jobs").json["jobs"]
    assert client.delete(f"/v1/jobs/{job['id']}").json == {"forgotten": True}
    for answer in (client.get(f"/v1/jobs/{job['id']}"), client.delete(f"/v1/jobs/{job['id']}"),
                   client.get(f"/v1/jobs/{job['id']}/result")):
        assert answer.status == 404 and job["id"] in answer.error["message"]


def test_bad_jobs_are_refused(client, filled):
    collection, _ = filled
    for body, param in [({}, "kind"), ({"kind": "sort"}, "kind"), ({"kind": "pairs", "top": 0}, "top"),
                        ({"kind": "pairs", "top": 1000001}, "top"),
                        ({"kind": "pairs", "top": 5, "each": 5}, "each"),
                        ({"kind": "dedup", "threshold": 1.5}, "threshold"),
                        ({"kind": "dedup", "top": 5}, "top"),
                        ({"kind": "clusters", "k_means": 0}, "k_means")]:
        answer = client.post(f"{collection}/jobs", body)
        assert answer.status == 400 and answer.error["param"] == param, answer
    assert client.post("/v1/collections/nowhere/jobs", {"kind": "dedup"}).status == 404
    job = run(client, collection, kind="clusters", k_means=101)
    assert job["state"] == "failed" and job["error"]["code"] == "invalid"
    answer = client.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status == 409 and "failed" in answer.error["message"]
    assert client.get(f"/v1/jobs/{job['id']}/result?limit=0").status == 400


def long_jobs(client, count):
    """Jobs of which the first takes long enough for anything."""
    assert client.put("/v1/collections/many", {"dimension": 8}).status == 201
    draw = random.Random(3)
    for start in range(0, 20000, 5000):
        documents = [{"id": str(i), "text": "", "vector": [draw.gauss(0, 1) for _ in range(8)]}
                     for i in range(start, start + 5000)]
        assert client.post("/v1/collections/many/documents", {"documents": documents}).status == 200
    jobs = []
    for i in range(count):
        answer = client.post("/v1/collections/many/jobs", {"kind": "dedup", "threshold": 0.2 + i / 100})
        assert answer.status == 201, answer
        jobs.append(answer.json)
    return jobs


def test_jobs_take_turns_and_can_be_cancelled(folder):
    daemon = Daemon(folder)
    try:
        client = daemon.client()
        jobs = long_jobs(client, 4)
        states = [job["state"] for job in client.get("/v1/jobs").json["jobs"]]
        assert states.count("running") <= 1
        again = client.post("/v1/collections/many/jobs", {"kind": "dedup", "threshold": 0.23})
        if again.status == 200:
            assert again.json["id"] == jobs[3]["id"]
        for job in reversed(jobs):
            assert client.delete(f"/v1/jobs/{job['id']}").json in ({"cancelled": True}, {"forgotten": True})
        for job in client.get("/v1/jobs").json["jobs"]:
            assert finished(client, job)["state"] in ("cancelled", "done")
    finally:
        assert daemon.stop() == 0, daemon.tail()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_job_that_is_cut_off_says_so(folder, how):
    daemon = Daemon(folder)
    jobs = long_jobs(daemon.client(), 8)
    getattr(daemon, how)()
    daemon = Daemon(folder)
    try:
        client = daemon.client()
        left = client.get("/v1/jobs").json["jobs"]
        assert left and {job["id"] for job in left} <= {job["id"] for job in jobs}
        assert left[-1]["id"] == jobs[-1]["id"]  # the last one had surely not come so far
        for job in left:
            assert job["state"] == "interrupted" and "start it again" in job["error"]["message"]
            assert client.get(f"/v1/jobs/{job['id']}/result").status == 409
            assert client.delete(f"/v1/jobs/{job['id']}").json == {"forgotten": True}
        assert client.get("/v1/jobs").json == {"jobs": []}
    finally:
        assert daemon.stop() == 0, daemon.tail()
