#!/usr/bin/env python3
"""Makes the small SentencePiece files of the tests:

    python3 tests/golden/make_sentencepiece.py

tests/golden/sentencepiece/: a model of a few hundred pieces, trained on the text below, with a
character map of a few rules; as sentencepiece.bpe.model, as the tokenizer.json that `transformers`
makes of it, and expected.txt with what the reference makes of some texts (the text as JSON, then
"id:start:end" with offsets in code points), expected_camembert.txt with what CamemBERT's class does. tests/fuzz/encoder/corpus/sentencepiece/: the model, a
tiny one and a character map, as seeds. Needs `sentencepiece`, `transformers` and `protobuf`.
"""
import json
import os
import shutil
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import CamembertTokenizer, XLMRobertaTokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "sentencepiece")
SEEDS = os.path.join(HERE, "..", "fuzz", "encoder", "corpus", "sentencepiece")

SUBJECTS = "the cat,a small dog,my neighbour,the old sailor,our teacher,a bright child".split(",")
VERBS = "watches,paints,follows,remembers,carries,repairs,forgets".split(",")
OBJECTS = "the river,an empty house,two boats,the morning train,every letter,a green door".split(",")
KOREAN_SUBJECTS = "고양이가,작은 개가,우리 선생님이,늙은 선원이,밝은 아이가".split(",")
KOREAN_OBJECTS = "강을,빈 집을,배 두 척을,아침 기차를,모든 편지를,초록색 문을".split(",")
KOREAN_VERBS = "바라본다,그린다,따라간다,기억한다,나른다,고친다".split(",")

# What the character map replaces, as code points in hexadecimal: source, tab, target.
RULES = [("½", "1⁄2"), ("ﬁ", "fi"), ("e\u0301", "é"), ("\u3000", " "), ("\t", " "), ("\n", " "),
         ("\r", " "), ("\u00a0", " "), ("\u0001", ""), ("\u00ad", ""), ("㍿", "株式会社"), ("Ａ", "A"),
         ("ㄱ", "가"), ("…", "...")]

TEXTS = ["", " ", "the cat watches the river", "  The cat,  twice ", "a ﬁne ½ e\u0301t\u0301", "\u0001\u0001start",
         "½\u0001x½", "고양이가 강을 바라본다", "ㄱ㍿고", "</s> and <mask> <unk>", "zzzqqq 中文 the", "Ａ…\r\n\r\nb",
         "x▁y ▁▁ z", "soft\u00adhyphen", "👨\u200d👩\u200d👧 family", "ﬁ\u0301 ½\u0301\u0301", "e\u0301\u0323",
         "the" * 20]


def train(folder):
    lines = [f"{s} {v} {o}." for s in SUBJECTS for v in VERBS for o in OBJECTS]
    lines += [f"{s} {o} {v}." for s in KOREAN_SUBJECTS for v in KOREAN_VERBS for o in KOREAN_OBJECTS]
    rules = os.path.join(folder, "rules.tsv")
    with open(rules, "w", encoding="utf-8") as file:
        for source, target in RULES:
            code = lambda text: " ".join(f"{ord(c):X}" for c in text)
            file.write(f"{code(source)}\t{code(target)}\n")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=os.path.join(folder, "small"), vocab_size=300,
        model_type="unigram", normalization_rule_tsv=rules, unk_id=0, bos_id=1, eos_id=2, pad_id=-1,
        hard_vocab_limit=False, num_threads=1, minloglevel=2)
    return os.path.join(folder, "small.model")


def expect(name, backend):
    with open(os.path.join(GOLDEN, name), "w", encoding="utf-8") as file:
        for text in TEXTS:
            encoding = backend.encode(text)
            tokens = " ".join(f"{i}:{s}:{e}" for i, (s, e) in zip(encoding.ids, encoding.offsets))
            file.write(f"{json.dumps(text)}\t{tokens}\n")


def main():
    os.makedirs(GOLDEN, exist_ok=True)
    os.makedirs(SEEDS, exist_ok=True)
    model = sentencepiece_model_pb2.ModelProto()
    with tempfile.TemporaryDirectory() as folder:
        with open(train(folder), "rb") as file:
            model.ParseFromString(file.read())
        model.trainer_spec.ClearField("input")
        model.trainer_spec.ClearField("model_prefix")
        model.normalizer_spec.ClearField("normalization_rule_tsv")
        path = os.path.join(GOLDEN, "sentencepiece.bpe.model")
        with open(path, "wb") as file:
            file.write(model.SerializeToString())
        shutil.copy(path, os.path.join(folder, "sentencepiece.bpe.model"))
        os.makedirs(os.path.join(folder, "saved"))
        tokenizer = XLMRobertaTokenizer.from_pretrained(folder)
        tokenizer.save_pretrained(os.path.join(folder, "saved"))
        shutil.copy(os.path.join(folder, "saved", "tokenizer.json"), GOLDEN)
        camembert = CamembertTokenizer.from_pretrained(folder)
    expect("expected.txt", tokenizer.backend_tokenizer)
    expect("expected_camembert.txt", camembert.backend_tokenizer)
    shutil.copy(path, os.path.join(SEEDS, "model"))
    with open(os.path.join(SEEDS, "charsmap"), "wb") as file:
        file.write(model.normalizer_spec.precompiled_charsmap)
    del model.pieces[12:]
    model.ClearField("trainer_spec")
    with open(os.path.join(SEEDS, "tiny"), "wb") as file:
        file.write(model.SerializeToString())


if __name__ == "__main__":
    main()
