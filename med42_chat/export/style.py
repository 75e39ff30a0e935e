"""A CSL style, the file that says how a reference is written, looked at before it is used.

A style is data from a stranger. Here it is only read as XML, without entities and without a network, and found to be one that writes a
list of references; what makes lines of it (csl.py) runs in a process of its own.
"""

from typing import TYPE_CHECKING

from med42_chat.errors import InputError
from med42_chat.markup import clean

if TYPE_CHECKING:
    from lxml.etree import _Element

MOST_BYTES = 1_000_000  # the largest that are published have a third of that
NAMESPACE = "{http://purl.org/net/xbiblio/csl}"
_LONGEST_TITLE = 100
_HINT = "Take a style's .csl file as it was published, for instance from the Zotero Style Repository."


def read_style(data: bytes) -> "_Element":
    """The style's root. Raises InputError for what is no style, or one that can write no list of references."""
    if len(data) > MOST_BYTES:
        raise InputError(f"The style file is larger than {MOST_BYTES // 1_000_000} MB.", _HINT)
    root = _parsed(data)
    if root.tag != f"{NAMESPACE}style":
        raise InputError("The file is no CSL style.", _HINT)
    if parent := _parent(root):
        raise InputError("This style only says that it is like another one.", f"Take that style's file: {parent}")
    if root.find(f"{NAMESPACE}bibliography/{NAMESPACE}layout") is None:
        raise InputError("This style has no list of references.", "Take a style with one; a style for notes only has none.")
    return root


def title(root: "_Element") -> str:
    """What the style calls itself."""
    return " ".join(clean(root.findtext(f"{NAMESPACE}info/{NAMESPACE}title") or "").split())[:_LONGEST_TITLE]


def _parsed(data: bytes) -> "_Element":
    from lxml import etree

    # Only what declares a document type can declare entities, which may name files or grow without end. No style needs one.
    if b"<!DOCTYPE" in data:
        raise InputError("The style file declares a type of document of its own, which no style needs.", _HINT)
    if b"\0" in data:  # UTF-16, in which that would be written otherwise
        raise InputError("The style file is no XML in UTF-8.", _HINT)
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise InputError("The style file is no XML in UTF-8, or was cut short.", _HINT) from error


def _parent(root: "_Element") -> str:
    """The style that a dependent one points to; empty for one that stands by itself."""
    links = root.iterfind(f"{NAMESPACE}info/{NAMESPACE}link")
    return next((" ".join(str(link.get("href", "")).split()) for link in links if link.get("rel") == "independent-parent"), "")
