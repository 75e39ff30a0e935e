// What a conversation is answered from: the button beside the question says it, its panel changes it. The server is told at once; of a page
// that has no conversation yet, it goes along with the first question.
"use strict";

med42.adoptScope = () => {}; // until the composer is there
med42.takeScope = () => {};
/** The stream may say it before the composer is there. */
med42.handlers.scope = (told) => {
  med42.toldScope = told;
  med42.takeScope(told);
};

med42.scope = (element, trigger) => {
  const USES = ["first", "only", "off"];
  const button = element.querySelector(".scope");
  const panel = element.querySelector(".scope-panel");
  const fresh = () => ({ use: "first", collections: [] });
  let now = fresh(); // null while it is not known
  let shelves = []; // [collections, how many documents are in just these]
  let pending = null; // chosen on a page that has no conversation yet

  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  const say = (name, values) => med42.say(`scope.${name}`, values);

  // -- what it says --
  const count = (names) => shelves.reduce((sum, [inside, n]) => sum + (!names.length || inside.some((one) => names.includes(one)) ? n : 0), 0);
  const draw = () => {
    button.disabled = !now;
    button.dataset.use = now ? now.use : "";
    const documents = now && now.use !== "off" && shelves.length ? count(now.collections) : null;
    const parts = [now ? say(now.use) : "", documents === null ? "" : say("count", { n: documents })];
    button.setAttribute("aria-label", parts.filter(Boolean).join(", ") || say("title"));
    button.querySelector(".use").textContent = parts[0];
    button.querySelector(".count").textContent = parts[1];
    button.querySelector(".count").dataset.short = documents === null ? "" : documents.toLocaleString(med42.words.language);
    if (!panel.hidden) fill();
  };
  const choice = (type, label, about, checked, change) => {
    const input = make("input", { type, name: "scope", checked, onchange: change });
    return make("label", { className: "choice" }, input, make("span", {}, make("bdi", { textContent: label }), ...(about ? [make("small", { textContent: about })] : [])));
  };
  const group = (legend, ...choices) => make("fieldset", {}, make("legend", { textContent: legend }), ...choices);
  const fill = () => {
    const at = [...panel.querySelectorAll("input, button")].indexOf(document.activeElement);
    const uses = USES.map((use) => choice("radio", say(use), say(`${use}_about`), now.use === use, () => set({ ...now, use })));
    panel.replaceChildren(group(say("how"), ...uses), ...which());
    panel.append(make("button", { type: "button", className: "link", textContent: say("library"), onclick: () => { close(); med42.openLibrary(); } }));
    if (at >= 0) panel.querySelectorAll("input, button")[at]?.focus();
  };
  /** The collections, those that are not there any more with them. */
  const which = () => {
    if (!shelves.length) return [make("p", { className: "hint", textContent: say("empty") })];
    const there = [...new Set(shelves.flatMap(([names]) => names))].sort((one, other) => one.localeCompare(other));
    if (now.use === "off" || !(there.length || now.collections.length)) return [];
    const whole = (name, names) => `${name} · ${say("count", { n: count(names) })}`;
    const all = choice("checkbox", whole(say("all"), []), "", !now.collections.length, () => set({ ...now, collections: [] }));
    const one = (name, label) => choice("checkbox", label, "", now.collections.includes(name), ({ target }) => {
      set({ ...now, collections: target.checked ? [...now.collections, name] : now.collections.filter((other) => other !== name) });
    });
    const gone = now.collections.filter((name) => !there.includes(name));
    return [group(say("which"), all, ...there.map((name) => one(name, whole(name, [name]))), ...gone.map((name) => one(name, say("gone", { name }))))];
  };

  // -- what changes it --
  const set = (chosen) => {
    now = chosen;
    const id = med42.conversation();
    if (id) trigger("select", { id, ...now });
    else pending = now;
    draw();
    med42.announce(say("changed", { mode: say(now.use), documents: now.use === "off" ? "" : say("count", { n: count(now.collections) }) }));
  };
  med42.takeScope = ({ conversation, shelves: sets, ...told }) => {
    const isOther = JSON.stringify(shelves) !== JSON.stringify(sets);
    shelves = sets;
    if (told.use && med42.isHere(conversation)) now = told;
    draw();
    if (isOther) refresh();
  };
  /** The empty page says how to begin a library, or what to ask of it. Of many documents that come one after the other it is told once. */
  let waiting = 0;
  const refresh = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => !med42.conversation() && med42.reopen(), 700);
  };
  document.addEventListener("med42:conversation", () => {
    close();
    now = med42.conversation() ? null : fresh();
    if (now) pending = null; // else this may be the conversation that has just begun here
    draw();
  });
  /** The page without a conversation has got one: what was chosen there is that one's. */
  med42.adoptScope = (id) => {
    if (pending) trigger("select", { id, ...pending });
    pending = null;
  };

  // -- the panel --
  const open = () => {
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    fill();
    (panel.querySelector("input:checked") || panel).focus({ preventScroll: true });
  };
  const close = () => {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation(); // this Escape stops no answer
    close();
    button.focus({ preventScroll: true });
  });
  document.addEventListener("pointerdown", ({ target }) => !panel.hidden && !panel.contains(target) && !button.contains(target) && close());
  panel.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !panel.contains(relatedTarget) && relatedTarget !== button && close());

  draw();
  if (med42.toldScope) med42.takeScope(med42.toldScope);
  return {
    toggle: () => (panel.hidden ? open() : close()),
    chosen: () => now || fresh(),
    isTaken: () => (pending = null),
  };
};
