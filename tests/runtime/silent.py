"""A model's process whose model writes tokens that are no text, without end."""

from med42_chat.runtime import worker
from med42_chat.runtime.llama import LlamaContext, LlamaVocabulary


def _nothing(_context: LlamaContext, _token: int) -> bytes:
    return b""


def _none(_vocabulary: LlamaVocabulary) -> frozenset[int]:
    return frozenset()


if __name__ == "__main__":
    LlamaContext.piece = _nothing  # type: ignore[method-assign]
    LlamaVocabulary.stop_ids = _none  # type: ignore[method-assign]
    worker.main()
