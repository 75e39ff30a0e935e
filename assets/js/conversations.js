// The list of conversations. The server is asked for the rows that are in sight and for what a search finds, one request at a time;
// rows are drawn by virtual.js. Titles and names are put in as text, never as HTML.
"use strict";

/** Sends one request at a time; of those made meanwhile only the last goes out, when the answer (or nothing for 3 s) has come. */
med42.line = (send, merge = (next) => next) => {
  let busy = 0;
  let next = null;
  const done = () => {
    clearTimeout(busy);
    busy = 0;
    if (next === null) return;
    const value = next;
    next = null;
    ask(value);
  };
  const ask = (value) => {
    if (busy) next = next === null ? value : merge(value, next);
    else {
      busy = setTimeout(done, 3000);
      send(value);
    }
  };
  return { ask, done };
};

/** Intl's options for 'hour minute' or 'day month year'. */
const written = (parts) => Object.fromEntries(parts.split(" ").map((part) => [part, { hour: "2-digit", minute: "2-digit", month: "short" }[part] || "numeric"]));

med42.conversations = (element, props, trigger, watch) => {
  const BEFORE = 30; // rows asked for above the first that is wanted: the reader may turn round, and rows may have moved down
  const HEIGHT = { head: 34, row: 50, hit: 74 }; // px at the usual size of text
  const GROUPS = ["list.pinned", "list.today", "list.yesterday", "list.week", "list.earlier"];
  const say = med42.say;
  const [find, counter, chooser, filters, list] = [".find", ".count", ".view", ".filters", ".rows"].map((one) => element.querySelector(one));
  const dates = ["hour minute", "day month", "day month year"].map((parts) => new Intl.DateTimeFormat(undefined, written(parts)));

  let view = { archived: false, folder: "", tag: "" };
  let known = { groups: [], folders: [], tags: [], archive: 0 };
  const rows = new Map(); // by place: { row, at }
  let newest = 0; // the server's time of the last whole state; rows older than that are asked for again when they come into sight
  let found = null; // what the search gave
  let opening = ""; // the words whose first hit is to be opened as soon as it is there
  let editing = null; // { id, how, text }: the row that is being renamed, put into a new folder or given a new tag
  let afterwards = null; // what is done when the list has changed

  // -- asking the server --
  const days = () => [0, 1, 7].map((back) => {
    const day = new Date();
    day.setHours(0, 0, 0, 0);
    return day.setDate(day.getDate() - back); // not a multiple of 24 hours: clocks change
  });
  const place = (from = virtual.first()) => ({ ...view, days: days(), offset: Math.max(0, from - BEFORE) });
  const asking = med42.line(({ from, anew }) => trigger("tick", { ...place(from), anew }), (value, waiting) => ({ ...value, anew: value.anew || waiting.anew }));
  const searching = med42.line((query) => trigger("input", { query }));
  const refresh = () => asking.ask({ anew: true });
  const act = (what, row, more = {}) => trigger("submit", { ...place(), anew: true, do: what, id: row.id, ...more });

  // -- what is shown --
  const named = ([id, title, at, pinned, folder, tags, archived]) => ({ id, title: title || say("list.untitled"), at, pinned, folder, tags, archived });
  const rowAt = (index) => rows.has(index) && rows.get(index).row;
  const entry = (row, pieces) => {
    const how = editing && editing.id === row.id ? editing.how : "";
    return { kind: "row", key: row.id, sign: JSON.stringify([row, how, med42.isHere(row.id), pieces, midnight()]), row, how, pieces };
  };
  const midnight = () => new Date().setHours(0, 0, 0, 0);

  const high = (kind) => Math.round(HEIGHT[kind] * (Number(getComputedStyle(element).getPropertyValue("--text")) || 1));
  const listed = () => {
    const [head, height] = [high("head"), high("row")];
    let offset = 0;
    return known.groups.map((count, group) => {
      const first = offset;
      offset += count;
      const at = (i) => (rowAt(first + i) ? entry(rowAt(first + i)) : { kind: "coming", key: `#${first + i}`, sign: "coming" });
      return { label: say(GROUPS[group]), count, head, height, at };
    });
  };
  const hits = () => [
    { label: say("list.titles"), count: found.titles.length, head: high("head"), height: high("row"), at: (i) => entry(...found.titles[i]) },
    {
      label: say("list.messages"),
      count: found.messages.length,
      head: high("head"),
      height: high("hit"),
      at: (i) => ({ kind: "hit", key: `m${found.messages[i][1]}`, sign: JSON.stringify(found.messages[i]), hit: found.messages[i] }),
    },
  ];
  const show = () => {
    virtual.lay(found ? hits() : listed());
    if (!newest) return; // nothing is known yet, and that there is nothing is not either
    const n = known.groups.reduce((sum, count) => sum + count, 0);
    const said = found ? counted(found) : say(n ? (view.archived ? "list.count_archived" : "list.count") : "list.nothing_here", { n });
    if (counter.textContent !== said) counter.textContent = said; // the same words again would be read out again
    narrowed();
    list.setAttribute("aria-label", found ? say("list.results", { query: found.query }) : say("list.name"));
  };
  /** What the list is narrowed to, and where something can be chosen, the way to do so. */
  const narrowed = () => {
    chooser.hidden = Boolean(found) || !(known.folders.length || known.tags.length || known.archive || filtered());
    filters.hidden = Boolean(found) || !filtered();
    filters.replaceChildren(...chips());
  };
  const counted = ({ titles, messages, more }) => {
    const [named, said] = [titles.length, messages.length];
    const parts = [named && say("list.found_titles", { n: named }), said && say(more ? "list.at_least" : "list.found_messages", { n: said })];
    return parts.filter(Boolean).join(", ") || say("list.nothing");
  };

  // -- rows --
  const make = (tag, name, ...content) => {
    const one = document.createElement(tag);
    one.className = name;
    one.append(...content);
    if (tag === "button") one.type = "button";
    if (/title|snippet|edit|when/.test(name)) one.dir = "auto"; // each in the direction of its own language
    return one;
  };
  const marked = (name, pieces) => make("span", name, ...pieces.map((piece, index) => (index % 2 ? make("mark", "", piece) : piece)));
  const when = (at) => {
    const [yesterday, day] = [days()[1], new Date(at)];
    return dates[at >= yesterday ? 0 : day.getFullYear() === new Date().getFullYear() ? 1 : 2].format(day);
  };

  const makers = {
    coming: () => make("div", "entry coming"),
    row: ({ row, how, pieces }) => {
      const one = make("div", "entry");
      if (med42.isHere(row.id)) one.dataset.current = "true";
      one.append(...(how ? [editor(row, how)] : [opener(row, pieces), more(row)]));
      return one;
    },
    hit: ({ hit: [conversation, message, title, pieces] }) => {
      const open = make("button", "open", make("span", "title", title || say("list.untitled")), marked("snippet", pieces));
      open.dataset.key = `m${message}`;
      open.addEventListener("click", () => med42.show(conversation, message));
      return make("div", "entry hit", open);
    },
  };
  const opener = (row, pieces) => {
    const facts = [when(row.at), row.folder, ...row.tags.map((tag) => `#${tag}`), row.archived && !view.archived ? say("list.archive") : ""];
    const open = make("button", "open", pieces ? marked("title", pieces) : make("span", "title", row.title), make("span", "when", facts.filter(Boolean).join(" · ")));
    open.dataset.key = row.id;
    open.title = row.title;
    if (med42.isHere(row.id)) open.setAttribute("aria-current", "page");
    open.addEventListener("click", () => med42.show(row.id));
    return open;
  };
  const more = (row) => {
    const button = make("button", "more", make("i", "icon dots"));
    button.dataset.key = row.id;
    button.setAttribute("aria-label", say("list.menu", { title: row.title }));
    button.setAttribute("aria-haspopup", "menu");
    button.addEventListener("click", () => med42.menu(button, actions(row, button)));
    return button;
  };

  // -- what can be done with a row --
  const actions = (row, button) => [
    { label: say(row.pinned ? "list.unpin" : "list.pin"), act: () => act("pin", row, { on: !row.pinned }) },
    { label: say("list.rename"), act: () => edit(row, "rename") },
    { label: say("list.move"), act: () => further(button, folders(row)) },
    { label: say("list.tag"), act: () => further(button, tags(row)) },
    { label: say(row.archived ? "list.take_out" : "list.put_away"), act: () => archive(row) },
    { label: say("list.delete"), act: () => remove(row), danger: true },
  ];
  const further = (button, items) => setTimeout(() => med42.menu(button, items)); // after the first menu has closed and given the focus back
  const folders = (row) => [
    { label: say("list.no_folder"), current: !row.folder, act: () => act("folder", row, { folder: "" }) },
    ...known.folders.map(([folder]) => ({ label: folder, current: folder === row.folder, act: () => act("folder", row, { folder }) })),
    { label: say("list.new_folder"), act: () => edit(row, "folder") },
  ];
  const tags = (row) => [
    ...[...new Set([...known.tags.map(([tag]) => tag), ...row.tags])].map((tag) => ({ label: tag, current: row.tags.includes(tag), act: () => retag(row, tag) })),
    { label: say("list.new_tag"), act: () => edit(row, "tag") },
  ];
  const retag = (row, tag) => act("tags", row, { tags: row.tags.includes(tag) ? row.tags.filter((one) => one !== tag) : [...row.tags, tag] });

  const leaving = (row, what) => {
    const at = element.contains(document.activeElement) ? indexOf(row.id) : -1;
    act(what, row);
    if (at >= 0) afterwards = () => virtual.go(at);
  };
  const archive = (row) => {
    leaving(row, row.archived ? "take_out" : "put_away");
    if (row.archived) return;
    med42.toast(say("list.put_away_done", { title: row.title }), { action: say("list.undo"), act: () => act("take_out", row) });
  };
  const remove = (row) => {
    const here = med42.isHere(row.id);
    leaving(row, "delete");
    if (here) med42.show("");
    const back = () => {
      act("restore", row);
      if (here) afterwards = () => med42.show(row.id);
    };
    med42.toast(say("list.deleted", { title: row.title }), { action: say("list.undo"), act: back, seconds: 9.5 });
  };
  const indexOf = (id) => Number((list.querySelector(`[data-index]:has([data-key="${CSS.escape(id)}"])`) || { dataset: { index: -1 } }).dataset.index);

  // -- words for a row, typed in its own place --
  const edit = (row, how) => {
    editing = { id: row.id, how };
    virtual.draw();
    const field = list.querySelector(".edit");
    field.focus();
    field.select();
  };
  const keep = {
    rename: (row, title) => title !== row.title && act("rename", row, { title }),
    folder: (row, folder) => act("folder", row, { folder }),
    tag: (row, tag) => row.tags.includes(tag) || retag(row, tag),
  };
  const LABELS = { rename: "list.rename_label", folder: "list.folder_label", tag: "list.tag_label" };
  const editor = (row, how) => {
    const field = make("input", "edit");
    field.value = how === "rename" ? row.title : "";
    field.maxLength = how === "rename" ? 200 : 60;
    field.setAttribute("aria-label", say(LABELS[how], { title: row.title }));
    field.placeholder = say(LABELS[how], { title: row.title });
    const close = (kept) => {
      if (!editing) return;
      const words = field.value.trim();
      const focused = document.activeElement === field;
      editing = null;
      virtual.draw();
      if (focused) focusOn(row.id);
      if (kept && words) keep[how](row, words);
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      close(event.key === "Enter");
    });
    field.addEventListener("blur", () => document.hasFocus() && field.isConnected && close(true));
    return field;
  };
  const focusOn = (id) => {
    const open = list.querySelector(`.open[data-key="${CSS.escape(id)}"]`);
    if (open) open.focus({ preventScroll: true });
  };

  // -- which conversations --
  const filtered = () => view.archived || view.folder || view.tag;
  const look = (change) => {
    view = { ...view, ...change };
    virtual.rewind();
    narrowed();
    refresh();
  };
  const chips = () => {
    const chip = (name, change) => {
      const button = make("button", "filter", name, make("i", "icon close"));
      button.setAttribute("aria-label", say("list.filter_remove", { name }));
      button.addEventListener("click", () => {
        look(change);
        find.focus();
      });
      return button;
    };
    return [
      ...(view.archived ? [chip(say("list.archive"), { archived: false })] : []),
      ...(view.folder ? [chip(say("list.filter_folder", { name: view.folder }), { folder: "" })] : []),
      ...(view.tag ? [chip(say("list.filter_tag", { name: view.tag }), { tag: "" })] : []),
    ];
  };
  chooser.addEventListener("click", () => med42.menu(chooser, [
    { label: say("list.all"), current: !filtered(), act: () => look({ archived: false, folder: "", tag: "" }) },
    ...known.folders.map(([name, n]) => ({ label: say("list.in_folder", { name, n }), current: name === view.folder, act: () => look({ folder: name }) })),
    ...known.tags.map(([name, n]) => ({ label: say("list.with_tag", { name, n }), current: name === view.tag, act: () => look({ tag: name }) })),
    { label: say("list.in_archive", { n: known.archive }), current: view.archived, act: () => look({ archived: true, folder: "", tag: "" }) },
  ]));

  // -- what the server's handlers say --
  const looked = ({ archived, folder, tag, days }) => JSON.stringify([archived, folder, tag, days]);
  const kinds = {
    rows: (value) => {
      asking.done();
      if (looked(value.place) !== looked(place())) return refresh(); // the place has changed meanwhile, or it was not asked for here
      if (value.at < newest) return virtual.draw(); // overtaken on its way by a later state of the list
      const anew = value.anew || String(value.groups) !== String(known.groups);
      if (anew) newest = value.at;
      const top = virtual.first();
      const held = list.scrollTop > 0 && !found && rowAt(top);
      if (known.place && looked(known.place) !== looked(value.place)) rows.clear(); // until now they were better than nothing
      const come = value.rows.map(named);
      come.forEach((row, index) => rows.set(value.offset + index, { row, at: value.at }));
      known = { ...known, ...value };
      show();
      const now = held ? come.findIndex((row) => row.id === held.id) : -1;
      if (now >= 0) list.scrollTop += (value.offset + now - top) * high("row"); // what the reader looks at stays where it is
      if (value.anew && find.value.trim()) searching.ask(find.value.trim());
      const [then] = [afterwards, value.anew && (afterwards = null)];
      if (value.anew && then) then();
    },
    hits: (value) => {
      searching.done();
      if (!find.value.trim()) return;
      if (!found || found.query !== value.query) virtual.rewind();
      found = { ...value, titles: value.titles.map(([row, pieces]) => [named(row), pieces]) };
      show();
      if (opening === value.query) openFirst();
    },
  };
  watch("value", () => props.value && kinds[props.value.kind](props.value));

  // -- what the reader does --
  find.addEventListener("input", () => {
    const words = find.value.trim();
    opening = "";
    if (words) return searching.ask(words);
    found = null;
    virtual.rewind();
    show();
  });
  find.addEventListener("focus", () => find.select());
  find.addEventListener("keydown", (event) => {
    const does = { Escape: find.value && clear, ArrowDown: () => virtual.go(0), Enter: find.value.trim() && openFirst }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  const clear = () => {
    find.value = "";
    find.dispatchEvent(new Event("input"));
  };
  const openFirst = () => {
    const words = find.value.trim();
    opening = found && found.query === words ? "" : words;
    const first = !opening && list.querySelector('[data-index="0"] .open');
    if (first) first.click();
  };
  list.addEventListener("keydown", (event) => {
    const one = event.target.closest(".entry");
    const row = one && event.target.matches(".open, .more") && rowOf(event.target.dataset.key);
    if (event.key === "Escape" && found) {
      event.preventDefault();
      find.focus();
    }
    const does = row && { F2: () => edit(row, "rename"), Delete: () => remove(row), ContextMenu: () => one.querySelector(".more").click() }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
  const rowOf = (id) => (found ? found.titles.map(([row]) => row) : [...rows.values()].map(({ row }) => row)).find((row) => row.id === id);
  element.querySelector(".new").addEventListener("click", () => {
    med42.show("");
    med42.box().focus();
  });

  const virtual = med42.virtual(list, {
    make: (item) => makers[item.kind](item),
    leave: () => find.focus(),
    seen: (from, to) => {
      for (let index = from; !found && index <= to; index++) {
        if (!rows.has(index) || rows.get(index).at < newest) return asking.ask({ from: index, anew: false });
      }
    },
  });
  document.addEventListener("med42:conversation", virtual.draw);
  new ResizeObserver(show).observe(find); // it grows with the size of the text, and so do the rows

  med42.open = (id) => trigger("select", { id, message: med42.wanted || "" });
  med42.refreshList = refresh;
  med42.buttons(element);
  show();
};
