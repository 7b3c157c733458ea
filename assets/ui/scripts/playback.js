// When the live video plays and when it waits. The element's own events are believed: a picture
// that does not move is a stall, whatever the buffer says. Entry points: watchPlayback, play.

const HOLD_S = 0.3; // lateness of a fragment that playback survives
const LONGEST_HOLD_S = 8; // a slow machine may stall, but nobody waits longer than this for it
const EMPTY_S = 0.1; // less than this ahead: about to run dry; Chromium stops at 0.05 to 0.065 s
const SPEECH_EMPTY_S = 0.07; // of somebody who speaks live: every tenth of a second is lag
const FROZEN_MS = 400; // without a new time: it stands
const LINE_MS = 1500; // without a word of the server: the talk waits in line
let movedAt = 0; // when the time was last seen to change
let movedTo = 0;

const waitedInLine = () => run.turnAt - run.clickedAt > LINE_MS;
const complete = () => run.ended && !run.waiting.length;

function ahead() {
  const { buffered, currentTime } = video;
  for (let i = 0; i < buffered.length; i++) {
    const inside = buffered.start(i) <= currentTime + EMPTY_S && currentTime < buffered.end(i);
    if (inside) return buffered.end(i) - currentTime;
  }
  return 0;
}

/** What must be ready so that a machine slower than playback does not run dry before the end. */
function needed() {
  if (run.speech) return SPEECH_EMPTY_S;
  if (!run.speed) return Infinity;
  const shortfall = run.speed < 1 ? (run.total - run.made) * (1 / run.speed - 1) : 0;
  return HOLD_S + shortfall;
}

function crossGap() {
  const ranges = video.buffered;
  for (let i = 0; i < ranges.length; i++) {
    if (ranges.end(i) <= video.currentTime + EMPTY_S) continue;
    if (ranges.start(i) > video.currentTime) video.currentTime = ranges.start(i) + 0.001;
    return;
  }
}

function play() {
  run.playing = true;
  movedAt = performance.now();
  video.play().catch((error) => {
    run.playing = false;
    if (error.name === "NotAllowedError") find("tap").hidden = false;
  });
}

/** Nothing to show: playback holds until enough is there. */
function stall() {
  if (!run.playing || complete()) return;
  run.playing = false;
  run.heldAt = run.speech ? 0 : performance.now(); // live speech is held from the next fragment on
  video.pause();
  run.speech?.stalled();
  say("stalled");
}

function watchPlayback() {
  showClock();
  if (run.working && !run.id && !run.stopped && !run.speech) {
    if (performance.now() - run.clickedAt > LINE_MS) sayPlace();
    return;
  }
  if (!run.live || !run.heldAt || run.stopped || run.paused || video.ended) return;
  run.speech?.leaveHeld();
  if (run.waiting.length) feed(); // a full buffer may have room again
  crossGap();
  if (run.playing) keepPlaying();
  else holdOrPlay();
}

function keepPlaying() {
  if (video.currentTime !== movedTo) {
    movedTo = video.currentTime;
    movedAt = performance.now();
  }
  if (!complete() && ahead() < (run.speech ? SPEECH_EMPTY_S : EMPTY_S)) stall();
  else if (performance.now() - movedAt > FROZEN_MS && !document.hidden) {
    if (root.dataset.state !== "stalled") say("stalled"); // a line that is cut may have said why
  } else if (!run.failed) say("talking");
}

function holdOrPlay() {
  const held_s = (performance.now() - run.heldAt) / 1000;
  const enough = held_s >= (run.speech?.hold_s ?? HOLD_S) && ahead() >= needed();
  if (complete() || enough || (held_s > LONGEST_HOLD_S && ahead() > HOLD_S)) {
    if (find("tap").hidden) play();
    return;
  }
  if (root.dataset.state === "stalled" || run.failed) return;
  // What is ahead grows and what is needed shrinks, together by one second a second.
  const left = run.speed ? Math.min(needed() - ahead(), LONGEST_HOLD_S - held_s) : 0;
  const seconds = Math.ceil(left);
  say("preparing", left > 1 ? fill(text.state.holding_s, { seconds }) : text.state.holding);
}

/** The talk waits for its turn: at a place in line, or the server is silent. */
function sayPlace({ place, wait_s } = {}) {
  if (!place) return say("waiting", navigator.onLine ? text.state.waiting : text.state.offline);
  const words = place > 1 ? text.state.place : text.state.next;
  // in steps, since screen readers say each change
  const about = wait_s > 1 ? fill(text.state.place_s, { seconds: 5 * Math.ceil(wait_s / 5) }) : "";
  say("waiting", fill(words, { place }) + about);
}

video.addEventListener("waiting", () => {
  if (run.live && !video.seeking && ahead() < HOLD_S) stall();
});
video.addEventListener("playing", () => {
  movedAt = performance.now();
});
video.addEventListener("timeupdate", watchPlayback);
setInterval(watchPlayback, 100);
