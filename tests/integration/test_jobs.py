"""Pairs, duplicates and clusters of a collection, as jobs of the daemon."""

import itertools
import json
import math
import random
import signal
import subprocess

import pytest

from conftest import BIN, DEADLINE, DIMENSION, Daemon, wait_until


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


def test_approximate_pairs_are_the_same_among_few(client, filled):
    collection, _ = filled
    for options in ({"top": 20}, {"each": 2}):
        exact = run(client, collection, kind="pairs", **options)
        near = run(client, collection, kind="pairs", approximate=True, **options)
        assert near["recall"] == 1 and near["options"] == {**options, "approximate": True} and "recall" not in exact
        assert result(client, near) == result(client, exact)


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
                        ({"kind": "pairs", "approximate": 1}, "approximate"),
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


# --- sbert-index ---


@pytest.fixture
def sbert_index(daemon, filled):
    name = filled[0].rsplit("/", 1)[1]

    def call(command, *arguments):
        return subprocess.run([BIN / "sbert-index", command, f"--socket={daemon.socket}", f"--collection={name}",
                               *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=DEADLINE)
    return call


def test_sbert_index_prints_pairs_of_the_collection(sbert_index, client, filled):
    done = sbert_index("pairs", "--top=10", "--json")
    assert done.returncode == 0, done.stderr
    expected = result(client, run(client, filled[0], kind="pairs", top=10))
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected
    lines = sbert_index("pairs", "--top=1").stdout.splitlines()
    assert lines == [f"{expected[0]['score']:7.4f}  {expected[0]['a']['id']}  {expected[0]['a']['text']}",
                     f"         {expected[0]['b']['id']}  {expected[0]['b']['text']}"]
    assert len(sbert_index("pairs", "--each=1", "--json").stdout.splitlines()) == 100
    near = sbert_index("pairs", "--top=10", "--json", "--approximate")
    assert near.stdout == done.stdout and "100.00% of the true ones" in near.stderr
    nothing = sbert_index("pairs", "--threshold=1")
    assert (nothing.returncode, nothing.stdout) == (1, "")


def test_sbert_index_prints_clusters_of_the_collection(sbert_index):
    done = sbert_index("clusters", "--min-size=2", "--show=1")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "1: 2 texts" and lines[1].startswith("  0") and lines[2:4] == ["", "2: 2 texts"]
    sizes = [json.loads(line)["size"] for line in sbert_index("clusters", "--k-means=3", "--json").stdout.splitlines()]
    assert sum(sizes) == 100 and sizes == sorted(sizes, reverse=True)
    refused = sbert_index("clusters", "--k-means=1000")
    assert refused.returncode == 2 and "1000 clusters" in refused.stderr


def test_sbert_index_removes_duplicates_when_told_to(sbert_index, client, filled):
    done = sbert_index("dedup", "--json")
    assert [[document["id"] for document in json.loads(line)] for line in done.stdout.splitlines()] == [
        [f"{i:03}", f"{i + 1:03}"] for i in range(0, 100, 10)]
    asked = sbert_index("dedup", "--remove")
    assert asked.returncode == 2 and "--yes" in asked.stderr
    assert client.get(filled[0]).json["documents"] == 100
    removed = sbert_index("dedup", "--remove", "--yes")
    assert removed.returncode == 0 and "10 documents deleted" in removed.stderr, removed
    assert client.get(filled[0]).json["documents"] == 90
    assert client.get(f"{filled[0]}/documents/000").status == 200
    assert client.get(f"{filled[0]}/documents/001").status == 404
    assert sbert_index("dedup").returncode == 1
    assert sbert_index("dedup", "--unique").returncode == 2


def test_ctrl_c_cancels_the_job(folder):
    daemon = Daemon(folder)
    try:
        client = daemon.client()
        long_jobs(client, 3)
        process = subprocess.Popen([BIN / "sbert-index", "dedup", f"--socket={daemon.socket}", "-c", "many",
                                    "--threshold=0.9"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        mine = []

        def is_there():
            mine[:] = [job for job in client.get("/v1/jobs").json["jobs"]
                       if job["options"] == {"threshold": 0.9}]
            return mine or process.poll() is not None
        wait_until(is_there)
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE)
        assert process.returncode in (130, 1)  # interrupted, or there was nothing to be found by then
        if process.returncode == 130:
            assert b"interrupted" in process.stderr.read()
            answer = client.get(f"/v1/jobs/{mine[0]['id']}")
            assert answer.status == 404 or finished(client, mine[0])["state"] == "cancelled"
        process.stderr.close()
    finally:
        assert daemon.stop() == 0, daemon.tail()
