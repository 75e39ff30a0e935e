// What the reader can do with a message: copy, judge, pin, change, ask again, step between versions, fold.
"use strict";

/** `dress` is to be called for each message that was drawn anew; `copied` and `judged` when the server has answered. */
med42.answers = (scroll, trigger, { showUnseen }) => {
  const say = med42.say;
  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  const submit = (what, one, further = {}) => trigger("submit", { do: what, id: one.dataset.message, ...further });

  // -- the detail below the bottom line; which are folded is forgotten with the page --
  const folded = new Set();
  const fold = (one, isFolded) => {
    const button = one.querySelector(".fold");
    if (!button) return;
    folded[isFolded ? "add" : "delete"](one.dataset.message);
    one.classList.toggle("folded", isFolded);
    button.setAttribute("aria-expanded", String(!isFolded));
    button.textContent = isFolded ? button.dataset.folded : button.dataset.shown;
  };
  const foldAll = (isFolded) => scroll.querySelectorAll(".answer").forEach((one) => fold(one, isFolded));

  // -- copying --
  let copying = null; // { id, resolve }
  const copy = async (one, how = "text") => {
    const given = new Promise((resolve, reject) => {
      copying = { id: one.dataset.message, resolve };
      setTimeout(reject, 8000, new Error("no text came"));
    });
    submit("copy", one, { how });
    try {
      await med42.copy(given, one.matches(".answer") && how !== "markdown");
    } catch {
      return med42.tell({ message: say("answer.copy_failed"), hint: say("answer.copy_failed_hint") });
    }
    const button = one.querySelector('[data-do="copy"]');
    const isWord = !button.querySelector(".icon");
    if (isWord) button.textContent = say("answer.copied");
    button.classList.add("done");
    med42.announce(say("answer.copied"));
    setTimeout(() => {
      if (isWord) button.textContent = say("answer.copy");
      button.classList.remove("done");
    }, 1600);
  };

  // -- a fact from a message: what is marked in it, or its first sentence --
  let marked = "";
  scroll.addEventListener("pointerdown", () => (marked = getSelection().toString().trim())); // a click takes the marking away
  const words = (one) => (one.querySelector(".long .typed, :scope > .typed") || one.querySelector(".block > :not(button)") || one).textContent.trim();
  const questionOf = (answer) => {
    let one = answer;
    while (!one.matches(".question")) one = one.previousElementSibling;
    return one;
  };
  const pin = (one) => {
    const sentence = words(one).match(/^[^]{3,200}?(?<!\b(?:\p{L}|Dr|Mrs?|Ms|Prof))[.!?؟。](?=\s|$)/u); // 'Mrs K.' ends none
    med42.pinFact(marked || (sentence ? sentence[0] : words(one).slice(0, 160)));
  };

  // -- what the reader thinks of an answer --
  const forms = new Map(); // open forms by message: what is typed in one outlives a new drawing of its answer
  const judge = (one, verdict, button) => {
    const takesBack = button.getAttribute("aria-pressed") === "true";
    closeForm(one);
    submit("judge", one, { verdict: takesBack ? "" : verdict, reason: "" });
    if (takesBack) return med42.announce(say("feedback.taken_back"));
    forms.set(one.dataset.message, form(one.dataset.message, verdict));
    dress(one);
    forms.get(one.dataset.message).querySelector("button").focus({ preventScroll: true });
    forms.get(one.dataset.message).scrollIntoView({ block: "nearest" });
  };
  const reasons = { good: ["correct", "clear", "useful"], bad: ["incorrect", "missing", "outdated", "dangerous", "unclear"] };
  const form = (id, verdict) => {
    const chips = reasons[verdict].map((name) => make("button", { type: "button", className: "reason", textContent: say(`feedback.${name}`), ariaPressed: "false" }));
    const field = make("input", { type: "text", maxLength: 500, autocomplete: "off", dir: "auto", placeholder: say("feedback.words") });
    field.setAttribute("aria-label", say("feedback.words"));
    const label = say(verdict === "good" ? "feedback.why_good" : "feedback.why_bad");
    const save = make("button", { type: "submit", className: "primary", textContent: say("feedback.save") });
    const close = make("button", { type: "button", className: "leave", textContent: say("feedback.close") });
    const made = make("form", { className: "judgement" }, make("p", { textContent: label }), make("div", { className: "reasons" }, ...chips), make("div", { className: "words" }, field, close, save));
    made.setAttribute("aria-label", say("feedback.title"));
    for (const chip of chips) chip.addEventListener("click", () => (chip.ariaPressed = String(chip.ariaPressed !== "true")));
    const one = () => made.closest(".answer");
    close.addEventListener("click", () => closeForm(one(), verdict));
    made.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation(); // this Escape stops no answer
      closeForm(one(), verdict);
    });
    made.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.textContent).join(", ");
      submit("judge", one(), { verdict, reason: [chosen, field.value.trim()].filter(Boolean).join(": ") });
      closeForm(one(), verdict);
      med42.announce(say("feedback.thanks"));
    });
    return made;
  };
  const closeForm = (one, verdict = "") => {
    const open = forms.get(one.dataset.message);
    forms.delete(one.dataset.message);
    if (open) open.remove();
    if (verdict) one.querySelector(`[data-do="${verdict}"]`).focus({ preventScroll: true });
  };

  // -- the rest of what an answer can do --
  const menu = (one, button) => {
    const canFold = scroll.querySelector(".answer:not(.folded) .fold");
    const items = [
      { label: say("answer.copy_markdown"), act: () => copy(one, "markdown") },
      { label: say("answer.copy_sources"), act: () => copy(one, "sources") },
      { label: say("answer.pin"), act: () => pin(one) },
      { label: say("exporting.answer"), act: () => med42.exportAnswer(one) },
      canFold && { label: say("answer.fold_all"), act: () => foldAll(true) },
      folded.size && { label: say("answer.unfold_all"), act: () => foldAll(false) },
    ];
    med42.menu(button, items.filter(Boolean));
  };
  /** What would change the branch waits until the running answer is there. */
  const unlessAnswering = (act) => (...values) => {
    if (med42.isAnswering()) return med42.tell({ message: say("answer.wait"), hint: say("answer.wait_hint") });
    return act(...values);
  };
  const step = unlessAnswering((one, button) => button.dataset.version && submit("choose", { dataset: { message: button.dataset.version } }));
  const actions = {
    copy: (one) => copy(one),
    evidence: (one) => {
      trigger("select", { id: one.dataset.message });
      med42.toggle("right", true);
    },
    good: (one, button) => judge(one, "good", button),
    bad: (one, button) => judge(one, "bad", button),
    again: unlessAnswering((one) => submit("again", one)),
    memory: unlessAnswering((one) => submit("memory", one)),
    nearest: (one) => med42.openLibrary("", words(questionOf(one))),
    continue: unlessAnswering((one) => submit("continue", one)),
    back: step,
    next: step,
    more: menu,
    fold: (one) => fold(one, !one.classList.contains("folded")),
    edit: (one) => med42.editQuestion(one.dataset.message, words(one)),
    pin,
    // of the bar that stands in the place of an answer
    "send-anyway": () => med42.send(true),
    shorten: (bar) => {
      bar.remove();
      med42.box().focus({ preventScroll: true });
    },
    "show-unseen": () => showUnseen(),
    "pin-unseen": (bar, button) => {
      const one = scroll.querySelector(`.turn[data-message="${CSS.escape(button.dataset.id)}"]`);
      if (one) med42.pinFact(one.matches(".question") ? words(one) : one.querySelector(".blocks").innerText.trim());
    },
    // of the greeting
    weights: () => med42.openModels(),
    library: () => med42.openLibrary(),
    samples: () => med42.openLibrary("samples"),
  };
  scroll.addEventListener("click", (event) => {
    const example = event.target.closest(".example");
    if (example) return med42.ask(example.textContent);
    const one = event.target.closest(".turn, .unfit, .greeting");
    const button = event.target.closest("[data-do]");
    if (one && button) return actions[button.dataset.do](one, button);
    const cite = event.target.closest("a.cite");
    if (!one || !cite) return;
    event.preventDefault();
    med42.toggle("right", true);
    med42.openSource(one.dataset.message, cite.dataset.source, cite, () => trigger("select", { id: one.dataset.message }));
  });
  scroll.addEventListener("pointerover", (event) => {
    const cite = event.target.closest("a.cite");
    if (cite) med42.warmSource(cite.closest(".turn").dataset.message, cite.dataset.source);
  });
  med42.notes(scroll);

  const dress = (one) => {
    if (folded.has(one.dataset.message)) fold(one, true);
    const open = forms.get(one.dataset.message);
    const tools = one.querySelector(".tools");
    if (open && tools && !one.contains(open)) tools.after(open);
  };
  const judged = (one, verdict, reason) => {
    for (const name of ["good", "bad"]) {
      const thumb = one.querySelector(`[data-do="${name}"]`);
      thumb.setAttribute("aria-pressed", String(name === verdict));
      thumb.title = thumb.getAttribute("aria-label") + (name === verdict && reason ? `: ${reason}` : "");
    }
  };
  const copied = (id, given) => copying && copying.id === id && copying.resolve(given);
  return { dress, copied, judged };
};

/** Copies what `given` will hold: { text, html }. `isRich` also gives the HTML, for programs that take tables. The older way is for a
 *  page that is served under another name than localhost. */
med42.copy = async (given, isRich) => {
  if (navigator.clipboard && window.ClipboardItem) {
    // Promises, because a browser lets the page copy only while the click is fresh.
    const as = (type, name) => given.then((value) => new Blob([value[name]], { type }));
    const item = { "text/plain": as("text/plain", "text") };
    if (isRich) item["text/html"] = as("text/html", "html");
    return navigator.clipboard.write([new ClipboardItem(item)]);
  }
  const area = document.createElement("textarea");
  area.value = (await given).text;
  document.body.append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (!isDone) throw new Error("the browser refused");
};
