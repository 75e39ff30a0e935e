"""What records look like on the page, without a page."""

import re
from dataclasses import replace

import pytest

from med42_chat.events import Prompted, Reading, Waiting
from med42_chat.jobs import JobState
from med42_chat.markup import parse
from med42_chat.records import (
    Attachment,
    Citation,
    ContextUse,
    Evidence,
    Feedback,
    Finding,
    LeftOut,
    Message,
    Sampling,
    Source,
    Status,
    Timings,
    Usage,
)
from med42_chat.runtime.protocol import RuntimeStatus
from med42_chat.settings import ASSETS
from med42_chat.ui import evidence, gauges, view
from med42_chat.ui.clip import copied
from med42_chat.words import read_words

WORDS = read_words(ASSETS / "words" / "en.toml")
QUESTION = Message("q1", "c1", None, "user", "What now?", "complete", 1)
ANSWER = Message("a1", "c1", "q1", "assistant", "Rest. See [1].", "complete", 2)
EVIDENCE = Evidence(
    program="Med42 Chat 0.1.0", model="Llama3-Med42-8B", model_sha256="ab" * 32, quantization="Q4_K - Medium", template="llama-3",
    build="0.3.36", device="CPU", sampling=Sampling(), seed=7, prompt_sha256="", context=ContextUse(size=8192, system=100),
    usage=Usage(120, 60, 30), timings=Timings(0.8, 12.34),
)  # fmt: skip
HOSTILE = "<img src=x onerror=1>\"'"


def state(**changes: object) -> JobState:
    return replace(JobState(1, QUESTION, replace(ANSWER, text="", status="streaming")), **changes)  # type: ignore[arg-type]


class TestTurns:
    def test_a_question_is_shown_as_typed(self) -> None:
        html = view.question(WORDS, replace(QUESTION, text=f"a\n  b {HOSTILE} **c**"))
        assert "a\n  b &lt;img" in html
        assert "**c**" in html
        assert "<img" not in html

    def test_a_pasted_letter_is_folded_but_whole(self) -> None:
        text = "x" * 5000
        html = view.question(WORDS, replace(QUESTION, text=text))
        assert "Show all 5,000 characters" in html
        assert text in html

    @pytest.mark.parametrize("text", [HOSTILE, f"a\n\n{HOSTILE}", f"`{HOSTILE}`", f"# {HOSTILE}"])
    def test_an_answers_markup_is_text(self, text: str) -> None:
        assert "<img" not in view.answer(WORDS, replace(ANSWER, text=text))

    def test_each_block_stands_alone(self) -> None:
        assert len(view.blocks(WORDS, "One.\n\n- two\n- three\n\n| a |\n|---|\n| b |")) == 3

    def test_a_mark_is_a_link_only_where_its_source_exists(self) -> None:
        assert "<a class" in view.answer(WORDS, replace(ANSWER, citations=(Citation(Source(1, "Guideline", "words")),)))
        assert "<a class" not in view.answer(WORDS, ANSWER)

    @pytest.mark.parametrize(
        ("status", "words"),
        [("length", "length limit"), ("stopped", "Stopped by you"), ("interrupted", "Interrupted"), ("failed", "could not be completed")],
    )
    def test_an_incomplete_answer_says_why(self, status: Status, words: str) -> None:
        assert words in view.answer(WORDS, replace(ANSWER, status=status))

    def test_a_failed_answer_says_what_went_wrong_and_what_to_do(self) -> None:
        failed = replace(ANSWER, status="failed", evidence=replace(EVIDENCE, notes=("The disk is full. Make room.",)))
        assert "The disk is full. Make room." in view.answer(WORDS, failed)

    def test_a_complete_answer_explains_nothing(self) -> None:
        assert view.ending(WORDS, ANSWER) == ""

    def test_an_answer_of_the_demonstration_model_is_marked(self) -> None:
        assert WORDS("answer.demonstration") in view.answer(WORDS, replace(ANSWER, evidence=replace(EVIDENCE, demonstration=True)))
        assert WORDS("answer.demonstration") not in view.answer(WORDS, replace(ANSWER, evidence=EVIDENCE))

    def test_what_the_model_did_not_see_is_counted_and_listed(self) -> None:
        items = (
            LeftOut("message", "m1", 900, "My father <b>"),
            LeftOut("message", "m2", 80, "He took"),
            LeftOut("source", "4", 300, "SmPC"),
        )
        html = view.left_out(WORDS, items)
        assert "2 earlier messages and 1 source" in html
        assert "My father &lt;b&gt;" in html
        assert view.left_out(WORDS, ()) == ""


class TestWhatCanBeDone:
    def test_versions_are_numbered_and_lead_to_their_neighbours(self) -> None:
        html = view.answer(WORDS, replace(ANSWER, id="b", versions=("a", "b", "c")))
        assert "2 of 3" in html
        assert 'data-do="back" aria-label="Earlier version" title="Earlier version" data-version="a"' in html
        assert 'data-version="c"' in html

    def test_the_first_version_has_no_earlier_one_but_its_arrow_stays(self) -> None:
        html = view.question(WORDS, replace(QUESTION, id="a", versions=("a", "b")))
        assert 'title="Earlier version" aria-disabled="true"' in html
        assert "1 of 2" in html

    def test_a_message_without_other_versions_has_no_arrows(self) -> None:
        assert "versions" not in view.answer(WORDS, ANSWER) + view.question(WORDS, QUESTION)

    def test_an_answer_that_hit_its_limit_can_go_on_and_a_failed_one_begins_again(self) -> None:
        assert 'data-do="continue"' in view.ending(WORDS, replace(ANSWER, status="length"))
        assert 'data-do="again"' in view.ending(WORDS, replace(ANSWER, status="failed"))
        assert 'data-do="again"' in view.ending(WORDS, replace(ANSWER, status="stopped", text=""))

    def test_nothing_can_be_done_with_an_answer_while_it_is_written(self) -> None:
        assert "<footer" not in view.answer(WORDS, replace(ANSWER, status="streaming"))

    def test_a_judgement_is_shown_with_its_reason(self) -> None:
        html = view.answer(WORDS, replace(ANSWER, feedback=Feedback("bad", 'Not correct: "5 mg"')))
        assert (
            'data-do="bad" aria-label="Bad answer" title="Bad answer" aria-pressed="true" data-reason="Not correct: &quot;5 mg&quot;"'
            in html
        )
        assert 'data-do="good" aria-label="Good answer" title="Good answer" aria-pressed="false"' in html

    def test_attachments_stand_folded_before_the_question(self) -> None:
        letter = Attachment("letter <1>.pdf", f"Dear {HOSTILE}", "application/pdf", 3)
        html = view.question(WORDS, replace(QUESTION, attachments=(letter,)))
        assert "letter &lt;1&gt;.pdf" in html
        assert f"3 pages · {len(letter.text)} characters" in html
        assert html.index("Dear &lt;img") < html.index("What now?")


class TestBottomLine:
    LONG = "\n\n".join(["Why this is so, in many words. " * 10] * 3)

    def test_the_first_paragraph_stands_out_and_the_rest_can_be_folded(self) -> None:
        first, second, *_ = view.blocks(WORDS, f"Give aspirin.\n\n{self.LONG}")
        assert 'class="block lead"' in first and 'data-do="fold"' in first
        assert "Show the detail (3 parts)" in first
        assert 'class="block"' in second

    def test_a_list_that_the_first_paragraph_announces_belongs_to_it(self) -> None:
        made = view.blocks(WORDS, f"Do this:\n\n- one\n- two\n\n{self.LONG}")
        assert [("lead" in one[:30], "fold" in one) for one in made[:3]] == [(False, False), (True, True), (False, False)]

    def test_a_heading_goes_with_what_it_heads(self) -> None:
        assert view.bottom_line(parse(f"# Answer\n\nGive aspirin.\n\n{self.LONG}")) == 2

    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("###", "3"),
            ("# ### #", "343"),
            ("## ### #### ##", "3453"),
            ("#### ## ### ######", "3345"),
            ("# ## ### #### ##### ######", "345666"),
        ],
    )
    def test_headings_stand_one_below_the_other_whatever_was_written(self, written: str, shown: str) -> None:
        made = "".join(view.blocks(WORDS, "\n\n".join(f"{marks} Title" for marks in written.split())))
        assert re.findall(r"<h(\d)", made) == list(shown)

    @pytest.mark.parametrize("text", ["Give aspirin.", "- one\n- two\n\nthree", "word " * 100 + "\n\nmore", "", "# Only a heading"])
    def test_where_the_beginning_is_no_bottom_line_nothing_stands_out(self, text: str) -> None:
        assert view.bottom_line(parse(text)) == 0

    def test_short_detail_cannot_be_folded(self) -> None:
        assert "fold" not in "".join(view.blocks(WORDS, "Give aspirin.\n\nIt helps."))

    def test_a_growing_answer_never_takes_its_bottom_line_back(self) -> None:
        text = f"Do this:\n\n- one\n- two\n\n{self.LONG}"
        leads = [view.bottom_line(parse(text[:end])) for end in range(len(text))]
        assert leads == sorted(leads)


class TestUnfit:
    ITEMS = (LeftOut("message", "m1", 900, "My father <b>"), LeftOut("message", "m2", 80, "He took"))

    def test_it_says_what_is_not_seen_and_offers_three_ways(self) -> None:
        html = view.unfit(WORDS, self.ITEMS)
        assert "the model will not see 2 earlier messages" in html
        assert "My father &lt;b&gt;" in html
        for do in ("send-anyway", "shorten", "pin-unseen"):
            assert f'data-do="{do}"' in html

    def test_a_line_that_recalls_a_message_is_without_markdowns_marks(self) -> None:
        assert ">Give aspirin<" in view.unfit(WORDS, (LeftOut("message", "m1", 9, "## Give **aspirin**"),)).replace("> ", ">")

    def test_many_messages_are_counted_and_not_listed(self) -> None:
        assert "and 7 more" in view.unfit(WORDS, self.ITEMS * 6)


class TestCopying:
    CITED = replace(ANSWER, text="**Rest.** See [1].", citations=(Citation(Source(1, "SmPC", "words", page=12), quote="rest for a week"),))

    def test_plain_text_has_no_markdown_and_brings_its_html(self) -> None:
        text, html = copied(WORDS, replace(ANSWER, text="**Rest.**"), "text")
        assert text == "Rest."
        assert "<strong>Rest.</strong>" in html

    def test_marks_stay_and_bring_the_sources_that_they_name(self) -> None:
        other = Citation(Source(2, "Not named", "words"))
        text, html = copied(WORDS, replace(self.CITED, citations=(*self.CITED.citations, other)), "text")
        assert text == "Rest. See [1].\n\nSources:\n[1] SmPC, Page 12: “rest for a week”\n"
        assert "See [1]." in html and "[1] SmPC, Page 12" in html and "<a" not in html

    def test_markdown_is_what_the_model_wrote(self) -> None:
        assert copied(WORDS, self.CITED, "markdown") == ("**Rest.** See [1].", "")

    def test_sources_come_with_page_quotation_and_who_wrote_it(self) -> None:
        text, _ = copied(WORDS, replace(self.CITED, evidence=EVIDENCE), "sources")
        assert "[1] SmPC, Page 12: “rest for a week”" in text
        assert "Written by Llama3-Med42-8B" in text

    def test_an_answer_without_sources_says_so_when_it_is_copied_with_them(self) -> None:
        assert "No sources" in copied(WORDS, ANSWER, "sources")[0]

    def test_a_documents_title_and_words_are_copied_as_they_are(self) -> None:
        source = Source(1, "[Click](https://evil.example)\n\n# *Dose*", "Give 2*3*4 ~~not~~ 5")
        text, html = copied(WORDS, replace(self.CITED, citations=(Citation(source, source.text),)), "text")
        assert "[1] [Click](https://evil.example) # *Dose*: “Give 2*3*4 ~~not~~ 5”" in text
        assert html.endswith("<br>[1] [Click](https://evil.example) # *Dose*: “Give 2*3*4 ~~not~~ 5”</p>")

    def test_sources_that_an_answer_does_not_name_are_not_signed_as_its_own(self) -> None:
        silent = replace(self.CITED, text="**Rest.**")
        assert "No sources" in copied(WORDS, silent, "sources")[0]

    def test_a_question_is_copied_as_typed(self) -> None:
        assert copied(WORDS, replace(QUESTION, text="a **b**"), "text") == ("a **b**", "")


class TestProgress:
    @pytest.mark.parametrize(
        ("running", "words"),
        [
            (state(), "Starting"),
            (state(waiting=Waiting("loading", progress=0.3)), "the model is loading"),
            (state(waiting=Waiting("queue", 2)), "Waiting in line: 2 before this one"),
            (state(waiting=Waiting("queue", 0)), "Waiting in line: next"),
            (state(waiting=Waiting("restarting")), "is coming back"),
            (state(waiting=Waiting("fetching", progress=0.4)), "Getting back what the model had read"),
            (state(phase="reading", reading=Reading(1200, 4000)), "Reading 1,200 of 4,000 tokens"),
            (state(phase="writing", prompted=Prompted(ContextUse(1), ())), "Writing"),
        ],
    )
    def test_a_running_answer_says_what_it_does(self, running: JobState, words: str) -> None:
        assert words in gauges.progress(WORDS, running)

    def test_progress_is_a_bar_only_where_its_end_is_known(self) -> None:
        assert 'value="0.300"' in gauges.progress(WORDS, state(phase="reading", reading=Reading(1200, 4000)))
        assert "<progress" not in gauges.progress(WORDS, state(waiting=Waiting("queue", 2)))


class TestState:
    @pytest.mark.parametrize(
        ("status", "words"),
        [
            (RuntimeStatus("loading", 0.42), "Loading, 42%"),
            (RuntimeStatus("ready", 1.0), "Ready"),
            (RuntimeStatus("busy", 1.0, 2), "Answering, 2 waiting"),
            (RuntimeStatus("restarting", 0.0), "Coming back"),
            (RuntimeStatus("failed"), "No model"),
        ],
    )
    def test_the_state_is_in_words(self, status: RuntimeStatus, words: str) -> None:
        assert f"<span>{words}" in gauges.state(WORDS, status)

    def test_a_missing_model_says_what_to_do(self) -> None:
        html = gauges.trouble(RuntimeStatus("failed", error="No <file>.", hint="Get one."))
        assert "No &lt;file&gt;." in html
        assert "Get one." in html
        assert gauges.trouble(RuntimeStatus("ready")) == ""

    def test_the_meters_parts_add_up_to_the_context(self) -> None:
        html = gauges.meter(WORDS, ContextUse(8000, system=400, pinned=100, sources=0, history=2500, question=1000, reserve=1000))
        assert "4,000 of 8,000 tokens" in html
        assert "50%" in html
        assert "<b>3,000</b>" in html  # what is free
        assert "Sources" not in html

    def test_there_is_no_meter_before_a_model(self) -> None:
        assert gauges.meter(WORDS, None) == ""


class TestEvidence:
    def test_the_record_reads_in_words(self) -> None:
        html = evidence.panel(WORDS, replace(ANSWER, evidence=EVIDENCE))
        for words in (
            "Llama3-Med42-8B",
            "abababababababab…",
            "Q4_K - Medium",
            "temperature 0.4",
            "120 tokens, 60 of them",
            "12.3 tokens/s",
            ">7<",
        ):
            assert words in html

    def test_what_was_read_back_from_the_disk_says_why_the_first_word_came_at_once(self) -> None:
        restored = replace(EVIDENCE, usage=Usage(3020, 2950, 30, 2950))
        html = evidence.panel(WORDS, replace(ANSWER, evidence=restored))
        assert "3,020 tokens, 2,950 of them read back from this computer&#x27;s encrypted cache" in html

    def test_how_much_of_an_answer_was_copied_is_said_where_some_was(self) -> None:
        copied = replace(EVIDENCE, usage=Usage(3020, 60, 300, guessed_tokens=120))
        said = "of them quicker because they stood in the prompt"
        assert f"300 tokens, 120 {said}" in evidence.panel(WORDS, replace(ANSWER, evidence=copied))
        assert said not in evidence.panel(WORDS, ANSWER)

    def test_a_source_is_a_card_with_its_page_and_words(self) -> None:
        source = Source(2, "SmPC <b>", "Maximum 500 mg & no more", page=12)
        html = evidence.panel(WORDS, replace(ANSWER, citations=(Citation(source),)))
        assert 'id="source-2"' in html
        assert "Page 12" in html
        assert "SmPC &lt;b&gt;" in html
        assert "Maximum 500 mg &amp; no more" in html
        assert "Nothing in the answer could be compared" in html

    def test_the_quoted_words_are_marked_in_their_passage(self) -> None:
        source = Source(1, "SmPC", "Take it with food. Maximum 500 mg & no more a day.")
        html = evidence.panel(WORDS, replace(ANSWER, citations=(Citation(source, "Maximum 500 mg & no more"),)))
        assert "Take it with food. <mark>Maximum 500 mg &amp; no more</mark> a day." in html

    def test_words_that_stand_twice_are_not_marked(self) -> None:
        html = evidence.panel(WORDS, replace(ANSWER, citations=(Citation(Source(1, "SmPC", "5 mg or 5 mg"), "5 mg"),)))
        assert "<mark>" not in html

    def test_what_was_found_and_what_not_stands_with_its_source(self) -> None:
        findings = (
            Finding(0, 4, "figure", "not_found", "“6 mg” does not stand in source 1.", 1),
            Finding(5, 9, "drug", "found", "“aspirin” is named in source 1.", 1),
            Finding(0, 4, "reference", "not_found", "It may not exist.", None),
        )
        html = evidence.panel(WORDS, replace(ANSWER, citations=(Citation(Source(1, "SmPC", "words")),), findings=findings))
        card = html[html.index("<article") :]
        assert card.index("does not stand") < card.index("is named in")
        assert "In none of the sources" in html and "“Rest”: It may not exist." in html

    def test_a_source_that_the_answer_does_not_name_is_folded_away(self) -> None:
        citations = (Citation(Source(1, "SmPC", "words")), Citation(Source(2, "Other", "words")))
        html = evidence.panel(WORDS, replace(ANSWER, citations=citations))
        assert html.index('id="source-1"') < html.index("<details") < html.index('id="source-2"')

    def test_details_of_a_document_stand_below_its_title(self) -> None:
        path = ("SmPC", "Dose", "Kidneys")
        source = Source(1, "SmPC", "words", 2, heading_path=path, publisher="A hospital", date="2026-01", version="3.1")
        html = evidence.panel(WORDS, replace(ANSWER, citations=(Citation(source),)))
        assert "A hospital · 2026-01 · version 3.1 · Page 2" in html and ">Dose › Kidneys<" in html

    def test_an_answer_without_sources_says_where_it_comes_from(self) -> None:
        assert "from the model alone" in evidence.panel(WORDS, ANSWER)

    def test_before_an_answer_the_panel_says_what_it_is_for(self) -> None:
        assert "appear here" in evidence.panel(WORDS, None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Give", "**Give**"),
        ("**Give ", "**Give**"),
        ("- Thirst\n- **Weight loss*", "- Thirst\n- **Weight loss**"),
        ("- **", "- "),
        ("**Give** it", "**Give** it"),
        ("\n```\na ** b", "\n```\na ** b"),
    ],
)
def test_bold_words_are_bold_from_their_first_letter_on(text: str, shown: str) -> None:
    assert view.growing(text) == shown
