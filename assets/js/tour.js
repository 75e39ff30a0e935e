// A look around: one sentence for each part of the page, in a card beside it. Whoever begins to work leaves it behind.
"use strict";

const TOUR = [
  { name: "list", place: "#left", button: '#header [data-do="left"]' },
  { name: "facts", place: "#facts" },
  { name: "transcript", place: "#transcript" },
  { name: "composer", place: "#composer" },
  { name: "evidence", place: "#right", button: '#header [data-do="right"]' },
];

med42.leaveTour = () => {};

/** Begins the look around; `back` has the focus when it is over. */
med42.tour = () => {
  med42.leaveTour();
  med42.closeDrawers();
  const card = document.createElement("div");
  card.className = "tour";
  card.setAttribute("role", "dialog");
  const words = Object.assign(document.createElement("p"), { id: "tour-words" });
  card.setAttribute("aria-describedby", words.id);
  const count = Object.assign(document.createElement("span"), { className: "hint" });
  const leave = Object.assign(document.createElement("button"), { type: "button", textContent: med42.say("tour.leave") });
  const next = Object.assign(document.createElement("button"), { type: "button", className: "primary" });
  const actions = Object.assign(document.createElement("div"), { className: "actions" });
  actions.append(count, leave, next);
  card.append(words, actions);
  let at = 0;

  const target = () => {
    const { place, button } = TOUR[at];
    const side = place.slice(1);
    return document.querySelector(button && !med42.isOpen(side) ? button : place);
  };
  const stand = () => {
    for (const lit of document.querySelectorAll(".toured")) lit.classList.remove("toured");
    const shown = target();
    shown.classList.add("toured");
    const from = shown.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = card;
    const beside = from.right + width + 16 <= innerWidth ? from.right + 8 : from.left - width - 16 >= 0 ? from.left - width - 8 : null;
    const tall = from.height > innerHeight / 2;
    const below = from.bottom + height + 16 <= innerHeight ? from.bottom + 8 : from.top - height - 8;
    const top = tall ? from.top + Math.min(140, from.height / 3) : below;
    const left = tall && beside !== null ? beside : from.left + (from.width - width) / 2;
    card.style.top = `${Math.max(8, Math.min(top, innerHeight - height - 8))}px`;
    card.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  };
  const show = () => {
    const last = at === TOUR.length - 1;
    words.textContent = med42.say(`tour.${TOUR[at].name}`);
    count.textContent = `${at + 1} / ${TOUR.length}`;
    card.setAttribute("aria-label", med42.say("tour.label", { n: at + 1, all: TOUR.length }));
    next.textContent = med42.say(last ? "tour.done" : "tour.next");
    leave.hidden = last;
    stand();
    next.focus();
  };
  const end = () => {
    for (const lit of document.querySelectorAll(".toured")) lit.classList.remove("toured");
    removeEventListener("resize", stand);
    document.removeEventListener("pointerdown", outside, true);
    document.removeEventListener("keydown", key, true);
    card.remove();
    med42.leaveTour = () => {};
    med42.focusComposer();
  };
  const outside = (event) => !card.contains(event.target) && end();
  const key = (event) => {
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      end();
    } else if (card.contains(event.target) && event.key in steps) {
      at = Math.max(0, Math.min(TOUR.length - 1, at + steps[event.key]));
      show();
    }
  };
  next.addEventListener("click", () => (++at < TOUR.length ? show() : end()));
  leave.addEventListener("click", end);
  addEventListener("resize", stand);
  document.addEventListener("pointerdown", outside, true);
  document.addEventListener("keydown", key, true);
  document.body.append(card);
  med42.leaveTour = end;
  show();
};
