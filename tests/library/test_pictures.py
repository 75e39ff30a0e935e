"""Where quoted words stand on a page, against where they were drawn; and the pictures on which they are marked."""

import random
import zlib
from collections.abc import Sequence
from itertools import count, islice

import pytest

from med42_chat.errors import UnreadableFile
from med42_chat.library.boxes import SCALE, Box, marks
from med42_chat.library.documents import document_of
from med42_chat.library.pictures import Kept, fitting, render
from med42_chat.library.places import find
from med42_chat.records import Page
from tests.library import pdfs

WORDS = ("aspirin", "dose", "level", "sepsis", "renal", "hours", "before", "after", "patient", "ward", "nurse", "kidney", "infusion")
SIZE, LEADING, ACROSS = 9.0, 14.0, 0.6 * 9.0  # points; every letter of Courier is six tenths of its size wide
COLUMNS, TOP, LETTERS, LINES = (40.0, 320.0), 700.0, 44, 40
PAGE = (612.0, 792.0)

Rect = tuple[float, float, float, float]  # left, top, right, bottom in points from the upper left corner


class Printed:
    """A page of two columns of words in Courier, and where each letter of it stands."""

    def __init__(self, random: random.Random) -> None:
        self.lines: list[tuple[float, float, str]] = []
        numbers = count(100)
        for x in COLUMNS:
            for row in range(LINES):
                words = ""
                while len(words) < LETTERS - 14:
                    words += f"{random.choice(WORDS)} {next(numbers)} " if random.random() < 0.3 else f"{random.choice(WORDS)} "
                self.lines.append((x, TOP - LEADING * row, words.strip()))

    def pdf(self) -> bytes:
        drawn = b" ".join(b"1 0 0 1 %g %g Tm (%b) Tj" % (x, y, text.encode()) for x, y, text in self.lines)
        # The same number of bytes, so that the file's table of contents stays right.
        return pdfs.document([b"BT /F1 %g Tf %b ET" % (SIZE, drawn)]).replace(b"/Helvetica", b"/Courier  ")

    def quote(self, random: random.Random) -> tuple[str, list[Rect]]:
        """Some words in a row within a column, over up to four lines, and where they stand."""
        first = random.randrange(LINES - 4) + random.choice((0, LINES))
        chosen = self.lines[first : first + random.randint(1, 4)]
        starts = [at for at, letter in enumerate(chosen[0][2]) if at == 0 or chosen[0][2][at - 1] == " "]
        begin = random.choice(starts[: len(starts) // 2 + 1])
        ends = [
            at for at in range(1, len(chosen[-1][2]) + 1) if chosen[-1][2][at : at + 1] in ("", " ") and (len(chosen) > 1 or at > begin)
        ]
        end = random.choice(ends[-3:])
        parts = [(0, len(text)) for _, _, text in chosen]
        parts[0] = (begin, parts[0][1])
        parts[-1] = (parts[-1][0], end)
        words = " ".join(text[start:stop] for (_, _, text), (start, stop) in zip(chosen, parts, strict=True))
        rects = [_rect(x + start * ACROSS, y, (stop - start) * ACROSS) for (x, y, _), (start, stop) in zip(chosen, parts, strict=True)]
        return words, rects


def _rect(x: float, baseline: float, width: float) -> Rect:
    return x, PAGE[1] - baseline - 0.8 * SIZE, x + width, PAGE[1] - baseline + 0.2 * SIZE


def overlap(found: Sequence[Box], true: Sequence[Rect]) -> float:
    """What both cover, as a share of what either covers; counted in squares of a point."""

    def squares(rects: Sequence[Rect]) -> set[tuple[int, int]]:
        return {
            (x, y) for left, top, right, bottom in rects for x in range(round(left), round(right)) for y in range(round(top), round(bottom))
        }

    across, down = PAGE[0] / SCALE, PAGE[1] / SCALE
    here = squares([(box.left * across, box.top * down, box.right * across, box.bottom * down) for box in found])
    there = squares(true)
    return len(here & there) / len(here | there)


def shown(text: str) -> Page:
    """A page of one letter a column: its boxes are of no account, only that there are some."""
    edges = [[100 * at, 0, 100 * at + 90, 100] for at in range(len(text))]
    columns = b"".join(b"".join(edge[side].to_bytes(2, "little") for edge in edges) for side in range(4))
    return Page(1, text, zlib.compress(columns))


class TestMarks:
    @pytest.mark.parametrize("seed", range(10))
    def test_marks_stand_where_the_words_were_drawn(self, seed: int) -> None:
        chosen = random.Random(seed)
        printed = Printed(chosen)
        (page,) = document_of(printed.pdf(), "x.pdf").pages
        quotes = (printed.quote(chosen) for _ in count())
        once = ((words, true) for words, true in quotes if " ".join(page.text.split()).count(words) == 1)
        for words, true in islice(once, 5):
            assert overlap(marks(page, words), true) >= 0.5, words

    def test_words_that_stand_twice_are_not_marked(self) -> None:
        page = shown("Give 5 mg. Then give 5 mg again.")
        assert marks(page, "5 mg") == []

    def test_words_that_stand_twice_on_the_page_are_marked_where_their_passage_has_them_once(self) -> None:
        text = "Give 5 mg now. Then give 5 mg again."
        (box,) = marks(shown(text), "5 mg", 15, len(text))
        assert box.left == 100 * text.rindex("5 mg")

    def test_words_that_do_not_stand_there_are_not_marked(self) -> None:
        assert marks(shown("Give 5 mg."), "50 mg") == []

    def test_a_page_without_boxes_has_no_marks(self) -> None:
        assert marks(Page(None, "Give 5 mg."), "5 mg") == []

    def test_a_mark_is_one_box_for_each_line(self) -> None:
        page = shown("ab cd")
        assert marks(page, "ab cd") == [Box(0, 0, 490, 100)]


class TestPlaces:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("stop the amoxi-\ncillin today", "stop the amoxicillin today"),
            ("stop the amoxicillin today", "stop  the amoxi\u00adcillin\ntoday"),
            ("an e\ufb03cient \ufb01lter", "efficient filter"),
            ("Give \u201c5\u00a0mg\u201d \u2013 not more", 'give "5 mg" - not more'),
            ("20\u202fmg/kg", "20 mg/kg"),
        ],
    )
    def test_layout_makes_no_difference(self, text: str, words: str) -> None:
        place = find(text, words)
        assert place and text[slice(*place)].casefold().startswith(text[place[0]].casefold())

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("25 mg", "5 mg"),
            ("0.5 mg", "5 mg"),
            ("5 mg", "5 mcg"),
            ("1 5", "15"),
            ("15", "1 5"),
            ("do not stop", "do stop"),
            ("5.5 mg", "5"),
            ("5 mgs", "5 mg"),
            ("-5", "5,"),
            ("a", ""),
        ],
    )
    def test_every_letter_and_figure_has_to_stand_there_whole(self, text: str, words: str) -> None:
        assert find(text, words) is None

    def test_the_place_is_that_of_the_text_as_it_stands(self) -> None:
        text = "Never give amoxi-\ncillin twice."
        assert text[slice(*(find(text, "amoxicillin") or (0, 0)))] == "amoxi-\ncillin"


class TestPictures:
    def test_a_page_is_drawn_as_wide_as_asked_for(self) -> None:
        png = render(pdfs.letter(["One"], ["Two"]), 2, 900)
        assert png.startswith(b"\x89PNG") and int.from_bytes(png[16:20], "big") in (900, 901)

    @pytest.mark.parametrize(("data", "page"), [(pdfs.letter(["One"]), 2), (b"%PDF-1.4 nothing", 1), (b"", 1)])
    def test_a_page_that_is_not_there_is_said_in_words(self, data: bytes, page: int) -> None:
        with pytest.raises(UnreadableFile, match="cannot be shown"):
            render(data, page, 600)

    def test_the_words_are_under_their_marks(self) -> None:
        """Drawn with and without the words: where the pictures differ, there are the marks."""
        lines = ["Sepsis is treated within one hour.", "Blood cultures come first.", "Lactate is measured."]
        (page,) = document_of(pdfs.letter(lines), "x.pdf").pages
        (box,) = marks(page, "Blood cultures come first.")
        whole, without = (rows(render(pdfs.letter(text), 1, 600)) for text in (lines, [lines[0], "", lines[2]]))
        ink = [(x // 3, y) for y, pair in enumerate(zip(whole, without, strict=True)) for x in range(1800) if pair[0][x] != pair[1][x]]
        down = len(whole)
        assert min(x for x, _ in ink) >= box.left * 600 / SCALE - 2 and max(x for x, _ in ink) <= box.right * 600 / SCALE + 2
        assert min(y for _, y in ink) >= box.top * down / SCALE - 2 and max(y for _, y in ink) <= box.bottom * down / SCALE + 2

    def test_a_page_of_any_shape_makes_no_picture_without_end(self) -> None:
        long = pdfs.letter(["One"]).replace(b"[0 0 612 792]", b"[0 0 9 14000]")
        png = render(long, 1, 2600)
        assert int.from_bytes(png[16:20], "big") * int.from_bytes(png[20:24], "big") <= 17_000_000

    def test_there_are_few_widths(self) -> None:
        assert [fitting(width) for width in (1, 600, 601, 99_999)] == [600, 600, 900, 2600]


def rows(png: bytes) -> list[bytes]:
    """The lines of a picture that draw.py made: three bytes a point, no filter."""
    width, data = int.from_bytes(png[16:20], "big"), zlib.decompress(png[png.index(b"IDAT") + 4 :])
    return [data[at + 1 : at + 1 + 3 * width] for at in range(0, len(data), 3 * width + 1)]


def key(document: str) -> tuple[str, int, int]:
    return document, 1, 900


class TestKept:
    def test_a_picture_is_made_once(self) -> None:
        made: list[str] = []
        kept = Kept()
        assert [kept.get(key("a"), lambda: made.append("a") or b"x") for _ in range(3)] == [b"x"] * 3  # type: ignore[func-returns-value]
        assert made == ["a"]

    def test_the_oldest_goes_when_there_are_too_many(self) -> None:
        kept, made = Kept(most_bytes=10), count()
        for name in ("a", "b", "a", "c", "a", "b"):
            kept.get(key(name), lambda: b"12345" if next(made) >= 0 else b"")
        assert next(made) == 4  # a, b, c, and b again

    def test_those_of_one_document_are_forgotten_and_their_room_is_free(self) -> None:
        kept, made = Kept(most_bytes=10), count()
        for name in ("a", "b"):
            kept.get(key(name), lambda: b"12345")
        kept.forget("a")
        for name in ("b", "c", "b", "a"):
            kept.get(key(name), lambda: b"12345" if next(made) >= 0 else b"")
        assert next(made) == 2  # c and a: b was kept all the time
