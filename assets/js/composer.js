// Where the question is written: the box, edited questions, and what goes out. What is typed is kept by drafts.js.
"use strict";

/** The conversations in which the reader knows that the model does not see all, and sends all the same. */
med42.accepted = new Set();

med42.box = () => document.querySelector("#question textarea");
med42.focusComposer = () => !med42.isDrawer("left") && med42.box() && med42.box().focus({ preventScroll: true });

/** Puts text into the composer as typing would. */
med42.write = (text) => {
  const box = med42.box();
  if (!box || box.value === text) return;
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};

/** Shows Stop while an answer is being written, Send otherwise. */
med42.setAnswering = (answering) => {
  const before = med42.isAnswering();
  document.documentElement.classList.toggle("answering", answering);
  if (before && !answering) med42.look(); // the answer has become a part of what the model sees
};
med42.isAnswering = () => document.documentElement.classList.contains("answering");

med42.restoreDraft = () => {}; // until the composer is there

/** Asks a question as if it had been typed; what is being typed stays. */
med42.ask = (question) => {
  const typed = med42.box().value;
  med42.write(question);
  med42.send();
  med42.write(typed);
};

med42.composer = (element, props, trigger, watch) => {
  const box = element.querySelector("textarea");
  const writing = element.querySelector(".writing");
  const editing = element.querySelector(".editing");
  const fit = element.querySelector(".fit");

  // -- what the shown conversation's draft looks like --
  const show = () => {
    const draft = med42.draft();
    if (box.value !== draft.text) box.value = draft.text;
    editing.hidden = !draft.edit;
    element.classList.toggle("is-editing", Boolean(draft.edit));
    fit.hidden = !draft.problem;
    // Said once: its numbers change with every word that is typed.
    if (draft.problem && !fit.textContent) med42.announce(draft.problem);
    if (fit.textContent !== draft.problem) fit.textContent = draft.problem;
    cards.draw();
    grow();
  };
  const grow = () => {
    if (CSS.supports("field-sizing", "content")) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  };
  med42.restoreDraft = show;

  // -- what goes out --
  let sent = 0;
  med42.send = (accepted = false) => {
    if (med42.factsAreUnsaved()) return med42.tell({ message: med42.say("facts.unsaved"), hint: med42.say("facts.unsaved_hint") });
    const page = med42.conversation();
    if ([...med42.sent.values()].some((one) => one.page === page && Date.now() - one.at < 2000)) return; // Enter and a click at once are one question
    const draft = med42.draft(page);
    if (draft.attachments.some((one) => one.isReading)) return med42.tell({ message: med42.say("attach.reading"), hint: med42.say("attach.reading_hint") });
    if (accepted) med42.accepted.add(page);
    const { text, attachments, edit } = draft;
    const number = String((sent += 1));
    const whole = { number, here: page, leaf: med42.leaf(), text, attachments: attachments.map(med42.plain), edited: edit ? edit.message : "", accepted: med42.accepted.has(page), scope: scope.chosen() };
    if (med42.isTooMuch(JSON.stringify(whole))) return med42.tellTooMuch(med42.charactersOf(draft));
    if (text.trim()) {
      med42.sent.set(number, { page, text, attachments, edit, at: Date.now() });
      // The box is empty at once, so that nothing typed from now on is lost with what goes out.
      Object.assign(draft, edit ? edit.before : { text: "", attachments: [] }, { edit: null, problem: "" });
      med42.changed(draft);
      show();
    }
    list.close();
    trigger("submit", whole);
    if (accepted) med42.focusComposer(); // the button that was pressed goes away
  };

  /** Questions were not taken: each stands in the box of its conversation again, before whatever was typed since. */
  med42.putBack = (numbers = [...med42.sent.keys()].reverse()) => numbers.forEach(refused);
  const refused = (number) => {
    if (med42.sent.has(number)) putBack(med42.sent.get(number));
    med42.sent.delete(number);
  };
  const putBack = ({ page, text, attachments, edit }) => {
    const draft = med42.draft(page);
    if (edit) Object.assign(draft, { edit: { ...edit, before: { text: draft.text, attachments: draft.attachments } }, text, attachments });
    else Object.assign(draft, { text: draft.text ? `${text}\n${draft.text}` : text, attachments: [...attachments, ...draft.attachments] });
    med42.changed(draft);
    show();
  };

  // -- a question that is changed --
  med42.editQuestion = (message, text) => {
    const draft = med42.draft();
    const before = draft.edit ? draft.edit.before : { text: draft.text, attachments: draft.attachments };
    Object.assign(draft, { edit: { message, text, before }, text, attachments: [] });
    med42.changed(draft);
    show();
    box.focus({ preventScroll: true });
    trigger("edit", { id: message }); // its attachments, and its words where the page has only their beginning
  };
  med42.leaveEdit = () => {
    const draft = med42.draft();
    if (!draft.edit) return false;
    const { edit, text, attachments } = draft;
    Object.assign(draft, edit.before, { edit: null });
    med42.changed(draft);
    show();
    box.focus({ preventScroll: true });
    if (text !== edit.text) offerBack({ page: med42.conversation(), edit, text, attachments });
    return true;
  };
  /** A key that was meant for something else throws no words away. */
  const offerBack = (change) => med42.toast(med42.say("composer.left"), { action: med42.say("composer.change_on"), act: () => {
    if (!med42.isHere(change.page)) med42.show(change.page);
    putBack(change);
    box.focus({ preventScroll: true });
  } });
  const editLast = () => {
    const last = [...document.querySelectorAll("#transcript .turn.question")].at(-1);
    if (last) med42.editQuestion(last.dataset.message, "");
    return Boolean(last);
  };

  // -- what the server's handlers say --
  const fresh = (one) => ({ ...one, key: "", tokens: null, isKept: false });
  const kinds = {
    open: ({ conversation, text, attachments }) => {
      const draft = med42.draft(conversation);
      const isFirst = !draft.isOpened;
      draft.isOpened = true;
      if (med42.isHere(conversation)) med42.look();
      const isNewer = draft.version !== draft.kept || draft.at > (med42.openedAt || 0);
      if (draft.edit || (isNewer && !isFirst)) return;
      if (!text && !attachments.length) return med42.keepDraft(draft);
      // What was typed and attached before the page knew its draft comes after it.
      const lines = isNewer ? [text, draft.text] : [text];
      const known = new Map(draft.attachments.map((one) => [`${one.name}\n${one.text}`, one]));
      const kept = attachments.map((one) => known.get(`${one.name}\n${one.text}`) || fresh(one));
      const since = isNewer ? draft.attachments.filter((one) => !kept.includes(one)) : [];
      Object.assign(draft, { text: [...new Set(lines.filter(Boolean))].join("\n"), attachments: [...kept, ...since] });
      if (med42.isHere(conversation)) show();
    },
    sent: ({ number, page, conversation }) => {
      med42.sent.delete(number);
      if (page || !(med42.isHere("") || med42.isHere(conversation))) return;
      scope.isTaken();
      med42.adoptDraft(conversation);
    },
    kept: ({ number }) => refused(number),
    edit: ({ message, text, attachments }) => {
      const draft = med42.draft();
      if (!draft.edit || draft.edit.message !== message) return;
      if (draft.text === draft.edit.text) draft.text = text;
      draft.edit.text = text;
      draft.attachments = [...attachments.map(fresh), ...draft.attachments];
      med42.changed(draft);
      show();
      box.setSelectionRange(box.value.length, box.value.length);
    },
    presets: ({ presets }) => list.take(presets),
    filled: ({ text }) => list.fill(text),
  };
  watch("value", () => props.value && kinds[props.value.kind](props.value));

  // -- what the reader does --
  box.addEventListener("input", () => {
    const draft = med42.draft();
    draft.text = box.value;
    med42.changed(draft);
    grow();
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing || list.key(event)) return; // an Enter that chooses a Chinese or Korean word sends nothing
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      med42.send();
    }
    if (event.key === "ArrowUp" && !box.value && !med42.draft().edit && editLast()) event.preventDefault();
  });
  element.querySelector("#send").addEventListener("click", () => med42.send());
  element.querySelector("#stop").addEventListener("click", () => trigger("stop", { id: med42.conversation() }));
  editing.querySelector(".leave").addEventListener("click", med42.leaveEdit);
  writing.addEventListener("click", (event) => event.target.closest("#question, .row, .attached") === event.target && box.focus());

  const cards = med42.attached(element, show);
  const list = med42.presets(element, box, trigger);
  const scope = med42.scope(element, trigger);
  med42.keysDialog(element);
  const acts = { attach: cards.choose, presets: list.toggle, scope: scope.toggle, keys: () => med42.openKeys() };
  element.querySelector(".row").addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) acts[button.dataset.act](button);
  });
  show();
  if (!document.querySelector("dialog[open]")) med42.focusComposer();
};
