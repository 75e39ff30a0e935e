"""A conversation's messages as the HTML that the page shows. Pure; every text that comes from outside is escaped here.

An answer is a list of blocks (paragraph, list, table …), so that a growing answer replaces only its last ones. Parts of an
answer that change while it is written carry `data-part`: the stream fills them by name. What a reader can do with a message
carries `data-do`: assets/js/transcript.js knows what each means.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

from med42_chat.jobs import JobState
from med42_chat.markup import Heading, Paragraph, Tree, inline_text, outlined, parse, plain_text
from med42_chat.markup.render import PEN, Pen, block_html
from med42_chat.records import Attachment, Evidence, LeftOut, Message
from med42_chat.ui.findings import MarkingPen, bound, summary
from med42_chat.ui.gauges import figures
from med42_chat.words import Words

_LONG_QUESTION = 3000  # characters; a longer question is folded, so that a pasted letter does not bury its answer
_LONG_LINES = 30
_PREVIEW = 600  # characters of it that are shown
_PREVIEW_LINES = 8

_BOTTOM_LINE = 320  # characters: about three lines of the page
_DETAIL = 500  # characters below it from which on it can be folded away

_MARKS = re.compile(r"[*`#|]+")  # Markdown's, which only disturb in a line that recalls a message
_HEADINGS = 2  # the level at which an answer's begin: one below the answer's own
_LISTED = 5  # messages named one by one where they do not fit

_WHY = {"unanswered": "answer.never_answered", "apart": "answer.kept_apart"}
_ENDINGS = {
    "length": "answer.ended_length",
    "stopped": "answer.ended_stopped",
    "interrupted": "answer.ended_interrupted",
    "failed": "answer.ended_failed",
}


def turns(words: Words, messages: Iterable[Message], offers: bool = True) -> str:
    """A whole conversation, or a part of it; `offers` whether the model may be asked where no source answers."""
    return "".join(question(words, one) if one.role == "user" else answer(words, one, offers=offers) for one in messages)


def begun(words: Words, state: JobState) -> dict[str, object]:
    """A question and the answer that begins, and after which message they stand ("" for none)."""
    return {
        "after": state.question.parent_id or "",
        "message": state.answer.id,
        "html": question(words, state.question) + answer(words, state.answer),
    }


# ---- questions ----


def question(words: Words, message: Message) -> str:
    """What the person asked, exactly as typed, with what went with it."""
    attached = "".join(_attachment(words, one) for one in message.attachments)
    return (
        f'<article class="turn question" data-message="{escape(message.id)}"><h2 class="unseen">{words("answer.asked")}</h2>'
        f"{attached}{_typed(words, message.text)}{_question_tools(words, message)}</article>"
    )


def _typed(words: Words, text: str) -> str:
    whole = f'<div class="typed" dir="auto">{escape(text)}</div>'
    lines = text.splitlines()
    if len(text) <= _LONG_QUESTION and len(lines) <= _LONG_LINES:
        return whole
    beginning = "\n".join(lines[:_PREVIEW_LINES])[:_PREVIEW]
    return (
        f'<div class="typed beginning" dir="auto">{escape(beginning)} …</div>'
        f'<details class="long"><summary>{words("answer.show_all", n=len(text))}</summary>{whole}</details>'
    )


def _attachment(words: Words, attachment: Attachment) -> str:
    pages = f"{words('answer.pages', n=attachment.pages)} · " if attachment.pages else ""
    size = pages + words("answer.characters", n=len(attachment.text))
    return (
        f'<details class="attachment"><summary><i class="icon page"></i><b dir="auto">{escape(attachment.name)}</b> <small>{size}</small>'
        f'</summary><div class="typed" dir="auto">{escape(attachment.text)}</div></details>'
    )


def _question_tools(words: Words, message: Message) -> str:
    buttons = (("edit", "edit", "answer.edit"), ("copy", "copy", "answer.copy_question"), ("pin", "pin", "answer.pin"))
    icons = "".join(_icon(words, do, icon, name) for do, icon, name in buttons)
    return f'<footer class="tools">{_versions(words, message)}{icons}</footer>'


# ---- answers ----


def answer(words: Words, message: Message, problem: str = "", offers: bool = True) -> str:
    """One answer: its marks, its blocks with what the checks found, why it ended where it ended, and what can be done with it.

    `problem` is what went wrong, for an answer whose evidence does not say it; `offers` as for `turns`.
    """
    evidence = message.evidence
    return (
        f'<article class="turn answer" data-message="{escape(message.id)}" data-status="{message.status}">'
        f'<h2 class="unseen">{words("answer.answered", who=_who(words, evidence))}</h2>'
        f'<div data-part="mark">{mark(words, is_demonstration(evidence))}</div>'
        f'<div data-part="leftout">{left_out(words, evidence.left_out if evidence else ())}</div>'
        f'<div class="blocks">{_checked_blocks(words, message)}</div>{_checked(words, message, offers)}'
        f'<div data-part="live">{ending(words, message, problem)}</div>{_tools(words, message)}</article>'
    )


def _checked_blocks(words: Words, message: Message) -> str:
    numbers = [citation.source.number for citation in message.citations]
    if message.status == "streaming":
        return "".join(blocks(words, message.text, numbers))
    pen = MarkingPen(words, message)
    return bound("".join(blocks(words, message.text, numbers, pen)) + pen.rest())


def _checked(words: Words, message: Message, offers: bool) -> str:
    return "" if message.status == "streaming" else summary(words, message, offers)


def _who(words: Words, evidence: Evidence | None) -> str:
    if is_demonstration(evidence):
        return words("answer.the_demonstration")
    return escape(evidence.model) if evidence and evidence.model else words("answer.the_model")


def growing(text: str) -> str:
    """A text that is still being written, its last bold words closed: no asterisks stand there that vanish with the next word."""
    line = text[text.rfind("\n") + 1 :]
    if line.count("**") % 2 == 0 or text.count("\n```") % 2:
        return text
    return text.removesuffix("**") if line.endswith("**") else f"{text.rstrip(' *')}**"


def blocks(words: Words, text: str, sources: Sequence[int] = (), pen: Pen = PEN) -> list[str]:
    """The answer's top-level blocks, each in an element of its own that can be replaced alone.

    The last of those that say the bottom line is marked 'lead', and can fold what is below it, where that is long. Those before it
    are not marked: they would have to be sent again.
    """
    tree = outlined(parse(text, sources), _HEADINGS)
    lead = bottom_line(tree)
    made = [f'<div class="block{" lead" if at + 1 == lead else ""}">{block_html(block, pen)}</div>' for at, block in enumerate(tree)]
    if lead and len(text) - len(plain_text(tree[:lead])) >= _DETAIL:
        made[lead - 1] = made[lead - 1].removesuffix("</div>") + _fold(words, len(tree) - lead) + "</div>"
    return made


def bottom_line(tree: Tree) -> int:
    """How many of the first blocks say the answer in about three lines: a paragraph, with its heading and with the list that it
    announces. 0 while nothing stands below it, and where the beginning is something else.
    """
    first = 1 if tree and isinstance(tree[0], Heading) else 0
    paragraph = tree[first] if first < len(tree) else None
    if not isinstance(paragraph, Paragraph):
        return 0
    end = first + (2 if inline_text(paragraph.children).rstrip().endswith(":") else 1)
    return end if end < len(tree) and len(plain_text(tree[:end])) <= _BOTTOM_LINE else 0


def _fold(words: Words, hidden: int) -> str:
    shown, folded = words("answer.fold"), words("answer.unfold", n=hidden)
    names = f'data-shown="{escape(shown)}" data-folded="{escape(folded)}"'
    return f'<button type="button" class="fold" data-do="fold" aria-expanded="true" {names}>{shown}</button>'


def is_demonstration(evidence: Evidence | None) -> bool:
    """Whether the embedded model wrote this."""
    return evidence is not None and evidence.demonstration


def mark(words: Words, demonstration: bool) -> str:
    """The mark that no answer of the embedded model may lack."""
    return f'<p class="mark">{words("answer.demonstration")}</p>' if demonstration else ""


def ending(words: Words, message: Message, problem: str = "") -> str:
    """Why an answer is not complete, what went wrong, and how it can go on; empty for a complete one."""
    if message.status not in _ENDINGS:
        return ""
    kept = message.evidence.notes if message.evidence and message.status in ("failed", "interrupted") else ()
    notes = kept or ((problem,) if problem else ())
    detail = "".join(f"<p>{escape(note)}</p>" for note in notes)
    do, name = ("continue", "answer.continue") if message.text.strip() and message.status != "failed" else ("again", "answer.retry")
    button = f'<button type="button" data-do="{do}">{words(name)}</button>'
    return f'<div class="ending" data-kind="{message.status}"><div><p>{words(_ENDINGS[message.status])}</p>{detail}</div>{button}</div>'


def _tools(words: Words, message: Message) -> str:
    if message.status == "streaming":
        return ""
    copy = f'<button type="button" data-do="copy">{words("answer.copy")}</button>' if message.text else ""
    evidence = f'<button type="button" data-do="evidence">{words("answer.evidence")}</button>'
    again = _icon(words, "again", "again", "answer.again")
    more = _icon(words, "more", "dots", "answer.more", ' aria-haspopup="menu" aria-expanded="false"')
    thumbs = _thumbs(words, message) if message.text else ""
    return f'<footer class="tools">{copy}{evidence}{thumbs}{again}{more}{_versions(words, message)}{_figures(words, message)}</footer>'


def _thumbs(words: Words, message: Message) -> str:
    given = message.feedback
    reason = f' data-reason="{escape(given.reason)}"' if given else ""

    def thumb(verdict: str, name: str) -> str:
        pressed = given is not None and given.verdict == verdict
        return _icon(words, verdict, verdict, name, f' aria-pressed="{str(pressed).lower()}"{reason if pressed else ""}')

    return thumb("good", "answer.good") + thumb("bad", "answer.bad")


def _versions(words: Words, message: Message) -> str:
    """'‹ 2 of 3 ›' where the same place has other versions."""
    if len(message.versions) < 2:
        return ""
    at = message.versions.index(message.id)
    place = words("answer.version", number=at + 1, total=len(message.versions))
    earlier = _step(words("answer.earlier"), "back", message.versions[at - 1] if at else "")
    later = _step(words("answer.later"), "next", message.versions[at + 1] if at + 1 < len(message.versions) else "")
    return f'<span class="versions" role="group" aria-label="{words("answer.versions")}">{earlier}<span>{place}</span>{later}</span>'


def _step(label: str, icon: str, id: str) -> str:
    # At an end the arrow stays and keeps the focus: a button that vanished under a finger would leave the reader nowhere.
    return _glyph(icon, icon, label, f' data-version="{escape(id)}"' if id else ' aria-disabled="true"')


def _icon(words: Words, do: str, icon: str, name: str, further: str = "") -> str:
    return _glyph(do, icon, words(name), further)


def _glyph(do: str, icon: str, label: str, further: str) -> str:
    named = f'aria-label="{escape(label)}" title="{escape(label)}"'
    return f'<button type="button" class="glyph" data-do="{do}" {named}{further}><i class="icon {icon}"></i></button>'


def _figures(words: Words, message: Message) -> str:
    shown = figures(words, message.evidence) if message.evidence else ""
    title = escape(words("answer.figures_hint"))
    return f'<button type="button" class="figures" data-do="evidence" title="{title}">{shown}</button>' if shown else ""


# ---- what the model does not see ----


def left_out(words: Words, items: Sequence[LeftOut]) -> str:
    """What the model did not see, unfolding to the first words of each."""
    if not items:
        return ""
    lines = "".join(f"<li>{_named(words, item)}</li>" for item in items)
    name = "answer.unseen_room" if all(item.reason == "room" for item in items) else "answer.unseen"
    return f'<details class="left-out"><summary>{words(name, what=_counted(words, items))}</summary><ul>{lines}</ul></details>'


def unseen(items: Iterable[LeftOut]) -> list[str]:
    """The messages among them that the model would see in a larger context, by their ids: those that are marked in the transcript."""
    return [item.id for item in items if item.kind == "message" and item.reason == "room"]


def unfit(words: Words, items: Sequence[LeftOut]) -> str:
    """What is said in the place of an answer that would not see all of the conversation, and what can be done about it."""
    messages = [item for item in items if item.kind == "message"]
    lines = "".join(f"<li>{_named(words, item)}{_pin(words, item)}</li>" for item in messages[:_LISTED])
    rest = len(messages) - _LISTED
    further = f"<li>{words('unfit.further', n=rest)}</li>" if rest > 0 else ""
    title = escape(words("unfit.title", what=_counted(words, items)))
    return (
        f'<section class="unfit" role="group" tabindex="-1" aria-label="{title}"><p><strong>{title}</strong> {words("unfit.marked")}</p>'
        f"<ul>{lines}{further}</ul>"
        f'<p class="actions"><button type="button" class="primary" data-do="send-anyway">{words("unfit.send")}</button>'
        f'<button type="button" data-do="shorten">{words("unfit.shorten")}</button>'
        f'<button type="button" data-do="show-unseen">{words("unfit.show")}</button></p></section>'
    )


def _pin(words: Words, item: LeftOut) -> str:
    label = escape(words("unfit.pin_label", preview=item.preview))
    return f'<button type="button" data-do="pin-unseen" data-id="{escape(item.id)}" aria-label="{label}">{words("unfit.pin")}</button>'


def _named(words: Words, item: LeftOut) -> str:
    why = f", {words(_WHY[item.reason])}" if item.reason in _WHY else ""
    return f'<span dir="auto">{escape(_MARKS.sub("", item.preview))}</span> <small>{words("meter.tokens", n=item.tokens)}{why}</small>'


def _counted(words: Words, items: Sequence[LeftOut]) -> str:
    messages = sum(item.kind == "message" for item in items)
    found = ((messages, "answer.earlier_messages"), (len(items) - messages, "answer.sources"))
    named = [words(name, n=count) for count, name in found if count]
    return words("answer.both", first=named[0], second=named[1]) if len(named) == 2 else named[0]
