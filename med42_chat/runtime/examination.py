"""Is a loaded model in order? What only the model itself can show; what its file's header tells is known before it is loaded.

`Trial` puts a short question to it before anybody else does, and gives way at once.
"""

from collections.abc import Sequence

from med42_chat.records import Health, Sampling, Turn
from med42_chat.runtime.protocol import Finished, Request, RuntimeEvent, Text
from med42_chat.runtime.scheduler import Events, Scheduler
from med42_chat.runtime.template import Template, Vocabulary

_QUESTION = "Answer with one word: is the sky blue?"
_MOST_TOKENS = 96  # a model of few words may refuse in many
UNTRIED = Health("answer", "ok", "not tested, because a question came first: the first answer that ends by itself will show it")
_NAME = "trial"  # of its request, which no person's request has: theirs are ids of messages


def findings(template: Template, vocabulary: Vocabulary, size: int, stop_ids: Sequence[int]) -> tuple[Health, ...]:
    """The vocabulary, the beginning of a prompt, and what ends an answer."""
    prompt = template.encode([Turn("user", _QUESTION)])
    return (Health("vocabulary", "ok", f"{size:,} tokens"), of_prompt(prompt, vocabulary.bos_id), of_stops(stop_ids))


def of_prompt(prompt: Sequence[int], bos_id: int | None) -> Health:
    """Whether a prompt begins as it must: exactly one beginning-of-text token, where the model has one."""
    if bos_id is None:
        return Health("prompt", "ok", "this model has no beginning-of-text token")
    count = sum(token == bos_id for token in prompt)
    if count == 1 and prompt[0] == bos_id:
        return Health("prompt", "ok", "begins with one beginning-of-text token")
    return Health("prompt", "error", f"The prompt has {count} beginning-of-text tokens.", "Answers would be wrong: choose another file.")


def of_stops(stop_ids: Sequence[int]) -> Health:
    """What ends an answer."""
    if not stop_ids:
        return Health("stops", "error", "No token ends an answer.", "Answers would go on for ever: choose another file.")
    return Health("stops", "ok", f"tokens {', '.join(map(str, sorted(stop_ids)))}")


def of_answer(finished: Finished, text: str) -> Health:
    """Whether the short answer ended by itself."""
    tokens = finished.usage.completion_tokens
    if finished.reason == "stop":
        return Health("answer", "ok", f"an answer ended by itself after {tokens} tokens")
    if finished.reason != "length":
        return Health("answer", "error", f"The test question got no answer: {finished.detail}", "Choose another file.")
    if text.lstrip().startswith("<think"):
        return Health("answer", "ok", "this model writes its thoughts down before it answers")
    return Health(
        "answer",
        "warning",
        f"A short answer did not end within {tokens} tokens.",
        "The file may not know where answers end. If answers do not end, choose another one.",
    )


class Trial:
    """A short question that a model should answer with a word or two, put to it before anybody else asks anything.

    When somebody does, it stops for good: asked later, it would cost a conversation what is kept of it in the model's memory.
    The first answer that ends by itself then shows the same. For the scheduler's thread, but for `running`.
    """

    def __init__(self, template: Template) -> None:
        self.running = False
        self._begun = False
        self._finding: Health | None = None
        self._text = ""
        sampling = Sampling(temperature=0, max_tokens=_MOST_TOKENS)
        self._request = Request(_NAME, template.encode([Turn("user", _QUESTION)]), sampling, 0)

    def begin(self, scheduler: Scheduler) -> Events:
        """Asks, once."""
        if self._begun:
            return []
        self._begun = self.running = True
        return scheduler.submit(self._request)

    def give_way(self, scheduler: Scheduler) -> Events:
        """Stops, because somebody asks something."""
        self._begun = True
        return scheduler.cancel(_NAME) if self.running else []

    def take(self, events: Events) -> tuple[Events, Health | None]:
        """Takes what is its own out of `events`; gives the rest, and a finding where there is a new one."""
        before = self._finding
        for name, event in events:
            if name == _NAME:
                self._take(event)
            elif isinstance(event, Finished) and event.reason == "stop" and self._finding in (None, UNTRIED):
                self._finding = of_answer(event, "")
        if self._begun and not self.running and self._finding is None:
            self._finding = UNTRIED
        return [one for one in events if one[0] != _NAME], self._finding if self._finding is not before else None

    def _take(self, event: RuntimeEvent) -> None:
        if isinstance(event, Text):
            self._text += event.text
        if isinstance(event, Finished):
            self.running = False
            self._finding = UNTRIED if event.reason == "cancelled" else of_answer(event, self._text)
