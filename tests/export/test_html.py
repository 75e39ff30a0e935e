"""Exported HTML files: what may be in them, that they say what the page says, and what a browser makes of them."""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from med42_chat.export import record
from med42_chat.export.html import write
from med42_chat.export.narrow import MOST_COLUMNS, narrow
from med42_chat.export.sheet import Options
from med42_chat.markup import CodeBlock, List, Paragraph, Quote, Table, inline_text, parse, plain_text
from med42_chat.markup.render import to_html
from tests.browser.axe import violations
from tests.export import golden
from tests.export.papers import ASSETS, EVERY, FILLED, conversation, expected, letters, sheet

CSS = (ASSETS / "export" / "export.css").read_text("utf-8")
TAGS = """html head meta title style body header main section article footer h1 h2 h3 h4 h5 h6 p div span a dl dt dd ul ol li blockquote
pre code em strong del br hr table thead tbody tr th td math mrow mi mn mo mtext mspace mfrac msqrt mroot msub msup msubsup munder mover
munderover mtable mtr mtd mstyle mpadded mphantom menclose"""
ATTRIBUTES = """lang dir charset http-equiv content name class id href role aria-label aria-hidden tabindex scope start title rel target
display stretchy fence form mathvariant accent displaystyle scriptlevel movablelimits linethickness width lspace rspace minsize maxsize
columnalign notation"""
BEFORE = re.compile(r"<(?:section|p) class=\"(?:note|checked|findings|left-out|evidence)")


@cache
def written(name: str, options: Options = FILLED) -> str:
    return write(sheet(name, options), options, CSS)


class Document(HTMLParser):
    """Reads a file and keeps what is in it: its words, its tags with their attributes, what it names and where it leads."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "br", "hr"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        elif "body" in self._open:
            self.words.append(data)

    def all(self, attribute: str) -> list[str]:
        return [values[attribute] for _, values in self.tags if attribute in values]


@pytest.mark.parametrize("name", EVERY)
def test_every_letter_of_the_sheet_stands_in_the_file_once_and_in_its_order(name: str) -> None:
    one = sheet(name)
    assert letters("".join(Document(written(name)).words)) == expected(one) + letters(one.quiet)


@pytest.mark.parametrize("name", EVERY)
def test_nothing_but_listed_tags_and_attributes_come_out_and_nothing_is_fetched(name: str) -> None:
    document = Document(written(name))
    assert {tag for tag, _ in document.tags} <= set(TAGS.split())
    assert {attribute for _, values in document.tags for attribute in values} <= set(ATTRIBUTES.split())
    assert all(re.match(r"#[\w-]+$|https?://|mailto:", href, re.IGNORECASE) for href in document.all("href"))
    assert not re.search(r"url\(|@import|image-set|src:", document.style)
    written(name).encode()  # a lone half of a character would end the export here


@pytest.mark.parametrize("name", EVERY)
def test_every_link_leads_to_a_place_that_is_there_once(name: str) -> None:
    document = Document(written(name))
    places = document.all("id")
    assert len(set(places)) == len(places)
    assert {href[1:] for href in document.all("href") if href.startswith("#")} <= set(places)


def test_marks_lead_to_their_sources_and_sources_back_to_their_marks() -> None:
    hrefs = set(Document(written("awkward")).all("href"))
    for entry in sheet("awkward").entries:
        for reference in entry.references:
            assert not reference.marks or f"#{reference.anchor}" in hrefs
            assert {f"#{mark}" for mark in reference.marks} <= hrefs


@pytest.mark.parametrize("name", EVERY)
def test_headings_go_down_one_level_at_a_time(name: str) -> None:
    levels = [int(tag[1]) for tag, _ in Document(written(name)).tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_browser_is_told_to_take_this_style_and_nothing_else() -> None:
    document = Document(written("awkward"))
    policy = next(values["content"] for _, values in document.tags if values.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(document.style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_same_conversation_gives_the_same_file() -> None:
    assert write(sheet("awkward"), FILLED, CSS) == written("awkward")


def test_a_title_cannot_end_the_string_or_the_style_that_it_stands_in() -> None:
    file = write(replace(sheet("demonstration"), title='"; } </style><script>x</script> \\'), FILLED, CSS)
    document = Document(file)
    assert "script" not in {tag for tag, _ in document.tags}
    assert "\\22 \\3b  \\7d  \\3c \\2f style\\3e " in document.style


def test_a_source_without_marks_has_no_way_back_and_one_with_several_has_them_numbered() -> None:
    one = sheet("awkward")
    names = {values["href"]: values["aria-label"] for _, values in Document(written("awkward")).tags if values.get("class") == "back"}
    for reference in (reference for entry in one.entries for reference in entry.references):
        numbered = [f"{one.names['back']} {at + 1}" for at in range(len(reference.marks))]
        assert [names[f"#{mark}"] for mark in reference.marks] == (numbered if len(numbered) > 1 else [one.names["back"]] * len(numbered))


def test_what_an_attached_file_says_is_not_in_it() -> None:
    assert "letter.pdf" in written("awkward")
    assert golden.CANARY not in written("awkward") and golden.CANARY_PASSAGE not in written("awkward")


def articles(file: str) -> Iterator[str]:
    """What is printed of each message's own words."""
    for article in re.findall(r"<article .*?</article>", file, re.DOTALL):
        yield BEFORE.split(article.partition('<div class="blocks">')[2])[0].removesuffix("</article>")


@pytest.mark.parametrize("name", ["awkward", "right to left", "two hundred", "three hundred"])
def test_page_and_paper_say_the_same_of_every_answer(name: str) -> None:
    one = conversation(name)
    branch = record.branch(one.conversation, one.messages)
    for message, entry, article in zip(branch, sheet(name).entries, articles(written(name)), strict=True):
        tree = parse(message.text, {citation.source.number for citation in message.citations})
        if message.role == "user" or isinstance(entry.blocks and entry.blocks[0], CodeBlock) or narrow(tree) != tree:
            continue
        page = "".join(Document(f"<body>{to_html(tree)}</body>").words)
        assert letters(re.sub(r"<[^>]*>", "", article)) == letters(re.sub(r"<[^>]*>", "", to_html(tree)))
        assert letters(page) == letters(plain_text(tree)) or "\\" in message.text


# ---- tables that are too wide ----


def wide(rows: int) -> Table:
    (table,) = parse("|" + " n [1] |" * 14 + "\n|" + "---|" * 14 + ("\n|" + " v [2] |" * 14) * rows, {1, 2})
    assert isinstance(table, Table)
    return table


def test_a_wide_tables_names_stand_once_with_their_marks_and_then_each_row_as_a_list() -> None:
    names, rows = narrow((wide(2),))
    assert isinstance(names, Paragraph) and inline_text(names.children) == " · ".join(["n [1]"] * 14)
    assert isinstance(rows, List) and rows.ordered and len(rows.items) == 2
    assert plain_text(rows.items[0].blocks).splitlines() == ["- n [1]: v [2]"] * 14


def test_a_wide_table_is_found_in_lists_and_quotes_and_one_without_rows_is_its_names() -> None:
    assert len(narrow((wide(0),))) == 1
    (quote,) = narrow((Quote((wide(1),)),))
    assert isinstance(quote, Quote) and [type(block) for block in quote.blocks] == [Paragraph, List]


def test_a_table_that_fits_stays_a_table() -> None:
    table = replace(wide(0), header=wide(0).header[:MOST_COLUMNS], alignments=("",) * MOST_COLUMNS)
    assert narrow((table,)) == (table,)


# ---- in a browser ----


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Opens files in a browser that writes down what it asked for and what it refused."""
    page = browser.new_context().new_page()
    page.asked, page.faults = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.faults.append(message.text))

    def show(name: str, options: Options = FILLED) -> Any:
        file = tmp_path / "file.html"
        file.write_text(written(name, options), "utf-8")
        page.goto(file.as_uri())
        return page

    yield show
    page.context.close()


def printed(page: Any, folder: Path) -> str:
    if not shutil.which("pdftotext"):
        pytest.skip("poppler is not installed")
    page.pdf(path=str(folder / "file.pdf"), prefer_css_page_size=True)
    read = subprocess.run(["pdftotext", "-layout", str(folder / "file.pdf"), "-"], check=True, capture_output=True, text=True)
    return read.stdout


@pytest.mark.browser
@pytest.mark.parametrize("name", ["awkward", "hostile: raw html", "hostile: remote image", "hostile: reference definitions"])
def test_a_browser_asks_for_the_file_alone_and_refuses_nothing_in_it(opened: Any, name: str) -> None:
    page = opened(name)
    page.wait_for_load_state("networkidle")
    assert len(page.asked) == 1 and page.asked[0].startswith("file:")
    assert page.faults == []
    assert page.evaluate("getComputedStyle(document.querySelector('.warning')).fontWeight") == "600"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out_of_a_file_in_light_or_dark(opened: Any, scheme: str) -> None:
    page = opened("awkward")
    page.emulate_media(color_scheme=scheme)
    assert violations(page) == []


@pytest.mark.browser
def test_a_dark_screen_shows_it_dark_and_paper_is_white(opened: Any) -> None:
    page = opened("awkward")
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == "rgb(21, 31, 38)"
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"


@pytest.mark.browser
@pytest.mark.parametrize("paper, size", [("a4", (595, 842)), ("letter", (612, 792))])
def test_printed_it_has_pages_with_numbers_on_the_chosen_paper(opened: Any, tmp_path: Path, paper: Any, size: tuple[int, int]) -> None:
    text = printed(opened("awkward", replace(FILLED, paper=paper)), tmp_path)
    pages = re.findall(r"Page (\d+) of (\d+)", text)
    assert len(pages) >= 4 and [int(number) for number, _ in pages] == list(range(1, len(pages) + 1))
    assert {last for _, last in pages} == {str(len(pages))}
    assert text.count("Built with Meta Llama 3") >= len(pages) and text.count("MRN 4711") == len(pages)
    told = subprocess.run(["pdfinfo", str(tmp_path / "file.pdf")], check=True, capture_output=True, text=True).stdout
    found = re.search(r"Page size:\s+([\d.]+) x ([\d.]+)", told)
    assert found and (round(float(found[1])), round(float(found[2]))) == size


@pytest.mark.browser
def test_a_list_keeps_its_numbers_where_an_item_runs_the_other_way(opened: Any, tmp_path: Path) -> None:
    assert re.search(r"2\.\s+Apixaban 5 mg", printed(opened("right to left"), tmp_path))


@pytest.mark.browser
def test_a_long_tables_head_is_printed_on_each_of_its_pages(opened: Any, tmp_path: Path) -> None:
    text = printed(opened("hostile: rows without end"), tmp_path)
    middle = text.split("\f")[-30]  # below the title of three hundred letters, of which one line is shown
    assert re.match(r"[^\n]*…\s+MRN 4711\s*\n\s*a\s+b\n", middle)
