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
    const label = make("span", { className: "label", textContent: "Always in the prompt" });
    const chips = lines.map((line) => make("span", { className: "fact", textContent: line, dir: "auto" }));
    const words = lines.length ? "Edit" : "Add allergies, problems, medicines";
    place.classList.remove("editing");
    place.replaceChildren(label, ...chips, make("button", { type: "button", className: "link", textContent: words, onclick: edit }));
  };
  const edit = (_, words = text) => {
    conversation = med42.conversation();
    const area = make("textarea", { value: words, rows: 4, dir: "auto", placeholder: "Allergy: penicillin\nCKD 3b, eGFR 38\nApixaban 5 mg twice a day" });
    area.setAttribute("aria-label", "Facts that are always in the prompt, one per line");
    const save = make("button", { type: "button", className: "primary", textContent: "Save", onclick: () => keep(area.value) });
    const cancel = make("button", { type: "button", textContent: "Cancel", onclick: leave });
    const hint = make("span", { className: "hint", textContent: "One per line. The model sees them with every question of this conversation." });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { event.preventDefault(); leave(); }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keep(area.value);
    });
    place.classList.add("editing");
    place.replaceChildren(area, make("div", { className: "actions" }, hint, cancel, save));
    area.focus();
  };
  const keep = (words) => trigger("edit", { id: conversation, text: words, before: text });
  const typed = () => place.querySelector("textarea");
  med42.factsAreUnsaved = () => Boolean(typed()) && typed().value.trim() !== text.trim();
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
    draw();
  });
  draw();
};

/** The evidence panel: the server's HTML, of the shown conversation only. */
med42.evidence = (element, props, watch) => {
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
    med42.focusComposer();
  });
  watch("value", () => props.value && !props.value.accepted && !dialog.open && dialog.showModal());
};

/** About. A click beside the paper closes it. */
med42.about = (element) => {
  const dialog = element.querySelector("dialog");
  med42.openAbout = () => dialog.showModal();
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
};
