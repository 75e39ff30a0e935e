// The list of conversations: drawn row by row as they come into sight, filtered at once by title, and by the server's
// full-text search after a pause in typing. Titles are put in as text, never as HTML.
"use strict";

med42.conversations = (element, props, trigger, watch) => {
  const HEIGHT = { row: 50, head: 34, hit: 74 };
  const find = element.querySelector(".find");
  const counter = element.querySelector(".count");
  const list = element.querySelector(".rows");
  const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
  const date = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

  let rows = []; // [id, title, updated_at, pinned]
  let total = 0;
  let hits = []; // of the server's search: [conversation, message, title, snippet]
  let items = []; // what is drawn: {kind, top, …}
  let height = 0;
  let asking = false; // more rows are on their way
  let newest = 0; // the server's time of the rows that are shown
  let changing = null; // {id, how}: the row that is being renamed or deleted

  // -- what is to be drawn --
  const midnight = () => new Date().setHours(0, 0, 0, 0);
  const group = (row, today) => {
    if (row[3]) return "Pinned";
    if (row[2] >= today) return "Today";
    return row[2] >= today - 86400000 ? "Yesterday" : "Earlier";
  };
  const query = () => find.value.trim().toLowerCase();

  const lay = () => {
    items = [];
    height = 0;
    const put = (item) => {
      items.push({ ...item, top: height });
      height += HEIGHT[item.kind];
    };
    const words = query();
    const shown = words ? rows.filter((row) => row[1].toLowerCase().includes(words)) : rows;
    const known = new Set(shown.map((row) => row[0]));
    const others = hits.filter(([conversation, message]) => message || !known.has(conversation));
    if (words) {
      if (shown.length) put({ kind: "head", text: "Titles" });
      for (const row of shown) put({ kind: "row", row });
      if (others.length) put({ kind: "head", text: "In messages" });
      for (const hit of others) put({ kind: "hit", hit });
    } else {
      const today = midnight();
      let last = "";
      for (const row of shown) {
        const name = group(row, today);
        if (name !== last) put({ kind: "head", text: (last = name) });
        put({ kind: "row", row });
      }
    }
    counter.textContent = words ? found(shown.length, others.length) : counted(total, "conversation");
  };
  const counted = (number, word) => `${number.toLocaleString()} ${word}${number === 1 ? "" : "s"}`;
  const found = (titles, messages) =>
    titles + messages ? `${counted(titles, "title")}, ${counted(messages, "message")}` : "Nothing found";

  const draw = () => {
    const space = document.createElement("div");
    space.className = "space";
    space.style.height = `${height}px`;
    const from = list.scrollTop - 200;
    const to = list.scrollTop + list.clientHeight + 200;
    for (const item of items) {
      if (item.top + HEIGHT[item.kind] < from) continue;
      if (item.top > to) break;
      const one = makers[item.kind](item);
      one.style.top = `${item.top}px`;
      one.style.height = `${HEIGHT[item.kind]}px`;
      space.append(one);
    }
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    list.replaceChildren(space);
    if (focused) focusOn(focused);
    more();
  };
  const focusOn = (key) => {
    const target = list.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (target) target.focus({ preventScroll: true });
  };
  const redraw = () => {
    lay();
    draw();
  };
  const more = () => {
    const near = list.scrollTop + 3 * list.clientHeight > height;
    if (!near || asking || query() || rows.length >= total) return;
    asking = true;
    trigger("expand", { offset: rows.length });
  };

  // -- rows --
  const make = (tag, name, text = "") => {
    const one = document.createElement(tag);
    if (name) one.className = name;
    if (text) one.textContent = text;
    if (tag === "button") one.type = "button";
    return one;
  };
  const action = (name, label, act) => {
    const button = make("button", "small");
    button.append(make("i", `icon ${name}`));
    button.setAttribute("aria-label", label);
    button.title = label;
    button.addEventListener("click", act);
    return button;
  };
  const makers = {
    head: ({ text }) => {
      const one = make("div", "group", text);
      one.setAttribute("role", "presentation");
      return one;
    },
    row: ({ row }) => {
      const one = make("div", "entry");
      one.setAttribute("role", "listitem");
      if (med42.isHere(row[0])) one.dataset.current = "true";
      if (changing && changing.id === row[0]) one.append(...editors[changing.how](row));
      else one.append(opener(row), action("edit", `Rename ${row[1]}`, () => change(row, "rename")), action("bin", `Delete ${row[1]}`, () => change(row, "delete")));
      return one;
    },
    hit: ({ hit: [conversation, message, title, snippet] }) => {
      const one = make("div", "entry hit");
      one.setAttribute("role", "listitem");
      const open = make("button", "open");
      open.dataset.key = `m${message}`;
      const words = make("span", "snippet");
      snippet.forEach((piece, index) => words.append(index % 2 ? make("mark", "", piece) : piece));
      open.append(make("span", "title", title), words);
      open.addEventListener("click", () => med42.show(conversation, message));
      one.append(open);
      return one;
    },
  };
  const opener = (row) => {
    const open = make("button", "open");
    open.dataset.key = row[0];
    if (med42.isHere(row[0])) open.setAttribute("aria-current", "page");
    const at = new Date(row[2]);
    open.append(make("span", "title", row[1]), make("span", "when", (row[2] >= midnight() ? time : date).format(at)));
    open.addEventListener("click", () => med42.show(row[0]));
    return open;
  };

  // -- rename and delete, in the row's own place --
  const change = (row, how) => {
    changing = { id: row[0], how };
    draw();
    const field = list.querySelector("input, .sure button");
    field.focus();
    if (field.select) field.select();
  };
  const unchange = (id) => {
    changing = null;
    draw();
    focusOn(id);
  };
  const editors = {
    rename: (row) => {
      const field = make("input", "rename");
      field.value = changing.text === undefined ? row[1] : changing.text;
      field.setAttribute("aria-label", `New title for ${row[1]}`);
      const keep = () => {
        const title = field.value.trim();
        if (!changing) return;
        unchange(row[0]);
        if (title && title !== row[1]) trigger("edit", { id: row[0], title });
      };
      field.addEventListener("input", () => changing && (changing.text = field.value));
      field.addEventListener("keydown", (event) => {
        event.stopPropagation();
        if (event.key === "Enter") keep();
        if (event.key === "Escape") { event.preventDefault(); unchange(row[0]); }
      });
      field.addEventListener("blur", () => document.hasFocus() && field.isConnected && keep());
      return [field];
    },
    delete: (row) => {
      const sure = make("div", "sure");
      const yes = make("button", "danger", "Delete");
      yes.setAttribute("aria-label", `Delete ${row[1]} for good`);
      const no = make("button", "", "Keep");
      yes.addEventListener("click", () => {
        changing = null;
        trigger("delete", { id: row[0] });
        if (med42.isHere(row[0])) med42.show("");
      });
      no.addEventListener("click", () => unchange(row[0]));
      sure.addEventListener("keydown", (event) => {
        if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); unchange(row[0]); }
      });
      sure.append(make("span", "title", row[1]), yes, no);
      return [sure];
    },
  };

  // -- what the server's handlers say --
  const kinds = {
    rows: (value) => {
      if (value.at < newest) return; // overtaken on its way by a later state of the list
      newest = value.at;
      asking = false;
      total = value.total;
      rows = [...rows.slice(0, value.offset), ...value.rows];
      redraw();
    },
    hits: (value) => {
      if (value.query !== find.value.trim()) return;
      hits = value.hits;
      redraw();
    },
  };
  watch("value", () => props.value && kinds[props.value.kind](props.value));

  // -- what the reader does --
  let pause = 0;
  find.addEventListener("input", () => {
    hits = [];
    list.scrollTop = 0;
    redraw();
    clearTimeout(pause);
    const words = find.value.trim();
    if (words.length > 1) pause = setTimeout(() => trigger("input", { query: words }), 200);
  });
  find.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && find.value) {
      event.preventDefault();
      find.value = "";
      find.dispatchEvent(new Event("input"));
    }
    if (event.key === "ArrowDown") step(-1, 1, event);
  });
  const step = (from, by, event) => {
    event.preventDefault();
    const opens = [...list.querySelectorAll(".open")];
    const next = opens[from + by];
    if (next) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: "nearest" });
    } else if (by < 0) find.focus();
  };
  list.addEventListener("keydown", (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const opens = [...list.querySelectorAll(".open")];
    const at = opens.indexOf(document.activeElement);
    if (by && at >= 0) step(at, by, event);
  });
  let frame = 0;
  list.addEventListener("scroll", () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  }, { passive: true });
  element.querySelector(".new").addEventListener("click", () => {
    med42.show("");
    med42.box().focus();
  });
  document.addEventListener("med42:conversation", draw);
  new ResizeObserver(draw).observe(list);

  med42.open = (id) => trigger("select", { id });
  med42.refreshList = () => trigger("tick", {});
  med42.buttons(element);
  redraw();
};
