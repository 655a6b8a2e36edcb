"""sbert-index against a real daemon: what is added, refused, removed, and how it says so."""

import json
import re
import signal
import subprocess
import threading

import pytest

from conftest import BIN, DEADLINE, Daemon, wait_until
from terminal import on_a_terminal


@pytest.fixture
def index(daemon, client, collection):
    """Runs sbert-index on a collection of the test's own; gives code, output and errors."""
    name = collection.rsplit("/", 1)[1]

    def run(command, *arguments, stdin=None, cwd=None):
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(
            [BIN / "sbert-index", command, f"--socket={daemon.socket}", f"--collection={name}",
             *map(str, arguments)], capture_output=True, timeout=DEADLINE, cwd=cwd, **given)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    run.path = collection
    run.client = client
    return run


def summary(index, *arguments, **given):
    code, out, errors = index("add", "--json", *arguments, **given)
    return code, json.loads(out), errors


def documents(index, source=None):
    """The collection's documents, by id."""
    query = f"?limit=1000&source={source}" if source else "?limit=1000"
    listed = index.client.get(f"{index.path}/documents{query}").json
    return {document["id"]: document for document in listed["documents"]}


def texts(index):
    return sorted(document["text"] for document in documents(index).values())


def said_safe(errors):
    """The number that an add which was ended early says is safe."""
    return int(re.search(r"at least ([\d,]+) documents", errors)[1].replace(",", ""))


def test_the_lines_of_a_file_are_documents_with_their_place(index, folder):
    file = folder / "notes.txt"
    file.write_text("a great day\n\nthe river\n")
    code, done, errors = summary(index, file)
    assert (code, done["added"], done["empty"], errors) == (0, 2, 1, "")
    places = {d["text"]: d["source"] for d in documents(index).values()}
    assert places["the river"] == {"path": str(file.resolve()), "line": 3}


def test_the_summary_is_one_line_that_a_person_reads(index, folder):
    file = folder / "notes.txt"
    file.write_text("".join(f"line {i}\n" for i in range(1200)))
    code, out, errors = index("add", file)
    assert code == 0 and errors == ""
    assert out.startswith("added 1,200, replaced 0, unchanged 0, removed 0 (0:0")
    assert out.endswith(" documents/s)\n") and out.count("\n") == 1
    assert index("add", "--quiet", file) == (0, "", "")


def test_a_terminal_gets_a_bar_and_then_the_summary(index, daemon, folder):
    file = folder / "notes.txt"
    file.write_text("".join(f"line {i}\n" for i in range(3000)))
    name = index.path.rsplit("/", 1)[1]
    command = [BIN / "sbert-index", "add", f"--socket={daemon.socket}", f"--collection={name}"]
    out = on_a_terminal([*command, file], 70)
    *bars, end = out.split("\r")
    assert re.match(r"adding  \[#*>? *\]  ?\d+%  [\d,]+ documents  [\d,]+/s", bars[1])
    assert max(len(bar.replace("\x1b[K", "")) for bar in bars) < 70
    assert end.startswith("\x1b[Kadded 3,000, ")
    assert "adding" not in on_a_terminal([*command, "--quiet", file], 70)


def test_adding_again_changes_nothing_and_what_vanished_is_removed(index, folder):
    file = folder / "notes.txt"
    file.write_text("".join(f"line {i}\n" for i in range(2500)))
    assert summary(index, file)[1]["added"] == 2500
    again = summary(index, file)[1]
    assert (again["added"], again["unchanged"], again["removed"]) == (0, 2500, 0)
    file.write_text("line 7\nnew\n")
    changed = summary(index, file)[1]
    assert (changed["added"], changed["unchanged"], changed["removed"]) == (1, 1, 2499)
    assert texts(index) == ["line 7", "new"]


def test_a_line_that_another_file_has_too_stays_when_it_vanishes_from_one(index, folder):
    one, two = folder / "one.txt", folder / "two.txt"
    one.write_text("shared\nonly one\n")
    two.write_text("shared\nonly two\n")
    summary(index, one, two)
    one.write_text("something else\n")
    assert summary(index, one)[1]["removed"] == 1
    assert texts(index) == ["only two", "shared", "something else"]


def test_a_file_with_refused_lines_or_that_cannot_be_read_removes_nothing(index, folder):
    file = folder / "notes.txt"
    file.write_text("one\ntwo\n")
    summary(index, file)
    file.write_bytes(b"three\n\xff\n")
    code, done, errors = summary(index, file)
    assert (code, done["refused"], done["removed"]) == (1, 1, 0)
    assert f"{file}:2: not valid UTF-8 at byte 1" in errors
    file.unlink()
    code, done, errors = summary(index, file)
    assert code == 1 and f"cannot read {file}: No such file" in errors
    assert texts(index) == ["one", "three", "two"]


def test_broken_utf8_is_replaced_or_skipped_when_asked(index, folder):
    file = folder / "notes.txt"
    file.write_bytes(b"caf\xe9\ngood\n")
    code, done, _ = summary(index, "--invalid-utf8=skip", file)
    assert (code, done["invalid_utf8"]) == (0, 1)
    assert texts(index) == ["good"]
    assert summary(index, "--invalid-utf8=replace", file)[0] == 0
    assert texts(index) == ["caf\ufffd", "good"]


def test_bad_files_are_named_and_the_rest_goes_on(index, folder):
    (folder / "picture").write_bytes(b"\x89PNG\0\0\0")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "good.txt").write_text("good\n")
    (folder / "cut.jsonl").write_text('{"text": "whole"}\n{"text": "cut\n{"txet": "typo"}\n')
    names = ["picture", "missing", "empty.txt", "cut.jsonl", "good.txt"]
    code, done, errors = summary(index, *names, cwd=folder)
    assert (code, done["refused"], done["added"]) == (1, 4, 2)
    assert "picture is a binary file" in errors
    assert "cannot read missing: No such file or directory" in errors
    assert "warning: empty.txt has no text in it" in errors
    assert "cut.jsonl:2: not valid JSON at line 1 column" in errors
    assert 'cut.jsonl:3: the field "text" is missing' in errors
    assert texts(index) == ["good", "whole"]


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(index, folder):
    (folder / "good.txt").write_text("good\n")
    code, done, errors = summary(index, "/proc/self/mem", "good.txt", cwd=folder)
    assert (code, done["refused"], done["added"]) == (1, 1, 1)
    assert "cannot read /proc/self/mem: Input/output error" in errors


def test_a_line_of_ten_megabytes_is_taken_and_one_beyond_the_limit_named(index, folder):
    file = folder / "big.txt"
    with open(file, "wb") as out:
        out.write(b"x" * (10 << 20) + b"\n" + b"y" * (17 << 20) + b"\nsmall\n")
    code, done, errors = summary(index, file)
    assert (code, done["added"], done["refused"]) == (1, 2, 1)
    assert f"{file}:2: a line of more than 16 MiB" in errors
    assert sorted(map(len, texts(index))) == [5, 10 << 20]


def test_what_the_daemon_refuses_is_named_by_file_and_line(index, folder):
    file = folder / "ids.jsonl"
    lines = [{"id": str(i), "text": f"text {i}"} for i in range(20)]
    lines[7]["id"] = "x" * 600
    lines[13]["metadata"] = {"a": "m" * (1 << 20)}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, done, errors = summary(index, file)
    assert (code, done["added"], done["refused"]) == (1, 18, 2)
    assert f"{file}:8: refused: id" in errors
    assert f"{file}:14: refused: metadata" in errors


def test_csv_columns_become_id_text_and_metadata(index, folder):
    file = folder / "table.csv"
    file.write_text('nr,lang,body\n1,en,"say ""hello"""\n2,de,"two\nlines"\n3,short\n')
    code, done, errors = summary(index, "--id-column=nr", "--text-column=body",
                                 "--metadata-columns=lang", file)
    assert (code, done["added"]) == (1, 2)
    assert f"{file}:5: 2 fields where the header has 3" in errors
    found = documents(index)
    assert found["1"]["text"] == 'say "hello"' and found["1"]["metadata"] == {"lang": "en"}
    assert found["2"]["text"] == "two\nlines" and found["2"]["source"]["line"] == 3
    code, _, errors = summary(index, file)
    assert code == 1 and 'no column "text" (--text-column names another); it has: nr, lang' in errors


def test_a_folder_is_walked_and_its_files_are_whole_texts(index, folder):
    tree = folder / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / ".hidden").mkdir()
    (tree / "a.md").write_text("# Title\n\nText.\n")
    (tree / "sub/b.txt").write_text("two\nlines\n")
    (tree / "sub/c.jsonl").write_text('{"id": "c", "text": "three"}\n')
    (tree / ".hidden/d.txt").write_text("hidden\n")
    (tree / "picture.png").write_bytes(b"\x89PNG\0")
    code, done, errors = summary(index, tree)
    assert (code, done["added"], done["binary"]) == (0, 3, 1)
    assert "warning:" in errors and "picture.png is a binary file" in errors
    assert texts(index) == ["# Title\n\nText.", "three", "two\nlines"]
    whole = next(d for d in documents(index).values() if d["text"].startswith("#"))
    assert whole["source"] == {"path": str(tree.resolve() / "a.md"), "byte_start": 0, "byte_end": 14}
    assert summary(index, "--glob=*.md", "--glob=*.txt", tree)[1]["unchanged"] == 2


def test_standard_input_has_no_source_unless_it_is_given_one(index):
    assert summary(index, "-", stdin=b"one\ntwo\n")[1]["added"] == 2
    assert all("source" not in document for document in documents(index).values())
    summary(index, "--source=a name", stdin=b"three\n")
    assert next(iter(documents(index, "a%20name").values()))["text"] == "three"


def test_a_slow_producer_is_indexed_while_it_goes_on(index, daemon):
    command = [BIN / "sbert-index", "add", f"--socket={daemon.socket}", "--quiet",
               f"--collection={index.path.rsplit('/', 1)[1]}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        process.stdin.write(b"first line\n")
        process.stdin.flush()
        wait_until(lambda: texts(index) == ["first line"])
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(DEADLINE) == 0


def test_a_dry_run_prints_what_would_be_sent_and_sends_nothing(index):
    code, out, errors = index("add", "--dry-run", "-", stdin=b"one\n\ntwo\n")
    assert [json.loads(line) for line in out.splitlines()] == [{"text": "one"}, {"text": "two"}]
    assert (code, errors) == (0, "2 documents would be sent\n")
    assert texts(index) == []


def test_ctrl_c_says_what_is_safe_and_the_same_command_goes_on(index, daemon, folder):
    file = folder / "many.txt"
    file.write_text("".join(f"line number {i} of many\n" for i in range(60000)))
    command = [BIN / "sbert-index", "add", f"--socket={daemon.socket}", "--batch=100",
               f"--collection={index.path.rsplit('/', 1)[1]}", file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # More than can be under way at once, so that some of it was acknowledged.
    wait_until(lambda: index.client.get(index.path).json["documents"] >= 1000)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert "sbert-index: interrupted\n" in errors
    assert "documents are safely in the collection; the same command, run again" in errors
    said = said_safe(errors)
    assert 0 < said <= index.client.get(index.path).json["documents"] < 60000


def test_documents_are_shown_listed_and_removed(index, folder):
    file = folder / "a.jsonl"
    file.write_text('{"id": "a/1", "text": "one\\ttab", "metadata": {"k": "v"}}\n'
                    '{"id": "b", "text": "two"}\n')
    summary(index, file)
    code, out, _ = index("get", "a/1")
    assert code == 0 and "\nmetadata  {\"k\":\"v\"}\n" in out and out.endswith("\n\none\ttab\n")
    assert json.loads(index("get", "--json", "b")[1])["text"] == "two"
    code, out, errors = index("get", "b", "nothing")
    assert code == 1 and "two" in out and "nothing" in errors
    place = file.resolve()
    assert index("list") == (0, f"a/1\t{place}:1\tone\\ttab\nb\t{place}:2\ttwo\n", "")
    assert index("list", "--limit=1")[1].count("\n") == 1
    assert index("list", "--source=a.jsonl", cwd=folder)[1].count("\n") == 2
    assert index("list", "--source=other.jsonl", cwd=folder) == (1, "", "")
    assert index("rm", "b", "nothing")[:2] == (1, "removed 1\n")
    file.unlink()
    assert index("rm", "--source=a.jsonl", cwd=folder)[:2] == (0, "removed 1\n")
    assert texts(index) == []


def test_what_another_file_holds_too_is_kept_when_one_is_removed(index, folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "f.txt").write_text("shared\n" + name + "\n")
        summary(index, folder / name / "f.txt")
    (folder / "a" / "f.txt").unlink()
    (folder / "a").rmdir()
    removed = index("rm", "--source=../a/f.txt", cwd=folder / "b")
    assert removed == (0, "removed 1, kept 1 that came from elsewhere, too\n", "")
    assert texts(index) == ["b", "shared"]
    assert index("rm", "--source=../a/f.txt", cwd=folder / "b") == (1, "removed 0\n", "")


def test_a_list_goes_over_many_pages(index, folder):
    file = folder / "many.txt"
    file.write_text("".join(f"line {i}\n" for i in range(2345)))
    summary(index, file)
    assert index("list")[1].count("\n") == 2345
    assert index("list", "--limit=1001")[1].count("\n") == 1001


def test_stats_and_collections(index):
    summary(index, "-", stdin=b"one\n")
    name = index.path.rsplit("/", 1)[1]
    out = index("stats")[1]
    assert f"collection  {name}\n" in out and "documents   1\n" in out
    assert json.loads(index("stats", "--json")[1])["collection"]["documents"] == 1
    other = f"{name}-other"
    assert index("collections", "create", other) == (0, f"{other} created\n", "")
    assert index("collections", "create", other) == (0, f"{other} is there already\n", "")
    assert f"\n{other}\t0\t" in "\n" + index("collections")[1]
    assert index("collections", "create", "--index=hnsw", other)[0] == 2
    assert index("collections", "drop", other) == (0, f"{other} dropped\n", "")
    assert index("collections", "drop", other)[0] == 1


def test_a_collection_that_is_not_there_is_named_with_the_cure(index, folder):
    file = folder / "a.txt"
    file.write_text("x\n")
    code, _, errors = index("add", "--collection=nowhere", file)
    assert code == 2 and "make it with: sbert-index collections create nowhere" in errors


def test_without_a_daemon_it_says_how_to_start_one(folder):
    done = subprocess.run([BIN / "sbert-index", "stats", f"--socket={folder}/s"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 2
    assert done.stderr == (f"sbert-index: sbertd is not running (no socket at {folder}/s); "
                           f"start it with: sbertd start --socket {folder}/s\n")


def test_an_add_whose_daemon_dies_says_what_is_safe(folder):
    """The daemon is ended in the middle; after a new start the same command adds the rest."""
    file = folder / "many.txt"
    lines = 6000
    file.write_text("".join(f"line number {i} of many\n" for i in range(lines)))
    daemon = Daemon(folder)
    command = [BIN / "sbert-index", "add", f"--socket={daemon.socket}", "--batch=100", file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    client = daemon.client()
    wait_until(lambda: client.get("/v1/collections/default").json.get("documents", 0) > 0)
    daemon.kill()
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    said = said_safe(errors)
    daemon = Daemon(folder)
    try:
        there = daemon.client().get("/v1/collections/default").json["documents"]
        assert 0 <= said <= there < lines
        done = subprocess.run([*command, "--json"], capture_output=True, timeout=DEADLINE)
        counts = json.loads(done.stdout)
        assert done.returncode == 0
        assert (counts["added"], counts["unchanged"]) == (lines - there, there)
    finally:
        assert daemon.stop() == 0


def test_two_adds_at_once_both_arrive(index, folder):
    files = [folder / f"{i}.txt" for i in range(3)]
    for i, file in enumerate(files):
        file.write_text("".join(f"file {i} line {j}\n" for j in range(700)))
    results = []
    threads = [threading.Thread(target=lambda f=f: results.append(summary(index, f)))
               for f in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(code, done["added"]) for code, done, _ in results] == [(0, 700)] * 3
    assert index.client.get(index.path).json["documents"] == 2100


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["add", "--format=xml", "x"], ["rm"],
                                       ["get"], ["list", "x"], ["add", "--batch=0", "x"],
                                       ["add", "--source=a", "b", "c"], ["collections", "drop"]])
def test_wrong_usage_is_an_error_of_two_lines(arguments):
    done = subprocess.run([BIN / "sbert-index", *arguments], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE)
    assert done.returncode == 2 and done.stdout == ""
    assert "Try `sbert-index" in done.stderr


@pytest.mark.parametrize("command", ["", "add", "rm", "get", "list", "stats", "collections", "create",
                                     "fields", "backup", "restore", "export", "import", "check", "repair", "pairs",
                                     "dedup", "clusters"])
def test_help_fits_a_screen(command):
    done = subprocess.run([BIN / "sbert-index", *command.split(), "--help"], capture_output=True,
                          text=True, timeout=DEADLINE)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80
