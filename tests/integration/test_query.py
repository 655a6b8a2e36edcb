"""sbert-query against a real daemon: what it prints, where, and its exit codes."""

import json
import os
import re
import subprocess
import unicodedata

import pytest

from conftest import BIN, DEADLINE
from terminal import on_a_terminal

TEXTS = {
    "day": "It was a great day at the seaside",
    "river": "The river carries water to the sea",
    "wide": "ＡＢＣ" * 60,
    "long": "a text that goes on. " * 100,
    "control": "red \x1b[31m and\ttab and\nline",
}


@pytest.fixture
def query(daemon, client, collection):
    """Runs sbert-query on a collection with TEXTS in it."""
    documents = [{"id": id, "text": text, "source": {"path": f"/files/{id}.txt", "line": 3}}
                 for id, text in TEXTS.items()]
    documents.append({"id": "no-file", "text": "A document from nowhere"})
    assert client.post(f"{collection}/documents", {"documents": documents}).status == 200
    command = [BIN / "sbert-query", f"--socket={daemon.socket}",
               f"--collection={collection.rsplit('/', 1)[1]}"]

    def run(*arguments, stdin=None):
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run([*command, *arguments], capture_output=True, timeout=DEADLINE, **given)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    run.command = command
    run.client, run.path = client, collection
    return run


def width_of(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
               for c in line)


def test_a_pipe_gets_rank_score_id_place_and_passage(query):
    code, out, errors = query("It was a great day at the seaside")
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, errors) == (0, "")
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert all(len(row) == 5 for row in rows)
    assert rows[0][1:] == ["1.0000", "day", "/files/day.txt:3", TEXTS["day"]]
    by_id = {row[2]: row for row in rows}
    assert by_id["no-file"][3] == ""
    assert by_id["control"][4] == "red \x1b[31m and\\ttab and\\nline"
    scores = [float(row[1]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_words_need_no_quotes_and_options_bound_the_results(query):
    assert query("a", "great", "day")[1] == query("a great day")[1]
    assert query("-k", "2", "day")[1].count("\n") == 2
    best = query("day", "-k1")[1].split("\t")
    assert query("--min-score=0.99", TEXTS["river"])[1].count("\n") == 1
    assert best[0] == "1"


def test_exit_codes_are_greps(query, folder):
    assert query("day")[0] == 0
    assert query("--min-score=2", "day") == (1, "", "")
    code, out, errors = query("--collection=nowhere", "day")
    assert (code, out) == (2, "") and "nowhere" in errors
    done = subprocess.run([BIN / "sbert-query", f"--socket={folder}/s", "day"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 2
    assert done.stderr == (f"sbert-query: sbertd is not running (no socket at {folder}/s); "
                           f"start it with: sbertd start --socket {folder}/s\n")
    (folder / "file").write_text("x")
    done = subprocess.run([BIN / "sbert-query", f"--socket={folder}/file", "day"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 2 and "is not a socket" in done.stderr


def test_each_line_of_standard_input_is_a_query(query):
    code, out, _ = query("-k1", stdin=f"{TEXTS['day']}\n\n{TEXTS['river']}".encode())
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [(row[0], row[1], row[3]) for row in rows] == [("1", "1", "day"), ("3", "1", "river")]
    assert query("-", "-k1", stdin=b"x\n")[1].startswith("1\t1\t")
    assert query(stdin=b"") == (1, "", "")


def test_a_query_that_is_refused_is_named_and_the_rest_goes_on(query):
    code, out, errors = query("-k1", stdin=b"good\n\xff\xfe\nday\n")
    assert code == 2 and errors == "sbert-query: query 2: the query is not valid UTF-8\n"
    assert [line.split("\t")[0] for line in out.splitlines()] == ["1", "3"]


def test_answers_come_while_queries_do(query):
    with subprocess.Popen([*query.command, "-k1"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        for number in range(1, 4):
            process.stdin.write(b"day\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(b"%d\t1\t" % number)
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


def test_json_is_one_object_for_each_query(query):
    code, out, _ = query("--json", "-k2", stdin="day\ncaf\u00e9 \"quoted\"\n".encode())
    objects = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [o["query"] for o in objects] == ["day", "caf\u00e9 \"quoted\""]
    assert all(set(o) == {"query", "results", "took_ms"} for o in objects)
    answer = query.client.post(f"{query.path}/search", {"query": "day", "top_k": 2}).json
    assert objects[0]["results"] == answer["results"]
    nothing = query("--json", "--min-score=2", "day")
    assert nothing[0] == 1 and json.loads(nothing[1])["results"] == []


@pytest.mark.parametrize("columns", [60, 80, 101])
def test_a_terminal_gets_lines_of_its_width_without_control_characters(query, columns):
    plain = on_a_terminal([*query.command, "great day"], columns, {"NO_COLOR": "1"})
    lines = plain.splitlines()
    assert len(lines) == 7 and re.fullmatch(r"[\d.]+ ms", lines[-1])
    assert all(width_of(line) <= columns for line in lines), plain
    assert all(unicodedata.category(c) != "Cc" for line in lines for c in line)
    wide = next(line for line in lines if "ＡＢＣ" in line)
    assert wide.endswith("…") and width_of(wide) >= columns - 2
    starts = {line.index(TEXTS["day"][:10]) for line in lines if TEXTS["day"][:10] in line}
    assert starts == {line.index("a text that") for line in lines if "a text that" in line}


def test_colour_only_on_a_terminal_that_wants_it(query):
    assert "\x1b[32m" in on_a_terminal([*query.command, "day"], 80)
    assert "\x1b" not in on_a_terminal([*query.command, "day"], 80, {"TERM": "dumb"})


def test_an_id_that_was_given_is_shown_and_else_the_place_in_the_file(query):
    query.client.post(f"{query.path}/documents", {"documents": [
        {"text": "nobody named this", "source": {"path": "/files/nameless.txt", "line": 7}}]})
    shown = on_a_terminal([*query.command, "-k1", "nobody named this"], 80, {"NO_COLOR": "1"})
    assert "  /files/nameless.txt:7  nobody" in shown
    assert "  day  " in on_a_terminal([*query.command, "-k1", TEXTS["day"]], 80, {"NO_COLOR": "1"})


def test_a_file_below_this_folder_is_shown_relative_to_it(query, folder):
    query.client.post(f"{query.path}/documents", {"documents": [
        {"text": "unmistakable", "source": {"path": str(folder.resolve() / "n.txt")}}]})
    here = os.getcwd()
    os.chdir(folder)
    try:
        assert "  n.txt:1  " in on_a_terminal([*query.command, "-k1", "unmistakable"], 80,
                                              {"NO_COLOR": "1"})
    finally:
        os.chdir(here)


def test_the_line_of_a_passage_is_counted_from_the_line_of_its_document(query):
    text = "\n".join(f"Sentence number {i} tells something of its own." for i in range(400))
    text += "\nThe quick brown fox jumps over the lazy dog.\n"
    query.client.post(f"{query.path}/documents", {"documents": [
        {"id": "book", "text": text, "source": {"path": "/book.txt", "byte_start": 0,
                                                "byte_end": len(text)}}]})
    found = json.loads(query("--json", "-k9", "Sentence number 300")[1])["results"]
    start = next(r["passage"]["start"] for r in found if r["id"] == "book")
    rows = [line.split("\t") for line in query("-k9", "Sentence number 300")[1].splitlines()]
    place = next(row[3] for row in rows if row[2] == "book")
    assert place == f"/book.txt:{1 + text[:start].count(chr(10))}"


def test_a_full_disk_behind_standard_output_is_an_error(query):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*query.command, "day"], stdout=full, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=DEADLINE)
    assert done.returncode == 2 and b"No space left on device" in done.stderr


def test_it_links_only_what_it_needs():
    libraries = subprocess.run(["ldd", BIN / "sbert-query"], capture_output=True, text=True,
                               timeout=DEADLINE).stdout
    for name in ("faiss", "openblas", "curl", "sqlite", "microhttpd", "stdc++", "crypto"):
        assert name not in libraries


@pytest.mark.parametrize("arguments", [["-k0", "x"], ["-kx", "x"], ["--min-score=a", "x"],
                                       ["--nonsense"], ["a", "-"], ["--timeout=0", "x"]])
def test_wrong_usage_is_an_error(arguments):
    done = subprocess.run([BIN / "sbert-query", *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE)
    assert done.returncode == 2 and "sbert-query" in done.stderr


def test_help_fits_a_screen_and_the_version_is_named():
    done = subprocess.run([BIN / "sbert-query", "--help"], capture_output=True, text=True,
                          timeout=DEADLINE)
    lines = done.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    done = subprocess.run([BIN / "sbert-query", "--version"], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert re.fullmatch(r"sbert-query \(sbertd\) \d+\.\d+\.\d+\n", done.stdout)
