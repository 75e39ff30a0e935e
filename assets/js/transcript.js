// The conversation on the screen. Blocks of a growing answer are replaced from the first changed one on; the reader's place
// is kept unless he is at the end. What he can do with a message is in answers.js.
"use strict";

med42.transcript = (element, props, trigger, watch) => {
  const scroll = element.querySelector(".scroll");
  const toEnd = element.querySelector(".to-end");
  const turn = (id) => id && scroll.querySelector(`.turn[data-message="${CSS.escape(id)}"]`);
  const turns = () => [...scroll.querySelectorAll(":scope > .turn")];
  const leaf = () => (turns().at(-1)?.dataset.message ?? "");
  /** The last message that is shown of this page's conversation; null while none of it is here yet. */
  med42.leaf = () => (scroll.dataset.conversation === med42.conversation() ? leaf() : null);
  let following = true; // the reader is at the end and wants to stay there

  // -- the reader's place --
  const isAtEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 48;
  let frame = 0;
  const keepPlace = () => {
    frame = 0;
    if (following) scroll.scrollTop = scroll.scrollHeight;
    toEnd.hidden = following || isAtEnd();
  };
  const stay = () => (frame ||= requestAnimationFrame(keepPlace)); // once for all that a moment brings
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
    keepPlace();
    med42.focusComposer();
  });

  /** Scrolls no farther than needed to see something of the conversation. */
  med42.keepInSight = (one) => {
    const [here, all] = [one.getBoundingClientRect(), scroll.getBoundingClientRect()];
    if (here.top < all.top || here.bottom > all.bottom) scroll.scrollTop += here.top - all.top - all.height / 3;
  };

  /** Changes what is shown and leaves the focus, and what had it, where they are. */
  const inPlace = (change) => {
    const held = document.activeElement.closest(".turn [data-do]");
    const { top } = held ? held.getBoundingClientRect() : {};
    const kind = held && held.closest(".question") ? "question" : "answer";
    const index = held ? turns().indexOf(held.closest(".turn")) : -1;
    change();
    if (!held || held.isConnected || document.activeElement !== document.body) return;
    const again = turns().slice(index).map((one) => one.matches(`.${kind}`) && one.querySelector(`[data-do="${held.dataset.do}"]`)).find(Boolean);
    (again || scroll).focus({ preventScroll: true });
    if (again && !following) scroll.scrollTop += again.getBoundingClientRect().top - top;
  };

  // -- what is shown --
  const kept = new Set(); // answers below which later messages stand in another version
  const dress = (one) => {
    answers.dress(one);
    if (!kept.has(one.dataset.message) || one.querySelector(".kept")) return;
    const line = document.createElement("p");
    line.className = "kept";
    line.textContent = med42.say("answer.kept");
    one.append(line);
  };
  /** Shows messages below the one they follow, in the place of what stood there. */
  const put = (html, after) => {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const fresh = [...holder.content.children];
    if (fresh.every((one) => turn(one.dataset.message)) && fresh.at(-1).dataset.message === leaf()) return;
    if (after && !turn(after)) return med42.reopen(); // another branch is shown here
    const old = turns();
    const below = after ? old.slice(old.indexOf(turn(after)) + 1) : old;
    inPlace(() => {
      for (const one of below) one.remove();
      for (const one of scroll.querySelectorAll(":scope > :is(.greeting, .unfit)")) one.remove();
      scroll.append(...fresh);
      if (below.length > fresh.length) kept.add(leaf());
      for (const one of fresh) dress(one);
      marks.draw();
    });
    stay();
  };

  const marks = {
    ids: new Set(),
    set: (ids) => {
      marks.ids = new Set(ids);
      if (!ids.length) for (const bar of scroll.querySelectorAll(".unfit")) bar.remove();
      marks.draw();
    },
    draw: () => {
      for (const one of scroll.querySelectorAll(".unseen-line")) one.remove();
      const all = turns();
      for (const one of all) one.classList.toggle("unseen-by-model", marks.ids.has(one.dataset.message));
      const seen = all.findIndex((one) => !marks.ids.has(one.dataset.message));
      if (seen < 1) return;
      const line = document.createElement("p");
      line.className = "unseen-line";
      line.textContent = med42.say("answer.unseen_above");
      all[seen].before(line);
    },
    show: () => {
      const line = scroll.querySelector(".unseen-line") || scroll.querySelector(".unseen-by-model");
      following = false;
      if (line) line.scrollIntoView({ block: "center" });
    },
  };

  // -- what the server's handlers say --
  const kinds = {
    open: ({ html }) => {
      const before = scroll.scrollTop;
      const isSame = scroll.dataset.conversation === med42.conversation();
      const bar = isSame && scroll.querySelector(".unfit"); // what waits for the reader's word waits on
      if (!isSame) kept.clear();
      inPlace(() => {
        scroll.innerHTML = html;
        if (bar) scroll.append(bar);
        for (const one of turns()) dress(one);
        if (isSame) marks.draw();
        else marks.set([]);
      });
      scroll.dataset.conversation = med42.conversation();
      med42.setAnswering(Boolean(scroll.querySelector('[data-status="streaming"]')));
      if (med42.isAnswering()) med42.connect(); // the blocks drawn here may be older than those the stream has told of
      following = !(isSame && !following);
      if (!following) scroll.scrollTop = before;
      goTo(med42.wanted);
      stay();
    },
    asked: ({ html, after, conversation, message }) => {
      following = true;
      if (!med42.conversation()) {
        history.replaceState(null, "", `#c=${conversation}`);
        scroll.dataset.conversation = conversation;
        med42.connect();
        document.dispatchEvent(new CustomEvent("med42:conversation"));
      }
      med42.refreshList();
      if (turn(message)) return; // the stream was faster to say that it has begun, and knows more by now
      put(html, after);
      med42.setAnswering(true);
    },
    branch: ({ html, after, message }) => {
      if (message && turn(message)) return;
      const isAnswering = html.includes('data-status="streaming"');
      following = isAnswering && (following || isAtEnd());
      put(html, after);
      med42.setAnswering(isAnswering);
      if (isAnswering) turns().at(-1).scrollIntoView({ block: "nearest" });
      else if (med42.look) med42.look();
    },
    unfit: ({ html, left_out: ids }) => {
      for (const bar of scroll.querySelectorAll(".unfit")) bar.remove();
      marks.set(ids);
      scroll.insertAdjacentHTML("beforeend", html);
      following = true;
      keepPlace();
      scroll.querySelector(".unfit").focus({ preventScroll: true });
    },
    copied: ({ message, text, html }) => answers.copied(message, { text, html }),
    feedback: ({ message, verdict, reason }) => turn(message) && answers.judged(turn(message), verdict, reason),
  };
  const goTo = (message) => {
    const target = turn(message);
    med42.wanted = "";
    if (!target) return;
    following = false;
    target.scrollIntoView({ block: "start" });
    target.classList.add("found");
    setTimeout(() => target.classList.remove("found"), 2400);
  };
  watch("value", () => {
    const value = props.value;
    const here = value && (value.kind === "asked" ? value.page : value.conversation);
    if (value && med42.isHere(here)) kinds[value.kind](value);
  });

  document.addEventListener("med42:conversation", () => {
    if (scroll.dataset.conversation === med42.conversation()) return;
    // Another conversation: the old one's words go at once, not when the new one's have come.
    scroll.replaceChildren();
    scroll.dataset.conversation = "";
    marks.set([]);
    kept.clear();
  });
  document.addEventListener("med42:preview", ({ detail }) => {
    if (!med42.isHere(detail.conversation)) return;
    marks.set(detail.unseen);
    stay();
  });

  // -- what the stream says --
  let askedAt = 0;
  /** What is told of an answer does not fit to what is shown: a new stream tells it from its beginning. */
  const tellAnew = () => {
    if (Date.now() - askedAt < 1000) return;
    askedAt = Date.now();
    med42.connect();
  };
  med42.handlers.hello = (told) => {
    const unfinished = turns().some((one) => one.dataset.status === "streaming" && one.dataset.message !== told.running);
    if (told.leaf !== leaf() || unfinished || scroll.dataset.conversation !== med42.conversation()) med42.reopen();
    document.dispatchEvent(new CustomEvent("med42:hello", { detail: told }));
  };
  med42.handlers.begin = ({ html, after }) => {
    put(html, after);
    med42.setAnswering(true);
    med42.keepDraft();
    med42.announce(med42.say("answer.begins"));
  };
  med42.handlers.blocks = ({ message, from, html }) => {
    const blocks = turn(message) && turn(message).querySelector(".blocks");
    if (!blocks || blocks.children.length < from) return tellAnew(); // drawn before the answer began, or while it grew
    while (blocks.children.length > from) blocks.lastElementChild.remove();
    blocks.insertAdjacentHTML("beforeend", html.join(""));
    answers.dress(turn(message));
    stay();
  };
  med42.handlers.unseen = ({ ids }) => marks.set(ids);
  med42.handlers.part = ({ message, part, html }) => {
    const spot = turn(message) && turn(message).querySelector(`[data-part="${part}"]`);
    if (!spot) return;
    spot.innerHTML = html;
    stay();
  };
  med42.handlers.end = ({ message, html, status }) => {
    med42.setAnswering(false);
    med42.announce(med42.say(status === "complete" ? "answer.complete" : "answer.incomplete"));
    if (turn(message)) {
      turn(message).outerHTML = html;
      dress(turn(message));
    }
    stay();
    trigger("select", { id: message });
    med42.refreshList();
  };

  const answers = med42.answers(scroll, trigger, { showUnseen: marks.show });
  med42.connect();
};
