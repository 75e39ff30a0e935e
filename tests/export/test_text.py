"""The sheet as Markdown, which reads back as the same words, and as plain text, which asks for no sign to be known."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from med42_chat.export import markdown, plain
from med42_chat.export.ascii import in_ascii
from med42_chat.export.commonmark import to_markdown
from med42_chat.export.sheet import Options
from med42_chat.markup import CodeBlock, Link, Paragraph, Text, Tree, clean, parse, plain_text
from tests.constructs import CONSTRUCTS, PIECES
from tests.export import golden
from tests.export.golden import SOURCES, Golden
from tests.export.sheets import answered, said, sheet

ALL = {**{name: make() for name, make in golden.everything().items() if name != "three hundred"}, **golden.hostile()}
PAPER = {name: sheet(one) for name, one in ALL.items()}
OPTIONS = Options()
# markdown-it-py takes half a minute for fifty thousand brackets.
READ = [name for name in PAPER if name not in ("open brackets", "rows without end", "more than is parsed")]


def again(tree: Tree) -> Tree:
    """A tree as it is read from the Markdown that was made of it."""
    return parse(to_markdown(tree, lambda number: f"[{number}]"), range(9))


def as_text(one: Golden, **options: bool) -> str:
    return plain.write(sheet(one), Options(**options))  # type: ignore[arg-type]


class TestMarkdown:
    @pytest.mark.parametrize("text", [text for name, text in CONSTRUCTS.items() if name != "setext heading of two lines"])
    def test_every_construct_reads_back_as_the_same_tree(self, text: str) -> None:
        tree = parse(text, range(9))
        assert again(tree) == tree

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from(PIECES), max_size=5).map("\n\n".join))
    def test_whatever_is_combined_no_word_is_lost_or_added(self, text: str) -> None:
        tree = parse(text, range(9))
        assert said(again(tree)) == said(tree)

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(st.text(st.sampled_from("ab1 \n-+*_`~#>|[](){}<>!&;:=.)\\$\"'"), max_size=40))
    def test_no_sign_that_somebody_typed_becomes_markdown(self, typed: str) -> None:
        tree: Tree = (Paragraph((Text(" ".join(typed.split())),)),) if typed.strip() else ()
        assert again(tree) == tree

    @pytest.mark.parametrize("name", READ)
    def test_another_reader_finds_every_word(self, name: str) -> None:
        """markdown-it-py is a reader that knows nothing of this program's dialect: formulas, and what of HTML is text."""
        made = markdown.write(PAPER[name], OPTIONS)
        read = MarkdownIt("commonmark", {"maxNesting": 200}).enable(["table", "strikethrough"]).render(made)
        shown = {*re.findall(r"\w+", re.sub(r"<[^>]*>", " ", read))}
        typed = {word for entry in PAPER[name].entries for word in re.findall(r"\w+", plain_text(entry.blocks)) if entry.role == "user"}
        assert typed <= shown

    @pytest.mark.parametrize("name", READ)
    def test_the_only_html_in_it_are_its_own_anchors(self, name: str) -> None:
        tokens = (
            MarkdownIt("commonmark", {"maxNesting": 200}).enable(["table", "strikethrough"]).parse(markdown.write(PAPER[name], OPTIONS))
        )
        assert not [token for token in tokens if token.type == "html_block"]
        inside = [child.content for token in tokens for child in token.children or () if child.type == "html_inline"]
        assert all(re.fullmatch(r'<a id="message-\d+(-source-\d+)?">|</a>', one) for one in inside)

    @pytest.mark.parametrize("name", PAPER)
    def test_its_ways_lead_to_its_anchors(self, name: str) -> None:
        made = markdown.write(PAPER[name], OPTIONS)
        anchors = re.findall(r'<a id="([^"]*)"></a>', made)
        assert len(anchors) == len(set(anchors))
        assert {way for way in re.findall(r"\]\(#([\w-]+)\)", made) if way.startswith("message")} <= set(anchors)

    def test_what_was_typed_is_readable_as_it_stands(self) -> None:
        made = markdown.write(sheet(answered("Yes.", question="K 4.1 - 5 mg/day\n- 37.5 °C <38, eGFR_2 & [1]")), OPTIONS)
        assert "reviewed by ____________________ on ____________________\n" in made
        assert "K 4.1 - 5 mg/day\\\n\\- 37.5 °C <38, eGFR_2 & [1]\n" in made

    def test_a_formula_that_would_be_live_elsewhere_is_code(self) -> None:
        made = markdown.write(sheet(answered("\\(\\text{<img src=x>}\\) \\([a](javascript:x)\\) \\(x_1\\)")), OPTIONS)
        assert "`\\text{<img src=x>}` `[a](javascript:x)` $x_1$" in made

    def test_a_mark_leads_to_its_source_and_the_source_back(self) -> None:
        made = markdown.write(sheet(answered("Stop it [1].", *SOURCES)), OPTIONS)
        assert "Stop it [[1]](#message-2-source-1)." in made
        assert '<a id="message-2-source-1"></a>[1] Northwater Hospital (invented).' in made and "[Back to the text](#message-2)" in made

    def test_a_links_words_cannot_end_the_link(self) -> None:
        tree: Tree = (Paragraph((Link("https://x.org/a(b)", (Text("a]b["),)),)),)
        assert again(tree) == tree

    def test_code_that_holds_a_fence_gets_a_longer_one(self) -> None:
        tree: Tree = (CodeBlock("md", "```\na\n````"), CodeBlock("", "~~~"))
        assert again(tree) == tree


class TestPlainText:
    @pytest.mark.parametrize("name", PAPER)
    def test_every_word_of_every_message_is_there(self, name: str) -> None:
        made = set(re.findall(r"\w+", plain.write(PAPER[name], OPTIONS)))
        told = {word for entry in PAPER[name].entries for word in re.findall(r"\w+", plain_text(entry.blocks))}
        assert told - made <= {str(number) for number in range(70)}  # a table without rows, a list's numbers

    @pytest.mark.parametrize("name", PAPER)
    def test_with_plain_letters_nothing_else_is_in_it(self, name: str) -> None:
        assert plain.write(PAPER[name], Options(ascii=True)).isascii()

    @pytest.mark.parametrize("name", PAPER)
    def test_it_holds_no_control_character_but_line_feeds(self, name: str) -> None:
        made = plain.write(PAPER[name], OPTIONS)
        assert clean(made) == made and "\t" not in made.replace(plain_tabs(name), "")

    def test_each_value_of_a_table_stands_with_its_name(self) -> None:
        made = as_text(answered("| Drug | Dose | |\n|---|---|---|\n| A | **5 mg** | [1] |\n| B | | x |", *SOURCES))
        assert "- Drug: A\n  Dose: 5 mg\n  [1]\n- Drug: B\n  x\n" in made

    def test_what_was_struck_out_is_not_read_as_meant(self) -> None:
        assert "Give [struck out: 50] 5 mg." in as_text(answered("Give ~~50~~ 5 mg."))

    def test_a_link_says_where_it_leads(self) -> None:
        made = as_text(answered("See [it](https://x.org/a) and <https://y.org> and <mailto:a@b.org>."))
        assert "See it <https://x.org/a> and https://y.org and mailto:a@b.org." in made

    def test_lists_keep_their_order_and_depth(self) -> None:
        made = as_text(answered("2. two\n   - a\n     - b\n3. three\n\n   more"))
        assert "2. two\n   - a\n     - b\n\n3. three\n\n   more" in made

    def test_a_paragraph_is_one_line_and_what_was_typed_keeps_its_own(self) -> None:
        made = as_text(answered("one\ntwo", question="  a\n\n\nb  c"))
        assert "\none two\n" in made and "\n  a\n\n\nb  c\n" in made

    def test_sources_stand_at_the_end_under_their_answer(self) -> None:
        made = as_text(answered("It says “stopped 48 hours before an operation” [1].", *SOURCES))
        assert made.index("Answer 1:\n[1] Northwater Hospital (invented).") > made.index("Built on: ")
        assert "    “stopped 48 hours before an operation”\n    quotation found on page 12" in made


def plain_tabs(name: str) -> str:
    """What may hold tabs: code, which keeps its own."""
    return "\t\ttab" if name == "fence left open" else "\x00"


class TestPlainLetters:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("≥ 5 µg, ≤ 3 μmol/L ± 2", ">= 5 mcg, <= 3 umol/L +/- 2"),
            ("4,5 × 10⁹/L, 10⁻⁶, m², x²⁺", "4,5 x 10^9/L, 10^-6, m^2, x^2+"),
            ("2½ tablets, ½ hour, 1⅓", "2 1/2 tablets, 1/2 hour, 1 1/3"),
            ("37.5 °C, 40° and 5‰, 37°C, ° (x) 30°.", "37.5 deg C, 40 deg and 5 per mille, 37 deg C, deg (x) 30 deg."),
            ("4·5 mmol · day", "4.5 mmol - day"),
            ("α-blocker, Δ 5, β₂, 5 \u2126, Ω", "alpha-blocker, Delta 5, beta2, 5 Ohm, Omega"),
            ("24–48 h — then “stop”…", '24-48 h  -  then "stop"...'),
            ("naïve Ångström Straße Łódź İstanbul Việt ﬁrst Ⅳ", "naive Angstrom Strasse Lodz Istanbul Viet first IV"),
            ("a ≠ b, a≠b, a =\u0338 b", "a not equal to b, a not equal to b, a not equal to b"),
            (
                "eGFR ≮ 30, ≯5, p ≰ 1, x <\u0338 2, a ∉ b, ≉ 4",
                "eGFR not < 30, not > 5, p not <= 1, x not < 2, a not [element of] b, not ~ 4",
            ),
            ("5㎍, 5㎎, 2㎕", "5mcg, 5mg, 2ul"),
            ("①5 mg, ⒈5, ⑴ 5, ❷5, ㉑ 5, 1\ufe0f\u20e35 mg, 2\u20e3 5", "(1) 5 mg, (1) 5, (1) 5, (2) 5, (21) 5, (1) 5 mg, (2) 5"),
            ("log₁₀5, 10²5, 7₂, CO₂", "log10 5, 10^2 5, 7_2, CO2"),
            ("٥ mg, ５ mg, १०", "5 mg, 5 mg, 10"),
            ("K ↑, Na ↓, A → B", "K (up), Na (down), A -> B"),
            ("💊 ☐ ✅", "[pill] [ ] (yes)"),
            ("ward\u200b\u00ad round\u00a05 mg", "ward round 5 mg"),
            ("\ufffd и ق", "? ? ?"),
            ("plain? 5 mg\n  x", "plain? 5 mg\n  x"),
        ],
    )
    def test_nothing_becomes_another_meaning(self, text: str, expected: str) -> None:
        assert in_ascii(text) == expected

    def test_that_letters_are_lost_is_said_first(self) -> None:
        assert as_text(answered("قرص"), ascii=True).startswith("Letters that have no plain form stand as ?")
        assert not as_text(answered("Is it so? ≥ 5 µg"), ascii=True).startswith("Letters")

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(st.text(max_size=40))
    def test_whatever_is_written_comes_out_in_ascii(self, text: str) -> None:
        assert in_ascii(text).isascii()
