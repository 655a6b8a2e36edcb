"""The same model in sentence-transformers. Its vectors are kept between runs, in files named by all
that they depend on."""

import hashlib
import importlib.metadata
import json
import os

import numpy


class Reference:
    def __init__(self, shown, cache):
        """`shown` is what `sbert-model show --json` says of the model."""
        self.folder, self.fingerprint, self.cache, self.model = shown["folder"], shown["fingerprint"], cache, None
        self.name = f"sentence-transformers {importlib.metadata.version('sentence-transformers')}, f32"
        cache.mkdir(parents=True, exist_ok=True)

    def embed(self, texts):
        """Unit vectors of the texts."""
        key = json.dumps([self.name, importlib.metadata.version("torch"), self.fingerprint, texts])
        file = self.cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
        if file.exists():
            return numpy.load(file)
        if self.model is None:
            import torch
            from sentence_transformers import SentenceTransformer

            torch.set_num_threads(len(os.sched_getaffinity(0)))
            self.model = SentenceTransformer(self.folder, device="cpu")
        vectors = self.model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        part = file.with_suffix(".part.npy")
        numpy.save(part, vectors)
        part.rename(file)
        return vectors
