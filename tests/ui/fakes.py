"""Services for tests of the page: the real store, chat and jobs over a scripted runtime that takes its time as a model does."""

import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from med42_chat.bin import Bin
from med42_chat.chat import Chat
from med42_chat.jobs import Jobs
from med42_chat.lookup import Lookup
from med42_chat.records import Timings, Usage
from med42_chat.runtime.protocol import Finished, Prefill, Request, RuntimeEvent, RuntimeStatus, Text
from med42_chat.services import Services
from med42_chat.settings import Settings
from med42_chat.store.database import Store
from med42_chat.store.keys import Key
from tests.scripted import MODEL, ScriptedRuntime

MED42 = replace(
    MODEL, name="Llama3-Med42-8B", quantization="Q4_K - Medium", sha256="9e3a41c0d5" * 6 + "9e3a", build="0.3.36", stop_ids=(128001, 128009)
)

ANSWER = """**Red flags** of headache that need same-day assessment:

- Sudden onset, at its worst within a minute (*thunderclap*)
- New headache after the age of 50
- Fever, neck stiffness or a rash that does not blanch

| Finding | Think of | First step |
|---|---|---|
| Thunderclap onset | Subarachnoid haemorrhage | CT within 6 hours |
| Fever and stiff neck | Meningitis | Blood cultures, antibiotics |
| Age over 50, jaw pain | Giant cell arteritis | ESR, CRP, steroids |

### Before you send anyone home

1. Examine the fundi and the visual fields.
2. Measure blood pressure on both arms.
   - above 180/120 mmHg: look for end-organ damage
3. Tell the patient when to come back.

> A normal examination does not rule out a subarachnoid haemorrhage.
"""


@dataclass
class PacedRuntime(ScriptedRuntime):
    """Gives a character string in pieces, one each `pause_s`, and can be told to load, fail or die."""

    text: str = ANSWER
    pause_s: float = 0.004
    piece: int = 6
    progress: float = 1.0
    error: str = ""
    hint: str = ""

    def status(self) -> RuntimeStatus:
        return RuntimeStatus(self.state, self.progress, 0, self.model, self.error, self.hint)  # type: ignore[arg-type]

    def generate(self, request: Request) -> Iterator[RuntimeEvent]:
        self.requests.append(request)
        total, began = len(request.prompt), time.monotonic()
        for done in range(0, total, 24):
            yield Prefill(done, total)
            time.sleep(self.pause_s)
        pieces = [self.text[at : at + self.piece] for at in range(0, len(self.text), self.piece)]
        for count, piece in enumerate(pieces):
            if self._held(request.id):
                yield Finished("cancelled", Usage(total, 0, count), Timings(0.2, 24.5))
                return
            yield Text(piece)
        speed = len(pieces) / max(time.monotonic() - began, 0.001)
        yield Finished(self.reason, Usage(total, total // 2, len(pieces)), Timings(0.2, min(speed, 35.4)), self.detail)  # type: ignore[arg-type]

    def _held(self, request_id: str) -> bool:
        """Waits as long as a token takes, and while the gate is shut; true when the request was cancelled."""
        time.sleep(self.pause_s)
        while self.gate and not self.gate.wait(0.02) and request_id not in self._cancelled:
            pass
        return request_id in self._cancelled


def services(home: Path, runtime: ScriptedRuntime | None = None) -> Services:
    """Everything a page needs, in a new folder."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    runtime = runtime or PacedRuntime(model=MED42)
    store = Store.open(home, bytes(range(32)))
    chat = Chat(store.conversations, runtime, "You are a careful assistant.", lookup=Lookup(store.documents))
    key = Key(bytes(range(32)), "file", "a test's key")
    settings = Settings(home=home, keyring=False, model="scripted.gguf")
    return Services(settings, store, key, runtime, chat, Jobs(chat), Bin(store.conversations), token=secrets.token_urlsafe(24))


def gate() -> threading.Event:
    """A shut gate for a runtime: nothing is written until the test sets it."""
    return threading.Event()
