// The list of conversations: which ones, where the reader is, what a search finds. The server is asked for the rows that are in sight and for what a search finds, one request at a time;
// virtual.js draws what is in sight, entries.js makes the rows. Titles and names are put in as text, never as HTML.
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

med42.conversations = (element, props, trigger, watch) => {
  const BEFORE = 30; // rows asked for above the first that is wanted: the reader may turn round, and rows may have moved down
  const HEIGHT = { head: 34, row: 50, hit: 74 }; // px at the usual size of text
  const GROUPS = ["list.pinned", "list.today", "list.yesterday", "list.week", "list.earlier"];
  const say = med42.say;
  const [find, counter, chooser, filters, list] = [".find", ".count", ".view", ".filters", ".rows"].map((one) => element.querySelector(one));

  let view = { archived: false, folder: "", tag: "" };
  let known = { groups: [], folders: [], tags: [], archive: 0 };
  const rows = new Map(); // by place: { row, at }
  let newest = 0; // the server's time of the last whole state; rows older than that are asked for again when they come into sight
  let found = null; // what the search gave
  let opening = ""; // the words whose first hit is to be opened as soon as it is there
  let afterwards = null; // what is done when the list has changed

  // -- asking the server --
  const days = () => [0, 1, 7].map((back) => {
    const day = new Date();
    day.setHours(0, 0, 0, 0);
    return day.setDate(day.getDate() - back); // not a multiple of 24 hours: clocks change
  });
  const place = (from = virtual.first()) => ({ ...view, days: days(), offset: Math.max(0, from - BEFORE) });
  const asking = med42.line(({ from, anew }) => trigger("tick", { ...place(from), anew }), (value, waiting) => ({ ...value, anew: value.anew || waiting.anew }));
  const searching = med42.line(async (query) => {
    const answer = await med42.post("/v1/search", JSON.stringify({ query }));
    searching.done();
    if (answer.query === undefined) return answer.isGone || med42.tell(answer); // that the program is gone is said by the stream
    hit(answer);
  });
  const refresh = () => asking.ask({ anew: true });
  const act = (what, row, more = {}) => trigger("submit", { ...place(), anew: true, do: what, id: row.id, ...more });

  // -- what is shown --
  const named = ([id, title, at, pinned, folder, tags, archived]) => ({ id, title: title || say("list.untitled"), at, pinned, folder, tags, archived });
  const rowAt = (index) => rows.has(index) && rows.get(index).row;
  const high = (kind) => Math.round(HEIGHT[kind] * (Number(getComputedStyle(element).getPropertyValue("--text")) || 1));
  const listed = () => {
    const [head, height] = [high("head"), high("row")];
    let offset = 0;
    return known.groups.map((count, group) => {
      const first = offset;
      offset += count;
      const at = (i) => (rowAt(first + i) ? entries.row(rowAt(first + i)) : entries.coming(first + i));
      return { label: say(GROUPS[group]), count, head, height, at };
    });
  };
  const hits = () => [
    { label: say("list.titles"), count: found.titles.length, head: high("head"), height: high("row"), at: (i) => entries.row(...found.titles[i]) },
    {
      label: say("list.messages"),
      count: found.messages.length,
      head: high("head"),
      height: high("hit"),
      at: (i) => entries.hit(found.messages[i]),
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
      const button = med42.element("button", "filter", name, med42.element("i", "icon close"));
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
  };
  watch("value", () => props.value && kinds[props.value.kind](props.value));
  const hit = (value) => {
    if (!find.value.trim()) return;
    if (!found || found.query !== value.query) virtual.rewind();
    found = { ...value, titles: value.titles.map(([row, pieces]) => [named(row), pieces]) };
    show();
    if (opening === value.query) openFirst();
  };

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
    if (event.key !== "Escape" || !found) return;
    event.preventDefault();
    find.focus();
  });
  element.querySelector(".new").addEventListener("click", () => {
    med42.show("");
    med42.box().focus();
  });

  const virtual = med42.virtual(list, {
    leave: () => find.focus(),
    seen: (from, to) => {
      for (let index = from; !found && index <= to; index++) {
        if (!rows.has(index) || rows.get(index).at < newest) return asking.ask({ from: index, anew: false });
      }
    },
  });
  const entries = med42.entries(list, {
    act,
    redraw: virtual.draw,
    names: () => known,
    isArchive: () => view.archived,
    goBackTo: (index) => (afterwards = () => virtual.go(index)),
    showAgain: (id) => (afterwards = () => med42.show(id)),
  });
  document.addEventListener("med42:conversation", virtual.draw);
  new ResizeObserver(show).observe(find); // it grows with the size of the text, and so do the rows

  med42.open = (id) => trigger("select", { id, message: med42.wanted || "" });
  med42.refreshList = refresh;
  med42.buttons(element);
  med42.importing(element);
  show();
};
