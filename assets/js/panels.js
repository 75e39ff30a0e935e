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
    // Only what answers a save makes a conversation: a value that comes late, from the one that was left before, is another patient's.
    const made = value && value.text === saving && !conversation && place.classList.contains("editing") && !med42.conversation();
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

/** The evidence panel: the server's HTML, of the shown conversation only. One card at a time is open, with its page below it. */
med42.evidence = (element, props, watch) => {
  const scroller = element.closest("#evidence"); // keys can scroll it, and so it has a name
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", med42.say("evidence.title"));
  const content = element.querySelector(".content");
  const nothing = content.innerHTML;
  const root = document.documentElement;
  let open = null; // { card, leave, from }: `from` is what the focus goes back to
  let wanted = null; // { message, number, from } of a source that is on its way here

  const close = (focus = false) => {
    if (!open) return;
    const { card, leave, from } = open;
    open = null;
    leave();
    card.classList.remove("open");
    card.querySelector(".head").setAttribute("aria-expanded", "false");
    root.classList.remove("viewing");
    if (focus) (from && from.isConnected ? from : card.querySelector(".head")).focus({ preventScroll: true });
  };
  const show = (card, from = null, focus = true) => {
    close();
    card.closest("details")?.setAttribute("open", "");
    card.classList.add("open");
    card.querySelector(".head").setAttribute("aria-expanded", "true");
    root.classList.add("viewing");
    const { message, number, document: id, page } = card.dataset;
    const at = from && from.isConnected ? from.dataset.at : ""; // of the sentence that was clicked: others name the same source
    const leave = med42.viewer(card.querySelector(".viewer"), { message, number: Number(number), document: id, page: Number(page), at });
    open = { card, leave, from };
    if (!focus) return;
    card.querySelector(".head").focus({ preventScroll: true });
    // Not scrollIntoView: it would move the whole page, too.
    scroller.scrollTop += card.getBoundingClientRect().top - scroller.getBoundingClientRect().top - 8;
    if (from) med42.keepInSight(from); // the answer became narrower
  };
  const look = () => {
    const here = wanted && content.querySelector(`[data-answer="${CSS.escape(wanted.message)}"]`);
    if (!here) return false;
    const card = content.querySelector(`#source-${wanted.number}`);
    const { from } = wanted;
    wanted = null;
    if (card) show(card, from);
    return true;
  };
  /** Opens the card of a source. `fetch` brings the answer's sources here when it is another's that are shown. */
  med42.openSource = (message, number, from, fetch) => {
    wanted = { message, number, from };
    if (!look()) fetch();
  };
  /** Draws a source's page ahead: the reader is about to open it. */
  med42.warmSource = (message, number) => {
    const card = content.querySelector(`[data-answer="${CSS.escape(message)}"] #source-${number}`);
    if (!card || !card.dataset.page || card.dataset.warm) return;
    card.dataset.warm = "true";
    fetch(`/v1/page/${card.dataset.document}/${card.dataset.page}?width=1300`, { priority: "low" }).catch(() => {});
  };

  watch("value", () => {
    if (!props.value || !med42.isHere(props.value.conversation)) return;
    const before = open && { answer: open.card.dataset.message, id: open.card.id, from: open.from };
    close();
    content.innerHTML = props.value.html;
    const again = before && content.querySelector(`[data-answer="${CSS.escape(before.answer)}"] #${before.id}`);
    if (!look() && again) show(again, before.from, false); // the same answer, told anew
  });
  document.addEventListener("med42:conversation", () => {
    close();
    wanted = null;
    content.innerHTML = nothing;
  });
  content.addEventListener("click", (event) => {
    const card = event.target.closest(".card");
    if (!card || event.target.closest(".viewer, a") || getSelection().toString()) return;
    if (event.target.closest(".head") && open && open.card === card) close(true);
    else if (!open || open.card !== card) show(card);
  });
  scroller.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !open || !event.target.closest(".card")) return;
    event.preventDefault(); // this Escape stops no answer
    event.stopPropagation();
    if (med42.isDrawer("right")) med42.closeDrawers();
    close(true);
  });
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
