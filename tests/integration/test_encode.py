"""sbert-encode on the tiny models of tests/golden, whose vectors are known, and on the real one where it is
installed."""

import io
import json
import os
import pathlib
import shutil
import signal
import subprocess

import numpy
import pytest
from conftest import BIN, DEADLINE, ROOT, wait_until

GOLDEN = ROOT / "tests/golden/models"
MODELS = sorted(folder.name for folder in GOLDEN.iterdir())
REAL = "all-MiniLM-L6-v2"
DATA = pathlib.Path(os.environ.get("SBERTD_TEST_DATA", ROOT / "../shared/data"))

if not (BIN / "sbert-encode").exists():
    pytest.skip(f"{BIN / 'sbert-encode'} is not built", allow_module_level=True)


def sbert_encode(*arguments, given=b"", model=GOLDEN / "mean-64"):
    """In f32, as the expected vectors are, unless the arguments say otherwise."""
    return subprocess.run([BIN / "sbert-encode", f"--model={model}", "--precision=f32", *map(str, arguments)],
                          input=given, capture_output=True, timeout=2 * DEADLINE)


def golden(name):
    """Texts without a pair (and without surrounding trouble for a line), their ids and vectors."""
    folder = GOLDEN / name / "expected"
    expected = json.loads((folder / "expected.json").read_text())
    final = numpy.fromfile(folder / "final.f32", "<f4").reshape(expected["files"]["final.f32"])
    rows = [i for i, text in enumerate(expected["texts"]) if text["pair"] is None]
    return [expected["texts"][i] for i in rows], final[rows]


def vectors_of(output):
    return numpy.array([json.loads(line) for line in output.splitlines()], "f4")


@pytest.fixture(scope="module")
def real():
    if subprocess.run([BIN / "sbert-model", "show", REAL], capture_output=True).returncode != 0:
        pytest.skip(f"{REAL} is not installed: sbert-model pull {REAL}")
    return REAL


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_the_expected_ones_in_every_form(name, tmp_path):
    texts, final = golden(name)
    lines = "".join(text["text"] + "\n" for text in texts).encode()
    printed = sbert_encode(given=lines, model=GOLDEN / name)
    assert printed.returncode == 0, printed.stderr
    assert numpy.abs(vectors_of(printed.stdout) - final).max() < 2e-5

    records = tmp_path / "texts.jsonl"
    records.write_text("".join(json.dumps({"text": text["text"], "id": 1}) + "\n\n" for text in texts))
    output = tmp_path / "vectors.npy"
    written = sbert_encode(records, "-o", output, "--shape", model=GOLDEN / name)
    assert written.returncode == 0, written.stderr
    loaded = numpy.load(output)
    assert loaded.dtype == numpy.float32 and written.stdout.decode() == f"{loaded.shape}\n"
    # The nine digits of the lines give every number back.
    assert (loaded == vectors_of(printed.stdout)).all()
    assert b"cut there: 1" in written.stderr  # one of the texts is over the limit


@pytest.mark.parametrize("name", MODELS)
def test_tokens_are_the_expected_ones(name):
    texts, _ = golden(name)
    lines = "".join(text["text"] + "\n" for text in texts).encode()
    answer = sbert_encode("--tokens", given=lines, model=GOLDEN / name)
    assert answer.returncode == 0, answer.stderr
    for text, line in zip(texts, answer.stdout.splitlines(), strict=True):
        tokens = json.loads(line)
        assert tokens["ids"] == text["ids"]
        assert tokens["full_count"] == text["full_count"]
        assert (tokens["pieces"][0], tokens["pieces"][-1]) in (("[CLS]", "[SEP]"), ("<s>", "</s>"))


def test_special_tokens_in_a_text_can_be_escaped():
    def run(*options):
        return sbert_encode("--text=the [SEP]", *options, model=GOLDEN / MODELS[0]).stdout

    def pieces(*options):
        return json.loads(run("--tokens", *options))["pieces"]

    assert pieces() == ["[CLS]", "the", "[SEP]", "[SEP]"]
    assert pieces("--escape-special-tokens").count("[SEP]") == 1
    assert run() != run("--escape-special-tokens")


def test_neither_batches_nor_threads_change_a_bit(tmp_path):
    lines = "".join(f"the cat sat on {i} mats {'and ran ' * (i % 7)}\n" for i in range(300)).encode()
    outputs = set()
    for arguments in (["-t1"], ["-t4"], ["--batch=1"], ["--batch=7", "-t3"]):
        output = tmp_path / "vectors.npy"
        assert sbert_encode("-o", output, *arguments, given=lines).returncode == 0
        outputs.add(output.read_bytes())
    assert len(outputs) == 1
    assert numpy.load(io.BytesIO(outputs.pop())).shape == (300, 64)


def test_shapes_are_those_of_the_reference():
    assert sbert_encode("--shape", "--text=a").stdout == b"(64,)\n"
    assert sbert_encode("--shape", "--text=a", "--text=b").stdout == b"(2, 64)\n"
    assert sbert_encode("--shape", given=b"a\n").stdout == b"(1, 64)\n"
    assert sbert_encode("--shape", given=b"").stdout == b"(0, 64)\n"


def test_no_text_at_all_is_a_matrix_without_rows(tmp_path):
    output = tmp_path / "vectors.npy"
    assert sbert_encode("-o", output, given=b"").returncode == 0
    assert numpy.load(output).shape == (0, 64)


def test_every_line_has_its_row_also_an_empty_one():
    answer = sbert_encode(given=b"\xef\xbb\xbfa cat\r\n\n   \na cat")
    vectors = vectors_of(answer.stdout)
    assert vectors.shape == (4, 64)
    assert (vectors[0] == vectors[3]).all() and (vectors[1] == vectors[2]).all()


def test_a_prompt_stands_before_every_text():
    with_prompt = sbert_encode("--prompt=the cat ", given=b"sat\nran\n").stdout
    written_out = sbert_encode(given=b"the cat sat\nthe cat ran\n").stdout
    assert with_prompt == written_out
    tokens = json.loads(sbert_encode("--prompt=the cat ", "--tokens", "--text=sat").stdout)
    assert tokens["pieces"] == ["[CLS]", "the", "cat", "sat", "[SEP]"]


def test_a_default_prompt_of_the_model_is_used_as_the_reference_does(tmp_path):
    folder = tmp_path / "prompted"
    shutil.copytree(GOLDEN / "mean-64", folder)
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({"prompts": {"all": "the cat "}, "default_prompt_name": "all"}))
    written_out = sbert_encode(given=b"the cat sat\n").stdout
    assert sbert_encode(given=b"sat\n", model=folder).stdout == written_out
    assert sbert_encode("--prompt=", given=b"the cat sat\n", model=folder).stdout == written_out
    tokens = json.loads(sbert_encode("--tokens", "--text=sat", model=folder).stdout)
    assert tokens["pieces"] == ["[CLS]", "the", "cat", "sat", "[SEP]"]


def test_a_prompt_is_asked_for_by_its_name():
    model = GOLDEN / "prompts-16"
    texts, _ = golden("prompts-16")
    lines = "".join(text["text"] + "\n" for text in texts).encode()
    wanted = numpy.fromfile(model / "expected/prompt_query.f32", "<f4").reshape(len(texts), -1)
    by_name = sbert_encode("--prompt-name=query", given=lines, model=model)
    assert numpy.abs(vectors_of(by_name.stdout) - wanted).max() < 2e-5
    by_text = sbert_encode("--prompt=find a word: ", given=lines, model=model)
    assert by_text.stdout == by_name.stdout
    tokens = json.loads(sbert_encode("--tokens", "--prompt-name=query", "--text=sat", model=model).stdout)
    assert tokens["pieces"][:4] == ["[CLS]", "find", "a", "word"]
    for option in ("--text=sat", "--tokens"):
        refused = sbert_encode("--prompt-name=clustering", option, given=b"sat\n", model=model)
        assert refused.returncode == 2
        assert b"document, passage, query" in refused.stderr


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
def test_two_texts_are_compared_by_the_models_similarity(similarity, tmp_path):
    folder = tmp_path / "compared"
    shutil.copytree(GOLDEN / "cls-32", folder)
    settings = json.loads((folder / "config_sentence_transformers.json").read_text())
    settings["similarity_fn_name"] = similarity
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    a, b = vectors_of(sbert_encode("--text=a cat", "--text=the sun", model=folder).stdout).astype("f8")
    wanted = {"cosine": a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b), "dot": a @ b,
              "euclidean": -numpy.linalg.norm(a - b), "manhattan": -numpy.abs(a - b).sum()}
    printed = float(sbert_encode("--similarity", "a cat", "the sun", model=folder).stdout)
    assert abs(printed - wanted[similarity]) < 1e-4


def test_text_that_is_not_utf8_is_refused_replaced_or_skipped(tmp_path):
    file = tmp_path / "bad.txt"
    file.write_bytes(b"a cat\na d\xffog\na city\n")
    output = tmp_path / "vectors.npy"
    refused = sbert_encode(file, "-o", output)
    assert refused.returncode == 2
    assert f"{file}:2: byte 4".encode() in refused.stderr
    assert os.listdir(tmp_path) == ["bad.txt"]  # nothing half written

    replaced = sbert_encode(file, "--invalid-utf8=replace")
    assert replaced.stdout == sbert_encode(given="a cat\na d\ufffdog\na city\n".encode()).stdout
    skipped = sbert_encode(file, "--invalid-utf8=skip")
    assert skipped.stdout == sbert_encode(given=b"a cat\na city\n").stdout
    assert b"skipped: 1" in skipped.stderr
    assert sbert_encode("--text=\udcff").returncode == 2


@pytest.mark.parametrize("lines, says", [
    ('{"text": "a"}\n{"text": }\n', ":2: not valid JSON at line 1 column 10"),
    ('{"text": "a"}\n{"txt": "a"}\n', ":2: "),
    ('{"text": 1}\n', ":1: "),
    ('["text"]\n', ":1: "),
    ('{"text": "a"', ":1: "),
])
def test_a_malformed_record_is_named_by_line_and_column(lines, says, tmp_path):
    file = tmp_path / "bad.jsonl"
    file.write_text(lines)
    answer = sbert_encode(file, "-o", tmp_path / "vectors.npy")
    assert answer.returncode == 2
    assert f"{file}{says}" in answer.stderr.decode()
    assert not (tmp_path / "vectors.npy").exists()


def test_inputs_that_cannot_be_are_named(tmp_path):
    for input, says in ((tmp_path, "is a folder"), (tmp_path / "none", "No such file"),
                        (BIN / "sbert-encode", "binary file")):
        answer = sbert_encode(input)
        assert answer.returncode == 2
        assert str(input) in answer.stderr.decode() and says in answer.stderr.decode()
    answer = sbert_encode("--text=a", "-o", tmp_path / "no/folder/vectors.npy")
    assert answer.returncode == 2 and b"no/folder" in answer.stderr
    assert sbert_encode("--text=a", model="unheard-of").returncode == 2
    assert sbert_encode("--text=a", "--max-length=41").returncode == 2


def test_a_full_disk_is_an_error():
    with open("/dev/full", "wb") as full:
        answer = subprocess.run([BIN / "sbert-encode", f"--model={GOLDEN / 'mean-64'}", "--text=a"],
                                stdout=full, stderr=subprocess.PIPE, timeout=DEADLINE)
    assert answer.returncode == 2 and b"No space left" in answer.stderr


def test_a_line_of_ten_megabytes_is_cut_to_the_models_limit():
    answer = sbert_encode("--shape", "-o", "/dev/null/x", given=b"a\n")
    assert answer.returncode == 2
    answer = sbert_encode(given=b"word " * 2_000_000 + b"\nshort\n")
    assert answer.returncode == 0, answer.stderr
    assert vectors_of(answer.stdout).shape == (2, 64)
    assert b"cut there: 1" in answer.stderr


def test_an_interrupted_run_leaves_nothing(tmp_path):
    output = tmp_path / "vectors.npy"
    process = subprocess.Popen([BIN / "sbert-encode", f"--model={GOLDEN / 'mean-64'}", "-o", output,
                                "--batch=1"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"a cat\n" * 10)
    process.stdin.flush()
    wait_until(lambda: os.listdir(tmp_path))
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    assert process.wait(DEADLINE) == 2
    assert b"interrupted" in process.stderr.read()
    process.stderr.close()
    assert os.listdir(tmp_path) == []


def test_help_and_wrong_use():
    shown = sbert_encode("--help")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) <= 40
    assert b"sbertd" in sbert_encode("--version").stdout
    for arguments in (["a", "b"], ["--similarity", "a"], ["--text=a", "file"], ["--precision=f8"],
                      ["--threads=0"], ["--tokens", "--shape"], ["--input-format=xml"],
                      ["--invalid-utf8=maybe"], ["--similarity", "a", "b", "--tokens"]):
        assert sbert_encode(*arguments).returncode == 2, arguments


def test_two_great_days_are_as_similar_as_the_reference_says(real):
    answer = sbert_encode("--similarity", "It was a great day", "Today was awesome", model=real)
    assert answer.stdout == b"0.7319\n"
    assert sbert_encode("--shape", "--text=It was a great day", model=real).stdout == b"(384,)\n"


def test_the_real_model_gives_the_golden_ids_and_vectors(real, tmp_path):
    folder = DATA / "golden" / REAL
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    records = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"text": record["text"]}) + "\n" for record in records))
    output = tmp_path / "vectors.npy"
    answer = sbert_encode(file, "-o", output, model=real)
    assert answer.returncode == 0, answer.stderr
    vectors = numpy.load(output)
    expected = numpy.fromfile(folder / "embeddings.f32", "<f4").reshape(vectors.shape)
    cosines = (vectors * expected).sum(1) / numpy.linalg.norm(vectors, axis=1) / numpy.linalg.norm(
        expected, axis=1)
    assert cosines.min() >= 0.99999

    answer = sbert_encode(file, "--tokens", model=real)
    for record, line in zip(records, answer.stdout.splitlines(), strict=True):
        assert json.loads(line)["ids"] == record["ids"]
