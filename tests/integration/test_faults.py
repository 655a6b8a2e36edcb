"""A real daemon of which one call fails, each in turn, and one whose machine loses its power.

tests/fault/fail_shim.c lets the Nth write, sync, rename or allocation fail, once, while a script of
requests runs. Whatever fails: the daemon lives, what it acknowledged is there (also after a restart),
what it refused is there whole or not at all, and index and store are equal. The ordinary tests take
a part of the calls; FAULT_STRIDE=1 (make test-faults) takes each. FAULT_STRIDE=8 with FAULT_FIRST=1 to 8
takes them in eight parts.
"""

import mmap
import os
import random
import shutil
import struct
import subprocess

import pytest

from conftest import DEADLINE, ROOT, Daemon, wait_until

DIMENSION = 8
STRIDE = int(os.environ.get("FAULT_STRIDE", 0))
FIRST = int(os.environ.get("FAULT_FIRST", 0))
POWER_ROUNDS = int(os.environ.get("POWER_ROUNDS", 12))
PATH = "/v1/collections/v"


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("there is no C compiler to build the shim with")
    library = tmp_path_factory.mktemp("shim") / "fail_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library,
                    ROOT / "tests/fault/fail_shim.c", "-ldl"], check=True)
    return library


class Control:
    """The numbers that the shim shares with the test."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(64))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 64)

    def arm(self, on):
        self.map[0:8] = struct.pack("Q", on)

    @property
    def numbers(self):
        return dict(zip(("calls", "allocations", "failed"), struct.unpack("QQQ", self.map[8:32])))


def vector(id):
    chance = random.Random(id)
    return [chance.uniform(-1, 1) for _ in range(DIMENSION)]


def document(id, text):
    return {"id": id, "text": text, "vector": vector(id + text), "metadata": {"n": len(text)}}


def script():
    """Requests, and what each makes of {id: text}."""
    yield lambda c: c.post(f"{PATH}/documents", {"documents": [
        document(f"a{i}", "one " * 200) for i in range(8)]}), {f"a{i}": "one " * 200 for i in range(8)}, []
    yield lambda c: c.post(f"{PATH}/documents", {"documents": [
        document("a1", "two"), document("b", "three")]}), {"a1": "two", "b": "three"}, []
    yield lambda c: c.post(f"{PATH}/fields", {"fields": {"n": "integer"}}), {}, []
    yield lambda c: c.delete(f"{PATH}/documents/a2"), {}, ["a2"]
    yield lambda c: c.post(f"{PATH}/documents/delete", {"ids": ["a3", "a4"]}), {}, ["a3", "a4"]
    yield lambda c: c.post(f"{PATH}/search", {"vector": vector("q"), "filter": {"key": "n", "exists": True}}), {}, []
    yield lambda c: c.put("/v1/collections/other", {"dimension": 4}), {}, []
    yield lambda c: c.delete("/v1/collections/other"), {}, []
    yield lambda c: c.post(f"{PATH}/documents", {"documents": [document("c", "four")]}), {"c": "four"}, []


def stored(client):
    answer = client.get(f"{PATH}/documents?limit=1000")
    assert answer.status == 200, answer
    return {d["id"]: d["text"] for d in answer.json["documents"]}


def run_script(daemon):
    """Runs it and gives the states of the documents that are allowed: each refused request may have
    been carried out, or not."""
    states = [{"old": "text"}]
    refused = 0
    for request, puts, deletes in script():
        client = daemon.client()
        try:
            answer = request(client)
            done = answer.status in (200, 201)
            gone = answer.status == 404  # what an earlier refused request would have made
        except Exception:  # the connection may be what found no memory
            done = gone = False
            assert daemon.process.poll() is None, daemon.tail()
        finally:
            client.close()
        after = [{**{id: text for id, text in state.items() if id not in deletes}, **puts} for state in states]
        states = after if done else states + [s for s in after if s not in states]
        refused += not done and not gone
    return states, refused


def prepare(folder):
    daemon = Daemon(folder)
    client = daemon.client()
    assert client.put(PATH, {"dimension": DIMENSION}).status == 201
    assert client.post(f"{PATH}/documents", {"documents": [document("old", "text")]}).status == 200
    assert daemon.stop() == 0
    shutil.copytree(folder / "data", folder / "pristine")


def round_with(folder, shim, kind, number):
    """One failing call. Returns whether there still was a call of that number."""
    shutil.rmtree(folder / "data")
    shutil.copytree(folder / "pristine", folder / "data")
    control = Control(folder / "control")
    daemon = Daemon(folder, environment={
        "LD_PRELOAD": str(shim), "SHIM_FOLDER": str((folder / "data").resolve()),
        "SHIM_CONTROL": str(control.path), f"SHIM_FAIL_{kind}": str(number),
        "SHIM_FAIL_ERRNO": str(28 if number % 3 == 0 else 5)})
    try:
        control.arm(1)
        states, refused = run_script(daemon)
        control.arm(0)
        failed = control.numbers["failed"]
        assert daemon.process.poll() is None, f"{kind} {number}: the daemon ended\n{daemon.tail()}"
        client = daemon.client()
        there = stored(client)
        assert there in states, f"{kind} {number}: {there.keys()}\n{daemon.tail()}"
        # it recovers by itself
        wait_until(lambda: client.post(f"{PATH}/documents", {"documents": [document("late", "text")]}).status == 200,
                   lambda: f"{kind} {number}: it does not recover\n{daemon.tail()}")
        wait_until(lambda: client.post("/v1/check", {}).json == {
            "ok": True, "problems": [], "notes": [], "collections": client.get("/v1/status").json["collections"],
            "documents": len(there) + 1, "passages": len(there) + 1},
            lambda: f"{kind} {number}: {client.post('/v1/check', {})}\n{daemon.tail()}")
        daemon.kill()
        daemon = Daemon(folder)
        client = daemon.client()
        now = stored(client)
        assert now.pop("late") == "text"
        assert now == there, f"{kind} {number}: after a restart"
        assert client.post("/v1/check", {}).json["ok"] is True
        assert failed <= 1
        return failed == 1
    finally:
        daemon.kill()


@pytest.mark.parametrize("kind,stride", [("CALL", 17), ("MALLOC", 397)])
def test_each_call_may_fail_once(folder, shim, kind, stride):
    prepare(folder)
    stride = STRIDE or stride
    first = FIRST or stride
    rounds = 0
    while round_with(folder, shim, kind, first + rounds * stride):
        rounds += 1
    assert rounds > (0 if FIRST else 3)
    print(f"{rounds} calls of kind {kind} failed, one at a time: {first}, {first + stride} and on, "
          f"of less than {first + rounds * stride}")


def test_what_was_acknowledged_survives_power_cuts(folder, shim):
    """What is not synced is lost: the daemon goes on with the durable copy alone."""
    chance = random.Random(1)
    durable = folder / "durable"
    durable.mkdir()
    known, wanted = {}, {}
    environment = {"LD_PRELOAD": str(shim), "SHIM_FOLDER": str(folder.resolve() / "data"),
                   "SHIM_DURABLE": str(durable.resolve())}
    daemon = Daemon(folder, environment=environment)
    assert daemon.client().put(PATH, {"dimension": DIMENSION}).status == 201
    try:
        for round in range(POWER_ROUNDS):
            client = daemon.client()
            for _ in range(chance.randrange(1, 30)):
                ids = [f"d{chance.randrange(60)}" for _ in range(chance.randrange(1, 6))]
                if chance.random() < 0.3:
                    answer = client.post(f"{PATH}/documents/delete", {"ids": ids})
                    known = {id: text for id, text in known.items() if id not in ids}
                else:
                    made = {id: f"{chance.randrange(10**6)} " * chance.choice([1, 2000]) for id in ids}
                    answer = client.post(f"{PATH}/documents", {"documents": [
                        document(id, text) for id, text in made.items()]})
                    known = {**known, **made}
                assert answer.status == 200, answer
            if round % 3 == 2:
                assert daemon.stop() == 0  # the log is written back, and a snapshot saved
            else:
                daemon.kill()
            shutil.rmtree(folder / "data")
            shutil.copytree(durable, folder / "data")
            for unfinished in (folder / "data").rglob("*.unfinished"):
                unfinished.unlink()
            daemon = Daemon(folder, environment=environment)
            client = daemon.client()
            assert stored(client) == known, f"round {round}"
            checked = client.post("/v1/check", {}).json
            assert checked["ok"] is True and checked["documents"] == len(known), checked
    finally:
        daemon.kill()
