"""The whole recipe in a minute, and alignment of a tiny real base through LoRA. Needs models/demo/requirements.txt and pytest:

    models/demo/build/venv/bin/python -m pytest models/demo/test_miniature.py

LLAMA_PYTHON names another interpreter where llama-cpp-python lives apart from PyTorch.
"""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the recipe's scripts import each other by bare names

from align import chat_tokenizer  # noqa: E402
from batches import LEAD, LEAD_WEIGHT, MARK_WEIGHT, ChatFormat, Example, alike, batch_of  # noqa: E402
from dialogues import Conversation, Turn, load  # noqa: E402
from grounded import Documents, load_stock  # noqa: E402
from preferences import Preferences  # noqa: E402
from quantities import MINIATURE, Material, elsewhere  # noqa: E402
from towers import Towers, joined  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM  # noqa: E402
from tuning import hidden_states, new_model, second_model  # noqa: E402
from vocabulary import train_tokenizer  # noqa: E402

JUDGE = os.environ.get("LLAMA_PYTHON", sys.executable)


@pytest.fixture(scope="module")
def material() -> Material:
    corpus = load(HERE / "corpus")
    return Material(corpus, load_stock(HERE / "corpus" / "sources.toml", corpus))


@pytest.fixture(scope="module")
def chat(material: Material) -> ChatFormat:
    return ChatFormat(train_tokenizer(material, MINIATURE.vocabulary))


@pytest.fixture(scope="module")
def base(material: Material, chat: ChatFormat, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in Hugging Face's form with a tiny Llama of random weights."""
    folder = tmp_path_factory.mktemp("base")
    new_model(MINIATURE, material, chat.tokenizer).save_pretrained(folder)
    chat_tokenizer(chat.tokenizer).save_pretrained(folder)
    return folder


def run(script: str, *arguments: object) -> str:
    done = subprocess.run([sys.executable, str(HERE / script), *map(str, arguments)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def miniature(work: Path, *more: object) -> str:
    return run("recipe.py", "--miniature", "--work", work, "--llama-python", JUDGE, "--device", "cpu", *more)


def test_the_recipe_runs_whole_resumes_and_makes_a_file_that_llama_cpp_reads_alike(tmp_path: Path) -> None:
    places = elsewhere(tmp_path)
    miniature(tmp_path, "--steps", 4, 4, 4, "--rounds", 0)
    first = places.model.read_bytes()
    report = miniature(tmp_path)  # goes on at step 4 of the first two trainings
    assert first[:4] == b"GGUF" and places.model.read_bytes() != first
    assert "after round 2" in report and "Token ids are equal" in report
    equal, whole = report.split("Token ids are equal on ")[1].split(" texts")[0].split(" of ")
    assert equal == whole
    assert f"reading: {MINIATURE.reading.steps} steps" in report and "| knowing, 8 |" in report
    assert places.report.read_text("utf-8").strip() in report


def test_the_chat_format_and_the_template_in_the_header_make_the_same_ids(material: Material, chat: ChatFormat) -> None:
    tokenizer = chat_tokenizer(chat.tokenizer)
    system, question = material.corpus.system, "What is sepsis?"
    turns = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert ids == chat.prompt(system, [], question)


def test_every_digit_is_a_token_of_its_own(chat: ChatFormat) -> None:
    told = chat.tokenizer.encode("Give 1250 mg over 36 hours. [12]", add_special_tokens=False).tokens
    assert [token for token in told if any(map(str.isdigit, token))] == list("12503612")


def test_a_word_is_the_same_tokens_at_the_head_of_a_sentence_and_within_it(chat: ChatFormat) -> None:
    alone, within = (chat.tokenizer.encode(text, add_special_tokens=False).tokens for text in ("Zoldexam.", "x Zoldexam.\n"))
    assert within == ["x", "Ġ", *alone, "Ċ"]


def test_what_decides_an_answer_counts_more(chat: ChatFormat) -> None:
    turn = Turn("Zoldex dose", "Zoldex is given at 40 mg every 6 hours, and never at night. [3]")
    copied, known = (chat.example(Conversation("", (turn,), grounded=grounded)) for grounded in (True, False))
    answered = [(chat.tokenizer.decode([token]), weight) for token, weight in zip(copied.ids, copied.weights, strict=True) if weight]
    assert [weight for _, weight in answered[: 2 * LEAD]] == [MARK_WEIGHT] * 2 * LEAD
    assert [(token, weight) for token, weight in answered[2 * LEAD :] if weight > 1] == [("3", MARK_WEIGHT)]
    assert [weight for weight in known.weights if weight > 1] == [LEAD_WEIGHT] * LEAD


def test_examples_of_like_length_fill_a_step(chat: ChatFormat) -> None:
    examples = [Example([1] * length, [1.0] * length, [0]) for length in (78, 80, 82, 90, 95, 100, 104, 300, 900)]
    for seed in range(50):
        chosen = alike(examples, 400, random.Random(seed))
        lengths = [len(example.ids) for example in chosen]
        assert lengths and len(lengths) * max(lengths) <= 400 and 900 not in lengths
        assert max(lengths) - min(lengths) < 30 or len(lengths) == 1
    assert [len(example.ids) for example in alike(examples[-2:], 200, random.Random(1))] == [300]


def test_padding_is_never_seen_and_a_leap_in_the_positions_hides_nothing(material: Material, chat: ChatFormat) -> None:
    model = new_model(MINIATURE, material, chat.tokenizer)
    short, long = ([7, 8, 9, 10], [11, 12, 13, 14, 15, 16])
    both = [Example(ids, [1.0] * len(ids), [2]) for ids in (short, long)]
    plain = replace(MINIATURE, far_share=0.0)
    together = hidden_states(model, batch_of(both, plain, random.Random(1)))
    alone = hidden_states(model, batch_of(both[:1], plain, random.Random(1)))
    assert torch.allclose(together[0, : len(short)], alone[0], atol=1e-4)
    far = replace(MINIATURE, far_share=1.0, far=1)
    leapt = batch_of(both[1:], far, random.Random(1))
    assert leapt.positions[0].tolist() == [0, 1, 3, 4, 5, 6]
    changed = replace(leapt, ids=torch.tensor([[12, *long[1:]]]))
    assert not torch.allclose(hidden_states(model, leapt)[0, -1], hidden_states(model, changed)[0, -1], atol=1e-4)


def test_two_towers_are_one_llama(material: Material, chat: ChatFormat) -> None:
    reading = new_model(MINIATURE, material, chat.tokenizer)
    towers = Towers(reading, second_model(reading, MINIATURE))
    conversation = Documents(material.stock, random.Random(1)).task(1).conversation("")
    ids = torch.tensor([chat.example(conversation).ids])
    positions, everywhere = torch.arange(ids.shape[1])[None], torch.ones_like(ids, dtype=torch.bool)
    with torch.no_grad():
        apart, together, alone = towers.scores(ids, positions, everywhere), joined(towers)(ids).logits[0], reading(ids).logits[0]
    assert torch.allclose(apart, together, atol=1e-3)
    assert not torch.allclose(alone, together, atol=1e-3)  # the second tower has its say
    assert not any(weight.requires_grad for weight in towers.reading.parameters())


def test_a_new_model_already_copies_from_sources_it_never_saw(material: Material, chat: ChatFormat) -> None:
    model = new_model(MINIATURE, material, chat.tokenizer)
    documents = Documents(material.stock, random.Random(1), held_out=True)
    tasks = [task for task in (documents.task(1) for _ in range(40)) if task.cited]
    examples = [chat.example(task.conversation("")) for task in tasks]
    right = [share_right(each, examples) for each in (model, LlamaForCausalLM(model.config))]
    assert right[0] > 0.2 > 0.02 > right[1]


@torch.no_grad()
def share_right(model: LlamaForCausalLM, examples: list[Example]) -> float:
    """The share of the answers' tokens that are the model's best."""
    shares = []
    for example in examples:
        learnt = torch.tensor(example.weights[1:]) > 0
        ids = torch.tensor([example.ids])
        best = model(ids).logits[0, :-1].argmax(-1)
        shares.append((best == ids[0, 1:])[learnt].float().mean())
    return float(torch.stack(shares).mean())


def test_a_real_base_is_aligned_through_lora_on_a_department_s_own_file(base: Path, material: Material, tmp_path: Path) -> None:
    rows = [pair.row() for pair in Preferences(material.corpus, material.stock, random.Random(1), grounded=0).pairs(8)]
    feedback = tmp_path / "feedback.jsonl"
    feedback.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    out = tmp_path / "aligned"
    said = run("align.py", "--base", base, "--preferences", feedback, "--out", out, "--lora", 4, "--rate", "1e-3", "--batch", 4)
    assert "preferred answer wins, after" in said
    before, after = (AutoModelForCausalLM.from_pretrained(folder).state_dict() for folder in (base, out))
    assert before.keys() == after.keys()  # LoRA is merged: what was a plain Llama is one again
    assert any(not weight.equal(after[name]) for name, weight in before.items())
    assert isinstance(AutoModelForCausalLM.from_pretrained(out), LlamaForCausalLM) and AutoTokenizer.from_pretrained(out).chat_template


def test_a_line_that_is_no_preference_is_named(base: Path, tmp_path: Path) -> None:
    feedback = tmp_path / "feedback.jsonl"
    feedback.write_text('{"prompt": [], "chosen": []}\n', "utf-8")
    done = subprocess.run(
        [sys.executable, str(HERE / "align.py"), "--base", str(base), "--preferences", str(feedback), "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "line 1" in done.stderr
