// The Library page: the person's own documents. Files come in by drag and drop, from a chooser, by a path, or from a watched folder.
"use strict";

med42.library = (element, props, trigger, watch) => {
  const dialog = element.querySelector("dialog.reference");
  const find = dialog.querySelector(".find");
  const found = dialog.querySelector(".finds");
  const into = dialog.querySelector("#library-into");
  const path = dialog.querySelector("#library-path");
  const chooser = dialog.querySelector(".files");
  const KINDS = new Set(chooser.accept.split(","));
  const NAMED = 5; // of the files that are left out
  let shelf = ""; // the collection that is shown; all documents without one

  const sheet = med42.sheet(dialog, "/v1/library", {
    shown: (name) => ["shelves", "documents", "start"].includes(name) && arrange(),
    closed: () => search(""),
  });
  const { body, make } = sheet;

  /** Opens the dialog; with 'samples' the sample library is added, with a question its passages are shown. */
  med42.openLibrary = (act = "", question = "") => {
    med42.closeDrawers();
    if (!dialog.open) sheet.open();
    if (act) submit(act);
    if (question) search(question).then(() => find.scrollIntoView({ block: "start" })); // what is above it may fill the dialog
  };

  // ---- what is shown ----

  const articles = () => [...body.querySelectorAll(".document")];
  const known = (article) => JSON.parse(article.dataset.document);
  const shelves = () => [...body.querySelectorAll(".shelf")].map((one) => one.dataset.id).filter(Boolean);
  /** Shows the documents of the chosen collection. */
  const arrange = () => {
    if (!shelves().includes(shelf)) shelf = "";
    for (const chip of body.querySelectorAll(".shelf")) chip.setAttribute("aria-pressed", String(chip.dataset.id === shelf));
    for (const one of articles()) one.hidden = Boolean(shelf) && !known(one).collections.includes(shelf);
    const change = body.querySelector(".shelves .change");
    if (change) {
      change.hidden = !shelf;
      change.dataset.id = shelf;
    }
    body.querySelector(".holdings").hidden = !articles().length;
  };

  // ---- search ----

  let asked = 0;
  let pause = 0;
  const search = async (question) => {
    const number = (asked += 1);
    if (find.value !== question) find.value = question;
    body.querySelector('[data-part="documents"]').hidden = Boolean(question.trim());
    if (!question.trim()) return found.replaceChildren();
    const answer = await med42.post("/v1/passages", JSON.stringify({ question, collections: shelf ? [shelf] : [] }));
    if (number !== asked) return; // more was typed meanwhile
    if (answer.html !== undefined) found.innerHTML = answer.html;
    else sheet.tell(answer.isGone ? { message: med42.say("sheet.lost"), hint: med42.say("sheet.lost_hint") } : answer);
  };
  find.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(() => search(find.value), 200);
  });

  // ---- what comes in ----

  const collections = () => [into.value.trim()].filter(Boolean);
  /** What was wrong with a file; nothing, when it waits to be read. */
  const take = async (file) => {
    const headers = { "x-name": encodeURIComponent(file.name), "x-collections": encodeURIComponent(JSON.stringify(collections())) };
    const answer = await med42.post("/v1/document", file, headers);
    if (answer.isGone) return { message: med42.say("library.not_taken", { name: file.name }), hint: med42.say("library.not_taken_hint") };
    return answer.message ? answer : null;
  };
  /** One after the other: of large files not all are in memory at once. Each that was not taken is named. */
  const takeAll = async (files, leftOut = []) => {
    const problems = [];
    sheet.tell(null);
    if (leftOut.length) {
      const names = leftOut.slice(0, NAMED).join(", ") + (leftOut.length > NAMED ? " …" : "");
      problems.push(med42.say("library.left_out", { n: leftOut.length, names }));
      sheet.tell({ message: problems[0], hint: med42.say("library.none_there_hint") });
    }
    onTheirWay += 1;
    for (const file of files) {
      const problem = await take(file);
      if (!problem) continue;
      problems.push(problem.message);
      sheet.tell({ message: problems.join(" "), hint: problem.hint });
    }
    onTheirWay -= 1;
  };
  let onTheirWay = 0; // drops of which not every file has been sent
  addEventListener("beforeunload", (event) => onTheirWay && event.preventDefault());
  const suits = ({ name }) => [...KINDS].some((kind) => name.toLowerCase().endsWith(kind));
  const entries = (folder) => new Promise((resolve) => {
    const reader = folder.createReader();
    const all = [];
    const next = () => reader.readEntries((some) => (some.length ? (all.push(...some), next()) : resolve(all)), () => resolve(all));
    next();
  });
  /** The documents in what was dropped: a file as it is, of a folder those whose names end like a document's. The others' names go into
   *  `leftOut`, and those of files that may not be read. */
  const filesOf = async (entry, leftOut) => {
    const none = () => (leftOut.push(entry.name), []);
    if (entry.isFile) return new Promise((resolve) => entry.file((file) => resolve([file]), () => resolve(none())));
    const inside = (await entries(entry)).filter((one) => !one.name.startsWith("."));
    leftOut.push(...inside.filter((one) => one.isFile && !suits(one)).map((one) => one.name));
    return (await Promise.all(inside.filter((one) => one.isDirectory || suits(one)).map((one) => filesOf(one, leftOut)))).flat();
  };

  const drop = dialog.querySelector(".drop");
  const hasFiles = (event) => [...event.dataTransfer.types].includes("Files");
  let leaves = 0;
  // What is dropped here goes into the library, and not with the next question as elsewhere on the page.
  dialog.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    drop.hidden = false;
    clearTimeout(leaves);
    leaves = setTimeout(() => (drop.hidden = true), 300); // 'dragover' comes as long as the file is over the page
  });
  dialog.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    clearTimeout(leaves);
    drop.hidden = true;
    const items = [...event.dataTransfer.items].map((one) => one.webkitGetAsEntry?.()).filter(Boolean);
    const dropped = [...event.dataTransfer.files]; // which is empty after the first wait
    const leftOut = [];
    const files = items.length ? (await Promise.all(items.map((one) => filesOf(one, leftOut)))).flat() : dropped;
    if (files.length) takeAll(files, leftOut);
    else sheet.tell({ message: med42.say("library.none_there"), hint: med42.say("library.none_there_hint") });
  });
  chooser.addEventListener("change", () => {
    takeAll([...chooser.files]);
    chooser.value = "";
  });

  // ---- what is done ----

  // No value is named 'path': Gradio would take it for a file of its own, and refuse it.
  const submit = (what, more = {}) => trigger("submit", { do: what, ...more });
  watch("value", () => {
    const now = props.value;
    if (!now) return;
    sheet.tell(now);
    if (["add", "watch"].includes(now.did)) path.value = "";
    if (["edit", "shelve", "unshelve"].includes(now.did)) asking?.close();
  });

  let asking = null; // the form that is open over the page
  /** A form in a dialog of its own: what is typed in it is nobody else's to redraw. It is closed once the server has taken it. */
  const form = (title, fields, actions, send) => {
    const heading = make("h2", { id: "library-form", textContent: title, tabIndex: -1 });
    const cancel = make("button", { type: "button", className: "secondary", textContent: med42.say("library.cancel_form"), onclick: () => asking.close() });
    const save = make("button", { type: "submit", className: "primary", textContent: med42.say("library.save") });
    const made = make("form", { method: "dialog", noValidate: true }, heading, ...fields, make("p", { className: "actions" }, ...actions, cancel, save));
    made.addEventListener("submit", (event) => { event.preventDefault(); send(); });
    const from = document.activeElement;
    asking = make("dialog", { className: "paper sure form" }, made);
    asking.setAttribute("aria-labelledby", heading.id);
    asking.addEventListener("close", (event) => {
      event.stopPropagation();
      event.target.remove();
      asking = null;
      if (!from.isConnected) sheet.refocus(body, from.dataset); // the list was drawn anew meanwhile
    });
    dialog.append(asking);
    asking.showModal();
    heading.focus();
  };
  const field = (name, value, hint = "") => {
    const input = make("input", { id: `library-field-${name}`, value, placeholder: hint, autocomplete: "off", spellcheck: false });
    return [make("p", { className: "field" }, make("label", { htmlFor: input.id, textContent: med42.say(`library.field_${name}`) }), input), input];
  };
  const choice = (label, value, checked) => {
    const box = make("input", { type: "checkbox", value, checked });
    return [make("label", { className: "choice" }, box, make("bdi", { textContent: label })), box];
  };
  const choices = (legend, pairs) => {
    const group = make("fieldset", {}, make("legend", { textContent: legend }), ...pairs.map(([label]) => label));
    group.hidden = !pairs.length;
    return group;
  };
  const chosen = (pairs) => pairs.map(([, box]) => box).filter((box) => box.checked).map((box) => box.value);

  const edit = (id) => {
    const now = known(sheet.cardOf(id));
    const parts = ["title", "publisher", "date", "version"].map((name) => [name, ...field(name, now[name], name === "date" ? "2024-05-31" : "")]);
    const boxes = shelves().map((name) => choice(name, name, now.collections.includes(name)));
    const [place, further] = field("further", "");
    form(med42.say("library.edit_title"), [...parts.map(([, one]) => one), choices(med42.say("library.shelves"), boxes), place], [], () => {
      const values = Object.fromEntries(parts.map(([name, , input]) => [name, input.value]));
      submit("edit", { id, ...values, collections: [...chosen(boxes), further.value.trim()].filter(Boolean) });
    });
  };
  const editShelf = (was) => {
    const [place, name] = field("name", was);
    const boxes = articles().map((one) => choice(known(one).title, one.dataset.card, Boolean(was) && known(one).collections.includes(was)));
    const away = make("button", { type: "button", className: "danger", textContent: med42.say("library.unshelve"), onclick: () => submit("unshelve", { name: was }) });
    const send = () => {
      if (shelf === was) shelf = name.value.trim().replace(/\s+/g, " ");
      submit("shelve", { was, name: name.value, ids: chosen(boxes) });
    };
    form(med42.say(was ? "library.change_title" : "library.new_title"), [place, choices(med42.say("library.its_documents"), boxes)], was ? [away] : [], send);
  };

  const acts = {
    choose: () => chooser.click(),
    watch: () => submit("watch", { where: path.value, collections: collections() }),
    filter: ({ id }) => {
      shelf = id;
      arrange();
      search(find.value);
    },
    shelf: ({ id }) => editShelf(id),
    edit: ({ id }) => edit(id),
    remove: ({ id, sure }, button) => sheet.ask(sure, button.textContent, () => submit("remove", { id })),
  };
  body.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-act]");
    if (!button) return;
    const { act, id } = button.dataset;
    if (acts[act]) acts[act](button.dataset, button);
    else submit(act, { id });
  });
  dialog.querySelector("form.bring").addEventListener("submit", (event) => {
    event.preventDefault();
    submit("add", { where: path.value, collections: collections() });
  });
};
