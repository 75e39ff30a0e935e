"""What the settings dialog shows: its sections and controls as HTML. The words stand in the table [settings]."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from med42_chat import __version__, styles
from med42_chat.errors import InputError
from med42_chat.export.style import MOST_BYTES
from med42_chat.loading import model_file
from med42_chat.meaning import State
from med42_chat.records import Health
from med42_chat.services import Services
from med42_chat.settings import DEMONSTRATION, Settings, languages, model_files
from med42_chat.words import Words

CARD = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")  # what the model's card recommends

_BACKUPS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Choice:
    """A value of a setting that is chosen among a few, and its words."""

    value: str
    label: str


class Form:
    """The dialog's body for the settings as they are now. Each control carries its setting's name, each place for news its own."""

    def __init__(self, words: Words, services: Services) -> None:
        self._words, self._services = words, services

    def html(self) -> str:
        """All sections, each under its tab; the script shows one."""
        words = self._words
        parts = {
            "model": self._model(),
            "answers": self._answers(),
            "look": self._look(),
            "export": self._export(),
            "data": self._data(),
            "passphrase": self._passphrase(),
            "computer": self._computer(),
        }
        tabs = "".join(
            f'<button type="button" role="tab" id="tab-{name}" aria-controls="part-{name}" tabindex="-1">'
            f"{escape(words(f'settings.{name}_title'))}</button>"
            for name in parts
        )
        panels = "".join(
            f'<section role="tabpanel" id="part-{name}" aria-labelledby="tab-{name}" tabindex="-1" hidden>{html}</section>'
            for name, html in parts.items()
        )
        label = escape(words("settings.title"))
        return f'<div role="tablist" aria-orientation="vertical" aria-label="{label}">{tabs}</div><div class="parts">{panels}</div>'

    def _model(self) -> str:
        words, settings = self._words, self._services.settings
        return (
            self._answering()
            + self._number("context", settings.context)
            + f'<div class="aside"><p>{escape(words("settings.weights"))}</p>{_button("models", words("models.open"), plain=True)}</div>'
            + self._meaning()
        )

    def _answering(self) -> str:
        """Which model answers: a choice, but where a server has it."""
        words, settings, server = self._words, self._services.settings, self._services.server
        if server:
            return f"<p>{escape(words('server.settings', server=server))}</p>"
        files = [_Choice(file.name, file.name) for file in model_files(settings)]
        choices = [_Choice("", words("settings.model_automatic", name=model_file(_automatic(settings)).name)), *files]
        choices.append(_Choice(DEMONSTRATION, words("settings.model_demonstration")))
        if settings.model not in [one.value for one in choices]:
            choices.append(_Choice(settings.model, settings.model))
        return self._choice("model", choices, settings.model)

    def _meaning(self) -> str:
        words, settings = self._words, self._services.settings
        choices = [_Choice("", words("settings.embedding_none")), *(_Choice(file.name, file.name) for file in model_files(settings))]
        if settings.embedding not in [one.value for one in choices]:
            choices.append(_Choice(settings.embedding, settings.embedding))
        html = self._heading("meaning") + self._choice("embedding", choices, settings.embedding)
        if not settings.embedding:
            return html
        button = _button("meaning", words("settings.meaning_try"), plain=True)
        said = escape(meaning_words(words, self._services.meaning.state()))
        return f'{html}<div class="field act">{button}<p class="said" id="said-meaning" role="status">{said}</p></div>'

    def _answers(self) -> str:
        settings = self._services.settings
        drawn = [self._number("max_tokens", settings.sampling.max_tokens), self._number("seed", settings.seed)]
        sampling = [self._number(name, getattr(settings.sampling, name)) for name in CARD]
        button = _button("card", self._words("settings.card"), plain=True)
        return "".join([*drawn, *sampling]) + f'<div class="field act">{button}{_place("card")}</div>'

    def _look(self) -> str:
        words, settings = self._words, self._services.settings
        themes = [_Choice(value, words(f"settings.theme_{value}")) for value in ("system", "light", "dark")]
        sizes = [_Choice(str(size), words("settings.percent", n=size)) for size in range(90, 151, 10)]
        contrasts = [_Choice(value, words(f"settings.contrast_{value}")) for value in ("normal", "high")]
        tongues = [_Choice(name, name) for name in languages()]
        return (
            self._choice("theme", themes, settings.theme, look=True)
            + self._choice("text_size", sizes, str(settings.text_size), look=True)
            + self._choice("contrast", contrasts, settings.contrast, look=True)
            + self._choice("language", tongues, settings.language)
        )

    def _export(self) -> str:
        return self._number("author", self._services.settings.author, mode="text") + self._heading("style") + self._style()

    def _style(self) -> str:
        """Which style writes the references, a way to choose another file, and one back."""
        words = self._words
        try:
            now = self._services.style()
            named = words("settings.style_now", title=now) if now else words("settings.style_none")
        except InputError as error:
            now, named = styles.FILE, words("settings.style_spoilt", why=error.message)
        button = _button("no-style", words("settings.style_ama"), plain=True) if now else ""
        return (
            f'<div class="field"><label for="style-file">{escape(words("settings.style_choose"))}</label>'
            f'<input id="style-file" type="file" accept=".csl" data-file="style" data-most="{MOST_BYTES}" aria-describedby="style-now">'
            f'<p class="hint" id="style-now" dir="auto">{escape(named)}</p></div>'
            f'<div class="field act">{button}{_place("style")}</div>'
        )

    def _data(self) -> str:
        words, services = self._words, self._services
        backups = services.backups()[:_BACKUPS_SHOWN]
        links = "".join(
            f'<li><a href="/v1/backup/{escape(file.name)}" download>{escape(file.name)}</a> '
            f"<span>{escape(words('settings.megabytes', n=f'{file.stat().st_size / 1e6:.1f}'))}</span></li>"
            for file in backups
        )
        restore = [_Choice(file.name, file.name) for file in backups]
        erase = words("settings.erase_type", word=words("settings.erase_word"))
        return "".join(
            [
                f'<p>{escape(words("settings.data_about"))}</p><p class="path">{escape(str(services.settings.home))}</p>',
                self._heading("backup"),
                self._secret("backup-passphrase", "backup_passphrase"),
                f'<div class="field act">{_button("backup", words("settings.backup_now"))}{_place("backup")}</div>',
                f'<ul class="backups">{links}</ul>' if links else "",
                self._heading("restore"),
                self._restore_form(restore) if restore else "",
                self._heading("erase"),
                f'<div class="field"><label for="erase-word">{escape(erase)}</label>'
                '<input id="erase-word" autocomplete="off" spellcheck="false"></div>'
                f'<div class="field act">{_button("erase", words("settings.erase_now"), danger=True)}{_place("erase")}</div>',
            ]
        )

    def _restore_form(self, files: list[_Choice]) -> str:
        words = self._words
        options = _options(files, "")
        return (
            f'<div class="field"><label for="restore-file">{escape(words("settings.restore_file"))}</label>'
            f'<select id="restore-file">{options}</select></div>'
            + self._secret("restore-passphrase", "restore_passphrase")
            + f'<div class="field act">{_button("restore", words("settings.restore_now"), plain=True)}{_place("restore")}</div>'
        )

    def _passphrase(self) -> str:
        words, services = self._words, self._services
        has = services.key.where == "passphrase"
        buttons = _button("protect", words("settings.passphrase_change" if has else "settings.passphrase_do"))
        if has:
            buttons += _button("unprotect", words("settings.passphrase_remove"), plain=True)
        return "".join(
            [
                f"<p>{escape(words(f'settings.passphrase_where_{services.key.where}'))}</p>",
                f"<p>{escape(words('settings.passphrase_about'))}</p>",
                f"<p>{escape(words('settings.passphrase_elsewhere'))}</p>" if "passphrase" in services.settings.places else "",
                self._secret("present", "passphrase_present", now="current-password") if has else "",
                self._secret("new", "passphrase_new"),
                self._secret("again", "passphrase_again"),
                f'<div class="field act">{buttons}{_place("passphrase")}</div>',
            ]
        )

    def _computer(self) -> str:
        words = self._words
        lines = [("program", f"Med42 Chat {__version__}"), *((line.name, _in_words(line)) for line in self._services.glance())]
        rows = "".join(f"<div><dt>{escape(words(f'settings.line_{name}'))}</dt><dd>{escape(value)}</dd></div>" for name, value in lines)
        return f'<dl class="lines">{rows}</dl><p class="hint">{escape(words("settings.computer_more"))}</p>'

    # Controls

    def _heading(self, name: str) -> str:
        words = self._words
        return f"<h3>{escape(words(f'settings.{name}_title'))}</h3><p>{escape(words(f'settings.{name}_about'))}</p>"

    def _number(self, name: str, value: object, mode: str = "decimal") -> str:
        shown = "" if value is None else escape(str(value))
        return self._field(
            name, f'<input id="set-{name}" data-set="{name}" value="{shown}" inputmode="{mode}" autocomplete="off" {self._about(name)}>'
        )

    def _choice(self, name: str, choices: Iterable[_Choice], value: str, look: bool = False) -> str:
        mark = f' data-look="{name}"' if look else ""
        control = f'<select id="set-{name}" data-set="{name}"{mark} {self._about(name)}>{_options(choices, value)}</select>'
        return self._field(name, control)

    def _about(self, name: str) -> str:
        off = " disabled" if name in self._services.settings.places else ""
        return f'aria-describedby="hint-{name} said-{name}"{off}'

    def _field(self, name: str, control: str) -> str:
        words, place = self._words, self._services.settings.places.get(name)
        hint = words("settings.set_elsewhere", place=place) if place else words(f"settings.{name}_hint")
        return (
            f'<div class="field"><label for="set-{name}">{escape(words(f"settings.{name}"))}</label>{control}'
            f'<p class="hint" id="hint-{name}">{escape(hint)}</p>{_place(name)}</div>'
        )

    def _secret(self, id: str, word: str, now: str = "new-password") -> str:
        words = self._words
        return (
            f'<div class="field"><label for="{id}">{escape(words(f"settings.{word}"))}</label>'
            f'<input id="{id}" type="password" autocomplete="{now}"></div>'
        )


def meaning_words(words: Words, state: State) -> str:
    """How it stands with the embedding model, and what it is worth here."""
    if state.trouble:
        return state.trouble
    if state.checking:
        return words("settings.meaning_trying", done=f"{state.known:,}", all=f"{state.passages:,}")
    if state.verdict is None:
        return words("settings.meaning_untried")
    verdict = state.verdict
    figures = {"both": f"{verdict.both:.3f}", "words": f"{verdict.words:.3f}", "count": verdict.questions}
    return words("settings.meaning_helps" if verdict.helps else "settings.meaning_no_gain", **figures)


def _automatic(settings: Settings) -> Settings:
    return Settings(home=settings.home, models=settings.models)


def _in_words(line: Health) -> str:
    return f"{line.text.removesuffix('.')}. {line.hint}".strip()


def _options(choices: Iterable[_Choice], value: str) -> str:
    return "".join(
        f'<option value="{escape(one.value)}"{" selected" if one.value == value else ""}>{escape(one.label)}</option>' for one in choices
    )


def _button(do: str, label: str, plain: bool = False, danger: bool = False) -> str:
    name = "danger" if danger else "secondary" if plain else "primary"
    return f'<button type="button" class="{name}" data-act="{do}">{escape(label)}</button>'


def _place(name: str) -> str:
    """Where it is said what came of a change."""
    return f'<p class="said" id="said-{name}" role="status"></p>'
