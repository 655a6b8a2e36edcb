"""Every region of the store and of an index snapshot truncated, zeroed or flipped: the daemon starts and
answers right, or says clearly what is wrong; it never dies of it, and never answers wrong.

The ordinary tests take some regions, make test-damage each page of the store and each 64 bytes of the
snapshot's head (DAMAGE_STRIDE=8 with DAMAGE_FIRST=1 to 8: in eight parts).
"""

import os
import random
import shutil

import pytest

from conftest import Daemon, wait_until

PATH = "/v1/collections/v"
DIMENSION, COUNT = 8, 1500
STRIDE = int(os.environ.get("DAMAGE_STRIDE", 0))  # 0: some regions, in one way each
FIRST = int(os.environ.get("DAMAGE_FIRST", 1))


def vector(i):
    chance = random.Random(i)
    return [chance.uniform(-1, 1) for _ in range(DIMENSION)]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("p")
    daemon = Daemon(folder)
    client = daemon.client()
    assert client.put(PATH, {"dimension": DIMENSION, "fields": {"n": "integer"}}).status == 201
    for start in range(0, COUNT, 500):
        assert client.post(f"{PATH}/documents", {"documents": [
            {"id": f"d{i:04}", "text": f"text {i}", "vector": vector(i), "metadata": {"n": i}}
            for i in range(start, start + 500)]}).status == 200
    assert client.post(f"{PATH}/documents/delete", {"ids": ["d0007"]}).status == 200
    assert daemon.stop() == 0
    assert list((folder / "data" / "index").glob("*.snapshot"))
    return folder / "data"


def damaged(contents, start, size, how):
    end = min(start + size, len(contents))
    if how == "truncated":
        return contents[:start]
    if how == "zeroed":
        return contents[:start] + bytes(end - start) + contents[end:]
    return contents[:start] + bytes(b ^ 0x40 for b in contents[start:end]) + contents[end:]


def ask(client):
    """Asks in all ways. Each answer is right, or an error that says so; returns whether one was."""
    errors = 0
    for i in (3, 400, 1499):
        for body in ({"vector": vector(i), "top_k": 1},
                     {"vector": vector(i), "top_k": 1, "filter": {"key": "n", "range": {"gte": i, "lte": i}}}):
            answer = client.post(f"{PATH}/search", body)
            errors += answer.status != 200
            if answer.status == 200:
                hit, = answer.json["results"]
                assert hit["id"] == f"d{i:04}" and hit["text"] == f"text {i}" and hit["metadata"] == {"n": i}, hit
            else:
                assert answer.status >= 404 and answer.error["message"], answer
        answer = client.get(f"{PATH}/documents/d{i:04}")
        errors += answer.status != 200
        assert answer.status != 200 or answer.json["text"] == f"text {i}", answer
    return errors > 0


def try_damage(folder, pristine, name, start, size, how):
    shutil.rmtree(folder / "data", ignore_errors=True)
    shutil.copytree(pristine, folder / "data")
    file = next((folder / "data").glob(name))
    contents = file.read_bytes()
    file.write_bytes(damaged(contents, start, size, how))
    what = f"{name} {how} at {start}"
    daemon = Daemon(folder, ready=False)
    try:
        wait_until(lambda: daemon.process.poll() is not None or daemon.healthy(), daemon.tail)
        if daemon.process.poll() is not None:
            assert daemon.process.returncode > 0, f"{what}: it was ended by a signal\n{daemon.tail()}"
            assert any(part in daemon.tail() for part in ("damaged", "newer sbertd", "another program", "checked")), \
                f"{what}: {daemon.tail()}"
            return "refused"
        client = daemon.client()
        erred = ask(client)
        assert daemon.process.poll() is None, f"{what}: it died\n{daemon.tail()}"
        assert daemon.stop() == 0, f"{what}\n{daemon.tail()}"
        return "answers with an error" if erred else "answers right"
    finally:
        daemon.kill()


def walk(folder, pristine, name, starts, size):
    found = {}
    for n, start in enumerate(starts[FIRST - 1::STRIDE] if STRIDE else starts):
        for how in ("truncated", "zeroed", "flipped") if STRIDE else [("truncated", "zeroed", "flipped")[n % 3]]:
            result = try_damage(folder, pristine, name, start, size, how)
            found[result] = found.get(result, 0) + 1
    print(f"{name}: {found}")
    return found


def test_a_damaged_snapshot_costs_time_alone(folder, pristine):
    size = next((pristine / "index").glob("*.snapshot")).stat().st_size
    starts = [*range(0, min(size, 512), 64), *range(512, size, 4096 if STRIDE else size // 8)]
    found = walk(folder, pristine, "index/*.snapshot", starts if STRIDE else starts[::2], 64)
    assert set(found) == {"answers right"}, found


def test_a_damaged_store_is_refused_or_answers_right(folder, pristine):
    size = (pristine / "store.sqlite3").stat().st_size
    pages = range(0, size, 8192)
    starts = pages if STRIDE else sorted({0, 8192, *random.Random(2).sample(list(pages), 16)})
    walk(folder, pristine, "store.sqlite3", starts, 8192)
    walk(folder, pristine, "store.sqlite3", range(0, 112, 8) if STRIDE else range(0, 112, 24), 8)
