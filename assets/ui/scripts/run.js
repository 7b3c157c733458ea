// One talk, from the click to its last message. Entry points: begin, receive, stop, settle, fail.
// Messages are those of flashtalk/ui/player.py; numbers count up, so a lost one is noticed.

const fresh = () => ({
  id: null, // of the server's run; known with the first message
  seed: null,
  next: 0, // number of the message that must come now
  source: null, // MediaSource
  buffer: null, // its SourceBuffer
  mime: "",
  waiting: [], // fragments not appended yet
  clickedAt: 0,
  turnAt: 0, // when the server took it up
  heldAt: 0, // since when playback waits for fragments; set by the first one
  newSeed: false, // whatever the settings say
  facts: null, // what it is made of; see filmFacts
  asked: false, // of the server
  working: false, // the server works on it, or will
  live: false, // its video is in the element, and has not been watched to its end
  playing: false, // playback was started and did not run dry
  paused: false, // by the visitor
  ended: false, // no more fragments will come
  stopped: false,
  left: false, // the line, before anything of it came
  failed: false,
  speech: null, // of somebody who speaks live; see speak.js
  lost: false, // a message did not arrive
  trimmed: false, // the element no longer has all of it
  made: 0,
  kept: null, // seconds of it that its file has, if not all
  total: 0,
  speed: 0, // seconds of video made per second; 0 = not known yet
});
let run = fresh();

/** A new talk, inside a click: browsers allow sound only then. */
function begin() {
  release();
  video.removeAttribute("poster");
  run = fresh();
  run.clickedAt = performance.now();
  run.working = true;
  putFilmAway();
  clearNumbers();
  tell("");
  showChoice();
  keep("unfinished", { page: PAGE, id: null }); // a page that is loaded anew says that it did not begin
  find("tap").hidden = true;
  find("as-it-is").hidden = true;
  say("preparing");
  openSource();
  refresh();
  if (root.getBoundingClientRect().top < 0) root.scrollIntoView({ behavior: "smooth" });
}

/** Waits for choices that are on their way; whether the talk that was begun can go on. */
async function choicesAreHere() {
  const mine = run;
  const before = chosen.portrait;
  const taken = await Promise.all(pending);
  if (mine !== run || run.stopped) return false;
  if (taken.includes(false)) {
    giveUp(text.problem.not_added);
    return false;
  }
  if (chosen.portrait !== before) showChoice();
  run.facts = filmFacts();
  return true;
}

/** The talk that was begun cannot be: nothing was asked of the server. */
function giveUp(sentence) {
  run.ended = run.failed = true;
  run.working = false;
  keep("unfinished", null);
  say("failed", sentence);
  refresh();
}

/** Takes in one message of the server. */
function receive(message) {
  if (run.id !== message.run) {
    if (run.id || !run.clickedAt) begin(); // a run that this page did not start by a click
    run.id = message.run;
    run.turnAt = performance.now();
  }
  if (message.number !== run.next && !run.lost) {
    run.lost = true;
    notice(text.problem.part_lost);
  }
  run.next = message.number + 1;
  take[message.kind](message);
  watchPlayback();
  refresh();
}

const take = {
  waiting(message) {
    run.turnAt = performance.now(); // its turn has not come yet
    if (!run.stopped) sayPlace(message);
  },
  stage(message) {
    run.seed = message.seed;
    if (!run.stopped) say("preparing", message.sentence);
    if (message.poster) showPoster(message.poster);
    message.notices.forEach(notice);
  },
  listening() {
    run.speech?.listen();
  },
  fragment(message) {
    run.mime = run.mime || message.mime;
    run.made = message.made_s;
    run.total = message.total_s;
    if (message.real_time) {
      run.speed = message.real_time;
      showSpeed(message);
    }
    if (message.held_s) run.speech?.holds(message.made_s - message.held_s, message.made_s);
    run.live = Boolean(run.source) && !run.stopped;
    const data = bytes(message.data);
    if (!run.stopped) run.waiting.push(data);
    keepPart(data);
    feed();
  },
  end(message) {
    run.ended = true;
    run.made = run.total = message.made_s;
    run.kept = message.film_s ?? null;
    run.stopped = run.stopped || message.stopped;
    if (message.data && !run.stopped) run.waiting.push(bytes(message.data));
    if (message.sentence) notice(message.sentence);
    feed();
    if (run.stopped || !run.source) over();
  },
  error(message) {
    run.ended = run.failed = true;
    run.total = run.made;
    feed();
    say("failed", message.sentence);
    find("as-it-is").hidden = !message.no_face;
  },
};

/** Stop: the server's work while there is some, else the playback. */
function stop() {
  if (run.left || (!run.working && !run.live)) return;
  run.stopped = true;
  if (!run.made) keep("unfinished", null);
  video.pause();
  if (run.working) {
    say(root.dataset.state, text.state.stopping);
    if (run.speech) run.speech.end();
    else trigger("stop");
  } else {
    over();
  }
  refresh();
}

/** What follows a run: its file, if there is one, and its seed. */
function settle(file, seed) {
  run.working = false;
  if (run.seed !== null) byId("seed").value = seed; // one that cannot be used stays as it was typed
  rememberChoice();
  forgetParts(run.id);
  if (file && run.made) addFilm(file.video || file, seed);
  if (!run.live || !run.source) rest();
  refresh();
}

/** The call failed; the server has usually said why. If not, it was never reached. */
function fail() {
  if (run.left) return;
  if (!run.failed) say("failed", text.problem.away);
  run.ended = run.failed = true;
  if (!run.made) run.live = false;
}

/** The server knows of the stop. A run of which nothing has come waits in line: it leaves. */
function stopWasHeard() {
  if (!run.stopped || run.id || run.ended) return;
  run.ended = run.left = true;
  run.working = run.asked; // else the end of this call would settle the next one
  over();
  trigger("leave");
}

/** The talk was watched to its end, or stopped. */
function over() {
  run.live = false;
  run.playing = false;
  if (!run.failed) say("done", run.stopped ? text.state.stopped : text.state.done);
  refresh();
}
