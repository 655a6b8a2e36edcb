"""sbert-index pairs, dedup and clusters on files, with the tiny model of tests/golden: what they find
is what plain loops over the vectors of sbert-encode find."""

import json
import subprocess

import numpy
import pytest
from conftest import BIN, DEADLINE, MODEL

if not (BIN / "sbert-index").exists():
    pytest.skip(f"{BIN / 'sbert-index'} is not built", allow_module_level=True)

WORDS = "red green blue dog cat horse runs sleeps eats fast slow house tree river stone".split()


def sbert_index(*arguments, given=None, environment=None):
    return subprocess.run([BIN / "sbert-index", *map(str, arguments)], input=given,
                          stdin=subprocess.DEVNULL if given is None else None,
                          capture_output=True, text=True, timeout=2 * DEADLINE, env=environment)


def mine(command, *arguments, given=None):
    answer = sbert_index(command, f"--model={MODEL}", "--precision=f32", "--quiet", "--json", *arguments,
                         given=given)
    assert answer.returncode in (0, 1), answer.stderr
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    assert answer.returncode == (0 if found else 1)
    return found


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A file with 60 texts, an empty line after each tenth, and its vectors by line."""
    random = numpy.random.default_rng(5)
    path = tmp_path_factory.mktemp("mine") / "texts.txt"
    lines = []
    for i in range(60):
        lines.append(" ".join(random.choice(WORDS, size=random.integers(3, 9))))
        if i % 10 == 9:
            lines.append("")
    lines[30] = lines[3]
    path.write_text("".join(line + "\n" for line in lines))
    subprocess.run([BIN / "sbert-encode", f"--model={MODEL}", "--precision=f32", "-q", "-o",
                    path.with_suffix(".npy"), path],
                   check=True, timeout=2 * DEADLINE)
    vectors = numpy.load(path.with_suffix(".npy")).astype(numpy.float64)
    vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return path, lines, vectors


def all_pairs(lines, vectors):
    """(score, line, line) of all pairs, best first; lines count from 1."""
    kept = [i for i, line in enumerate(lines) if line]
    pairs = [(float(vectors[a] @ vectors[b]), a + 1, b + 1) for a in kept for b in kept if a < b]
    return sorted(pairs, key=lambda pair: (-round(pair[0], 6), pair[1], pair[2]))


def test_the_best_pairs_are_those_of_a_plain_loop(texts):
    path, lines, vectors = texts
    found = mine("pairs", "--top=25", path)
    expected = all_pairs(lines, vectors)[:25]
    assert [pair["score"] for pair in found] == pytest.approx([pair[0] for pair in expected], abs=2e-6)
    assert {(pair["a"]["line"], pair["b"]["line"]) for pair in found[:20]} <= {pair[1:] for pair in expected}
    for pair in found:
        assert pair["a"]["text"] == lines[pair["a"]["line"] - 1]
        assert pair["b"]["text"] == lines[pair["b"]["line"] - 1]
    assert (found[0]["a"]["line"], found[0]["b"]["line"]) == (4, 31)  # equal texts


def test_a_threshold_and_a_number_for_each_text_limit_what_is_found(texts):
    path, lines, vectors = texts
    pairs = all_pairs(lines, vectors)
    threshold = round(pairs[40][0], 4) - 0.00005
    found = mine("pairs", "--top=100000", f"--threshold={threshold}", path)
    assert len(found) == sum(pair[0] >= threshold for pair in pairs)

    each = mine("pairs", "--each=2", path)
    assert len(each) == 2 * 60
    for pair in each[::2]:
        line = pair["a"]["line"]
        best = max(score for score, a, b in pairs if line in (a, b))
        assert pair["score"] == pytest.approx(best, abs=2e-6)


def test_a_graph_finds_the_same_among_few(texts, tmp_path):
    path, lines, _ = texts
    other = tmp_path / "other.txt"
    other.write_text("".join(line + "\n" for line in lines[5:25] if line))
    for arguments in (["--top=25", path], ["--each=3", path], ["--top=9", "--threshold=0.5", path, other]):
        assert mine("pairs", "--approximate", *arguments) == mine("pairs", *arguments)
    answer = sbert_index("pairs", f"--model={MODEL}", "-a", "--top=1", path)
    assert "by a graph (100.00% of the true ones, by a sample)" in answer.stderr


def test_pairs_between_two_files_have_one_text_of_each(texts, tmp_path):
    path, lines, vectors = texts
    other = tmp_path / "other.jsonl"
    other.write_text("".join(json.dumps({"id": f"t{i}", "text": lines[i]}) + "\n" for i in (5, 15, 25)))
    found = mine("pairs", "--top=3", path, other)
    assert sorted((pair["a"]["line"], pair["b"]["id"]) for pair in found) == [(6, "t5"), (16, "t15"), (26, "t25")]
    assert all(pair["score"] == pytest.approx(1, abs=1e-6) for pair in found)


def test_groups_hang_together(texts):
    path, lines, vectors = texts
    threshold = all_pairs(lines, vectors)[12][0] - 1e-5
    label = list(range(len(lines) + 1))
    for score, a, b in all_pairs(lines, vectors):
        if score >= threshold:
            old, new = max(label[a], label[b]), min(label[a], label[b])
            label = [new if l == old else l for l in label]
    expected = [[line for line in range(1, len(label)) if label[line] == root] for root in sorted(set(label))]
    expected = [group for group in expected if len(group) > 1]
    assert [[text["line"] for text in group] for group in mine("dedup", f"--threshold={threshold:.6f}", path)] == expected

    unique = sbert_index("dedup", f"--model={MODEL}", "--precision=f32", "-q", "--unique", f"--threshold={threshold:.6f}", path)
    gone = {line for group in expected for line in group[1:]}
    assert unique.stdout.splitlines() == [text for i, text in enumerate(lines, 1) if text and i not in gone]


def test_every_text_is_in_one_cluster_and_the_same_one_again(texts):
    path, lines, _ = texts
    clusters = mine("clusters", "--k-means=4", path)
    assert [cluster["size"] for cluster in clusters] == sorted((c["size"] for c in clusters), reverse=True)
    found = sorted(text["line"] for cluster in clusters for text in cluster["texts"])
    assert found == [i for i, line in enumerate(lines, 1) if line]
    assert mine("clusters", "--k-means=4", path) == clusters


def test_communities_are_near_their_centres_and_apart(texts):
    path, lines, vectors = texts
    pairs = all_pairs(lines, vectors)
    threshold = pairs[len(pairs) // 10][0]
    communities = mine("clusters", f"--threshold={threshold:.6f}", "--min-size=4", path)
    seen = []
    assert communities
    for community in communities:
        members = [text["line"] for text in community["texts"]]
        assert len(members) == community["size"] >= 4
        scores = vectors[[line - 1 for line in members]] @ vectors[members[0] - 1]
        assert (scores >= threshold - 1e-5).all()
        assert (numpy.diff(scores) <= 1e-5).all()
        seen += members
    assert len(seen) == len(set(seen))


def test_what_a_person_sees(texts):
    path, lines, _ = texts
    answer = sbert_index("pairs", f"--model={MODEL}", "--top=1", path)
    first, second = answer.stdout.splitlines()
    assert first.split() == ["1.0000", "4", *lines[3].split()]
    assert second.split() == ["31", *lines[30].split()]
    assert "60 texts: read" in answer.stderr and "1,770 pairs compared" in answer.stderr
    assert "2 texts" in sbert_index("dedup", f"--model={MODEL}", "-T", "0.99999", path).stderr
    assert sbert_index("clusters", f"--model={MODEL}", "-k", "2", "-n", "1", path).stdout.startswith("1: ")


@pytest.mark.parametrize("arguments, said", [
    (["pairs", "a", "b", "c"], "one file, or two"),
    (["pairs", "--threshold=2", "a"], "'2' is not a score from -1 to 1"),
    (["pairs", "--top=0", "a"], "'0' is not a number"),
    (["dedup", "a", "b"], "one file"),
    (["clusters", "--k-means=x", "a"], "'x' is not a number"),
    (["pairs", "no-such-file"], "no-such-file"),
    (["pairs", "--model=no-such-model", "/dev/null"], "no-such-model"),
])
def test_wrong_arguments_are_named(arguments, said):
    answer = sbert_index(*arguments)
    assert answer.returncode == 2
    assert said in answer.stderr


def test_bad_input_is_named_and_few_texts_have_few_pairs(tmp_path):
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"good\n\xff\xfe bad\n")
    answer = sbert_index("pairs", f"--model={MODEL}", broken)
    assert answer.returncode == 2 and f"{broken}:2" in answer.stderr
    assert mine("pairs", "--invalid-utf8=skip", broken) == []
    assert mine("pairs", "-", given="") == []
    assert mine("dedup", "-", given="one\n") == []
    answer = sbert_index("clusters", f"--model={MODEL}", "-k", "3", "-", given="one\ntwo\n")
    assert answer.returncode == 2 and "2 vectors cannot be put into 3 clusters" in answer.stderr
