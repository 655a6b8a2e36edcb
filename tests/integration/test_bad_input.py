"""Bad input, bad disks and bad surroundings, on the real programs and the real daemon: each is an error that
names the thing and what to do, the rest goes on, and nothing acknowledged is lost.

What the tests of one program show already is not repeated here:

    binary file                    test_index  bad_files_are_named, a_folder_is_walked
                                   test_encode inputs_that_cannot_be
    broken UTF-8                   test_index  a_file_with_refused_lines, broken_utf8_is_replaced_or_skipped
                                   test_encode text_that_is_not_utf8
                                   test_query  a_query_that_is_refused
                                   test_protocol bad_bytes_in_a_line, bad_documents
    empty lines, empty file        test_index  the_lines_of_a_file, bad_files_are_named
                                   test_encode every_line_has_its_row, no_text_at_all
                                   test_query  each_line_of_standard_input
    line of 10 MB, and beyond      test_index  a_line_of_ten_megabytes; test_encode the same
                                   test_protocol a_line_over_the_limit, a_body_over_the_limit
    file that cannot be read       test_index  a_file_that_cannot_be_read; test_encode inputs_that_cannot_be
    malformed JSON, its position   test_index  bad_files_are_named; test_encode a_malformed_record
                                   test_protocol broken_json_is_named, the lines of an upload
                                   test_service a_mistake_in_the_file_names_its_line
    no daemon; no socket there     test_index, test_query, test_service
    model that does not load       test_model  a_folder_that_does_not_load, a_tampered_file_is_named
    garbage on the socket          test_service garbage_is_survived
    daemon or program killed       test_crash, test_index, test_encode, test_model
    full disk, one store alone     tests/unit/storage/test_faults.c
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import numpy
import pytest

from conftest import BIN, DEADLINE, MODEL, Daemon, wait_until
from test_crash import build_shim
from test_model import NAME, environment, hub, real_model, visible  # noqa: F401 (fixtures)

DOCUMENTS = "/v1/collections/default/documents"
SEARCH = "/v1/collections/default/search"
DISK = 64 << 20  # bytes that the full disk of these tests holds


def program(name, *arguments, given=b"", **more):
    """Runs a program to its end; its code, output and errors."""
    done = subprocess.run([BIN / name, *map(str, arguments)], input=given, capture_output=True,
                          timeout=2 * DEADLINE, **more)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def refused_start(folder, *options, model=MODEL, prefix=(), **more):
    """What `sbertd run` says when it will not; it must end by itself with code 2."""
    done = subprocess.run(
        [*prefix, BIN / "sbertd", "run", f"--socket={folder}/s", f"--data-dir={folder}/data",
         f"--model={model}", *options], capture_output=True, text=True, timeout=DEADLINE, **more)
    assert done.returncode == 2, done
    assert not (folder / "s").exists()
    return done.stderr


def numbered(first, count):
    return {"documents": [{"id": str(i), "text": f"text number {i}"} for i in range(first, first + count)]}


def ids(client):
    listed = client.get(f"{DOCUMENTS}?limit=1000")
    assert listed.status == 200, listed
    return {document["id"] for document in listed.json["documents"]}


def hits(client):
    found = client.post(SEARCH, {"query": "text number 5", "top_k": 5})
    assert found.status == 200, found
    return found.json["results"]


@pytest.fixture
def filled(folder):
    """A data folder with fifty documents and a snapshot in it, and no daemon; the first hits of a query."""
    daemon = Daemon(folder)
    try:
        assert daemon.client().post(DOCUMENTS, numbered(0, 50)).status == 200
        found = hits(daemon.client())
    finally:
        assert daemon.stop() == 0, daemon.tail()
    return found


# --- the disk under the daemon ---


def under_shim(folder, **settings):
    (folder / "shim").mkdir(exist_ok=True)
    options = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
    return {"LD_PRELOAD": str(build_shim(folder / "shim")), "ASAN_OPTIONS": options,
            "SHIM_FOLDER": str(folder.resolve() / "data"), **settings}


class Ballast:
    """A file without contents that leaves no room on the shim's disk, until it goes."""

    def __init__(self, data):
        self.data, self.path = data, data / "ballast"

    def fill(self):
        used = sum(file.stat().st_size for file in self.data.rglob("*")
                   if file.is_file() and file != self.path)
        self.path.touch()
        os.truncate(self.path, DISK - used)

    def remove(self):
        self.path.unlink()


def test_a_full_disk_refuses_what_needs_room_and_nothing_else(folder):
    full = under_shim(folder, SHIM_NO_SPACE_AFTER=str(DISK))
    lines = folder / "lines.txt"
    lines.write_text("".join(f"line {i}\n" for i in range(1200)))
    daemon = Daemon(folder, environment=full)
    client, ballast = daemon.client(), Ballast(daemon.data)
    add = ["add", "--json", f"--socket={daemon.socket}", lines]
    try:
        assert client.post(DOCUMENTS, numbered(0, 100)).status == 200
        there = ids(client)
        ballast.fill()

        refusals = [client.post(DOCUMENTS, numbered(1000, 5)), client.put("/v1/collections/other", {}),
                    client.post(DOCUMENTS, '{"text": "a line"}\n' * 3, Content_Type="application/x-ndjson")]
        for answer in refusals:
            assert answer.status == 507 and answer.error["code"] == "no_space", answer
            assert "store.sqlite3: free some on its disk, or delete documents" in answer.error["message"]
        assert refusals[2].error["line"] == 1
        code, out, errors = program("sbert-index", *add)
        assert (code, out) == (2, "")
        assert "no space left to write" in errors and "free some on its disk" in errors
        assert "the same command, run again, adds the rest" in errors
        assert ids(client) == there and len(hits(client)) == 5
        assert program("sbert-query", f"--socket={daemon.socket}", "text")[0] == 0

        # Killed and started again on a disk that is still full.
        daemon.kill()
        ballast.fill()
        daemon = Daemon(folder, environment=full)
        client = daemon.client()
        assert ids(client) == there and len(hits(client)) == 5
        assert client.post(DOCUMENTS, numbered(1000, 5)).status == 507
        assert client.delete(f"{DOCUMENTS}/5").status == 200
        assert client.post(f"{DOCUMENTS}/delete", {"ids": [str(i) for i in range(10, 60)]}).json["deleted"] == 50
        assert program("sbert-index", "rm", f"--socket={daemon.socket}", "7")[0] == 0
        there -= {"5", "7", *map(str, range(10, 60))}
        assert ids(client) == there and not {hit["id"] for hit in hits(client)} - there

        ballast.remove()
        assert client.post(DOCUMENTS, numbered(1000, 5)).status == 200
        code, out, errors = program("sbert-index", *add)
        assert (code, json.loads(out)["added"], errors) == (0, 1200, "")
        ballast.fill()  # no room for a snapshot: a warning, and the next start builds the index
        assert daemon.stop() == 0, daemon.tail()
        assert "no snapshot of its index could be saved" in daemon.tail()
        ballast.remove()
        daemon = Daemon(folder)
        assert daemon.client().get("/v1/status").json["documents"] == len(there) + 5 + 1200
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


def test_what_could_not_be_synced_is_not_acknowledged(folder, filled):
    daemon = Daemon(folder, environment=under_shim(folder, SHIM_FAIL_SYNC_AFTER="40"))
    client, acknowledged = daemon.client(), {str(i) for i in range(50)}
    try:
        for first in range(1000, 1400, 2):
            answer = client.post(DOCUMENTS, numbered(first, 2))
            if answer.status != 200:
                break
            acknowledged |= {str(first), str(first + 1)}
        assert len(acknowledged) > 50  # it wrote while the disk was well
        assert answer.status == 500 and answer.error["code"] == "io", answer
        assert "store.sqlite3" in answer.error["message"] and "system's log" in answer.error["message"]
        assert ids(client) == acknowledged and hits(client)[0]["score"] > 0.9
        code, _, errors = program("sbert-index", "add", f"--socket={daemon.socket}", given=b"a line\n")
        assert code == 2 and "cannot read or write" in errors
        assert daemon.healthy()
        daemon.kill()
        daemon = Daemon(folder)
        # What was refused may be there all the same, whole: the log has it, though nobody promised.
        more = ids(daemon.client()) - acknowledged
        assert acknowledged <= ids(daemon.client()) and len(more) in (0, 1, 2), more
        assert daemon.client().post(DOCUMENTS, numbered(2000, 2)).status == 200
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


def test_a_log_that_cannot_be_written_stops_nothing(folder):
    daemon = Daemon(folder, "--log-file=/dev/full", "--log-level=debug")
    try:
        assert daemon.client().post(DOCUMENTS, numbered(0, 5)).status == 200
        assert daemon.stop() == 0
    finally:
        daemon.kill()


# --- what is on the disk ---


def pragma(store, text):
    with contextlib.closing(sqlite3.connect(store)) as connection:
        connection.execute(text)
        connection.commit()


def garble(store):
    contents = bytearray(store.read_bytes())
    contents[8192:] = bytes(byte ^ 0x55 for byte in contents[8192:])
    store.write_bytes(contents)


@pytest.mark.parametrize("spoil, says, cure", [
    (lambda store: store.write_text("Dear diary, " * 2000), "not a database", "sbert-index restore"),
    (lambda store: store.write_text("short"), "not a database", "sbert-index restore"),
    (lambda store: store.write_bytes(store.read_bytes()[:20000]), "damaged", "sbert-index repair"),
    (garble, "damaged", "sbert-index repair"),
    (lambda store: pragma(store, "PRAGMA application_id = 5"), "another program", "another data folder"),
    (lambda store: pragma(store, "PRAGMA user_version = 99"), "a newer sbertd", "use that one"),
], ids=["text", "a-few-bytes", "cut", "garbled", "another-program's", "newer"])
def test_a_store_that_is_not_ours_is_refused_and_left_as_it_was(folder, filled, spoil, says, cure):
    store = folder / "data/store.sqlite3"
    spoil(store)
    before = store.read_bytes()
    errors = refused_start(folder)
    assert str(store) in errors and says in errors and cure in errors, errors
    assert store.read_bytes() == before


def test_what_stands_in_the_place_of_store_or_folder_is_named(folder):
    (folder / "data/store.sqlite3").mkdir(parents=True)
    assert f"{folder}/data/store.sqlite3: Is a directory" in refused_start(folder)
    shutil.rmtree(folder / "data")
    (folder / "data").write_text("precious")
    assert f"{folder}/data is not a folder" in refused_start(folder)
    assert (folder / "data").read_text() == "precious"


@pytest.mark.parametrize("spoil", [
    None, lambda good: b"", lambda good: good[:len(good) // 2], lambda good: b"X" + good[1:],
    lambda good: good[:400] + bytes([good[400] ^ 1]) + good[401:], lambda good: good + b"x",
], ids=["gone", "empty", "cut", "not-one", "one-bit", "longer"])
def test_a_bad_snapshot_costs_time_and_nothing_else(folder, filled, spoil):
    snapshot, = (folder / "data/index").iterdir()
    if spoil:
        snapshot.write_bytes(spoil(snapshot.read_bytes()))
    else:
        snapshot.unlink()
    daemon = Daemon(folder)
    try:
        assert hits(daemon.client()) == filled and len(ids(daemon.client())) == 50
        assert "its index is built from the store" in daemon.log.read_text()
        assert daemon.stop() == 0, daemon.tail()
        daemon = Daemon(folder)  # the snapshot is a good one again
        assert hits(daemon.client()) == filled
        assert "vectors ready, 0 changes replayed" in daemon.tail()
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


# --- models ---


def edited(file, **fields):
    def spoil(model):
        contents = json.loads((model / file).read_text())
        contents.update(fields)
        (model / file).write_text(json.dumps(contents))
    return spoil


def cut(file, size):
    def spoil(model):
        (model / file).write_bytes((model / file).read_bytes()[:size])
    return spoil


def one_piece_more(model):
    contents = json.loads((model / "tokenizer.json").read_text())
    contents["model"]["vocab"]["tampered"] = len(contents["model"]["vocab"])
    (model / "tokenizer.json").write_text(json.dumps(contents))


@pytest.mark.parametrize("spoil, names, says", [
    (cut("model.safetensors", 200_000), "model.safetensors", "cut short or damaged"),
    (cut("model.safetensors", 0), "model.safetensors", "too few"),
    (lambda model: (model / "model.safetensors").write_bytes(b"\xff" * 5000), "model.safetensors", "header"),
    (lambda model: (model / "model.safetensors").unlink(), "", "has no model.safetensors"),
    (cut("tokenizer.json", 200), "tokenizer.json", "not valid JSON at line"),
    (edited("tokenizer.json", model={"type": "WordPiece"}), "tokenizer.json", "vocab"),
    (one_piece_more, "", "the model knows only"),
    (lambda model: (model / "tokenizer.json").unlink(), "", "neither tokenizer.json nor vocab.txt"),
    (lambda model: (model / "config.json").write_text('{"hidden_size": 64,,}'), "config.json",
     "not valid JSON at line 1 column 20"),
    (lambda model: (model / "config.json").unlink(), "config.json", "No such file"),
    (edited("config.json", num_hidden_layers=9), "model.safetensors", "is missing"),
    (edited("config.json", num_attention_heads=7), "config.json", "7 heads"),
    (edited("config.json", hidden_size=1 << 40), "config.json", "hidden_size"),
    (edited("config.json", vocab_size="many"), "config.json", "vocab_size"),
], ids=["weights-cut", "weights-empty", "weights-garbage", "weights-missing", "tokenizer-cut",
        "vocabulary-gone", "tokenizer-tampered", "tokenizer-missing", "config-malformed", "config-missing",
        "layers-invented", "heads-odd", "size-huge", "size-no-number"])
def test_a_broken_model_is_refused_by_daemon_and_programs(folder, spoil, names, says):
    model = folder / "model"
    shutil.copytree(MODEL, model)
    spoil(model)
    code, out, encode = program("sbert-encode", f"--model={model}", "--text=a cat")
    assert (code, out) == (2, "")
    for errors in (encode, refused_start(folder, model=model)):
        assert str(model / names) in errors and says in errors, errors
        assert "fetch the model anew: sbert-model pull" in errors, errors


# --- sockets ---


@pytest.mark.parametrize("command", [("sbert-index", "stats"), ("sbert-query", "a day")])
def test_a_wrong_socket_is_named_with_the_cure(folder, command):
    def asked(path):
        code, out, errors = program(*command, f"--socket={path}")
        assert (code, out) == (2, "") and path.name in errors, errors
        return errors

    (folder / "file").write_text("x")
    assert "is not a socket" in asked(folder / "file")
    assert "is not a socket" in asked(folder)
    assert "start it with: sbertd start" in asked(folder / "no/such/folder")
    (folder / "link").symlink_to(folder / "nowhere")
    assert "start it with: sbertd start" in asked(folder / "link")
    assert "107" in asked(folder / ("x" * 120))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / "stale"))
    assert "start it with: sbertd start" in asked(folder / "stale")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "other"))
        other.listen()

        def greet():
            connection, _ = other.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 this is no HTTP at all\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        assert "HTTP" in asked(folder / "other")
        thread.join(DEADLINE)


def test_a_socket_where_none_can_be_made_is_named(folder):
    errors = refused_start(folder, f"--socket={folder}/file/s", prefix=["sh", "-c", 'touch "$1"; shift; exec "$@"',
                                                                        "sh", folder / "file"])
    assert f"{folder}/file" in errors
    errors = refused_start(folder, f"--socket={folder}/{'x' * 120}")
    assert "107" in errors


# --- permissions ---


def unprivileged():
    """What to put before a command so that it is not root's, who may read and write all."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("running as root, and without setpriv (util-linux) to be somebody else")
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*prefix, BIN / "sbertd", "--version"], capture_output=True).returncode != 0 or \
            subprocess.run([*prefix, "test", "-r", MODEL / "config.json"]).returncode != 0:
        pytest.skip("the user nobody may not run the programs where they were built")
    return prefix


def test_without_the_right_to_it_each_thing_is_named(folder, filled):
    somebody, home = unprivileged(), {"env": {**os.environ, "HOME": "/"}, "cwd": "/"}
    data, secret, good = folder / "data", folder / "secret.txt", folder / "good.txt"
    folder.chmod(0o777)
    secret.write_text("secret\n")
    secret.chmod(0)
    good.write_text("good\n")

    def run(name, *arguments):
        done = subprocess.run([*somebody, BIN / name, *map(str, arguments)], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=DEADLINE, **home)
        return done.returncode, done.stdout, done.stderr

    data.chmod(0o555)
    errors = refused_start(folder, prefix=somebody, **home)
    assert f"the data folder {data} (run as its owner, or use another): Permission denied" in errors
    errors = refused_start(folder, f"--data-dir={data}/new", prefix=somebody, **home)
    assert f"cannot create the folder {data}/new: Permission denied" in errors
    data.chmod(0o700)

    code, out, errors = run("sbert-encode", secret, f"--model={MODEL}")
    assert (code, out) == (2, "") and f"{secret}: Permission denied" in errors
    code, out, errors = run("sbert-encode", good, f"--model={MODEL}", "-o", "/proc/vectors.npy")
    assert (code, out) == (2, "") and "/proc/vectors.npy" in errors

    daemon = Daemon(folder, "--socket-mode=0666")
    try:
        code, out, errors = run("sbert-index", "add", "--json", f"--socket={daemon.socket}", secret, good)
        assert (code, json.loads(out)["added"]) == (1, 1)
        assert f"cannot open {secret}: Permission denied" in errors
        if somebody:
            daemon.socket.chmod(0o600)
            for command in (["sbert-query", "day"], ["sbert-index", "list"]):
                code, _, errors = run(*command, f"--socket={daemon.socket}")
                assert code == 2 and "its owner can open it to others with sbertd's --socket-mode" in errors
        assert len(ids(daemon.client())) == 51
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


# --- texts ---


def test_odd_queries_are_named_and_the_rest_goes_on(folder, filled):
    daemon = Daemon(folder)
    try:
        lines = [b"day", b"w " * (5 << 20), b"x" * (17 << 20), b"a\0b", b"\xc3\x28", b"", b"night"]
        code, out, errors = program("sbert-query", f"--socket={daemon.socket}", "-k1", given=b"\n".join(lines))
        assert code == 2
        assert [line.split("\t")[0] for line in out.splitlines()] == ["1", "2", "4", "7"]
        assert "query 3: " in errors and "16" in errors and "query 5: the query is not valid UTF-8" in errors
        assert errors.count("\n") == 2, errors
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


def test_inputs_that_lead_nowhere_are_named_and_the_rest_goes_on(folder, filled):
    daemon = Daemon(folder)
    try:
        (folder / "link.txt").symlink_to(folder / "nowhere")
        (folder / "good.txt").write_text("good\n")
        (folder / "bad.csv").write_bytes(b"id,text\na,fine\nb,caf\xe9\nc,fine too\n")
        (folder / "bad.jsonl").write_bytes(b'{"text": "one"}\n{"text": "caf\xe9"}\n\n{"text": "three"}\n')
        names = [folder / name for name in ("link.txt", "bad.csv", "bad.jsonl", "good.txt")]
        code, out, errors = program("sbert-index", "add", "--json", f"--socket={daemon.socket}", *names)
        done = json.loads(out)
        assert (code, done["added"], done["refused"]) == (1, 5, 3), (done, errors)
        assert f"cannot read {folder}/link.txt: No such file or directory" in errors
        assert f"{folder}/bad.csv:3: not valid UTF-8" in errors
        assert f"{folder}/bad.jsonl:2: not valid UTF-8" in errors
        code, _, errors = program("sbert-encode", f"--model={MODEL}", folder / "link.txt")
        assert code == 2 and f"{folder}/link.txt: No such file" in errors
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


def test_the_first_file_of_all_may_be_an_empty_one(folder):
    """The collection is not made yet then: nothing to prune is no error."""
    tree = folder / "tree"
    tree.mkdir()
    (tree / "a.txt").write_bytes(b"")
    (tree / "b.txt").write_bytes(b"caf\xe9\n")
    (tree / "c.txt").write_text("good\n")
    os.mkfifo(tree / "d.txt")  # nobody writes to it
    daemon = Daemon(folder)
    try:
        code, out, errors = program("sbert-index", "add", "--json", f"--socket={daemon.socket}", tree, "")
        done = json.loads(out)
        assert (code, done["added"], done["refused"], done["empty"]) == (1, 1, 2, 1), (done, errors)
        assert 'cannot read "": No such file or directory' in errors
        assert program("sbert-index", "list", f"--socket={daemon.socket}")[1].endswith("\tgood\n")
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()


# --- where results go ---


@pytest.mark.parametrize("command", [
    "sbert-index list", "sbert-index get 1", "sbert-index stats", "sbert-index collections",
    "sbert-index rm 3", "sbert-index add FILE", "sbert-index add --dry-run FILE", "sbert-index --help",
    "sbert-query text", "sbert-query --json text", "sbert-query --version", "sbert-encode FILE",
    "sbert-encode --tokens FILE", "sbert-encode --similarity a b", "sbert-encode --help", "sbert-model list",
    "sbert-model show TINY", "sbert-model verify TINY", "sbert-model --version", "sbertd status",
    "sbertd status --json", "sbertd --help", "sbertd --version"])
def test_output_that_does_not_get_through_is_an_error(printing, command):
    """A full disk, a descriptor that is closed, and a reader that has gone, which ends a program quietly."""
    with open("/dev/full", "wb") as full:
        code, errors = printing(command, stdout=full)
    assert code == 2 and errors.endswith("cannot write to standard output: No space left on device\n"), errors
    code, errors = printing(command, close=True)
    assert code == 2 and errors.endswith("cannot write to standard output: Bad file descriptor\n"), errors
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        code, errors = printing(command, stdout=pipe)
    assert code == -signal.SIGPIPE and "standard output" not in errors, errors


@pytest.fixture(scope="module")
def printing(daemon, tmp_path_factory):
    """Runs a command line against the module's daemon; its code and errors."""
    folder = tmp_path_factory.mktemp("printing")
    (folder / "texts.txt").write_text("one\ntwo\n")
    (folder / "models").mkdir()
    shutil.copytree(MODEL, folder / "models/tiny")
    client = daemon.client()
    assert client.post(DOCUMENTS, numbered(0, 1000)).status == 200
    words = {"FILE": str(folder / "texts.txt"), "TINY": "tiny"}
    options = {"sbert-index": [f"--socket={daemon.socket}"], "sbert-query": [f"--socket={daemon.socket}"],
               "sbertd": [f"--socket={daemon.socket}"], "sbert-encode": [f"--model={MODEL}"], "sbert-model": []}

    def run(command, stdout=None, close=False):
        name, *arguments = command.split()
        line = [str(BIN / name), *(words.get(word, word) for word in arguments), *options[name]]
        before = ["sh", "-c", 'exec "$@" >&-', "sh"] if close else []
        failed = client.get("/v1/status").json["requests"]["failed"]
        done = subprocess.run([*before, *line], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                              text=True, timeout=DEADLINE, env={**os.environ, "SBERT_MODELS": str(folder / "models")})
        assert daemon.healthy(), daemon.tail()
        # What was meant for a person did not go to the daemon as a request.
        assert name != "sbert-query" or client.get("/v1/status").json["requests"]["failed"] == failed
        return done.returncode, done.stderr

    yield run
    client.close()


def test_head_takes_what_it_wants(daemon, printing):
    done = subprocess.run(["sh", "-c", '"$0" list "$1" | head -n 2', BIN / "sbert-index", f"--socket={daemon.socket}"],
                          capture_output=True, text=True, timeout=DEADLINE)
    assert done.stdout.count("\n") == 2 and done.stderr == ""


def test_a_daemon_without_standard_streams_keeps_its_files_clean(folder):
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BIN / "sbertd", "run", f"--socket={folder}/s",
         f"--data-dir={folder}/data", f"--model={MODEL}", "--log-level=debug"])
    try:
        daemon = Daemon.__new__(Daemon)
        daemon.folder, daemon.socket, daemon.process = folder, folder / "s", process
        wait_until(lambda: process.poll() is not None or daemon.healthy())
        assert daemon.client().post(DOCUMENTS, numbered(0, 50)).status == 200
        targets = [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)]
        assert targets == ["/dev/null"] * 3
        process.terminate()
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


def on_a_small_disk(size, disk, *command, given=b"", **more):
    """Runs a command with a file system of that size on `disk`; its code, its errors, and what was left."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount a small file system")
    disk.mkdir()
    script = ('mount -t tmpfs -o size="$1" none "$2" || exit 99; cd "$2"; shift 2; "$@" >/dev/null; code=$?; '
              'find . -type f; exit $code')
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", size, disk, *map(str, command)], input=given,
                          capture_output=True, timeout=2 * DEADLINE, **more)
    if done.returncode == 99:
        pytest.skip("this user may not mount a small file system")
    return done.returncode, done.stderr.decode(), done.stdout.decode().split()


def test_a_full_disk_leaves_no_half_of_a_file_of_vectors(folder):
    encode = [BIN / "sbert-encode", f"--model={MODEL}", "-o", folder / "disk/vectors.npy"]
    code, errors, left = on_a_small_disk("64k", folder / "disk", *encode, given=b"a cat\n" * 3000)
    assert (code, left) == (2, [])
    assert f"cannot write {folder}/disk/vectors.npy: No space left on device" in errors
    numpy.save(folder / "old.npy", numpy.zeros(1))
    before = (folder / "old.npy").read_bytes()
    code, errors, left = on_a_small_disk(
        "64k", folder / "disk2", "sh", "-c", 'cp "$0" old.npy; "$@"; code=$?; cmp "$0" old.npy && exit $code',
        folder / "old.npy", *encode[:-1], "old.npy", given=b"a cat\n" * 3000)
    assert (code, left) == (2, ["./old.npy"]) and "old.npy: No space left" in errors
    assert (folder / "old.npy").read_bytes() == before


def test_a_full_disk_leaves_no_half_of_an_imported_model(folder):
    models = folder / "disk/models"
    code, errors, left = on_a_small_disk("200k", folder / "disk", BIN / "sbert-model", "import", MODEL,
                                         env={**os.environ, "SBERT_MODELS": str(models)})
    assert (code, left) == (2, [])
    assert str(models) in errors and "model.safetensors" in errors and "No space left on device" in errors


def test_a_full_disk_ends_a_pull_that_shows_no_model(hub, folder):  # noqa: F811
    models = folder / "disk/models"
    code, errors, left = on_a_small_disk(
        "4M", folder / "disk", BIN / "sbert-model", "pull", NAME, "--from=hub",
        env={**environment(folder, HF_ENDPOINT=hub.url), "SBERT_MODELS": str(models)})
    assert code == 2 and "No space left on device" in errors and "model.safetensors" in errors
    assert all("/.staging-" in path for path in left), left  # to go on from, and hidden
    assert visible(folder / "disk") == []
