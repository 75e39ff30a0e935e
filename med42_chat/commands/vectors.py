"""`library check-vectors`: does an embedding model find more in this library than words do? What came of it holds from then on."""

import json
import sys
from contextlib import closing
from dataclasses import asdict
from typing import Any

from med42_chat.commands.common import Command, opened_store
from med42_chat.loading import open_embedder
from med42_chat.meaning import Meaning
from med42_chat.settings import Settings
from med42_chat.store.vectors import GAIN, Verdict


def add_command(command: Command) -> None:
    """Makes the subcommand of `library`."""
    text = "compare the search with and without an embedding model on questions made of your own documents; it is used where it helps"
    made = command("check-vectors", _run, text)
    made.add_argument("--embedding", metavar="FILE", help="a GGUF file, or the name of one in the models folder")


def _run(options: Any, chosen: Settings) -> None:
    with opened_store(chosen) as store, closing(Meaning(store.documents, store.vectors, open_embedder(chosen))) as meaning:
        _show(options, meaning.check(_say_passage if sys.stderr.isatty() else lambda done, of: None))


def _say_passage(done: int, of: int) -> None:
    print(f"\rpassage {done:,} of {of:,}", end="\r" if done == of else "", file=sys.stderr, flush=True)


def _show(options: Any, verdict: Verdict) -> None:
    if options.json:
        print(json.dumps({**asdict(verdict), "helps": verdict.helps}, indent=2))
        return
    print(f"nDCG@10 by words alone  {verdict.words:.3f}")
    print(f"nDCG@10 with vectors    {verdict.both:.3f}  ({verdict.questions} questions made of your own documents)")
    print(said(verdict))


def said(verdict: Verdict) -> str:
    """What follows from it, in a sentence."""
    if verdict.helps:
        return "That is a gain: where this model is set, the library is searched with it from now on."
    return f"That is no gain of at least {GAIN}: the library is searched by words alone."
