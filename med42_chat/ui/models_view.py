"""What the Models page shows, as HTML by its parts: what answers now, what this computer can run, each model with what can be done.

Pure: a `Situation` goes in. A part is sent to an open page when it has changed, so what changes often (how far a download is) is a
part of its own inside its card, and the buttons beside it stay where they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from med42_chat.errors import Med42Error
from med42_chat.records import ModelInfo, Speed
from med42_chat.runtime.protocol import RuntimeStatus
from med42_chat.settings import DEMONSTRATION
from med42_chat.ui.models_origin import Background
from med42_chat.ui.models_words import computer, graphics, size, where, work_in_words
from med42_chat.weights import plan
from med42_chat.weights.hardware import Hardware
from med42_chat.weights.models import Card, Work
from med42_chat.weights.plan import gigabytes, speed_in_words
from med42_chat.words import Words

_MARKS = {"ok": "✓", "repaired": "✓", "warning": "!", "error": "✗"}
_TEST_S = 20  # seconds that a speed test takes
# Bits for each weight, and what is said of a file that has fewer.
_QUALITIES = ((3.5, "rough"), (4.5, "fair"), (9.0, "good"), (float("inf"), "whole"))


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the page shows, as it was at one moment. `in_use` is the file that answers, or that is being loaded; None for a server."""

    cards: Sequence[Card]
    works: Sequence[Work]
    hardware: Hardware | None
    advice: str
    status: RuntimeStatus
    in_use: Path | None
    demonstration: bool
    quiet: frozenset[str] = frozenset()  # ids of works that bring nothing at the moment
    switching: str = ""  # what waits for a running answer to end
    not_switched: Med42Error | None = None
    trouble: str = ""  # why the catalogue cannot be read
    server: str = ""  # 'host:port' of the one whose model answers; then none of this computer's is used or recommended


class Sheet:
    """The page for one situation."""

    def __init__(self, words: Words, now: Situation) -> None:
        self._words, self._now = words, now
        self._near = [card for card in now.cards if self._is_recommended(card) or card.work or card.state != "absent"]
        self._families = {card.family.name: card.family for card in now.cards if card.family}
        self._background = Background(words, self._families)

    def parts(self) -> dict[str, str]:
        """Each part's HTML by its name; those whose name begins with 'work:' stand inside others."""
        shown = {card.work.id for card in self._near if card.work}
        return {
            "advice": self._advice(),
            "now": self._answering(),
            "speed": self._speed(),
            "near": self._at_hand() + self._loose(work for work in self._now.works if work.id not in shown and work.kind != "import"),
            "imports": self._loose(work for work in self._now.works if work.id not in shown and work.kind == "import"),
            "more": self._more(),
            **{f"work:{work.id}": self._work(work) for work in self._now.works},
        }

    # What this computer is, and what it should use

    def _advice(self) -> str:
        words, here = self._words, self._now.hardware
        if self._now.trouble:
            return f'<p class="alarm">{escape(self._now.trouble)}</p>'
        if self._now.server:
            return f'<p class="lead">{escape(words("server.models", server=self._now.server))}</p>'
        if here is None:
            return f'<p class="lead">{escape(words("models.measuring"))}</p>'
        note = f'<p class="caution">{escape(here.note)}</p>' if here.note else ""
        again = f'<button type="button" class="link" data-act="measure">{escape(words("models.measure"))}</button>'
        lines = f"<li>{escape(computer(words, here))}</li><li>{escape(graphics(words, here))} {again}</li>"
        return f'<p class="lead">{escape(self._now.advice)}</p><ul class="here">{lines}</ul>{note}'

    # What answers

    def _answering(self) -> str:
        words, status, model, waits = self._words, self._now.status, self._now.status.model, self._changing()
        if status.state == "failed":
            return waits + f'<p class="alarm"><strong>{escape(status.error)}</strong> {escape(status.hint)}</p>'
        if status.state == "changing":
            return waits + f"<p>{escape(words('models.changing'))}</p>"
        if model is None or status.state in ("loading", "restarting"):
            said = words("models.loading", name=self._now.in_use.name) if self._now.in_use else words("server.looked_for")
            return waits + f'<p>{escape(said)}</p><progress max="1" value="{status.progress:.2f}" aria-label="{escape(said)}"></progress>'
        return waits + self._loaded(model)

    def _changing(self) -> str:
        """Another model waits for this one to finish, or could not take its place."""
        words, wrong = self._words, self._now.not_switched
        if self._now.switching:
            return f'<p class="caution">{escape(words("models.switching", name=self._now.switching))}</p>'
        if wrong is None:
            return ""
        return f'<p class="alarm"><strong>{escape(words("models.not_switched"))}</strong> {escape(wrong.message)} {escape(wrong.hint)}</p>'

    def _loaded(self, model: ModelInfo) -> str:
        words = self._words
        mark = f'<span class="badge demonstration">{escape(words("answer.demonstration"))}</span>' if model.demonstration else ""
        alarms = "".join(f'<p class="alarm">{escape(one)}</p>' for one in model.warnings)
        given_up = "".join(f'<p class="caution">{escape(one)}</p>' for one in model.backed_off)
        lines = "".join(f"<li>{escape(fact)}</li>" for fact in self._facts(model))
        return f'<h4><bdi>{escape(model.name)}</bdi>{mark}</h4>{alarms}{given_up}<ul class="loaded">{lines}</ul>{self._findings(model)}'

    def _facts(self, model: ModelInfo) -> Iterator[str]:
        """What it runs on and how it was loaded; of a server's, what the server says."""
        words = self._words
        yield words("models.runs_on", where=where(words, model))
        if model.server:
            yield words("server.context", n=model.context)
            return
        yield words("models.context", n=model.context, cache=model.cache_type)
        yield words("models.at_once", n=model.parallel)
        yield words("models.file", name=Path(model.path).name, kind=model.quantization, size=size(model.size_bytes))

    def _findings(self, model: ModelInfo) -> str:
        """What was looked at while loading: folded, with the outcome on the outside."""
        if not model.findings:
            return ""
        words = self._words
        worst = max(model.findings, key=lambda one: list(_MARKS).index(one.state)).state
        outcome = words(f"models.findings_{worst}") if model.examined or worst == "error" else words("models.findings_running")
        rows = "".join(
            f'<tr data-state="{one.state}"><th scope="row">{escape(one.name)}</th><td><i aria-hidden="true">{_MARKS[one.state]}</i> '
            f"{escape(words(f'models.state_{one.state}'))}</td><td>{escape(f'{one.text} {one.hint}'.strip())}</td></tr>"
            for one in model.findings
        )
        heads = "".join(f'<th scope="col">{escape(words(f"models.found_{one}"))}</th>' for one in ("name", "state", "text"))
        return (
            f'<details data-open="findings"><summary>{escape(outcome)}</summary>'
            f'<table class="findings"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></details>'
        )

    def _speed(self) -> str:
        """The speed test while none runs. It names its model, so that a result goes when another one is loaded."""
        status, words = self._now.status, self._words
        if status.model is None or status.state not in ("ready", "busy"):
            return ""
        button = _button("speed", status.model.sha256[:12], words("models.speed"))
        return f'<p class="actions">{button} <span class="hint">{escape(words("models.speed_about"))}</span></p>'

    # Models at hand, and what can be done with each

    def _at_hand(self) -> str:
        works = self._now.demonstration and self._now.status.state != "failed"
        demonstration = "" if works or self._now.server else self._demonstration()
        return "".join(self._card(card) for card in self._near) + demonstration

    def _card(self, card: Card) -> str:
        id = escape(card.id)
        about = f'<p class="about">{escape(card.family.about)}</p>' if card.family and self._is_first(card) else ""
        place = self._work_place(card.work) if card.work else ""
        actions = "".join(self._actions(card))
        background = self._background.of(card.entry) if card.entry else ""
        return (
            f'<article class="model" data-card="{id}" data-state="{card.state}" tabindex="-1" aria-label="{escape(card.title)}">'
            f"<h4>{self._title(card)}{self._badges(card)}</h4>"
            f'<p class="size">{self._size(card)} {self._fit(card)}</p>{about}{self._caution(card)}{place}'
            f'<p class="actions">{actions}</p>{background}</article>'
        )

    def _is_first(self, card: Card) -> bool:
        """Whether no other card of its family stands before it."""
        return next(one for one in self._near if one.family == card.family) is card

    def _caution(self, card: Card) -> str:
        """What is not certain about the file: of one that is here already and known, that was said when it came."""
        known = card.entry.caution if card.entry and card.state != "here" else ""
        text = known if card.entry else self._words("models.unknown_about")
        return f'<p class="caution">{escape(text)}</p>' if text else ""

    def _title(self, card: Card) -> str:
        if card.entry is None:
            return f"<bdi>{escape(card.title)}</bdi>"
        return f'<bdi>{escape(card.entry.family.title)}</bdi> <span class="quantisation">{escape(card.entry.quantisation)}</span>'

    def _badges(self, card: Card) -> str:
        used = self._is_used(card)
        names = [
            ("recommended", self._is_recommended(card)),
            ("in_use", used and self._now.status.state in ("ready", "busy")),
            ("being_loaded", used and self._now.status.state in ("loading", "restarting")),
            ("unknown", card.entry is None),
        ]
        return "".join(f'<span class="badge {name}">{escape(self._words(f"models.{name}"))}</span>' for name, holds in names if holds)

    def _size(self, card: Card) -> str:
        whole = size(card.size_bytes)
        if card.state != "unfinished" or (card.work and card.work.active):
            return escape(f"{whole}.")
        return escape(self._words("models.part_here", here=size(card.fetched), whole=whole))

    def _fit(self, card: Card) -> str:
        if card.fault:
            return f'<span class="bad">{escape(card.fault)}</span>'
        if card.plan is None:
            return ""
        fit = escape(self._words(f"models.fit_{card.plan.fit}"))
        return f'<strong data-fit="{card.plan.fit}">{fit}.</strong> {escape(card.plan.reason)}'

    def _is_recommended(self, card: Card) -> bool:
        return card.recommended and not self._now.server

    def _is_used(self, card: Card) -> bool:
        return self._now.in_use in card.files

    def _actions(self, card: Card) -> Iterable[str]:
        words, id = self._words, card.id
        if card.work and card.work.active:
            yield _button("stop", card.work.id, words("models.stop"))
        elif card.state == "absent":
            yield _button("get", id, words("models.get", size=size(card.size_bytes)), first=_worth_it(card) and not self._now.server)
        elif card.state == "unfinished":
            yield _button("get", id, words("models.go_on"), first=True)
            yield self._removal(card, "discard")
        else:
            yield from self._actions_here(card)

    def _actions_here(self, card: Card) -> Iterable[str]:
        used = self._is_used(card)
        if used and self._now.status.state == "failed":
            yield _button("use", card.files[0].name, self._words("models.try_again"))
        elif not used and not card.fault and not self._now.server:
            yield _button("use", card.files[0].name, self._words("models.use"), first=_worth_it(card))
        yield _button("verify", card.id, self._words("models.verify"))
        if not used:
            yield self._removal(card, "remove")

    def _removal(self, card: Card, word: str) -> str:
        question = self._words(f"models.{word}_sure", name=card.title, size=size(card.fetched))
        return _button("remove", card.id, self._words(f"models.{word}"), more=f' data-sure="{escape(question)}"')

    def _demonstration(self) -> str:
        words = self._words
        use = words("models.try_again" if self._now.demonstration else "models.use")
        return (
            f'<article class="model" data-card="{DEMONSTRATION}" tabindex="-1" aria-label="{escape(words("models.demonstration"))}">'
            f"<h4>{escape(words('models.demonstration'))}</h4>"
            f'<p class="about">{escape(words("models.demonstration_about"))}</p>'
            f'<p class="actions">{_button("use", DEMONSTRATION, use)}</p></article>'
        )

    # All others, folded by family

    def _more(self) -> str:
        listed = [card for card in self._now.cards if card.entry]
        ordered = sorted(listed, key=_family_order)
        return "".join(self._family(list(cards)) for _, cards in groupby(ordered, key=_family_order))

    def _family(self, cards: Sequence[Card]) -> str:
        words, family = self._words, self._families[cards[0].family.name if cards[0].family else ""]
        by_size = sorted(cards, key=lambda card: card.size_bytes)
        rows = "".join(self._row(card) for card in by_size)
        range_ = words("models.sizes", n=len(cards), least=size(by_size[0].size_bytes), most=size(by_size[-1].size_bytes))
        return (
            f'<details class="family" data-open="{escape(family.name)}"><summary><b>{escape(family.title)}</b> '
            f'<span class="hint">{escape(range_)}</span></summary><p>{escape(family.about)}</p>'
            f'<ul class="sizes">{rows}</ul>{self._background.scores(family)}{self._background.licence(family)}</details>'
        )

    def _row(self, card: Card) -> str:
        entry = card.entry
        assert entry is not None  # only entries have a family
        caution = "" if entry.hashed else f'<span class="hint">{escape(self._words("models.unhashed"))}</span>'
        return (
            f'<li><span class="name"><b>{escape(entry.quantisation)}</b> {size(card.size_bytes)} '
            f'<span class="hint">{escape(self._quality(card))}</span></span>'
            f'<span class="room">{self._brief_fit(card)}{caution}</span>{self._row_action(card)}</li>'
        )

    def _quality(self, card: Card) -> str:
        assert card.entry is not None
        bits = plan.of_entry(card.entry).bits
        owner = card.entry.repository.partition("/")[0]
        return f"{self._words(f'models.quality_{_quality(bits)}')} · {owner}"

    def _brief_fit(self, card: Card) -> str:
        if card.plan is None:
            return ""
        fit = f'<strong data-fit="{card.plan.fit}">{escape(self._words(f"models.fit_{card.plan.fit}"))}</strong>'
        if card.plan.fit == "no":
            needed = card.plan.memory.host + card.plan.memory.cards
            return f"{fit}: {escape(self._words('models.needs', size=gigabytes(needed)))}"
        return f"{fit}; {escape(self._words('models.about', speed=speed_in_words(card.plan)))}"

    def _row_action(self, card: Card) -> str:
        words = self._words
        if card.work and card.work.active:
            return f'<span class="hint">{escape(words("models.row_busy"))}</span>'
        if card.state != "absent":
            return f'<span class="hint">{escape(words(f"models.row_{card.state}"))}</span>'
        assert card.entry is not None
        label = words("models.get_named", name=card.title, size=size(card.size_bytes), repository=card.entry.repository)
        return _button("get", card.id, words("models.get_row"), more=f' aria-label="{escape(label)}"')

    # What is being done

    def _loose(self, works: Iterable[Work]) -> str:
        """Works with what belongs to no card: an import while nobody knows what it is, a file that is gone."""
        stop = self._words("models.stop")
        return "".join(
            f'<div class="model"><h4><bdi>{escape(work.id)}</bdi></h4>{self._work_place(work)}'
            f'<p class="actions">{_button("stop", work.id, stop) if work.active else ""}</p></div>'
            for work in works
        )

    def _work_place(self, work: Work) -> str:
        return f'<div class="work" data-part="work:{escape(work.id)}"></div>'

    def _work(self, work: Work) -> str:
        if work.active:
            return self._running(work)
        said = " ".join(filter(None, [self._words(f"models.{work.kind}_{work.state}"), work.message, work.hint]))
        close = escape(self._words("models.dismiss"))
        return (
            f'<p class="outcome{" bad" if work.state == "failed" else ""}">{escape(said)}</p>'
            f'<button type="button" class="tool" data-act="dismiss" data-id="{escape(work.id)}" aria-label="{close}" title="{close}">'
            '<i class="icon close"></i></button>'
        )

    def _running(self, work: Work) -> str:
        said = work_in_words(self._words, work, work.id in self._now.quiet)
        value = f' value="{work.done / work.total:.4f}"' if work.total and work.state == "running" and work.phase != "asking" else ""
        return f'<p>{escape(said)}</p><progress max="1"{value} aria-label="{escape(said)}"></progress>'


def speed(words: Words, now: Speed) -> str:
    """How far a speed test is, or what came out of it."""
    rows = [("words", now.words_s), ("write", now.write_tokens_s), ("read", now.read_tokens_s)]
    none = "–" if now.done else "…"
    shown = "".join(
        f"<div><dt>{escape(words(f'models.speed_{name}'))}</dt><dd>{f'{value:,.1f}' if value else none}</dd></div>" for name, value in rows
    )
    label = escape(words("models.speed_running"))
    progress = "" if now.done else f'<progress max="{_TEST_S}" value="{min(now.seconds, _TEST_S):.1f}" aria-label="{label}"></progress>'
    button = _button("speed", "", words("models.speed_again")) if now.done else _button("end-speed", "", words("models.stop"))
    return f'<dl class="numbers">{shown}</dl>{progress}<p class="actions">{button}</p>'


def _family_order(card: Card) -> tuple[bool, int, str]:
    """Med42 first, and of each kind the small ones."""
    assert card.family is not None  # only entries are ordered so
    return not card.family.name.startswith("med42-v2"), card.family.shape.layers, card.family.title


def _quality(bits: float) -> str:
    return next(name for limit, name in _QUALITIES if bits < limit)


def _worth_it(card: Card) -> bool:
    return card.plan is None or card.plan.fit != "no"


def _button(do: str, id: str, label: str, first: bool = False, more: str = "") -> str:
    name = "primary" if first else "secondary"
    return f'<button type="button" class="{name}" data-act="{do}" data-id="{escape(id)}"{more}>{escape(label)}</button>'
