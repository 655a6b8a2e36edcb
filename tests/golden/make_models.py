#!/usr/bin/env python3
"""Makes the tiny random models of tests/golden/models with their expected outputs.

    python3 tests/golden/make_models.py [FOLDER]

Needs the versions below, which it insists on, so that a second run gives the same bytes. README.md
beside this file describes what it writes. The weights are random numbers: nothing was trained.
"""

import json
import pathlib
import shutil
import sys

import safetensors.torch
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, LayerNorm, Normalize, Pooling, Transformer

VERSIONS = {
    "torch": "2.13.0",
    "sentence-transformers": "6.2.0",
    "transformers": "5.24.0",
}

WORDS = """the a of and to in is it was not be for on with this that you great awesome day today
yesterday good bad cat dog sat mat movie film video edit edits file files pass password word
protect text search find run runs fast slow happy sad weather rain sun shine music song play
stock market share price fall rise new old time world people city water fire""".split()
PIECES = "ing ed s er est ly ness tion al ful less able un re ment ity ous".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"

TEXTS = [
    ("the cat sat on the mat.", None),
    ("It was a great day", None),
    ("Today was awesome!", None),
    ("", None),
    ("Unhappiness; re-runs, 42 files?", None),
    ("  Caf\u00e9  na\u00efve \u00dcber  ", None),
    ("\u4eca\u65e5 sun \u96e8", None),
    ("zzz qqqq \u03a9mega [MASK] ok", None),
    ("edit a movie " * 12, None),
    ("the dog runs fast", "the cat is slow"),
    ("find a file", ""),
    ("search the text of the files for a word " * 2, "stock market prices fall today and rise"),
]

# Literal padding tokens, which RoBERTa's and MPNet's positions do not count, and texts long enough
# for every bucket of relative positions.
FAMILY_TEXTS = TEXTS + [
    ("a <pad> great <pad> day", None),
    ("<pad>the cat", None),
    ("the dog runs fast and the cat is slow " * 20, None),
]

# What each model is there for is said in README.md.
MODELS = {
    "cls-32": dict(hidden=32, pooling="cls", style="new"),
    "mean-64": dict(hidden=64, pooling="mean", normalize=True, style="old"),
    "max-32": dict(hidden=32, pooling="max", style="first", activation="gelu_new"),
    "cls-mean-64": dict(hidden=64, pooling=["cls", "mean"], style="new", dtype=torch.bfloat16),
    "mean-32-f16": dict(hidden=32, pooling="mean", normalize=True, style="shards",
                        dtype=torch.float16, activation="relu"),
    "roberta-max-32": dict(family="roberta", hidden=32, pooling="max", style="new"),
    "xlm-roberta-mean-32": dict(family="xlm-roberta", hidden=32, pooling="mean", style="old",
                                normalize=True),
    "distilbert-mean-32": dict(family="distilbert", hidden=32, pooling="mean", style="old"),
    "mpnet-mean-32": dict(family="mpnet", hidden=32, pooling="mean", style="new", normalize=True),
    "dense-16": dict(hidden=32, pooling="mean", style="new", normalize=True, dense=True,
                     truncate_dim=16),
    "prompts-16": dict(hidden=16, style="new", activation="silu", include_prompt=False,
                       pooling=["lasttoken", "mean", "weightedmean", "max", "cls", "mean",
                                "mean_sqrt_len_tokens"],
                       prompts={"query": "find a word: ", "passage": "text", "document": ""}),
    "activations-16": dict(hidden=16, pooling="mean", style="new", activation="quick_gelu",
                           dense="activations", similarity="dot"),
}


def check_versions():
    found = {
        "torch": torch.__version__.split("+")[0],
        "sentence-transformers": sentence_transformers.__version__,
        "transformers": transformers.__version__,
    }
    print(found)
    if found != VERSIONS:
        sys.exit(f"these versions are needed: {VERSIONS}")


def vocabulary():
    pieces = list(LETTERS) + ["##" + c for c in LETTERS] + list("0123456789") + list(".,;:!?-'\"()")
    pieces += ["##" + c for c in "0123456789"] + ["\u96e8"] + WORDS + ["##" + p for p in PIECES]
    return SPECIAL + list(dict.fromkeys(pieces))


def randomize(model, seed):
    """Numbers large enough that attention and activation are far from linear."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.lower().endswith(("layernorm.weight", "layer_norm.weight")):
                weight.copy_(1 + 0.2 * noise)
            elif weight.dim() == 1 and name.endswith("weight"):
                weight.copy_(noise)
            elif name.endswith("bias"):
                weight.copy_(0.1 * noise)
            elif "relative_attention_bias" in name:
                weight.copy_(noise)
            else:
                weight.copy_(noise * (0.5 if "embeddings" in name else 1.5 / weight.shape[1] ** 0.5))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def bert_tokenizer(base, kind=transformers.BertTokenizer, special=SPECIAL, limit=32):
    words = special + vocabulary()[len(SPECIAL):]
    (base / "vocab.txt").write_text("".join(word + "\n" for word in words))
    return kind(vocab=str(base / "vocab.txt"), do_lower_case=True, model_max_length=limit)


def mpnet_tokenizer(base):
    special = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
    return bert_tokenizer(base, transformers.MPNetTokenizer, special, FAMILY_LIMIT)


def corpus():
    """Lines to train the tiny tokenizers on."""
    return [text for text, _ in TEXTS] + [" ".join(WORDS[i:] + WORDS[:i]) for i in range(24)]


def roberta_tokenizer(base):
    """Byte-level BPE with the files that RoBERTa has."""
    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train_from_iterator(corpus(), vocab_size=400, show_progress=False,
                            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    bpe.save_model(str(base))
    return transformers.RobertaTokenizer(vocab=str(base / "vocab.json"),
                                         merges=str(base / "merges.txt"),
                                         model_max_length=FAMILY_LIMIT)


def unigram_pieces(special):
    """Each word as a piece after a space and a common one, each letter a rare one."""
    pieces = [(piece, 0.0) for piece in special]
    pieces += [("\u2581" + word, -3.0 - i / 16) for i, word in enumerate(dict.fromkeys(WORDS))]
    pieces += [(piece, -5.0 - i / 16) for i, piece in enumerate(PIECES)]
    pieces += [(letter, -9.0 - i / 16) for i, letter in enumerate("\u2581" + LETTERS + ".,;!?-\u96e8")
               if letter not in PIECES]
    return pieces + [("<mask>", 0.0)]


def xlm_roberta_tokenizer(base):
    pieces = unigram_pieces(["<s>", "<pad>", "</s>", "<unk>"])
    return transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=FAMILY_LIMIT)


def camembert_tokenizer(base):
    """The first five places are taken by what the model never uses, as in the published files."""
    pieces = unigram_pieces(["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"])
    return transformers.CamembertTokenizer(vocab=pieces, model_max_length=FAMILY_LIMIT)


def sizes(words, hidden, **others):
    """The configuration that all families but DistilBERT spell alike."""
    return dict(vocab_size=words, hidden_size=hidden, num_hidden_layers=2, num_attention_heads=4,
                intermediate_size=hidden + hidden // 2, **others)


# The limit on tokens of the families after BERT; their tables have room for two positions more.
FAMILY_LIMIT = 160
AFTER_PADDING = dict(max_position_embeddings=FAMILY_LIMIT + 2, layer_norm_eps=1e-5)

FAMILIES = {
    "bert": (bert_tokenizer, lambda words, hidden, activation: transformers.BertModel(
        transformers.BertConfig(max_position_embeddings=40, hidden_act=activation,
                                **sizes(words, hidden)))),
    "roberta": (roberta_tokenizer, lambda words, hidden, activation: transformers.RobertaModel(
        transformers.RobertaConfig(type_vocab_size=1, **AFTER_PADDING, **sizes(words, hidden)))),
    "xlm-roberta": (
        xlm_roberta_tokenizer, lambda words, hidden, activation: transformers.XLMRobertaModel(
            transformers.XLMRobertaConfig(type_vocab_size=1, **AFTER_PADDING,
                                          **sizes(words, hidden)))),
    "distilbert": (
        lambda base: bert_tokenizer(base, transformers.DistilBertTokenizer, limit=FAMILY_LIMIT),
        lambda words, hidden, activation: transformers.DistilBertModel(
            transformers.DistilBertConfig(
                vocab_size=words, dim=hidden, n_layers=2, n_heads=4, hidden_dim=hidden * 2,
                max_position_embeddings=FAMILY_LIMIT))),
    "mpnet": (mpnet_tokenizer, lambda words, hidden, activation: transformers.MPNetModel(
        transformers.MPNetConfig(**AFTER_PADDING, **sizes(words, hidden)))),
}


def dense_modules(hidden, seed):
    """One of each kind that may follow pooling, a Normalize in the midst included."""
    modules = [Dense(hidden, 48, activation_function=torch.nn.Tanh()), LayerNorm(48), Normalize(),
               Dense(48, 24, activation_function=torch.nn.GELU(), use_residual=True),
               Dense(24, 24, bias=False, activation_function=torch.nn.Identity(),
                     use_residual=True)]
    for i, module in enumerate(modules):
        randomize(module, seed * 100 + i)
    with torch.no_grad():
        modules[1].norm.weight.copy_(1 + modules[1].norm.bias)
    return modules


def activation_modules(hidden, seed):
    """Dense after Dense, each with another activation; residuals keep the numbers apart."""
    kinds = [torch.nn.Sigmoid, torch.nn.SiLU, torch.nn.LeakyReLU, torch.nn.ELU, torch.nn.Softplus,
             torch.nn.Mish]
    modules = [Dense(hidden, hidden, activation_function=kind(), use_residual=True)
               for kind in kinds]
    for i, module in enumerate(modules):
        randomize(module, seed * 100 + i)
    return modules


def build(folder, hidden, pooling, seed, family="bert", normalize=False, style="new",
          dtype=torch.float32, activation="gelu", dense=False, truncate_dim=None,
          include_prompt=True, prompts=None, similarity=None):
    """Writes the model as sentence-transformers saves it, then re-spells it in its style."""
    base = folder / "base"
    base.mkdir(parents=True)
    make_tokenizer, make_transformer = FAMILIES[family]
    tokenizer = make_tokenizer(base)
    tokenizer.save_pretrained(base)
    transformer = make_transformer(len(tokenizer), hidden, activation)
    randomize(transformer, seed)
    transformer.to(dtype).save_pretrained(base)

    modules = [Transformer(str(base)),
               Pooling(hidden, pooling_mode=pooling, include_prompt=include_prompt)]
    if dense == "activations":
        modules += activation_modules(hidden, seed)
    elif dense:
        modules += dense_modules(hidden, seed)
    if normalize:
        modules.append(Normalize())
    SentenceTransformer(modules=modules, device="cpu", truncate_dim=truncate_dim, prompts=prompts,
                        similarity_fn_name=similarity).save_pretrained(
        str(folder), create_model_card=False)
    for name in ("vocab.json", "merges.txt"):
        if (base / name).exists():
            shutil.move(base / name, folder / name)
    shutil.rmtree(base)
    respell(folder, style, hidden, pooling, 24 if family == "bert" else FAMILY_LIMIT)


def respell(folder, style, hidden, pooling, limit):
    """What older versions wrote, file by file."""
    weights = folder / "model.safetensors"
    tensors = safetensors.torch.load_file(weights)
    if style in ("old", "first"):
        types = ["Transformer", "Pooling", "Normalize"]
        modules = json.loads((folder / "modules.json").read_text())
        for module, kind in zip(modules, types):
            module["type"] = "sentence_transformers.models." + kind
        write_json(folder / "modules.json", modules)
        write_json(folder / "1_Pooling" / "config.json", {
            "word_embedding_dimension": hidden,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": pooling == "max",
            "pooling_mode_mean_sqrt_len_tokens": False,
        })
        write_json(folder / "sentence_bert_config.json",
                   {"max_seq_length": limit, "do_lower_case": False})
    if style == "first":
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        renamed = {"bert.embeddings.position_ids": torch.arange(40).unsqueeze(0)}
        for name, tensor in tensors.items():
            for new, first in old.items():
                name = name.replace(new, first)
            renamed["bert." + name] = tensor
        safetensors.torch.save_file(renamed, weights)
        (folder / "config_sentence_transformers.json").unlink()
    if style == "shards":
        names = sorted(tensors)
        files = [f"model-0000{i + 1}-of-00002.safetensors" for i in range(2)]
        parts = [names[0::2], names[1::2]]
        for file, part in zip(files, parts):
            safetensors.torch.save_file({name: tensors[name] for name in part}, folder / file)
        write_json(folder / "model.safetensors.index.json", {
            "metadata": {"total_size": sum(t.numel() * 2 for t in tensors.values())},
            "weight_map": {name: file for file, part in zip(files, parts) for name in part}})
        weights.unlink()


def load_reference(folder, style):
    """The saved folder through sentence-transformers, in float64. What the newest version of
    `transformers` no longer reads (names of the first files) is put into its names again."""
    loaded = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    if style == "first":
        tensors = {}
        for name, tensor in safetensors.torch.load_file(folder / "model.safetensors").items():
            name = name.removeprefix("bert.").replace("gamma", "weight").replace("beta", "bias")
            tensors[name] = tensor
        tensors.pop("embeddings.position_ids")
        missing = loaded[0].auto_model.load_state_dict(tensors, strict=False).missing_keys
        assert not [name for name in missing if "position_ids" not in name], missing
    return loaded.double().eval()


def expect(folder, style, cases):
    """Runs every text alone, module by module, and writes what came out of each."""
    model = load_reference(folder, style)
    transformer, tokenizer = model[0], model.tokenizer
    limit = model.max_seq_length
    texts, hidden, pooled, final = [], [], [], []
    for text, pair in cases:
        features = tokenizer(text, pair, truncation="longest_first", max_length=limit,
                             return_tensors="pt")
        full = tokenizer(text, pair)["input_ids"]
        with torch.no_grad():
            out = transformer.auto_model(**features, output_hidden_states=True)
            rows = {"token_embeddings": out.last_hidden_state,
                    "attention_mask": features["attention_mask"]}
            vector = model[1](rows)["sentence_embedding"]
            pooled.append(vector)
            for module in list(model)[2:]:
                vector = module({"sentence_embedding": vector})["sentence_embedding"]
            if model.truncate_dim is not None:
                vector = cut(model, vector)
            final.append(vector)
        if pair is None:
            check_encode(model, text, vector)
        hidden.append([state[0] for state in out.hidden_states])
        texts.append({
            "text": text, "pair": pair,
            "ids": features["input_ids"][0].tolist(),
            "type_ids": features.get("token_type_ids",
                                     torch.zeros_like(features["input_ids"]))[0].tolist(),
            "full_count": len(full),
        })
    files = {f"hidden_{i}.f32": torch.cat([states[i] for states in hidden])
             for i in range(len(hidden[0]))}
    files["pooled.f32"] = torch.cat(pooled)
    files["final.f32"] = torch.cat(final)
    prompts = [name for name, prompt in model.prompts.items() if prompt]
    for name in prompts:
        files[f"prompt_{name}.f32"] = torch.cat([
            model.encode([text], prompt_name=name, convert_to_tensor=True)
            for text, pair in cases if pair is None])
    shapes = {}
    for name, tensor in files.items():
        numbers = tensor.numpy().astype("<f4")
        (folder / "expected" / name).write_bytes(numbers.tobytes())
        shapes[name] = list(numbers.shape)
    write_json(folder / "expected" / "expected.json", {
        "made_with": VERSIONS, "layers": len(hidden[0]) - 1, "max_seq_length": limit,
        "files": shapes, "texts": texts})


def cut(model, vector):
    """encode() cuts after all modules, and divides by the length again only where it is asked to:
    where the list ends with Normalize, unit length is what the model promises."""
    vector = vector[:, :model.truncate_dim]
    return torch.nn.functional.normalize(vector) if isinstance(model[-1], Normalize) else vector


def check_encode(model, text, vector):
    """The steps above must be what encode() does."""
    encoded = model.encode([text], convert_to_tensor=True,
                           normalize_embeddings=model.truncate_dim is not None)[0]
    worst = (encoded - vector[0]).abs().max().item()
    assert worst < 1e-9, (text, worst)


def main():
    check_versions()
    torch.set_num_threads(1)
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else
                        pathlib.Path(__file__).parent / "models")
    for seed, (name, settings) in enumerate(MODELS.items()):
        folder = root / name
        shutil.rmtree(folder, ignore_errors=True)
        build(folder, seed=seed, **settings)
        (folder / "expected").mkdir()
        expect(folder, settings["style"], FAMILY_TEXTS if "family" in settings else TEXTS)
        for file in folder.rglob("*.safetensors"):
            file.chmod(0o644)
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(f"{name}: {size} bytes")


if __name__ == "__main__":
    main()
