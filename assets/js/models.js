// The Models page: which models there are, fetching and using one, and the speed test.
"use strict";

med42.models = (element, props, trigger, watch) => {
  const dialog = element.querySelector("dialog.models");
  const path = dialog.querySelector("#models-path");
  let test = null; // the stream of the speed test that runs for this page
  let idle = ""; // what stands in its place while none runs
  let wanted = ""; // a model that was chosen among the others, and appears with those at hand: the reader is taken there

  const sheet = med42.sheet(dialog, "/v1/models", {
    may: (name, html, place) => {
      if (name !== "speed") return true;
      const isKnown = html === idle && place.dataset.result; // told again after a pause: what came out is still true of this model
      if (!isKnown) idle = html;
      if (isKnown || test) return false;
      place.dataset.result = "";
      return true;
    },
    shown: (name) => {
      const card = name === "near" && wanted && sheet.cardOf(wanted);
      if (!card) return;
      wanted = "";
      sheet.reveal(card);
    },
    lost: () => endTest(),
    closed: () => {
      endTest();
      wanted = "";
    },
  });
  const { body } = sheet;

  /** Opens the dialog. What this computer is comes within a second or two. */
  med42.openModels = () => {
    if (dialog.open) return;
    sheet.open();
    trigger("expand", {});
  };

  // ---- what is done ----

  const submit = (what, id = "") => trigger("submit", { do: what, id });
  watch("value", () => {
    const now = props.value;
    if (!now) return;
    if (now.message) wanted = "";
    sheet.tell(now);
    if (now.did === "bring") path.value = "";
  });

  const acts = {
    speed: () => beginTest(),
    "end-speed": () => endTest(),
    remove: (button) => sheet.ask(button.dataset.sure, button.textContent, () => submit("remove", button.dataset.id)),
    get: (button) => {
      wanted = sheet.cardOf(button.dataset.id) ? "" : button.dataset.id;
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

  const speed = body.querySelector('[data-part="speed"]');
  const putSpeed = (html, isResult) => {
    const held = speed.contains(document.activeElement);
    speed.dataset.result = isResult ? "yes" : "";
    speed.innerHTML = html;
    if (held) (speed.querySelector("button") || body).focus({ preventScroll: true });
  };
  const beginTest = () => {
    sheet.tell(null);
    endTest();
    const source = new EventSource("/v1/speed");
    source.addEventListener("part", ({ data }) => test === source && putSpeed(JSON.parse(data).html, true));
    source.addEventListener("over", () => test === source && stopListening());
    source.addEventListener("trouble", ({ data }) => { if (test === source) { endTest(); sheet.tell(JSON.parse(data)); } });
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
    putSpeed(idle, false);
  };
};
