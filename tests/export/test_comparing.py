"""What a file says of its own checks is not believed: its answers are compared anew, and that they came from a file stays with them."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from med42_chat.checks import Medicines, check, cited
from med42_chat.errors import InputError
from med42_chat.export import record
from med42_chat.export.comparing import answer, compared_anew
from med42_chat.export.paper import sheet_of
from med42_chat.export.sheet import Options, Sheet
from med42_chat.exporting import Exporting
from med42_chat.records import Basis, Citation, Conversation, Finding, Message, Source
from med42_chat.settings import ASSETS
from med42_chat.store.database import Store
from med42_chat.ui import evidence, findings
from tests.export.records import talk
from tests.export.sheets import WORDS
from tests.store.samples import EVIDENCE, KEY

MEDICINES = Medicines.parse((ASSETS / "medicines.txt").read_text("utf-8"))
PASSAGE = Source(1, "Metformin leaflet", "Take metformin 500 mg twice a day with a meal.", 3, "ef" * 32, document_id="d1")
SAID = "Take metformin 850 mg twice a day [1]."
FORGED = (Finding(15, 21, "figure", "found", "“850 mg” stands on page 3.", 1),)


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with Store.open(home, KEY) as opened:
        yield opened


@pytest.fixture
def exporting(store: Store) -> Iterator[Exporting]:
    made = Exporting(store.conversations, store.audit)
    yield made
    made.close()


def forged(**parts: Any) -> tuple[Any, ...]:
    """A conversation whose file says that a figure stands in its source, which does not."""
    citations = (Citation(PASSAGE, "metformin 850 mg", "found"),)
    return talk(answer=SAID, **{"evidence": EVIDENCE, "citations": citations, "findings": FORGED, **parts})


def file_of(made: tuple[Any, ...]) -> bytes:
    head, messages = made
    return record.write(head, messages)


def brought(store: Store, exporting: Exporting, data: bytes) -> tuple[Message, ...]:
    """What stands in the store after an import, in the order of the conversation."""
    return tuple(store.conversations.branch(exporting.restore(data).conversation.id))


def test_a_finding_that_somebody_made_up_is_replaced_by_what_is_found(store: Store, exporting: Exporting) -> None:
    _, answered = brought(store, exporting, file_of(forged()))
    assert answered.findings == check(SAID, [PASSAGE], MEDICINES) != FORGED
    assert any(one.state == "not_found" and "850 mg" in one.words for one in answered.findings)
    (citation,) = answered.citations
    assert citation.verdict == "not_found" and citation.source == PASSAGE


def test_words_that_do_not_stand_in_the_passage_are_not_quoted(store: Store, exporting: Exporting) -> None:
    citations = (Citation(PASSAGE, "Metformin is safe at any dose.", "found"),)
    _, answered = brought(store, exporting, file_of(forged(citations=citations)))
    assert answered.citations[0].quote in PASSAGE.text


def test_an_answer_that_says_nothing_of_its_checks_is_compared_too(store: Store, exporting: Exporting) -> None:
    _, answered = brought(store, exporting, file_of(forged(evidence=None, findings=(), citations=(Citation(PASSAGE),))))
    assert [one.state for one in answered.findings if one.kind == "figure"] == ["not_found"]


def test_what_the_checks_really_found_comes_in_as_it_is() -> None:
    findings = check(SAID, [PASSAGE], MEDICINES)
    _, (asked, answered) = forged(findings=findings, citations=cited(SAID, [PASSAGE], findings, MEDICINES))
    assert (compared_anew(asked, MEDICINES), compared_anew(answered, MEDICINES)) == (asked, answered)


def test_the_programs_own_words_and_a_question_have_nothing_to_compare() -> None:
    _, (asked, answered) = forged(evidence=replace(EVIDENCE, model="", basis="nothing"), citations=())
    assert compared_anew(answered, MEDICINES) == replace(answered, findings=())
    assert compared_anew(replace(asked, findings=FORGED), MEDICINES).findings == ()


@pytest.mark.parametrize("basis", ["memory", "nothing"])
@pytest.mark.parametrize("model", ["", "med42"])
def test_an_answer_with_sources_cannot_pass_for_one_that_has_none(model: str, basis: Basis) -> None:
    head, (asked, answered) = forged(evidence=replace(EVIDENCE, model=model, basis=basis))
    compared = compared_anew(answered, MEDICINES)
    assert [one.state for one in compared.findings if one.kind == "figure"] == ["not_found"]
    assert "850 mg" in evidence.panel(WORDS, compared) and "not found: 1 figure" in findings.summary(WORDS, compared)
    (_, entry) = sheet_of(head, [asked, compared], Options(), WORDS).entries
    assert "not found: 1 figure" in entry.checked and entry.who != WORDS("export.program_said")


def test_an_answer_of_a_model_cannot_pass_for_the_programs_own_words() -> None:
    _, (_, answered) = forged(evidence=replace(EVIDENCE, basis="nothing"), citations=())
    assert (told := compared_anew(answered, MEDICINES).evidence) is not None and told.basis == "memory"


def test_that_it_came_from_a_file_and_when_stays_with_it_wherever_it_goes(store: Store, exporting: Exporting, tmp_path: Path) -> None:
    began = time.time_ns() // 1_000_000
    first = brought(store, exporting, file_of(forged()))
    assert began <= first[1].imported_at == first[0].imported_at <= time.time_ns() // 1_000_000
    data = record.write(*store.conversations.whole("c1"))
    with Store.open(tmp_path / "elsewhere", KEY) as other:
        there = Exporting(other.conversations, other.audit)
        assert brought(other, there, data) == first
        assert record.write(*other.conversations.whole("c1")) == data
        there.close()


def test_what_is_asked_after_an_import_was_written_here(store: Store, exporting: Exporting) -> None:
    brought(store, exporting, file_of(forged()))
    question, later = store.conversations.begin("c1", "And in children?")
    assert (question.imported_at, later.imported_at) == (0, 0)


def test_a_file_that_comes_a_second_time_is_the_same_whatever_it_says_of_its_checks(store: Store, exporting: Exporting) -> None:
    data = file_of(forged())
    before = brought(store, exporting, data)
    assert exporting.restore(data).outcome == "same"
    assert tuple(store.conversations.branch("c1")) == before


def test_paper_and_page_say_that_it_came_from_a_file_and_what_was_not_checked() -> None:
    head, (asked, answered) = forged()
    imported = [replace(one, imported_at=1_773_500_000_000) for one in (asked, answered)]
    (origin,) = (row.value for row in printed(head, imported).head if row.name == "Origin")
    assert origin.startswith("Imported on March 14, 2026 from a file. Who wrote what, and how, is what that file says. ")
    assert "whether these passages stand in the named documents was not checked here" in origin
    assert origin in evidence.panel(WORDS, imported[1])
    assert "Imported" not in evidence.panel(WORDS, answered)
    assert "Origin" not in {row.name for row in printed(head, [asked, answered]).head}


def test_without_sources_nothing_is_said_of_passages() -> None:
    head, messages = talk(answer="Sudden onset.", evidence=EVIDENCE)
    imported = [replace(one, imported_at=1_773_500_000_000) for one in messages]
    said = "Imported on March 14, 2026 from a file. Who wrote what, and how, is what that file says."
    assert ("Origin", said) in {(row.name, row.value) for row in printed(head, imported).head}


def test_where_the_conversation_went_on_here_paper_says_how_far_the_file_goes() -> None:
    head, (asked, answered) = forged()
    imported = [replace(one, imported_at=1_773_500_000_000) for one in (asked, answered)]
    later = [replace(asked, id="q2", parent_id=answered.id), replace(answered, id="a2", parent_id="q2")]
    (origin,) = (row.value for row in printed(head, [*imported, *later]).head if row.name == "Origin")
    assert "from a file, up to answer 1." in origin


def test_a_time_that_no_calendar_has_ends_no_export() -> None:
    head, messages = forged()
    far = [replace(one, imported_at=2**62) for one in messages]
    assert any("2100" in row.value or "2099" in row.value for row in printed(head, far).head)


def printed(head: Conversation, messages: Sequence[Message]) -> Sheet:
    return sheet_of(head, messages, Options(), WORDS)


def test_an_answer_that_takes_for_ever_to_compare_is_refused_and_nothing_comes_in(store: Store) -> None:
    made_to_be_slow = "“abc def ghi” " * 20_000
    slow = Exporting(store.conversations, store.audit, time_s=2.0)
    with pytest.raises(InputError, match="takes too long") as refused:
        slow.restore(file_of(forged_text(made_to_be_slow)))
    slow.close()
    assert refused.value.hint and store.conversations.total() == 0


def forged_text(text: str) -> tuple[Any, ...]:
    return talk(answer=text, evidence=EVIDENCE, citations=(Citation(replace(PASSAGE, text=text)),))


def test_the_process_says_in_words_what_it_cannot_read() -> None:
    (said,) = answer(b"{}")
    assert json.loads(said)["fault"] == "The file is no conversation of Med42 Chat."
