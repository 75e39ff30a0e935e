"""The estimate of a text's tokens against the real Llama 3 vocabulary: too many is allowed, too few is not."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.runtime.estimate import tokens_at_most
from med42_chat.settings import ASSETS, PROJECT

TEXTS = {
    "German": "Die Dosis von Metformin muss bei Niereninsuffizienz angepasst werden; unter 30 ml/min/1,73 m² nicht geben. Übelkeit.",
    "Russian": "Доза метформина при хронической болезни почек зависит от скорости клубочковой фильтрации.",
    "Greek": "Η δόση της μετφορμίνης εξαρτάται από τη νεφρική λειτουργία.",
    "Arabic": "يجب تعديل جرعة الميتفورمين عند مرضى القصور الكلوي المزمن حسب معدل الترشيح الكبيبي.",
    "Arabic figures": "الجرعة ٥٠٠ ملغ كل ٨ ساعات، والحد الأقصى ٢٠٠٠ ملغ.",
    "Hebrew": "יש להתאים את מינון המטפורמין לפי תפקוד הכליות",
    "Chinese": "慢性肾脏病患者应根据肾小球滤过率调整二甲双胍剂量。低于三十时禁用。齆齉龘",
    "Japanese": "慢性腎臓病の患者にはメトホルミンの用量を調整してください。",
    "Korean": "만성 신장 질환 환자에서는 메트포르민 용량을 조절해야 합니다.",
    "Hindi": "गुर्दे की बीमारी में मेटफॉर्मिन की खुराक कम करें",
    "Thai": "ควรปรับขนาดยาเมตฟอร์มินในผู้ป่วยโรคไต",
    "Amharic": "የኩላሊት በሽታ ላለባቸው ታካሚዎች",
    "Syriac": "ܫܠܡܐ ܥܠܝܟܘܢ",
    "pictures": "🩺💊👩‍⚕️🧪 ok 🏥🏥",
    "medicines": "idarucizumab andexanet rivaroxaban trastuzumab deruxtecan piperacillin-tazobactam fexofenadine 5-fluorouracil CYP2D6",
    "capitals": "DO NOT GIVE POTASSIUM. ALLERGY: PENICILLIN. NKDA DNACPR MRSA VRE ESBL",
    "figures": "1234567890 0.0000123 12/03/2024 14:55 120/80 mmHg 5x10^9/l",
    "table": "\n".join(f"| {at} | {at * 3.7:.2f} | {at * 1000} | {'+' if at % 2 else '-'} |" for at in range(200)),
    "separated by commas": "\n".join(f"{at},{at * 7},{at * at},,NA" for at in range(300)),
    "Markdown": "# A\n\n* **b**\n  * c\n\n\n```\n\tx = 1\n```\n<|eot_id|><|start_header_id|>",
    "gaps": "a    b          c\t\t\td   \n   \n \n e",
    "symbols": "∑∫≤≥±→←µ°²³½€£",
    "a hash": " ".join(f"{random.Random(at).getrandbits(256):064x}" for at in range(20)),
    "empty": "",
    "one letter": "x",
}
FILES = [PROJECT / "med42_chat" / "settings.py", PROJECT / "docs" / "security.md", ASSETS / "medicines.txt", ASSETS / "css" / "page.css"]


@pytest.fixture(scope="module")
def really(vocabulary: Path) -> Iterator[Callable[[str], int]]:
    """How many tokens a text has in Llama 3's vocabulary."""
    import llama_cpp

    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(vocabulary).encode(), parameters)
    words = llama_cpp.llama_model_get_vocab(model)

    def count(text: str) -> int:
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 8))()
        return int(llama_cpp.llama_tokenize(words, data, len(data), room, len(room), False, False))

    yield count
    llama_cpp.llama_model_free(model)


@pytest.mark.model
@pytest.mark.parametrize("kind", TEXTS)
def test_no_kind_of_text_has_more_tokens_than_estimated(kind: str, really: Callable[[str], int]) -> None:
    assert really(TEXTS[kind]) <= tokens_at_most(TEXTS[kind])


@pytest.mark.model
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_nor_any_line_or_word_of_it_has_more_tokens_than_estimated(file: Path, really: Callable[[str], int]) -> None:
    text = file.read_text("utf-8")
    for part in [text, *text.splitlines(), *set(text.split())]:
        assert really(part) <= tokens_at_most(part), part


@pytest.mark.model
def test_prose_is_estimated_at_less_than_twice_what_it_has(really: Callable[[str], int]) -> None:
    text = (PROJECT / "docs" / "security.md").read_text("utf-8")
    assert tokens_at_most(text) < 2 * really(text)


@pytest.mark.model
@given(st.lists(st.sampled_from(sorted(TEXTS)), max_size=6))
@settings(deadline=None, max_examples=50)
def test_texts_of_several_kinds_are_no_exception(really: Callable[[str], int], kinds: list[str]) -> None:
    text = "\n".join(TEXTS[kind] for kind in kinds)
    assert really(text) <= tokens_at_most(text)
