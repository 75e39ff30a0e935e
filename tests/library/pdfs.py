"""PDF files made by hand, byte by byte: whole ones, and the kinds that readers stumble over."""

import zlib
from collections.abc import Sequence

PICTURE = b"q 300 0 0 400 50 300 cm BI /W 2 /H 2 /CS /G /BPC 8 ID \x10\x80\x80\x10 EI Q"  # four grey points, drawn large


def letter(*pages: Sequence[str]) -> bytes:
    """A file with these lines on these pages, in Helvetica."""
    return document([text(lines) for lines in pages])


def text(lines: Sequence[str]) -> bytes:
    """A page's content: one line under the other."""
    shown = (line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)").encode("cp1252") for line in lines)
    return b"BT /F1 12 Tf 14 TL 50 700 Td " + b" ".join(b"(%b) Tj T*" % line for line in shown) + b" ET"


def document(contents: Sequence[bytes], encrypted: bool = False, packed: bool = False) -> bytes:
    """A file with a page for each content."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", _kids(len(contents)), font]
    for content in contents:
        objects += [_stream(content, packed), _page(len(objects) + 1)]
    if encrypted:
        objects.append(_lock())
    return _file(objects, b"/Encrypt %d 0 R /ID [<00> <00>]" % len(objects) if encrypted else b"")


def bomb(gigabytes: int) -> bytes:
    """A file of some megabytes with one page, whose content unpacks to so many GB of spaces."""
    packer = zlib.compressobj(9)
    blank = b" " * (1 << 24)
    packed = b"".join(packer.compress(blank) for _ in range(64 * gigabytes)) + packer.flush()
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(packed), packed)
    return _file([b"<< /Type /Catalog /Pages 2 0 R >>", _kids(1), b"null", stream, _page(4)])


def _kids(count: int) -> bytes:
    return b"<< /Type /Pages /Count %d /Kids [%b] >>" % (count, b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(count)))


def _page(content: int) -> bytes:
    font = b"/Resources << /Font << /F1 3 0 R >> >>"
    return b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %b /Contents %d 0 R >>" % (font, content)


def _stream(content: bytes, packed: bool) -> bytes:
    if packed:
        content = zlib.compress(content)
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(content), b"/Filter /FlateDecode" if packed else b"", content)


def _lock() -> bytes:
    """What stands in a file with a password that nobody knows."""
    return b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%b> /U <%b> >>" % (b"17" * 32, b"2a" * 32)


def _file(objects: Sequence[bytes], extra: bytes = b"") -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + table + b"trailer << /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, extra, len(out))
