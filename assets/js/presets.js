// Ready-made questions: a list above the box, opened by '/' or a button, and a form for those that have fields to fill in.
"use strict";

med42.presets = (element, box, trigger) => {
  const place = element.querySelector(".preset-list");
  const paper = element.querySelector(".preset-form");
  const button = element.querySelector('[data-act="presets"]');
  let presets = [];
  let shown = [];
  let at = 0;
  let isMenu = false; // opened by the button: the keys are the list's, and what is in the box stays

  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };

  // -- the list --
  const query = () => (/^\/[^\s/]*$/.test(box.value) ? box.value.slice(1).toLowerCase() : null);
  const matches = (words) => presets.filter((one) => one.broken || !words || `${one.name} ${one.id}`.toLowerCase().includes(words));
  const isOpen = () => !place.hidden;
  const open = (words, menu) => {
    const before = shown.map((one) => one.id).join();
    shown = matches(words);
    isMenu = menu;
    if (before !== shown.map((one) => one.id).join() || !isOpen()) at = shown.findIndex((one) => !one.broken);
    if (!shown.length) return close();
    draw();
    place.hidden = false;
    button.setAttribute("aria-expanded", "true");
    if (menu) place.focus();
  };
  const close = () => {
    place.hidden = true;
    button.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  };
  const draw = () => {
    place.replaceChildren(...shown.map(option));
    const current = place.children[at];
    for (const one of [box, place]) one.setAttribute("aria-activedescendant", current ? current.id : "");
    if (current && isOpen()) current.scrollIntoView({ block: "nearest" });
  };
  const option = (preset, index) => {
    const one = make("div", { className: "preset", id: `preset-${preset.id}` },
      make("span", { className: "name", textContent: preset.name }), make("span", { className: "hint", textContent: preset.hint }));
    one.setAttribute("role", "option");
    one.setAttribute("aria-selected", String(index === at));
    if (preset.broken) one.setAttribute("aria-disabled", "true");
    one.addEventListener("mousemove", () => index !== at && !preset.broken && move(index));
    one.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays where the keys are
    one.addEventListener("click", () => choose(preset));
    return one;
  };
  const move = (index) => {
    at = index;
    draw();
  };
  const step = (by) => {
    const good = shown.map((one, index) => (one.broken ? -1 : index)).filter((index) => index >= 0);
    if (good.length) move(good[(good.indexOf(at) + by + good.length) % good.length]);
  };
  const keys = {
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    Enter: () => shown[at] && choose(shown[at]),
    Escape: () => leave(),
  };
  /** Whether the list has used this key. */
  const key = (event) => {
    if (!isOpen() || event.shiftKey || event.ctrlKey || event.metaKey || !keys[event.key]) return false;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
    return true;
  };
  const leave = () => {
    close();
    if (!isMenu) med42.write("");
    box.focus({ preventScroll: true });
  };
  place.addEventListener("keydown", key);
  place.addEventListener("focusout", () => isMenu && close());
  box.addEventListener("input", () => {
    const words = query();
    if (words === null) return isOpen() && close();
    if (!isOpen()) trigger("expand", {});
    open(words, false);
  });
  box.addEventListener("blur", () => !isMenu && close());
  const toggle = () => {
    if (isOpen()) return leave();
    trigger("expand", {}); // a department may have changed the files since
    open("", true);
  };
  button.addEventListener("mousedown", (event) => isOpen() && event.preventDefault()); // else the list closes before the click and opens again
  const take = (now) => {
    presets = now;
    if (isOpen()) open(isMenu ? "" : query(), isMenu);
  };
  trigger("expand", {});

  // -- the form of one --
  let form = null; // { page, preset, fields } of the form in sight
  let typed = ""; // what stood in the box when a preset was chosen
  const unfinished = new Map(); // forms that were left for another conversation: { preset, values } by conversation
  const given = new Map(); // what was filled in of a form that was closed, by conversation and preset

  const choose = (preset) => {
    const isQuery = query() !== null;
    typed = isQuery ? "" : box.value;
    close();
    if (isQuery) med42.write("");
    if (preset.fields.length) ask(preset, given.get(`${med42.conversation()} ${preset.id}`));
    else trigger("apply", { id: preset.id, values: {} });
  };
  const ask = (preset, values = {}) => {
    const fields = preset.fields.map((one) => field(one, values[one.name] || ""));
    const main = fields.find(({ input }) => input.rows > 1) || fields[0];
    if (!main.input.value) main.input.value = typed;
    form = { page: med42.conversation(), preset, fields };
    const cancel = make("button", { type: "button", textContent: med42.say("presets.cancel"), onclick: shut });
    const insert = make("button", { type: "submit", className: "primary", textContent: med42.say("presets.insert") });
    paper.replaceChildren(
      make("h3", { textContent: preset.name }),
      make("p", { className: "instruction", textContent: preset.instruction, hidden: !preset.instruction }),
      make("div", { className: "fields" }, ...fields.map(({ label }) => label)),
      make("div", { className: "actions" }, make("span", { className: "quiet", textContent: med42.say("presets.then") }), cancel, insert),
    );
    paper.setAttribute("aria-label", preset.name);
    paper.hidden = false;
    (fields.find(({ input }) => !input.value) || fields[0]).input.focus();
  };
  const field = ({ name, label, placeholder, lines }, value) => {
    const input = make(lines > 1 ? "textarea" : "input", { name, placeholder, value, dir: "auto", autocomplete: "off", spellcheck: false });
    if (lines > 1) input.rows = Math.min(lines, 8);
    return { input, label: make("label", { className: lines > 1 ? "tall" : "" }, make("span", { textContent: label }), input) };
  };
  const values = () => Object.fromEntries(form.fields.map(({ input }) => [input.name, input.value]));
  paper.addEventListener("submit", (event) => {
    event.preventDefault();
    trigger("apply", { id: form.preset.id, values: values() });
  });
  paper.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.preventDefault();
      shut();
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      paper.requestSubmit();
    }
  });
  const away = () => {
    form = null;
    paper.hidden = true;
    paper.replaceChildren();
  };
  const shut = () => {
    if (form) given.set(`${form.page} ${form.preset.id}`, values());
    away();
    box.focus({ preventScroll: true });
  };
  /** The finished question, to be changed or sent. What stood in the box is a part of it, or follows it. */
  const fill = (text) => {
    const isFromForm = form !== null;
    shut();
    given.clear(); // the next letter is another patient's
    med42.write(!isFromForm && typed ? `${text}\n\n${typed}` : text);
    box.setSelectionRange(box.value.length, box.value.length);
    box.scrollTop = box.scrollHeight;
  };
  med42.presetIsUnfinished = () => form !== null && form.fields.some(({ input }) => input.value.trim());
  document.addEventListener("med42:conversation", () => {
    close();
    if (med42.presetIsUnfinished()) unfinished.set(form.page, { preset: form.preset, values: values() });
    if (form) away();
    const back = unfinished.get(med42.conversation());
    unfinished.delete(med42.conversation());
    if (back) ask(back.preset, back.values);
  });

  return { key, close, toggle, take, fill };
};
