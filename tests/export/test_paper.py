"""What stands on paper of a conversation: everything that was said, nothing that was not, and what a reader has to know of it."""

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.errors import InputError
from med42_chat.export.body import LONGEST, QUOTES, answer_body, cites, inlines, lost
from med42_chat.export.paper import sheet_of
from med42_chat.export.sheet import Options
from med42_chat.markup import Block, Cite, Code, CodeBlock, Heading, List, Quote, Text, Tree, clean, parse, plain_text
from med42_chat.records import Citation, Finding, LeftOut, Status
from med42_chat.ui import view
from tests.constructs import CONSTRUCTS, PATHOLOGICAL, PIECES
from tests.export import golden
from tests.export.golden import CANARY, CANARY_PASSAGE, EVIDENCE, SOURCES
from tests.export.sheets import WORDS, answer, answered, changed, said, sheet, strings

GOLDEN = golden.everything()
HOSTILE = golden.hostile()
ALL = {**{name: make() for name, make in GOLDEN.items()}, **HOSTILE}
PAPER = {name: sheet(one) for name, one in ALL.items()}


def letters(text: str) -> str:
    """What a reader would miss: letters, digits and signs of no use to Markdown, without spaces."""
    return "".join(one for one in text if not one.isspace())


def inside(block: Block) -> Tree:
    if isinstance(block, List):
        return tuple(inner for item in block.items for inner in item.blocks)
    return block.blocks if isinstance(block, Quote) else ()


def every_block(tree: Tree) -> Iterator[Block]:
    for block in tree:
        yield block
        yield from every_block(inside(block))


def quotes_deep(tree: Tree) -> int:
    return max((quotes_deep(inside(block)) + isinstance(block, Quote) for block in tree), default=0)


_NO_WORDS = re.compile(r'<(math|button)\b.*?</\1>|<code class="math">.*?</code>|<[^>]*>', re.DOTALL)


def on_page(shown: str) -> str:
    """The letters that a page shows, formulas aside: they are set in MathML there."""
    return letters(html.unescape(_NO_WORDS.sub("", shown)))


def on_paper(tree: Tree) -> str:
    """The letters of a tree, formulas aside."""
    return letters("".join(word for block in every_block(tree) for word in words(block)))


def words(block: Block) -> Iterator[str]:
    """A block's own words, without those of the blocks in it."""
    if isinstance(block, CodeBlock):
        yield block.text
    elif not isinstance(block, List | Quote):
        for inline in inlines((block,)):
            if isinstance(inline, Text | Code):
                yield inline.text
            elif isinstance(inline, Cite):
                yield str(inline.number)


class TestEveryConversation:
    @pytest.mark.parametrize("name", ALL)
    def test_every_question_stands_there_letter_by_letter(self, name: str) -> None:
        for message, entry in zip(ALL[name].branch, PAPER[name].entries, strict=True):
            if message.role == "user":
                assert said(entry.blocks) == letters(clean(message.text))

    @pytest.mark.parametrize("name", ALL)
    def test_every_answer_stands_there_without_a_letter_lost(self, name: str) -> None:
        for message, entry in zip(ALL[name].branch, PAPER[name].entries, strict=True):
            assert not lost(message.text, entry.blocks)

    @pytest.mark.parametrize("name", ALL)
    def test_page_and_paper_say_the_same(self, name: str) -> None:
        for message, entry in zip(ALL[name].branch, PAPER[name].entries, strict=True):
            if message.role == "assistant" and "Printed as it was written" not in " ".join(entry.notes):
                shown = view.blocks(WORDS, message.text, [citation.source.number for citation in message.citations])
                assert on_paper(entry.blocks) == on_page("".join(shown))

    @pytest.mark.parametrize("name", ALL)
    def test_nothing_is_on_it_that_no_font_or_file_takes(self, name: str) -> None:
        assert all(text == clean(text) for text in strings(PAPER[name]))

    @pytest.mark.parametrize("name", ALL)
    def test_what_was_attached_or_not_cited_is_never_printed(self, name: str) -> None:
        everything = "\n".join(strings(PAPER[name]))
        assert CANARY not in everything and CANARY_PASSAGE not in everything

    @pytest.mark.parametrize("name", ALL)
    def test_every_way_leads_to_a_place_that_is_there_once(self, name: str) -> None:
        paper = PAPER[name]
        places = [entry.anchor for entry in paper.entries]
        places += [place for entry in paper.entries for place in (*entry.marks, *(source.anchor for source in entry.references))]
        assert len(places) == len(set(places)) and all(re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", place) for place in places)
        for entry in paper.entries:
            numbers = list(cites(entry.blocks))
            assert len(numbers) == len(entry.marks) and set(numbers) <= {source.number for source in entry.references}
            back = {place: source.number for source in entry.references for place in source.marks}
            assert [back[mark] for mark in entry.marks] == numbers

    @pytest.mark.parametrize("name", ALL)
    def test_no_heading_is_empty_or_skips_a_level_and_no_quote_is_too_deep(self, name: str) -> None:
        for entry in PAPER[name].entries:
            above = 0
            for block in every_block(entry.blocks):
                if isinstance(block, Heading):
                    assert block.children and block.level <= above + 1
                    above = block.level
            assert quotes_deep(entry.blocks) <= QUOTES

    @pytest.mark.parametrize("name", ALL)
    def test_the_same_records_are_the_same_sheet(self, name: str) -> None:
        assert sheet(ALL[name]) == PAPER[name]

    @pytest.mark.parametrize("name", ALL)
    def test_nothing_is_called_verified(self, name: str) -> None:
        own = [text for entry in PAPER[name].entries for source in entry.references for text in (source.status,)]
        assert not any(re.search("verif|correct|true", text, re.IGNORECASE) for text in own)


def numbered(tree: Tree) -> list[int]:
    return [block.level for block in every_block(tree) if isinstance(block, Heading)]


class TestQuestions:
    def test_what_was_typed_is_not_read_as_markdown(self) -> None:
        entry = sheet(answered("Yes.", question="**a** [1]\n- b\n\n\n  c")).entries[0]
        assert plain_text(entry.blocks).replace("\u00a0", " ") == "**a** [1]\n- b\n\n\n  c"

    def test_gaps_are_kept_where_a_writer_would_close_them(self) -> None:
        entry = sheet(answered("Yes.", question="Na  138\n   K 4.1\tfine")).entries[0]
        assert plain_text(entry.blocks) == "Na\u00a0 138\n\u00a0 \u00a0K 4.1\u00a0 \u00a0 fine"

    def test_a_file_that_came_with_it_is_named_and_not_printed(self) -> None:
        entry = PAPER["awkward"].entries[0]
        assert entry.notes == ("Came with this question: letter.pdf. Its text is not in this document.",)

    def test_who_exports_a_document_is_not_said_to_have_asked(self) -> None:
        assert sheet(answered("Yes."), author="Dr A. Example").entries[0].who == "Asked"


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "told"),
        [
            ("streaming", "still being written"),
            ("length", "length limit"),
            ("stopped", "Stopped by the person who asked"),
            ("interrupted", "Interrupted"),
            ("failed", "could not be completed"),
        ],
    )
    def test_one_that_is_not_complete_says_why(self, status: Status, told: str) -> None:
        assert told in answer(answered("Rest", status=status)).notes[0]

    def test_every_status_but_complete_is_told(self) -> None:
        assert [one for one in get_args(Status) if not answer(answered("Rest.", status=one)).notes] == ["complete"]

    def test_another_version_is_told(self) -> None:
        assert "Version 3 of 3; the others are not in this document." in PAPER["awkward"].entries[13].notes

    def test_the_versions_that_are_not_shown_are_not_printed(self) -> None:
        assert "nobody sees" not in "".join(strings(PAPER["awkward"]))

    def test_what_the_program_noticed_is_told(self) -> None:
        notes = PAPER["awkward"].entries[13].notes
        assert "The mark [7] names no source and was removed." in notes and "This answer goes on from an earlier version." in notes

    def test_the_demonstration_model_is_named_as_what_it_is(self) -> None:
        paper = PAPER["demonstration"]
        assert "not Med42" in paper.warning
        assert paper.entries[1].notes == ("Demonstration model, not Med42",)
        assert paper.entries[1].who == paper.head[-1].value == "med42-demo (demonstration model, not Med42)"

    def test_where_no_model_was_asked_none_is_named(self) -> None:
        entry = PAPER["awkward"].entries[9]
        assert entry.who == "The program: no model was asked"
        assert [(row.name, row.value) for row in entry.evidence] == [
            ("Given to the model", "nothing: no model was asked"),
            ("Program", "Med42 Chat 0.1.0"),
        ]

    def test_the_line_below_is_the_pages(self) -> None:
        entry = PAPER["awkward"].entries[5]
        assert entry.checked == "2 of 2 sentences carry a source · found: 1 medicine, 1 figure"
        assert answer(answered("Rest.", evidence=golden.MEMORY)).checked == "From the model's memory, no source."

    def test_what_a_person_should_look_at_stands_there_with_its_words(self) -> None:
        told = answer(answered("Give “all of it at once” now [1]. Stop it **72** hours before [1].", *SOURCES)).findings
        assert ("look", "“all of it at once”: These words do not stand in source 1.") in told
        assert all(state == "look" for state, _ in told)

    def test_what_is_said_twice_stands_there_once(self) -> None:
        told = answer(answered("Give 5 mg at first [2].\n\nThen give 5 mg [2].", *SOURCES)).findings
        assert told == (("look", "“5 mg” does not stand in source 2."),)

    def test_a_long_sentence_is_recognised_by_its_beginning(self) -> None:
        ((_, told),) = answer(answered("Give 5 mg " + "and so on " * 60 + ".", *SOURCES)).findings
        assert told.startswith("“Give 5 mg and so on") and " …”: " in told and len(told) < 220

    def test_one_that_names_no_source_is_not_said_to_rest_on_those_that_were_given(self) -> None:
        entry = answer(answered("Call the ward.", *SOURCES, evidence=replace(EVIDENCE, sources=(1, 2, 3))))
        assert ("Given to the model", "3 passages of the library") in [(row.name, row.value) for row in entry.evidence]

    def test_an_answer_that_was_not_seen_is_not_said_to_be_unanswered(self) -> None:
        one = answered("Yes.")
        unseen = tuple(LeftOut("message", message.id, 12, "…", "unanswered") for message in one.branch)
        entry = answer(changed(one, one.branch[1], evidence=replace(EVIDENCE, left_out=unseen)))
        assert entry.left_out == ("Question 1 (12 tokens, never answered)", "Answer 1 (12 tokens)")

    @pytest.mark.parametrize("status", ["streaming", "interrupted"])
    def test_a_mark_that_is_not_printed_is_told_where_no_check_has_told_it(self, status: Status) -> None:
        entry = answer(answered("Give [5] mg [1], see [9].", *SOURCES, status=status, findings=()))
        assert "[5]" not in plain_text(entry.blocks)
        assert "The marks [5], [9] name no sources of this answer and are not printed." in entry.notes
        assert not any("[9]" in note for note in answer(answered("See [9].", *SOURCES)).notes)

    def test_a_row_of_a_table_is_recognised_by_its_cells(self) -> None:
        entry = answer(answered("Doses [1]:\n\n| Drug | Dose |\n|---|---|\n| Apixaban | 5 mg |", *SOURCES))
        (told,) = (told for _, told in entry.findings if "Apixaban" in told)
        assert told.startswith("“Apixaban · 5 mg”: ")

    def test_what_the_model_did_not_see_is_named_by_number(self) -> None:
        assert PAPER["awkward"].entries[13].left_out == (
            "Question 1 (812 tokens)",
            "source 3: Ward notes (90 tokens)",
            "Question 5 (12 tokens, never answered)",
        )

    def test_what_stands_in_no_branch_is_named_by_its_words(self) -> None:
        left_out = (LeftOut("message", "elsewhere", 1, "Good\nmorning"),)
        assert answer(answered("Rest.", evidence=replace(EVIDENCE, left_out=left_out))).left_out == ("“Good morning” (1 token)",)

    def test_all_that_makes_the_same_tokens_again_is_in_its_box(self) -> None:
        box = {row.name: row.value for row in PAPER["awkward"].entries[1].evidence}
        assert box["Model file, SHA-256"] == "ab" * 32 and box["Prompt, SHA-256"] == "cd" * 32
        assert box["Sampling"] == "temperature 0.4, top-k 150, top-p 0.75, min-p 0, repeat penalty 1, at most 1,024 tokens"
        assert box["Seed"] == "4294967294" and box["KV cache"] == "f16" and box["Built on"] == "llama-cpp-python 0.3.36"
        assert box["Read, not cited"] == "[3] Ward notes"

    def test_facts_that_were_pinned_otherwise_then_are_told(self) -> None:
        one = answered("Rest.", evidence=replace(EVIDENCE, pinned_facts="Allergy: penicillin\nCKD 3b"))
        box = {row.name: row.value for row in answer(one).evidence}
        assert box["Facts at that time"] == "Allergy: penicillin · CKD 3b"
        pinned = replace(one, conversation=replace(one.conversation, pinned_facts="Allergy: penicillin\n\nCKD 3b\n"))
        assert "Facts at that time" not in {row.name for row in answer(pinned).evidence}
        without = answered("Rest.", evidence=EVIDENCE)
        later = replace(without, conversation=replace(without.conversation, pinned_facts="Allergy: penicillin"))
        assert ("Facts at that time", "no pinned facts") in {(row.name, row.value) for row in answer(later).evidence}

    def test_a_finding_quotes_a_formula_as_the_reader_saw_it(self) -> None:
        text = r"The clearance is $\frac{(140-a) \times w}{72}$."
        found = (Finding(0, len(text), "unsourced", "not_checked", "This sentence names no source."),)
        told = answer(answered(text, SOURCES[0], findings=found, citations=(Citation(SOURCES[0]),))).findings
        assert told == (("look", "“The clearance is ((140 − a) × w)/72.”: This sentence names no source."),)

    def test_an_empty_note_is_none(self) -> None:
        assert answer(answered("Rest.", evidence=replace(EVIDENCE, notes=("", " \n")))).notes == ()


class TestFallbacks:
    def test_an_answer_that_would_lose_a_letter_is_printed_as_it_was_written(self) -> None:
        text = '**Read** [this](https://x.org\n"a title of two lines").'
        entry = answer(answered(text))
        assert entry.blocks == (CodeBlock("", text),) and entry.notes[0].startswith("Printed as it was written")

    def test_so_is_one_that_is_too_long_to_be_laid_out(self) -> None:
        text = "**a** " * (LONGEST // 6 + 1)
        entry = answer(answered("x", text=text))
        assert entry.blocks == (CodeBlock("", text),) and entry.notes == (
            "Printed as it was written, because it is too long to be laid out.",
        )

    def test_its_marks_have_no_places_then_and_its_sources_no_ways_back(self) -> None:
        golden_one = answered("x [1]", *SOURCES)
        entry = answer(changed(golden_one, golden_one.branch[1], text="*a* [1] " * 40_000))
        assert entry.marks == () and entry.references[0].marks == ()

    @pytest.mark.parametrize(("text", "count"), [("a\x00b\ue000\ud83d", "3 characters"), ("\u202ea", "1 character")])
    def test_characters_that_nothing_takes_are_counted(self, text: str, count: str) -> None:
        paper = sheet(answered(text, question=text))
        assert all(entry.notes[0].startswith(count) for entry in paper.entries)

    def test_a_sign_of_replacement_that_was_typed_is_not_counted(self) -> None:
        assert sheet(answered("a", question="\ufffd")).entries[0].notes == ()

    def test_a_message_without_words_says_so(self) -> None:
        paper = sheet(answered("", question=" \n "))
        assert [(entry.blocks, entry.notes) for entry in paper.entries] == [((), ("(no words)",))] * 2

    @pytest.mark.parametrize("text", CONSTRUCTS.values(), ids=CONSTRUCTS)
    def test_no_ordinary_construct_counts_as_a_loss(self, text: str) -> None:
        assert lost(text, parse(text)) == "" and lost(text, parse(text, range(9))) == ""

    @pytest.mark.parametrize("text", PATHOLOGICAL.values(), ids=PATHOLOGICAL)
    def test_nor_does_what_was_written_to_harm(self, text: str) -> None:
        assert lost(text[:20_000], parse(text[:20_000])) == ""

    @pytest.mark.parametrize(("text", "missing"), [("eGFR < 30", "<"), ("≥ 5 mg", "≥"), ("0.5 mg", "."), ("a b", "b"), ("5 % of", "%")])
    def test_a_lost_letter_figure_or_sign_is_noticed(self, text: str, missing: str) -> None:
        assert lost(text, parse(text.replace(missing, ""))) == missing

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from(PIECES), max_size=6).map("\n".join))
    def test_whatever_is_combined_no_letter_is_lost(self, text: str) -> None:
        message = replace(ALL["demonstration"].branch[1], text=text)
        assert not lost(text, answer_body(WORDS, message, linked=True).blocks)


class TestHeadings:
    def test_headings_in_lists_and_quotes_stand_below_those_before_them(self) -> None:
        assert numbered(answer(answered("### a\n\n- # b\n\n> ##### c\n\n## d")).blocks) == [1, 1, 2, 2]

    def test_a_heading_without_words_is_left_out(self) -> None:
        assert numbered(answer(answered("#\n\n## a")).blocks) == [1]

    def test_a_heading_of_a_mark_alone_is_not(self) -> None:
        assert numbered(answer(answered("# [1]", *SOURCES)).blocks) == [1]


class TestTheHead:
    def test_it_says_who_when_and_of_whom_only_where_that_is_known(self) -> None:
        one = answered("Rest.")
        assert [row.name for row in sheet(one).head] == ["Conversation", "Written by"]
        rows = {row.name: row.value for row in sheet(one, author="Dr A", patient="P-17").head}
        assert rows == {
            "Conversation": "2026-03-02 09:15 to 09:16 (UTC)",
            "Author": "Dr A",
            "Patient reference": "P-17",
            "Written by": "Llama3-Med42-8B",
        }

    def test_times_have_the_zone_that_held_then(self) -> None:
        one = answered("Rest.", created_at=1_780_000_000_000)
        period = sheet(one, ZoneInfo("Europe/Berlin")).head[0].value
        assert period == "2026-03-02 10:15 (UTC+01:00) to 2026-05-28 22:26 (UTC+02:00)"
        assert sheet(one, ZoneInfo("Asia/Kolkata")).entries[0].when == "2026-03-02 14:45 (UTC+05:30)"

    def test_without_a_zone_times_are_this_computers(self) -> None:
        one = answered("Rest.")
        assert re.fullmatch(
            r"2026-03-0\d \d\d:\d\d \(UTC([+-]\d\d:\d\d)?\)", sheet_of(one.conversation, one.branch, Options(), WORDS).entries[0].when
        )

    @pytest.mark.parametrize("at", [-(10**18), -1, 10**18])
    def test_a_time_that_no_calendar_has_is_no_end(self, at: int) -> None:
        assert sheet(answered("Rest.", created_at=at)).entries[1].when

    def test_pinned_facts_stand_there_as_typed(self) -> None:
        assert PAPER["awkward"].pinned == "Allergy: penicillin\nCKD 3b, eGFR 28\n**Apixaban** 5 mg twice a day"

    def test_what_stands_on_every_page(self) -> None:
        paper = sheet(answered("Rest."))
        assert "Built with Meta Llama 3" in paper.quiet and "AI draft: reviewed by" in paper.signature
        assert paper.page_of.format(page=2, pages=9) == "Page 2 of 9"
        assert "not ready for clinical use" in paper.warning and "not ready for real clinical use" in paper.safe_use[0]

    def test_a_conversation_without_a_title_has_a_word_for_it(self) -> None:
        one = answered("Rest.")
        assert sheet(replace(one, conversation=replace(one.conversation, title=" "))).title == "Untitled"


class TestOptions:
    def test_of_chosen_messages_the_numbers_stay_and_the_head_says_it(self) -> None:
        one = ALL["awkward"]
        paper = sheet(one, messages=frozenset({one.branch[2].id, one.branch[13].id}))
        assert [entry.heading for entry in paper.entries] == ["Question 2", "Answer 7"]
        extract = {row.name: row.value for row in paper.head}["Extract"]
        assert extract == "2 of 16 messages of the conversation; the others are not in this document"

    def test_of_messages_that_were_not_chosen_no_word_is_printed(self) -> None:
        one = ALL["awkward"]
        paper = sheet(one, messages=frozenset({one.branch[13].id}))
        assert "hip replacement" not in "".join(strings(paper))

    def test_without_a_message_there_is_no_document(self) -> None:
        with pytest.raises(InputError, match="no message"):
            sheet(ALL["awkward"], messages=frozenset({"another"}))

    def test_without_sources_marks_are_characters_and_the_document_says_so(self) -> None:
        one = answered("Stop it **early [1]**.\n\n| a |\n|---|\n| [1] |\n\n> - [1]", *SOURCES)
        entry = answer(one, sources=False)
        assert entry.references == entry.marks == () and list(cites(entry.blocks)) == []
        assert said(entry.blocks) == said(answer(one).blocks)
        assert "The list of its sources was left out of this document." in entry.notes

    def test_without_evidence_there_is_no_box(self) -> None:
        entry = sheet(ALL["awkward"], evidence=False).entries[13]
        assert entry.evidence == entry.left_out == () and entry.references
