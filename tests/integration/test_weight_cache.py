"""Packed weights on disk, truncated, zeroed and flipped in every region, by programs as they are run: what is
wrong is made anew or done without, and the vectors are the same to the bit; so they are on a full disk.

The ordinary tests take some regions, make test-damage more of them."""

import json
import os
import shutil
import struct
import subprocess

import numpy
import pytest

from conftest import BIN, DEADLINE, MODEL, Daemon
from test_full_disk import Disk

HIDDEN, INNER, LAYERS = 256, 2048, 4
TEXTS = "a cat\na dog and a cat\nthe great day\n" * 3
ALL = int(os.environ.get("DAMAGE_STRIDE", 0)) > 0
PRECISIONS = ["f32", "bf16", "int8"]


def write_model(folder):
    """The tiny model's files with weights of random numbers that are enough to be kept packed."""
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    vocabulary, positions = config["vocab_size"], config["max_position_embeddings"]
    config.update(hidden_size=HIDDEN, intermediate_size=INNER, num_hidden_layers=LAYERS)
    (folder / "config.json").write_text(json.dumps(config))
    pooling = json.loads((folder / "1_Pooling/config.json").read_text())
    (folder / "1_Pooling/config.json").write_text(json.dumps({**pooling, "word_embedding_dimension": HIDDEN}))
    shapes = {"embeddings.word_embeddings.weight": (vocabulary, HIDDEN),
              "embeddings.position_embeddings.weight": (positions, HIDDEN),
              "embeddings.token_type_embeddings.weight": (2, HIDDEN),
              **{f"embeddings.LayerNorm.{part}": (HIDDEN,) for part in ("weight", "bias")}}
    for layer in (f"encoder.layer.{i}" for i in range(LAYERS)):
        for name, out, into in [("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
                                ("attention.self.value", HIDDEN, HIDDEN), ("attention.output.dense", HIDDEN, HIDDEN),
                                ("intermediate.dense", INNER, HIDDEN), ("output.dense", HIDDEN, INNER)]:
            shapes[f"{layer}.{name}.weight"], shapes[f"{layer}.{name}.bias"] = (out, into), (out,)
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{layer}.{name}.weight"] = shapes[f"{layer}.{name}.bias"] = (HIDDEN,)
    chance, header, data = numpy.random.default_rng(1), {}, b""
    for name, shape in sorted(shapes.items()):
        numbers = chance.normal(0, 0.05, shape).astype("<f4") + ("LayerNorm.weight" in name)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + numbers.nbytes]}
        data += numbers.astype("<f4").tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    if not (BIN / "sbert-encode").exists():
        pytest.skip(f"{BIN / 'sbert-encode'} is not built")
    return write_model(tmp_path_factory.mktemp("m") / "model")


def encode(model, precision, output, prefix=()):
    done = subprocess.run([*prefix, BIN / "sbert-encode", f"--model={model}", f"--precision={precision}", "-q",
                           "-o", output], input=TEXTS, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done
    return output.read_bytes()


def damages(contents):
    """What can be wrong with the file: in its head, at its seams, and here and there."""
    size = len(contents)
    head = range(0, 64, 8) if ALL else (0, 8, 48)
    places = sorted({*head, 4096, size - 64, *range(0, size, size // (60 if ALL else 2))})
    for start in places:
        end = min(start + (64 if start < 4096 else 512), size)
        yield f"truncated at {start}", contents[:start]
        if any(contents[start:end]):
            yield f"zeroed at {start}", contents[:start] + bytes(end - start) + contents[end:]
        yield f"flipped at {start}", contents[:start] + bytes([contents[start] ^ 4]) + contents[start + 1:]
    yield "longer", contents + bytes(64)
    yield "of nothing but zeros", bytes(size)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_damaged_weights_are_made_anew_and_change_no_vector(model, tmp_path, precision):
    right = encode(model, precision, tmp_path / "right.npy")
    kept, = model.glob(f"sbertd-{precision}-*.weights")
    contents = kept.read_bytes()
    assert encode(model, precision, tmp_path / "v.npy") == right  # mapped
    for what, damaged in damages(contents):
        kept.write_bytes(damaged)
        assert encode(model, precision, tmp_path / "v.npy") == right, f"{kept.name} {what}"
        unread = what.startswith("flipped at") and 64 <= int(what.split()[-1]) < 4096
        assert unread or kept.read_bytes() == contents, f"{kept.name} {what} was not made anew"
    kept.unlink()


def test_weights_of_another_model_under_the_same_name_are_not_taken(model, tmp_path):
    other = write_model(tmp_path / "other")
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-300_000:] = bytes(300_000)
    (other / "model.safetensors").write_bytes(weights)
    right = encode(other, "f32", tmp_path / "right.npy")
    ours, = other.glob("sbertd-*.weights")
    wrong = encode(model, "f32", tmp_path / "wrong.npy")
    assert right != wrong
    shutil.copy(next(model.glob("sbertd-f32-*.weights")), ours)
    assert encode(other, "f32", tmp_path / "v.npy") == right


def test_what_stands_in_their_place_is_left_alone(model, tmp_path):
    right = encode(model, "f32", tmp_path / "right.npy")
    kept, = model.glob("sbertd-f32-*.weights")
    kept.unlink()
    kept.mkdir()
    assert encode(model, "f32", tmp_path / "v.npy") == right
    assert kept.is_dir()
    kept.rmdir()


def test_a_full_disk_costs_the_packing_and_nothing_else(model, folder):
    right = encode(model, "f32", folder / "right.npy")
    disk = Disk(folder / "disk", "64m")
    try:
        there = shutil.copytree(model, disk.path / "model", ignore=shutil.ignore_patterns("sbertd-*"))
        disk.fill(leave=1 << 20)
        before = disk.files()
        assert encode(folder / "disk/model", "f32", folder / "v.npy", disk.prefix) == right
        assert disk.files() == before
        daemon = Daemon(folder, "--precision=f32", model=folder / "disk/model", prefix=disk.prefix)
        try:
            answer = daemon.client().post("/v1/embeddings", {"input": "a cat"})
            assert numpy.allclose(answer.json["data"][0]["embedding"], numpy.load(folder / "right.npy")[0], atol=1e-6)
            assert daemon.stop() == 0, daemon.tail()
        finally:
            daemon.kill()
        assert disk.files() == before
        disk.empty()
        assert encode(folder / "disk/model", "f32", folder / "v.npy", disk.prefix) == right
        assert len(list(there.glob("sbertd-f32-*.weights"))) == 1
    finally:
        disk.close()
