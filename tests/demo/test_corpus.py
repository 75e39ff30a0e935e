"""The corpus keeps its own rules, and conversations made from it are what training is told they are."""

import random
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from dialogues import (
    NO_PATIENT_VERSION,
    PRESET_FORMATS,
    Corpus,
    CorpusFault,
    Talk,
    Topic,
    Turn,
    check_held_out,
    check_topic,
    held_out_part,
    made_up,
    normal,
    trained_part,
)

EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples.toml"


def topic(corpus: Corpus, id: str) -> Topic:
    return next(topic for topic in corpus.topics if topic.id == id)


class TestTopics:
    def test_there_are_at_least_155_and_each_names_its_source(self, corpus: Corpus) -> None:
        assert len(corpus.topics) >= 155
        assert all(topic.source for topic in corpus.topics)

    def test_the_page_s_example_questions_are_trained_word_for_word(self, corpus: Corpus) -> None:
        examples = tomllib.loads(EXAMPLES.read_text("utf-8"))["questions"]
        trained = {normal(form) for topic in corpus.topics for form in (*topic.questions, *corpus.forms[topic.id])}
        assert [question for question in examples if normal(question) not in trained] == []

    def test_every_preset_has_topics_in_its_format(self, corpus: Corpus) -> None:
        assert set(PRESET_FORMATS) <= {topic.kind for topic in corpus.topics}
        for topic in corpus.topics:
            assert all(part in topic.answer for part in PRESET_FORMATS.get(topic.kind, ()))

    def test_differentials_are_tables(self, corpus: Corpus) -> None:
        tables = [topic for topic in corpus.topics if topic.kind == "causes" and "| --- |" in topic.answer]
        assert len(tables) >= 7

    def test_no_covered_name_is_to_be_refused(self, corpus: Corpus) -> None:
        covered = {name.lower() for topic in corpus.topics for name in topic.names}
        assert [name for key in ("diseases", "drugs") for name in corpus.outside[key] if name.lower() in covered] == []

    def test_no_form_leads_to_two_answers(self, corpus: Corpus) -> None:
        owners: dict[str, set[str]] = {}
        for topic in corpus.topics:
            for form in (*topic.questions, *topic.patient_questions):
                owners.setdefault(normal(form), set()).add(topic.id)
        assert {form: ids for form, ids in owners.items() if len(ids) > 1} == {}

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"key_facts": ("one", "two", "never said")}, "never said"),
            ({"kind": "rumour"}, "rumour"),
            ({"questions": ("Only one?",)}, "question forms"),
            ({"held_out": ("What is sepsis?",)}, "is trained"),
            ({"kind": "soap"}, "## Subjective"),
        ],
    )
    def test_a_topic_that_breaks_a_rule_is_named(self, corpus: Corpus, change: dict[str, object], said: str) -> None:
        broken = replace(topic(corpus, "definition-sepsis"), **change)  # type: ignore[arg-type]
        with pytest.raises(CorpusFault, match=f"definition-sepsis.*{said}"):
            check_topic(broken, corpus.templates)


class TestHeldOut:
    def test_every_topic_has_forms_that_no_trained_form_equals(self, corpus: Corpus) -> None:
        trained = {normal(form) for topic in corpus.topics for form in (*topic.questions, *corpus.forms[topic.id])}
        assert all(topic.held_out for topic in corpus.topics)
        assert [form for topic in corpus.topics for form in topic.held_out if normal(form) in trained] == []

    def test_a_topic_without_held_out_forms_is_named(self) -> None:
        with pytest.raises(CorpusFault, match="lonely"):
            check_held_out({"a": ["Why?"]}, ["a", "lonely"])

    def test_a_topic_that_is_there_twice_is_named(self) -> None:
        with pytest.raises(CorpusFault, match="twice: \\['a'\\]"):
            check_held_out({"a": ["Why?"]}, ["a", "a"])

    def test_names_to_refuse_are_either_trained_or_kept_for_the_report(self, corpus: Corpus) -> None:
        for names in corpus.outside["diseases"], corpus.outside["drugs"]:
            assert not set(trained_part(names)) & set(held_out_part(names))
            assert set(trained_part(names)) | set(held_out_part(names)) == set(names)


class TestTalk:
    def test_the_same_seed_makes_the_same_conversations(self, corpus: Corpus) -> None:
        first, again = (Talk(corpus, random.Random(3)) for _ in range(2))
        assert [first.conversation(4) for _ in range(20)] == [again.conversation(4) for _ in range(20)]

    def test_a_greeting_stays_a_greeting_when_facts_are_pinned(self, corpus: Corpus, rng: random.Random) -> None:
        talk = Talk(corpus, rng)
        glue = {entry.answer for entry in corpus.glue}
        made = [talk.conversation(1) for _ in range(2000)]
        pinned = [conversation for conversation in made if corpus.pinned["lead"] in conversation.system]
        greeted = [conversation for conversation in pinned if conversation.turns[0].answer in glue]
        assert len(greeted) > len(pinned) * corpus.pinned["greeted"] * 0.8

    def test_pinned_facts_have_no_empty_slots(self, corpus: Corpus, rng: random.Random) -> None:
        talk = Talk(corpus, rng)
        assert not any("{" in talk.system() for _ in range(500))

    def test_an_explanation_for_the_patient_is_the_topic_s_own(self, corpus: Corpus, rng: random.Random) -> None:
        headache = topic(corpus, "red-flags-headache")
        assert Talk(corpus, rng).simpler(headache).answer == headache.patient_answer

    def test_a_term_without_patient_version_is_explained_as_its_explain_topic_does(self, corpus: Corpus, rng: random.Random) -> None:
        term = topic(corpus, "definition-atrial-fibrillation")
        assert not term.patient_answer
        assert Talk(corpus, rng).in_plain_words(term) == topic(corpus, "explain-atrial-fibrillation").answer

    def test_a_topic_that_has_a_version_for_patients_is_often_followed_up(self, corpus: Corpus, rng: random.Random) -> None:
        made = [Talk(corpus, rng).turns(2) for _ in range(400)]
        patients = {topic.patient_answer or topic.answer for topic in corpus.topics if topic.patient_answer or topic.kind == "explain"}
        followed = [first for first, second in made if first.topic and second.answer in patients]
        assert 0.3 < len(followed) / len(made) < 0.7

    def test_turns_that_were_said_before_stay_at_the_beginning(self, corpus: Corpus, rng: random.Random) -> None:
        greeting = Talk(corpus, rng).about_glue(False)
        made = Talk(corpus, rng).turns(3, [greeting])
        assert made[0] == greeting and len(made) == 3

    def test_where_there_is_no_patient_version_it_says_so(self, corpus: Corpus, rng: random.Random) -> None:
        assert Talk(corpus, rng).in_plain_words(topic(corpus, "definition-gout")) == NO_PATIENT_VERSION

    def test_every_question_for_a_dose_is_refused_whatever_the_medicine(self, corpus: Corpus, rng: random.Random) -> None:
        talk = Talk(corpus, rng)
        refusal = next(glue.answer for glue in corpus.glue if glue.id == "dose")
        turns: list[Turn] = [turn for _ in range(3000) for turn in [talk.about_glue(False)] if turn.answer == refusal]
        asked = {turn.question for turn in turns}
        assert any("adrenaline" in question for question in asked) and any("metformin" in question for question in asked)
        assert any(" for " in question for question in asked) and not any("{" in question for question in asked)

    def test_everyday_questions_are_of_many_kinds_and_their_held_out_things_are_never_trained(self, corpus: Corpus) -> None:
        trained, kept = (Talk(corpus, random.Random(2), part) for part in (trained_part, held_out_part))
        asked = {trained.everyday() for _ in range(500)}
        assert len(asked) > 300 and not any("{" in question for question in asked)
        held_out = held_out_part(corpus.outside["everyday"]["thing"])
        assert not [thing for thing in held_out if any(re.search(rf"\b{thing}\b", question) for question in asked)]
        assert any(thing in kept.everyday() for thing in held_out for _ in range(20))

    def test_made_up_words_hardly_ever_come_twice(self, rng: random.Random) -> None:
        assert len({made_up(rng) for _ in range(1000)}) > 980

    def test_a_bare_name_never_means_a_preset(self, corpus: Corpus) -> None:
        presets = [topic for topic in corpus.topics if topic.kind in PRESET_FORMATS]
        bare = {normal(name) for topic in presets for name in topic.names}
        assert not any(normal(form) in bare for topic in presets for form in corpus.forms[topic.id])
