#!/usr/bin/env python3
"""Compares tokenizers of the kind Unigram with the Python package `tokenizers`: ids, type ids and
byte offsets.

    python3 tests/reference/compare_unigram.py DUMP DATA_FOLDER [XLMR_PIECES]

DUMP is the program from dump_tokens.c (`make build/release/reference/dump_tokens`); DATA_FOLDER
holds the shared test data. A model is trained on its sentences by the package `sentencepiece` with
the character map nmt_nfkc, and is compared with each of the pre-tokenizers and normalisers that
models of this kind come with. XLMR_PIECES (pos.dict.utf8: piece, tab, anything, tab, score) are
compared without a character map. Prints what was compared with the number of differences, and the
speed of both; ends with 1 where anything differs. Needs `tokenizers` (0.23.3 was the reference),
`sentencepiece` and `protobuf`.
"""
import glob
import json
import os
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from compare_tokenizer import CODE_POINTS, Comparison, hard_texts, speed

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]


def train(data, folder):
    import sentencepiece

    inputs = ",".join(os.path.join(data, "sentences", n) for n in ("headlines_en.txt", "parakqc_ko.txt"))
    sentencepiece.SentencePieceTrainer.train(
        input=inputs, model_prefix=os.path.join(folder, "trained"), vocab_size=8000,
        model_type="unigram", normalization_rule_name="nmt_nfkc", unk_id=0, bos_id=1, eos_id=2,
        pad_id=-1, minloglevel=2)
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()
    with open(os.path.join(folder, "trained.model"), "rb") as file:
        proto.ParseFromString(file.read())
    pieces = [(p.piece, p.score) for p in proto.pieces][3:]
    return pieces, proto.normalizer_spec.precompiled_charsmap


def build(pieces, normalizer=None, pre_tokenizer=None, added=()):
    vocab = [(s, 0.0) for s in SPECIALS] + pieces + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(vocab, unk_id=3))
    if normalizer:
        tokenizer.normalizer = normalizer
    metaspace = pre_tokenizers.Metaspace()
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), metaspace])
    tokenizer.add_special_tokens(SPECIALS + [AddedToken("<mask>", lstrip=True, normalized=False)])
    tokenizer.add_tokens(list(added))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


def variants(pieces, charsmap):
    Metaspace, Sequence = pre_tokenizers.Metaspace, pre_tokenizers.Sequence
    precompiled = normalizers.Precompiled(charsmap)
    spaces = Regex(" {2,}")
    yield "as XLM-R", build(pieces, precompiled)
    yield "as e5", build(pieces, normalizers.Sequence(
        [precompiled, normalizers.Replace(spaces, " ")]), Metaspace())
    yield "as converted lately", build(pieces, normalizers.Sequence(
        [precompiled, normalizers.Strip(left=False, right=True), normalizers.Replace(spaces, "▁")]),
        Metaspace(prepend_scheme="always", split=True))
    yield "first word only", build(pieces, precompiled, Metaspace(prepend_scheme="first"))
    yield "nothing prepended, not split", build(pieces, precompiled,
                                                Metaspace(prepend_scheme="never", split=False))
    yield "no character map", build(pieces)
    yield "added tokens", build(pieces, precompiled, None, [
        AddedToken("foo", single_word=True), AddedToken("ﬁ x", normalized=True),
        AddedToken("zz", lstrip=True, rstrip=True, normalized=False), AddedToken("é")])


def compare_all(compare, name, tokenizer, singles, lines, within):
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(os.path.join(folder, "tokenizer.json"))
        compare.run(f"{name}: hard texts", folder, tokenizer, singles, 0)
        compare.run(f"{name}: hard pairs, limit 16", folder, tokenizer,
                    [(a[0], b[0]) for a, b in zip(singles[:10000], singles[10000:20000])], 16)
        if within:
            compare.run(f"{name}: every code point", folder, tokenizer, within)
        for path, texts in lines:
            compare.run(f"{name}: {os.path.basename(path)}", folder, tokenizer,
                        [(t, None) for t in texts])


def unigram_texts(count):
    """Hard texts, with what SentencePiece finds hard as well."""
    swapped = {"[SEP]": "</s>", "[CLS]": "<s>", "[MASK]": "<mask>", "[UNK]": "<unk>", "[PAD]": "▁",
               "[sep]": "  ", "##ing": "▁▁a", "<tok>": "ﬁ", "...": "…", "ǅ": "㍿"}
    texts = hard_texts(count, 2)
    for old, new in swapped.items():
        texts = [t.replace(old, new) for t in texts]
    return texts


def main():
    dump, data = sys.argv[1:3]
    compare = Comparison(dump)
    singles = [(t, None) for t in unigram_texts(100000)]
    within = [(f"a{chr(c)}b {chr(c)}\u0301", None) for c in CODE_POINTS]
    lines = []
    for path in sorted(glob.glob(os.path.join(data, "sentences", "*.txt"))):
        with open(path, encoding="utf-8") as file:
            lines.append((path, file.read().split("\n")))
    with tempfile.TemporaryDirectory() as folder:
        pieces, charsmap = train(data, folder)
    for i, (name, tokenizer) in enumerate(variants(pieces, charsmap)):
        compare_all(compare, name, tokenizer, singles, lines if i == 0 else [],
                    within if i in (0, 2) else [])
        if i == 0:
            timed = tokenizer
    if len(sys.argv) > 3:
        with open(sys.argv[3], encoding="utf-8") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        xlmr = [(r[0], float(r[2])) for r in rows if len(r) == 3 and r[0] not in SPECIALS]
        compare_all(compare, "XLM-R's pieces", build(xlmr), singles[:20000], lines, [])
    with tempfile.TemporaryDirectory() as folder:
        timed.save(os.path.join(folder, "tokenizer.json"))
        speed(dump, folder, timed, data)
    return 1 if compare.failed else 0


if __name__ == "__main__":
    sys.exit(main())
