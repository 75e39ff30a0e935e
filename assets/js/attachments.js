// What goes with a question: pasted letters and dropped files, each a folded card that opens to be read.
"use strict";

med42.attached = (element, show) => {
  const PASTED = { characters: 1500, lines: 25 }; // a longer paste would bury what is typed about it
  const BOX = 200_000; // characters
  const place = element.querySelector(".attached");
  const box = element.querySelector("textarea");
  const reader = element.querySelector(".reader");
  const chooser = element.querySelector(".files");
  const limits = element.querySelector(".writing").dataset;

  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  const button = (label, onclick, className = "") => make("button", { type: "button", textContent: label, onclick, className });

  /** Whether a further text would be more than can be sent at once. */
  const isTooMuch = (text, draft = med42.draft()) => med42.isTooMuch(JSON.stringify([draft.text, text, draft.attachments.map(med42.plain)]));

  // -- the cards --
  const figures = (one) => {
    if (one.isReading) return med42.say("attach.is_read");
    const counts = { tokens: one.tokens, pages: one.pages, characters: one.text.length }; // the room it takes first
    return Object.entries(counts).filter(([, n]) => n).map(([unit, n]) => med42.say(`attach.${unit}`, { n })).join(" · ");
  };
  const first = (text) => text.slice(0, 400).replace(/\s+/g, " ").trim().slice(0, 120);
  const cards = new WeakMap(); // by attachment: a card that holds the focus stays where it is
  const card = (one) => {
    if (!cards.has(one)) cards.set(one, make("li", {}, opener(one), remover(one)));
    const made = cards.get(one);
    const parts = { ".name": one.name, ".first": first(one.text), ".figures": figures(one) };
    for (const [name, words] of Object.entries(parts)) made.querySelector(name).textContent = words;
    made.querySelector(".open").disabled = Boolean(one.isReading);
    return made;
  };
  const opener = (one) => make("button", { type: "button", className: "open", onclick: () => read(one) },
    make("span", { className: "name", dir: "auto" }),
    make("span", { className: "first", dir: "auto" }), make("span", { className: "figures" }));
  const remover = (one) => {
    const label = med42.say("attach.remove", { name: one.name });
    const button = make("button", { type: "button", className: "away-with", title: label, onclick: () => remove(one) }, make("i", { className: "icon close" }));
    button.setAttribute("aria-label", label);
    return button;
  };
  const draw = () => {
    const now = med42.attachments().map(card);
    place.hidden = !now.length;
    if (now.length !== place.children.length || now.some((one, index) => one !== place.children[index])) place.replaceChildren(...now);
  };

  const add = (one, draft = med42.draft()) => {
    draft.attachments = [...draft.attachments, { key: "", tokens: null, isKept: false, ...one }];
    med42.changed(draft, 0);
    show();
    med42.announce(med42.say("attach.added", { name: one.name }));
    return draft.attachments.at(-1);
  };
  const remove = (one, draft = med42.draft()) => {
    draft.attachments = draft.attachments.filter((other) => other !== one);
    med42.changed(draft, 0);
    show();
    box.focus({ preventScroll: true });
  };

  // -- one of them, read --
  const read = (one) => {
    reader.querySelector("h2").textContent = one.name;
    reader.querySelector(".figures").textContent = figures(one);
    reader.querySelector(".whole").textContent = one.text;
    const close = button(med42.say("attach.close"), () => reader.close(), "primary");
    const away = button(med42.say("attach.take_out"), () => { reader.close(); remove(one); });
    const into = button(med42.say("attach.into_box"), () => {
      reader.close();
      remove(one);
      med42.write(box.value ? `${box.value}\n\n${one.text}` : one.text);
    });
    into.hidden = one.text.length > BOX; // a browser needs seconds to lay out more
    reader.querySelector(".actions").replaceChildren(away, into, close);
    reader.showModal();
    close.focus();
  };
  reader.addEventListener("click", (event) => event.target === reader && reader.close());
  reader.addEventListener("close", () => box.focus({ preventScroll: true }));

  // -- a paste --
  const isLong = (text) => text.length > PASTED.characters || text.split("\n", PASTED.lines + 1).length > PASTED.lines;
  const pastedName = () => {
    const names = new Set(med42.draft().attachments.map((one) => one.name));
    let n = 1;
    while (names.has(med42.say("attach.pasted", { number: n }))) n += 1;
    return med42.say("attach.pasted", { number: n });
  };
  box.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    const text = event.clipboardData.getData("text/plain");
    if (!text && files.length) {
      event.preventDefault();
      return takeAll(files);
    }
    if (!isLong(text)) return;
    event.preventDefault();
    if (isTooMuch(text)) return med42.tellTooMuch(text.length);
    add({ name: pastedName(), text: text.replace(/\r\n?/g, "\n"), media_type: "text/plain", pages: null });
  });

  // -- a file --
  /** What was wrong with a file; nothing, when it was attached. */
  const take = async (file) => {
    if (file.size > Number(limits.file)) return { message: med42.say("attach.too_large", { name: file.name }), hint: med42.say("attach.too_large_hint") };
    const draft = med42.draft(); // where it was dropped, wherever the reader goes meanwhile
    const waiting = add({ name: file.name, text: "", media_type: file.type, pages: null, isReading: true }, draft);
    const answer = await med42.post("/v1/attachment", file, { "x-name": encodeURIComponent(file.name) });
    const isTaken = answer.text !== undefined && !isTooMuch(answer.text, draft);
    if (isTaken) Object.assign(waiting, answer, { isReading: false });
    else draft.attachments = draft.attachments.filter((one) => one !== waiting);
    med42.changed(draft, 0);
    show();
    return isTaken ? null : problem(file, answer);
  };
  const problem = ({ name }, { text, isGone, message, hint }) => {
    if (text !== undefined) return med42.tooMuch(text.length);
    return isGone ? { message: med42.say("attach.failed", { name }), hint: med42.say("attach.failed_hint") } : { message, hint };
  };
  /** Each of those that could not be attached is named. */
  const takeAll = (files) => {
    const problems = [];
    const told = (name) => [...new Set(problems.map((one) => one[name]))].join(" ");
    for (const file of files) {
      take(file).then((one) => one && problems.push(one) && med42.tell({ message: told("message"), hint: told("hint") }));
    }
  };
  chooser.addEventListener("change", () => {
    takeAll([...chooser.files]);
    chooser.value = "";
  });

  const drop = element.querySelector(".drop");
  const hasFiles = (event) => [...event.dataTransfer.types].includes("Files");
  let leaves = 0;
  // On the whole page: a file that is dropped beside the box must not take the page's place.
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    drop.hidden = false;
    clearTimeout(leaves);
    leaves = setTimeout(() => (drop.hidden = true), 300); // 'dragover' comes as long as the file is over the page
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    clearTimeout(leaves);
    drop.hidden = true;
    takeAll([...event.dataTransfer.files]);
  });

  return { draw, choose: () => chooser.click() };
};
