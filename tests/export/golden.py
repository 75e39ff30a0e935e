"""Golden conversations for the exports, as the records that the program keeps: awkward, long, full of tables, right-to-left, hostile.

Everything in them is invented. What the checks say of each answer is what they really say; the same call makes the same conversation.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from med42_chat.checks import Medicines, check, cited
from med42_chat.records import (
    Attachment,
    Citation,
    ContextUse,
    Conversation,
    Evidence,
    Feedback,
    LeftOut,
    Message,
    Sampling,
    Source,
    Status,
    Timings,
    Usage,
)
from med42_chat.settings import ASSETS

# Words of an attached letter and of a passage that was given and not cited: neither may ever stand on paper.
CANARY = "canary-7f3a-attached"
CANARY_PASSAGE = "canary-19c4-uncited"

ARABIC = "لا يعطى الوارفارين مع الأسبرين إلا بعد استشارة الطبيب"
HEBREW = "אין לתת וורפרין יחד עם אספירין"
BEGAN = 1_772_442_900_000  # 2 March 2026, 09:15 UTC
MINUTE = 60_000

SOURCES = (
    Source(
        1,
        "Anticoagulants around operations",
        "Apixaban is stopped 48 hours before an operation with a high risk of bleeding. Where the creatinine clearance is below "
        "30 mL/min it is stopped 72 hours before. It is restarted 24 hours after the operation at the earliest.",
        12,
        "1a" * 32,
        document_id="d1",
        heading_path=("Anticoagulants around operations", "Dosing", "Renal impairment"),
        start=120,
        end=330,
        publisher="Northwater Hospital (invented)",
        date="2026-03-02",
        version="6.0",
    ),
    Source(
        2,
        "Delirium in adults",
        "Haloperidol 0.5 mg by mouth is the first choice. Haloperidol is not given in Parkinson's disease.",
        3,
        "2b" * 32,
        document_id="d2",
        heading_path=("Medicines",),
        publisher="Northwater Hospital (invented)",
        date="2025-11",
    ),
    Source(3, "Ward notes", f"Nothing about this question. {CANARY_PASSAGE}", None, "3c" * 32, document_id="d3"),
)
EVIDENCE = Evidence(
    program="Med42 Chat 0.1.0",
    model="Llama3-Med42-8B",
    model_sha256="ab" * 32,
    quantization="Q4_K - Medium",
    template="llama-3",
    build="0.3.36",
    device="CPU",
    sampling=Sampling(),
    seed=4_294_967_294,
    prompt_sha256="cd" * 32,
    context=ContextUse(size=8192, system=210, sources=640, history=900, question=40, reserve=1024),
    usage=Usage(1790, 1200, 320),
    timings=Timings(1.8, 11.4),
    basis="sources",
)
MEMORY = replace(EVIDENCE, basis="memory")
DEMONSTRATION = replace(EVIDENCE, model="med42-demo", quantization="Q8_0", demonstration=True)


@dataclass(frozen=True, slots=True)
class Golden:
    """A conversation with the whole tree of its messages."""

    conversation: Conversation
    messages: tuple[Message, ...]

    @property
    def branch(self) -> tuple[Message, ...]:
        """The messages that the page shows, in their order."""
        known = {one.id: one for one in self.messages}
        at: str | None = self.conversation.leaf_id
        shown: list[Message] = []
        while at:
            shown.append(known[at])
            at = known[at].parent_id
        return tuple(reversed(shown))


class Writer:
    """Writes a conversation message by message. Ids look like the store's, and each message stands a minute after the last."""

    def __init__(self, title: str, pinned_facts: str = "") -> None:
        self._title, self._facts = title, pinned_facts
        self._seed = hashlib.sha256(title.encode("utf-8", "surrogatepass")).hexdigest()
        self._medicines = Medicines.parse((ASSETS / "medicines.txt").read_text("utf-8"))
        self.messages: list[Message] = []
        self.leaf: str | None = None

    def ask(self, text: str, *attachments: Attachment) -> Message:
        """A question after the last message."""
        return self._add(Message(self._id(), self._seed[:16], self.leaf, "user", text, "complete", self._now(), attachments=attachments))

    def answer(
        self,
        text: str,
        sources: Sequence[Source] = (),
        status: Status = "complete",
        evidence: Evidence | None = MEMORY,
        parent: str | None = None,
    ) -> Message:
        """An answer to the last question, or to `parent`, with what the checks say of it."""
        findings = check(text, sources, self._medicines) if status != "interrupted" else ()
        citations = cited(text, sources, findings, self._medicines)
        head = Message(self._id(), self._seed[:16], parent or self.leaf, "assistant", text, status, self._now())
        seen = replace(evidence, pinned_facts=self._facts) if evidence else None
        return self._add(replace(head, evidence=seen, citations=citations, findings=findings))

    def done(self) -> Golden:
        """The conversation, with the versions that stand in one place known to each of them."""
        messages = tuple(replace(one, versions=self._versions(one)) for one in self.messages)
        count, leaf = len(messages), self.leaf or ""
        return Golden(Conversation(self._seed[:16], self._title, BEGAN, self._now(), self._facts, count, leaf_id=leaf), messages)

    def change(self, message: Message, **values: object) -> None:
        """Another record in the place of this one."""
        self.messages[self.messages.index(message)] = replace(message, **values)  # type: ignore[arg-type]

    def _add(self, message: Message) -> Message:
        self.messages.append(message)
        self.leaf = message.id
        return message

    def _versions(self, message: Message) -> tuple[str, ...]:
        beside = tuple(one.id for one in self.messages if one.parent_id == message.parent_id)
        return beside if len(beside) > 1 else ()

    def _id(self) -> str:
        return f"{self._seed[16:24]}{len(self.messages):08x}"

    def _now(self) -> int:
        return BEGAN + len(self.messages) * MINUTE


# ---- sixteen awkward messages ----

_TYPED = (
    "Apixaban before a hip replacement: when to stop?\n"
    "  # not a heading, **not bold**, [1] not a mark\n"
    "* eGFR 28 mL/min/1.73 m²\n\n\n"
    "<b>Weight 61 kg</b> & allergy: *penicillin*  \tTab"
)
_RICH = """\
**Stop apixaban 72 hours before the operation [1].** At 48 hours too much of it is left.

## What the protocol says

It says “Where the creatinine clearance is below 30 mL/min it is stopped 72 hours before” [1]. It also says “give half the dose” [1].
Restart it after 24 hours at the earliest [1]. For agitation give haloperidol 5 mg by mouth [2].

#### In steps

1. Measure the creatinine
   - with the weight of *today*
     1. not the weight on admission
     2. ~~nor an estimate~~
   - and note the time
2. Count back from the first cut

   A second paragraph of the same step [1], [2].

   ```text
   stop  = cut - 72 h
   start = cut + 24 h
   ```
3. Tell the ward

| Creatinine clearance | Stop before | Restart after | Source |
|:---------------------|:-----------:|--------------:|--------|
| above 50 mL/min | **48 h** | 24 h | [1] |
| 30–50 mL/min | 48 h | 24–48 h | [1] |
| below 30 mL/min | 72 h | ≥ 24 h | [1], [2] |

The clearance is \\(\\mathrm{CrCl} = \\frac{(140 - a) \\times w}{72 \\times c} \\le 30\\), and with a matrix:

\\[\\begin{pmatrix} 1 & \\mu \\\\ 0 & 10^{-6} \\end{pmatrix} \\sqrt{x_1^2 + x_2^2} = \\sum_{i=1}^{n} \\alpha_i\\]

> The ward decides.
>
> > And a second one decides, too [2].

---

See [the protocol](https://example.org/protocol?x=1&y=2) or mailto:ward@example.org. ![A chart](https://example.org/chart.png)
"""
_LETTERS = """\
Greek α β γ Δ Ω, µ and μ, ≤ ≥ ± × ÷ ≠ ≈ → ⇒ ∞, 10⁻⁶ mol, H₂O, ½ ¼, 37 °C, 5 ‰, Ångström, naïve, Straße, ﬁrst, Łódź, İstanbul, Việt Nam.

中文：每日两次，每次五百毫克。日本語：一日二回。한국어: 하루 두 번.

Emoji 💊 🫀 👩‍⚕️ ✅ ⚠️, arrows ← ↑ ↓, boxes ☐ ☑, Русский: дважды в день, ไทย, हिन्दी.

{long}

| a | b | c | d | e | f | g | h | i | j | k | l | m | n |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
| 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 |
""".replace("{long}", "ACGT" * 70)
_ARABIC = f"""\
{ARABIC} [1]. الجرعة 5 mg مرتين يوميا (INR 2.5).

- {HEBREW}
- قائمة ثانية [2]

| الدواء | الجرعة |
|---|---|
| Apixaban | 5 mg |
| وارفارين | 2.5 mg |
"""


def awkward() -> Golden:
    """Sixteen messages with everything that is hard to print, and versions beside those that are shown."""
    writer = Writer(
        "Apixaban before an operation: “when?”", pinned_facts="Allergy: penicillin\nCKD 3b, eGFR 28\n**Apixaban** 5 mg twice a day"
    )
    _with_sources(writer)
    _incomplete(writer)
    _from_nothing(writer)
    _with_versions(writer)
    return writer.done()


def _with_sources(writer: Writer) -> None:
    writer.ask(_TYPED, Attachment("letter.pdf", f"Dear colleague, {CANARY}.", "application/pdf", 2))
    rich = writer.answer(_RICH, SOURCES, evidence=replace(EVIDENCE, sources=(1, 2, 3)))
    writer.change(rich, feedback=Feedback("good", "Useful in practice", BEGAN))
    writer.ask("And letters?")
    writer.answer(_LETTERS, status="length")


def _incomplete(writer: Writer) -> None:
    writer.ask("And in delirium?")
    writer.answer(
        "First choice is haloperidol 0.5 mg by mouth [2].\n\n- Not in Parkinson's disease [2]\n- And **nev", SOURCES, "stopped", EVIDENCE
    )
    writer.ask("Go on, please.")
    writer.answer(
        "Haloperidol is not given in", SOURCES, "interrupted", replace(EVIDENCE, finish_reason="died", notes=("The model ended.",))
    )


def _from_nothing(writer: Writer) -> None:
    writer.ask("What is the ward's telephone number?")
    writer.answer("Nothing in your library answers this.", evidence=replace(EVIDENCE, model="", model_sha256="", basis="nothing"))
    writer.ask("\n\n  ")
    writer.answer("", status="failed", evidence=replace(EVIDENCE, notes=("The disk is full. Make room, then ask again.",)))


def _with_versions(writer: Writer) -> None:
    question = writer.ask("Once more, with another version?")
    writer.answer("The first version, which nobody sees.")
    writer.answer("The second version, which nobody sees either.", parent=question.id)
    left_out = (
        LeftOut("message", writer.messages[0].id, 812, "Apixaban before a hip replacement: **when** to stop?"),
        LeftOut("source", "3", 90, "Ward notes"),
        LeftOut("message", writer.messages[8].id, 12, "What is the ward's telephone number?", "unanswered"),
    )
    notes = ("This answer goes on from an earlier version.", "The mark [7] names no source and was removed.")
    seen = tuple(one.id for one in writer.messages[2:8])
    evidence = replace(EVIDENCE, left_out=left_out, notes=notes, seen=seen)
    writer.answer("Give 500 mg [7] every 8 hours. See [1].", SOURCES[:1], evidence=evidence, parent=question.id)
    writer.ask(f"{ARABIC}؟", Attachment("ملف.txt", CANARY))
    writer.answer(_ARABIC, SOURCES[:2], evidence=replace(EVIDENCE, sources=(1, 2)))


# ---- long ones ----

_STARTS = (
    "In this patient",
    "As the protocol says",
    "With an eGFR of {n}",
    "After {n} hours",
    "On the ward",
    "Where the pulse is above 1{n}",
)
_ACTS = (
    "give {m} mg of paracetamol",
    "measure the creatinine again",
    "stop the apixaban",
    "call the nurse in charge",
    "look at the chart for {n} minutes",
)
_ENDS = (
    "and note the time",
    "unless the blood pressure is below 90 mmHg",
    "as long as nothing speaks against it",
    "every {m} hours",
    "before the round",
)


def two_hundred() -> Golden:
    """200 messages and some 27,000 words, one message of 10,800 words among them."""
    chance, writer = random.Random(7), Writer("Two hundred messages about one patient")
    for turn in range(100):
        writer.ask(_sentence(chance))
        words = 10_800 if turn == 40 else 140
        writer.answer(
            _prose(chance, words, marks=turn % 3 == 0), SOURCES[:2] if turn % 3 == 0 else (), evidence=EVIDENCE if turn % 3 == 0 else MEMORY
        )
    return writer.done()


def three_hundred() -> Golden:
    """300 messages with a table of seven rows in every answer, and one of three hundred."""
    chance, writer = random.Random(8), Writer("Three hundred messages with tables")
    for turn in range(150):
        writer.ask(_sentence(chance))
        writer.answer(f"{_sentence(chance)}\n\n{_table(chance, 300 if turn == 75 else 7)}\n\n{_sentence(chance)}")
    return writer.done()


def _sentence(chance: random.Random) -> str:
    parts = ", ".join((chance.choice(_STARTS), f"{chance.choice(_ACTS)} {chance.choice(_ENDS)}."))
    return parts.format(n=chance.randint(10, 60), m=chance.choice((5, 250, 500, 1000)))


def _prose(chance: random.Random, words: int, marks: bool) -> str:
    blocks: list[str] = []
    while sum(len(block.split()) for block in blocks) < words:
        kind = chance.choice(("text", "text", "list", "head"))
        said = [_sentence(chance).removesuffix(".") + (" [1]." if marks and chance.random() < 0.3 else ".") for _ in range(5)]
        blocks.append({"text": " ".join(said), "list": "\n".join(f"- {one}" for one in said), "head": f"### {_sentence(chance)}"}[kind])
    return "\n\n".join(blocks)


def _table(chance: random.Random, rows: int) -> str:
    lines = [
        f"| {n + 1} | **{chance.choice(_ACTS).format(n=n, m=n)}** | {chance.randint(1, 900)} mg | {_sentence(chance)} |"
        for n in range(rows)
    ]
    return "\n".join(["| No. | What | How much | Why |", "|--:|---|:-:|---|", *lines])


def right_to_left() -> Golden:
    """A conversation in Arabic and Hebrew with figures, marks, lists, tables and formulas."""
    writer = Writer("الوارفارين والأسبرين", pinned_facts="حساسية: البنسلين\nאלרגיה: פניצילין")
    writer.ask(f"{ARABIC}؟\nINR 2.5 – 3.0")
    writer.answer(_ARABIC, (replace(SOURCES[0], title="دليل مضادات التخثر", publisher="مستشفى"), SOURCES[1]), evidence=EVIDENCE)
    writer.ask(f"{HEBREW}?")
    writer.answer(f"# {HEBREW}\n\n1. {HEBREW}\n   - {ARABIC}\n2. Apixaban 5 mg\n\n> {HEBREW}\n\n`code` \\(x^2\\) {HEBREW}: 12–14 mg.")
    return writer.done()


def demonstration() -> Golden:
    """What the embedded demonstration model wrote."""
    writer = Writer("A question to the demonstration model")
    writer.ask("What is delirium?")
    writer.answer("An acute change of attention [2].", SOURCES, evidence=DEMONSTRATION)
    return writer.done()


# ---- hostile ones ----

_PAYLOADS: dict[str, str] = {
    "raw html": (
        "<script>alert(1)</script><img src=x onerror=alert(1)><iframe src='file:///etc/passwd'></iframe><!-- a --> &lt;b&gt; ]]> </text>"
    ),
    "typst code": (
        '#read("/etc/passwd") #eval("1+1") #import "@preview/x:1.0.0": * #panic() <label> @ref $x$ \\u{41} /* no */ // no'
        "\n\n= Heading\n\n`#raw`"
    ),
    "links to files": "[a](file:///etc/passwd) [b](javascript:alert(1)) [c](data:text/html,x) [d](//host/share) <file:///etc/hosts>",
    "remote image": "![pixel](http://127.0.0.1:9/pixel.png) ![local](/etc/hostname)",
    "reference definitions": "See [1] and [2].\n\n[1]: http://evil.example\n[2]: http://evil.example 'title'",
    "nested quotes": "> " * 64 + "deep",
    "nested lists": "\n".join("  " * depth + "- level" for depth in range(64)),
    "nested emphasis": "**a *b " * 60 + "end" + "* **" * 60,
    "wide table": "|" + " a |" * 60 + "\n|" + "---|" * 60 + "\n|" + " 1 |" * 60,
    "tall cell": "| a | b |\n|---|---|\n| x | " + "word " * 4000 + "|",
    "rows without end": "| a | b |\n|---|---|\n" + "| x | y |\n" * 3000,
    "ten thousand words": "word " * 10_000,
    "open brackets": "[" * 50_000,
    "more than is parsed": "*a " * 90_000,
    "private use": "bullet \uf0b7 and \U000f0001 and \U0010fffd",
    "lone surrogates": "half \ud83d and \udc8a",
    "characters without a glyph": "\u0378 \U0001e8c0 \U000e0041 \u2fff \ufffe \uffff",
    "controls": "a\x00b\x07c\x1bd\x7fe\x85f\u2028g\u2029h\x0bi\x0cj",
    "bidi overrides": "\u202eevil\u202c \u2066x\u2069 \u200f\u200e",
    "joiners": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg" + "\u0301" * 200,
    "heading levels": "###### six\n\n# one\n\n#### four\n\n#\n\n## \n\n##### five",
    "formulas": (
        "\\(" + "{" * 100 + "x" + "}" * 100 + "\\) $$\\def\\a{\\a\\a}\\a$$ \\(\\text{<img src=x>}\\) "
        "\\[" + "x+" * 1500 + "x\\] \\(\\frac{1\\)"
    ),
    "one long word": "x" * 5000 + " " + "/path" * 400 + " " + "数" * 3000,
    "fence left open": "```python\nwhile True:\n    pass\n\t\ttab\n~~~",
    "a code line without end": "```\n" + "y" * 6000 + "\n```",
    "marks everywhere": "# Head [1]\n\n| [1] | [2] |\n|---|---|\n| [1][2][1] | [1, 2] |\n\n> [2]\n\n- [1-2] and `[1]` and [99] and [a [1]](http://x.org)",
    "empty": "",
    "only spaces": " \n\n \t ",
    "markdown of lines": "a\nb  \nc\\\nd\n\n\n\ne",
    "equals of tables": "|a|\n|-|\n||\n|x|y|z|\n\ntext | with | pipes",
}


def hostile() -> dict[str, Golden]:
    """A conversation for each payload: it stands in the question, the answer, the source, the title and the file's name."""
    return {name: _hostile(name, payload) for name, payload in _PAYLOADS.items()}


def _hostile(name: str, payload: str) -> Golden:
    short = payload[:300]
    sources = (replace(SOURCES[0], title=short or "x", publisher=short, version=short, date=short, heading_path=(short, short)), SOURCES[1])
    writer = Writer(short or name, pinned_facts=short)
    writer.ask(payload, Attachment(short, CANARY))
    evidence = replace(EVIDENCE, model=short, notes=(short,), left_out=(LeftOut("message", "x", 1, short),))
    # Checked as if it were short: how long the checks take is not what is tried here.
    said = writer.answer(short, sources, evidence=evidence)
    quoted = (Citation(sources[0], short, "found"), Citation(sources[1]))
    writer.change(said, text=f"{payload}\n\n[1] [2]" if payload else "", citations=quoted)
    return writer.done()


def everything() -> dict[str, Callable[[], Golden]]:
    """The golden conversations that are not hostile, by name."""
    return {
        "awkward": awkward,
        "two hundred": two_hundred,
        "three hundred": three_hundred,
        "right to left": right_to_left,
        "demonstration": demonstration,
    }
