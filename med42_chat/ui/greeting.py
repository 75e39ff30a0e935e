"""The empty page: who answers, what the library holds or how to begin one, and questions to try."""

import hashlib
import tomllib
from html import escape
from pathlib import Path

from med42_chat.services import Services
from med42_chat.words import Words

_EXAMPLES = 6


class Greeting:
    """`examples` is the file of general questions, `samples` the folder of the sample library with its own `questions.toml`."""

    def __init__(self, services: Services, words: Words, examples: Path, samples: Path) -> None:
        self._services, self._words, self._samples = services, words, samples
        self._questions: list[str] = tomllib.loads(examples.read_text("utf-8"))["questions"][:_EXAMPLES]
        offered = tomllib.loads((samples / "questions.toml").read_text("utf-8"))["question"]
        self._offered: list[tuple[str, str]] = [(one["text"], one["document"]) for one in offered]

    def html(self) -> str:
        """The greeting as things are now."""
        words, demonstration, server = self._words, self._services.is_demonstration(), self._services.server
        weights = f' <button type="button" class="link" data-do="weights">{words("greeting.weights")}</button>' if demonstration else ""
        here = words("greeting.demonstration" if demonstration else "greeting.med42")
        who = words("server.greeting", server=escape(server)) if server else here
        offered = self.offered()
        label = words("greeting.from_samples" if offered else "greeting.examples")
        title = f'<p class="from">{escape(label)}</p>' if offered else ""
        buttons = "".join(f'<button type="button" class="example">{escape(text)}</button>' for text in (offered or self._questions))
        return (
            f'<section class="greeting"><h2>{words("greeting.title")}</h2><p>{who}{weights}</p>{self._library()}{title}'
            f'<div class="examples" role="group" aria-label="{escape(label)}">{buttons}</div></section>'
        )

    def offered(self) -> list[str]:
        """The questions that the sample documents answer which are in the library."""
        return [text for text, name in self._offered if self._is_here(name)]

    def _is_here(self, name: str) -> bool:
        data = (self._samples / name).read_bytes()
        found = self._services.library.documents.with_content(hashlib.sha256(data).hexdigest())
        return found is not None and not found.superseded_by

    def _library(self) -> str:
        """How to begin a library, while there is none."""
        words = self._words
        if self._services.library.documents.count():
            return ""
        buttons = "".join(
            f'<button type="button" class="{name}" data-do="{do}">{escape(words(f"greeting.{do}"))}</button>'
            for do, name in (("library", "primary"), ("samples", "secondary"))
        )
        return f'<div class="begin"><p>{escape(words("greeting.begin"))}</p><p class="actions">{buttons}</p></div>'
