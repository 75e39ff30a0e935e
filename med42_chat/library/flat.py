"""Files without pages: text, Markdown, HTML and DOCX, each to one sheet. Runs in the child process."""

import io
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

from med42_chat.library.formats import RAISED, Fault, HtmlLines, tidy
from med42_chat.library.sheets import Sheet

_HEADING_TAGS = {f"h{level}": level for level in range(1, 7)}
_MARK = "\ue000"  # before a heading's line, once for each level; of a private area, and taken out of the file's own words
_MOST_UNPACKED = 400_000_000  # bytes
_META = {"publisher": "publisher", "author": "publisher", "date": "date", "dcterms.modified": "date", "version": "version"}
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
# Of Word's font 'Symbol' what a dose may hang on. Anything else is shown as unknown: 'eGFR 30' must not come of 'eGFR ≥30'.
_SYMBOLS = {"A3": "≤", "B0": "°", "B1": "±", "B3": "≥", "B4": "×", "B7": "•", "B9": "≠", "BB": "≈", "AD": "↑", "AE": "→", "AF": "↓"}
_SYMBOLS |= {"61": "α", "62": "β", "67": "γ", "6D": "μ", "44": "Δ", "2D": "−"}
_UNKNOWN = "\ufffd"
_CORE = {"title": "dc:title", "date": "dcterms:modified", "version": "cp:version"}
_SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "cp": "http://schemas.openxmlformats.org/package/2006/metadata/core-properties",
}

Read = tuple[Sheet, dict[str, str]]  # and what the file says of itself


# Text and Markdown


def markdown(text: str) -> Read:
    """Headings by '#' or underlined; rows of a table line by line; what stands between '---' at the beginning is about the document."""
    sheet = Sheet(None)
    fenced = False
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        if not fenced:
            lines = list(_without_headings(lines, sheet))
        fenced ^= sum(line.lstrip().startswith(("```", "~~~")) for line in lines) % 2 == 1
        if any(line.strip() for line in lines):
            _add_lines(sheet, lines)
    return sheet, {}


def _without_headings(lines: list[str], sheet: Sheet) -> Iterator[str]:
    """The block's lines after its headings, which go into the sheet."""
    while lines:
        marked = re.match(r" {0,3}(#{1,6})\s+(.+?)\s*#*$", lines[0])
        underlined = re.match(r" {0,3}(=|-)\1{2,}\s*$", lines[1]) if len(lines) > 1 and lines[0].strip() and "|" not in lines[0] else None
        if marked:
            sheet.add(marked[2], level=len(marked[1]))
        elif underlined and not lines[0].startswith("---"):
            sheet.add(lines[0].strip(), level=1 if underlined[1] == "=" else 2)
        else:
            break
        lines = lines[2:] if underlined else lines[1:]
    yield from lines


def _add_lines(sheet: Sheet, lines: list[str]) -> None:
    """A block, or each line of it that is a table's row."""
    if all(line.count("|") > 1 or not line.strip() for line in lines):
        for line in lines:
            sheet.add(line.strip(), row=True)
    else:
        sheet.add("\n".join(lines))


# HTML


def html(text: str) -> Read:
    """What a reader would see, with its headings."""
    reader = _Headed()
    reader.feed(text.replace(_MARK, ""))
    reader.close()
    sheet = Sheet(None)
    for block in re.split(r"\n{2,}", tidy("".join(reader.pieces))):
        for heading, lines in _by_headings(block.split("\n")):
            if heading:
                sheet.add(" ".join(lines), level=heading)
            elif "".join(lines).strip():
                _add_rows_and_text(sheet, lines)
    head = _Head()
    head.feed(text)
    return sheet, head.said


def _by_headings(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    plain: list[str] = []
    for line in lines:
        level = len(line) - len(line.lstrip(_MARK))
        if level:
            yield 0, plain
            yield level, [line.strip(_MARK + " ")]
            plain = []
        else:
            plain.append(line)
    yield 0, plain


def _add_rows_and_text(sheet: Sheet, lines: list[str]) -> None:
    if all(" | " in line for line in lines if line.strip()):
        for line in filter(str.strip, lines):
            sheet.add(line, row=True)
    else:
        sheet.add("\n".join(lines).strip("\n"))


class _Headed(HtmlLines):
    """Marks headings."""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        super().handle_starttag(tag, attrs)
        if tag in _HEADING_TAGS:
            self.pieces.append(_MARK * _HEADING_TAGS[tag])


class _Head(HTMLParser):
    """Title, and what `meta` says of publisher, date and version."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: dict[str, str] = {}
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title" and "title" not in self.said
        if tag == "meta":
            given = {name: value or "" for name, value in attrs}
            name = _META.get(given.get("name", "").lower().removeprefix("dc."))
            if name:
                self.said[name] = given.get("content", "")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.said["title"] = self.said.get("title", "") + data

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False


# DOCX


def docx(data: bytes) -> Read:
    """Paragraphs, headings by their style, tables row by row, in the order of the document. Raises Fault."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > _MOST_UNPACKED:
                raise Fault("damaged")
            body = ElementTree.fromstring(packed.read("word/document.xml")).find(f"{_WORD}body")
            sheet, styles = Sheet(None), _heading_styles(packed)
            for part in (body, *_notes(packed)):
                for level, text in _word_blocks(part, styles) if part is not None else ():
                    sheet.add(text, level=max(0, level), row=level < 0)
            return sheet, _properties(packed)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, NotImplementedError, EOFError, RuntimeError, OSError):
        # RuntimeError and NotImplementedError are what zipfile says of a password and of packing that it does not know.
        raise Fault("damaged") from None


def _word_blocks(parent: ElementTree.Element, styles: dict[str, int]) -> Iterator[tuple[int, str]]:
    """Level and text of each paragraph; -1 for a table's row."""
    for child in parent:
        if child.tag == f"{_WORD}p":
            text = _word_text(child)
            if text:
                yield _level_of(child, styles), text
        elif child.tag == f"{_WORD}tbl":
            for row in child.iter(f"{_WORD}tr"):
                cells = [" ".join(map(_word_text, cell.iter(f"{_WORD}p"))) for cell in row.findall(f"{_WORD}tc")]
                if any(cells):
                    yield -1, " | ".join(cells)
        elif child.tag in (f"{_WORD}sdt", f"{_WORD}sdtContent"):
            yield from _word_blocks(child, styles)


def _notes(packed: zipfile.ZipFile) -> Iterator[ElementTree.Element]:
    """Footnotes and endnotes, which stand in files of their own; without the lines that set them off."""
    for name in ("word/footnotes.xml", "word/endnotes.xml"):
        if name in packed.namelist():
            yield from (note for note in ElementTree.fromstring(packed.read(name)) if not note.get(f"{_WORD}type"))


def _word_text(paragraph: ElementTree.Element) -> str:
    """Without what was deleted under change tracking, which has a tag of its own (delText)."""
    return " ".join("".join(_run_text(node) for node in paragraph.iter() if node.tag in (f"{_WORD}r", f"{_MATH}r")).split())


def _run_text(run: ElementTree.Element) -> str:
    pieces = {f"{_WORD}tab": " ", f"{_WORD}br": " ", f"{_WORD}cr": " ", f"{_WORD}noBreakHyphen": "-"}
    text = ""
    for node in run:
        if node.tag in (f"{_WORD}t", f"{_MATH}t"):
            text += node.text or ""
        elif node.tag == f"{_WORD}sym":
            code = node.get(f"{_WORD}char", "").upper()[-2:]
            text += _SYMBOLS.get(code, _UNKNOWN) if node.get(f"{_WORD}font") == "Symbol" else _UNKNOWN
        else:
            text += pieces.get(node.tag, "")
    align = run.find(f"{_WORD}rPr/{_WORD}vertAlign")
    return text.translate(RAISED) if align is not None and align.get(f"{_WORD}val") == "superscript" else text


def _level_of(paragraph: ElementTree.Element, styles: dict[str, int]) -> int:
    style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
    outline = paragraph.find(f"{_WORD}pPr/{_WORD}outlineLvl")
    if outline is not None and outline.get(f"{_WORD}val", "").isdigit():
        level = int(outline.get(f"{_WORD}val", "")) + 1
        return level if level <= len(_HEADING_TAGS) else 0
    return styles.get(style.get(f"{_WORD}val", ""), 0) if style is not None else 0


def _heading_styles(packed: zipfile.ZipFile) -> dict[str, int]:
    """Levels by the styles' ids, which are in the language of whoever made the file; their names are English."""
    if "word/styles.xml" not in packed.namelist():
        return {}
    levels = {"title": 1, **{f"heading {level}": level for level in range(1, 7)}}
    found: dict[str, int] = {}
    for style in ElementTree.fromstring(packed.read("word/styles.xml")).iter(f"{_WORD}style"):
        name = style.find(f"{_WORD}name")
        level = levels.get(name.get(f"{_WORD}val", "").lower(), 0) if name is not None else 0
        if level:
            found[style.get(f"{_WORD}styleId", "")] = level
    return found


def _properties(packed: zipfile.ZipFile) -> dict[str, str]:
    if "docProps/core.xml" not in packed.namelist():
        return {}
    root = ElementTree.fromstring(packed.read("docProps/core.xml"))
    return {name: root.findtext(path, "", _SPACES) for name, path in _CORE.items()}
