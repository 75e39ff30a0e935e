"""Rows of GFM's tables."""

import re
from xml.etree.ElementTree import Element, SubElement

_DELIMITER = re.compile(r":?-+:?$")
_PIPE = re.compile(r"(?<!\\)\|")


def alignments(ruler: str) -> list[str]:
    """'left', 'right', 'center' or '' for each column of a delimiter row; nothing where it is none."""
    columns = [column.strip() for column in ruler.split("|")]
    inner = columns[1 if not columns[0] else 0 : -1 if not columns[-1] else None]
    if not all(_DELIMITER.match(column) for column in inner):
        return []
    names = {(False, False): "", (True, False): "left", (False, True): "right", (True, True): "center"}
    return [names[column[0] == ":", column[-1] == ":"] for column in inner]


def cells(row: str) -> list[str]:
    """The texts between the bars of a row; an escaped bar is a character."""
    texts = _PIPE.split(row.strip())
    texts = texts[1 if not texts[0] else 0 :]
    if texts and not texts[-1]:
        texts.pop()
    return [text.strip().replace("\\|", "|") for text in texts]


def add_row(table: Element, tag: str, texts: list[str]) -> None:
    """Adds a row of `tag` cells."""
    row = SubElement(table, "tr")
    for cell in texts:
        SubElement(row, tag).text = cell
