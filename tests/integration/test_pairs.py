"""sbert-encode --pairs on the tiny cross-encoders of tests/golden, whose logits are known."""

import json
import subprocess

import pytest
from conftest import BIN, DEADLINE, ROOT

GOLDEN = ROOT / "tests/golden/cross_encoders"
MODELS = sorted(folder.name for folder in GOLDEN.iterdir())

if not (BIN / "sbert-encode").exists():
    pytest.skip(f"{BIN / 'sbert-encode'} is not built", allow_module_level=True)


def sbert_pairs(*arguments, given="", model=GOLDEN / "one-label"):
    """In f32, as the expected logits are."""
    return subprocess.run([BIN / "sbert-encode", f"--model={model}", "--pairs", "--precision=f32",
                           *map(str, arguments)],
                          input=given.encode(), capture_output=True, timeout=2 * DEADLINE)


def check(answer, pairs):
    assert answer.returncode == 0, answer.stderr
    for line, pair in zip(answer.stdout.splitlines(), pairs, strict=True):
        found = json.loads(line)
        assert found["logits"] == pytest.approx(pair["logits"], abs=2e-5)
        assert found["scores"] == pytest.approx(pair["scores"], abs=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_logits_and_scores_are_the_expected_ones_in_every_form(name, tmp_path):
    pairs = json.loads((GOLDEN / name / "expected.json").read_text())["pairs"]
    lines = "".join(f"{pair['text']}\t{pair['pair']}\n" for pair in pairs)
    answer = sbert_pairs(given=lines, model=GOLDEN / name)
    check(answer, pairs)
    cut = sum(pair["tokens"] < pair["full_count"] for pair in pairs)
    assert f"cut there: {cut}" in answer.stderr.decode()

    records = tmp_path / "pairs.jsonl"
    records.write_text("".join(
        json.dumps({"pair": pair["pair"], "id": 7, "text": pair["text"]}) + "\n\n" for pair in pairs))
    again = sbert_pairs(records, "--batch=3", "--threads=2", model=GOLDEN / name)
    check(again, pairs)
    assert again.stdout == answer.stdout  # however many come together


def test_an_input_without_lines_gives_none():
    answer = sbert_pairs()
    assert (answer.returncode, answer.stdout) == (0, b"")


@pytest.mark.parametrize("line", ["no tab", "one\ttwo\tthree", ""])
def test_a_line_that_is_no_pair_is_named(line):
    answer = sbert_pairs(given=f"a\tb\n{line}\n")
    assert answer.returncode == 2
    assert "standard input:2" in answer.stderr.decode() and "tab" in answer.stderr.decode()


def test_a_record_without_a_pair_is_named():
    answer = sbert_pairs("--input-format=jsonl", given='{"text": "a", "pair": "b"}\n{"text": "a"}\n')
    assert answer.returncode == 2
    assert "standard input:2" in answer.stderr.decode() and '"pair"' in answer.stderr.decode()


def test_a_model_without_a_classification_head_says_so_and_a_cross_encoder_gives_no_vectors():
    answer = sbert_pairs(given="a\tb\n", model=ROOT / "tests/golden/models/cls-32")
    assert answer.returncode == 2 and "not a cross-encoder" in answer.stderr.decode()
    for how in (["--text=a"], ["--text=a", "--shape"]):
        answer = subprocess.run([BIN / "sbert-encode", f"--model={GOLDEN / 'one-label'}", *how],
                                capture_output=True, timeout=DEADLINE)
        assert answer.returncode == 2 and "--pairs" in answer.stderr.decode()


def test_what_pairs_do_not_go_with_is_refused():
    for option in ("--text=a", "--tokens", "--shape", "--output=x.npy", "--prompt=x", "--similarity"):
        assert sbert_pairs(option).returncode == 2, option
