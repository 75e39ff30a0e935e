"""Word files, read back as XML, by python-docx, and by LibreOffice where it is."""

import io
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import docx
import pytest

from assets.export import template
from med42_chat.export.docx import write
from med42_chat.export.docx_maths import omml, omml_block
from med42_chat.export.sheet import Options, Sheet
from med42_chat.markup import parse
from med42_chat.markup.formula import mathml
from tests.export import golden
from tests.export.papers import ASSETS, EVERY, FILLED, expected, letters, sheet

TEMPLATE = ASSETS / "export" / "template.docx"
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


@cache
def written(name: str, options: Options = FILLED) -> bytes:
    return write(sheet(name, options), options, TEMPLATE)


def answered(markdown: str) -> Element:
    """The document whose only answer is this."""
    one = sheet("demonstration")
    entry = replace(one.entries[1], blocks=parse(markdown, {1, 2}), marks=())
    return part(write(replace(one, entries=(entry,)), FILLED, TEMPLATE))


def part(file: bytes, name: str = "word/document.xml") -> Element:
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        return ElementTree.fromstring(parts.read(name))


def said(element: Element) -> str:
    return "".join(one.text or "" for one in element.iter() if one.tag in (f"{W}t", f"{M}t"))


def styled(document: Element, style: str) -> list[Element]:
    return [one for one in document.iter(f"{W}p") if one.find(f"{W}pPr/{W}pStyle[@{W}val='{style}']") is not None]


def value(element: Element, path: str) -> str | None:
    found = element.find("/".join(W + step for step in path.split("/")))
    return None if found is None else found.get(f"{W}val")


@pytest.mark.parametrize("name", EVERY)
def test_every_letter_of_the_sheet_stands_in_the_document_once_and_in_its_order(name: str) -> None:
    assert letters(said(part(written(name)))) == expected(sheet(name))


@pytest.mark.parametrize("name", ["awkward", "right to left", "hostile: formulas"])
def test_the_same_conversation_gives_the_same_bytes(name: str) -> None:
    assert write(sheet(name), FILLED, TEMPLATE) == written(name)


@pytest.mark.parametrize("name", EVERY)
def test_a_file_is_read_whole_by_another_program(name: str) -> None:
    document = docx.Document(io.BytesIO(written(name)))
    assert document.paragraphs[0].style is not None and document.paragraphs[0].style.name == "Title"
    assert len(document.paragraphs) > 5


def test_what_an_attached_file_says_is_not_in_it() -> None:
    with zipfile.ZipFile(io.BytesIO(written("awkward"))) as parts:
        everything = b"".join(parts.read(name) for name in parts.namelist()).decode()
    assert "letter.pdf" in everything
    assert golden.CANARY not in everything and golden.CANARY_PASSAGE not in everything


# ---- lists ----


def numbers(document: Element) -> list[tuple[int, str]]:
    """(list, level) of each numbered paragraph."""
    return [(int(value(one, "pPr/numPr/numId") or 0), value(one, "pPr/numPr/ilvl") or "") for one in document.iter(f"{W}p")
            if one.find(f"{W}pPr/{W}numPr") is not None]  # fmt: skip


def test_a_second_list_counts_from_its_own_beginning() -> None:
    markdown = "1. one\n2. two\n\ntext\n\n1. one again\n\ntext\n\n7. seven"
    one = sheet("demonstration")
    file = write(replace(one, entries=(replace(one.entries[1], blocks=parse(markdown)),)), FILLED, TEMPLATE)
    used = [number for number, _ in numbers(part(file))]
    assert used[0] == used[1] != used[2] != used[3]
    numbering = part(file, "word/numbering.xml")
    starts = {int(num.get(f"{W}numId") or 0): value(num, "lvlOverride/startOverride") for num in numbering.iter(f"{W}num")}
    assert [starts[number] for number in (used[0], used[2], used[3])] == ["1", "1", "7"]


def test_lists_within_lists_stand_on_levels_of_their_own_as_far_as_word_has_them() -> None:
    document = answered("\n".join("  " * depth + "- x" for depth in range(20)))
    assert [level for _, level in numbers(document)] == [str(min(depth, 8)) for depth in range(20)]


def test_a_number_that_word_cannot_count_to_stands_as_it_was_written() -> None:
    document = answered("123456789. far\n123456790. out")
    assert "123456789.far" in said(document) and "123456790.out" in said(document)
    assert not numbers(document)


def test_an_item_that_begins_with_code_has_its_number_all_the_same() -> None:
    document = answered("1.     code\n2. words")
    assert len(numbers(document)) == 2
    assert [said(one) for one in styled(document, "CodeBlock")] == ["code"]


# ---- tables ----


def test_a_tables_head_repeats_on_each_page_and_its_columns_fit_the_paper() -> None:
    tables = list(part(written("three hundred")).iter(f"{W}tbl"))
    assert len(tables) == 150
    for table in tables:
        rows = table.findall(f"{W}tr")
        assert [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows] == [True] + [False] * (len(rows) - 1)
        assert sum(int(column.get(f"{W}w") or 0) for column in table.iter(f"{W}gridCol")) <= 11_906 - 2 * 1134


def test_a_table_with_too_many_columns_becomes_a_list_of_names_and_values() -> None:
    document = answered(
        "|" + "".join(f" n{at} |" for at in range(13)) + "\n|" + "---|" * 13 + "\n|" + "".join(f" v{at} |" for at in range(13))
    )
    assert not list(document.iter(f"{W}tbl"))
    assert "n12: v12" in [said(one) for one in document.iter(f"{W}p")]


def test_two_tables_that_touch_stay_two() -> None:
    body = answered("|a|\n|-|\n|1|\n\n|b|\n|-|\n|2|").find(f"{W}body")
    assert body is not None
    kinds = [child.tag for child in body]
    assert not any(one == next_one == f"{W}tbl" for one, next_one in pairwise(kinds))


# ---- formulas ----


def test_formulas_are_equations_and_a_broken_one_shows_its_source() -> None:
    document = answered("\\(\\frac{a}{b}\\) and \\(\\sqrt[3]{x}\\)\n\n$$\\sum_{i=1}^n x_i$$\n\n\\(x^\\)")
    assert len(list(document.iter(f"{M}oMath"))) == 3
    assert len(list(document.iter(f"{M}oMathPara"))) == 1
    assert said(document).count("x^") == 1


def made(tex: str) -> Element:
    from lxml import etree

    element = mathml(tex, "block")
    assert element is not None
    return ElementTree.fromstring(etree.tostring(omml(element)))


@pytest.mark.parametrize(
    "tex, structure",
    [
        ("\\frac{a}{b}", "f"), ("x^2", "sSup"), ("x_1", "sSub"), ("x_1^2", "sSubSup"), ("\\sqrt{x}", "rad"), ("\\hat{x}", "acc"),
        ("\\sum_{i}^{n} x", "nary"), ("\\left(\\frac{a}{b}\\right)", "d"), ("|x|", "d"), ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "m"),
        ("\\begin{cases}a&b\\\\c&d\\end{cases}", "m"), ("\\underbrace{x}_{n}", "groupChr"), ("\\overline{ab}", "bar"),
        ("\\boxed{x}", "borderBox"),
        ("\\binom{n}{k}", "f"), ("\\phantom{x}", "phant"),
    ],
)  # fmt: skip
def test_a_structure_of_a_formula_is_words_own(tex: str, structure: str) -> None:
    assert made(tex).find(f".//{M}{structure}") is not None


def test_a_bracket_that_is_closed_by_another_kind_or_never_holds_what_it_should() -> None:
    signs = made("\\left[0,1\\right)").find(f".//{M}dPr")
    assert signs is not None and [sign.get(f"{M}val") for sign in signs] == ["[", ")"]
    assert said(made("[0,1)")) == "[0,1)"
    assert made("[0,1)").find(f".//{M}d") is None
    open_one = made("\\begin{cases}a&b\\\\c\\end{cases}").find(f".//{M}dPr")
    assert open_one is not None and [sign.get(f"{M}val") for sign in open_one] == ["{", ""]


def test_a_sum_takes_the_whole_bracket_after_it() -> None:
    held = made("\\sum_{i} (x+1) y").find(f".//{M}nary/{M}e")
    assert held is not None and said(held) == "x+1" and held.find(f"{M}d") is not None


@pytest.mark.parametrize("tex", ["(" * 600 + "x" + ")" * 600, "(" * 1900, "∑" * 1900, "|" * 1900, "∑(" * 900])
def test_brackets_and_sums_without_end_are_an_equation_all_the_same(tex: str) -> None:
    element = mathml(tex)
    assert element is not None
    depth, around = 0, [omml(element)]
    while around:
        depth, around = depth + 1, [child for one in around for child in one]
    assert depth < 200


def test_rows_of_a_matrix_are_equally_long() -> None:
    rows = list(made("\\begin{matrix}1&2&3\\\\4\\end{matrix}").iter(f"{M}mr"))
    assert [len(row) for row in rows] == [3, 3]


def test_a_charge_is_a_word_and_not_half_of_a_sum() -> None:
    assert [run[0][0].tag for run in made("Ca^{2+}").iter(f"{M}r") if said(run) == "+"] == [f"{M}nor"]
    assert [run[0][0].tag for run in made("a+b").iter(f"{M}r") if said(run) == "+"] == [f"{M}sty"]


def test_letters_of_a_name_stand_together() -> None:
    assert [run.text for run in made("\\mathrm{CrCl}").iter(f"{M}t")] == ["CrCl"]


def test_an_equation_on_a_line_of_its_own_is_said_to_be_one() -> None:
    element = mathml("x", "block")
    assert element is not None and omml_block(element).tag == f"{M}oMathPara"


# ---- links ----


@pytest.mark.parametrize("name", EVERY)
def test_every_link_leads_to_a_place_that_is_there(name: str) -> None:
    document = part(written(name))
    places = [one.get(f"{W}name") or "" for one in document.iter(f"{W}bookmarkStart")]
    ids = [one.get(f"{W}id") for one in document.iter(f"{W}bookmarkStart")]
    assert len(set(places)) == len(places) and len(set(ids)) == len(ids)
    assert sorted(ids, key=str) == sorted((one.get(f"{W}id") for one in document.iter(f"{W}bookmarkEnd")), key=str)
    assert all(re.fullmatch(r"[A-Za-z]\w{0,39}", place, re.ASCII) for place in places)
    assert {one.get(f"{W}anchor") for one in document.iter(f"{W}hyperlink") if one.get(f"{R}id") is None} <= set(places)


def test_marks_lead_to_their_sources_and_sources_back_to_their_marks() -> None:
    one, document = sheet("awkward"), part(written("awkward"))
    ways = {link.get(f"{W}anchor") for link in document.iter(f"{W}hyperlink")}
    for entry in one.entries:
        for reference in entry.references:
            assert not reference.marks or reference.anchor.replace("-", "_") in ways
            assert {mark.replace("-", "_") for mark in reference.marks} <= ways


@pytest.mark.parametrize("name", EVERY)
def test_only_addresses_of_the_web_and_of_mail_are_led_to(name: str) -> None:
    outward = [one for one in part(written(name), "word/_rels/document.xml.rels") if one.get("TargetMode") == "External"]
    assert all(re.match(r"https?://|mailto:", one.get("Target") or "", re.IGNORECASE) for one in outward)
    assert all((one.get("Type") or "").endswith("/hyperlink") for one in outward)


# ---- headings, directions, the frame ----


@pytest.mark.parametrize("name", EVERY)
def test_headings_go_down_one_level_at_a_time(name: str) -> None:
    styles = [value(one, "pPr/pStyle") or "" for one in part(written(name)).iter(f"{W}p")]
    levels = [int(style[-1]) for style in styles if re.fullmatch(r"Heading\d", style)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_arabic_and_hebrew_run_to_the_left_and_their_tables_begin_at_the_right() -> None:
    document = part(written("right to left"))
    for words in (golden.ARABIC, golden.HEBREW):
        lines = [one for one in document.iter(f"{W}p") if said(one).startswith(words) and value(one, "pPr/pStyle") != "Look"]
        assert lines and all(one.find(f"{W}pPr/{W}bidi") is not None for one in lines)
        runs = [run for line in lines for run in line.iter(f"{W}r") if words[:5] in said(run)]
        assert runs and all(run.find(f"{W}rPr/{W}rtl") is not None for run in runs)
    assert document.find(f".//{W}tblPr/{W}bidiVisual") is not None


def test_the_programs_own_words_run_as_its_language_does() -> None:
    document = part(written("right to left"))
    for style in ("Warning", "Fact", "Heading1", "SmallPrint"):
        assert styled(document, style) and all(one.find(f"{W}pPr/{W}bidi") is None for one in styled(document, style))
    turned = part(write(replace(sheet("right to left"), direction="rtl", language="ar"), FILLED, TEMPLATE))
    assert all(one.find(f"{W}pPr/{W}bidi") is not None for one in styled(turned, "Warning"))
    assert turned.find(f".//{W}sectPr/{W}bidi") is not None


@pytest.mark.parametrize("options, size", [(FILLED, ("11906", "16838")), (Options(paper="letter"), ("12240", "15840"))])
def test_the_paper_is_the_one_that_was_chosen(options: Options, size: tuple[str, str]) -> None:
    page = part(written("awkward", options)).find(f".//{W}pgSz")
    assert page is not None and (page.get(f"{W}w"), page.get(f"{W}h")) == size


def test_each_page_has_its_number_and_what_made_it_and_from_the_second_on_the_title() -> None:
    one, file = sheet("awkward"), written("awkward")
    feet = [part(file, f"word/footer{at}.xml") for at in (1, 2)]
    for foot in feet:
        assert one.quiet in said(foot) and letters("Page 1 of 1") in letters(said(foot))
        assert [(field.get(f"{W}instr") or "").strip() for field in foot.iter(f"{W}fldSimple")] == ["PAGE", "NUMPAGES"]
    assert letters(said(part(file, "word/header1.xml"))) == letters(f"{one.title} {FILLED.patient}")
    assert said(part(written("awkward", Options()), "word/header1.xml")) == one.title
    assert not list(part(file).iter(f"{W}sdt")) and not any(list(foot.iter(f"{W}sdt")) for foot in feet)


def test_the_files_own_properties_are_short_and_say_when_the_conversation_changed() -> None:
    one: Sheet = replace(sheet("awkward"), title="long " * 100, changed_at=1_772_442_900_000)
    file = docx.Document(io.BytesIO(write(one, Options(author="x" * 300), TEMPLATE)))
    properties = file.core_properties
    assert len(properties.title) == len(properties.author) == 255
    assert properties.modified is not None and properties.modified.replace(tzinfo=None) == datetime(2026, 3, 2, 9, 15)
    assert properties.language == "en"


# ---- the template ----


def test_the_template_is_what_its_script_makes(tmp_path: Path) -> None:
    template.write(tmp_path / "made.docx")
    assert (tmp_path / "made.docx").read_bytes() == TEMPLATE.read_bytes()


@pytest.mark.parametrize("name", EVERY)
def test_every_style_and_list_that_is_used_is_in_the_template(name: str) -> None:
    file = written(name)
    there = {one.get(f"{W}styleId") for one in part(file, "word/styles.xml").iter(f"{W}style")}
    document = part(file)
    used = {one.get(f"{W}val") for kind in ("pStyle", "rStyle", "tblStyle") for one in document.iter(W + kind)}
    assert used <= there
    lists = {one.get(f"{W}numId") for one in part(file, "word/numbering.xml").iter(f"{W}num")}
    assert {str(number) for number, _ in numbers(document)} <= lists


# ---- LibreOffice ----


@pytest.fixture
def office() -> None:
    """LibreOffice, and poppler that reads what it shows."""
    if not shutil.which("soffice") or not shutil.which("pdftotext"):
        pytest.skip("LibreOffice or poppler is not installed")


def shown(file: bytes, folder: Path) -> str:
    """What LibreOffice shows of a file, as text on few lines."""
    (folder / "file.docx").write_bytes(file)
    home = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    office = ["soffice", home, "--headless", "--convert-to", "pdf", "--outdir", str(folder), str(folder / "file.docx")]
    subprocess.run(office, check=True, capture_output=True, timeout=180)
    read = subprocess.run(["pdftotext", "-layout", str(folder / "file.pdf"), "-"], check=True, capture_output=True, text=True)
    return re.sub(r"\s+", " ", read.stdout)


@pytest.mark.usefixtures("office")
def test_libreoffice_shows_lists_tables_sources_and_pages(tmp_path: Path) -> None:
    flat = shown(written("awkward"), tmp_path)
    assert re.search(r"1\. Measure the creatinine.*2\. Count back from the first cut.*3\. Tell the ward", flat)
    assert re.search(r"below 30 mL/min\s+72 h\s+≥ 24 h\s+\[1\], \[2\]", flat)
    assert "quotation found on page 12" in flat
    assert "AI draft: reviewed by" in flat
    pages = re.findall(r"Page (\d+) of (\d+)", flat)
    assert len(pages) >= 5 and {last for _, last in pages} == {str(len(pages))}


@pytest.mark.usefixtures("office")
def test_libreoffice_understands_every_formula(tmp_path: Path) -> None:
    formulas = ["<5", "= 7", "Na^+ - 24", "10\\%", "\\lim_{x\\to0} f", "\\mathrm{in}", "\\begin{matrix}1&2\\\\3\\end{matrix}", "\\sum",
                "\\left(\\frac{a}{(b)}\\right)"]  # fmt: skip
    one = sheet("demonstration")
    blocks = parse("\n\n".join(f"\\({tex}\\)" for tex in formulas))
    flat = shown(write(replace(one, entries=(replace(one.entries[1], blocks=blocks),)), FILLED, TEMPLATE), tmp_path)
    assert "¿" not in flat  # what it shows for what it does not understand
    assert all(re.search(words, flat) for words in ("< ?5", "= ?7", "lim", "10 ?%"))
