"""Faults that published files have, and what is done about them."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from med42_chat.gguf import Header, read_header
from med42_chat.weights import health
from med42_chat.weights.health import Finding, Override
from tests.shapes import TINY
from tests.vocabulary import llama3_vocabulary
from tests.weights.sparse import write_sparse

TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Header:
    """The header of a Med42 as it should be."""
    path = write_sparse(tmp_path_factory.mktemp("health") / "m.gguf", TINY, llama3_vocabulary())
    return replace(read_header(path), name="Llama3-Med42-8B", eos_id=128009, pre_tokenizer="llama-bpe", chat_template=TEMPLATE)


def token(number: int) -> str:
    return {128009: "<|eot_id|>"}.get(number, "?")


def finding(header: Header, name: str, token: Callable[[int], str] | None = token) -> Finding:
    return next(one for one in health.examine(header, token).findings if one.name == name)


def test_a_good_file_has_nothing_to_repair(good: Header) -> None:
    found = health.examine(good, token)
    assert {one.state for one in found.findings} == {"ok"}
    assert found.overrides == ()
    assert {one.state for one in found.findings} == {"ok"}


def test_the_wrong_end_of_an_answer_is_replaced_and_said(good: Header) -> None:
    for wrong in (128001, None):
        found = health.examine(replace(good, eos_id=wrong), token)
        assert Override("tokenizer.ggml.eos_token_id", 128009) in found.overrides
        assert Override("tokenizer.ggml.eot_token_id", 128009) in found.overrides
        assert any(one.state == "repaired" and "128009 is used" in one.text for one in found.findings)


def test_an_end_of_a_turn_that_is_named_is_enough(good: Header) -> None:
    assert finding(replace(good, eos_id=128001, eot_id=128009), "ending").state == "ok"


def test_a_vocabulary_without_the_end_of_an_answer_cannot_be_repaired(good: Header) -> None:
    found = finding(replace(good, eos_id=128001), "ending", lambda _: "<|reserved_special_token_4|>")
    assert found.state == "error"
    assert "choose another file" in found.hint


@pytest.mark.parametrize("rule", ["", "default"])
def test_a_missing_rule_for_words_is_replaced_and_a_foreign_one_warned_of(good: Header, rule: str) -> None:
    assert health.examine(replace(good, pre_tokenizer=rule), token).overrides == (Override("tokenizer.ggml.pre", "llama-bpe"),)
    assert finding(replace(good, pre_tokenizer="gpt-2"), "words").state == "warning"


def test_another_template_or_none_is_replaced_by_the_known_form(good: Header) -> None:
    assert "differs" in finding(replace(good, chat_template="{{ messages }}"), "template").text
    assert "missing" in finding(replace(good, chat_template=""), "template").text
    other = replace(good, vocabulary=32_000, name="something", chat_template="")
    assert finding(other, "template").state == "error"
    assert "Med42 v1" in finding(replace(other, name="med42-70b"), "template").text


def test_a_context_beyond_what_med42_was_trained_on_is_warned_of(good: Header) -> None:
    assert finding(replace(good, context_length=262_144), "context").state == "warning"
    assert finding(replace(good, context_length=0), "context").state == "warning"


def test_other_models_are_not_measured_by_llama_3s_rules(good: Header) -> None:
    found = health.examine(replace(good, architecture="qwen3", vocabulary=151_936, eos_id=151_645, pre_tokenizer="qwen2"), None)
    assert found.overrides == ()
    assert {one.state for one in found.findings} == {"ok"}


LOADED = """
import json, sys
from llama_cpp import llama_cpp as native
path, overrides = sys.argv[1], json.loads(sys.argv[2])
native.llama_log_set(log := native.llama_log_callback(lambda *_: None), None)
made = (native.llama_model_kv_override * (len(overrides) + 1))()
for place, (key, value) in zip(made, overrides):
    place.key = key.encode()
    place.tag = native.LLAMA_KV_OVERRIDE_TYPE_STR if isinstance(value, str) else native.LLAMA_KV_OVERRIDE_TYPE_INT
    if isinstance(value, str):
        place.value.val_str = value.encode()
    else:
        place.value.val_i64 = value
params = native.llama_model_default_params()
params.vocab_only = True
if overrides:
    params.kv_overrides = made
model = native.llama_model_load_from_file(path.encode(), params)
vocabulary = native.llama_model_get_vocab(model)
ids = (native.llama_token * 64)()
text = "1234567 mg isn't 12345678 mg".encode()
count = native.llama_tokenize(vocabulary, text, len(text), ids, 64, False, False)
print(json.dumps([native.llama_vocab_eos(vocabulary), list(ids[:count])]))
"""


def loaded(path: Path, overrides: list[Override]) -> str:
    """What llama.cpp makes of a file: the end of an answer, and the tokens of a text that the rules cut differently."""
    values = str([[one.key, one.value] for one in overrides]).replace("'", '"')
    done = subprocess.run([sys.executable, "-c", LOADED, str(path), values], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.model
def test_llama_cpp_reads_a_faulty_file_like_a_good_one_once_it_is_told(tmp_path: Path) -> None:
    right = write_sparse(tmp_path / "right.gguf", TINY, llama3_vocabulary(), tokenizer__ggml__eos_token_id=128009)
    faults = {"tokenizer__ggml__eos_token_id": 128001, "tokenizer__ggml__pre": "default"}
    wrong = write_sparse(tmp_path / "wrong.gguf", TINY, llama3_vocabulary(), **faults)
    overrides = list(health.examine(read_header(wrong)).overrides)
    assert loaded(wrong, []) != loaded(right, [])
    assert loaded(wrong, overrides) == loaded(right, [])
