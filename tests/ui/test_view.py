"""What records look like on the page, without a page."""

from dataclasses import replace

import pytest

from med42_chat.events import Prompted, Reading, Waiting
from med42_chat.jobs import JobState
from med42_chat.records import Citation, ContextUse, Evidence, LeftOut, Message, Sampling, Source, Status, Timings, Usage
from med42_chat.runtime.protocol import RuntimeStatus
from med42_chat.ui import evidence, view

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
        html = view.question(replace(QUESTION, text=f"a\n  b {HOSTILE} **c**"))
        assert "a\n  b &lt;img" in html
        assert "**c**" in html
        assert "<img" not in html

    def test_a_pasted_letter_is_folded_but_whole(self) -> None:
        text = "x" * 5000
        html = view.question(replace(QUESTION, text=text))
        assert "Show all 5,000 characters" in html
        assert text in html

    @pytest.mark.parametrize("text", [HOSTILE, f"a\n\n{HOSTILE}", f"`{HOSTILE}`", f"# {HOSTILE}"])
    def test_an_answers_markup_is_text(self, text: str) -> None:
        assert "<img" not in view.answer(replace(ANSWER, text=text))

    def test_each_block_stands_alone(self) -> None:
        assert len(view.blocks("One.\n\n- two\n- three\n\n| a |\n|---|\n| b |")) == 3

    def test_a_mark_is_a_link_only_where_its_source_exists(self) -> None:
        assert "<a class" in view.answer(replace(ANSWER, citations=(Citation(Source(1, "Guideline", "words")),)))
        assert "<a class" not in view.answer(ANSWER)

    @pytest.mark.parametrize(
        ("status", "words"),
        [("length", "length limit"), ("stopped", "Stopped by you"), ("interrupted", "Interrupted"), ("failed", "could not be completed")],
    )
    def test_an_incomplete_answer_says_why(self, status: Status, words: str) -> None:
        assert words in view.answer(replace(ANSWER, status=status))

    def test_a_failed_answer_says_what_went_wrong_and_what_to_do(self) -> None:
        failed = replace(ANSWER, status="failed", evidence=replace(EVIDENCE, notes=("The disk is full. Make room.",)))
        assert "The disk is full. Make room." in view.answer(failed)

    def test_a_complete_answer_explains_nothing(self) -> None:
        assert view.ending(ANSWER) == ""

    def test_an_answer_of_the_demonstration_model_is_marked(self) -> None:
        assert view.DEMONSTRATION in view.answer(replace(ANSWER, evidence=replace(EVIDENCE, demonstration=True)))
        assert view.DEMONSTRATION not in view.answer(replace(ANSWER, evidence=EVIDENCE))

    def test_what_the_model_did_not_see_is_counted_and_listed(self) -> None:
        items = (
            LeftOut("message", "m1", 900, "My father <b>"),
            LeftOut("message", "m2", 80, "He took"),
            LeftOut("source", "4", 300, "SmPC"),
        )
        html = view.left_out(items)
        assert "2 earlier messages and 1 source" in html
        assert "My father &lt;b&gt;" in html
        assert view.left_out(()) == ""


class TestProgress:
    @pytest.mark.parametrize(
        ("running", "words"),
        [
            (state(), "Starting"),
            (state(waiting=Waiting("loading", progress=0.3)), "the model is loading"),
            (state(waiting=Waiting("queue", 2)), "Waiting in line: 2 before this one"),
            (state(waiting=Waiting("queue", 0)), "Waiting in line: next"),
            (state(waiting=Waiting("restarting")), "is coming back"),
            (state(phase="reading", reading=Reading(1200, 4000)), "Reading 1,200 of 4,000 tokens"),
            (state(phase="writing", prompted=Prompted(ContextUse(1), ())), "Writing"),
        ],
    )
    def test_a_running_answer_says_what_it_does(self, running: JobState, words: str) -> None:
        assert words in view.progress(running)

    def test_progress_is_a_bar_only_where_its_end_is_known(self) -> None:
        assert 'value="0.300"' in view.progress(state(phase="reading", reading=Reading(1200, 4000)))
        assert "<progress" not in view.progress(state(waiting=Waiting("queue", 2)))


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
        assert f"<span>{words}" in view.state(status)

    def test_a_missing_model_says_what_to_do(self) -> None:
        html = view.trouble(RuntimeStatus("failed", error="No <file>.", hint="Get one."))
        assert "No &lt;file&gt;." in html
        assert "Get one." in html
        assert view.trouble(RuntimeStatus("ready")) == ""

    def test_the_meters_parts_add_up_to_the_context(self) -> None:
        html = view.meter(ContextUse(8000, system=400, pinned=100, sources=0, history=2500, question=1000, reserve=1000))
        assert "4,000 of 8,000 tokens" in html
        assert "50%" in html
        assert "<b>3,000</b>" in html  # what is free
        assert "Sources" not in html

    def test_there_is_no_meter_before_a_model(self) -> None:
        assert view.meter(None) == ""


class TestEvidence:
    def test_the_record_reads_in_words(self) -> None:
        html = evidence.panel(replace(ANSWER, evidence=EVIDENCE))
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

    def test_a_source_is_a_card_with_its_page_and_words(self) -> None:
        source = Source(2, "SmPC <b>", "Maximum 500 mg & no more", page=12)
        html = evidence.panel(replace(ANSWER, citations=(Citation(source, verdict="found"),)))
        assert 'id="source-2"' in html
        assert "Page 12" in html
        assert "SmPC &lt;b&gt;" in html
        assert "Maximum 500 mg &amp; no more" in html
        assert "Quotation found" in html

    def test_an_answer_without_sources_says_where_it_comes_from(self) -> None:
        assert "from the model alone" in evidence.panel(ANSWER)

    def test_before_an_answer_the_panel_says_what_it_is_for(self) -> None:
        assert "appear here" in evidence.panel(None)
