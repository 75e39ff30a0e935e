"""Exported PDF files, read back: words, tags, outline, links both ways, pages, pictures; and what hostile content does to them."""

import dataclasses
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from med42_chat.errors import InputError, Med42Error
from med42_chat.export import pdf
from med42_chat.export.glyphs import missing
from med42_chat.export.sheet import Entry, Options
from med42_chat.markup import Math, MathBlock, Paragraph, Quote, Table, Text, Tree, parse, plain_text
from tests.export import golden
from tests.export.golden import ARABIC, CANARY, CANARY_PASSAGE, HEBREW

typst = pytest.importorskip("typst")
pytest.importorskip("pypdf")
from tests.export import look, printing  # noqa: E402 they need both

_TOLERANCE = 2.0  # of 255: what other releases of the drawing library may differ by; a line that has moved is more
HOSTILE = golden.hostile()
SIGNS = ["≥ 24 h", "µ and μ", "10⁻⁶ mol", "H₂O", "37 °C", "Łódź", "Việt Nam", "中文", "日本語", "한국어", "дважды", "ไทย", "☑"]
HALF_WRITTEN = [r"\frac", "x_", "^2", r"\sqrt", r"\left( a", r"\begin{matrix} & \\ & \end{matrix}", r"\binom{n}", "'"]


@pytest.fixture(scope="module")
def awkward() -> bytes:
    return printing.printed(golden.awkward(), patient="MRN 12345", author="Dr A. Example").document


@pytest.fixture(scope="module")
def awkward_text(awkward: bytes) -> str:
    return unicodedata.normalize("NFKC", printing.text(awkward))


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning of typst's fails the test: it says, for one, that something was left out."""

    def compiled(*arguments: Any, **options: Any) -> Any:
        document, warnings = typst.compile_with_warnings(*arguments, **options)
        assert [one.message for one in warnings] == []
        return document

    monkeypatch.setattr(typst, "compile", compiled)


@pytest.fixture
def page_of() -> Iterator[Callable[..., pdf.Written]]:
    """Prints one answer that is this tree."""
    made = printing.sheet(golden.right_to_left())

    def write(tree: Tree, *marks: str) -> pdf.Written:
        entry = Entry("a", "assistant", "Answer 1", "", "", tree, marks)
        only = dataclasses.replace(made, title="One answer", pinned="", entries=(entry,))
        return pdf.write(only, Options(), printing.words(), printing.TEMPLATE, printing.FONTS)

    yield write


def letters(text: str) -> str:
    return "".join(text.split())


class TestWords:
    def test_every_word_of_every_message_stands_on_the_pages(self, awkward_text: str) -> None:
        known = set(re.findall(r"[\w-]+", awkward_text))
        for entry in printing.sheet(golden.awkward()).entries:
            told = unicodedata.normalize("NFKC", plain_text(entry.blocks))
            plain = (
                word
                for word in re.findall(r"[\w-]+", re.sub(r"\\(begin|end)\{\w+\}|\\\w+", " ", told))
                if word.isascii() and word.isalpha() and len(word) < 30
            )
            assert {word for word in plain if word not in known} == set()

    @pytest.mark.parametrize("sign", SIGNS)
    def test_signs_and_scripts_are_found_as_they_are(self, awkward: bytes, sign: str) -> None:
        assert letters(sign) in letters(printing.text(awkward))

    def test_arabic_and_hebrew_are_found_word_for_word(self, awkward: bytes) -> None:
        known = printing.text(awkward)
        assert [word for word in [*ARABIC.split(), *HEBREW.split()] if word not in known] == []

    def test_what_is_broken_over_lines_is_copied_whole(self, awkward: bytes) -> None:
        assert "ACGT" * 70 in letters(printing.text(awkward))

    def test_what_was_attached_and_what_was_not_cited_never_appear(self, awkward: bytes) -> None:
        known = letters(printing.text(awkward))
        assert CANARY not in known and CANARY_PASSAGE not in known
        assert CANARY.encode() not in awkward

    def test_a_question_stands_as_it_was_typed(self, awkward: bytes) -> None:
        known = printing.text(awkward, "-layout")
        assert "# not a heading, **not bold**, [1] not a mark" in known and "<b>Weight 61 kg</b> & allergy: *penicillin*" in known

    def test_head_warning_signature_and_safe_use_stand_there(self, awkward: bytes) -> None:
        known = " ".join(printing.text(awkward).split())
        made = printing.sheet(golden.awkward(), Options(patient="MRN 12345", author="Dr A. Example"))
        for words in (made.title, made.warning, made.signature, *made.safe_use, *(row.value for row in made.head)):
            assert words in known

    def test_nothing_is_printed_of_a_patient_who_is_not_named(self) -> None:
        assert "Patient reference" not in printing.text(printing.printed(golden.demonstration()).document)

    def test_findings_and_what_the_model_did_not_see_stand_with_their_answer(self, awkward: bytes) -> None:
        known = " ".join(printing.text(awkward).split())
        for entry in printing.sheet(golden.awkward()).entries[:6]:
            assert all(" ".join(words.split())[:40] in known for _, words in entry.findings)
            assert all(one in known for one in (*entry.left_out, *entry.notes, entry.checked))


class TestPages:
    def test_each_page_says_which_it_is_and_from_the_second_on_whose(self, awkward: bytes) -> None:
        pages = [page.extract_text() for page in printing.read(awkward).pages]
        for number, page in enumerate(pages, start=1):
            assert f"Page {number} of {len(pages)}" in page and "Built with Meta Llama 3" in page
            assert page.count("MRN 12345") == 1 and ("Apixaban before an operation" in page)

    @pytest.mark.parametrize(("paper", "size"), [("a4", (595, 842)), ("letter", (612, 792))])
    def test_paper_has_the_size_that_was_chosen(self, paper: str, size: tuple[int, int]) -> None:
        pages = printing.read(printing.printed(golden.demonstration(), paper=paper).document).pages
        boxes = {tuple(map(round, page.mediabox[2:])) for page in pages}
        assert boxes == {size}

    def test_a_tables_head_stands_on_each_page_that_the_table_goes_on_to(self) -> None:
        pages = [page.extract_text() for page in printing.read(printing.printed(HOSTILE["rows without end"]).document).pages]
        rows = [page for page in pages if page.count("x\ny") > 20 or page.count("x y") > 20]
        assert len(rows) > 50 and all(re.search(r"\ba\s+b\b", page) for page in rows)

    def test_a_head_with_a_mark_has_its_place_once(self, page_of: Callable[..., pdf.Written]) -> None:
        tree = parse("| a [1] | b |\n|--|--|\n" + "| x | y |\n" * 200, {1})
        assert page_of(tree, "mark-1").notes == ()

    def test_a_table_that_is_too_wide_becomes_a_list_of_names_and_values(self) -> None:
        known = printing.text(printing.printed(HOSTILE["wide table"]).document)
        assert known.count("a: 1") == 60

    def test_a_cell_taller_than_a_page_keeps_all_its_words(self) -> None:
        known = printing.text(printing.printed(HOSTILE["tall cell"]).document)
        assert known.count("word") >= 4000

    def test_two_hundred_messages_and_three_hundred_with_tables_are_printed(self, strict: None) -> None:
        for name, fewest in (("two hundred", 50), ("three hundred", 60)):
            written = printing.printed(golden.everything()[name]())
            assert written.notes == () and len(printing.read(written.document).pages) > fewest


class TestPictures:
    @pytest.mark.parametrize(("name", "number"), [(name, number) for name, numbers in look.PAGES.items() for number in numbers])
    def test_a_page_looks_as_it_did(self, name: str, number: int) -> None:
        """After a change of the look that is meant: python -m tests.export.look --keep, and look at what it has kept."""
        with Image.open(look.kept(name, number)) as kept:
            then = kept.convert("RGB")
        now = look.picture(printing.printed(golden.everything()[name]()).document, number)
        assert now.size == then.size
        assert max(ImageStat.Stat(ImageChops.difference(now, then)).mean) < _TOLERANCE


class TestStandards:
    def test_the_file_is_sound_tagged_and_says_which_standards_it_keeps(self, awkward: bytes) -> None:
        printing.check(awkward)
        reader = printing.read(awkward)
        claims = reader.root_object["/Metadata"].get_data().decode()
        assert "<pdfaid:part>2<" in claims and "<pdfaid:conformance>A<" in claims and "<pdfuaid:part>1<" in claims
        assert reader.root_object["/MarkInfo"]["/Marked"] and reader.root_object["/Lang"] == "en"

    def test_headings_lists_tables_quotes_formulas_and_links_are_tagged(self, awkward: bytes) -> None:
        found = set(printing.tags(printing.read(awkward)))
        assert {"Title", "H1", "H2", "L", "LI", "Table", "TH", "TD", "BlockQuote", "Formula", "Code", "Link", "Strong", "Em"} <= found

    def test_a_formula_can_be_heard(self, awkward: bytes) -> None:
        told = [str(one["/Alt"]) for one in printing.elements(printing.read(awkward)) if one["/S"] == "/Formula"]
        assert len(told) == 2 and "CrCl" in told[0]

    def test_what_is_written_in_arabic_and_hebrew_says_so(self, awkward: bytes) -> None:
        assert {"ar", "he"} <= {str(one.get("/Lang", "")) for one in printing.elements(printing.read(awkward))}

    def test_with_the_conversation_inside_it_is_pdf_a_3_and_gives_it_back(self) -> None:
        inside = '{"µ": 1}'.encode()
        reader = printing.read(printing.printed(golden.demonstration(), inside).document)
        assert reader.attachments[pdf.ATTACHED] == [inside]
        assert "<pdfaid:part>3<" in reader.root_object["/Metadata"].get_data().decode()

    def test_the_same_conversation_gives_the_same_bytes(self, awkward: bytes) -> None:
        assert printing.printed(golden.awkward(), patient="MRN 12345", author="Dr A. Example").document == awkward

    def test_the_files_own_date_is_the_conversations(self, awkward: bytes) -> None:
        made = golden.awkward()
        date = printing.read(awkward).metadata.creation_date
        assert date is not None and int(date.timestamp()) == made.conversation.updated_at // 1000

    def test_no_date_is_beyond_what_a_pdf_can_have(self) -> None:
        made = dataclasses.replace(printing.sheet(golden.demonstration()), changed_at=10**15)
        assert pdf.write(made, Options(), printing.words(), printing.TEMPLATE, printing.FONTS).notes == ()


class TestWays:
    def test_the_outline_has_every_message_and_every_part(self, awkward: bytes) -> None:
        found = printing.headings(printing.read(awkward).outline)
        messages = [f"{kind} {number}" for number in range(1, 9) for kind in ("Question", "Answer")]
        assert [title for title in found if title in messages] == messages
        assert found[-1] == "Safe use" and "Sources" in found
        assert ["What the protocol says", ["In steps"]] in found

    def test_each_mark_leads_to_its_source_and_each_source_back_to_its_marks(self, awkward: bytes) -> None:
        entries = printing.sheet(golden.awkward()).entries
        back = sum(len(one.marks) for entry in entries for one in entry.references)
        there = sum(len(entry.marks) for entry in entries if entry.references)
        titles = sum(bool(entry.references) + bool(entry.evidence) for entry in entries)
        reader = printing.read(awkward)
        inside = [printing.target(reader, one) for one in printing.links(reader) if "/Dest" in one]
        assert back == there > 10 and len(inside) == back + there + titles
        assert set(inside) <= set(range(len(reader.pages)))
        assert max(inside[:there]) >= len(reader.pages) // 2  # from the first answers to the list of sources, which is behind the last one

    def test_links_go_to_the_web_and_to_mail_only(self) -> None:
        reader = printing.read(printing.printed(HOSTILE["links to files"]).document)
        assert [one["/A"]["/URI"] for one in printing.links(reader) if "/A" in one] == []

    def test_without_its_sources_a_mark_is_a_number_and_no_link(self) -> None:
        document = printing.printed(golden.awkward(), sources=False, evidence=False).document
        assert "[1]" in printing.text(document)
        assert not [one for one in printing.links(printing.read(document)) if "/Dest" in one]


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_every_hostile_conversation_is_printed_by_the_standards_and_without_a_warning(self, name: str, strict: None) -> None:
        written = printing.printed(HOSTILE[name])
        assert [note for note in written.notes if "no font" not in note] == []
        assert printing.read(written.document).root_object["/MarkInfo"]["/Marked"]

    def test_typst_code_is_words(self) -> None:
        known = printing.text(printing.printed(HOSTILE["typst code"]).document)
        assert '#read("/etc/passwd") #eval("1+1")' in known and "root:" not in known

    def test_a_character_that_no_font_has_is_shown_and_counted_where_it_stood(self, page_of: Callable[..., pdf.Written]) -> None:
        written = page_of((Paragraph((Text("ᚠ and 𓀀"),)),))
        note = "2 characters that no font of this PDF can draw stand as \ufffd."
        assert written.notes == (note,)
        known = printing.text(written.document)
        assert "\ufffd and \ufffd" in known and note in known

    def test_accents_go_with_the_letter_that_no_font_has(self, page_of: Callable[..., pdf.Written]) -> None:
        written = page_of((Paragraph((Text("\u1ba7\u0952 and e\u0301"),)),))
        assert written.notes == ("2 characters that no font of this PDF can draw stand as \ufffd.",)
        assert "\ufffd\ufffd and \u00e9" in unicodedata.normalize("NFC", printing.text(written.document))

    def test_what_typst_refuses_is_printed_without_its_dress_and_says_so(self, page_of: Callable[..., pdf.Written]) -> None:
        tree: Tree = (Paragraph((Text("deep words"),)),)
        for _ in range(100):
            tree = (Quote(tree),)
        written = page_of(tree)
        assert written.notes == ("Printed without its layout, which was too deep or too strange for paper.",)
        known = " ".join(printing.text(written.document).split())
        assert "deep words" in known and written.notes[0] in known

    def test_a_template_reads_nothing_outside_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        (tmp_path / "in").mkdir()
        template = tmp_path / "in" / "export.typ"
        template.write_text('#set document(title: "x")\n#read("../secret")')
        with pytest.raises(Med42Error, match="could not be laid out"):
            pdf.write(printing.sheet(golden.demonstration()), Options(), printing.words(), template, printing.FONTS)

    def test_our_template_imports_and_reads_nothing(self) -> None:
        code = re.sub(r"//.*", "", printing.TEMPLATE.read_text("utf-8"))
        assert not re.search(r"#?(import|include)\b|\b(read|plugin|image|csv|toml|yaml|xml|cbor|eval)\(|@preview", code)

    def test_where_there_is_no_typst_a_way_out_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "typst", None)
        with pytest.raises(InputError) as raised:
            printing.printed(golden.demonstration())
        assert "HTML" in raised.value.hint


class TestPassword:
    def test_the_file_opens_with_the_password_only_and_keeps_its_tags(self) -> None:
        document = printing.printed(golden.awkward(), password="blåbær ق").document
        assert b"Apixaban" not in document
        with pytest.raises(Exception, match="decrypt"):
            _ = printing.read(document).pages[0]
        reader = printing.read(document, "blåbær ق")
        assert "Apixaban before an operation" in reader.pages[0].extract_text()
        assert "Table" in set(printing.tags(reader)) and printing.headings(reader.outline)[-1] == "Safe use"

    def test_it_is_locked_by_aes_256_and_calls_itself_no_archive(self) -> None:
        document = printing.printed(golden.demonstration(), password="secret").document
        reader = printing.read(document, "secret")
        assert reader.trailer["/Encrypt"]["/R"] == 6 and reader.trailer["/Encrypt"]["/V"] == 5
        claims = reader.root_object["/Metadata"].get_data().decode()
        assert "<pdfaid:part>" not in claims and "<pdfuaid:part>1<" in claims


class TestFormulas:
    @pytest.mark.parametrize(
        ("tex", "told"),
        [
            (r"\frac{a}{b}", "𝑎 𝑏"),
            (r"\sqrt[3]{x} + \sqrt{y}", "𝑥 𝑦"),
            (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "1 2 3 4"),
            (r"f(x) = \begin{cases} a & x > 0 \\ b & x < 0 \end{cases}", "> <"),
            (r"\binom{n}{k} \hat{x} \overline{AB} \vec{v}", "𝐴 𝐵"),
            (r"\sum_{i=1}^{n} x_i \lim_{t \to 0} \sin t", "∑ lim sin"),
            (r"{}^{14}_{6}\mathrm{C} \cancel{z} \boxed{q} \underbrace{a+b}_{c}", "14 6"),
            (r"\text{eGFR} \ge 30\,\text{ml/min}", "eGFR ≥ 30 ml/min"),
        ],
    )
    def test_a_formula_is_set_with_all_its_letters(self, page_of: Callable[..., pdf.Written], strict: None, tex: str, told: str) -> None:
        written = page_of((MathBlock(tex), Paragraph((Math(tex),))))
        known = printing.text(written.document)
        assert written.notes == () and all(part in known for part in told.split())

    def test_a_formula_that_cannot_be_read_is_shown_as_its_source(self, page_of: Callable[..., pdf.Written]) -> None:
        assert r"\frac{" + "{" * 40 in printing.text(page_of((MathBlock(r"\frac{" + "{" * 40),)).document)

    @pytest.mark.parametrize("tex", HALF_WRITTEN)
    def test_a_formula_that_was_half_written_is_printed(self, page_of: Callable[..., pdf.Written], strict: None, tex: str) -> None:
        assert page_of((MathBlock(tex), Paragraph((Text("x "), Math(tex))))).notes == ()


class TestDirections:
    def test_a_dose_in_an_arabic_table_keeps_its_order(self) -> None:
        known = printing.text(printing.printed(golden.right_to_left()).document)
        assert "2.5 mg" in known and "5 mg" in known

    def test_a_paragraph_begins_where_its_script_begins(self, page_of: Callable[..., pdf.Written]) -> None:
        boxes = printing.text(page_of((Paragraph((Text("ward"),)), Paragraph((Text("\u05d0"),)))).document, "-bbox")
        places = {word: float(at) for at, word in re.findall(r'xMin="([\d.]+)"[^>]*>([^<]*)<', boxes)}
        assert places["ward"] < 100 and places["\u05d0"] > 480

    def test_a_table_of_numbers_follows_what_is_around_it(self, page_of: Callable[..., pdf.Written]) -> None:
        tree = (Table(((Text("1"),), (Text("2"),)), (((Text("3"),), (Text("4"),)),), ("", "")),)
        assert "1 2" in " ".join(printing.text(page_of(tree).document, "-layout").split())


class TestGlyphs:
    def test_what_the_fonts_have_is_not_missing_and_what_they_have_not_is(self) -> None:
        assert missing("aµ≥⁻⁶Ωж✓☐😀心한ไहिअ\U0001d465\ufffd", printing.FONTS) == frozenset()
        assert missing("aᚠ𓀀\U000e1000", printing.FONTS) == {"ᚠ", "𓀀", "\U000e1000"}

    def test_what_draws_nothing_is_never_missing(self) -> None:
        assert missing("\n\t \u00a0\u200b\u200d\u200f\u2060\ufe0f\u00ad", printing.FONTS) == frozenset()

    def test_each_font_stands_under_a_licence_that_lies_beside_it(self) -> None:
        listed = (printing.FONTS / "LICENCES.md").read_text("utf-8")
        patterns = [re.escape(one).replace(r"\*", ".*") for one in re.findall(r"`([\w*.-]+)`", listed)]
        for font in printing.FONTS.glob("*.tt*"):
            assert any(re.fullmatch(f"{pattern}(\\.tt[cf])?", font.name) for pattern in patterns), font.name
        assert sum(font.stat().st_size for font in printing.FONTS.glob("*.tt*")) < 13_000_000


def test_an_item_that_runs_the_other_way_than_its_list_stays_beside_its_number() -> None:
    placed = printing.text(printing.printed(golden.right_to_left()).document, "-bbox")
    sides = [float(found) for found in re.findall(r'xMin="([\d.]+)"[^>]*>Apixaban<', placed)]
    assert len(sides) == 2 and min(sides) > 400  # the paper is 595 points wide
