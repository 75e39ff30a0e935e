// What is typed and attached and not sent yet, by conversation. The server keeps each draft a moment after it was changed, and
// answers what the model would see if it were sent; here a draft only bridges that moment. Which words are shown is the composer's.
"use strict";

med42.drafts = new Map(); // by conversation; "" is the page that has none

/** The draft of a conversation. `version` counts its changes, `kept` is the last one that the server has. */
med42.draft = (page = med42.conversation()) => {
  if (!med42.drafts.has(page)) {
    med42.drafts.set(page, {
      text: "",
      attachments: [], // { name, text, media_type, pages, key, tokens, isKept, isReading }
      edit: null, // { message, text, before }: the earlier question that is being changed, and the draft that waits behind it
      problem: "", // why it cannot be sent as it is
      version: 0,
      kept: 0,
      isWanted: false, // an answer of the server about it is wanted
      isOpened: false, // the server has said what it knew of it
      at: 0, // when it was last changed or kept
    });
  }
  return med42.drafts.get(page);
};

/** What is attached to the next question of the shown conversation. */
med42.attachments = () => med42.draft().attachments;

/** An attachment as it is sent whole. */
med42.plain = ({ name, text, media_type, pages }) => ({ name, text, media_type, pages });

/** A draft was changed: the server hears of it after a pause in typing (in ms). */
med42.changed = (draft, pause) => {
  draft.version += 1;
  draft.at = performance.now();
  med42.look(draft, pause);
};

/** Asks what the model would see if a draft were sent now. */
med42.look = (draft = med42.draft(), pause = 400) => {
  draft.isWanted = true;
  clearTimeout(med42.waiting);
  med42.waiting = setTimeout(med42.tellDraft, pause);
};

/** The page without a conversation has got one: what was typed there since belongs to it, and waits for no other patient. */
med42.adoptDraft = (conversation) => {
  const since = med42.draft("");
  const text = med42.box().value;
  med42.adoptScope(conversation);
  const isEmpty = !text && !since.attachments.length;
  med42.drafts.set(conversation, { ...since, text, kept: isEmpty ? since.version : -1, isWanted: true, isOpened: true });
  Object.assign(since, { text: "", attachments: [], problem: "" });
  med42.changed(since);
};

/** The server has no draft, because another window sent or emptied its own: what was typed in this one, and asked by neither, is kept. */
med42.keepDraft = (draft = med42.draft()) => {
  if (draft.edit || !(draft.text || draft.attachments.length)) return;
  const isAsked = [...document.querySelectorAll("#transcript .question > .typed")].some((one) => one.textContent === draft.text);
  if (isAsked) Object.assign(draft, { text: "", attachments: [] });
  med42.changed(draft);
  med42.restoreDraft();
};

/** The shown conversation was deleted in another window: what is being typed in it here goes to the page without a conversation, in
 *  sight. False when that is nothing. */
med42.saveDraft = () => {
  const { edit, ...typed } = med42.draft();
  const parts = edit ? [typed, edit.before] : [typed]; // what waits behind a question that is being changed is typed as well
  const text = parts.map((one) => one.text).filter(Boolean).join("\n");
  const attachments = parts.flatMap((one) => one.attachments);
  med42.drafts.delete(med42.conversation());
  if (!text.trim() && !attachments.length) return false;
  const draft = med42.draft("");
  Object.assign(draft, { text: draft.text ? `${text}\n${draft.text}` : text, attachments: [...attachments, ...draft.attachments] });
  for (const one of attachments) one.isKept = false;
  med42.changed(draft);
  return true;
};

// ---- a draft and the server ----

// A draft that is not opened yet would replace what the server still has of it.
const draftIsNews = ([page, draft]) => draft.isWanted && draft.isOpened && (draft.version !== draft.kept || med42.isHere(page));

const draftBody = (page, draft) => ({
  conversation: page,
  text: draft.text,
  attachments: draft.attachments.filter((one) => !one.isReading).map((one) => (one.isKept ? { key: one.key } : med42.plain(one))),
  edited: draft.edit ? draft.edit.message : "",
  keep: draft.version !== draft.kept && !draft.edit, // an edited question leaves the draft behind it as it was
});

/** Tells the server of the next draft. One request is under way at a time, so that an older text never overtakes a newer one. */
med42.tellDraft = async () => {
  const next = med42.box() && !med42.isTelling && [...med42.drafts].find(draftIsNews);
  if (!next) return;
  const [page, draft] = next;
  const { version, edit } = draft;
  const sent = draft.attachments.filter((one) => !one.isReading);
  const body = JSON.stringify(draftBody(page, draft));
  draft.isWanted = false;
  if (med42.isTooMuch(body)) return takeAnswer(page, draft, version, { too_long: med42.say("composer.too_much", { n: med42.charactersOf(draft) }) });
  med42.isTelling = true;
  const answer = await med42.post("/v1/draft", body);
  med42.isTelling = false;
  if (answer.isGone) draft.isWanted = true; // the program does not answer; it will, or the page says so
  else if (answer.stale) {
    for (const one of sent) one.isKept = false;
    draft.isWanted = true;
  } else if (!answer.message) { // else it was refused, as for a conversation that was deleted: asking again would change nothing
    sent.forEach((one, index) => Object.assign(one, answer.attachments[index], { isKept: !edit }));
    takeAnswer(page, draft, version, answer);
  }
  const left = [...med42.drafts].find(draftIsNews);
  if (left) med42.look(left[1], answer.isGone ? 3000 : 400);
};

const takeAnswer = (page, draft, version, { too_long, meter, unseen }) => {
  Object.assign(draft, { kept: version, at: performance.now(), problem: too_long || "" });
  if (!med42.isHere(page)) return;
  med42.restoreDraft();
  if (draft.version !== version || unseen === undefined) return;
  med42.handlers.live({ name: "meter", html: meter });
  document.dispatchEvent(new CustomEvent("med42:preview", { detail: { conversation: page, unseen } }));
};

/** Whether more would go out at once than the program takes. */
med42.isTooMuch = (body) => new Blob([body]).size > Number(document.querySelector(".writing").dataset.text);
med42.tooMuch = (characters) => ({ message: med42.say("composer.too_much", { n: characters }), hint: med42.say("composer.too_much_hint") });
med42.tellTooMuch = (characters) => med42.tell(med42.tooMuch(characters));
med42.charactersOf = ({ text, attachments }) => attachments.reduce((sum, one) => sum + one.text.length, text.length);

/** Asks at a door of our own, which answers in JSON or with a file. `isGone` when nobody answers, `message` and `hint` when it was refused. */
med42.asked = async (path, options = {}) => {
  try {
    const answer = await fetch(path, options);
    const type = answer.headers.get("content-type");
    if (type === "application/json") return await answer.json();
    if (type === "application/octet-stream") return await answer.blob();
    return answer.status < 500 ? { message: await answer.text(), hint: "" } : { message: med42.say("problem.mistake"), hint: med42.say("problem.mistake_hint") };
  } catch {
    return { isGone: true };
  }
};
med42.post = (path, body, headers = {}) => med42.asked(path, { method: "POST", body, headers });

// ---- a page that goes away ----

addEventListener("pagehide", () => {
  for (const [page, draft] of med42.drafts) {
    if (draft.version !== draft.kept && !draft.edit) navigator.sendBeacon("/v1/draft", JSON.stringify(draftBody(page, draft)));
  }
});

/** A reload, also one that is not the reader's own, asks before it throws away what the server does not have. */
addEventListener("beforeunload", (event) => {
  const draft = med42.draft();
  const isEdited = draft.edit && draft.text !== draft.edit.text;
  const isLost = draft.version !== draft.kept && document.querySelector('[data-live="lost"]:not([hidden])');
  if (isEdited || isLost || med42.factsAreUnsaved() || (med42.presetIsUnfinished && med42.presetIsUnfinished())) event.preventDefault();
});
