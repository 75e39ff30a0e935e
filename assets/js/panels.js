// The smaller panels: pinned facts, evidence, the two dialogs.
"use strict";

/** The chips of the pinned facts, and their editor. */
med42.facts = (element, props, trigger, watch) => {
  const place = element.querySelector(".facts");
  let text = "";
  let conversation = "";
  const unsaved = new Map(); // what was typed and not saved when the reader went to another conversation

  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  const draw = () => {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    const label = make("span", { className: "label", textContent: med42.say("facts.name") });
    const chips = lines.map((line) => make("span", { className: "fact", textContent: line, dir: "auto" }));
    const words = med42.say(lines.length ? "facts.edit" : "facts.add");
    place.classList.remove("editing");
    place.replaceChildren(label, ...chips, make("button", { type: "button", className: "link", textContent: words, onclick: edit }));
  };
  const edit = (_, words = text) => {
    conversation = med42.conversation();
    const area = make("textarea", { value: words, rows: 4, dir: "auto", placeholder: med42.say("facts.example") });
    area.setAttribute("aria-label", med42.say("facts.label"));
    const save = make("button", { type: "button", className: "primary", textContent: med42.say("facts.save"), onclick: () => keep(area.value) });
    const cancel = make("button", { type: "button", textContent: med42.say("facts.cancel"), onclick: leave });
    const hint = make("span", { className: "hint", textContent: med42.say("facts.hint") });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.preventDefault(); leave(); }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keep(area.value);
    });
    place.classList.add("editing");
    place.replaceChildren(area, make("div", { className: "actions" }, hint, cancel, save));
    area.focus();
  };
  let saving = null; // what is on its way to the server, and may be heard of by the stream first
  const keep = (words) => {
    saving = words;
    trigger("edit", { id: conversation, text: words, before: text });
  };
  const typed = () => place.querySelector("textarea");
  med42.factsAreUnsaved = () => Boolean(typed()) && typed().value.trim() !== text.trim();
  /** Opens the editor with a line added, which is saved only by the reader. */
  med42.pinFact = (line) => {
    const before = typed() ? typed().value : text;
    edit(null, [before.trimEnd(), line.trim().replace(/\s+/g, " ")].filter(Boolean).join("\n"));
    const area = typed();
    area.setSelectionRange(area.value.length, area.value.length);
    area.scrollTop = area.scrollHeight;
  };
  // The stream says what the facts are now: another window may have changed them. What is being typed here stays.
  document.addEventListener("med42:hello", ({ detail: { facts: words } }) => {
    if (words === undefined || words === text || words === saving) return;
    text = words;
    if (!typed()) return draw();
    med42.tell({ message: med42.say("facts.changed"), hint: med42.say("facts.changed_hint", { now: words }) });
  });
  const leave = () => {
    unsaved.delete(conversation);
    draw();
    place.querySelector("button").focus();
  };

  watch("value", () => {
    const value = props.value;
    const made = value && !conversation && place.classList.contains("editing") && !med42.conversation();
    if (!value || !(made || med42.isHere(value.conversation))) return;
    if (value.elsewhere) return void (text = value.text);
    if (made && value.conversation) {
      text = value.text; // saved: it must not wait as a draft for the next new conversation, which is another patient's
      med42.adoptDraft(value.conversation);
      med42.show(value.conversation);
    }
    const typing = place.classList.contains("editing") && value.text === text && conversation === value.conversation;
    text = value.text;
    if (!typing) draw();
    if (unsaved.has(value.conversation)) {
      edit(null, unsaved.get(value.conversation));
      unsaved.delete(value.conversation);
    }
  });
  document.addEventListener("med42:conversation", () => {
    if (med42.factsAreUnsaved()) unsaved.set(conversation, typed().value);
    text = "";
    saving = null;
    draw();
  });
  draw();
};

/** The evidence panel: the server's HTML, of the shown conversation only. */
med42.evidence = (element, props, watch) => {
  const scroller = element.closest("#evidence"); // keys can scroll it, and so it has a name
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", med42.say("evidence.title"));
  const content = element.querySelector(".content");
  const nothing = content.innerHTML;
  watch("value", () => {
    if (props.value && med42.isHere(props.value.conversation)) content.innerHTML = props.value.html;
  });
  document.addEventListener("med42:conversation", () => (content.innerHTML = nothing));
  const look = () => {
    const card = med42.wantedSource && element.querySelector(`#${CSS.escape(med42.wantedSource)}`);
    if (!card) return;
    med42.wantedSource = "";
    card.scrollIntoView({ block: "nearest" });
    card.focus({ preventScroll: true });
  };
  new MutationObserver(look).observe(element, { childList: true, subtree: true });
};

/** The safe-use text, until somebody has accepted it. */
med42.safeUse = (element, props, trigger, watch) => {
  const dialog = element.querySelector("dialog");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.querySelector("button").addEventListener("click", () => {
    dialog.close(); // at once: should keeping it fail, the page says so and asks again at its next start
    trigger("apply", {});
    med42.tour();
  });
  watch("value", () => props.value && !props.value.accepted && !dialog.open && dialog.showModal());
};

/** About. A click beside the paper closes it. */
med42.about = (element) => {
  const dialog = element.querySelector("dialog");
  med42.openAbout = () => dialog.showModal();
  dialog.querySelector(".primary").addEventListener("click", () => dialog.close());
  dialog.querySelector("[data-tour]").addEventListener("click", () => { dialog.close(); med42.tour(); });
  dialog.querySelector("[data-settings]").addEventListener("click", () => { dialog.close(); med42.openSettings(); });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
};
