"""A conversation as JSON: nothing is lost on the way out and back, and nothing that does not fit comes in."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.errors import InputError
from med42_chat.export import record
from med42_chat.export.evidence import evidence_rows
from med42_chat.export.sheet import Options
from med42_chat.records import Citation, Conversation, Feedback, Finding, Message, Source, Usage
from tests.export.records import conversations, messages, talk
from tests.export.sheets import WORDS
from tests.store.samples import CITATIONS, EVIDENCE, FINDINGS

options = st.builds(Options, messages=st.frozensets(st.text()), author=st.text(), attached=st.booleans(), password=st.text())
requests = st.builds(record.Request, conversations, st.lists(messages, max_size=3).map(tuple), options, language=st.text())


def whole() -> tuple[Conversation, tuple[Message, ...]]:
    head, exchanged = talk(evidence=EVIDENCE, citations=CITATIONS, findings=FINDINGS, feedback=Feedback("bad", "Too short", 7))
    return head, exchanged


def edited(change: Callable[[Any], object]) -> bytes:
    """A sound file with a change in it."""
    value = json.loads(record.write(*whole()))
    change(value)
    return json.dumps(value).encode()


@settings(max_examples=15, deadline=None)
@given(conversations, st.lists(messages, max_size=3))
def test_every_record_survives_its_json_without_loss(conversation: Conversation, kept: list[Message]) -> None:
    value = json.loads(record.write(conversation, kept))
    assert record.conversation_of(value["conversation"]) == conversation
    assert record.messages_of(value["messages"]) == tuple(kept)


@settings(max_examples=8, deadline=None)
@given(requests)
def test_every_request_survives_the_way_to_the_exporting_process(wanted: record.Request) -> None:
    assert record.request_of(record.request(wanted)) == wanted


def test_a_file_that_was_written_is_read_as_it_was_and_gives_the_same_bytes() -> None:
    data = record.write(*whole())
    found = record.read(data)
    assert (found.conversation, found.messages) == whole()
    assert record.write(found.conversation, found.messages) == data


def test_the_file_can_be_read_by_a_person_and_half_characters_in_it_are_still_json() -> None:
    head, (asked, answered) = talk(question="µg ≤ 5 \ud83d alone")
    data = record.write(head, (asked, answered))
    assert "µg ≤ 5 \\ud83d alone" in data.decode("utf-8")
    assert record.read(data).messages[0].text == asked.text


def test_a_file_of_the_first_version_is_read_for_ever() -> None:
    found = record.read(Path(__file__).with_name("version-1.json").read_bytes())
    assert (found.conversation, found.messages) == whole()


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    assert record.read(b"\xef\xbb\xbf" + record.write(*whole())).conversation == whole()[0]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"[]", b"null", b"{}", b'"text"', b"%PDF-1.7", b"[" + b"9" * 6000 + b"]"]
)
def test_what_is_no_conversation_is_refused_in_plain_words(data: bytes) -> None:
    with pytest.raises(InputError) as refused:
        record.read(data)
    assert refused.value.message.endswith(".") and "exported as JSON" in refused.value.hint


def test_a_file_of_a_newer_version_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="another version") as refused:
        record.read(edited(lambda value: value.update(version=3)))
    assert "Update" in refused.value.hint


def test_a_file_that_is_too_large_is_not_read() -> None:
    with pytest.raises(InputError, match="larger than 64 MB"):
        record.read(b" " * (record.MOST_BYTES + 1))


WRONG: dict[str, Callable[[Any], object]] = {
    "conversation: an object is wanted": lambda value: value.update(conversation=[]),
    "conversation: 'title' is missing": lambda value: value["conversation"].pop("title"),
    "conversation: 'colour' is not known": lambda value: value["conversation"].update(colour="red"),
    "conversation.pinned: true or false is wanted": lambda value: value["conversation"].update(pinned=1),
    "conversation.tags[1]: a text is wanted": lambda value: value["conversation"].update(tags=["a", None]),
    "conversation.library: one of 'first', 'only', 'off' is wanted": lambda value: value["conversation"].update(library="always"),
    "conversation.updated_at: it is out of its range": lambda value: value["conversation"].update(updated_at=-1),
    "conversation.id: an id of letters and digits is wanted": lambda value: value["conversation"].update(id="../../etc/passwd"),
    "conversation.leaf_id: it names no message of the file": lambda value: value["conversation"].update(leaf_id="m9"),
    "messages: a list is wanted": lambda value: value.update(messages={}),
    "messages[1].created_at: a whole number is wanted": lambda value: value["messages"][1].update(created_at=2**63),
    "messages[0].created_at: a whole number is wanted": lambda value: value["messages"][0].update(created_at=True),
    "messages[1].created_at: it is out of its range": lambda value: value["messages"][1].update(created_at=10**17),
    "messages[1].id: another message has it too": lambda value: value["messages"][1].update(id="c1-q"),
    "messages[0].id: an id of letters and digits is wanted": lambda value: value["messages"][0].update(id="\n"),
    "messages[0].parent_id: it names no message before this one": lambda value: value["messages"][0].update(parent_id="c1-a"),
    "messages[0].conversation_id: it is another conversation's": lambda value: value["messages"][0].update(conversation_id="c2"),
    "messages[1].role: an answer follows a question": lambda value: value["messages"][1].update(parent_id=None),
    "messages[0].role: an answer follows a question": lambda value: value["messages"][0].update(role="system"),
    "messages[1].status: one of": lambda value: value["messages"][1].update(status=["complete"]),
    "messages[1].evidence.sampling.temperature: a number is wanted": lambda value: value["messages"][1]["evidence"]["sampling"].update(
        temperature=float("nan")
    ),
    "messages[1].citations[0].source.page: it is out of its range": lambda value: value["messages"][1]["citations"][0]["source"].update(
        page=10**12
    ),
    "messages[1].citations[1].source.document_id: an id of letters": lambda value: value["messages"][1]["citations"][1]["source"].update(
        document_id="../v1/page"
    ),
    "messages[1].evidence: an id of letters and digits": lambda value: value["messages"][1]["evidence"].update(seen=['"]']),
    "messages[1].imported_at: it is out of its range": lambda value: value["messages"][1].update(imported_at=-1),
    "messages[1].evidence.usage.prompt_tokens: it is out of its range": lambda value: value["messages"][1]["evidence"]["usage"].update(
        prompt_tokens=-1
    ),
    "messages[1].evidence.context.history: it is out of its range": lambda value: value["messages"][1]["evidence"]["context"].update(
        history=-17
    ),
    "messages[1].evidence.timings.tokens_per_s: it is out of its range": lambda value: value["messages"][1]["evidence"]["timings"].update(
        tokens_per_s=-0.5
    ),
    "messages[1].evidence.left_out[0].tokens: it is out of its range": lambda value: value["messages"][1]["evidence"]["left_out"][0].update(
        tokens=-1
    ),
    "messages[1].citations[0].verdict: one of": lambda value: value["messages"][1]["citations"][0].update(verdict="true"),
    "messages[1].findings[0].start: it is out of its range": lambda value: value["messages"][1]["findings"][0].update(start=-3),
    "messages[1].feedback.created_at: it is out of its range": lambda value: value["messages"][1]["feedback"].update(created_at=-3),
}


@pytest.mark.parametrize("said", WRONG)
def test_what_does_not_fit_is_named_with_its_place(said: str) -> None:
    with pytest.raises(InputError) as refused:
        record.read(edited(WRONG[said]))
    assert said in refused.value.message


def test_more_messages_than_anybody_has_written_are_refused() -> None:
    head, (asked, _) = talk()
    many = [replace(asked, id=f"m{number}") for number in range(record.MOST_MESSAGES + 1)]
    with pytest.raises(InputError, match="at most 20,000"):
        record.read(record.write(replace(head, leaf_id="m1"), many))


def test_numbers_that_are_whole_may_stand_where_fractions_are_wanted() -> None:
    found = record.read(edited(lambda value: value["messages"][1]["evidence"]["sampling"].update(temperature=1)))
    evidence = found.messages[1].evidence
    assert evidence is not None and isinstance(evidence.sampling.temperature, float)


def test_what_an_older_version_did_not_write_has_its_default() -> None:
    found = record.read(edited(lambda value: value["messages"][1].pop("findings")))
    assert found.messages[1].findings == ()
    found = record.read(edited(lambda value: value["messages"][1]["evidence"]["usage"].pop("guessed_tokens")))
    assert found.messages[1].evidence == EVIDENCE


def test_how_much_was_copied_comes_back_and_is_said_where_some_was() -> None:
    evidence = replace(EVIDENCE, usage=Usage(100, 20, 300, guessed_tokens=120))
    head, (asked, answered) = talk(evidence=evidence)
    found = record.read(record.write(head, (asked, answered)))
    assert found.messages[1].evidence == evidence
    for message, times in ((answered, 1), (replace(answered, evidence=EVIDENCE), 0)):
        said = " ".join(row.value for row in evidence_rows(WORDS, message, ""))
        assert said.count("written (120 of them quicker because they stood in the prompt)") == times


def test_the_branch_is_the_way_from_the_first_question_to_the_end_that_is_shown() -> None:
    head, (asked, answered) = talk()
    other = replace(answered, id="other", text="Another answer.")
    kept = (asked, answered, other)
    assert record.branch(head, kept) == (asked, answered)
    assert record.branch(replace(head, leaf_id="other"), kept) == (asked, other)
    assert record.branch(replace(head, leaf_id=""), kept) == ()


def test_a_ring_of_messages_has_no_endless_branch() -> None:
    head, (asked, answered) = talk()
    assert len(record.branch(head, (replace(asked, parent_id=answered.id), answered))) == 2


def test_an_empty_conversation_is_read() -> None:
    head = Conversation("c1", "Nothing yet", 1, 1)
    assert record.read(record.write(head, ())).messages == ()


def test_a_finding_and_a_source_with_no_page_are_kept() -> None:
    parts = {"citations": (Citation(Source(1, "Notes", "Text")),), "findings": (Finding(0, 0, "mark", "doubtful", "?"),)}
    head, exchanged = talk(**parts)
    assert record.read(record.write(head, exchanged)).messages == exchanged
