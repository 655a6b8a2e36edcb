"""sbert-train on the tiny models of tests/golden: a few steps, going on after an interruption, what
is wrong with data, and what it writes being served."""

import fcntl
import json
import random
import re
import shutil
import signal
import struct
import subprocess

import pytest
from conftest import BIN, DEADLINE, ROOT, Daemon, wait_until

GOLDEN = ROOT / "tests/golden/models"
TRAIN = BIN / "sbert-train"

if not TRAIN.exists():
    pytest.skip(f"{TRAIN} is not built", allow_module_level=True)

WORDS = "the cat sat on a mat dog runs fast slow happy day rain sun music stock price water".split()


def sentence(generator):
    return " ".join(generator.choice(WORDS) for _ in range(generator.randint(2, 9)))


def write_pairs(path, count=40, seed=1):
    """Pairs whose score is the share of words that they have in common, roughly."""
    generator = random.Random(seed)
    lines = ["sentence1\tsentence2\tscore\tlabel"]
    for i in range(count):
        a, b = sentence(generator), sentence(generator)
        if i % 2:
            b = a + " day"
        lines.append(f"{a}\t{b}\t{4.5 if i % 2 else 0.5}\t{'same' if i % 2 else 'other'}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "pairs.tsv")


def command(objective, output, *arguments, model="mean-64"):
    return [TRAIN, objective, f"--base={GOLDEN / model}", "--output", output, "--threads=2",
            "--rate=0.001", "--batch=8", *map(str, arguments)]


def train(*arguments, **options):
    return subprocess.run(command(*arguments, **options), capture_output=True, text=True,
                          timeout=4 * DEADLINE)


def trained(*arguments, **options):
    done = train(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return done


def log_of(output):
    return [json.loads(line) for line in (output / "training/log.jsonl").read_text().splitlines()]


def figures(output):
    return [line["value"] for line in log_of(output) if line["type"] == "evaluation"]


def weights(output):
    return (output / "model.safetensors").read_bytes()


def test_regression_learns_what_its_pairs_say(pairs, tmp_path):
    output = tmp_path / "out"
    trained("sts", output, "--train", pairs, "--dev", pairs, "--epochs=6")
    curve = figures(output)
    assert len(curve) == 7 and max(curve[1:]) > curve[0]
    steps = [line for line in log_of(output) if line["type"] == "step"]
    assert len(steps) == 30 and steps[-1]["loss"] < steps[0]["loss"]


@pytest.mark.parametrize("objective, files", [
    ("nli", ["--train", "pairs"]), ("sts", ["--train", "pairs"]), ("mnrl", ["--train", "pairs"]),
    ("triplet", ["--train", "triplets"]),
    ("distill", ["--train", "pairs", "--teacher", GOLDEN / "mean-64"]),
])
def test_every_objective_writes_a_model_that_loads(objective, files, pairs, tmp_path):
    triplets = tmp_path / "triplets.jsonl"
    triplets.write_text("".join(
        json.dumps({"anchor": f"the cat {i}", "positive": f"a cat {i}", "negative": "the stock price"}) + "\n"
        for i in range(20)))
    named = {"pairs": pairs, "triplets": triplets}
    output = tmp_path / "out"
    trained(objective, output, *[named.get(file, file) for file in files], "--max-steps=3")
    shown = subprocess.run([BIN / "sbert-encode", f"--model={output}", "--shape", "--text=the cat"],
                           capture_output=True, text=True, timeout=DEADLINE)
    assert shown.stdout.strip() == "(64,)", shown.stderr
    card = (output / "README.md").read_text()
    assert "3 of 3 steps" in card and str(pairs if "pairs" in files else triplets) in card


@pytest.mark.parametrize("model", sorted(folder.name for folder in GOLDEN.iterdir()))
def test_every_tiny_model_trains(model, pairs, tmp_path):
    output = tmp_path / "out"
    trained("sts", output, "--train", pairs, "--max-steps=2", model=model)
    subprocess.run([BIN / "sbert-encode", f"--model={output}", "--text=the cat"], check=True,
                   stdout=subprocess.DEVNULL, timeout=DEADLINE)


def test_a_seed_and_not_the_threads_decides_the_weights(pairs, tmp_path):
    for name, threads, seed in (("a", 1, 7), ("b", 3, 7), ("c", 3, 8)):
        trained("sts", tmp_path / name, "--train", pairs, "--max-steps=4", f"--threads={threads}",
                f"--seed={seed}")
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


def test_an_interrupted_run_goes_on_to_the_same_bits(pairs, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = ["--train", pairs, "--dev", pairs, "--epochs=600", "--evaluate=1000"]
    process = subprocess.Popen(command("nli", parts, *arguments, model="mpnet-mean-32"),
                               stderr=subprocess.PIPE, text=True)
    log = parts / "training/log.jsonl"
    wait_until(lambda: log.exists() and log.read_text().count('"step"') > 20)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=DEADLINE)[1]
    assert process.returncode == 2, said
    stopped = re.search(r"stopped after step (\d+) of 3000.*", said)
    assert stopped and "--resume" in said and (parts / "training/checkpoint.safetensors").exists()
    trained("nli", parts, *arguments, "--resume", model="mpnet-mean-32")
    trained("nli", whole, *arguments, model="mpnet-mean-32")
    assert weights(parts) == weights(whole)
    assert figures(parts) == figures(whole)
    assert not (parts / "training/checkpoint.safetensors").exists()


def test_a_run_that_is_killed_again_and_again_goes_on_to_the_same_bits(pairs, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    arguments = ["--train", pairs, "--dev", pairs, "--max-steps=120", "--evaluate=1"]
    log, checkpoint = parts / "training/log.jsonl", parts / "training/checkpoint.safetensors"
    for goal in (10, 30, 50, 70, 90):  # it writes a checkpoint at each step, so some are cut in two
        process = subprocess.Popen(command("sts", parts, *arguments, *(["--resume"] if goal > 10 else [])),
                                   stderr=subprocess.PIPE, text=True)
        wait_until(lambda: process.poll() is not None
                   or checkpoint.exists() and f'"step": {goal}' in log.read_text().replace('":', '": '))
        process.kill()
        assert process.wait(DEADLINE) == -signal.SIGKILL, process.stderr.read()
    with log.open("a") as file:
        file.write('{"type":"st')  # as if it had been killed in a line
    (parts / "training/checkpoint.safetensors.tmp.abc123").write_text("half")
    trained("sts", parts, *arguments, "--resume")
    trained("sts", whole, *arguments)
    assert weights(parts) == weights(whole)
    assert [line["step"] for line in log_of(parts) if line["type"] == "step"] == list(range(1, 121))
    assert figures(parts) == figures(whole)
    assert sorted(path.name for path in (parts / "training").iterdir()) == ["log.jsonl"]


def test_two_runs_do_not_share_an_output_folder(stopped, pairs):
    with (stopped / "training/log.jsonl").open("a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        done = train("sts", stopped, "--train", pairs, "--epochs=10000", "--resume")
    assert done.returncode == 2 and "another run is writing" in done.stderr


@pytest.fixture
def stopped(pairs, tmp_path):
    """An output folder with a checkpoint: its run was interrupted."""
    output = tmp_path / "stopped"
    process = subprocess.Popen(command("sts", output, "--train", pairs, "--epochs=10000"),
                               stderr=subprocess.PIPE, text=True)
    log = output / "training/log.jsonl"
    wait_until(lambda: log.exists() and '"step"' in log.read_text())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    return output


def test_resuming_with_other_settings_is_refused(stopped, pairs):
    done = train("sts", stopped, "--train", pairs, "--epochs=10000", "--resume", "--seed=1")
    assert done.returncode == 2 and "another setting of seed" in done.stderr


def test_resuming_with_other_data_is_refused(stopped, pairs):
    pairs.write_text(pairs.read_text() + "a\tb\t1\tsame\n")
    done = train("sts", stopped, "--train", pairs, "--epochs=10000", "--resume")
    assert done.returncode == 2 and "other examples" in done.stderr


def test_a_damaged_checkpoint_is_refused(stopped, pairs):
    checkpoint = stopped / "training/checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    done = train("sts", stopped, "--train", pairs, "--epochs=10000", "--resume")
    assert done.returncode == 2 and "checkpoint.safetensors" in done.stderr


def test_an_output_folder_with_something_in_it_is_left_alone(pairs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")
    done = train("sts", tmp_path / "out", "--train", pairs)
    assert done.returncode == 2 and "not empty" in done.stderr
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["mine"]


@pytest.mark.parametrize("row, what", [
    ("a\tb\tmany\tsame", "the score is not a number"), ("a\tb\t7\tsame", "not from 0 to 5"),
    ("a\tb\t1", "3 fields where there are 4 columns"), ("\tb\t1\tsame", "a text is missing"),
    ("a\tb\xff\t1\tsame", "not valid UTF-8"),
])
def test_a_bad_line_is_named_by_file_and_number(row, what, pairs, tmp_path):
    pairs.write_bytes(pairs.read_bytes() + row.encode("latin-1") + b"\n")
    done = train("sts", tmp_path / "out", "--train", pairs)
    assert done.returncode == 2 and f"{pairs}:42: " in done.stderr and what in done.stderr
    done = train("sts", tmp_path / "out", "--train", pairs, "--skip-bad", "--max-steps=1")
    assert done.returncode == 0 and "1 bad rows were passed over" in done.stderr


def test_a_bad_line_of_json_is_named(tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text('{"text1": "a", "text2": "b", "score": 1}\n{"text1": "a"\n')
    done = train("sts", tmp_path / "out", "--train", data)
    assert done.returncode == 2 and f"{data}:2" in done.stderr


def test_a_missing_column_is_named_with_those_there(pairs, tmp_path):
    done = train("sts", tmp_path / "out", "--train", pairs, "--score-column=gold")
    assert done.returncode == 2 and 'no column "gold"' in done.stderr
    assert "sentence1, sentence2, score, label" in done.stderr


def test_a_run_that_diverges_stops_and_keeps_its_checkpoint(pairs, tmp_path):
    output = tmp_path / "out"
    # A decay that multiplies the weights by -999999 at each step.
    arguments = ["--train", pairs, "--rate=1000", "--weight-decay=1000", "--warmup=0",
                 "--schedule=constant", "--epochs=200", "--evaluate=1"]
    done = train("sts", output, *arguments)
    assert done.returncode == 2
    stopped = re.search(r"step (\d+): .* is not a number; first seen in ", done.stderr)
    assert stopped, done.stderr
    again = train("sts", output, *arguments, "--resume")
    assert re.search(r"step (\d+): ", again.stderr)[1] == stopped[1], again.stderr


def test_what_is_no_number_is_named(pairs, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(GOLDEN / "mean-64", base)
    spoil(base, "encoder.layer.1.output.LayerNorm.bias")
    done = train("sts", tmp_path / "out", "--train", pairs, f"--base={base}")
    assert done.returncode == 2
    assert "step 1: the loss is not a number; first seen in the output of layer 1" in done.stderr


def spoil(folder, name):
    """Makes a tensor's first number NaN."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    at = 8 + length + json.loads(data[8:8 + length])[name]["data_offsets"][0]
    data[at:at + 4] = struct.pack("<f", float("nan"))
    path.write_bytes(data)


def test_a_model_just_trained_is_served(pairs, tmp_path):
    output = tmp_path / "out"
    trained("sts", output, "--train", pairs, "--max-steps=5")
    texts = ["the cat sat", "a happy dog runs"]
    said = subprocess.run([BIN / "sbert-encode", f"--model={output}", "--precision=f32"]
                          + [f"--text={text}" for text in texts], capture_output=True, text=True, check=True)
    (tmp_path / "daemon").mkdir()
    daemon = Daemon(tmp_path / "daemon", "--precision=f32", model=output)
    try:
        answer = daemon.client().request("POST", "/v1/embeddings", {"input": texts})
        assert answer.status == 200, answer
        served = [entry["embedding"] for entry in answer.json["data"]]
        wanted = [json.loads(line) for line in said.stdout.splitlines()]
        assert served == [pytest.approx(vector, abs=1e-6) for vector in wanted]
    finally:
        daemon.stop()


def test_what_belongs_to_the_base_alone_is_not_copied(pairs, tmp_path):
    base, output = tmp_path / "base", tmp_path / "out"
    shutil.copytree(GOLDEN / "mean-64", base)
    for name in ("README.md", "pytorch_model.bin", "sbertd-f32-avx2.weights", "notes.txt"):
        (base / name).write_text("of the base")
    with (base / "archive").open("wb") as large:
        large.truncate(100 << 20)
    trained("sts", output, "--train", pairs, "--max-steps=1", f"--base={base}")
    assert (output / "notes.txt").read_text() == "of the base"
    assert (output / "README.md").read_text() != "of the base"
    assert not {"pytorch_model.bin", "sbertd-f32-avx2.weights", "archive"} & {path.name for path in output.iterdir()}


def test_frozen_parts_keep_their_bits(pairs, tmp_path):
    output = tmp_path / "out"
    trained("sts", output, "--train", pairs, "--max-steps=3", "--freeze-embeddings",
            "--freeze-layers=1")
    before, after = tensors(GOLDEN / "mean-64"), tensors(output)
    assert before.keys() == after.keys()
    for name in before:
        frozen = name.startswith(("embeddings.", "encoder.layer.0.")) or "pooler" in name
        assert (before[name] == after[name]) == frozen, name


def tensors(folder):
    """The tensors of a model's file as bytes, by name."""
    data = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    return {name: data[8 + length + entry["data_offsets"][0]:8 + length + entry["data_offsets"][1]]
            for name, entry in header.items()}


def test_a_student_of_fewer_layers_learns_from_a_teacher(pairs, tmp_path):
    output = tmp_path / "out"
    trained("distill", output, "--train", pairs, "--teacher", GOLDEN / "mean-64", "--keep-layers=1",
            "--max-steps=30", "--dev", pairs, "--evaluate=30")
    assert json.loads((output / "config.json").read_text())["num_hidden_layers"] == 1
    assert not [name for name in tensors(output) if name.startswith("encoder.layer.1.")]
    subprocess.run([BIN / "sbert-encode", f"--model={output}", "--text=the cat"], check=True,
                   stdout=subprocess.DEVNULL, timeout=DEADLINE)


def test_help_names_every_objective():
    said = subprocess.run([TRAIN, "--help"], capture_output=True, text=True).stdout
    for objective in ("nli", "sts", "triplet", "mnrl", "distill"):
        assert objective in said
