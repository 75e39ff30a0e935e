"""What everything speaks about: frozen values with no I/O, no ids of their own making, no tables.

Times are integer milliseconds since the Unix epoch, in UTC. Ids are opaque strings minted by the store.
Token counts are counts of the loaded model's own tokens.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

Role = Literal["system", "user", "assistant"]

# Why a message's text ends where it ends. 'streaming' exists only while a job is writing it.
Status = Literal["streaming", "complete", "length", "stopped", "interrupted", "failed"]

FinishReason = Literal["stop", "length", "cancelled", "died", "failed"]

# What an answer rests on: sources that stood before the model, the model's memory and no source, or nothing: the model was not asked.
# Empty where it was not noted, or where it never came to that.
Basis = Literal["", "sources", "memory", "nothing"]

Reason = Literal["room", "unanswered", "apart"]
Verdict = Literal["unchecked", "found", "not_found"]

# How a conversation uses the library. 'first': where nothing is found the model may be asked from its memory, if the person wants.
# 'only': no source, no answer. 'off': the library is not searched.
LibraryUse = Literal["first", "only", "off"]


class Parent(Enum):
    """Where a new question goes when no message is named."""

    LEAF = "leaf"  # after the last message of the branch that is shown


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as the model is given it: who speaks, and the words, which are always data."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the program put before the model, under a number that the program minted (1, 2, …).

    `document_sha256` is the original file's, `document_id` the library's for it; the passage is `start` to `end` of its page's text,
    under the headings of `heading_path`. What the document does not say of itself is empty.
    """

    number: int
    title: str
    text: str
    page: int | None = None
    document_sha256: str = ""
    document_id: str = ""
    heading_path: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    publisher: str = ""
    date: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A source as it was kept with an answer: readable when its document is gone. `verdict` is what the checks found.

    `quote` holds the words of `source.text` that the answer rests on, verbatim; empty where nothing can be said to be them.
    """

    source: Source
    quote: str = ""
    verdict: Verdict = "unchecked"


FindingKind = Literal["mark", "quotation", "figure", "frequency", "drug", "polarity", "reference", "unsourced", "sentence"]

# 'found': it stands in the source. 'not_found': it was looked for and does not. 'doubtful': it may, but a person should look.
# 'not_checked': there was nothing to look for, or nowhere to look.
FindingState = Literal["found", "not_found", "doubtful", "not_checked"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked for at `start` to `end` (characters of the answer), and how it went, in `words` for a person.

    `source` is the number of the source it was found in, or the one named that it was not found in; None where there is none.
    A finding says whether words and figures stand in a source. Whether the answer is right, no finding says.
    """

    start: int
    end: int
    kind: FindingKind
    state: FindingState
    words: str
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. The defaults are Med42-v2's model card's (temperature 0.4, top_k 150, top_p 0.75).

    `min_p` and `repeat_penalty` are set to 'off' (0 and 1): the card names neither, and llama.cpp's own
    default for min_p is not 0. `temperature` 0 means greedy. `max_tokens` is the answer's reserve in the context.
    """

    temperature: float = 0.4
    top_k: int = 150
    top_p: float = 0.75
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer. `cached_tokens` of `prompt_tokens` came from the KV cache and were not decoded again.

    `restored_tokens` of these were read back from what was kept of the conversation on this computer's disk. `guessed_tokens` of
    `completion_tokens` were found in the prompt, computed several at once, and confirmed by the sampling.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    restored_tokens: int = 0
    guessed_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the request's arrival at the runtime to the first token; decoding speed after it; both 0 if none came."""

    first_token_s: float = 0.0
    tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something the person may expect the model to have seen, and it did not: a turn or a source, with its size.

    `reason` is 'room' when the context was full, 'unanswered' for a question that got no words for an answer, 'apart' for what the
    demonstration model is not shown: answers from sources, where it has none for the new one.
    """

    kind: Literal["message", "source"]
    id: str  # message id, or the source's number as text
    tokens: int
    preview: str  # its first words, so that the person recognises it
    reason: Reason = "room"


@dataclass(frozen=True, slots=True)
class ContextUse:
    """How the context is filled, in tokens. `size` is the whole context; `reserve` is kept for the answer."""

    size: int
    system: int = 0
    pinned: int = 0
    sources: int = 0  # documents: library passages and attachments
    history: int = 0
    question: int = 0
    reserve: int = 0

    @property
    def used(self) -> int:
        """Tokens of the prompt as it is sent."""
        return self.system + self.pinned + self.sources + self.history + self.question


@dataclass(frozen=True, slots=True)
class Health:
    """One line of `check`: what was looked at, how it is, and what to do if it is not well.

    'repaired' is wrong in a model's file and right in memory.
    """

    name: str
    state: Literal["ok", "repaired", "warning", "error"]
    text: str
    hint: str = ""
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The loaded model as the runtime really found it, not as it was asked for."""

    name: str  # general.name, or the file's name
    path: str
    sha256: str
    size_bytes: int
    architecture: str
    quantization: str  # 'Q4_K - Medium', as llama.cpp describes the file
    parameters: int
    vocabulary: int
    context_trained: int
    context: int  # tokens really allotted
    template: str  # 'llama-3', or 'model' for the file's own chat template
    stop_ids: tuple[int, ...]
    device: str  # 'CPU', or the devices the layers are on
    layers: int  # as llama.cpp counts when it offloads: the output is one of them
    layers_offloaded: int  # that are really on graphics devices
    threads: int
    build: str  # llama-cpp-python's version
    load_s: float
    warnings: tuple[str, ...] = ()
    demonstration: bool = False  # the embedded demo model, not Med42
    cache_type: str = "f16"  # how the KV cache's numbers are kept: 'f16', 'q8_0' or 'q4_0'
    backed_off: tuple[str, ...] = ()  # what did not work while loading and what was done instead, a sentence or two each
    findings: tuple[Health, ...] = ()  # what was looked at in the file and in the loaded model
    examined: bool = True  # false while the short test question, the last finding, has not been answered
    parallel: int = 0  # answers that it makes at once; 0 where that is not known
    server: str = ""  # 'host:port' of another computer's that runs the model; of it, what it does not say is empty or 0
    batch: int = 0  # tokens of a prompt that are read at once; 0 where that is not known
    flash_attention: bool = True  # whether llama.cpp may use it; other last bits come out with it than without
    guess_costs: tuple[float, ...] = ()  # the time of decodes of 4, 8, 16, 32 tokens over that of one; 0 where guesses are not made

    @property
    def tuning(self) -> str:
        """What decides, with the file, the build and the prompt, which last bits come out; empty where that is not known."""
        if not self.batch:
            return ""
        costs = "/".join(f"{cost:g}" for cost in self.guess_costs) or "none"
        return f"threads {self.threads}, batch {self.batch}, flash attention {'on' if self.flash_attention else 'off'}, guesses {costs}"


@dataclass(frozen=True, slots=True)
class Speed:
    """A speed test so far. Tokens and English words a second, 0 until known; `seconds` since its beginning; `done` in the last one."""

    read_tokens_s: float = 0.0
    write_tokens_s: float = 0.0
    words_s: float = 0.0
    seconds: float = 0.0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything needed to say how an answer came about, and to make the same tokens again with the same build on the CPU."""

    program: str  # 'Med42 Chat 0.1.0'
    model: str
    model_sha256: str
    quantization: str
    template: str
    build: str
    device: str
    sampling: Sampling
    seed: int
    prompt_sha256: str  # of the prompt's token ids as little-endian 32-bit integers
    context: ContextUse
    seen: tuple[str, ...] = ()  # ids of the messages the model saw, oldest first
    sources: tuple[int, ...] = ()  # numbers of the sources the model saw
    left_out: tuple[LeftOut, ...] = ()
    pinned_facts: str = ""
    usage: Usage = Usage()
    timings: Timings = Timings()
    finish_reason: FinishReason = "stop"
    demonstration: bool = False
    notes: tuple[str, ...] = ()  # what the program changed or noticed, in plain words ('removed a mark [7] that names no source')
    cache_type: str = "f16"  # of the KV cache; other tokens come out with another
    tuning: str = ""  # what was chosen for this computer: threads, batch, flash attention, guesses; other tokens may come out with another
    basis: Basis = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A text that came with a question, of this conversation only: a pasted letter, a dropped file. Always data."""

    name: str
    text: str
    media_type: str = "text/plain"
    pages: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document. `number` counts from 1, None for a kind of file that has no pages: it is all one.

    `boxes` says where each character of `text` stands, packed as library/boxes.py does it; empty where there is no picture of the page.
    """

    number: int | None
    text: str
    boxes: bytes = b""


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of one page, `text[start:end]` of it, under its headings. `number` counts from 1 in its document."""

    number: int
    page: int | None
    heading_path: tuple[str, ...]
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, read whole. What it does not say of itself is empty; `date` is ISO 8601, to the year, month or day.

    `abbreviations` are pairs as the document explains them ('AKI', 'acute kidney injury'); `notes` are what the person should know of
    the reading ('Page 7 holds no text that can be read.').
    """

    title: str
    media_type: str
    pages: tuple[Page, ...]
    passages: tuple[Passage, ...]
    publisher: str = ""
    date: str = ""
    version: str = ""
    abbreviations: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """A document as the library keeps it. `superseded_by` is the id of a newer version that is searched in its place, else empty."""

    id: str
    sha256: str  # of the original file
    name: str  # the file's, as it was added
    media_type: str
    size_bytes: int
    title: str
    publisher: str
    date: str
    version: str
    added_at: int
    pages: int | None
    passages: int
    superseded_by: str = ""
    collections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Find:
    """A passage that a search of the library came upon. A higher `score` is a better one; it means nothing from search to search."""

    holding: Holding
    passage: Passage
    score: float


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the reader thought of an answer, and why."""

    verdict: Literal["good", "bad"]
    reason: str = ""
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One node of a conversation's tree. `parent_id` is None for the first question.

    `versions` are the ids of the messages that stand in the same place, oldest first, this one among them; empty when it is alone.
    `imported_at` is when it first came from a file into a store, 0 for one that was written where it is.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    text: str
    status: Status
    created_at: int
    evidence: Evidence | None = None
    citations: tuple[Citation, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    versions: tuple[str, ...] = ()
    feedback: Feedback | None = None
    findings: tuple[Finding, ...] = ()
    imported_at: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed and attached in a conversation and not sent yet."""

    text: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation's head. `pinned_facts` (allergies, problems, medicines) are always in the prompt.

    `leaf_id` is the message at the end of the branch that is shown; `folder` is empty for none. Only documents of the library's
    `collections` are searched, all of them when it names none.
    """

    id: str
    title: str
    created_at: int
    updated_at: int
    pinned_facts: str = ""
    message_count: int = 0
    pinned: bool = False
    archived: bool = False
    folder: str = ""
    tags: tuple[str, ...] = ()
    leaf_id: str = ""
    library: LibraryUse = "first"
    collections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A message that matches a search. `snippet` alternates plain and matching text, beginning with plain."""

    conversation_id: str
    message_id: str
    title: str
    snippet: tuple[str, ...]
    created_at: int = 0
