// The dialog that makes a document of a conversation: what goes in, how far it is, and the finished file, which the browser saves.
"use strict";

med42.exporting = (element) => {
  const say = med42.say;
  const dialog = element.querySelector("dialog");
  const find = (name) => dialog.querySelector(name);
  const [form, problem, spoken, heading, list] = ["form", ".problem", "[role=status]", "h2", ".messages"].map(find);
  const field = (name) => form.elements[name];
  const patients = new Map(); // by conversation: a reference must not stand on another patient's document
  let conversation = "";
  let opening = 0;
  let current = null; // { id, file }: the export that is under way, and its file when that is there

  // ---- what is chosen ----

  /** Opens the dialog for a conversation; with the ids of messages, for these alone. */
  med42.openExport = async (id, chosen = []) => {
    const number = (opening += 1);
    const told = await med42.asked(`/v1/export/of/${id}`);
    if (number !== opening || dialog.open) return;
    if (!told.messages) return med42.tell(inWords(told));
    if (!told.messages.length) return med42.tell({ message: say("exporting.nothing"), hint: say("exporting.nothing_hint") });
    conversation = id;
    heading.querySelector("small").textContent = told.title || say("list.untitled");
    field("author").value ||= told.author;
    field("patient").value = patients.get(id) || "";
    field("range").value = chosen.length ? "some" : "all";
    list.replaceChildren(...lines(told.messages, new Set(chosen)));
    show("form");
    tell(null);
    arrange();
    dialog.showModal();
    form.scrollTop = 0;
    heading.focus();
    list.querySelector(":checked")?.closest("li").scrollIntoView({ block: "nearest" });
  };
  /** Of one answer: with the question that it answers. */
  med42.exportAnswer = (one) => {
    const question = one.previousElementSibling?.closest(".question");
    med42.openExport(med42.conversation(), [question, one].filter(Boolean).map(({ dataset }) => dataset.message));
  };

  const lines = (messages, chosen) => {
    const number = { user: 0, assistant: 0 };
    return messages.map(({ id, role, words }) => {
      const box = Object.assign(document.createElement("input"), { type: "checkbox", name: "message", value: id, checked: chosen.has(id) });
      const name = med42.element("b", "", say(role === "user" ? "exporting.asked" : "exporting.answered", { number: (number[role] += 1) }));
      const line = med42.element("span", "", name, " ", med42.element("bdi", "", words || say("exporting.no_words")));
      return med42.element("li", "", med42.element("label", "choice", box, line));
    });
  };
  const boxes = () => [...list.querySelectorAll("input")];
  const isSome = () => field("range").value === "some" && field("format").value !== "json";
  /** Shows what can be chosen for the format. */
  const arrange = () => {
    const format = field("format").value;
    const choices = new Set(form.querySelector('[name="format"]:checked').dataset.with.split(" "));
    for (const one of form.querySelectorAll("[data-choice]")) one.hidden = !choices.has(one.dataset.choice);
    find(".what").hidden = format === "json";
    find(".whole").hidden = format !== "json";
    find(".chosen").hidden = !isSome();
    find(".plain").hidden = choices.has("password") && Boolean(field("password").value);
  };
  form.addEventListener("change", arrange);
  form.addEventListener("input", ({ target }) => {
    if (target.name === "patient") patients.set(conversation, target.value);
    arrange();
  });
  form.addEventListener("click", ({ target }) => {
    const mark = target.closest("[data-mark]")?.dataset.mark;
    if (mark) for (const box of boxes()) box.checked = mark === "all";
  });

  const options = () => {
    const format = field("format").value;
    const isPdf = format === "pdf";
    return {
      conversation, format,
      messages: isSome() ? boxes().filter((box) => box.checked).map((box) => box.value) : [],
      sources: field("sources").checked, evidence: field("evidence").checked, paper: field("paper").value,
      author: field("author").value, patient: field("patient").value,
      attached: isPdf && field("attached").checked, ascii: format === "txt" && field("ascii").checked, password: isPdf ? field("password").value : "",
    };
  };
  /** What stands in the way: [the word that names it, the control]; nothing where nothing does. */
  const missing = () => {
    const differ = field("format").value === "pdf" && field("password").value !== field("again").value;
    if (isSome() && !boxes().some((box) => box.checked)) return ["none_chosen", boxes()[0]];
    return differ ? ["differ", field("again")] : null;
  };

  // ---- how it goes ----

  const show = (state) => {
    form.inert = state === "work";
    for (const name of ["work", "done"]) find(`.closing .${name}`).hidden = name !== state;
    find('[data-act="cancel"]').hidden = state !== "work";
    find('[data-act="make"]').hidden = state === "work";
    find('[data-act="save"]').hidden = state !== "done";
  };
  const tell = (wrong) => {
    problem.hidden = !wrong;
    problem.textContent = wrong ? `${wrong.message} ${wrong.hint || ""}` : "";
  };
  const inWords = (told) => (told.isGone ? { message: say("exporting.lost"), hint: say("exporting.lost_hint") } : told);
  const sizeOf = ({ size }) => {
    const [word, unit] = size < 1e6 ? ["exporting.kilobytes", 1e3] : ["exporting.megabytes", 1e6];
    return say(word, { n: Math.max(0.1, Math.round((10 * size) / unit) / 10) });
  };
  const speak = (words) => words !== spoken.textContent && (spoken.textContent = words);
  const fail = (wrong) => {
    current = null;
    show("form");
    tell(wrong);
    find('[data-act="make"]').focus();
  };

  const make = async () => {
    const here = (current = {});
    show("work");
    progress({ progress: 0 });
    find('[data-act="cancel"]').focus();
    const begun = await med42.post("/v1/export", JSON.stringify(options()));
    here.id = begun.id;
    if (current !== here) return end(here);
    if (begun.id) return follow(here);
    fail(inWords(begun));
  };
  const follow = async (here) => {
    let seen = -1;
    for (;;) {
      const state = await med42.asked(`/v1/export/${here.id}?seen=${seen}`);
      if (current !== here) return;
      if (state.phase === "done") return fetchFile(here, state);
      if (state.phase !== "running") return fail(state.phase === "cancelled" ? { message: say("exporting.cancelled") } : inWords(state));
      progress(state);
      seen = state.progress;
    }
  };
  const STEPS = { "": "exporting.step_waiting", reading: "exporting.step_reading", "laying out": "exporting.step_laying_out", writing: "exporting.step_writing" };
  const progress = ({ progress: share, message = "reading" }) => {
    find("progress").value = share;
    find(".step").textContent = say(STEPS[message] || STEPS.reading);
    speak(find(".step").textContent);
  };
  const fetchFile = async (here, state) => {
    const file = await med42.post(`/v1/export/${here.id}/file`, "");
    if (current !== here) return;
    if (!(file instanceof Blob)) return fail(inWords(file));
    Object.assign(here, { file, name: state.name });
    show("done");
    find(".outcome").textContent = say("exporting.saved", { name: state.name, size: sizeOf(state) });
    find(".notes").replaceChildren(...state.notes.map((note) => med42.element("li", "", note)));
    speak([find(".outcome").textContent, ...state.notes].join(" "));
    find('[data-act="save"]').focus();
    save(here);
  };
  const save = ({ file, name }) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser reads it while it saves
  };
  /** Nothing of an export stays on the server that nobody waits for. */
  const end = ({ id, file }) => id && !file && med42.post(`/v1/export/${id}/cancel`, "");

  // ---- what is done ----

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (current && !current.file) return;
    const [wrong, control] = missing() || [];
    field("again").setAttribute("aria-invalid", String(wrong === "differ"));
    tell(wrong ? { message: say(`exporting.${wrong}`), hint: say(`exporting.${wrong}_hint`) } : null);
    if (!wrong) return make();
    control.closest("details")?.setAttribute("open", ""); // what is folded takes no focus
    control.focus();
  });
  form.addEventListener("change", () => {
    if (!current?.file) return;
    current = null; // what was saved is no longer what is chosen
    show("form");
  });
  // The second click of a double click would meet what the first one has put in its place: 'Cancel'.
  dialog.addEventListener("click", (event) => {
    if (event.detail < 2 || event.target.closest("summary, input, select, label")) return;
    event.stopImmediatePropagation();
    event.preventDefault();
  }, true);
  find('[data-act="cancel"]').addEventListener("click", () => {
    end(current);
    fail({ message: say("exporting.cancelled") });
  });
  find('[data-act="save"]').addEventListener("click", () => save(current));
  find("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    if (current) end(current);
    current = null; // and the file with it
    for (const name of ["password", "again"]) field(name).value = "";
    list.replaceChildren();
    find("details").open = false;
  });

  const mark = () => {
    for (const one of document.querySelectorAll('#header [data-do="export"]')) one.hidden = !med42.conversation();
  };
  document.addEventListener("med42:conversation", mark);
  mark();
};

/** Conversations that come back: dropped on the list, or chosen. Each that could not be read is named. */
med42.importing = (list) => {
  const say = med42.say;
  const chooser = list.querySelector(".conversations-files");
  const landing = list.querySelector(".landing");
  const MOST = Number(chooser.dataset.most);

  const take = async (file) => {
    if (file.size > MOST) return { message: say("importing.too_large", { name: file.name, n: MOST / 1e6 }), hint: say("importing.too_large_hint") };
    const answer = await med42.post("/v1/import", file, { "x-name": encodeURIComponent(file.name) });
    if (answer.isGone) return { message: say("importing.lost", { name: file.name }), hint: say("importing.lost_hint") };
    if (!answer.id) return { message: `${file.name}: ${answer.message}`, hint: answer.hint };
    med42.refreshList();
    med42.show(answer.id);
    med42.toast(say(`importing.${answer.outcome}`, { title: answer.title || say("list.untitled") }));
    return null;
  };
  const takeAll = async (files) => {
    const problems = [];
    for (const file of files) problems.push(await take(file));
    const wrong = problems.filter(Boolean);
    if (wrong.length) med42.tell({ message: wrong.map((one) => one.message).join(" "), hint: wrong.at(-1).hint });
  };

  let leaves = 0;
  const hide = () => (landing.hidden = true);
  /** Other files go with the next question, wherever they are dropped; while they are dragged, a browser names their kind at most. */
  const mayBe = ({ dataTransfer: { items } }) => [...items].some((one) => one.kind === "file" && ["application/json", ""].includes(one.type));
  list.addEventListener("dragover", (event) => {
    if (!mayBe(event)) return;
    event.preventDefault();
    event.stopPropagation();
    landing.hidden = false;
    clearTimeout(leaves);
    leaves = setTimeout(hide, 300); // 'dragover' comes as long as the file is over the list
  });
  list.addEventListener("drop", (event) => {
    const files = [...event.dataTransfer.files];
    hide();
    if (!files.length || !files.every((one) => one.name.toLowerCase().endsWith(".json"))) return;
    event.preventDefault();
    event.stopPropagation();
    takeAll(files);
  });
  list.querySelector(".take-in").addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", () => {
    takeAll([...chooser.files]);
    chooser.value = "";
  });
};
