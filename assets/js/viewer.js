// The document behind a source: its page as a picture with the quoted words marked, or its text where it has no pages.
"use strict";

/** Fills `place` of a card. `from` is what the card says: { message, number, document, page, at }, `at` the place of the mark in the answer. */
med42.viewer = (place, from) => {
  const say = med42.say;
  const make = (tag, properties, ...children) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.append(...children);
    return one;
  };
  const tool = (icon, name, act) => {
    const one = make("button", { type: "button", className: "tool", title: say(name), onclick: act }, make("i", { className: `icon ${icon}` }));
    one.setAttribute("aria-label", say(name));
    return one;
  };
  const WIDTH = 1300; // points across of the first picture: sharp enough on most screens, and the same for all
  const LINE = { wanted: 16, least: 11 }; // pixels that a line with marked words is high on the screen
  const MOST = 4;

  const source = `/v1/source/${from.message}/${from.number}?at=${from.at || ""}`;
  let told = null; // what the server says of the source
  let page = from.page;
  let zoom = 1; // the page's width in widths of the frame
  let isOpen = true;

  // -- its parts --
  const image = make("img", { draggable: false });
  const layer = make("div", { className: "marks" });
  const leaf = make("div", { className: "leaf" }, image, layer);
  const frame = make("div", { className: "frame", tabIndex: 0 }, leaf);
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", say("viewer.name", { number: from.number }));
  frame.setAttribute("aria-busy", "true");
  const count = make("span", { className: "count" });
  count.setAttribute("role", "status");
  const back = tool("back", "viewer.earlier", () => turn(page - 1));
  const next = tool("next", "viewer.later", () => turn(page + 1));
  const cited = make("button", { type: "button", className: "link", textContent: say("viewer.cited"), onclick: () => turn(told.page), hidden: true });
  const sizes = [tool("minus", "viewer.smaller", () => choose(zoom / 1.3)), tool("plus", "viewer.larger", () => choose(zoom * 1.3)), tool("whole", "viewer.whole", () => choose(wholePage()))];
  const original = make("a", { className: "original", textContent: say("viewer.original"), download: "" });
  const bar = make("div", { className: "bar" }, back, count, next, make("span", { className: "gap" }), ...sizes);
  const said = make("p", { className: "said" });
  const foot = make("p", { className: "foot" }, cited, original);
  place.replaceChildren(bar, frame, said, foot);
  place.hidden = false;
  bar.hidden = foot.hidden = !from.page;

  // -- sizes and places --
  const ratio = () => image.naturalHeight / image.naturalWidth || 1.4;
  const wholePage = () => Math.min(1, frame.clientHeight / (frame.clientWidth * ratio()));
  /** The size at which the marked words can be read, as far as they fit into the frame. */
  const readable = () => {
    const marks = page === told.page ? told.marks : [];
    if (!marks.length) return 1;
    const heights = marks.map(([, , , height]) => height).sort((one, other) => one - other);
    const line = (heights[Math.floor(heights.length / 2)] / 100) * frame.clientWidth * ratio();
    const { left, right } = around(marks);
    const fits = 1 / ((right - left) / 100 + 0.06);
    return Math.max(1, Math.min(LINE.wanted / line, fits), LINE.least / line);
  };
  const around = (marks) => ({
    left: Math.min(...marks.map(([left]) => left)),
    right: Math.max(...marks.map(([left, , width]) => left + width)),
    top: Math.min(...marks.map(([, top]) => top)),
  });
  const resize = (wanted) => {
    const before = leaf.clientWidth || 1;
    const middle = [(frame.scrollLeft + frame.clientWidth / 2) / before, (frame.scrollTop + frame.clientHeight / 2) / before];
    zoom = Math.min(MOST, Math.max(wholePage(), wanted));
    leaf.style.width = `${zoom * 100}%`;
    frame.scrollLeft = middle[0] * leaf.clientWidth - frame.clientWidth / 2;
    frame.scrollTop = middle[1] * leaf.clientWidth - frame.clientHeight / 2;
    sharpen();
  };
  let isChosen = false; // the size, by the reader
  const choose = (wanted) => {
    isChosen = true;
    resize(wanted);
  };
  const toMarks = () => {
    if (!told.marks.length || page !== told.page) return void (frame.scrollTop = 0);
    const { left, right, top } = around(told.marks);
    frame.scrollTop = (top / 100) * leaf.clientHeight - frame.clientHeight / 3;
    const width = ((right - left) / 100) * leaf.clientWidth;
    const spare = Math.max(8, (frame.clientWidth - width) / 2);
    frame.scrollLeft = (left / 100) * leaf.clientWidth - spare;
  };

  // -- the picture --
  const address = (width) => `/v1/page/${told ? told.document : from.document}/${page}?width=${width}`;
  let drawn = 0; // how wide the picture is that is shown, or on its way
  const load = (width) => {
    drawn = width;
    image.src = address(width);
  };
  /** A larger picture in the place of one that would be shown larger than it is. */
  const sharpen = () => {
    const wanted = frame.clientWidth * zoom * (frame.currentCSSZoom || 1) * devicePixelRatio;
    if (wanted <= drawn * 1.15) return;
    const width = Math.ceil(wanted);
    const finer = make("img");
    const shown = page;
    drawn = width;
    finer.onload = () => isOpen && shown === page && (image.src = finer.src);
    finer.src = address(width);
  };
  const arrived = () => {
    if (told?.kind !== "pages" || !image.naturalWidth || !isOpen) return;
    frame.removeAttribute("aria-busy");
    if (!isChosen) resize(readable());
    toMarks();
  };
  const fitted = new ResizeObserver(() => !isChosen && !isFirst && arrived()); // a turned phone, a window made wider
  let isFirst = true; // of this page: a finer picture must not move what the reader looks at
  image.addEventListener("load", () => {
    if (isFirst) arrived();
    isFirst = false;
  });
  let isBroken = false;
  image.addEventListener("error", () => {
    isBroken = true;
    if (told?.kind === "pages") missing();
  });
  /** A picture cannot be had: of itself, or because its document was removed while the card was open, and with it the original. */
  const missing = async () => {
    const answer = await fetch(source).catch(() => null);
    const words = answer?.ok ? await answer.json() : null;
    if (!isOpen) return;
    if (words && words.document !== told.document) tell(words);
    else fail({ message: say("viewer.failed"), hint: say("viewer.failed_hint") });
  };

  const turn = (to) => {
    if (!told || to < 1 || to > told.pages || to === page) return;
    page = to;
    isFirst = true;
    frame.setAttribute("aria-busy", "true");
    describe();
    load(drawn);
  };
  const describe = () => {
    const isCited = page === told.page;
    count.textContent = say("viewer.page", { n: page, pages: told.pages });
    image.alt = say("viewer.picture", { n: page, title: told.title });
    back.disabled = page <= 1;
    next.disabled = page >= told.pages;
    cited.hidden = isCited;
    said.hidden = !isCited;
    layer.replaceChildren(...(isCited ? told.marks.map(box) : []));
  };
  const box = ([left, top, width, height]) => {
    const one = make("i", { className: told.quoted ? "" : "passage" });
    Object.assign(one.style, { left: `${left}%`, top: `${top}%`, width: `${width}%`, height: `${height}%` });
    return one;
  };

  // -- what the server says --
  const kinds = {
    pages: () => {
      const isOther = told.document !== from.document || told.page !== from.page;
      page = told.page;
      describe();
      if (isOther || isBroken || !drawn) load(WIDTH); // what could not be had was perhaps another document's
      if (image.complete) arrived();
    },
    text: () => {
      bar.hidden = true;
      const words = make("div", { className: "words", dir: "auto", innerHTML: told.html });
      frame.replaceChildren(words);
      frame.removeAttribute("aria-busy");
      const mark = words.querySelector("mark");
      if (mark) frame.scrollTop = mark.offsetTop - frame.clientHeight / 3;
    },
    gone: () => {
      bar.hidden = frame.hidden = foot.hidden = true;
      said.hidden = false; // another page than the cited one may have been open
    },
  };
  const tell = (words) => {
    told = words;
    place.closest(".card").querySelector(".whole").innerHTML = told.passage;
    said.textContent = [told.said, told.newer].filter(Boolean).join(" ");
    said.dataset.quoted = String(Boolean(told.quoted));
    foot.hidden = !told.document;
    if (told.document) original.href = `/v1/original/${told.document}`;
    kinds[told.kind]();
  };
  const fail = ({ message, hint }) => {
    frame.hidden = bar.hidden = true;
    said.hidden = false;
    said.textContent = `${message} ${hint || ""}`;
  };
  const ask = async () => {
    try {
      const answer = await fetch(source);
      const words = await answer.json();
      if (isOpen) (answer.ok ? tell : fail)(words);
    } catch {
      if (isOpen) fail({ message: say("viewer.failed") });
    }
  };

  // -- hands --
  frame.addEventListener("keydown", (event) => {
    const keys = { "+": () => choose(zoom * 1.3), "-": () => choose(zoom / 1.3), 0: () => choose(wholePage()), PageDown: () => turn(page + 1), PageUp: () => turn(page - 1) };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || !told || told.kind !== "pages") return;
    event.preventDefault();
    keys[event.key]();
  });
  let held = null;
  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button || told?.kind !== "pages") return;
    held = { x: event.clientX + frame.scrollLeft, y: event.clientY + frame.scrollTop };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => held && frame.scrollTo(held.x - event.clientX, held.y - event.clientY));
  frame.addEventListener("pointerup", () => (held = null));
  frame.addEventListener("pointercancel", () => (held = null));

  fitted.observe(frame);
  if (from.page && from.document) load(WIDTH);
  ask();
  return () => {
    isOpen = false;
    fitted.disconnect();
    image.removeAttribute("src");
    place.replaceChildren();
    place.hidden = true;
  };
};
