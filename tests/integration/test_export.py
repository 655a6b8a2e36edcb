"""Exports and imports with the real programs: what goes out comes in again, to the bit; what does not fit
or is damaged is said, by its line."""

import base64
import json
import os
import random
import struct
import subprocess

import pytest

from conftest import BIN, DEADLINE, DIMENSION, Daemon
from terminal import on_a_terminal

HEADER = {"sbertd-export": 1, "dimension": 4, "metric": "cosine"}


def vector(chance, dimension):
    """Base64 of random floats, among them such as are read back wrongly first."""
    numbers = [chance.uniform(-1, 1) for _ in range(dimension - 2)] + [-0.0, 1e-42]
    return base64.b64encode(struct.pack(f"<{dimension}f", *numbers)).decode()


@pytest.fixture
def daemon(folder):
    daemon = Daemon(folder)
    yield daemon
    daemon.kill()


def index(daemon, command, *arguments, code=0, given=None):
    done = subprocess.run([BIN / "sbert-index", command, f"--socket={daemon.socket}", *map(str, arguments)],
                          capture_output=True, text=True, timeout=DEADLINE, input=given)
    assert done.returncode == code, done
    return done


def imported(daemon, *arguments, **more):
    return json.loads(index(daemon, "import", "--json", *arguments, **more).stdout)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write(path, *documents, header=HEADER, end=True):
    last = [{"sbertd-export": 1, "lines": len(documents)}] if end else []
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n"
                            for line in [header, *documents, *last]))
    return path


def fill(client, chance):
    """Documents of every kind in a collection of the model: short, of several passages, with a vector of
    their own, from several sources, with odd bytes and numbers."""
    path = "/v1/collections/notes"
    assert client.put(path, {"fields": {"year": "integer", "a.b": "text"}, "metric": "dot"}).status == 201
    documents = [{"id": f"d{i:04}", "text": f"text {i} " * (1 + i % 7), "metadata": {"year": i, "third": i / 3}}
                 for i in range(1200)]
    documents += [{"id": "long", "text": "one two three " * 2000}, {"id": "none", "text": "no metadata"},
                  {"id": "odd\n/é\x01", "text": "nul \0 and \x1f, é, \U0001f600\n", "metadata": {"a": {"b": "é\0"}}},
                  {"id": "own", "text": "text 1 ", "vector": vector(chance, DIMENSION)},
                  {"id": "twin", "text": "text 1 "}]
    for i in range(0, len(documents), 400):
        assert client.post(f"{path}/documents", {"documents": documents[i:i + 400]}).status == 200
    for source in [{"path": "b.txt", "line": 3}, {"path": "c.md", "byte_start": 1, "byte_end": 9}]:
        assert client.post(f"{path}/documents", {"documents": [{**documents[0], "source": source}]}).status == 200
    return len(documents)


def test_what_is_exported_is_imported_to_the_bit(daemon, folder):
    client, chance = daemon.client(), random.Random(1)
    count = fill(client, chance)
    shown = index(daemon, "export", "-c", "notes", folder / "a.jsonl").stderr
    assert f"exporting: {count:,} documents in " in shown and "documents/s" in shown
    header, *documents, end = lines(folder / "a.jsonl")
    assert header["documents"] == count and header["fields"] == {"year": "integer", "a.b": "text"}
    assert (header["metric"], header["dimension"], header["model"]) == ("dot", DIMENSION, "mean-64")
    assert end == {"sbertd-export": 1, "lines": count + 2}  # one document has three sources
    by_id = {document["id"]: document for document in documents}
    assert len(by_id) == count and len(by_id["long"]["passages"]) > 1
    assert "vector" in by_id["own"] and "passages" in by_id["twin"]
    assert [document["source"]["path"] for document in documents[1:3]] == ["b.txt", "c.md"]
    assert (os.stat(folder / "a.jsonl").st_mode & 0o777) == 0o600

    did = imported(daemon, "-c", "copy", folder / "a.jsonl")
    assert (did["added"], did["unchanged"], did["refused"], did["whole"]) == (count, 2, 0, True)
    index(daemon, "export", "-c", "copy", folder / "b.jsonl")
    assert lines(folder / "b.jsonl")[1:] == [*documents, end]
    copy = client.get("/v1/collections/copy").json
    assert copy["metric"] == "dot" and set(copy["fields"]) == {"year", "a.b"}
    assert imported(daemon, "-c", "copy", folder / "a.jsonl")["unchanged"] == count + 2
    query = {"query": "text 7", "top_k": 20, "filter": {"key": "year", "range": {"lt": 900}}}
    results = [[(hit["id"], hit["score"], hit["passage"]) for hit in
                client.post(f"/v1/collections/{name}/search", query).json["results"]] for name in ("notes", "copy")]
    assert results[0] == results[1] and len(results[0]) == 20
    # The text is known to the copy: adding it again makes no new vectors, and so does its source.
    again = client.post("/v1/collections/copy/documents", {"documents": [{"id": "twin", "text": "text 1 "}]})
    assert again.json["unchanged"] == 1
    assert index(daemon, "check").returncode == 0


def test_pipes_lead_from_one_collection_to_another(daemon, folder):
    client, chance = daemon.client(), random.Random(2)
    documents = [{"id": str(i), "text": f"t {i}", "vector": vector(chance, 4)} for i in range(50)]
    write(folder / "in", *documents)
    assert index(daemon, "import", "-c", "a", "-", given=(folder / "in").read_text()).stdout.startswith("added 50")
    out = index(daemon, "export", "-c", "a", "-").stdout
    assert index(daemon, "export", "-c", "a").stdout == out
    assert imported(daemon, "-c", "b", given=out)["added"] == 50
    got = {line["id"]: line["vector"] for line in map(json.loads, out.splitlines()[1:-1])}
    assert got == {document["id"]: document["vector"] for document in documents}
    assert client.get("/v1/collections/b").json["model"] is None


def test_vectors_may_be_lists_of_numbers(daemon, folder):
    write(folder / "in", {"id": "a", "text": "t", "vector": [1, 2.5, -3, 1e-3]})
    assert imported(daemon, "-c", "n", folder / "in")["added"] == 1
    index(daemon, "export", "-c", "n", folder / "out")
    assert struct.unpack("<4f", base64.b64decode(lines(folder / "out")[1]["vector"]))[:3] == (1, 2.5, -3)


def test_an_export_of_another_model_or_dimension_is_refused(daemon, folder):
    client = daemon.client()
    write(folder / "four", {"id": "a", "text": "t", "vector": [1, 2, 3, 4]})
    write(folder / "other", header={**HEADER, "dimension": DIMENSION, "model": "other", "fingerprint": "00"})
    assert client.put("/v1/collections/model", {}).status == 201
    assert client.put("/v1/collections/five", {"dimension": 5}).status == 201
    for collection, file, says in [
            ("five", "four", "the collection five has vectors of dimension 5, the export of dimension 4"),
            ("model", "four", f"dimension {DIMENSION}, the export of dimension 4"),
            ("model", "other", "of the model mean-64, the export of the model other: they cannot be compared"),
            ("new", "other", "this daemon has vectors of the model mean-64, the export of the model other")]:
        done = index(daemon, "import", "-c", collection, folder / file, code=2)
        assert says in done.stderr and done.stdout == ""
    assert client.get("/v1/collections/new").status == 404
    assert client.get("/v1/collections/five").json["documents"] == 0


def test_what_is_no_export_is_refused_at_its_first_line(daemon, folder):
    for text, says in [("", "is empty"), ('{"text": "a"}\n', ":1: not the header of an export; sbert-index add"),
                       ("\x00\x01\n", ":1: not valid JSON"), ('[1]\n', ":1: not a JSON object"),
                       ('{"sbertd-export": 2, "dimension": 4}\n', "newer sbert-index"),
                       ('{"sbertd-export": 1}\n', "dimension must be a whole number")]:
        (folder / "in").write_text(text)
        assert says in index(daemon, "import", "-c", "x", folder / "in", code=2).stderr, says
    assert "No such file" in index(daemon, "import", folder / "nothing", code=2).stderr
    assert "there is no collection x" in index(daemon, "export", "-c", "x", folder / "out", code=2).stderr
    assert not (folder / "out").exists()


def test_damaged_lines_are_named_and_the_rest_goes_on(daemon, folder):
    good = [{"id": str(i), "text": f"t {i}", "vector": [i, 1, 2, 3]} for i in range(8)]
    write(folder / "in", good[0], '{"id": "1", "text": "cut', good[2], {"id": "3", "text": "t", "vector": [1, 2]},
          {"id": "4", "text": "t", "vector": "AAAA!"}, good[5], "[]", HEADER, {**good[6], "colour": 1}, good[7], "")
    done = index(daemon, "import", "-c", "n", folder / "in", code=1)
    name = folder / "in"
    for line, says in [(3, "not valid JSON"), (5, "refused: the vector has 2 floats"), (6, "refused: vector"),
                       (8, "not a JSON object"), (9, "a second header"), (10, "refused: colour: unknown field")]:
        assert f"{name}:{line}: {says}" in done.stderr, (line, done.stderr)
    assert "added 4, replaced 0, unchanged 0, refused 6" in done.stdout
    done = index(daemon, "import", "-c", "n", "--max-errors=2", folder / "in", code=2)
    assert "2 refused, giving up" in done.stderr


def test_a_file_that_was_cut_short_is_found_out(daemon, folder):
    good = [{"id": str(i), "text": f"t {i}", "vector": [i, 1, 2, 3]} for i in range(8)]
    write(folder / "in", *good, end=False)
    done = index(daemon, "import", "-c", "n", folder / "in", code=1)
    assert "has no end: it was cut short after line 9" in done.stderr and "added 8" in done.stdout
    write(folder / "in", *good)
    whole = (folder / "in").read_text().splitlines()
    (folder / "in").write_text("\n".join(whole[:3] + whole[4:]))
    done = index(daemon, "import", "-c", "n", folder / "in", code=1)
    assert "had 8 documents when it was written, and has 7" in done.stderr


def test_passages_are_checked(daemon):
    client = daemon.client()
    assert client.put("/v1/collections/m", {}).status == 201
    assert client.put("/v1/collections/v", {"dimension": 4}).status == 201
    numbers = [1.0] * DIMENSION

    def refusal(passages, collection="m", **more):
        document = {"id": "a", "text": "aéb", "passages": passages, **more}
        answer = client.post(f"/v1/collections/{collection}/documents", {"documents": [document]})
        assert answer.status == 400, answer
        return answer.error["message"]

    assert "whole characters" in refusal([{"start": 0, "end": 2, "vector": numbers}])
    assert "whole characters" in refusal([{"start": 0, "end": 5, "vector": numbers}])
    assert "has 2 floats" in refusal([{"start": 0, "end": 4, "vector": [1, 2]}])
    assert "documents[0].passages[0].end" in refusal([{"start": 2, "end": 1, "vector": numbers}])
    assert "empty list" in refusal([])
    assert "in the place of vector" in refusal([{"start": 0, "end": 4, "vector": numbers}], vector=numbers)
    assert "passages are a model's" in refusal([{"start": 0, "end": 4, "vector": [1] * 4}], "v")
    good = {"id": "a", "text": "aéb", "passages": [{"start": 0, "end": 3, "vector": numbers},
                                                   {"start": 1, "end": 4, "vector": numbers}]}
    assert client.post("/v1/collections/m/documents", {"documents": [good]}).json["added"] == 1
    page = client.get("/v1/collections/m/export").json
    assert [(p["start"], p["end"]) for p in page["documents"][0]["passages"]] == [(0, 3), (1, 4)]
    assert page["next"] is None


def test_an_import_shows_its_progress(daemon, folder):
    write(folder / "in", *({"id": str(i), "text": "t", "vector": [i, 1, 2, 3]} for i in range(3000)))
    shown = on_a_terminal([BIN / "sbert-index", "import", f"--socket={daemon.socket}", "-c", "n", folder / "in"], 80)
    assert "importing  [" in shown and "added 3,000" in shown
