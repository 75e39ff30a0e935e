"""Where a model comes from, and how good it is said to be: scores as published, licence, repository. Pure."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby

from med42_chat.weights.catalogue import Entry, Family, Score
from med42_chat.words import Words


class Background:
    """What stands behind a card. `families` are all that there are, by name."""

    def __init__(self, words: Words, families: Mapping[str, Family]) -> None:
        self._words, self._families = words, families

    def of(self, entry: Entry) -> str:
        """All of it, folded."""
        summary = f"<summary>{escape(self._words('models.background'))}</summary>"
        inside = self.scores(entry.family) + self.licence(entry.family) + self._origin(entry)
        return f'<details data-open="about {escape(entry.id)}">{summary}{inside}</details>'

    def scores(self, family: Family) -> str:
        """Published scores, beside those of the model that this one was made from."""
        words, base = self._words, self._families.get(family.baseline)
        if not family.scores:
            return f"<p>{escape(words('models.no_scores'))}</p>"
        known = {score.test: score.value for score in base.scores} if base else None
        heads = [words("models.test"), family.title, *([base.title] if base else [])]
        head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
        by_source = groupby(family.scores, key=lambda score: (score.source, score.url))
        bodies = "".join(_published(source, url, scores, known) for (source, url), scores in by_source)
        note = f'<p class="hint">{escape(words("models.scores_note"))}</p>'
        return f'<table class="scores"><thead><tr>{head}</tr></thead>{bodies}</table>{note}'

    def licence(self, family: Family) -> str:
        """The licence, and who made the model."""
        name = _link(family.licence, family.licence_url)
        return f"<p>{escape(self._words('models.licence'))}: {name}{escape(f' · {family.maker}' if family.maker else '')}</p>"

    def _origin(self, entry: Entry) -> str:
        note = f"<p>{escape(entry.note)}</p>" if entry.note else ""
        names = ", ".join(part.name for part in entry.parts)
        text = self._words("models.origin", repository=entry.repository, names=names, commit=entry.commit[:12])
        return f'<p class="origin">{escape(text)}</p>{note}'


def _published(source: str, url: str, scores: Iterable[Score], base: Mapping[str, float] | None) -> str:
    """The scores of one source under its name, beside those of the model that this one was made from, where it has one."""
    rows = "".join(
        f'<tr><th scope="row">{escape(score.test)}</th><td>{score.value:g}</td>'
        + (f"<td>{f'{base[score.test]:g}' if score.test in base else '–'}</td>" if base is not None else "")
        + "</tr>"
        for score in scores
    )
    return f'<tbody><tr class="source"><td colspan="{2 if base is None else 3}">{_link(source, url)}</td></tr>{rows}</tbody>'


def _link(text: str, url: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(text)}</a>' if url else escape(text)
