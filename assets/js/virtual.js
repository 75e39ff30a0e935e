// A list of any length, of which only what is in sight is in the page. Its parts are sections with a heading; every row of a
// section is equally high, so that each place is known without the rows before it.
"use strict";

/**
 * A section is { label, count, head, height, at }: `head` and `height` are those of its heading and of a row (px), `at(i)` gives the
 * { key, sign, make } of a row, also while that is still to come. `make()` makes its element, which stays as it is while key and sign do;
 * what the keyboard reaches in it has the class `open` (first) or `more`. `seen(from, to)` tells which rows are in sight, `leave()` that
 * the keyboard went up and out.
 */
med42.virtual = (list, { seen, leave }) => {
  const MARGIN = 240; // px drawn above and below what is in sight
  const space = document.createElement("div");
  space.className = "space";
  list.append(space);

  let sections = [];
  let count = 0;
  let active = 0; // the row that the Tab key reaches
  let wanted = -1; // the row that gets the focus as soon as it is there
  let drawn = new Map();

  const lay = (given) => {
    let top = 0;
    let first = 0;
    sections = given.filter((section) => section.count).map((section) => {
      const laid = { ...section, top: top + section.head, first };
      top = laid.top + section.count * section.height;
      first += section.count;
      return laid;
    });
    count = first;
    active = Math.max(0, Math.min(active, count - 1));
    space.style.height = `${top}px`;
    draw();
  };

  /** What lies between two heights: headings and rows. */
  const between = (from, to) => sections.flatMap((section) => {
    const row = (y) => Math.max(0, Math.min(section.count, Math.floor((y - section.top) / section.height)));
    const rows = [];
    if (section.top >= from && section.top - section.head <= to) {
      rows.push({ key: `=${section.label}`, sign: section.label, label: section.label, top: section.top - section.head, height: section.head });
    }
    for (let i = row(from); i < row(to + section.height); i++) {
      rows.push({ ...section.at(i), index: section.first + i, top: section.top + i * section.height, height: section.height });
    }
    return rows;
  });

  const draw = () => {
    const items = between(list.scrollTop - MARGIN, list.scrollTop + list.clientHeight + MARGIN);
    const focus = space.contains(document.activeElement) ? document.activeElement : null;
    const elements = new Map(items.map((item) => [item.key, element(item)]));
    // A row that has the focus stays while it is out of sight: the keyboard goes on from there.
    const outside = (index) => index < count && !items.some((item) => item.index === index);
    const held = focus && [...drawn].find(([key, one]) => one.contains(focus) && !elements.has(key) && outside(Number(one.dataset.index)));
    if (held) elements.set(...held);
    for (const [key, one] of drawn) if (elements.get(key) !== one) one.remove();
    drawn = elements;
    place(items.map((item) => elements.get(item.key)), held && held[1]);
    reach(items);
    if (focus && !focus.isConnected && wanted < 0) focusOn(focus.dataset.key, focus.className);
    const rows = items.filter((item) => item.index !== undefined);
    if (rows.length) seen(rows[0].index, rows[rows.length - 1].index);
  };

  const element = (item) => {
    const old = drawn.get(item.key);
    const one = old && old.dataset.sign === item.sign ? old : item.label ? heading(item) : made(item);
    one.style.top = `${item.top}px`;
    one.style.height = `${item.height}px`;
    if (item.index !== undefined) {
      one.dataset.index = item.index;
      one.setAttribute("aria-posinset", item.index + 1);
      one.setAttribute("aria-setsize", count);
    }
    return one;
  };
  const heading = (item) => {
    const one = document.createElement("div");
    one.className = "group";
    one.setAttribute("role", "presentation");
    one.textContent = item.label;
    one.dataset.sign = item.sign;
    return one;
  };
  const made = (item) => {
    const one = item.make();
    one.setAttribute("role", "listitem");
    one.dataset.sign = item.sign;
    return one;
  };

  /** Puts the elements in their order; one that stands right is not moved, for that would cost it its focus. */
  const place = (elements, held) => {
    let next = space.firstChild;
    for (const one of elements) {
      if (next === held && one !== held) next = next && next.nextSibling;
      if (one === next) next = next.nextSibling;
      else space.insertBefore(one, next);
    }
  };

  /** One row is in the order of the Tab key: the one the keyboard was at, or the first in sight. */
  const reach = (items) => {
    const there = items.some((item) => item.index === active);
    const first = items.find((item) => item.index !== undefined && item.top >= list.scrollTop);
    const reached = there ? active : first && first.index;
    for (const one of space.children) {
      const rests = Number(one.dataset.index) === reached ? 0 : -1;
      for (const button of one.querySelectorAll(".open, .more")) button.tabIndex = rests;
    }
    if (wanted < 0) return;
    const row = space.querySelector(`[data-index="${wanted}"] .open`);
    if (!row) return; // still on its way
    wanted = -1;
    row.focus({ preventScroll: true });
  };
  const focusOn = (key, name) => {
    const one = key && space.querySelector(`.${name.split(" ")[0]}[data-key="${CSS.escape(key)}"]`);
    if (one) one.focus({ preventScroll: true });
  };

  /** Moves the keyboard to a row, wherever that is. */
  const go = (index) => {
    active = wanted = Math.max(0, Math.min(index, count - 1));
    const section = sections.find((one) => active < one.first + one.count);
    if (!section) return;
    const top = section.top + (active - section.first) * section.height;
    const above = top - (active === section.first ? section.head : 0) - list.scrollTop;
    const below = top + section.height + 8 - list.clientHeight - list.scrollTop;
    if (above < 0) list.scrollTop += above;
    else if (below > 0) list.scrollTop += below;
    draw();
  };

  const page = () => Math.max(1, Math.floor(list.clientHeight / (sections[0] ? sections[0].height : 1)) - 1);
  const steps = {
    ArrowDown: (at) => at + 1,
    ArrowUp: (at) => at - 1,
    PageDown: (at) => at + page(),
    PageUp: (at) => Math.max(0, at - page()),
    Home: () => 0,
    End: () => count - 1,
  };
  list.addEventListener("keydown", (event) => {
    if (!steps[event.key] || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = steps[event.key](wanted < 0 ? active : wanted);
    if (next < 0) leave();
    else go(next);
  });
  list.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-index]");
    if (row) active = Number(row.dataset.index);
  });
  let frame = 0;
  list.addEventListener("scroll", () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(draw);
  }, { passive: true });
  new ResizeObserver(draw).observe(list);

  /** The row at the top of what is in sight. */
  const first = () => {
    const section = sections.findLast((one) => one.top - one.head <= list.scrollTop) || sections[0];
    if (!section) return 0;
    return section.first + Math.max(0, Math.min(section.count - 1, Math.floor((list.scrollTop - section.top) / section.height)));
  };
  /** Back to the beginning, for another list. */
  const rewind = () => {
    active = 0;
    wanted = -1;
    list.scrollTop = 0;
  };
  return { lay, draw, go, first, rewind };
};
