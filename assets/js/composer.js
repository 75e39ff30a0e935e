// Where the question is written: Gradio's own textbox and buttons, drafts, and what goes out.
"use strict";

med42.box = () => document.querySelector("#question textarea");
med42.focusComposer = () => !med42.isDrawer("left") && med42.box() && med42.box().focus({ preventScroll: true });

/** Puts text into the composer as typing would. */
med42.write = (text) => {
  const box = med42.box();
  if (!box || box.value === text) return;
  box.value = text;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};

med42.keepDraft = () => med42.box() && med42.drafts.set(med42.conversation(), med42.box().value);
med42.restoreDraft = () => med42.write(med42.drafts.get(med42.conversation()) || "");

/** Shows Stop while an answer is being written, Send otherwise. */
med42.setAnswering = (answering) => document.documentElement.classList.toggle("answering", answering);
med42.isAnswering = () => document.documentElement.classList.contains("answering");

/** A question goes out: the box is empty at once, so that nothing typed from now on is lost with it. */
med42.sending = (question) => {
  // Gradio calls this a moment after the key or the click; by then the reader may have opened another conversation.
  const { page, text } = med42.leaving || { page: med42.conversation(), text: question };
  med42.leaving = null;
  if (text.trim()) med42.sent = { page, text, at: Date.now() };
  if (!med42.isHere(page)) med42.drafts.delete(page);
  else if (med42.box().value === text) med42.write("");
  return [page, text];
};

/** A question was not taken: it stands in the box of its conversation again, before whatever was typed since. */
med42.putBack = () => {
  const { page, text } = med42.sent || {};
  if (!text) return;
  med42.sent = null;
  const join = (since) => (since ? `${text}\n${since}` : text);
  if (med42.isHere(page)) med42.write(join(med42.box().value));
  else med42.drafts.set(page, join(med42.drafts.get(page)));
};

/** Why nothing can be sent now; in the capture phase, before Gradio's own listeners see the key or the click. */
const beforeSending = (event) => {
  const pending = med42.sent && Date.now() - med42.sent.at < 2000; // Enter and a click at once are one question
  if (!pending && !med42.factsAreUnsaved()) {
    med42.leaving = { page: med42.conversation(), text: med42.box().value };
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!pending) med42.tell({ message: med42.say("facts.unsaved"), hint: med42.say("facts.unsaved_hint") });
};
document.addEventListener("keydown", (event) => event.key === "Enter" && !event.shiftKey && event.target === med42.box() && beforeSending(event), true);
document.addEventListener("click", (event) => event.target.closest("#send") && beforeSending(event), true);

/** A reload, also one that is not the reader's own, asks before it throws away what is not sent or saved. */
addEventListener("beforeunload", (event) => {
  if ((med42.box() && med42.box().value.trim()) || med42.factsAreUnsaved()) event.preventDefault();
});

med42.ask = (question) => {
  med42.write(question);
  setTimeout(() => document.getElementById("send").click());
};
