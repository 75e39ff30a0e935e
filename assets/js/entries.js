// One row of the list of conversations: how it looks, its menu, and words typed in its own place.
"use strict";

/** An element with a class and content; texts go in as text. */
med42.element = (tag, name, ...content) => {
  const one = document.createElement(tag);
  one.className = name;
  one.append(...content);
  if (tag === "button") one.type = "button";
  if (/title|snippet|edit|when/.test(name)) one.dir = "auto"; // each in the direction of its own language
  return one;
};

/** Intl's options for 'hour minute' or 'day month year'. */
const written = (parts) => Object.fromEntries(parts.split(" ").map((part) => [part, { hour: "2-digit", minute: "2-digit", month: "short" }[part] || "numeric"]));

/**
 * Items for virtual.js. `act(what, row, more)` asks the server, `names()` gives the { folders, tags } there are, `goBackTo(index)` and
 * `showAgain(id)` are done when the list has changed.
 */
med42.entries = (list, { act, redraw, names, isArchive, goBackTo, showAgain }) => {
  const say = med42.say;
  const dates = ["hour minute", "day month", "day month year"].map((parts) => new Intl.DateTimeFormat(undefined, written(parts)));
  const shown = new WeakMap(); // the row of an element
  let editing = null; // { id, how }: the row that is being renamed, put into a new folder or given a new tag

  // -- items --
  const midnight = () => new Date().setHours(0, 0, 0, 0);
  const row = (row, pieces) => {
    const how = editing && editing.id === row.id ? editing.how : "";
    const sign = how || JSON.stringify([row, med42.isHere(row.id), pieces, midnight()]); // a row that is typed in stays as it is
    return { key: row.id, sign, make: () => made(row, how, pieces) };
  };
  const made = (row, how, pieces) => {
    const one = med42.element("div", "entry", ...(how ? [editor(row, how)] : [opener(row, pieces), more(row)]));
    if (med42.isHere(row.id)) one.dataset.current = "true";
    shown.set(one, row);
    return one;
  };
  const hit = (found) => {
    const [conversation, message, title, pieces] = found;
    const make = () => {
      const open = med42.element("button", "open", med42.element("span", "title", title || say("list.untitled")), marked("snippet", pieces));
      open.dataset.key = `m${message}`;
      open.addEventListener("click", () => med42.show(conversation, message));
      return med42.element("div", "entry hit", open);
    };
    return { key: `m${message}`, sign: JSON.stringify(found), make };
  };
  const coming = (index) => ({ key: `#${index}`, sign: "coming", make: () => med42.element("div", "entry coming") });

  const marked = (name, pieces) => med42.element("span", name, ...pieces.map((piece, index) => (index % 2 ? med42.element("mark", "", piece) : piece)));
  const when = (at) => {
    const [since, day] = [new Date(), new Date(at)];
    since.setHours(-24, 0, 0, 0);
    return dates[day >= since ? 0 : day.getFullYear() === new Date().getFullYear() ? 1 : 2].format(day);
  };

  const opener = (row, pieces) => {
    const facts = [when(row.at), row.folder, ...row.tags.map((tag) => `#${tag}`), row.archived && !isArchive() ? say("list.archive") : ""];
    const open = med42.element("button", "open", pieces ? marked("title", pieces) : med42.element("span", "title", row.title), med42.element("span", "when", facts.filter(Boolean).join(" · ")));
    open.dataset.key = row.id;
    open.title = row.title;
    if (med42.isHere(row.id)) open.setAttribute("aria-current", "page");
    open.addEventListener("click", () => med42.show(row.id));
    return open;
  };
  const more = (row) => {
    const button = med42.element("button", "more", med42.element("i", "icon dots"));
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
    { label: say("exporting.entry"), act: () => med42.openExport(row.id) },
    { label: say(row.archived ? "list.take_out" : "list.put_away"), act: () => archive(row) },
    { label: say("list.delete"), act: () => remove(row), danger: true },
  ];
  const further = (button, items) => setTimeout(() => med42.menu(button, items)); // after the first menu has closed and given the focus back
  const folders = (row) => [
    { label: say("list.no_folder"), current: !row.folder, act: () => act("folder", row, { folder: "" }) },
    ...names().folders.map(([folder]) => ({ label: folder, current: folder === row.folder, act: () => act("folder", row, { folder }) })),
    { label: say("list.new_folder"), act: () => edit(row, "folder") },
  ];
  const tags = (row) => [
    ...[...new Set([...names().tags.map(([tag]) => tag), ...row.tags])].map((tag) => ({ label: tag, current: row.tags.includes(tag), act: () => retag(row, tag) })),
    { label: say("list.new_tag"), act: () => edit(row, "tag") },
  ];
  const retag = (row, tag) => act("tags", row, { tags: row.tags.includes(tag) ? row.tags.filter((one) => one !== tag) : [...row.tags, tag] });

  const leaving = (row, what) => {
    const at = list.contains(document.activeElement) ? indexOf(row.id) : -1;
    act(what, row);
    if (at >= 0) goBackTo(at);
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
      if (here) showAgain(row.id);
    };
    med42.toast(say("list.deleted", { title: row.title }), { action: say("list.undo"), act: back, seconds: 9.5 });
  };
  const indexOf = (id) => Number((list.querySelector(`[data-index]:has([data-key="${CSS.escape(id)}"])`) || { dataset: { index: -1 } }).dataset.index);

  // -- words for a row, typed in its own place --
  const edit = (row, how) => {
    editing = { id: row.id, how };
    redraw();
    const field = list.querySelector(".edit");
    if (!field) return; // the row has moved out of sight meanwhile
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
    const field = med42.element("input", "edit");
    field.value = how === "rename" ? row.title : "";
    field.maxLength = how === "rename" ? 200 : 60;
    field.setAttribute("aria-label", say(LABELS[how], { title: row.title }));
    field.placeholder = say(LABELS[how], { title: row.title });
    const close = (kept) => {
      if (!editing) return;
      const words = field.value.trim();
      const focused = document.activeElement === field;
      editing = null;
      redraw();
      if (focused) focusOn(row.id);
      if (kept && words) keep[how](row, words);
    };
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if ((event.key !== "Enter" && event.key !== "Escape") || event.isComposing) return;
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

  list.addEventListener("keydown", (event) => {
    const one = event.target.matches(".open, .more") && event.target.closest(".entry");
    const row = one && shown.get(one);
    const does = row && { F2: () => edit(row, "rename"), Delete: () => remove(row), ContextMenu: () => one.querySelector(".more").click() }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });

  return { row, hit, coming };
};
