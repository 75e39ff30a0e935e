"""The database's shape, as numbered steps that are never edited once released.

A step that rebuilds a table (`transform`) loses its triggers, the search's among them: it must make them again and rebuild the index.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from med42_chat.errors import StoreTooNew
from med42_chat.store.connection import engine, plain_errors
from med42_chat.store.snapshot import keep_newest, snapshot

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

Step = Callable[["Database"], None]

# Ids that others see are `uid`s. The integer ids are for SQLite: full-text search needs row numbers that VACUUM does not change.
_M001 = """
create table conversations(
  id integer primary key,
  uid text not null unique,
  title text not null default '',
  pinned_facts text not null default '',
  created_at integer not null,
  updated_at integer not null,
  pinned integer not null default 0,
  archived integer not null default 0,
  deleting integer not null default 0,
  leaf_id integer,
  n_messages integer not null default 0
) strict;
create index conversations_recent on conversations(archived, pinned desc, updated_at desc, id desc) where not deleting;
create index conversations_deleting on conversations(id) where deleting;

create table messages(
  id integer primary key,
  uid text not null unique,
  conversation_id integer not null references conversations(id) on delete cascade,
  parent_id integer references messages(id) on delete cascade,
  role text not null check(role in ('system', 'user', 'assistant')),
  status text not null check(status in ('streaming', 'complete', 'length', 'stopped', 'interrupted', 'failed')),
  text text not null,
  created_at integer not null
) strict;
create index messages_conversation on messages(conversation_id, id);
create index messages_parent on messages(parent_id) where parent_id is not null;
create index messages_streaming on messages(status) where status = 'streaming';

create table stream_deltas(
  message_id integer not null references messages(id) on delete cascade,
  seq integer not null,
  text text not null,
  primary key(message_id, seq)
) strict, without rowid;

-- One answer's evidence, whole, as JSON: its parts are reached with ->> when they are needed.
create table runs(
  message_id integer primary key references messages(id) on delete cascade,
  evidence text not null check(json_valid(evidence))
) strict;

-- Copies, not references: an answer stays checkable when the document is gone.
create table citations(
  message_id integer not null references messages(id) on delete cascade,
  ordinal integer not null,
  number integer not null,
  title text not null,
  text text not null,
  page integer,
  document_sha256 text not null,
  quote text not null,
  verdict text not null check(verdict in ('unchecked', 'found', 'not_found')),
  primary key(message_id, ordinal)
) strict, without rowid;

create table documents(
  id integer primary key,
  uid text not null unique,
  title text not null,
  source_path text,
  media_type text not null,
  sha256 text not null,
  bytes integer not null,
  n_pages integer,
  publisher text,
  published_on text,
  version text,
  superseded_by integer references documents(id) on delete set null,
  added_at integer not null,
  extractor text not null,
  meta text not null default '{}'
) strict;

create table passages(
  id integer primary key,
  document_id integer not null references documents(id) on delete cascade,
  ordinal integer not null,
  page_from integer,
  page_to integer,
  char_from integer not null,
  char_to integer not null,
  heading text not null default '',
  text text not null,
  boxes text
) strict;
create index passages_document on passages(document_id, ordinal);

create table feedback(
  id integer primary key,
  message_id integer not null references messages(id) on delete cascade,
  kind text not null,
  comment text not null default '',
  created_at integer not null
) strict;
create index feedback_message on feedback(message_id);

-- AUTOINCREMENT: its counter shows when rows at the end were removed.
create table audit(
  id integer primary key autoincrement,
  at integer not null,
  action text not null,
  subject text not null,
  detail text not null,
  hash blob not null
) strict;

-- Only finished messages are searched. The view makes the index's own rebuild and integrity check agree with the triggers.
create view messages_indexed as select id, text from messages where status <> 'streaming';
create virtual table messages_fts using fts5(
  text, content="messages_indexed", content_rowid="id", tokenize='porter unicode61 remove_diacritics 2', prefix='3');
create trigger messages_fts_insert after insert on messages when new.status <> 'streaming' begin
  insert into messages_fts(rowid, text) values (new.id, new.text);
end;
create trigger messages_fts_delete after delete on messages when old.status <> 'streaming' begin
  insert into messages_fts(messages_fts, rowid, text) values ('delete', old.id, old.text);
end;
create trigger messages_fts_update after update of text, status on messages
when old.status <> 'streaming' or new.status <> 'streaming' begin
  insert into messages_fts(messages_fts, rowid, text) select 'delete', old.id, old.text where old.status <> 'streaming';
  insert into messages_fts(rowid, text) select new.id, new.text where new.status <> 'streaming';
end;

create virtual table titles_fts using fts5(
  title, content="conversations", content_rowid="id", tokenize='porter unicode61 remove_diacritics 2', prefix='3');
create trigger titles_fts_insert after insert on conversations begin
  insert into titles_fts(rowid, title) values (new.id, new.title);
end;
create trigger titles_fts_delete after delete on conversations begin
  insert into titles_fts(titles_fts, rowid, title) values ('delete', old.id, old.title);
end;
create trigger titles_fts_update after update of title on conversations begin
  insert into titles_fts(titles_fts, rowid, title) values ('delete', old.id, old.title);
  insert into titles_fts(rowid, title) values (new.id, new.title);
end;

-- Without these a deleted word stays readable in the index's own pages.
insert into messages_fts(messages_fts, rank) values ('secure-delete', 1);
insert into titles_fts(titles_fts, rank) values ('secure-delete', 1);
"""


def m001_initial(db: "Database") -> None:
    """Conversations, messages as a tree, evidence, citations, documents, passages, feedback, audit, and search."""
    _run_script(db, _M001)


_M002 = """
alter table conversations add column folder text not null default '';
create index conversations_folder on conversations(archived, folder, pinned desc, updated_at desc, id desc)
  where not deleting and folder <> '';

create table conversation_tags(
  conversation_id integer not null references conversations(id) on delete cascade,
  tag text not null,
  primary key(conversation_id, tag)
) strict, without rowid;
create index conversation_tags_tag on conversation_tags(tag, conversation_id);

-- Which of the messages that follow this one was last on the branch shown; null: the newest.
alter table messages add column shown_id integer;

-- JSON: what came with one question is read whole or not at all.
create table attachments(
  message_id integer primary key references messages(id) on delete cascade,
  items text not null check(json_valid(items))
) strict;

-- What is typed and not sent: `owner` is a conversation's uid, or empty for the page that has none yet.
create table drafts(
  owner text primary key,
  text text not null,
  attachments text not null check(json_valid(attachments)),
  updated_at integer not null
) strict;
"""


def m002_desk(db: "Database") -> None:
    """Folders, tags, attachments, drafts, and which branch was last shown."""
    _run_script(db, _M002)


# The two tables of step 1 were made before anything was put into them.
_M003 = """
drop table passages;
drop table documents;

create table documents(
  id integer primary key,
  uid text not null unique,
  sha256 text not null unique,
  name text not null,
  media_type text not null,
  bytes integer not null,
  title text not null,
  publisher text not null,
  dated text not null,
  version text not null,
  notes text not null check(json_valid(notes)),
  superseded_by integer references documents(id) on delete set null,
  added_at integer not null
) strict;
create index documents_superseded on documents(superseded_by) where superseded_by is not null;

-- The file as it was added, apart from its row: lists never touch it.
create table originals(
  document_id integer primary key references documents(id) on delete cascade,
  content blob not null
) strict;

create table pages(
  id integer primary key,
  document_id integer not null references documents(id) on delete cascade,
  number integer,
  text text not null,
  boxes blob not null
) strict;
create index pages_document on pages(document_id, number);

-- `headings`: the document's title and the heading path, one a line. `searched` is 0 for a superseded document's passages.
create table passages(
  id integer primary key,
  document_id integer not null references documents(id) on delete cascade,
  number integer not null,
  page integer,
  headings text not null,
  text text not null,
  char_from integer not null,
  char_to integer not null,
  searched integer not null default 1
) strict;
create index passages_document on passages(document_id, number);

create table abbreviations(
  document_id integer not null references documents(id) on delete cascade,
  short text not null,
  long text not null,
  primary key(document_id, short, long)
) strict, without rowid;

create table collections(
  document_id integer not null references documents(id) on delete cascade,
  name text not null,
  primary key(document_id, name)
) strict, without rowid;
create index collections_name on collections(name, document_id);

-- Two indexes and not one with two columns: bm25 over both together ranked much worse on questions.
create view passages_searched as select id, text, headings from passages where searched;
create virtual table passages_fts using fts5(
  text, content="passages_searched", content_rowid="id", tokenize='porter unicode61 remove_diacritics 2');
create virtual table headings_fts using fts5(
  headings, content="passages_searched", content_rowid="id", tokenize='porter unicode61 remove_diacritics 2');
create trigger passages_fts_insert after insert on passages when new.searched begin
  insert into passages_fts(rowid, text) values (new.id, new.text);
  insert into headings_fts(rowid, headings) values (new.id, new.headings);
end;
create trigger passages_fts_delete after delete on passages when old.searched begin
  insert into passages_fts(passages_fts, rowid, text) values ('delete', old.id, old.text);
  insert into headings_fts(headings_fts, rowid, headings) values ('delete', old.id, old.headings);
end;
create trigger passages_fts_update after update of text, headings, searched on passages begin
  insert into passages_fts(passages_fts, rowid, text) select 'delete', old.id, old.text where old.searched;
  insert into headings_fts(headings_fts, rowid, headings) select 'delete', old.id, old.headings where old.searched;
  insert into passages_fts(rowid, text) select new.id, new.text where new.searched;
  insert into headings_fts(rowid, headings) select new.id, new.headings where new.searched;
end;
insert into passages_fts(passages_fts, rank) values ('secure-delete', 1);
insert into headings_fts(headings_fts, rank) values ('secure-delete', 1);
"""


def m003_library(db: "Database") -> None:
    """Documents with their originals, pages, passages and collections, and the search in them."""
    _run_script(db, _M003)


_M004 = """
alter table conversations add column library text not null default 'first' check(library in ('first', 'only', 'off'));
alter table conversations add column collections text not null default '[]' check(json_valid(collections));

-- JSON: what the checks said of one answer is read whole or not at all.
alter table messages add column findings text not null default '[]' check(json_valid(findings));

alter table citations add column document_uid text not null default '';
alter table citations add column headings text not null default '[]' check(json_valid(headings));
alter table citations add column char_from integer not null default 0;
alter table citations add column char_to integer not null default 0;
alter table citations add column publisher text not null default '';
alter table citations add column dated text not null default '';
alter table citations add column version text not null default '';
"""


def m004_checked(db: "Database") -> None:
    """How a conversation uses the library, where in a document a citation stands, and what the checks said of an answer."""
    _run_script(db, _M004)


_M005 = """
-- What is on its way into the library. `content` is of a file that was dropped on the page, until it has been read. Last, so that lists
-- never touch it. When the document goes, so does what is said of its file.
create table waiting(
  id integer primary key,
  uid text not null unique,
  kind text not null check(kind in ('path', 'content', 'document')),
  name text not null,
  path text not null default '',
  collections text not null default '[]' check(json_valid(collections)),
  ocr integer not null default 0,
  state text not null default 'waiting' check(state in ('waiting', 'reading', 'done', 'failed', 'stopped')),
  tries integer not null default 0,
  pages integer,
  message text not null default '',
  hint text not null default '',
  scan integer not null default 0,
  document text references documents(uid) on delete cascade,
  older text references documents(uid) on delete set null,
  content blob
) strict;
create index waiting_state on waiting(state, id);
create index waiting_document on waiting(document);
create index waiting_older on waiting(older);

create table watched(
  id integer primary key,
  path text not null unique,
  collections text not null check(json_valid(collections))
) strict;

-- The files that were taken, as they were then: `changed` in nanoseconds since 1970.
create table watched_files(
  watched_id integer not null references watched(id) on delete cascade,
  path text not null,
  changed integer not null,
  bytes integer not null,
  document text references documents(uid) on delete set null,
  primary key(watched_id, path)
) strict, without rowid;
create index watched_files_path on watched_files(path);
create index watched_files_document on watched_files(document);
"""


def m005_adding(db: "Database") -> None:
    """What is on its way into the library, and the folders that are watched for it."""
    _run_script(db, _M005)


_M006 = """
-- Of the embedding model whose file has this SHA-256: a signed byte for each dimension.
create table vectors(
  passage_id integer primary key references passages(id) on delete cascade,
  model text not null,
  data blob not null
) strict;

-- What came of comparing the search with and without a model's vectors, and of which library: how many passages, and when (ms).
create table vector_checks(
  model text primary key,
  verdict text not null check(json_valid(verdict)),
  passages integer not null,
  newest integer not null
) strict;
"""


def m006_vectors(db: "Database") -> None:
    """What an embedding model made of the passages, and whether that helps."""
    _run_script(db, _M006)


_M007 = """
-- When (ms) a message came in a file from elsewhere; 0: it was written here. Its like elsewhere may have been changed by anybody.
alter table messages add column imported_at integer not null default 0;
"""


def m007_imported(db: "Database") -> None:
    """Which messages came from a file."""
    _run_script(db, _M007)


STEPS: tuple[Step, ...] = (m001_initial, m002_desk, m003_library, m004_checked, m005_adding, m006_vectors, m007_imported)


def schema_version(db: "Database", steps: Sequence[Step] = STEPS) -> int:
    """How many steps the database has. Raises StoreTooNew when it has steps that this program does not know."""
    with plain_errors():
        known = _history(steps)
        applied = [migration.name for migration in known.applied(db)]
        version = max(len(applied), int(db.conn.execute("pragma user_version").fetchone()[0]))
    if version > len(steps) or not set(applied) <= {step.__name__ for step in steps}:
        raise StoreTooNew("This database was written by a newer version of Med42 Chat.", "Update Med42 Chat, then open it again.")
    return len(applied)


def migrate(db: "Database", path: Path, key: bytes, steps: Sequence[Step] = STEPS) -> None:
    """Brings the database to the last step. What already holds data is copied to `backups` and the copy checked first; five are kept."""
    version = schema_version(db, steps)
    if version == len(steps):
        return
    if version:
        backups = path.parent / "backups"
        snapshot(path, key, backups / f"{time.strftime('%Y%m%d-%H%M%S')}-before-step-{version + 1}.db")
        keep_newest(backups, "*-before-step-*.db", 5)
    with plain_errors():
        _history(steps).apply(db)
        db.conn.execute(f"pragma user_version={len(steps)}")


def _history(steps: Sequence[Step]) -> "Migrations":
    engine()
    from sqlite_utils import Migrations

    history = Migrations("med42_chat")
    for step in steps:
        history(name=step.__name__)(step)
    return history


def _run_script(db: "Database", script: str) -> None:
    """Runs statements one by one: `executescript` would commit the step's transaction first."""
    sqlite = engine()
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite.complete_statement(statement):
            db.conn.execute(statement)
            statement = ""
