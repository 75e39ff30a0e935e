"""How an answer came about, as the rows of its evidence box: all that is needed to make the same tokens again. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from med42_chat.checks.told import cited
from med42_chat.export.references import date, one_line, only_given
from med42_chat.export.sheet import Row
from med42_chat.records import Evidence, Message, Usage
from med42_chat.words import Words

LAST = 4_102_444_800_000  # the year 2100, in ms: a time from a file may be any number, and no calendar has them all


def evidence_rows(words: Words, message: Message, pinned: str) -> tuple[Row, ...]:
    """A row for each thing that is known; where no model was asked, these are few. `pinned` are the facts that the document begins with."""
    values = _values(words, message, message.evidence, pinned) if message.evidence else ()
    return tuple(Row(words(name), one_line(value)) for name, value in values if value.strip())


def imported_words(words: Words, imported: Sequence[Message], until: int | None = None, zone: tzinfo | None = None) -> str:
    """That these messages came from a file, and what was compared of them: all else is the file's word.

    `until` is the last answer's number where others follow.
    """
    day = date(words, f"{datetime.fromtimestamp(min(imported[-1].imported_at, LAST) // 1000, zone):%Y-%m-%d}")
    first = words("evidence.imported", date=day) if until is None else words("evidence.imported_until", date=day, number=until)
    compared = words("evidence.imported_compared") if any(one.citations for one in imported) else ""
    return f"{first} {words('evidence.imported_says')} {compared}".strip()


def _values(words: Words, message: Message, evidence: Evidence, pinned: str) -> Iterator[tuple[str, str]]:
    if evidence.model:
        yield from _model(words, evidence)
        yield "export.facts_then", _facts(words, evidence, pinned)
    yield "export.basis", _basis(words, evidence)
    yield "export.given", only_given(words, message)
    yield "export.source_files", _source_files(message)
    yield "evidence.program", evidence.program


def _model(words: Words, evidence: Evidence) -> Iterator[tuple[str, str]]:
    context, usage = evidence.context, evidence.usage
    demonstration = words("evidence.demonstration", model=evidence.model)
    yield "evidence.model", demonstration if evidence.demonstration else evidence.model
    yield "export.file", evidence.model_sha256
    yield "evidence.quantisation", evidence.quantization
    yield "export.template", evidence.template
    yield "evidence.sampling", _sampling(words, evidence)
    yield "evidence.seed", str(evidence.seed)
    yield "export.prompt_file", evidence.prompt_sha256
    yield "export.tokens", _tokens(words, usage)
    yield "export.context", words("export.context_of", used=context.used, size=context.size, reserve=context.reserve)
    yield "export.cache", evidence.cache_type
    yield "evidence.history", words("evidence.seen", n=len(evidence.seen)) if evidence.seen else ""
    yield "evidence.device", evidence.device
    yield "export.build", f"llama-cpp-python {evidence.build}" if evidence.build else ""


def _tokens(words: Words, usage: Usage) -> str:
    read = {"prompt": usage.prompt_tokens, "cached": usage.cached_tokens, "restored": usage.restored_tokens}
    said = words("export.tokens_restored" if usage.restored_tokens else "export.tokens_of", **read, answer=usage.completion_tokens)
    return words("export.tokens_guessed", said=said, guessed=usage.guessed_tokens) if usage.guessed_tokens else said


def _source_files(message: Message) -> str:
    """By which file a source can be known again, here or elsewhere, when its document is no longer in the library."""
    sources = [one.source for one in cited(message)]
    return "; ".join(f"[{one.number}] {one.document_sha256}" for one in sources if one.document_sha256)


def _facts(words: Words, evidence: Evidence, pinned: str) -> str:
    """What was pinned when this answer was written, where that is not what the document begins with: it may have been changed since."""
    then = [line for line in evidence.pinned_facts.splitlines() if line.strip()]
    if then == [line for line in pinned.splitlines() if line.strip()]:
        return ""
    return " · ".join(then) or words("export.no_facts")


def _sampling(words: Words, evidence: Evidence) -> str:
    sampling = evidence.sampling
    return words(
        "export.sampling",
        temperature=f"{sampling.temperature:g}",
        top_k=sampling.top_k,
        top_p=f"{sampling.top_p:g}",
        min_p=f"{sampling.min_p:g}",
        repeat_penalty=f"{sampling.repeat_penalty:g}",
        max_tokens=sampling.max_tokens,
    )


def _basis(words: Words, evidence: Evidence) -> str:
    if evidence.basis == "sources":
        return words("export.basis_sources", n=len(evidence.sources)) if evidence.sources else ""
    named = {"memory": "export.basis_memory", "nothing": "export.basis_nothing"}
    return words(named[evidence.basis]) if evidence.basis in named else ""
