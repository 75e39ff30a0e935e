"""References as a style file has them: lines that are known, and styles that are none, are broken, or mean harm."""

import io
import json
import time
from pathlib import Path
from typing import Any, get_args

import pytest

from med42_chat import styles
from med42_chat.errors import InputError
from med42_chat.export import child, record, style
from med42_chat.export.csl import written
from med42_chat.export.references import line
from med42_chat.export.sheet import Format, Options
from med42_chat.export.styled import AMA, Styled, styled, work
from med42_chat.records import Source
from tests.export import golden
from tests.export.sheets import WORDS

STYLES = Path(__file__).parent / "styles"
NUMBERED = (STYLES / "numbered.csl").read_text("utf-8")
AUTHOR_DATE = (STYLES / "author-date.csl").read_text("utf-8")

FULL = Source(1, "Metformin 500 mg and the eGFR", "t", 3, publisher="Northwater Hospital", date="2026-03-02", version="6.0")
BARE = Source(2, "Ward notes", "t")
ODD = Source(3, "Dose <b>&amp; time\x00?", "t", publisher="A & B", date="spring 2012")
MONTH = Source(4, "Delirium in adults", "t", publisher="A society", date="2025-11")


def with_layout(content: str, macros: str = "") -> str:
    """A sound style with this between its list's <layout> and </layout>."""
    return (
        f'<style xmlns="http://purl.org/net/xbiblio/csl" class="in-text" version="1.0"><info><title>T</title></info>{macros}'
        f'<citation><layout><text variable="title"/></layout></citation><bibliography><layout>{content}</layout></bibliography></style>'
    )


TITLE = '<text variable="title"/>'
ENDLESS = with_layout('<text macro="a"/>', f'<macro name="a">{TITLE}<text macro="a"/></macro>')
# Each macro writes the next one twice: a line of 2⁶⁰ titles.
GROWING = with_layout(
    '<text macro="m0"/>',
    "".join(f'<macro name="m{at}"><text macro="m{at + 1}"/><text macro="m{at + 1}"/></macro>' for at in range(60))
    + f'<macro name="m60">{TITLE}</macro>',
)
# The same without a word: only looking whether there is one takes for ever.
SILENT = GROWING.replace(TITLE, '<text value=""/>')

LAUGHS = "".join(f'<!ENTITY l{at + 1} "{f"&l{at};" * 10}">' for at in range(9))
BILLION = f'<?xml version="1.0"?><!DOCTYPE style [<!ENTITY l0 "ha">{LAUGHS}]>' + with_layout('<text value="&l9;"/>')
OUTSIDE = '<!DOCTYPE style [<!ENTITY file SYSTEM "file:///etc/passwd">]>' + with_layout('<text value="x">&file;</text>')


def lines(text: str, *sources: Source) -> list[str]:
    """What stands on the document for each source."""
    made = styled(WORDS, text, sources)
    return [made.lines.get(work(one)) or line(WORDS, one) for one in sources]


class TestLines:
    def test_a_numbered_style_writes_what_is_known_and_leaves_the_number_to_the_answer(self) -> None:
        assert lines(NUMBERED, FULL, BARE, MONTH) == [
            "Metformin 500 mg and the eGFR; Northwater Hospital; Version 6.0; March 2, 2026.",
            "Ward notes.",
            "Delirium in adults; A society; November 2025.",
        ]

    def test_a_style_by_author_and_date_has_who_published_it_for_an_author_once(self) -> None:
        assert lines(AUTHOR_DATE, FULL, BARE, MONTH) == [
            "Northwater Hospital (2026), ‘Metformin 500 mg and the eGFR’, v6.0.",
            "Ward notes (n.d.).",
            "A society (2025), ‘Delirium in adults’.",
        ]

    def test_a_title_is_text_and_a_date_of_another_kind_stands_as_it_is(self) -> None:
        assert lines(NUMBERED, ODD) == ["Dose <b>&amp; time\ufffd?; A & B; spring 2012."]

    @pytest.mark.parametrize("change", ['strip-periods="true"', 'text-case="uppercase"', 'text-case="lowercase"', 'quotes="true"'])
    def test_what_a_title_says_of_a_dose_is_never_changed(self, change: str) -> None:
        dose = Source(1, "Warfarin 2.5 mg, INR <4.5.", "t", version="2.10")
        asked = with_layout(f'<text variable="title" {change}/><text variable="version" prefix="; v" {change}/>')
        made = styled(WORDS, asked, [dose])
        assert not made.trouble and [
            one for one in made.lines.values() if "Warfarin 2.5 mg, INR <4.5" in one and "v2.10" in one.replace("“", "")
        ]

    def test_a_line_whose_title_is_changed_by_a_point_or_a_capital_is_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dose = Source(1, "Warfarin 2.5 mg.", "t")
        for said in ("Warfarin 25 mg.", "Warfarin 2.5 Mg.", "WARFARIN 2.5 MG.", "Warfarin 2 5 mg."):
            monkeypatch.setattr("med42_chat.export.styled.talk", lambda *parts, said=said: json.dumps([said]).encode())
            assert styled(WORDS, NUMBERED, [dose]).lines == {}
        monkeypatch.setattr("med42_chat.export.styled.talk", lambda *parts: b'["(Warfarin 2.5 mg), 2026."]')
        assert len(styled(WORDS, NUMBERED, [dose]).lines) == 1

    def test_no_style_means_the_programs_own_lines_and_no_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("med42_chat.export.styled.talk", None)
        assert styled(WORDS, "", [FULL]) is AMA and styled(WORDS, NUMBERED, []) is AMA

    @pytest.mark.parametrize("date", ["2026-02-30", "2026-00", "2026-13-01", "9999-99-99", "0000", "２０２６", "-5", "\x00"])
    def test_a_date_that_is_none_never_costs_the_line(self, date: str) -> None:
        made = styled(WORDS, NUMBERED, [Source(1, "Ward notes", "t", date=date)])
        assert not made.trouble and next(iter(made.lines.values())).startswith("Ward notes")


class TestThatFails:
    @pytest.mark.parametrize(
        "broken",
        [
            with_layout('<text macro="nowhere"/>'),
            with_layout(f'{TITLE}<text variable="title" font-style="bogus"/>'),
            with_layout(f'{TITLE}<date variable="issued" form="bogus"/>'),
            with_layout(f"{TITLE}<text macro=\"']|//*|x['\"/>"),
            with_layout(""),
            with_layout('<text value="Only these words"/>'),
            with_layout('<text variable="title" text-case="uppercase" strip-periods="true"/>' * 400),
            ENDLESS,
        ],
    )
    def test_a_line_that_cannot_be_written_is_the_programs_own_and_that_is_said(self, broken: str) -> None:
        made = styled(WORDS, broken, [FULL])
        assert dict(made.lines) == {}
        assert made.trouble == "The chosen style of references could not write 1 of 1: these are in the program’s own style (AMA)."

    def test_one_that_fails_leaves_the_others(self) -> None:
        picky = with_layout(f'{TITLE}<choose><if variable="issued"><text macro="nowhere"/></if></choose>')
        made = styled(WORDS, picky, [FULL, BARE])
        assert list(made.lines.values()) == ["Ward notes"] and "1 of 2" in made.trouble

    @pytest.mark.parametrize("hostile", [GROWING, SILENT])
    def test_a_style_that_takes_for_ever_is_ended(self, hostile: str) -> None:
        began = time.monotonic()
        made = styled(WORDS, hostile, [FULL], time_s=2.0)
        assert time.monotonic() - began < 30 and made.lines == {} and "1 of 1" in made.trouble

    def test_what_the_process_says_is_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for said in (b"", b"{}", b"[1]", b'["a", "b"]', b'["Ward notes\\u0000\\n' + b"x" * 3000 + b'"]', b"[" * 100_000, b"[NaN]"):
            monkeypatch.setattr("med42_chat.export.styled.talk", lambda *parts, said=said: said)
            assert styled(WORDS, NUMBERED, [BARE]).lines == {}
        monkeypatch.setattr("med42_chat.export.styled.talk", lambda *parts: b'["Ward\\nnotes \\u001b[31m"]')
        assert list(styled(WORDS, NUMBERED, [BARE]).lines.values()) == ["Ward notes \ufffd[31m"]

    def test_the_library_itself_may_raise_anything(self) -> None:
        assert written(with_layout('<text macro="nowhere"/>'), [{"id": "d0", "type": "report", "title": "x"}]) == [None]


UNFIT = {
    "no CSL style": "<html/>",
    "no XML in UTF-8": "\x00<style/>",
    "cut short": NUMBERED[:300],
    "no list of references": NUMBERED.replace("bibliography", "b"),
    "like another one": NUMBERED.replace("</info>", '<link rel="independent-parent" href="http://example.org/parent"/></info>'),
    "declares a type of document": BILLION,
    "larger than 1 MB": NUMBERED + " " * style.MOST_BYTES,
}


class TestThatIsNone:
    @pytest.mark.parametrize("why", UNFIT)
    def test_it_is_refused_when_it_is_chosen_in_plain_words(self, why: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=why) as refused:
            styles.keep(tmp_path, UNFIT[why].encode())
        assert refused.value.hint and list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        "data", [OUTSIDE.encode(), NUMBERED.encode("utf-16"), b"", b"\xff\xfe", "<style>é".encode("latin-1"), b"<" * 9999]
    )
    def test_no_file_is_read_for_it_and_nothing_but_utf_8_is_taken(self, data: bytes) -> None:
        with pytest.raises(InputError):
            style.read_style(data)

    def test_one_that_points_to_another_says_which(self) -> None:
        with pytest.raises(InputError) as refused:
            style.read_style(UNFIT["like another one"].encode())
        assert "http://example.org/parent" in refused.value.hint

    @pytest.mark.parametrize("why", UNFIT)
    def test_at_an_export_it_costs_no_document(self, why: str) -> None:
        made = styled(WORDS, UNFIT[why], [FULL])
        assert made.lines == {} and why in made.trouble and "AMA" in made.trouble


class TestThatIsKept:
    def test_it_is_there_until_it_is_forgotten(self, tmp_path: Path) -> None:
        assert styles.kept(tmp_path) == ""
        styles.keep(tmp_path, AUTHOR_DATE.encode())
        assert styles.kept(tmp_path) == AUTHOR_DATE
        assert style.title(style.read_style(styles.kept(tmp_path).encode())) == "Author and date, for tests"
        styles.forget(tmp_path)
        styles.forget(tmp_path)
        assert styles.kept(tmp_path) == ""

    def test_one_that_can_no_longer_be_read_is_no_style_and_no_end_of_exporting(self, tmp_path: Path) -> None:
        (tmp_path / styles.FILE).mkdir()
        assert "could not be used" in styled(WORDS, styles.kept(tmp_path), [FULL]).trouble


def exported(format: Format, csl: str, **options: Any) -> tuple[list[str], bytes]:
    """The notes on a document of the demonstration, and the document."""
    made = golden.demonstration()
    asked = record.request(record.Request(made.conversation, made.branch, Options(csl=csl, **options), format, "en"))
    said = b"".join(child.answer(io.BytesIO(asked)))
    *_, told = (json.loads(one) for one in said.splitlines() if one.startswith(b'{"size"'))
    return told["notes"], said[-told["size"] :]


class TestOnTheDocument:
    @pytest.mark.parametrize("format", get_args(Format))
    def test_every_format_is_made_with_a_style_and_with_one_that_is_none(self, format: Format) -> None:
        if format == "pdf":
            pytest.importorskip("typst")
        assert exported(format, NUMBERED)[0] == []
        notes, document = exported(format, "<html/>")
        assert document and notes == ([] if format == "json" else [styled(WORDS, "<html/>", [FULL]).trouble])

    def test_the_list_is_written_so_and_the_answers_marks_stay_numbers(self) -> None:
        text = exported("txt", NUMBERED)[1].decode()
        assert "[2] Delirium in adults; Northwater Hospital (invented); November 2025." in text

    def test_what_could_not_be_written_stands_at_its_head(self) -> None:
        notes, document = exported("txt", with_layout('<text macro="nowhere"/>'))
        assert notes and notes[0] in document.decode()
        assert "[2] Northwater Hospital (invented). Delirium in adults. November 2025." in document.decode()

    def test_without_sources_there_is_nothing_to_write(self) -> None:
        assert exported("txt", "<html/>", sources=False)[0] == []


def test_what_depends_on_nothing_else_is_one_work() -> None:
    assert work(FULL) == work(
        Source(9, "Metformin 500 mg\n and the eGFR ", "other", None, publisher="Northwater Hospital", date="2026-03-02", version="6.0")
    )
    assert Styled().trouble == ""
