"""Findings at their sentences: which sign a sentence gets, what is underlined, and what the line below an answer says."""

import html
import json
import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.checks import Medicines, check
from med42_chat.markup import parse
from med42_chat.markup.render import to_html
from med42_chat.records import Citation, Conversation, Finding, FindingKind, FindingState, Message, Source
from med42_chat.settings import ASSETS
from med42_chat.ui.findings import MarkingPen, offers, signs, summary
from med42_chat.words import read_words
from tests.store.samples import EVIDENCE

WORDS = read_words(ASSETS / "words" / "en.toml")
MEDICINES = Medicines.parse((ASSETS / "medicines.txt").read_text("utf-8"))
SOURCES = (
    Source(1, "Anticoagulants", "Apixaban is stopped 48 hours before an operation. Restart it after 24 hours.", 3),
    Source(2, "Delirium", "Haloperidol is not given in Parkinson's disease."),
)


def answer(text: str, *sources: Source, findings: tuple[Finding, ...] | None = None) -> Message:
    found = check(text, sources, MEDICINES) if findings is None else findings
    return Message("a1", "c1", "q1", "assistant", text, "complete", 1, citations=tuple(map(Citation, sources)), findings=found)


def written(message: Message) -> str:
    pen = MarkingPen(WORDS, message)
    return to_html(parse(message.text, {one.source.number for one in message.citations}), pen) + pen.rest()


def plain(shown: str) -> str:
    """What is read: signs have no letters."""
    return html.unescape(re.sub(r"<[^>]*>", "", shown))


def flagged(shown: str) -> list[str]:
    return [plain(part) for part in re.findall(r'<span class="flag"[^>]*>(.*?)</span>', shown)]


def finding(start: int, end: int, kind: FindingKind = "figure", state: FindingState = "not_found") -> Finding:
    return Finding(start, end, kind, state, "words", 1)


class TestSigns:
    def test_a_sentence_of_which_all_was_found_has_a_quiet_sign(self) -> None:
        (sign,) = signs(answer("Stop apixaban 48 hours before an operation [1].", *SOURCES))
        assert sign.mood == "fine"

    def test_a_sentence_with_another_figure_has_an_amber_one(self) -> None:
        (sign,) = signs(answer("Stop apixaban 72 hours before an operation [1].", *SOURCES))
        assert sign.mood == "look" and sign.findings[0].state == "not_found"

    def test_a_sentence_with_nothing_to_compare_says_that_it_was_not(self) -> None:
        (sign,) = signs(answer("Please talk to the ward about it [1].", *SOURCES))
        assert sign.mood == "bare"

    def test_figures_without_a_source_are_to_be_looked_at(self) -> None:
        assert [sign.mood for sign in signs(answer("Wait 12 hours, then ask. See [1].", *SOURCES))] == ["look", "bare"]

    def test_an_answer_from_memory_is_not_told_at_each_sentence_that_it_has_no_source(self) -> None:
        assert list(signs(answer("Wait 12 hours. Then 24 hours."))) == []

    def test_but_a_reference_that_it_makes_up_is_told(self) -> None:
        (sign,) = signs(answer("See PMID 12345678 for this."))
        assert sign.mood == "look"

    def test_a_sign_stands_after_its_sentence_and_its_marks(self) -> None:
        shown = written(answer("Stop apixaban 48 hours before [1]. Then restart.", *SOURCES))
        assert re.search(r">1</a>(\.)?<button", shown) and "Then restart" in shown.split("</button>")[1]

    def test_a_sign_does_not_leave_its_block(self) -> None:
        shown = written(answer("- **Stop apixaban 48 hours before [1].**\n- Then restart.\n\nIt is done.", *SOURCES))
        assert 'class="sign"' in shown.split("</li>")[0]

    def test_it_tells_a_listener_what_a_hand_would_find(self) -> None:
        shown = written(answer("Stop apixaban 72 hours before an operation [1].", *SOURCES))
        label = re.search(r'aria-label="(Look at this:[^"]*)"', shown)
        assert label and "72 hours" in label[1]

    def test_hostile_words_in_a_finding_stay_words(self) -> None:
        hostile = replace(finding(0, 4), words="\"><img src=x onerror=1>'")
        shown = written(answer("Stop it [1].", *SOURCES, findings=(hostile,)))
        assert "<img" not in shown
        notes = [json.loads(html.unescape(note)) for note in re.findall(r'data-note="([^"]*)"', shown)]
        assert ["look", hostile.words] in notes[0]


class TestPlaces:
    def test_what_was_not_found_is_underlined_and_nothing_else(self) -> None:
        shown = written(answer("Stop **apixaban** 72 hours before an operation [1].", *SOURCES))
        assert flagged(shown) == ["72 hours"]

    @pytest.mark.parametrize(
        "text",
        [
            "Give 72 mg & 5\\* [1].",
            "# Title 1\n\nGive 72 mg [1].",
            "1. First\n2. Give 72 mg [1].",
            "| a | b |\n|---|---|\n| 1 | Give 72 mg [1]. |",
            "`72 mg` is code. Give 72 mg [1].",
            "A mark [9] goes. Give 72 mg [1].",
            "See [that](https://x.org/72). Give 72 mg [1].",
            "Give\n72 mg [1].",
        ],
    )
    def test_the_place_is_right_in_any_markdown(self, text: str) -> None:
        at = text.rindex("72 mg")
        assert flagged(written(answer(text, *SOURCES, findings=(finding(at, at + 5),)))) == ["72 mg"]

    def test_a_place_across_emphasis_is_underlined_on_both_sides(self) -> None:
        text = "Give **72** mg [1]."
        shown = written(answer(text, *SOURCES, findings=(finding(5, 14),)))
        assert flagged(shown) == ["72", " mg"]

    def test_a_whole_sentence_is_not_underlined(self) -> None:
        text = "Haloperidol is given in Parkinson's disease [2]."
        message = answer(text, *SOURCES)
        assert any(one.kind == "polarity" for one in message.findings)
        assert flagged(written(message)) == []

    def test_a_mark_says_whom_it_cites(self) -> None:
        note = re.search(r'<a [^>]*data-at="8" data-note="([^"]*)"', written(answer("Stop it [1].", *SOURCES)))
        assert note and json.loads(html.unescape(note[1])) == [["title", "Anticoagulants, Page 3"]]

    @settings(deadline=None, max_examples=40)
    @given(
        st.lists(
            st.sampled_from(["**72** mg", "a [1]", " [1, 2]", ". ", "\n\n", "- ", "| x |", "&amp;", "\\*", "`c`", "word", " ", "[7]", "#"])
        ),
        st.integers(0, 60),
        st.integers(0, 60),
    )
    def test_no_letter_of_an_answer_is_lost_or_doubled(self, parts: list[str], start: int, length: int) -> None:
        message = answer("".join(parts), *SOURCES, findings=(finding(start, start + length), finding(start // 2, start)))
        unmarked = to_html(parse(message.text, {1, 2}))
        assert plain(written(message)) == plain(unmarked)


class TestSummary:
    def test_it_says_what_carries_a_source_and_what_was_found_and_not(self) -> None:
        text = "Stop apixaban 48 hours before an operation [1]. Restart it after 36 hours [1]. Ask the ward what they do."
        line = plain(summary(WORDS, answer(text, *SOURCES)))
        assert line.startswith("2 of 3 sentences carry a source")
        assert "found: 1 medicine, 1 figure" in line and "not found: 1 figure" in line

    @pytest.mark.parametrize("kind", get_args(FindingKind))
    @pytest.mark.parametrize("state", get_args(FindingState))
    def test_it_has_words_for_every_kind_of_finding(self, kind: FindingKind, state: FindingState) -> None:
        told = summary(WORDS, answer("Stop it now [1].", *SOURCES, findings=(finding(0, 4, kind, state),)))
        assert " of 1 sentence carries a source" in plain(told)

    def test_that_an_answer_names_none_of_its_sources_is_said_plainly_and_amber(self) -> None:
        told = f'<span class="amber">This answer names none of its sources: it was given {len(SOURCES)}</span>'
        assert told in summary(WORDS, answer("Stop it early. Start it late.", *SOURCES))
        assert "amber" not in summary(WORDS, answer("Stop apixaban 48 hours before an operation [1].", *SOURCES))

    def test_a_link_whose_name_is_a_number_carries_no_source(self) -> None:
        told = summary(WORDS, answer("Apixaban is stopped early [1](https://example.org/x).", *SOURCES))
        assert plain(told).startswith("This answer names none of its sources")

    def test_headings_and_lines_that_announce_a_list_are_no_sentences(self) -> None:
        text = "# What to do\n\nDo it in this order:\n\n- Stop apixaban 48 hours before an operation [1]."
        assert "1 of 1 sentence carries a source" in summary(WORDS, answer(text, *SOURCES))

    def test_the_rows_of_a_table_are_sentences_its_last_one_too_and_its_head_is_none(self) -> None:
        text = "| Before | Stop |\n|---|:-:|\n| a small operation | 24 hours |\n| an operation | 48 hours [1] |"
        for end in ("", "\n", "\n\nWait."):
            assert "1 of 2 sentences carry a source" in summary(WORDS, answer(text + end, *SOURCES))

    def test_never_is_anything_called_verified_or_right(self) -> None:
        shown = summary(WORDS, answer("Stop apixaban 48 hours before an operation [1].", *SOURCES))
        assert not re.search(r"verified|correct|true|safe", shown)
        assert "Whether the answer is right" in shown and "was not checked" in shown

    def test_an_answer_from_memory_says_so(self) -> None:
        message = replace(answer("Wait."), evidence=replace(EVIDENCE, basis="memory"))
        assert plain(summary(WORDS, message)) == "From the model's memory, no source."

    def test_where_nothing_was_found_the_model_is_offered_but_not_in_a_strict_conversation(self) -> None:
        message = replace(answer("Nothing in your library answers this."), evidence=replace(EVIDENCE, basis="nothing"))
        assert 'data-do="memory"' in summary(WORDS, message)
        assert 'data-do="memory"' not in summary(WORDS, message, offers=False)

    def test_where_nothing_was_found_one_can_look_what_came_nearest(self) -> None:
        message = replace(answer("Nothing in your library answers this."), evidence=replace(EVIDENCE, basis="nothing"))
        assert all('data-do="nearest"' in summary(WORDS, message, offers=memory) for memory in (True, False))

    def test_an_answer_that_a_crash_cut_short_says_that_it_was_not_checked(self) -> None:
        cut = replace(answer("Give 40 mmol [1].", *SOURCES, findings=()), status="interrupted")
        assert plain(summary(WORDS, cut)) == "Cut off: nothing in it was compared with its sources."

    def test_an_answer_of_before_says_nothing(self) -> None:
        assert summary(WORDS, answer("Wait.")) == ""

    def test_a_strict_conversation_does_not_offer_the_model_alone(self) -> None:
        one = Conversation("c1", "x", 1, 1)
        assert offers(None) and offers(one) and not offers(replace(one, library="only"))
