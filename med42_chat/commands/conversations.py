"""`list`, `show` and `delete`: conversations that are kept."""

import time
from dataclasses import asdict
from typing import Any

from med42_chat import resume
from med42_chat.commands.common import ENDINGS, QUIET_LINE, Command, opened_store, tell
from med42_chat.errors import InputError
from med42_chat.records import Conversation, Message
from med42_chat.settings import Settings
from med42_chat.terminal import say, say_json


def add_commands(command: Command) -> None:
    """Makes the commands."""
    listing = command("list", _list, "conversations, newest first")
    listing.add_argument("--search", metavar="TEXT", help="only messages with these words, wherever they are")
    listing.add_argument("--archived", action="store_true", help="those put away into the archive")
    listing.add_argument("--folder", metavar="NAME", default="", help="only those in this folder")
    listing.add_argument("--tag", metavar="NAME", default="", help="only those with this tag")
    listing.add_argument("--limit", type=_limit, default=50, help="at most this many, 1 to 100000")
    command("show", _show, "a whole conversation").add_argument("id")
    command("delete", _delete, "delete a conversation for good").add_argument("id")


def _limit(text: str) -> int:
    if not 1 <= int(text) <= 100_000:
        raise ValueError
    return int(text)


def _list(options: Any, chosen: Settings) -> None:
    if options.search is not None and (options.archived or options.folder or options.tag):
        raise InputError("A search looks through all conversations.", "Leave out --archived, --folder and --tag, or --search.")
    with opened_store(chosen) as store:
        if options.search is not None:
            hits = store.conversations.search(options.search, options.limit)
            if options.json:
                say_json([asdict(hit) for hit in hits])
            for hit in () if options.json else hits:
                say(f"{hit.conversation_id}  {hit.title}\n    {''.join(hit.snippet)}")
            return
        found = store.conversations.recent(options.limit, 0, options.archived, options.folder, options.tag)
        if options.json:
            say_json([asdict(conversation) for conversation in found])
        for conversation in () if options.json else found:
            say(_list_line(conversation))


def _list_line(conversation: Conversation) -> str:
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(conversation.updated_at / 1000))
    return f"{conversation.id}  {at}  {conversation.message_count:>4}  {conversation.title}"


def _show(options: Any, chosen: Settings) -> None:
    with opened_store(chosen) as store:
        conversation, messages = store.conversations.get(options.id), store.conversations.branch(options.id)
    if options.json:
        say_json({**asdict(conversation), "messages": [asdict(message) for message in messages]})
        return
    say(f"{conversation.title}\n")
    if conversation.pinned_facts:
        say(f"Pinned facts: {conversation.pinned_facts}\n")
    for message in messages:
        speaker = "You" if message.role == "user" else (message.evidence.model if message.evidence else "") or "Answer"
        say(f"{speaker}{_version(message)}:")
        for attachment in message.attachments:
            say(f"[Attached: {attachment.name}, {len(attachment.text):,} characters]")
        say(message.text)
        print(f"{ENDINGS.get(message.status, '')}\n")
    print(QUIET_LINE)


def _version(message: Message) -> str:
    return f" (version {message.versions.index(message.id) + 1} of {len(message.versions)})" if message.versions else ""


def _delete(options: Any, chosen: Settings) -> None:
    with opened_store(chosen) as store:
        title = store.conversations.get(options.id).title
        store.conversations.delete(options.id)
        resume.forget(chosen, store.key, options.id)
    tell(options, {"deleted": options.id}, f"Deleted: {title}")
