"""The vectors that the index is measured on: embeddings of real text, made once and kept.

The texts are the lines of the shared test data and the one-line descriptions of Debian's packages
(from apt's lists), each once, in a seeded order; beyond those, seeded joins of two lines. Queries
are lines that are held out of the documents, and of the joins. They are encoded by sbert-encode, in
the precision that it chooses, a part at a time, so an interrupted run goes on where it was. The
texts are kept beside their vectors, since apt's lists change.
"""

import json
import pathlib
import random
import subprocess
import sys

PART = 20000
QUERIES = 2000
SEED = 6
SENTENCES = ("captions_en.txt", "headlines_en.txt", "parakqc_ko.txt")


def package_descriptions():
    """One line for each package that apt knows; none where it has no lists."""
    try:
        names = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"],
            capture_output=True, text=True, check=True).stdout.split()
        for name in names:
            text = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", name],
                                  capture_output=True, check=True).stdout.decode("utf-8", "replace")
            for line in text.splitlines():
                if line.startswith("Description: "):
                    yield line[len("Description: "):]
    except (OSError, subprocess.CalledProcessError) as problem:
        print(f"no package descriptions: {problem}", file=sys.stderr)


def real_texts(data):
    """The distinct lines, in a seeded order, and a count for each source."""
    texts, mix = {}, {}
    for name in SENTENCES:
        path = data / "sentences" / name
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        mix[name] = len(texts)
        texts.update((line.strip(), None) for line in lines if line.strip())
        mix[name] = len(texts) - mix[name]
    mix["package descriptions"] = len(texts)
    texts.update((line.strip(), None) for line in package_descriptions() if line.strip())
    mix["package descriptions"] = len(texts) - mix["package descriptions"]
    texts = sorted(texts)
    random.Random(SEED).shuffle(texts)
    return texts, mix


class Corpus:
    def __init__(self, encode, data, folder):
        self.encode, self.folder = encode, pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = self.folder / "texts.json"
        if not kept.exists():
            temporary = self.folder / "texts.json.new"
            temporary.write_text(json.dumps(real_texts(pathlib.Path(data))), "utf-8")
            temporary.rename(kept)
        texts, self.mix = json.loads(kept.read_text("utf-8"))
        self.queries_text, self.real = texts[:QUERIES], texts[QUERIES:]

    def part_texts(self, part):
        """The texts [part * PART, (part + 1) * PART): real ones first, then joins."""
        texts = self.real[part * PART:(part + 1) * PART]
        dice = random.Random(SEED * 1000003 + part)
        while len(texts) < PART:
            texts.append(dice.choice(self.real) + " " + dice.choice(self.real))
        return texts

    def encoded(self, name, texts):
        path = self.folder / f"{name}.npy"
        if path.exists():
            return
        print(f"encoding {name}", file=sys.stderr, flush=True)
        temporary = self.folder / f"{name}.new.npy"
        subprocess.run([self.encode, "-q", "-o", str(temporary), "-"], check=True,
                       input="\n".join(texts) + "\n", text=True, encoding="utf-8")
        temporary.rename(path)

    def make(self, count):
        """Sees to the files of the queries and of the first `count` documents."""
        self.encoded("queries", self.queries_text)
        for part in range((count + PART - 1) // PART):
            self.encoded(f"part-{part:03}", self.part_texts(part))

    def describe(self, count):
        real = min(count, len(self.real))
        sources = ", ".join(f"{n} of {name}" for name, n in self.mix.items())
        return (f"{count:,} documents: {real:,} real lines, {count - real:,} joins of two; "
                f"{len(self.queries_text):,} queries held out; the lines: {sources}")


if __name__ == "__main__":
    corpus = Corpus(*sys.argv[1:4])
    corpus.make(int(sys.argv[4]))
    print(corpus.describe(int(sys.argv[4])))
