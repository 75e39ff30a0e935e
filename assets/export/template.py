"""Makes template.docx, from which exported Word files take their look: `make template`.

The file can as well be edited in Word, and a department's own then stays as it is: nothing runs this script but that command. What the
program needs in it: the styles named below, the lists 'bullets' and 'numbers', and in heads and feet content controls with
the tags 'title', 'quiet' and 'page'.
"""

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

INK, MUTED, ACCENT, LINE = "14222A", "4D5F69", "0A625C", "C3D0D3"
SUNKEN, WARN, WARN_SOFT, WARN_LINE, GOOD = "EDF2F2", "6B4700", "FDF2D8", "C8901C", "1F7A4D"
TEXT, CODE = "Calibri", "Consolas"

NAMES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"


@dataclass(frozen=True)
class Style:
    """A paragraph style. Sizes in half points; spaces and indents in twentieths of a point."""

    id: str
    name: str
    size: int = 21
    colour: str = INK
    bold: bool = False
    italic: bool = False
    font: str = ""
    before: int = 0
    after: int = 120
    left: int = 0
    right: int = 0
    hanging: int = 0
    tab: int = 0
    line: int = 0
    shade: str = ""
    bar: str = ""  # colour of a bar at its beginning
    below: str = ""  # colour of a line below it
    above: str = ""
    outline: int | None = None
    next: str = ""
    keeps: bool = False
    tight: bool = False
    align: str = ""


def heading(level: int, size: int, before: int, colour: str = INK) -> Style:
    name = f"heading {level}"
    return Style(f"Heading{level}", name, size, colour, bold=True, before=before, after=60, outline=level - 1, next="BodyText", keeps=True)


STYLES = [
    Style("Title", "Title", 40, ACCENT, bold=True, after=160, line=216, next="BodyText", keeps=True),
    Style("BodyText", "Body Text"),
    Style("ListParagraph", "List Paragraph", after=50),
    Style("Heading1", "heading 1", 26, ACCENT, bold=True, before=320, after=20, outline=0, next="BodyText", keeps=True),
    heading(2, 23, 220),
    heading(3, 22, 180),
    heading(4, 21, 160),
    heading(5, 21, 140, MUTED),
    heading(6, 21, 140, MUTED),
    Style("Fact", "Fact", 19, after=30, left=2600, hanging=2600, tab=2600),
    Style("Warning", "Warning", 20, WARN, bold=True, before=200, after=200, left=170, right=170, shade=WARN_SOFT, bar=WARN_LINE),
    Style("Pinned", "Pinned facts", 20, left=170, right=170, shade=SUNKEN, bar=MUTED),
    Style("Who", "Who and when", 18, MUTED, after=100, keeps=True, next="BodyText"),
    Style("Question", "Question", after=0, left=170, right=170, shade=SUNKEN, bar=ACCENT),
    Style("Quote", "Quote", before=60, colour=MUTED, left=360, bar=LINE),
    Style("CodeBlock", "Code block", 18, font=CODE, left=170, right=170, shade=SUNKEN, line=240),
    Style("Formula", "Formula", before=60, align="center"),
    Style("Rule", "Rule", 8, before=60, after=160, below=LINE),
    Style("TableText", "Table text", 19, after=0),
    Style("TableHead", "Table head", 19, bold=True, after=0, keeps=True),
    Style("AfterTable", "After a table", 8, after=80, line=120),
    Style("Note", "Note", 18, MUTED, before=40, after=40, left=170, bar=LINE),
    Style("Checked", "What was compared", 18, MUTED, before=80, after=40),
    Style("Label", "Label", 18, INK, bold=True, before=100, after=30, keeps=True),
    Style("Found", "Found", 18, GOOD, after=40, left=170, bar=GOOD),
    Style("Look", "To be looked at", 18, WARN, after=40, left=170, right=170, bar=WARN_LINE, shade=WARN_SOFT),
    Style("Source", "Source", 20, before=100, after=30, left=560, hanging=560, tab=560, keeps=True),
    Style("SourceQuote", "Quoted words", 19, MUTED, italic=True, after=30, left=730, bar=LINE, keeps=True),
    Style("SourceFound", "Status, found", 18, GOOD, bold=True, after=60, left=560),
    Style("SourceLook", "Status, to be looked at", 18, WARN, bold=True, after=60, left=560),
    Style("SourceNote", "Status", 18, MUTED, after=60, left=560),
    Style("Evidence", "Evidence", 16, MUTED, after=0, left=2600, right=170, hanging=2600, tab=2600, shade=SUNKEN),
    Style("Signature", "Signature", 22, bold=True, before=280, after=280, above=ACCENT, below=ACCENT),
    Style("SmallPrint", "Small print", 18, MUTED, after=80),
    Style("Header", "header", 16, MUTED, after=0, below=LINE),
    Style("Footer", "footer", 16, MUTED, after=0, above=LINE),
]
CODE_FONT = f'<w:rFonts w:ascii="{CODE}" w:hAnsi="{CODE}" w:cs="Courier New"/>'
CHARACTERS = {
    "Hyperlink": ("Hyperlink", f'<w:color w:val="{ACCENT}"/><w:u w:val="single"/>'),
    "Mark": ("Citation mark", f'<w:b/><w:bCs/><w:color w:val="{ACCENT}"/>'),
    "Code": ("Code", f'{CODE_FONT}<w:noProof/><w:shd w:val="clear" w:color="auto" w:fill="{SUNKEN}"/>'),
    "Name": ("Name", f'<w:b/><w:bCs/><w:color w:val="{INK}"/>'),
}


def switch(name: str, on: object) -> str:
    return f"<w:{name}/>" if on else ""


def border(side: str, colour: str, size: int = 4, space: int = 4) -> str:
    return f'<w:{side} w:val="single" w:sz="{size}" w:space="{space}" w:color="{colour}"/>' if colour else ""


def paragraph_properties(style: Style) -> str:
    sides = border("top", style.above) + border("left", style.bar, 18, 6) + border("bottom", style.below)
    line = f' w:line="{style.line}" w:lineRule="auto"' if style.line else ""
    indents = f'w:left="{style.left}" w:right="{style.right}"' + (f' w:hanging="{style.hanging}"' if style.hanging else "")
    return "".join([
        switch("keepNext", style.keeps),
        switch("keepLines", style.keeps),
        f"<w:pBdr>{sides}</w:pBdr>" if sides else "",
        f'<w:shd w:val="clear" w:color="auto" w:fill="{style.shade}"/>' if style.shade else "",
        f'<w:tabs><w:tab w:val="left" w:pos="{style.tab}"/></w:tabs>' if style.tab else "",
        f'<w:spacing w:before="{style.before}" w:after="{style.after}"{line}/>',
        f"<w:ind {indents}/>" if style.left or style.right else "",
        switch("contextualSpacing", style.tight),
        f'<w:jc w:val="{style.align}"/>' if style.align else "",
        f'<w:outlineLvl w:val="{style.outline}"/>' if style.outline is not None else "",
    ])  # fmt: skip


def run_properties(style: Style) -> str:
    return "".join([
        f'<w:rFonts w:ascii="{style.font}" w:hAnsi="{style.font}" w:cs="Courier New"/>' if style.font else "",
        switch("b", style.bold) + switch("bCs", style.bold),
        switch("i", style.italic) + switch("iCs", style.italic),
        switch("noProof", style.font),
        f'<w:color w:val="{style.colour}"/>',
        f'<w:sz w:val="{style.size}"/><w:szCs w:val="{style.size}"/>',
    ])  # fmt: skip


def paragraph_style(style: Style) -> str:
    following = f'<w:next w:val="{style.next}"/>' if style.next else ""
    return (
        f'<w:style w:type="paragraph" w:styleId="{style.id}"><w:name w:val="{style.name}"/><w:basedOn w:val="Normal"/>{following}'
        "<w:qFormat/>"
        f"<w:pPr>{paragraph_properties(style)}</w:pPr><w:rPr>{run_properties(style)}</w:rPr></w:style>"
    )


def styles() -> str:
    fonts = f'<w:rFonts w:ascii="{TEXT}" w:hAnsi="{TEXT}" w:eastAsia="Microsoft YaHei" w:cs="Arial"/><w:color w:val="{INK}"/>'
    sizes = '<w:sz w:val="21"/><w:szCs w:val="21"/><w:lang w:val="en-GB" w:eastAsia="zh-CN" w:bidi="ar-SA"/>'
    spacing = '<w:pPr><w:spacing w:after="120" w:line="264" w:lineRule="auto"/></w:pPr>'
    defaults = (
        f"<w:docDefaults><w:rPrDefault><w:rPr>{fonts}{sizes}</w:rPr></w:rPrDefault><w:pPrDefault>{spacing}</w:pPrDefault></w:docDefaults>"
    )
    base = (
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/></w:style>'
        '<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont"><w:name w:val="Default Paragraph Font"/></w:style>'
        '<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:tblPr>'
        '<w:tblInd w:w="0" w:type="dxa"/></w:tblPr></w:style>'
        '<w:style w:type="numbering" w:default="1" w:styleId="NoList"><w:name w:val="No List"/></w:style>'
    )
    characters = "".join(
        f'<w:style w:type="character" w:styleId="{id}"><w:name w:val="{name}"/><w:qFormat/><w:rPr>{look}</w:rPr></w:style>'
        for id, (name, look) in CHARACTERS.items()
    )
    return f"{HEAD}<w:styles {NAMES}>{defaults}{base}{''.join(map(paragraph_style, STYLES))}{characters}{table_style()}</w:styles>"


def table_style() -> str:
    lines = border("top", MUTED, 6, 0) + border("bottom", MUTED, 6, 0) + border("insideH", LINE, 4, 0)
    room = {"top": 40, "left": 85, "bottom": 40, "right": 85}
    margins = "".join(f'<w:{side} w:w="{size}" w:type="dxa"/>' for side, size in room.items())
    below, ground = border("bottom", MUTED, 6, 0), f'<w:shd w:val="clear" w:color="auto" w:fill="{SUNKEN}"/>'
    head = f"<w:tcPr><w:tcBorders>{below}</w:tcBorders>{ground}</w:tcPr>"
    return (
        '<w:style w:type="table" w:styleId="Table"><w:name w:val="Answer table"/><w:basedOn w:val="TableNormal"/><w:qFormat/>'
        f"<w:tblPr><w:tblBorders>{lines}</w:tblBorders><w:tblCellMar>{margins}</w:tblCellMar></w:tblPr>"
        f'<w:tblStylePr w:type="firstRow">{head}</w:tblStylePr></w:style>'
    )


def numbering() -> str:
    signs = "•◦▪"
    bullets = "".join(level(at, "bullet", signs[at % 3]) for at in range(9))
    numbers = "".join(level(at, "decimal", f"%{at + 1}.") for at in range(9))
    kinds = "".join(
        f'<w:abstractNum w:abstractNumId="{id}"><w:multiLevelType w:val="hybridMultilevel"/><w:name w:val="{name}"/>'
        f"{levels}</w:abstractNum>"
        for id, name, levels in ((0, "bullets", bullets), (1, "numbers", numbers))
    )
    return f"{HEAD}<w:numbering {NAMES}>{kinds}</w:numbering>"


def level(at: int, kind: str, text: str) -> str:
    look = f'<w:rPr><w:b w:val="0"/><w:i w:val="0"/><w:color w:val="{ACCENT}"/></w:rPr>'
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/><w:numFmt w:val="{kind}"/><w:lvlText w:val="{text}"/><w:lvlJc w:val="left"/>'
        f'<w:pPr><w:ind w:left="{360 * (at + 1)}" w:hanging="360"/></w:pPr>{look}</w:lvl>'
    )


def control(tag: str) -> str:
    """A place that the program fills. A designer may move it, or set it in another style."""
    return (
        f'<w:sdt><w:sdtPr><w:alias w:val="{tag}"/><w:tag w:val="{tag}"/><w:text/></w:sdtPr>'
        f"<w:sdtContent><w:r><w:t>{tag}</w:t></w:r></w:sdtContent></w:sdt>"
    )


def head_or_foot(kind: str, style: str, content: str) -> str:
    return f'{HEAD}<w:{kind} {NAMES}><w:p><w:pPr><w:pStyle w:val="{style}"/>{RIGHT}</w:pPr>{content}</w:p></w:{kind}>'


RIGHT = '<w:tabs><w:tab w:val="right" w:pos="9638"/></w:tabs>'
FOOT = f"{control('quiet')}<w:r><w:tab/></w:r>{control('page')}"
EMPTY_HEAD = f'{HEAD}<w:hdr {NAMES}><w:p><w:pPr><w:spacing w:after="0"/></w:pPr></w:p></w:hdr>'


def document() -> str:
    frame = "".join(
        f'<w:{kind}Reference w:type="{when}" r:id="{kind}{when}"/>' for kind in ("header", "footer") for when in ("default", "first")
    )
    return (
        f"{HEAD}<w:document {NAMES}><w:body><w:sectPr>{frame}"
        '<w:pgSz w:w="11906" w:h="16838"/>'
        '<w:pgMar w:top="1247" w:right="1134" w:bottom="1134" w:left="1134" w:header="567" w:footer="567" w:gutter="0"/>'
        "<w:titlePg/></w:sectPr></w:body></w:document>"
    )


def settings() -> str:
    return (
        f'{HEAD}<w:settings {NAMES}><w:zoom w:percent="100"/><w:defaultTabStop w:val="567"/><w:compat>'
        '<w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/></w:compat>'
        '<m:mathPr><m:mathFont m:val="Cambria Math"/><m:defJc m:val="left"/></m:mathPr></w:settings>'
    )


def relationships(rows: list[tuple[str, str, str]]) -> str:
    listed = "".join(f'<Relationship Id="{id}" Type="{kind}" Target="{target}"/>' for id, kind, target in rows)
    return f'{HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{listed}</Relationships>'


def content_types() -> str:
    kinds = {"document": "document.main", "styles": "styles", "numbering": "numbering", "settings": "settings"}
    kinds |= {f"header{at}": "header" for at in (1, 2)} | {f"footer{at}": "footer" for at in (1, 2)}
    listed = "".join(f'<Override PartName="/word/{name}.xml" ContentType="{WORD}.{kind}+xml"/>' for name, kind in kinds.items())
    return (
        f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>'
        '<Override PartName="/docProps/app.xml" ContentType="application/vnd.openxmlformats-officedocument.extended-properties+xml"/>'
        f"{listed}</Types>"
    )


CORE = (
    f'{HEAD}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title/><dc:creator/></cp:coreProperties>'
)
APP = (
    f'{HEAD}<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    "<Application>Med42 Chat</Application></Properties>"
)


def parts() -> dict[str, str]:
    """All files of the template, by their names in it."""
    package = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
    frame = [("headerdefault", "header1"), ("headerfirst", "header2"), ("footerdefault", "footer1"), ("footerfirst", "footer2")]
    within = [(f"{name}", f"{OFFICE}/{name}", f"{name}.xml") for name in ("styles", "numbering", "settings")]
    within += [(id, f"{OFFICE}/{target[:-1]}", f"{target}.xml") for id, target in frame]
    return {
        "[Content_Types].xml": content_types(),
        "_rels/.rels": relationships([
            ("document", f"{OFFICE}/officeDocument", "word/document.xml"),
            ("core", package, "docProps/core.xml"),
            ("app", f"{OFFICE}/extended-properties", "docProps/app.xml"),
        ]),
        "docProps/core.xml": CORE,
        "docProps/app.xml": APP,
        "word/document.xml": document(),
        "word/_rels/document.xml.rels": relationships(within),
        "word/styles.xml": styles(),
        "word/numbering.xml": numbering(),
        "word/settings.xml": settings(),
        "word/header1.xml": head_or_foot("hdr", "Header", control("title")),
        "word/header2.xml": EMPTY_HEAD,
        "word/footer1.xml": head_or_foot("ftr", "Footer", FOOT),
        "word/footer2.xml": head_or_foot("ftr", "Footer", FOOT),
    }  # fmt: skip


def write(path: Path) -> None:
    """Writes the template; the same bytes each time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts().items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("template.docx"))
