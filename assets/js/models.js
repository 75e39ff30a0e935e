// The Models page: a dialog that shows what the server says, part by part, over a stream of its own while it is open.
"use strict";

med42.models = (element, props, trigger, watch) => {
  const dialog = element.querySelector("dialog.models");
  const body = dialog.querySelector(".body");
  const path = dialog.querySelector("#models-path");
  const problem = dialog.querySelector(".problem");
  const spoken = dialog.querySelector("[role=status]"); // the page's own place for this lies behind the dialog
  let stream = null; // what the page shows
  let test = null; // the stream of the speed test that runs for this page
  let idle = ""; // what stands in its place while none runs

  /** Opens the dialog. What it shows comes at once, what this computer is within a second or two. */
  med42.openModels = () => {
    if (dialog.open) return;
    for (const other of document.querySelectorAll("dialog[open]")) other.close();
    tell(null);
    dialog.showModal();
    body.scrollTop = 0;
    dialog.querySelector("h2").focus(); // nothing is chosen yet
    follow();
    trigger("expand", {});
  };

  // ---- what is shown ----

  const follow = () => {
    leave();
    if (!dialog.open || document.hidden) return;
    const source = new EventSource("/v1/models");
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

  const setLost = (lost) => {
    if (lost === dialog.classList.contains("lost")) return;
    dialog.classList.toggle("lost", lost);
    body.inert = lost; // what it shows may not be true any more
    tell(lost ? { message: med42.say("models.lost"), hint: med42.say("models.lost_hint") } : null);
    if (lost) endTest();
  };

  /** Shows a part. What was open in it stays open, and the focus stays where it was, or with the same model. */
  const put = ({ name, html }, fromTest = false) => {
    const place = body.querySelector(`[data-part="${CSS.escape(name)}"]`);
    if (name === "speed" && !fromTest) {
      if (html === idle && place.dataset.result) return; // told again after a pause: what came out is still true of this model
      idle = html;
    }
    if (!place || (name === "speed" && test && !fromTest)) return;
    if (name === "speed") place.dataset.result = fromTest ? "yes" : "";
    const held = place.contains(document.activeElement) ? document.activeElement : null;
    const open = new Set([...place.querySelectorAll("details[open]")].map((one) => one.dataset.open));
    place.innerHTML = html;
    for (const one of place.querySelectorAll("details")) one.open = open.has(one.dataset.open);
    if (held) refocus(place, held.matches("summary") ? held.parentElement.dataset : held.dataset);
    if (name === "near") reveal();
    const outcome = name.startsWith("work:") && place.querySelector(".outcome");
    if (outcome && outcome.textContent !== spoken.textContent) spoken.textContent = outcome.textContent;
  };
  const refocus = (place, { act, id = "", open, card = id }) => {
    const same = act && body.querySelector(`[data-act="${act}"][data-id="${CSS.escape(id)}"]`);
    const summary = open && body.querySelector(`details[data-open="${CSS.escape(open)}"] > summary`);
    (same || summary || cardOf(card) || place.querySelector("button") || body).focus({ preventScroll: true });
  };
  const cardOf = (id) => body.querySelector(`[data-card="${CSS.escape(id)}"]`);

  // A model that was chosen among the others appears with those at hand: the reader is taken there.
  let wanted = "";
  const reveal = () => {
    const card = wanted && cardOf(wanted);
    if (!card) return;
    wanted = "";
    card.scrollIntoView({ block: "center" });
    card.focus({ preventScroll: true });
  };

  // ---- what is done ----

  const tell = (wrong) => {
    problem.hidden = !wrong || !wrong.message;
    problem.textContent = wrong ? `${wrong.message} ${wrong.hint || ""}` : "";
  };
  med42.tellModels = (wrong) => dialog.open && tell(wrong);
  const submit = (what, id = "") => trigger("submit", { do: what, id });
  watch("value", () => {
    const now = props.value;
    if (!now) return;
    if (now.message) wanted = "";
    tell(now);
    if (now.did === "bring") path.value = "";
  });

  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  /** Asks before something is removed for good. */
  const ask = (words, act, then) => {
    const text = make("p", { id: "models-sure", textContent: words });
    const keep = make("button", { type: "button", className: "secondary", textContent: med42.say("models.keep"), onclick: () => asking.close() });
    const go = make("button", { type: "button", className: "danger", textContent: act, onclick: () => { asking.close(); then(); } });
    const asking = make("dialog", { className: "paper sure" }, text, make("p", { className: "actions" }, keep, go));
    asking.setAttribute("aria-labelledby", text.id);
    asking.addEventListener("close", (event) => { event.stopPropagation(); asking.remove(); });
    asking.addEventListener("click", (event) => event.target === asking && asking.close());
    dialog.append(asking);
    asking.showModal();
    keep.focus();
  };

  const acts = {
    speed: () => beginTest(),
    "end-speed": () => endTest(),
    remove: (button) => ask(button.dataset.sure, button.textContent, () => submit("remove", button.dataset.id)),
    get: (button) => {
      wanted = cardOf(button.dataset.id) ? "" : button.dataset.id;
      submit("get", button.dataset.id);
    },
  };
  body.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-act]");
    if (!button) return;
    const { act, id } = button.dataset;
    if (acts[act]) acts[act](button);
    else submit(act, id);
  });
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    submit("bring", path.value);
  });

  // ---- the speed test: it runs as long as this page listens to it ----

  const beginTest = () => {
    tell(null);
    endTest();
    const source = new EventSource("/v1/speed");
    source.addEventListener("part", ({ data }) => test === source && put(JSON.parse(data), true));
    source.addEventListener("over", () => test === source && stopListening());
    source.addEventListener("trouble", ({ data }) => { if (test === source) { endTest(); tell(JSON.parse(data)); } });
    source.onerror = () => test === source && endTest();
    test = source;
  };
  const stopListening = () => {
    if (test) test.close();
    test = null;
  };
  /** Ends it before its time: there is no result. */
  const endTest = () => {
    if (!test) return;
    stopListening();
    body.querySelector('[data-part="speed"]').dataset.result = "";
    put({ name: "speed", html: idle });
  };

  // The second click of a double click would meet what the first one has put in its place: 'Stop', or the question's 'Remove'.
  dialog.addEventListener("click", (event) => {
    if (event.detail < 2 || event.target.closest("summary, a, input")) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, true);
  dialog.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault()); // nor a key held down
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    if (dialog.open) return; // opened again before this was told
    endTest();
    leave();
    setLost(false);
    wanted = "";
  });
};
