"""Values that the store's tests share, and a look at what is really in an encrypted file."""

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from med42_chat.records import Citation, ContextUse, Evidence, Finding, LeftOut, Sampling, Source, Timings, Usage
from med42_chat.store.database import Store

KEY = bytes(range(32))
OTHER_KEY = bytes(32)

EVIDENCE = Evidence(
    program="Med42 Chat 0.1.0",
    model="Llama3-Med42-8B",
    model_sha256="ab" * 32,
    quantization="Q4_K - Medium",
    template="llama-3",
    build="0.3.36",
    device="CPU",
    sampling=Sampling(temperature=0.1, max_tokens=7),
    seed=4_294_967_294,
    prompt_sha256="cd" * 32,
    context=ContextUse(size=8192, history=17),
    seen=("m1", "m2"),
    sources=(1, 2),
    left_out=(LeftOut("message", "m0", 12, "Good morning"),),
    usage=Usage(10, 5, 3),
    timings=Timings(0.25, 12.5),
    notes=("removed a mark",),
    basis="sources",
)
CITATIONS = (
    Citation(
        Source(
            2,
            "Headache guideline",
            "Thunderclap headache needs imaging.",
            12,
            "ef" * 32,
            document_id="d1",
            heading_path=("Red flags", "Onset"),
            start=40,
            end=75,
            publisher="A society",
            date="2024-05",
            version="3",
        ),
        "Thunderclap",
        "found",
    ),
    Citation(Source(1, "Notes\x00", "No page here."), "", "unchecked"),
)
FINDINGS = (
    Finding(0, 13, "sentence", "doubtful", "It names no source."),
    Finding(0, 6, "quotation", "found", "These words stand on page 12.", 2),
)


def asked(store: Store, question: str = "What are the red flags of headache?", answer: str = "Sudden onset.") -> tuple[str, str]:
    """A conversation with one finished answer: its id and the answer's."""
    conversation = store.conversations.create()
    _, message = store.conversations.begin(conversation.id, question)
    store.conversations.finish(message.id, answer, "complete", EVIDENCE, CITATIONS, FINDINGS)
    return conversation.id, message.id


def decrypted(path: Path, key: bytes = KEY) -> bytes:
    """Every page of the database and of its write-ahead log in the clear (AES-256-CBC; IV and MAC are a page's last 16 + 64 bytes)."""
    pages = _pages(path.read_bytes(), 0, 0)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        pages += _pages(log.read_bytes(), 32, 24)
    return b"".join(_page(page, key) for page in pages)


def _pages(data: bytes, header: int, frame_header: int) -> list[bytes]:
    step = 4096 + frame_header
    return [data[at + frame_header : at + step] for at in range(header, len(data), step)]


def _page(page: bytes, key: bytes) -> bytes:
    body = page[16:-80] if len(page[:-80]) % 16 else page[:-80]
    return Cipher(algorithms.AES(key), modes.CBC(page[-80:-64])).decryptor().update(body[: len(body) // 16 * 16])
