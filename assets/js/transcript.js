// The conversation on the screen. Blocks of a growing answer are replaced from the first changed one on; the reader's place
// is kept unless he is at the end.
"use strict";

med42.transcript = (element, props, trigger, watch) => {
  const scroll = element.querySelector(".scroll");
  const toEnd = element.querySelector(".to-end");
  const turn = (id) => scroll.querySelector(`.turn[data-message="${CSS.escape(id)}"]`);
  let count = 0;
  let following = true; // the reader is at the end and wants to stay there

  const isAtEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
  const stay = () => {
    if (following) scroll.scrollTop = scroll.scrollHeight;
    toEnd.hidden = following || isAtEnd();
  };
  let place = 0;
  scroll.addEventListener("scroll", () => {
    // Only the reader moves up; a text that grew since the last event would otherwise look like that, too.
    following = isAtEnd() || (following && scroll.scrollTop >= place);
    place = scroll.scrollTop;
    toEnd.hidden = following;
  }, { passive: true });
  new ResizeObserver(stay).observe(scroll); // a growing composer or a turned phone does not hide the newest line
  toEnd.addEventListener("click", () => {
    following = true;
    stay();
    med42.focusComposer();
  });

  // -- what the server's handlers say --
  const kinds = {
    open: ({ html, count: now }) => {
      const before = scroll.scrollTop;
      const again = scroll.dataset.conversation === med42.conversation() && !following;
      scroll.innerHTML = html;
      scroll.dataset.conversation = med42.conversation();
      count = now;
      med42.setAnswering(Boolean(scroll.querySelector('[data-status="streaming"]')));
      following = !again;
      if (again) scroll.scrollTop = before;
      goTo(med42.wanted);
      stay();
    },
    asked: ({ html, count: now, conversation }) => {
      following = true;
      if (!med42.conversation()) {
        history.replaceState(null, "", `#c=${conversation}`);
        scroll.dataset.conversation = conversation;
        med42.connect();
        document.dispatchEvent(new CustomEvent("med42:conversation"));
      }
      append(html, now);
      med42.refreshList();
    },
  };
  const goTo = (message) => {
    const target = message && turn(message);
    med42.wanted = "";
    if (!target) return;
    following = false;
    target.scrollIntoView({ block: "start" });
    target.classList.add("found");
    setTimeout(() => target.classList.remove("found"), 2400);
  };
  const append = (html, now) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const fresh = [...holder.content.children].filter((one) => !turn(one.dataset.message));
    count = now;
    if (!fresh.length) return;
    const greeting = scroll.querySelector(".greeting");
    if (greeting) greeting.remove();
    scroll.append(...fresh);
    med42.setAnswering(true);
    stay();
  };
  watch("value", () => {
    const value = props.value;
    const here = value && (value.kind === "asked" ? value.page : value.conversation);
    if (value && value.kind === "asked") med42.sent = null;
    if (value && med42.isHere(here)) kinds[value.kind](value);
  });

  // Another conversation: the old one's words go at once, not when the new one's have come.
  document.addEventListener("med42:conversation", () => {
    if (scroll.dataset.conversation === med42.conversation()) return;
    scroll.replaceChildren();
    scroll.dataset.conversation = "";
    count = 0;
  });

  // -- what the stream says --
  med42.handlers.hello = ({ count: now, running }) => {
    const unfinished = [...scroll.querySelectorAll('[data-status="streaming"]')].some((one) => one.dataset.message !== running);
    if (now !== count || unfinished || scroll.dataset.conversation !== med42.conversation()) med42.reopen();
  };
  med42.handlers.begin = ({ html, count: now }) => {
    med42.sent = null;
    append(html, now);
    med42.setAnswering(true);
    med42.announce(med42.say("answer.begins"));
  };
  med42.handlers.blocks = ({ message, from, html }) => {
    const place = turn(message) && turn(message).querySelector(".blocks");
    if (!place) return;
    while (place.children.length > from) place.lastElementChild.remove();
    place.insertAdjacentHTML("beforeend", html.join(""));
    stay();
  };
  med42.handlers.part = ({ message, part, html }) => {
    const place = turn(message) && turn(message).querySelector(`[data-part="${part}"]`);
    if (!place) return;
    place.innerHTML = html;
    stay();
  };
  med42.handlers.end = ({ message, html, status }) => {
    med42.setAnswering(false);
    med42.announce(med42.say(status === "complete" ? "answer.complete" : "answer.incomplete"));
    if (turn(message)) turn(message).outerHTML = html;
    stay();
    trigger("select", { id: message });
    med42.refreshList();
  };

  // -- what the reader does --
  const actions = {
    copy: async (answer, button) => {
      await med42.copy(answer.querySelector(".blocks").innerText);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1600);
    },
    evidence: (answer) => {
      trigger("select", { id: answer.dataset.message });
      med42.toggle("right", true);
    },
  };
  scroll.addEventListener("click", (event) => {
    const example = event.target.closest(".example");
    if (example) return med42.ask(example.textContent);
    const answer = event.target.closest(".answer");
    const button = event.target.closest("[data-do]");
    if (answer && button) actions[button.dataset.do](answer, button);
    const mark = event.target.closest("a.cite");
    if (!answer || !mark) return;
    event.preventDefault();
    med42.wantedSource = mark.getAttribute("href").replace("#", "");
    actions.evidence(answer);
  });

  med42.connect();
};

/** Copies text; the older way is for a page that is served under another name than localhost. */
med42.copy = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
};
