/* What the page does by itself, in the visitor's browser: choosing utterances, moving thresholds, following the player.

   The server draws HTML into the page; this file only sets classes, custom properties and ARIA states on it:
     [data-emotion][data-value]  has the class fv-on while its value reaches its emotion's threshold
     --threshold-EMOTION         where that threshold lies
     #feed                       holds the card of one utterance, as it came; all that came are kept here, in `cards`
     #stage                      shows the card of the chosen utterance
   What the server has to know goes through `tell`: the chosen utterance, the thresholds, and which card is missing. */
(() => {
  "use strict";

  let run = null; // the analysis on the page; a new one starts anew
  let chosen = null; // number of the utterance on the stage
  let following = true; // the newest utterance, until the visitor chooses or plays
  let asked = null; // address of the clip for which Submit was pressed
  let clip = null; // of the one that the analysis is of; the player may hold another by now
  let cards = new Map(); // number → HTML
  let staged = null; // the HTML of the card on the stage
  let thresholds = {}; // emotion → value, those of the sliders
  let send = () => {};
  const PATIENCE = 4000, PAUSE = 500; // milliseconds
  let telling = null; // what is told waits a moment, in case another choice follows at once

  const one = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const player = () => one("#clip video");
  const tied = () => (player()?.currentSrc === clip ? player() : null); // the player, if it holds what was read
  const rows = () => all("#utterances [data-index]");
  const row = (index) => one(`#utterances [data-index="${index}"]`);

  /* The page as the server has just drawn it → the page as the visitor has set it. Changes nothing that is right. */
  function refresh() {
    const now = one("#utterances [data-run]")?.dataset.run ?? null;
    if (now !== run) begin(now);
    if (run === null) return;
    const card = one("#feed [data-card]");
    if (card?.dataset.run === run) cards.set(+card.dataset.card, card.outerHTML);
    for (const slider of all(`#thresholds [data-run="${run}"] input`)) {
      thresholds[slider.dataset.emotion] ??= +slider.dataset.threshold;
    }
    if (following) chosen = rows().length - 1;
    const link = one(".fv-link a");
    if (link && link.textContent !== link.href) link.textContent = link.href;
    show();
    recolour();
  }

  function begin(next) {
    run = next;
    clip = asked;
    chosen = null;
    following = true;
    cards = new Map();
    staged = null;
    thresholds = {};
  }

  function say(more) {
    const missing = chosen === null || cards.has(chosen) ? null : chosen;
    send(JSON.stringify({ run, chosen: following ? null : chosen, missing, thresholds, ...more }));
  }

  function tell(delay = 0) {
    clearTimeout(telling);
    telling = setTimeout(say, delay);
  }

  /* Choosing an utterance. `seek`: the player goes there too, which it must not where it is what chooses. */
  function choose(index, seek) {
    if (!row(index)) return;
    following = false;
    if (seek) go(tied(), +row(index).dataset.start + 0.01);
    if (index === chosen) return;
    chosen = index;
    show();
    recolour();
    tell(cards.has(index) ? 150 : 0);
  }

  /* Who is about to put something in for an utterance is not taken on to the next. */
  function stay() {
    if (!following || chosen === null) return;
    following = false;
    tell();
  }

  /* Seconds of the clip begin with its first picture or sound; a browser's are those written in the file, which may
     begin anywhere. What it shows when it has loaded the clip is the beginning; nobody is sent elsewhere before. */
  const begins = new WeakMap(); // video → seconds
  const clock = (video) => Math.max(video.currentTime - (begins.get(video) ?? 0), 0);

  function go(video, time) {
    if (!video) return;
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) video.currentTime = time + (begins.get(video) ?? 0);
    else video.addEventListener("loadeddata", () => go(video, time), { once: true });
  }

  /* Browsers write no length into what they record, and say that it is infinite until they have been at its end. */
  const measured = new WeakSet(); // videos that are being sent there and back

  function measure(video) {
    const back = () => {
      video.addEventListener("seeked", () => measured.delete(video), { once: true });
      video.currentTime = begins.get(video);
    };
    measured.add(video);
    video.addEventListener("seeked", back, { once: true });
    video.currentTime = Number.MAX_SAFE_INTEGER;
  }

  function show() {
    if (chosen === null) return;
    for (const each of rows()) {
      const is = +each.dataset.index === chosen;
      set(each, "aria-selected", is);
      set(each, "tabindex", is ? 0 : -1);
      if (is && each.dataset.seen !== run + chosen) reveal(each);
    }
    const lanes = one(".fv-lanes");
    const mine = row(chosen);
    if (lanes && mine) {
      const end = +lanes.dataset.end;
      lanes.style.setProperty("--window-from", mine.dataset.start / end);
      lanes.style.setProperty("--window-wide", (mine.dataset.end - mine.dataset.start) / end);
      set(lanes, "aria-valuenow", chosen + 1);
      set(lanes, "aria-valuetext", mine.innerText.replace(/\s+/g, " "));
    }
    const maps = one("#attention [data-of]");
    if (maps) set(maps, "aria-busy", +maps.dataset.of !== chosen); // those of another utterance are on their way
    const stage = one("#stage .fv-stage");
    const card = cards.get(chosen);
    if (stage && card && staged !== card) {
      stage.innerHTML = staged = card;
      const sound = one("#stage audio");
      if (sound) sound.src = one("#stage [data-sound]").dataset.sound; // fetched when somebody wants to hear it
      if (sound) setTimeout(() => { sound.preload = "metadata"; }, PAUSE); // or stays here, to say how long it is
    }
  }

  /* Scrolls the list, and nothing else, so that the row is seen. */
  function reveal(each) {
    const list = each.parentElement;
    each.dataset.seen = run + chosen;
    const above = each.offsetTop - list.scrollTop;
    if (above < 0 || above + each.offsetHeight > list.clientHeight) {
      list.scrollTop = each.offsetTop - (list.clientHeight - each.offsetHeight) / 2;
    }
  }

  function recolour() {
    for (const [emotion, value] of Object.entries(thresholds)) {
      document.documentElement.style.setProperty(`--threshold-${emotion}`, value);
    }
    for (const each of all("[data-value][data-emotion]")) {
      const threshold = thresholds[each.dataset.emotion];
      if (threshold !== undefined) each.classList.toggle("fv-on", +each.dataset.value >= threshold);
    }
    for (const slider of all("#thresholds input")) {
      const value = thresholds[slider.dataset.emotion];
      slider.value = value;
      slider.nextElementSibling.value = value.toFixed(2);
    }
    const moved = all("#thresholds input").some((each) => thresholds[each.dataset.emotion] !== +each.dataset.default);
    const reset = one("#thresholds .fv-reset");
    if (reset) reset.disabled = !moved;
  }

  function move(slider) {
    thresholds[slider.dataset.emotion] = +slider.value;
    recolour();
  }

  function reset() {
    for (const slider of all("#thresholds input")) thresholds[slider.dataset.emotion] = +slider.dataset.default;
    recolour();
    tell();
  }

  /* The player: its time is the line in the timeline, and chooses the utterance that is heard. */
  function played(video) {
    const lanes = one(".fv-lanes");
    if (!lanes || measured.has(video)) return;
    const time = clock(video);
    lanes.style.setProperty("--playhead", Math.min(time / +lanes.dataset.end, 1));
    lanes.classList.toggle("fv-playing", time > 0);
    if (following && video.paused) return; // the clip has just been loaded
    const begun = rows().filter((each) => +each.dataset.start <= time + 0.005);
    if (begun.length && !video.seeking) choose(+begun.at(-1).dataset.index, false);
  }

  /* One sound at a time: the clip's, or that of the utterance on the stage, of which cards kept elsewhere have none. */
  function hush(playing) {
    for (const each of [player(), one("#stage audio")]) if (each && each !== playing) each.pause();
  }

  /* Updates can be lost on the way, the last one too, which would leave Submit locked: so where the page is told that
     something is being read and no utterance has come for a while, it asks. */
  function wait(before) {
    const here = rows().length;
    if (one("#stop:not([disabled])") && here === before) say({ rows: here });
    setTimeout(wait, PATIENCE, here);
  }

  /* Browsers have a clipboard for pages that came encrypted; elsewhere the link is marked and copied as by hand. */
  async function copy(button, link) {
    if (navigator.clipboard) await navigator.clipboard.writeText(link.href);
    else {
      getSelection().selectAllChildren(link);
      if (!document.execCommand("copy")) return;
    }
    const word = button.textContent;
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = word; }, 2000);
  }

  function at(lanes, x) {
    const { left, width } = one(".fv-over-lanes").getBoundingClientRect();
    const time = ((x - left) / width) * +lanes.dataset.end;
    const away = (each) => Math.max(each.dataset.start - time, time - each.dataset.end, 0);
    return rows().reduce((best, each) => (away(each) < away(best) ? each : best));
  }

  const STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, PageUp: -5, PageDown: 5 };

  function pressed(event) {
    const list = event.target.closest?.("#utterances [role=option]");
    if (!list && !event.target.closest?.(".fv-lanes")) return;
    const last = rows().length - 1;
    const to = { Home: 0, End: last, Enter: chosen, " ": chosen }[event.key] ?? chosen + (STEPS[event.key] ?? NaN);
    if (Number.isNaN(to) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const index = Math.min(Math.max(to, 0), last);
    choose(index, true);
    if (list) row(index).focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    const option = event.target.closest("#utterances [data-index]");
    const lanes = event.target.closest(".fv-lanes");
    if (option) choose(+option.dataset.index, true);
    else if (lanes) choose(+at(lanes, event.clientX).dataset.index, true);
    else if (event.target.closest("#thresholds .fv-reset")) reset();
    else if (event.target.closest(".fv-copy")) copy(event.target.closest(".fv-copy"), one(".fv-link a"));
    else if (event.target.closest("#submit")) asked = player()?.currentSrc ?? null;
  });
  document.addEventListener("keydown", pressed);
  document.addEventListener("input", (event) => {
    if (event.target.matches("#thresholds input")) move(event.target);
  });
  document.addEventListener("focusin", (event) => {
    if (event.target.closest("#other-words, #left-out")) stay();
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("#thresholds input")) tell();
  });
  for (const kind of ["timeupdate", "seeked"]) {
    document.addEventListener(kind, (event) => event.target === tied() && played(event.target), true);
  }

  document.addEventListener("loadeddata", ({ target }) => {
    begins.set(target, target.currentTime);
    if (target === player() && target.duration === Infinity) measure(target);
  }, true);
  document.addEventListener("play", (event) => hush(event.target), true);

  function set(element, name, value) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }

  /* Called when the page stands; `toServer` takes a message to the server. */
  window.fv2es = {
    connect(toServer, reopen) {
      send = toServer;
      const token = new URLSearchParams(location.search).get("result");
      if (token) reopen(token);
      const observer = new MutationObserver((records) => {
        if (!records.some((each) => each.target.parentElement?.closest(".fv-live"))) return;
        refresh();
        observer.takeRecords(); // those of our own
      });
      observer.observe(document.body, { childList: true, subtree: true, attributes: true, characterData: true });
      refresh();
      wait(0);
    },
  };
})();
