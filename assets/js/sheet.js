// A tall dialog that shows what the server says, part by part, over a stream of its own while it is open: the Models page, the Library page.
"use strict";

/** Makes such a dialog work: `address` is its stream. `may` says whether a part is shown, `shown` hears of one that was; `lost` and `closed`
 *  of a server that does not answer, and of the dialog's end. */
med42.sheet = (dialog, address, { may = () => true, shown = () => {}, lost = () => {}, closed = () => {} }) => {
  const body = dialog.querySelector(".body");
  const problem = dialog.querySelector(".problem");
  const spoken = dialog.querySelector("[role=status]"); // the page's own place for this lies behind the dialog
  let stream = null;

  /** Opens it. What it shows comes at once. */
  const open = () => {
    for (const other of document.querySelectorAll("dialog[open]")) other.close();
    tell(null);
    dialog.showModal();
    body.scrollTop = 0;
    dialog.querySelector("h2").focus(); // nothing is chosen yet
    follow();
  };

  // ---- what is shown ----

  const follow = () => {
    leave();
    if (!dialog.open || document.hidden) return;
    const source = new EventSource(address);
    source.addEventListener("part", ({ data }) => stream === source && put(JSON.parse(data)));
    source.addEventListener("trouble", ({ data }) => { leave(); tell(JSON.parse(data)); });
    source.onopen = () => stream === source && setLost(false);
    source.onerror = () => {
      if (stream !== source) return;
      setLost(true);
      if (source.readyState === EventSource.CLOSED) setTimeout(() => stream === source && follow(), 3000);
    };
    stream = source;
  };
  const leave = () => {
    if (stream) stream.close();
    stream = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? leave() : follow()));

  const setLost = (isLost) => {
    if (isLost === dialog.classList.contains("lost")) return;
    dialog.classList.toggle("lost", isLost);
    body.inert = isLost; // what it shows may not be true any more
    tell(isLost ? { message: med42.say("sheet.lost"), hint: med42.say("sheet.lost_hint") } : null);
    if (isLost) lost();
  };

  /** Shows a part. What was open in it stays open, and the focus stays where it was, or with the same thing. */
  const put = ({ name, html }) => {
    const place = body.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (!place || !may(name, html, place)) return;
    const held = place.contains(document.activeElement) ? document.activeElement : null;
    const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.open));
    place.innerHTML = html;
    for (const one of place.querySelectorAll("details")) one.open = open.has(one.dataset.open);
    if (held) refocus(place, held.matches("summary") ? held.parentElement.dataset : held.dataset);
    shown(name, place);
    const outcome = name.startsWith("work:") && place.querySelector(".outcome");
    if (outcome) say(outcome.textContent);
  };
  const refocus = (place, { act, id = "", open, card = id }) => {
    const same = act && body.querySelector(`[data-act="${act}"][data-id="${CSS.escape(id)}"]`);
    const summary = open && body.querySelector(`details[data-open="${CSS.escape(open)}"] > summary`);
    // The first of them that can have it: what is folded cannot.
    [same, summary, cardOf(card), place.querySelector("summary, button"), body].find((one) => {
      one?.focus({ preventScroll: true });
      return one && document.activeElement === one;
    });
  };
  const cardOf = (id) => body.querySelector(`[data-card="${CSS.escape(id)}"]`);
  const reveal = (card) => {
    card.scrollIntoView({ block: "center" });
    card.focus({ preventScroll: true });
  };

  // ---- words for the person ----

  const tell = (wrong) => {
    problem.hidden = !wrong || !wrong.message;
    problem.textContent = wrong ? `${wrong.message} ${wrong.hint || ""}` : "";
  };
  /** Says something to those who listen to the page. */
  const say = (words) => words !== spoken.textContent && (spoken.textContent = words);

  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  /** Asks before something is removed for good. */
  const ask = (words, act, then) => {
    const text = make("p", { id: "sheet-sure", textContent: words });
    const keep = make("button", { type: "button", className: "secondary", textContent: med42.say("sheet.keep"), onclick: () => asking.close() });
    const go = make("button", { type: "button", className: "danger", textContent: act, onclick: () => { asking.close(); then(); } });
    const asking = make("dialog", { className: "paper sure" }, text, make("p", { className: "actions" }, keep, go));
    asking.setAttribute("aria-labelledby", text.id);
    asking.addEventListener("close", (event) => { event.stopPropagation(); asking.remove(); });
    asking.addEventListener("click", (event) => event.target === asking && asking.close());
    dialog.append(asking);
    asking.showModal();
    keep.focus();
  };

  // The second click of a double click would meet what the first one has put in its place: 'Stop', or the question's 'Remove'.
  dialog.addEventListener("click", (event) => {
    if (event.detail < 2 || event.target.closest("summary, a, input, textarea, select, label")) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, true);
  dialog.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault()); // nor a key held down
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // opened again before this was told
    leave();
    setLost(false);
    closed();
  });
  med42.sheets = [...(med42.sheets || []), { dialog, tell }];
  return { body, open, tell, make, ask, cardOf, reveal, refocus };
};

/** The page's notice lies behind an open dialog, which then says it itself. */
med42.tellSheets = (wrong) => (med42.sheets || []).filter((one) => one.dialog.open).forEach((one) => one.tell(wrong));
