"""All words that the page shows, from one file of a language: assets/words/en.toml. Pure but for reading that file."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language by name: 'transcript.copy' is `copy` in the table `[transcript]`."""

    language: str
    direction: str  # 'ltr' or 'rtl'
    _texts: Mapping[str, str]

    def __call__(self, name: str, /, **values: object) -> str:
        """The text with {values} filled in; integers with their thousands apart.

        A text that depends on a number `n` has two forms, `name.one` and `name.other`. Raises KeyError for a name that is not there:
        a test finds those.
        """
        if name not in self._texts:
            name += ".one" if values.get("n") == 1 else ".other"
        shown = {key: f"{value:,}" if isinstance(value, int) else value for key, value in values.items()}
        return self._texts[name].format(**shown)

    def script(self) -> str:
        """The same words for the page's scripts, which know them as `med42.say(name, values)`."""
        whole = {"language": self.language, "direction": self.direction, "texts": dict(self._texts)}
        return f"med42.words = {json.dumps(whole, ensure_ascii=False)};".replace("</", "<\\/")  # no text may end the script


def read_words(path: Path) -> Words:
    """The words of a language file."""
    tables = tomllib.loads(path.read_text("utf-8"))
    about = tables.pop("language")
    return Words(about["name"], about["direction"], dict(_flat("", tables)))


def _flat(prefix: str, table: Mapping[str, object]) -> list[tuple[str, str]]:
    texts: list[tuple[str, str]] = []
    for key, value in table.items():
        texts += _flat(f"{prefix}{key}.", value) if isinstance(value, dict) else [(f"{prefix}{key}", str(value).strip())]
    return texts
