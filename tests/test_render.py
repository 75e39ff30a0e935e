"""Tree → HTML: what may come out, and that nothing else ever does."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from med42_chat.markup import Link, Paragraph, Text, clean, parse
from med42_chat.markup.render import blocks_html, to_html
from tests.constructs import CONSTRUCTS, HOSTILE

TAGS = """p h2 h3 h4 h5 h6 ul ol li blockquote pre code div table thead tbody tr th td hr em strong del a br math menclose mfrac mi mn
mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover"""
ATTRIBUTES = """dir class start role tabindex aria-label scope href title rel target data-source display stretchy fence form mathvariant
accent accentunder displaystyle scriptlevel movablelimits linethickness width lspace rspace minsize maxsize columnalign columnlines
rowlines notation"""
CLASSES = re.compile(r"cite|math|table|align-(?:left|center|right)|language-[a-z0-9+#-]+")
HREFS = re.compile(r"#source-\d+|https?://[!#-;=?-~]+|mailto:[!#-;=?-~]+", re.IGNORECASE)


class Page(HTMLParser):
    """Reads HTML and keeps what is in it; `check` refuses everything that is not on the lists above."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []
        self.titles: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS.split()
        for name, value in attrs:
            self.check(name, value or "")
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def check(self, name: str, value: str) -> None:
        assert name in ATTRIBUTES.split()
        if name in ("href", "title"):
            assert HREFS.fullmatch(value)
            self.titles.append(value)
        if name == "class":
            assert CLASSES.fullmatch(value)
        if name == "width":
            assert len(value) < 9

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment came out")

    handle_decl = handle_pi = unknown_decl = handle_comment


def shown(html: str) -> str:
    return "".join(Page(html).words)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_becomes_nothing_but_listed_tags_and_attributes(text: str) -> None:
    page = Page(to_html(parse(text, {1, 2})))
    assert all("evil.test" not in title for title in page.titles)


@pytest.mark.parametrize("text", [text for text in HOSTILE if not re.search(r"[\[&$\\]|```", text)])
def test_a_hostile_text_is_shown_letter_by_letter(text: str) -> None:
    letters = re.sub(r"[^A-Za-z\d]", "", clean(text))
    assert re.sub(r"[^A-Za-z\d]", "", shown(to_html(parse(text)))) == letters


@pytest.mark.parametrize("text", CONSTRUCTS.values(), ids=CONSTRUCTS.keys())
def test_every_construct_gives_listed_tags_in_balance(text: str) -> None:
    Page(to_html(parse(text)))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.one_of(st.sampled_from([*HOSTILE, *"<>\"'&[]()$\\`\n|"]), st.text(max_size=9)), max_size=6).map("".join))
def test_any_mixture_of_hostile_texts_gives_only_listed_tags(text: str) -> None:
    Page(to_html(parse(text, {1})))


def test_blocks_are_rendered_one_by_one() -> None:
    assert blocks_html("# A\n\nb") == ['<h2 dir="auto">A</h2>', '<p dir="auto">b</p>']


def test_a_citation_links_to_its_source() -> None:
    expected = '<p dir="auto">a <a class="cite" href="#source-2" data-source="2" aria-label="Source 2">2</a></p>'
    assert blocks_html("a [2]", {2}) == [expected]


def test_a_link_says_where_it_goes_and_tells_that_place_nothing() -> None:
    (html,) = blocks_html("[a](https://x.org/?a=b&c)")
    address = "https://x.org/?a=b&amp;c"
    assert html == f'<p dir="auto"><a href="{address}" title="{address}" rel="noopener noreferrer nofollow" target="_blank">a</a></p>'


def test_a_link_of_another_kind_in_a_tree_is_only_its_words() -> None:
    assert to_html((Paragraph((Link("javascript:alert(1)", (Text("a"),)),)),)) == '<p dir="auto">a</p>'


def test_a_table_can_be_reached_and_named() -> None:
    (html,) = blocks_html("|a|b|\n|-|-:|\n|1|2|")
    assert html.startswith(
        '<div class="table" role="group" tabindex="0" aria-label="Table"><table dir="ltr"><thead><tr><th scope="col" dir="auto">a'
    )
    assert '<td dir="auto" class="align-right">2</td>' in html


def test_tight_and_loose_lists_differ() -> None:
    assert blocks_html("3. a\n4. b") == ['<ol dir="ltr" start="3"><li dir="ltr">a</li><li dir="ltr">b</li></ol>']
    assert '<li dir="ltr"><p dir="auto">a</p></li>' in blocks_html("- a\n\n- b")[0]


@pytest.mark.parametrize(
    ("text", "container"),
    [("- تناول الدواء\n- second", "ul"), ("> ١ راحة", "blockquote"), ("| الدواء | dose |\n|---|---|\n| a | b |", "table")],
)
def test_an_arabic_block_that_holds_others_runs_from_the_right(text: str, container: str) -> None:
    assert f'<{container} dir="rtl">' in blocks_html(text)[0]


def test_each_item_of_a_mixed_list_runs_its_own_way() -> None:
    assert blocks_html("- الدواء\n- aspirin")[0] == '<ul dir="rtl"><li dir="rtl">الدواء</li><li dir="ltr">aspirin</li></ul>'


def test_code_keeps_its_lines_and_names_its_language() -> None:
    assert blocks_html("```C++\n<a>\n```") == ['<pre dir="ltr"><code class="language-c++">&lt;a&gt;\n</code></pre>']


def test_a_formula_becomes_mathml() -> None:
    (html,) = blocks_html(r"\[ \frac{(140 - a) \times w}{72 \times S_{Cr}} \]")
    assert html.startswith('<div class="math" dir="ltr"><math display="block">')
    assert "<mfrac>" in html and "<msub>" in html and "−" in html


@pytest.mark.parametrize("tex", [r"\frac{", r"\left( x", "{" * 40 + "x" + "}" * 40, r"\def\a{\a}\a", "x" * 1900 + r"\frac"])
def test_a_formula_that_cannot_be_made_is_shown_as_source(tex: str) -> None:
    assert shown(blocks_html(f"$$\n{tex}\n$$")[0]) == tex


def test_a_formula_that_is_too_long_is_shown_as_source() -> None:
    assert 'class="math">xx' in blocks_html("$$\n" + "x" * 2001 + "\n$$")[0]


def test_a_tag_in_a_formula_is_text() -> None:
    (html,) = blocks_html(r"\(\text{<img src=x onerror=1>}\)")
    assert "<mtext>&lt;img" in html


def test_headings_go_no_deeper_than_six() -> None:
    assert blocks_html("###### a") == ['<h6 dir="auto">a</h6>']
