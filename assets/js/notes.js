// What a sign, an underlined word or a mark [n] of an answer says when it is touched: a note beside it.
"use strict";

/** Notes for everything with `data-note` in `place`: on hover, on focus, and kept open by a click until the next one elsewhere. */
med42.notes = (place) => {
  let note = null;
  let owner = null;
  let isKept = false;
  let waiting = 0;

  const close = () => {
    clearTimeout(waiting);
    if (note) note.remove();
    if (owner) owner.removeAttribute("aria-describedby");
    note = owner = null;
    isKept = false;
  };
  const line = ([state, words]) => {
    const made = document.createElement("p");
    made.dataset.state = state;
    made.dir = "auto";
    made.textContent = words;
    return made;
  };
  const show = (one, keep = false) => {
    if (!one.dataset.note || (owner === one && isKept)) return;
    close();
    note = document.createElement("div");
    note.className = "note";
    note.id = "note";
    note.setAttribute("role", "tooltip");
    note.append(...JSON.parse(one.dataset.note).map(line));
    note.addEventListener("pointerleave", leave);
    document.body.append(note);
    placeMenu(note, one);
    one.setAttribute("aria-describedby", "note");
    owner = one;
    isKept = keep;
    quote(one);
  };
  /** Adds the words that a mark's sentence rests on, which the server finds out when somebody wants them. */
  const quote = async (one) => {
    const { at, source } = one.dataset;
    if (at === undefined) return;
    try {
      const answer = await fetch(`/v1/source/${one.closest(".turn").dataset.message}/${source}?at=${at}`);
      const words = answer.ok && (await answer.json()).quote;
      if (owner !== one || !words) return;
      note.append(line(["quote", words]));
      placeMenu(note, one);
    } catch {
      // Without an answer the note names the source; that the program is gone is said elsewhere.
    }
  };
  const leave = (event) => {
    clearTimeout(waiting);
    const to = event.relatedTarget;
    if (!isKept && !(note && to instanceof Node && (note.contains(to) || owner.contains(to)))) close();
  };
  const of = (event) => event.target instanceof Element && event.target.closest("[data-note]");

  place.addEventListener("pointerover", (event) => {
    const one = of(event);
    if (!one || one === owner || isKept || event.pointerType === "touch") return;
    clearTimeout(waiting);
    waiting = setTimeout(show, 120, one); // a pointer on its way to something else asks for nothing
  });
  place.addEventListener("pointerout", (event) => of(event) && leave(event));
  place.addEventListener("focusin", (event) => of(event) && event.target.matches(":focus-visible") && show(of(event)));
  place.addEventListener("focusout", (event) => of(event) === owner && !isKept && close());
  place.addEventListener("click", (event) => {
    const one = of(event);
    if (!one || one.matches("a")) return close(); // a mark opens its source
    const isAgain = owner === one && isKept;
    close();
    if (!isAgain) show(one, true);
  });
  place.addEventListener("scroll", close, { passive: true, capture: true });
  document.addEventListener("pointerdown", (event) => note && !note.contains(event.target) && !owner.contains(event.target) && close());
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !note) return;
    event.preventDefault(); // this Escape stops no answer
    event.stopImmediatePropagation();
    close();
  }, true);
};
