"""The demonstration model in llama.cpp, asked as the application asks it, in this process."""

from collections.abc import Sequence

from med42_chat.prompt import system_text
from med42_chat.records import Sampling, Turn
from med42_chat.runtime import llama
from med42_chat.runtime.protocol import Finished, Load, Request
from med42_chat.runtime.scheduler import Scheduler
from med42_chat.runtime.template import choose_template
from med42_chat.settings import ASSETS, PROJECT
from tests.runtime.asking import written

FILE = PROJECT / "models" / "demo" / "med42-chat-demo.gguf"


class Demonstration:
    """Each answer is written greedily, from an empty cache."""

    def __init__(self) -> None:
        model = llama.load(Load(str(FILE), 4096, 1), llama.Log(), lambda _: None)
        self.context, self.template = model.context, choose_template(model.vocabulary, "")
        self.system = system_text((ASSETS / "prompts" / "system.txt").read_text("utf-8"), "")

    def write(self, question: str, grammar: str, begun: str = "", most: int = 2000, said: Sequence[Turn] = ()) -> tuple[str, Finished]:
        """The answer to a question that follows what was said, and how it ended."""
        turns = [Turn("system", self.system), *said, Turn("user", question), *([Turn("assistant", begun)] if begun else [])]
        self.context.forget(0, 0)
        scheduler = Scheduler(self.context)
        sampling = Sampling(temperature=0.0, repeat_penalty=1.0, max_tokens=most)
        scheduler.submit(Request("a", self.template.encode(turns), sampling, 1, grammar))
        return written(scheduler)
