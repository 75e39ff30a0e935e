"""The embedding model's process: `python -m med42_chat.runtime.embedding`. Texts come in, vectors of length 1 go out.

Like the worker it reads lines from its input and writes lines to its output until nobody is there; `wire` says what stands in them. What
can go wrong is said in a Failure, and then the process is of no further use.
"""

import base64
import ctypes
import math
import os
import signal
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from llama_cpp import llama_cpp as native

from med42_chat.errors import ModelFileError, RuntimeFailure
from med42_chat.runtime.llama import Log
from med42_chat.runtime.wire import Embed, Embedded, Failure, OpenEmbedding, pack, unpack

_LONGEST = 512  # tokens of a text: passages have some two hundred, and most of these models were trained on so many
_BATCH = 1024  # tokens read at once; attention within a batch costs their square
_TEXTS = 16  # read at once
_YIELDING = 10  # how much later than other programs it gets the processor: a model may be answering meanwhile
_POOLED = (native.LLAMA_POOLING_TYPE_MEAN, native.LLAMA_POOLING_TYPE_CLS, native.LLAMA_POOLING_TYPE_LAST)
# What a family of models was trained to find before a question and before a passage, by what its file's name or the model's says.
_PREFIXES = (
    ("nomic-embed", "search_query: ", "search_document: "),
    ("e5-", "query: ", "passage: "),
    ("bge-", "Represent this sentence for searching relevant passages: ", ""),
    ("arctic-embed", "Represent this sentence for searching relevant passages: ", ""),
    ("qwen3-embedding", "Instruct: Given a clinical question, retrieve passages that answer it\nQuery: ", ""),
    ("embeddinggemma", "task: search result | query: ", "title: none | text: "),
)


class EmbeddingModel:
    """A loaded model. Its pointers are freed by the end of the process."""

    def __init__(self, file: Path, threads: int, log: Log) -> None:
        """Raises ModelFileError for a file that llama.cpp cannot load, and for one that holds no embedding model."""
        native.llama_backend_init()
        params = native.llama_model_default_params()
        params.n_gpu_layers = 0  # the card is the answering model's
        self._log = log
        self._model = native.llama_model_load_from_file(os.fsencode(file), params)
        if not self._model:
            raise ModelFileError(f"llama.cpp cannot load {file.name}: {log.last()}.", "Choose another embedding model.")
        self._vocabulary = native.llama_model_get_vocab(self._model)
        self._longest = min(_LONGEST, native.llama_model_n_ctx_train(self._model))
        self._context = native.llama_init_from_model(self._model, _context_params(threads))
        if not self._context or native.llama_pooling_type(self._context) not in _POOLED:
            raise ModelFileError(
                f"{file.name} is not an embedding model: it does not say how a text's tokens become one vector.",
                "Choose a GGUF file that was made for embeddings.",
            )
        self._size = native.llama_model_n_embd_out(self._model)
        self._batch = native.llama_batch_init(_BATCH, 0, 1)
        self._query, self._passage = _prefixes(f"{file.name} {self._name()}")

    def embed(self, texts: Sequence[str], question: bool) -> list[list[float]]:
        """A vector of length 1 for each text. What is longer than the model takes is cut at its end. Raises RuntimeFailure."""
        prefix = self._query if question else self._passage
        return [vector for batch in _batches([self._tokens(prefix + text) for text in texts]) for vector in self._read(batch)]

    def _tokens(self, text: str) -> list[int]:
        data = text.encode(errors="replace")
        ids = (ctypes.c_int32 * (len(data) + 8))()
        count = native.llama_tokenize(self._vocabulary, data, len(data), ids, len(ids), True, False)
        if count < 1:
            raise RuntimeFailure("The embedding model cannot read a text.", "Choose another embedding model.")
        # The last one may be the mark by which a text ends, which the model was trained to find.
        return ids[:count] if count <= self._longest else [*ids[: self._longest - 1], ids[count - 1]]

    def _read(self, texts: Sequence[Sequence[int]]) -> Iterator[list[float]]:
        tokens = [(token, position, number) for number, text in enumerate(texts) for position, token in enumerate(text)]
        self._batch.n_tokens = len(tokens)
        for index, (token, position, number) in enumerate(tokens):
            self._batch.token[index], self._batch.pos[index] = token, position
            self._batch.n_seq_id[index], self._batch.seq_id[index][0] = 1, number
            self._batch.logits[index] = 1
        if memory := native.llama_get_memory(self._context):  # models that can also write keep what they read
            native.llama_memory_clear(memory, True)
        code = native.llama_decode(self._context, self._batch)
        if code != 0:
            raise RuntimeFailure(f"The embedding model could not read a text (code {code}: {self._log.last()}).", "Choose another one.")
        for number in range(len(texts)):
            yield _unit(native.llama_get_embeddings_seq(self._context, number)[: self._size])

    def _name(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        native.llama_model_meta_val_str(self._model, b"general.name", buffer, len(buffer))
        return buffer.value.decode(errors="replace")


def _context_params(threads: int) -> Any:
    params = native.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = _BATCH
    params.n_seq_max = _TEXTS
    params.kv_unified = True  # otherwise each text would get its share of the context only
    params.n_threads = params.n_threads_batch = threads
    params.embeddings = True
    params.pooling_type = native.LLAMA_POOLING_TYPE_UNSPECIFIED  # as the file says
    return params


def _prefixes(names: str) -> tuple[str, str]:
    plain = names.lower().replace(" ", "-").replace("_", "-")
    return next(((query, passage) for name, query, passage in _PREFIXES if name in plain), ("", ""))


def _batches(texts: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    batch: list[list[int]] = []
    for text in texts:
        if batch and (len(batch) == _TEXTS or sum(map(len, batch)) + len(text) > _BATCH):
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


def _unit(values: Sequence[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in values))
    if not 0 < length < math.inf:
        raise RuntimeFailure("The embedding model gives vectors without a direction.", "Its file is damaged: choose another one.")
    return [value / length for value in values]


def serve(commands: BinaryIO, reports: BinaryIO) -> None:
    """Loads what the first line names, then answers each line with one."""
    log, model = Log(), None
    for line in commands:
        command: OpenEmbedding | Embed = unpack(line)
        try:
            if isinstance(command, OpenEmbedding):
                model = EmbeddingModel(Path(command.file), command.threads, log)
                answer: Embedded | Failure = Embedded("")
            else:
                assert model is not None  # the first line was answered by a Failure, after which nobody asks
                answer = Embedded(_packed(model.embed(command.texts, command.question)))
        except RuntimeFailure as failure:
            answer = Failure.of(failure)
        reports.write(pack(answer))
        reports.flush()


def _packed(vectors: Sequence[Sequence[float]]) -> str:
    """32-bit floats, one vector after the other."""
    return base64.b64encode(b"".join(struct.pack(f"<{len(vector)}f", *vector) for vector in vectors)).decode()


def main() -> None:
    """The process, from its first line to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the program, which ends us in its own time
    if hasattr(os, "nice"):
        os.nice(_YIELDING)
    output = os.dup(1)
    os.dup2(2, 1)  # from here on, whatever prints does so into the log
    with os.fdopen(output, "wb") as reports:
        serve(sys.stdin.buffer, reports)


if __name__ == "__main__":
    main()
