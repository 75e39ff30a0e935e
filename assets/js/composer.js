// Where the question is written: the box, what waits in it, edited questions, and what goes out. The server keeps every draft
// a moment after it was typed; here it only bridges that moment, and the time in which a question is on its way.
"use strict";

/** What is typed and attached and not sent yet, by conversation ("" is the page that has none). */
med42.drafts = new Map();

/** The conversations in which the reader knows that the model does not see all, and sends all the same. */
med42.accepted = new Set();

med42.draft = (page = med42.conversation()) => {
  if (!med42.drafts.has(page)) {
    // `version` counts the changes, `kept` is the last one that the server has; `asks` while an answer about it is wanted.
    med42.drafts.set(page, { text: "", attachments: [], edit: null, version: 0, kept: 0, asks: false, at: 0, isOpened: false, problem: "" });
  }
  return med42.drafts.get(page);
};

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
  if (before && !answering && med42.look) med42.look(); // the answer has become a part of what the model sees
};
med42.isAnswering = () => document.documentElement.classList.contains("answering");

med42.restoreDraft = () => {}; // until the composer is there

/** Whether more would go out at once than the program takes, in bytes; `limit` stands in the page. */
med42.isTooMuch = (body) => new Blob([body]).size > Number(document.querySelector(".writing").dataset.text);
med42.tellTooMuch = (characters) => med42.tell({ message: med42.say("composer.too_much", { n: characters }), hint: med42.say("composer.too_much_hint") });
med42.charactersOf = ({ text, attachments }) => attachments.reduce((sum, one) => sum + one.text.length, text.length);

/** What is attached to the next question of the shown conversation. */
med42.attachments = () => med42.draft().attachments;

/** Asks a question as if it had been typed. */
med42.ask = (question) => {
  med42.write(question);
  med42.send();
};

med42.composer = (element, props, trigger, watch) => {
  const box = element.querySelector("textarea");
  const writing = element.querySelector(".writing");
  const editing = element.querySelector(".editing");
  const fit = element.querySelector(".fit");
  const isShown = (draft) => med42.drafts.get(med42.conversation()) === draft;

  // -- what the shown conversation's draft looks like --
  const show = () => {
    const draft = med42.draft();
    if (box.value !== draft.text) box.value = draft.text;
    editing.hidden = !draft.edit;
    element.classList.toggle("is-editing", Boolean(draft.edit));
    fit.hidden = !draft.problem;
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

  // -- a draft and the server --
  let waits = 0;
  let isAsking = false; // one request is under way at a time, so that an older text never overtakes a newer one
  const changed = (draft, pause) => {
    draft.version += 1;
    draft.at = performance.now();
    ask(draft, pause);
  };
  const ask = (draft, pause = 400) => {
    draft.asks = true;
    clearTimeout(waits);
    waits = setTimeout(tell, pause);
  };
  med42.look = () => ask(med42.draft());

  const isWanted = ([page, draft]) => draft.asks && (draft.version !== draft.kept || med42.isHere(page));
  const body = (page, draft) => ({
    conversation: page,
    text: draft.text,
    attachments: draft.attachments.filter((one) => !one.isReading).map((one) => (one.isKept ? { key: one.key } : cards.plain(one))),
    edited: draft.edit ? draft.edit.message : "",
    keep: draft.version !== draft.kept && !draft.edit, // an edited question leaves the draft behind it as it was
  });
  const tell = async () => {
    const next = !isAsking && [...med42.drafts].find(isWanted);
    if (!next) return;
    const [page, draft] = next;
    const { version, edit } = draft;
    const sent = draft.attachments.filter((one) => !one.isReading);
    const whole = JSON.stringify(body(page, draft));
    draft.asks = false;
    if (med42.isTooMuch(whole)) {
      draft.kept = version; // it stays in the page only
      draft.problem = med42.say("composer.too_much", { n: med42.charactersOf(draft) });
      return isShown(draft) && show();
    }
    isAsking = true;
    const answer = await med42.post("/v1/draft", whole);
    isAsking = false;
    if (answer.isGone) ask(draft, 3000); // the program does not answer; it will, or the page says so
    else if (answer.stale) {
      for (const one of sent) one.isKept = false;
      ask(draft, 0);
    } else if (!answer.message) take(page, draft, version, edit, sent, answer);
    else draft.kept = version; // refused, for instance for a conversation that was deleted: asking again would change nothing
    if ([...med42.drafts].some(isWanted)) waits = setTimeout(tell, 100);
  };
  const take = (page, draft, version, edit, sent, answer) => {
    Object.assign(draft, { kept: version, at: performance.now() });
    sent.forEach((one, index) => Object.assign(one, answer.attachments[index], { isKept: !edit }));
    draft.problem = answer.too_long || "";
    if (!isShown(draft)) return;
    show();
    if (draft.version !== version || answer.unseen === undefined) return;
    med42.handlers.live({ name: "meter", html: answer.meter });
    document.dispatchEvent(new CustomEvent("med42:preview", { detail: { conversation: page, unseen: answer.unseen } }));
  };
  addEventListener("pagehide", () => {
    for (const [page, draft] of med42.drafts) {
      if (draft.version !== draft.kept && !draft.edit) navigator.sendBeacon("/v1/draft", JSON.stringify(body(page, draft)));
    }
  });
  addEventListener("beforeunload", (event) => {
    const draft = med42.draft();
    const isEdited = draft.edit && draft.text !== draft.edit.text;
    const isLost = draft.version !== draft.kept && document.querySelector('[data-live="lost"]:not([hidden])');
    if (isEdited || isLost || med42.factsAreUnsaved() || med42.presetIsUnfinished()) event.preventDefault();
  });

  // -- what goes out --
  med42.send = (accepted = false) => {
    if (med42.sent && Date.now() - med42.sent.at < 2000) return; // Enter and a click at once are one question
    if (med42.factsAreUnsaved()) return med42.tell({ message: med42.say("facts.unsaved"), hint: med42.say("facts.unsaved_hint") });
    const page = med42.conversation();
    const draft = med42.draft(page);
    if (draft.attachments.some((one) => one.isReading)) return med42.tell({ message: med42.say("attach.reading"), hint: med42.say("attach.reading_hint") });
    if (accepted) med42.accepted.add(page);
    const { text, attachments, edit } = draft;
    const whole = { here: page, text, attachments: attachments.map(cards.plain), edited: edit ? edit.message : "", accepted: med42.accepted.has(page) };
    if (med42.isTooMuch(JSON.stringify(whole))) return med42.tellTooMuch(med42.charactersOf(draft));
    if (text.trim()) {
      med42.sent = { page, text, attachments, edit, at: Date.now() };
      // The box is empty at once, so that nothing typed from now on is lost with what goes out.
      Object.assign(draft, edit ? edit.before : { text: "", attachments: [] }, { edit: null, problem: "" });
      changed(draft);
      show();
    }
    list.close();
    trigger("submit", whole);
    if (accepted) med42.focusComposer(); // the button that was pressed goes away
  };

  /** A question was not taken: it stands in the box of its conversation again, before whatever was typed since. */
  med42.putBack = () => {
    const { page, text, attachments, edit } = med42.sent || {};
    med42.sent = null;
    if (text === undefined) return;
    const draft = med42.draft(page);
    if (edit) Object.assign(draft, { edit: { ...edit, before: { text: draft.text, attachments: draft.attachments } }, text, attachments });
    else Object.assign(draft, { text: draft.text ? `${text}\n${draft.text}` : text, attachments: [...attachments, ...draft.attachments] });
    changed(draft);
    show();
  };

  // -- a question that is changed --
  med42.editQuestion = (message, text) => {
    const draft = med42.draft();
    const before = draft.edit ? draft.edit.before : { text: draft.text, attachments: draft.attachments };
    Object.assign(draft, { edit: { message, text, before }, text, attachments: [] });
    changed(draft);
    show();
    box.focus({ preventScroll: true });
    trigger("edit", { id: message }); // its attachments, and its words where the page has only their beginning
  };
  med42.leaveEdit = () => {
    const draft = med42.draft();
    if (!draft.edit) return false;
    Object.assign(draft, draft.edit.before, { edit: null });
    changed(draft);
    show();
    box.focus({ preventScroll: true });
    return true;
  };
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
      // Words that were typed before the page knew its draft stand after it.
      const words = isNewer && text && draft.text && draft.text !== text ? `${text}\n${draft.text}` : isNewer ? draft.text || text : text;
      Object.assign(draft, { text: words, attachments: [...attachments.map(fresh), ...draft.attachments.filter((one) => isNewer)] });
      if (med42.isHere(conversation)) show();
    },
    sent: ({ page, conversation }) => {
      med42.sent = null;
      if (page || !(med42.isHere("") || med42.isHere(conversation))) return;
      // The page without a conversation has got one: what was typed since belongs there.
      const since = med42.draft("");
      const text = med42.isHere(conversation) ? box.value : since.text;
      med42.drafts.set(conversation, { ...since, text, kept: text || since.attachments.length ? -1 : since.version, asks: true, isOpened: true });
      Object.assign(since, { text: "", attachments: [] });
      changed(since);
    },
    kept: () => med42.putBack(),
    edit: ({ message, text, attachments }) => {
      const draft = med42.draft();
      if (!draft.edit || draft.edit.message !== message) return;
      if (draft.text === draft.edit.text) draft.text = text;
      draft.edit.text = text;
      draft.attachments = [...attachments.map(fresh), ...draft.attachments];
      changed(draft);
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
    changed(draft);
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

  const cards = med42.attached(element, changed, show);
  const list = med42.presets(element, box, trigger);
  med42.keysDialog(element);
  const acts = { attach: cards.choose, presets: list.toggle, keys: () => med42.openKeys() };
  element.querySelector(".row").addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) acts[button.dataset.act](button);
  });
  show();
  if (!document.querySelector("dialog[open]")) med42.focusComposer();
};

/** Posts to a door of our own. `isGone` when nobody answers, `message` and `hint` when it was refused. */
med42.post = async (path, body, headers = {}) => {
  try {
    const answer = await fetch(path, { method: "POST", body, headers });
    if (answer.headers.get("content-type") === "application/json") return await answer.json();
    return answer.status < 500 ? { message: await answer.text(), hint: "" } : { message: med42.say("problem.mistake"), hint: med42.say("problem.mistake_hint") };
  } catch {
    return { isGone: true };
  }
};
