// Looks (theme, size of the text, contrast), and the settings dialog. Looks are the only thing that this browser keeps.
"use strict";

const LOOKS = { theme: ["system", "light", "dark"], text_size: /^(9|1[0-5])\d$/, contrast: ["normal", "high"] };

/** A look as this browser has it, else as the settings file says. */
med42.lookOf = (name) => {
  const kept = localStorage.getItem(`med42-${name}`);
  const fits = kept && (Array.isArray(LOOKS[name]) ? LOOKS[name].includes(kept) : LOOKS[name].test(kept));
  return fits ? kept : String(med42.looks[name]);
};

/** Changes a look, here at once and, for windows that keep nothing, in the settings file. */
med42.setLook = (name, value) => {
  localStorage.setItem(`med42-${name}`, value);
  med42.applyLooks();
  if (med42.keepSetting) med42.keepSetting(name, value);
};

med42.applyLooks = () => {
  const root = document.documentElement;
  Object.assign(root, { lang: med42.words.language, dir: med42.words.direction });
  root.dataset.theme = med42.lookOf("theme");
  root.dataset.contrast = med42.lookOf("contrast");
  root.style.setProperty("--text", Number(med42.lookOf("text_size")) / 100);
  for (const button of document.querySelectorAll('[data-do="theme"]')) {
    const words = `${med42.say("settings.theme")}: ${med42.say(`settings.theme_${root.dataset.theme}`)}`;
    button.setAttribute("aria-label", words);
    button.title = words;
  }
};

med42.nextTheme = () => {
  const next = LOOKS.theme[(LOOKS.theme.indexOf(med42.lookOf("theme")) + 1) % LOOKS.theme.length];
  med42.setLook("theme", next);
  med42.announce(`${med42.say("settings.theme")}: ${med42.say(`settings.theme_${next}`)}`);
};

med42.applyLooks();

/** The dialog. The server draws its body; what a control is changed to is sent as it is left. */
med42.settings = (element, props, trigger, watch) => {
  const dialog = element.querySelector("dialog");
  const body = dialog.querySelector(".body");
  const find = (id) => (id ? body.querySelector(`#${CSS.escape(id)}`) : null);
  const value = (id) => (find(id) ? find(id).value : "");

  /** Opens the dialog at a section: model, answers, look, export, data, passphrase, computer. */
  med42.openSettings = (section = "") => trigger("expand", { section });
  med42.keepSetting = (name, to) => trigger("submit", { do: "set", place: name, name, value: to });

  const choose = (section, focus) => {
    for (const tab of body.querySelectorAll("[role=tab]")) {
      const chosen = tab.id === `tab-${section}`;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
      if (chosen && focus) tab.focus();
    }
    for (const part of body.querySelectorAll("[role=tabpanel]")) part.hidden = part.id !== `part-${section}`;
    body.querySelector(".parts").scrollTop = 0;
  };
  const tell = (said) => {
    for (const [name, { text, bad }] of Object.entries(said)) {
      const place = find(`said-${name}`);
      if (!place) continue;
      place.textContent = text;
      place.classList.toggle("bad", bad);
      const control = find(`set-${name}`);
      if (control) control.setAttribute("aria-invalid", String(bad));
    }
  };
  const draw = ({ html, section, said, opens }) => {
    if (!opens && !dialog.open) return;
    const chosen = body.querySelector("[role=tab][aria-selected=true]");
    const at = opens || !chosen ? section : chosen.id.slice(4); // the reader may have gone on meanwhile
    const held = document.activeElement.id;
    body.innerHTML = html;
    for (const one of body.querySelectorAll("[data-look]")) one.value = med42.lookOf(one.dataset.look);
    for (const one of body.querySelectorAll("#set-language option")) one.textContent = new Intl.DisplayNames([one.value], { type: "language" }).of(one.value);
    if (opens && !dialog.open) dialog.showModal();
    choose(at, opens);
    tell(said);
    const told = find(`said-${Object.keys(said)[0]}`);
    if (!opens) (find(held) || told?.closest(".field").querySelector("button") || find(`tab-${at}`)).focus();
  };
  const end = ({ html }) => {
    med42.disconnect();
    med42.ended = true;
    const page = document.createElement("main");
    page.className = "ended";
    page.innerHTML = html;
    document.body.replaceChildren(page);
    page.tabIndex = -1;
    page.focus();
  };
  watch("value", () => {
    const now = props.value;
    if (!now) return;
    if (now.kind === "ended") end(now);
    else if (now.kind === "drawn") draw(now);
    else tell(now.said);
    if (now.said?.model && !med42.conversation()) med42.reopen(); // the empty page says who answers
  });

  const act = {
    card: () => ({ place: "card" }),
    "no-style": () => ({ place: "style" }),
    meaning: () => ({ place: "meaning" }),
    protect: () => ({ place: "passphrase", present: value("present"), new: value("new"), again: value("again") }),
    unprotect: () => ({ place: "passphrase", present: value("present") }),
    backup: () => ({ place: "backup", passphrase: value("backup-passphrase") }),
    restore: () => ({ place: "restore", file: value("restore-file"), passphrase: value("restore-passphrase") }),
    erase: () => ({ place: "erase", word: value("erase-word") }),
  };
  /** Sends a file's text; of one that is too large just enough to be told so. */
  const take = async (place, file, most) => file && trigger("submit", { do: place, place, text: await file.slice(0, most + 1).text() });
  body.addEventListener("change", ({ target }) => {
    const { set, look, file, most } = target.dataset;
    if (file) take(file, target.files[0], Number(most));
    else if (look) med42.setLook(look, target.value);
    else if (set) med42.keepSetting(set, target.value);
  });
  body.addEventListener("click", ({ target }) => {
    const tab = target.closest("[role=tab]");
    const button = target.closest("[data-act]");
    if (tab) choose(tab.id.slice(4), true);
    if (tab && tab.id === "tab-computer") trigger("submit", { do: "refresh" }); // what was changed meanwhile is seen there
    if (button && button.dataset.act === "models") return med42.openModels();
    if (button) trigger("submit", { do: button.dataset.act, ...act[button.dataset.act]() });
  });
  body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.dataset.set) event.target.blur(); // a change is taken when its field is left
    const tabs = [...body.querySelectorAll("[role=tab]")];
    const at = tabs.indexOf(event.target);
    const steps = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    choose(tabs.at(steps[event.key] % tabs.length).id.slice(4), true);
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => body.replaceChildren()); // typed passphrases go with it
};
