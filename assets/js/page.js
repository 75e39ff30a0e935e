// The page's frame: which conversation it shows, its stream from the server, theme, drawers, keys, and the composer.
// No truth is kept here: the conversation's id is in the address, everything else is asked for. Nothing a person typed
// or read goes into the browser's storage.
"use strict";

const med42 = {
  handlers: {}, // by name of a stream's event
  sent: new Map(), // by number: { page, text … } of a question that is on its way and may come back
  factsAreUnsaved: () => false,
  source: null,
};

/** The id of the conversation this page shows; empty when it shows none. */
med42.conversation = () => (location.hash.match(/^#c=([\w-]+)$/) || [])[1] || "";

/** Shows a conversation ("" for a new one). `message` is scrolled to when it is there. */
med42.show = (id, message = "") => {
  med42.closeDrawers();
  med42.wanted = message;
  if (id !== med42.conversation()) {
    history.pushState(null, "", id ? `#c=${id}` : location.pathname);
    med42.arrived();
  } else {
    med42.reopen();
  }
};

/** The address has changed: by a click, or by the browser's back and forward. */
med42.arrived = () => {
  if (med42.restoreDraft) med42.restoreDraft();
  med42.setAnswering(false);
  document.dispatchEvent(new CustomEvent("med42:conversation"));
  med42.tell(null);
  med42.reopen();
  med42.connect();
  med42.focusComposer();
};

/** Reads the shown conversation anew from the server. */
med42.reopen = () => {
  med42.openedAt = performance.now(); // a draft that was changed since is newer than what the server answers
  if (med42.open) med42.open(med42.conversation());
};

/** Whether what the server says about a conversation is still wanted here. */
med42.isHere = (id) => id === med42.conversation();

/** The page's words; see assets/words. Values replace {names}; a number `n` chooses between the forms `one` and `other`. */
med42.say = (name, values = {}) => {
  const { texts, language } = med42.words;
  const form = texts[name] === undefined ? `${name}.${new Intl.PluralRules(language).select(values.n)}` : name;
  const text = texts[form] ?? texts[`${name}.other`] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? (typeof values[key] === "number" ? values[key].toLocaleString(language) : values[key]) : whole));
};

// ---- the stream ----

/** Follows the shown conversation. Only a visible page does: a browser grants one address few connections. */
med42.connect = () => {
  med42.disconnect();
  if (document.hidden) return;
  const id = med42.conversation();
  const source = new EventSource(`/v1/stream?conversation=${id}`);
  for (const [name, handle] of Object.entries(med42.handlers)) {
    source.addEventListener(name, (event) => med42.source === source && handle(JSON.parse(event.data)));
  }
  source.onopen = () => med42.setLost(false);
  source.onerror = () => setTimeout(() => med42.source === source && source.readyState !== EventSource.OPEN && med42.setLost(true, source), 2500);
  med42.source = source;
};

/** Says that the program does not answer, and that it does again. A stream that was refused is tried anew: after a restart
 *  of the program it may be welcome. */
med42.setLost = (lost, source) => {
  const place = document.querySelector('[data-live="lost"]');
  if (place) place.hidden = !lost;
  document.documentElement.classList.toggle("lost", lost); // 'Answering' would not be true any more
  if (lost) med42.putBack();
  if (lost && source.readyState === EventSource.CLOSED) setTimeout(() => med42.source === source && med42.connect(), 3000);
};

med42.disconnect = () => {
  if (med42.source) med42.source.close();
  med42.source = null;
};

med42.handlers.live = ({ name, html }) => {
  for (const place of document.querySelectorAll(`[data-live="${name}"]`)) place.innerHTML = html;
  if (name !== "model" || !html) return;
  if (med42.model && med42.model !== html && !med42.conversation()) med42.reopen(); // the empty page says who answers
  med42.model = html;
};
med42.handlers.gone = () => {
  med42.disconnect();
  const isSaved = med42.saveDraft();
  med42.show("");
  med42.tell({ message: med42.say("list.gone"), hint: isSaved ? med42.say("list.gone_draft") : "" });
};
med42.handlers.trouble = (problem) => {
  med42.disconnect();
  med42.tell(problem);
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return med42.disconnect();
  med42.connect();
  if (med42.refreshList) med42.refreshList();
});
addEventListener("popstate", () => med42.arrived());

// ---- words for the person ----

/** Says something to those who listen to the page: at an answer's beginning and end, never in between. */
med42.announce = (words) => {
  const place = document.getElementById("announce");
  if (place) place.textContent = words;
};

/** Shows an error; null takes it away. */
med42.tell = (problem) => {
  const place = document.querySelector("#notice .notice");
  if (!place) return;
  place.hidden = !problem;
  place.replaceChildren();
  if (!problem) return;
  const words = document.createElement("p");
  const message = document.createElement("strong");
  message.textContent = problem.message;
  words.append(message, ` ${problem.hint || ""}`);
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.onclick = () => med42.tell(null);
  place.append(words, close);
};

med42.notice = (element, props, watch) => watch("value", () => {
  if (props.value && props.value.mistake) {
    med42.putBack(); // nobody knows whose mistake it was
    med42.tellSheets(props.value); // the notice lies behind an open dialog
  }
  med42.tell(props.value);
});

/** Says for some seconds what has just been done. With `action` and `act` it can be taken back: by its button, or by Ctrl+Z. */
med42.toast = (words, { action = "", act = null, seconds = 6 } = {}) => {
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.style.setProperty("--seconds", `${seconds}s`);
  const text = document.createElement("p");
  text.textContent = words;
  toast.append(text);
  const close = () => {
    clearTimeout(timer);
    if (toast.contains(document.activeElement)) med42.focusComposer(); // a focus that vanishes would begin at the page's top again
    toast.remove();
  };
  const timer = setTimeout(close, seconds * 1000);
  const button = (name, content, run) => {
    const one = document.createElement("button");
    one.type = "button";
    one.className = name;
    one.append(...content);
    one.addEventListener("click", run);
    toast.append(one);
    return one;
  };
  if (act) {
    const key = document.createElement("kbd");
    key.textContent = "Ctrl+Z";
    button("act", [`${action} `, key], () => { close(); act(); });
  }
  const cross = document.createElement("i");
  cross.className = "icon close";
  button("dismiss", [cross], close).setAttribute("aria-label", med42.say("toast.close"));
  toasts().append(toast);
  med42.announce(act ? `${words} ${med42.say("toast.key", { action })}` : words);
  return close;
};

const toasts = () => {
  const there = document.getElementById("toasts");
  if (there) return there;
  const made = document.createElement("div");
  made.id = "toasts";
  document.body.append(made);
  return made;
};

document.addEventListener("keydown", (event) => {
  const undoes = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
  const last = undoes && [...document.querySelectorAll("#toasts .act")].pop();
  // Where words are being written, the key belongs to them.
  if (!last || (event.target.matches("input, textarea") && event.target.value)) return;
  event.preventDefault();
  last.click();
});

/** Opens a small menu below a button: [{ label, act, current, danger }]. Arrow keys, Home, End and first letters move in it; Escape, Tab
 *  and a click elsewhere close it. `current` true or false makes an item one of a choice. The focus returns to the button. */
med42.menu = (button, items) => {
  if (med42.closeMenu && med42.closeMenu() === button) return; // a second click on the button only closes
  const menu = document.createElement("div");
  menu.className = "menu";
  menu.setAttribute("role", "menu");
  menu.setAttribute("aria-label", button.getAttribute("aria-label") || button.textContent.trim());
  const entries = items.map(({ label, act, current, danger }) => {
    const entry = document.createElement("button");
    entry.type = "button";
    entry.textContent = label;
    entry.tabIndex = -1;
    entry.className = danger ? "danger" : "";
    entry.setAttribute("role", current === undefined ? "menuitem" : "menuitemradio");
    if (current !== undefined) entry.setAttribute("aria-checked", String(current));
    entry.addEventListener("click", () => { close(true); act(); });
    return entry;
  });
  menu.append(...entries);

  const close = (focus = false) => {
    removeEventListener("pointerdown", outside, true);
    removeEventListener("scroll", moved, true);
    removeEventListener("resize", away);
    const had = menu.contains(document.activeElement);
    menu.remove();
    med42.closeMenu = null;
    button.setAttribute("aria-expanded", "false");
    if ((focus || had) && button.isConnected) button.focus({ preventScroll: true });
    return button;
  };
  const away = () => close();
  const outside = (event) => !menu.contains(event.target) && !button.contains(event.target) && close();
  const moved = (event) => event.target.contains(button) && close(); // an answer that is written beside it scrolls too, and is no reason
  const go = (index) => entries.at(index % entries.length).focus({ preventScroll: true });
  menu.addEventListener("keydown", (event) => {
    const at = entries.indexOf(document.activeElement);
    const moves = { ArrowDown: () => go(at + 1), ArrowUp: () => go(at - 1), Home: () => go(0), End: () => go(-1), Escape: () => close(true), Tab: () => close(true) };
    const letter = event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey;
    const named = letter && [...entries.slice(at + 1), ...entries.slice(0, at + 1)].find((one) => one.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()));
    if (named) named.focus({ preventScroll: true });
    else if (moves[event.key]) moves[event.key]();
    else return;
    event.stopPropagation(); // this Escape stops no answer
    if (event.key !== "Tab") event.preventDefault();
  });

  (button.closest("dialog") || document.body).append(menu); // what is behind an open dialog can have no focus
  placeMenu(menu, button);
  addEventListener("pointerdown", outside, true);
  addEventListener("scroll", moved, true);
  addEventListener("resize", away);
  med42.closeMenu = close;
  button.setAttribute("aria-expanded", "true");
  go(Math.max(items.findIndex((one) => one.current), 0));
};

/** Below the button, or above it where there is no room; never over the edge of the window. */
const placeMenu = (menu, button) => {
  const from = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const size = Number(getComputedStyle(menu).zoom) || 1; // the reader's size of text, which would multiply its place as well
  const below = from.bottom + 4 + height <= innerHeight || from.top < height + 12;
  menu.style.top = `${(below ? Math.max(8, Math.min(from.bottom + 4, innerHeight - height - 8)) : from.top - height - 4) / size}px`;
  menu.style.left = `${Math.max(8, Math.min(from.left, innerWidth - width - 8)) / size}px`;
};

// ---- drawers ----

const DRAWERS = { left: 720, right: 1180 }; // below these widths (px) a side is a drawer over the conversation

med42.isDrawer = (side) => innerWidth < DRAWERS[side];

/** Shows or hides a side. As a drawer it takes the focus and gives it back. */
med42.toggle = (side, open = !med42.isOpen(side)) => {
  const drawer = med42.isDrawer(side);
  if (drawer && open) med42.closeDrawers();
  document.documentElement.classList.toggle(drawer ? `${side}-open` : `${side}-away`, drawer ? open : !open);
  med42.markDrawers();
  if (!drawer) return;
  const target = open ? document.querySelector(`#${side} button, #${side} [tabindex]`) : document.querySelector(`#header [data-do="${side}"]`);
  if (target) target.focus({ preventScroll: true });
};

med42.isOpen = (side) => {
  const classes = document.documentElement.classList;
  return med42.isDrawer(side) ? classes.contains(`${side}-open`) : !classes.contains(`${side}-away`);
};

med42.closeDrawers = () => {
  document.documentElement.classList.remove("left-open", "right-open");
  med42.markDrawers();
};

med42.markDrawers = () => {
  for (const side of Object.keys(DRAWERS)) {
    for (const button of document.querySelectorAll(`[data-do="${side}"]`)) button.setAttribute("aria-expanded", String(med42.isOpen(side)));
  }
  // Behind an open drawer nothing has the focus.
  const open = Object.keys(DRAWERS).find((side) => med42.isDrawer(side) && med42.isOpen(side));
  for (const part of ["left", "centre", "right"]) {
    const place = document.getElementById(part);
    if (place) place.inert = Boolean(open) && part !== open;
  }
};

addEventListener("resize", () => med42.markDrawers());

/** Makes the buttons of the frame work, wherever they stand. */
med42.buttons = (element) => {
  const actions = {
    left: () => med42.toggle("left"),
    right: () => med42.toggle("right"),
    theme: med42.nextTheme,
    about: () => med42.openAbout(),
    settings: () => med42.openSettings(),
    models: () => med42.openModels(),
    library: () => med42.openLibrary(),
    export: () => med42.openExport(med42.conversation()),
  };
  element.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) actions[button.dataset.do]();
  });
  med42.applyLooks();
  med42.markDrawers();
};

document.addEventListener("click", (event) => {
  const open = ["left", "right"].filter((side) => med42.isDrawer(side) && med42.isOpen(side));
  const isOver = (one) => one.matches && one.matches("#left, #right, [data-do], dialog, .answer, .menu, #toasts");
  // The path and not `closest`: what was clicked may be gone by now, as a message is whose button was pressed.
  if (open.length && !event.composedPath().some(isOver)) med42.closeDrawers();
});
