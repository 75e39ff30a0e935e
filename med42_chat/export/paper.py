"""A conversation's branch → the sheet of what stands on paper. Pure: no I/O, and the same records give the same sheet.

Questions stand as they were typed; answers are the tree that the page shows, too. What an attached file says is never printed, nor
are the words of a passage that no answer names.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from med42_chat import __version__
from med42_chat.checks.told import cited, compared, is_amber, telling
from med42_chat.errors import InputError
from med42_chat.export.body import answer_body, question_body
from med42_chat.export.evidence import LAST, evidence_rows, imported_words
from med42_chat.export.excerpt import excerpt
from med42_chat.export.references import one_line, references
from med42_chat.export.sheet import Entry, Options, Row, Sheet, State
from med42_chat.export.styled import AMA, Styled
from med42_chat.markup import clean
from med42_chat.records import Conversation, Evidence, Finding, LeftOut, Message, Source
from med42_chat.words import Words

_NAMES = ("pinned", "references", "findings", "left_out", "evidence", "safe_use", "back", "struck", "unwritten")
_EXCERPT = 110  # characters of an answer by which a finding's place is recognised
_LOOKED_AT = 500  # characters of it that are read for these: Markdown's signs take room
_CELLS = re.compile(r" *\|[| ]*")  # between the cells of a table's row, which alone is no table

_ENDINGS = {
    "streaming": "export.unfinished",
    "length": "answer.ended_length",
    "stopped": "export.stopped",
    "interrupted": "answer.ended_interrupted",
    "failed": "answer.ended_failed",
}


def sheet_of(
    conversation: Conversation,
    branch: Sequence[Message],
    options: Options,
    words: Words,
    zone: tzinfo | None = None,
    styled: Styled = AMA,
) -> Sheet:
    """What is printed of a conversation: of `branch` all, or the messages that `options` names.

    Times are those of `zone`, or of this computer. `styled` are references in another style than AMA's. Raises InputError where none of
    the chosen messages is there.
    """
    return _Paper(conversation, branch, options, words, zone, styled).sheet()


def listed_sources(branch: Sequence[Message], options: Options) -> tuple[Source, ...]:
    """The sources that the lists of references will have."""
    printed = _printed(branch, options) if options.sources else ()
    return tuple(citation.source for message in printed for citation in cited(message))


def _printed(branch: Sequence[Message], options: Options) -> list[Message]:
    return [one for one in branch if not options.messages or one.id in options.messages]


class _Paper:
    """One document in the making. Messages are counted as in the whole branch, so that an extract has the same numbers."""

    def __init__(
        self,
        conversation: Conversation,
        branch: Sequence[Message],
        options: Options,
        words: Words,
        zone: tzinfo | None,
        styled: Styled,
    ) -> None:
        self._conversation, self._branch, self._options, self._words, self._zone = conversation, branch, options, words, zone
        self._printed, self._styled = _printed(branch, options), styled
        self._numbers = dict(_numbered(branch))
        self._headings = {one.id: self._heading(one) for one in branch}
        self._answers = {one.id for one in branch if one.role == "assistant"}

    def sheet(self) -> Sheet:
        words, head = self._words, self._conversation
        if not self._printed:
            raise InputError("There is no message to be exported.", "Choose at least one message of the conversation.")
        return Sheet(
            title=one_line(head.title) or words("list.untitled"),
            language=words.language,
            direction="rtl" if words.direction == "rtl" else "ltr",
            head=tuple(self._head()),
            pinned=clean(head.pinned_facts).strip(),
            entries=tuple(map(self._entry, self._printed)),
            warning=" ".join(self._warnings()),
            safe_use=tuple(words("export.safe_use").splitlines()),
            signature=words("export.signature"),
            quiet=words("export.quiet", program=f"Med42 Chat {__version__}"),
            page_of=words("export.page_of", page="{page}", pages="{pages}"),
            names={name: words(f"export.name_{name}") for name in _NAMES},
            changed_at=head.updated_at,
        )

    # ---- the head ----

    def _head(self) -> Iterator[Row]:
        words, options = self._words, self._options
        times = sorted(one.created_at for one in self._printed)
        yield Row(words("export.period"), self._period(times[0], times[-1]))
        if len(self._printed) < len(self._branch):
            told = words("export.extract_of", some=len(self._printed), all=len(self._branch))
            yield Row(words("export.extract"), told)
        yield from self._origin()
        if self._styled.trouble:
            yield Row(words("export.references"), self._styled.trouble)
        for name, value in (("export.author", options.author), ("export.patient", options.patient)):
            if one_line(value):
                yield Row(words(name), one_line(value))
        models = dict.fromkeys(self._model(one.evidence) for one in self._printed if one.evidence and one.evidence.model)
        if models:
            yield Row(words("export.model"), "; ".join(models))

    def _origin(self) -> Iterator[Row]:
        """That what is printed came from a file, all of it or its beginning: nobody here saw what its sources are."""
        imported = [one for one in self._printed if one.imported_at]
        if imported:
            number = self._numbers[imported[-1].id][0] if imported != self._printed else None
            yield Row(self._words("export.origin"), imported_words(self._words, imported, number, self._zone))

    def _warnings(self) -> Iterator[str]:
        yield self._words("export.warning")
        if any(one.evidence and one.evidence.demonstration for one in self._printed):
            yield self._words("export.warning_demonstration")

    def _model(self, evidence: Evidence) -> str:
        model = one_line(evidence.model)
        return self._words("evidence.demonstration", model=model) if evidence.demonstration else model

    def _when(self, at: int) -> str:
        """'2026-03-02 09:15 (UTC+01:00)'."""
        return f"{self._time(at):%Y-%m-%d %H:%M} ({self._offset(at)})"

    def _period(self, first: int, last: int) -> str:
        begun, ended = f"{self._time(first):%Y-%m-%d %H:%M}", f"{self._time(last):%Y-%m-%d %H:%M}"
        if begun == ended:
            return self._when(first)
        if self._offset(first) != self._offset(last):  # the clocks were changed between
            return self._words("export.from_to", first=self._when(first), last=self._when(last))
        end = ended[11:] if begun[:10] == ended[:10] else ended
        return self._words("export.from_to", first=begun, last=f"{end} ({self._offset(last)})")

    def _time(self, at: int) -> datetime:
        # A time from an imported file may be any number; what no calendar has would end the export.
        return datetime.fromtimestamp(min(max(at, 0), LAST) // 1000, self._zone).astimezone(self._zone)

    def _offset(self, at: int) -> str:
        offset = self._time(at).strftime("%z")
        return "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"

    # ---- a message ----

    def _entry(self, message: Message) -> Entry:
        return self._question(message) if message.role == "user" else self._answer(message)

    def _heading(self, message: Message) -> str:
        number = str(self._numbers[message.id][0])
        return self._words("export.question" if message.role == "user" else "export.answer", number=number)

    def _question(self, message: Message) -> Entry:
        words = self._words
        anchor = self._numbers[message.id][1]
        body = question_body(words, message)
        attached = (words("export.attached", name=one_line(one.name)) for one in message.attachments)
        return Entry(
            anchor=anchor,
            role="user",
            heading=self._heading(message),
            who=words("export.asked"),  # by whom is not known: the author is whoever exports it
            when=self._when(message.created_at),
            blocks=body.blocks,
            notes=(*attached, *self._version(message), *body.notes),
        )

    def _answer(self, message: Message) -> Entry:
        words, options = self._words, self._options
        anchor = self._numbers[message.id][1]
        body = answer_body(words, message, options.sources)
        marks = tuple(f"{anchor}-mark-{at}" for at in range(len(body.cites)))
        named = tuple(zip(body.cites, marks, strict=True))
        listed = references(words, message, anchor, named, self._styled) if options.sources else ()
        evidence = message.evidence if options.evidence else None
        return Entry(
            anchor=anchor,
            role="assistant",
            heading=self._heading(message),
            who=self._who(message.evidence),
            when=self._when(message.created_at),
            blocks=body.blocks,
            marks=marks,
            notes=(*self._answer_notes(message), *body.notes),
            checked=" · ".join(part.text for part in compared(words, message)),
            findings=tuple(_to_look_at(message)),
            left_out=tuple(self._unseen(one) for one in evidence.left_out) if evidence else (),
            references=listed,
            evidence=evidence_rows(words, message, self._conversation.pinned_facts) if evidence else (),
        )

    def _who(self, evidence: Evidence | None) -> str:
        if evidence and evidence.basis == "nothing":
            return self._words("export.program_said")
        return self._model(evidence) if evidence and evidence.model else self._words("answer.the_model")

    def _answer_notes(self, message: Message) -> Iterator[str]:
        words, evidence = self._words, message.evidence
        if evidence and evidence.demonstration:
            yield words("answer.demonstration")
        if message.status in _ENDINGS:
            yield words(_ENDINGS[message.status])
        yield from self._version(message)
        yield from filter(None, map(one_line, evidence.notes if evidence else ()))
        if message.citations and not self._options.sources:
            yield words("export.no_sources")

    def _version(self, message: Message) -> Iterator[str]:
        if len(message.versions) > 1 and message.id in message.versions:
            place = message.versions.index(message.id) + 1
            yield self._words("export.version_of", number=place, total=len(message.versions))

    def _unseen(self, item: LeftOut) -> str:
        """By its number where it is a message of this branch: its words may not be among those that were chosen."""
        words = self._words
        tokens = words("meter.tokens", n=item.tokens)
        # Of a question that no model answered, the program's own words are left out as well: they are no question.
        asked = item.reason == "unanswered" and item.id not in self._answers
        apart = "export.unseen_apart" if item.reason == "apart" else "export.unseen"
        name = "export.unseen_unanswered" if asked else apart
        return words(name, what=self._named(item), tokens=tokens)

    def _named(self, item: LeftOut) -> str:
        if item.kind == "source":
            return self._words("export.unseen_source", number=item.id, title=one_line(item.preview))
        return self._headings.get(item.id) or f"“{one_line(item.preview)}”"


def _numbered(branch: Sequence[Message]) -> Iterator[tuple[str, tuple[int, str]]]:
    """Of each message the number of its question, and its anchor."""
    questions = 0
    for place, message in enumerate(branch, 1):
        questions += message.role == "user"
        yield message.id, (questions, f"message-{place}")


def _to_look_at(message: Message) -> Iterator[tuple[State, str]]:
    """What a person should look at first, each with the words of the answer that it is about, once."""
    lines = [_line(message, one) for one in telling(message) if is_amber(one)]
    yield from (("look", line) for line in dict.fromkeys(lines))


def _line(message: Message, finding: Finding) -> str:
    """'“5 mg” does not stand in source 2.', with the words it is about in front where it does not begin with them."""
    about, told = message.text[finding.start : finding.end][:_LOOKED_AT], one_line(finding.words)
    shown = _CELLS.sub(" · ", excerpt(about).strip(" |"))
    if not shown or told.startswith(f"“{one_line(about)}"):
        return told
    return f"“{_cut(shown)}”: {told}"


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT].rpartition(' ')[0] or text[:_EXCERPT]} …"
