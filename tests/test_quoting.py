"""The grammar, held against llama.cpp's own reading of it: a model of random weights writes what it may, and nothing else."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from med42_chat import quoting
from med42_chat.checks import Medicines, check, cited
from med42_chat.records import Sampling, Source
from med42_chat.runtime import llama
from med42_chat.runtime.protocol import Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler
from tests.runtime.asking import written
from tests.shapes import TINY, write_shape

PROSE = (
    "With a creatinine clearance of 50 ml/min or more, the last tablet is taken 24 hours before. "
    "With a clearance between 30 and 49 ml/min, the times are 36 hours and 72 hours.\n\n"
    "The INR is measured on the day before."
)
TABLE = "Anticoagulant | Reversal\nWarfarin | Prothrombin complex 25 units/kg\nDabigatran | Idarucizumab 5 g"


def source(number: int, text: str, title: str = "Protocol", path: tuple[str, ...] = ()) -> Source:
    return Source(number, title, text, None, "0" * 64, heading_path=path)


def lines(question: str, *texts: str) -> list[str]:
    """What may be said of these sources, in the order in which it may be said."""
    text = quoting.grammar(question, [source(number, each) for number, each in enumerate(texts, 1)])
    return [
        quoted.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
        for quoted in re.findall(r'^line\d+ ::= "(.*)" after\d+$', text, re.MULTILINE)
    ]


def may_decline(question: str, *texts: str) -> bool:
    root = quoting.grammar(question, [source(number, each) for number, each in enumerate(texts, 1)]).split("\n")[0]
    return quoting.NOT_COVERED in root


def test_the_sentences_with_most_of_the_question_may_be_said_each_with_its_source() -> None:
    said = lines("When is the INR measured?", PROSE, TABLE)
    assert said == ["Source 1 says: The INR is measured on the day before. [1]"]


def test_a_table_is_said_whole_as_a_table_because_one_row_alone_may_be_the_wrong_one() -> None:
    (said,) = lines("Which reversal for warfarin?", PROSE, TABLE)
    assert said == (
        "Source 2 says:\n\n| Anticoagulant | Reversal |\n|---|---|\n| Warfarin | Prothrombin complex 25 units/kg [2] |\n"
        "| Dabigatran | Idarucizumab 5 g [2] |"
    )


def test_the_first_row_of_a_table_that_was_cut_above_it_is_found_too() -> None:
    table = "Warfarin | 5 mg\nApixaban | 2.5 mg"
    (said,) = lines("Which dose of warfarin?", table)
    found = check(said, [source(1, table)], Medicines())
    assert "5 mg" in [said[one.start : one.end] for one in found] and {one.state for one in found} == {"found"}


def test_more_than_is_said_where_a_line_begins_with_it() -> None:
    text = "Apixaban:\n- > 50 ml/min: apixaban is stopped 24 hours before\n- < 30 ml/min: apixaban is stopped 72 hours before"
    assert lines("When is apixaban stopped?", text) == [
        "Source 1 says: Apixaban: [1]\n\n• > 50 ml/min: apixaban is stopped 24 hours before [1]"
        "\n\n• < 30 ml/min: apixaban is stopped 72 hours before [1]"
    ]
    assert "Source 1 says: > 50 ml/min: apixaban is stopped. [1]" in lines(
        "When is apixaban stopped?", "- > 50 ml/min: apixaban is stopped."
    )


def test_an_answer_that_was_cut_between_two_quotations_says_none_of_those_before_again() -> None:
    sources = [source(1, PROSE), source(2, TABLE)]
    first, *_ = lines("What do they say?", PROSE, TABLE)
    root = quoting.grammar("What do they say?", sources, f"{first}\n\nSource 1 says:").split("\n")[0]
    assert "after0" not in root and "after1" in root
    assert "after0" in quoting.grammar("What do they say?", sources, first).split("\n")[0]


def test_a_sentence_that_was_taken_for_a_table_is_said_whole() -> None:
    torn = "It is stopped\n\nafterwards. | Never\n\nadminister clarithromycin\n\nwith | simvastatin.\n\nNobody fasts."
    assert lines("Is clarithromycin administered?", torn) == [
        "Source 1 says: It is stopped afterwards. | Never administer clarithromycin with | simvastatin. [1]"
    ]
    assert lines("Is clarithromycin administered?", "Never administer\nclarithromycin | simvastatin\nin this case.") == [
        "Source 1 says: Never administer clarithromycin | simvastatin in this case. [1]"
    ]
    assert lines("Which reversal for warfarin?", f"It is so.\n\n{TABLE}\n\n- call us") == lines("Which reversal for warfarin?", TABLE)


def test_what_stands_between_two_sentences_that_must_be_said_is_said_too() -> None:
    text = "Apixaban is stopped 24 hours before with a clearance over 50. In between it is 36 hours. Apixaban is not stopped for a tooth."
    text_of_all = quoting.grammar("When is apixaban stopped?", [source(1, f"{text} Nobody fasts. The bed is made.")])
    assert lines("When is apixaban stopped?", f"{text} Nobody fasts. The bed is made.") == [
        f"Source 1 says: {sentence}. [1]" for sentence in text.rstrip(".").split(". ")
    ]
    assert 'after0 ::= ("\\n\\n" (line1))\n' in text_of_all  # not an end, and not the one after the next


def test_what_announces_a_list_is_said_with_the_list() -> None:
    text = "Apixaban before surgery with renal impairment:\n• over 50 ml/min: 24 hours\n• under 30 ml/min: ask.\nNobody fasts."
    (said,) = lines("When is apixaban stopped before surgery with renal impairment?", text)
    announced = "Source 1 says: Apixaban before surgery with renal impairment: [1]"
    assert said == f"{announced}\n\n• over 50 ml/min: 24 hours [1]\n\n• under 30 ml/min: ask. [1]"
    assert not [one for one in check(said, [source(1, text)], Medicines()) if one.state in ("not_found", "doubtful")]


def test_a_range_of_values_in_brackets_is_no_reference_and_stays() -> None:
    text = "The target INR is [2-3] in most patients [4]."
    (said,) = lines("What is the target INR?", text)
    assert said == "Source 1 says: The target INR is (2-3) in most patients. [1]"
    found = check(said, [source(1, text)], Medicines())
    assert {one.state for one in found} == {"found"}
    assert cited(said, [source(1, text)], found, Medicines())[0].quote.startswith("The target INR is [2-3] in most")
    assert "not_found" in {one.state for one in check(said.replace("2-3", "4-5"), [source(1, text)], Medicines())}


def test_where_a_sentence_has_the_question_s_words_the_sources_are_not_said_to_be_silent() -> None:
    assert not may_decline("When is the INR measured?", PROSE)
    assert may_decline("When is the INR measured in children with haemophilia?", PROSE)


def test_a_question_without_a_telling_word_leaves_every_sentence() -> None:
    assert len(lines("What do they say?", PROSE, TABLE)) == 4


def test_numbers_in_brackets_of_a_document_do_not_pass_for_sources() -> None:
    assert lines("aspirin?", "Aspirin is stopped [2]. ") == ["Source 1 says: Aspirin is stopped. [1]"]


def test_what_is_said_so_is_found_word_for_word_in_its_source() -> None:
    (said,) = lines("Which reversal for dabigatran?", TABLE)
    found = check(said, [source(1, TABLE)], Medicines())
    assert [one.state for one in found if one.kind == "quotation"] == ["found", "found", "found"]
    assert {one.state for one in found} == {"found"}


class Writer:
    """A real llama.cpp with random weights, behind the real scheduler."""

    def __init__(self, path: Path) -> None:
        self.context = llama.load(Load(str(path), 1024, 1), llama.Log(), lambda _: None).context

    def write(self, grammar: str, seed: int = 1, prompt: Sequence[int] = (257, 65, 66), penalty: float = 1.0) -> tuple[str, Finished]:
        scheduler = Scheduler(self.context)
        self.context.forget(0, 0)
        sampling = Sampling(temperature=1.5, top_k=0, top_p=1.0, repeat_penalty=penalty, max_tokens=900)
        scheduler.submit(Request("a", tuple(prompt), sampling, seed, grammar))
        return written(scheduler)


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory) -> Writer:
    return Writer(write_shape(tmp_path_factory.mktemp("quoting") / "tiny.gguf", TINY))


@pytest.mark.model
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    question=st.sampled_from(("When is the INR measured?", "Which reversal for warfarin and dabigatran?", "What do they say?", "Any µ?")),
    seed=st.integers(0, 1000),
    penalty=st.sampled_from((1.0, 1.3)),
    strange=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
@example(question="What do they say?", seed=0, penalty=1.0, strange="\0")
def test_whatever_a_model_would_say_it_says_whole_sentences_each_once_in_their_order(
    writer: Writer, question: str, seed: int, penalty: float, strange: str
) -> None:
    texts = (PROSE, TABLE, f'"{strange}" \\ µ is a sign.')
    sources = [source(number, each) for number, each in enumerate(texts, 1)]
    text, ended = writer.write(quoting.grammar(question, sources), seed, penalty=penalty)
    may = lines(question, *texts)
    assert ended.reason == "stop"
    if text != quoting.NOT_COVERED:
        said = re.split(r"\n\n(?=Source)", text)
        assert [may.index(line) for line in said] == sorted({may.index(line) for line in said})


@pytest.mark.model
def test_an_answer_that_was_cut_goes_on_in_the_sentence_that_it_was_in(writer: Writer) -> None:
    sources = [source(1, PROSE)]
    whole = lines("When is the INR measured?", PROSE)[0]
    rest, ended = writer.write(quoting.grammar("When is the INR measured?", sources, whole[:30]))
    assert ended.reason == "stop" and whole[:30] + rest == whole
    table = lines("Which reversal for warfarin?", TABLE)[0]
    for cut in (5, 20, 60, len(table) - 4, len(table)):
        rest, _ = writer.write(quoting.grammar("Which reversal for warfarin?", [source(1, TABLE)], table[:cut]))
        assert table[:cut] + rest == table
    rest, _ = writer.write(quoting.grammar("aspirin?", sources, quoting.NOT_COVERED[:20]))
    assert quoting.NOT_COVERED[:20] + rest == quoting.NOT_COVERED


@pytest.mark.model
def test_a_form_that_cannot_be_read_ends_the_answer_in_plain_words_and_the_next_one_is_written(writer: Writer) -> None:
    _, ended = writer.write("root ::= (")
    assert ended.reason == "failed" and "report" in ended.detail
    assert writer.write('root ::= "yes" | "no"')[0] in ("yes", "no")


def test_it_is_pure() -> None:
    code = "import sys, med42_chat.quoting; print([name for name in ('numpy', 'llama_cpp', 'pypdfium2', 'lxml') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
