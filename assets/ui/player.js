// The live player's half in the browser; runs once, as js_on_load of the gr.HTML component.
// Each value of the component is one message of flashtalk/ui/player.py (JSON text). Fragments are
// appended to one MediaSource per run; the video element itself lives as long as the page.

const HOLD_S = 0.3; // lateness of a fragment that playback survives
const LONGEST_HOLD_S = 8; // a slow machine may stall, but nobody waits longer than this for it
const KEEP_BEHIND_S = 10; // played video that stays in memory
const EMPTY_S = 0.06; // less than this ahead: playback is about to run dry

const find = (name) => element.querySelector(".ft-" + name);
const root = find("live");
const video = find("video");
const poster = find("poster");
const Source = window.ManagedMediaSource || window.MediaSource; // iPhones have only the former
const fresh = () => ({
  id: null, // of the server's run; known with the first message
  next: 0, // number of the message that must come now
  source: null, // MediaSource
  buffer: null, // its SourceBuffer
  mime: "",
  waiting: [], // fragments not appended yet
  clickedAt: 0,
  heldAt: 0, // since when playback waits for fragments; set by the first one
  playing: false, // playback was started and did not run dry
  ended: false, // no more fragments will come
  stopped: false,
  lost: false, // a message did not arrive
  made: 0,
  total: 0,
  speed: 0, // seconds of video made per second; 0 = not known yet
});
let run = fresh();

// --- what the visitor reads ----------------------------------------------------------------------
const STATES = {
  idle: "Ready",
  starting: "Starting",
  queued: "Waiting for a free place",
  preparing: "Preparing the portrait",
  holding: "Starting playback",
  talking: "Talking",
  buffering: "Waiting for more pictures",
  stopping: "Stopping",
  stopped: "Stopped",
  done: "Done",
};
function say(state, sentence) {
  if (root.dataset.state === "failed" && state !== "starting") return;
  root.dataset.state = state;
  const text = sentence || STATES[state];
  if (find("stage").textContent !== text) find("stage").textContent = text;
}
function notice(sentence) {
  const item = document.createElement("li");
  item.textContent = sentence;
  find("notices").append(item);
}
function showPoster(url) {
  poster.hidden = !url;
  if (url) poster.src = url;
  find("empty").hidden = Boolean(url);
}
function showClock() {
  const played = Math.min(video.currentTime, run.made || 0);
  const share = (seconds) => (run.total ? Math.min(100, (100 * seconds) / run.total) : 0) + "%";
  find("made").style.width = share(run.made);
  find("played").style.width = share(played);
  const clock = played.toFixed(1) + " s / " + run.total.toFixed(1) + " s";
  find("clock").textContent = run.total ? clock : "";
}

// --- a run ---------------------------------------------------------------------------------------
function begin() {
  release();
  run = fresh();
  run.clickedAt = performance.now();
  for (const name of ["fps", "speed", "first"]) find(name).textContent = "–";
  find("notices").replaceChildren();
  find("tap").hidden = true;
  find("as-it-is").hidden = true;
  root.dataset.state = "starting";
  say("starting");
  showPoster(poster.getAttribute("src"));
  if (!Source) {
    notice("This browser cannot play live video. The finished video appears below later.");
    return;
  }
  const source = (run.source = new Source());
  source.addEventListener("sourceopen", feed);
  video.src = URL.createObjectURL(source);
  // A play() inside the click allows sound later on, also on phones.
  video.play().catch(() => {});
  video.pause();
  if (video.requestVideoFrameCallback) {
    const mine = run;
    video.requestVideoFrameCallback(() => mine === run && firstPicture());
  } else video.addEventListener("loadeddata", firstPicture, { once: true });
  if (root.getBoundingClientRect().top < 0) root.scrollIntoView({ behavior: "smooth" });
}
function firstPicture() {
  poster.hidden = true;
  find("first").textContent = ((performance.now() - run.clickedAt) / 1000).toFixed(2) + " s";
}
function release() {
  video.pause();
  if (!video.src) return;
  URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}
function stop() {
  if (run.ended || root.dataset.state === "idle") return;
  run.stopped = true;
  video.pause();
  say("stopping");
}

// --- fragments -----------------------------------------------------------------------------------
function bytes(base64) {
  const text = atob(base64);
  const array = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) array[i] = text.charCodeAt(i);
  return array;
}
function feed() {
  const { source, mime } = run;
  if (!source || source.readyState === "closed") return;
  if (!run.buffer) {
    if (!mime) return;
    if (!Source.isTypeSupported(mime)) {
      notice("This browser cannot play H.264 video. The finished video can be saved below.");
      run.source = null;
      return;
    }
    run.buffer = source.addSourceBuffer(mime);
    run.buffer.addEventListener("updateend", appended);
  }
  if (run.buffer.updating) return;
  if (!run.waiting.length) {
    if (run.ended && source.readyState === "open") source.endOfStream();
    return;
  }
  try {
    run.buffer.appendBuffer(run.waiting[0]);
    run.waiting.shift();
  } catch (error) {
    if (error.name !== "QuotaExceededError") throw error;
    trim(2); // full: make room now, or wait until more was played
  }
}
function appended() {
  run.heldAt = run.heldAt || performance.now();
  if (!trim(2 * KEEP_BEHIND_S)) feed();
  watchPlayback();
}
function trim(longest_s) {
  const { buffer } = run;
  if (!buffer || buffer.updating || !buffer.buffered.length) return false;
  if (video.currentTime - buffer.buffered.start(0) < longest_s) return false;
  buffer.remove(0, video.currentTime - Math.min(longest_s / 2, KEEP_BEHIND_S));
  return true;
}

// --- playback ------------------------------------------------------------------------------------
function ahead() {
  const { buffered } = video;
  return buffered.length ? buffered.end(buffered.length - 1) - video.currentTime : 0;
}
function needed() {
  // What must be ready so that a machine slower than playback does not run dry before the end.
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
  video.play().catch((error) => {
    run.playing = false;
    if (error.name === "NotAllowedError") find("tap").hidden = false;
  });
}
function watchPlayback() {
  showClock();
  const silent_ms = run.clickedAt && !run.id ? performance.now() - run.clickedAt : 0;
  if (silent_ms > 1500 && !run.stopped && !run.ended) say("queued");
  if (!run.heldAt || run.stopped || video.ended) return;
  if (run.waiting.length) feed(); // a full buffer may have room again
  crossGap();
  const complete = run.ended && !run.waiting.length;
  if (run.playing) {
    if (!complete && ahead() < EMPTY_S) {
      run.playing = false;
      run.heldAt = performance.now();
      video.pause();
      say("buffering");
    } else if (!video.paused) {
      say("talking");
    }
    return;
  }
  const held_s = (performance.now() - run.heldAt) / 1000;
  const enough = held_s >= HOLD_S && ahead() >= needed();
  if (complete || enough || (held_s > LONGEST_HOLD_S && ahead() > HOLD_S)) {
    if (find("tap").hidden) play();
  } else if (root.dataset.state !== "buffering") {
    // What is ahead grows and what is needed shrinks, together by one second a second.
    const left = run.speed ? Math.min(needed() - ahead(), LONGEST_HOLD_S - held_s) : 0;
    say("holding", left > 1 ? "Playback starts in about " + Math.ceil(left) + " s" : "");
  }
}
function finished() {
  showClock();
  if (run.ended) say(run.stopped ? "stopped" : "done");
}

// --- messages ------------------------------------------------------------------------------------
function receive(message) {
  if (run.id !== message.run) {
    if (run.id || !run.clickedAt) begin(); // a run that this page did not start by a click
    run.id = message.run;
  }
  if (message.number !== run.next && !run.lost) {
    run.lost = true;
    notice("A part of the live video was lost on its way. The finished video below has all of it.");
  }
  run.next = message.number + 1;
  if (message.kind === "stage") {
    if (!run.stopped) say("preparing", message.sentence);
    if (message.poster) showPoster(message.poster);
    message.notices.forEach(notice);
  } else if (message.kind === "fragment") {
    run.mime = run.mime || message.mime;
    run.made = message.made_s;
    run.total = message.total_s;
    if (message.real_time) {
      run.speed = message.real_time;
      find("fps").textContent = message.frames_per_s.toFixed(0);
      find("speed").textContent = message.real_time.toFixed(2) + "× real time";
    }
    if (!run.stopped) run.waiting.push(bytes(message.data));
    feed();
  } else if (message.kind === "end") {
    run.ended = true;
    run.made = message.made_s;
    run.stopped = run.stopped || message.stopped;
    if (message.data && !run.stopped) run.waiting.push(bytes(message.data));
    feed();
    if (run.stopped) video.pause();
    if (run.stopped || !run.source) finished();
  } else if (message.kind === "error") {
    run.ended = true;
    feed();
    say("failed", message.sentence);
    find("as-it-is").hidden = !message.no_face;
  }
  watchPlayback();
}

// --- wiring --------------------------------------------------------------------------------------
watch("value", () => props.value && receive(JSON.parse(props.value)));
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.disabled) return;
  if (button.id === "talk" || button.id === "as-it-is") begin();
  if (button.id === "stop") stop();
}, true);
window.addEventListener("flashtalk:portrait", () => {
  if (run.clickedAt && !run.ended) return;
  showPoster(window.flashtalkPortrait);
  // What was said and offered was of the picture before.
  find("as-it-is").hidden = true;
  find("notices").replaceChildren();
  if (root.dataset.state !== "failed") return;
  root.dataset.state = "idle";
  say("idle");
});
// The event failed; the server has usually said why. If not, it was never reached.
window.addEventListener("flashtalk:failed", () => {
  if (run.left) return;
  run.ended = true;
  say("failed", "The video could not be started: the server is busy or away. Try again soon.");
});
// The server knows of the stop. A run of which nothing has come waits in line: it leaves at once.
window.addEventListener("flashtalk:stopped", () => {
  if (!run.stopped || run.id || run.ended) return;
  run.ended = run.left = true;
  say("stopped");
  document.getElementById("leave").click();
});
showPoster(window.flashtalkPortrait || "");
find("tap").addEventListener("click", (event) => {
  event.currentTarget.hidden = true;
  play();
});
find("as-it-is").addEventListener("click", () => document.getElementById("as-it-is").click());
find("mute").addEventListener("click", (event) => {
  video.muted = !video.muted;
  event.currentTarget.setAttribute("aria-pressed", String(video.muted));
});
find("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (find("frame").requestFullscreen) find("frame").requestFullscreen();
  else if (video.webkitEnterFullscreen) video.webkitEnterFullscreen();
});
video.addEventListener("ended", finished);
video.addEventListener("error", () => {
  if (video.getAttribute("src") && video.error) {
    notice("The live video stopped in this browser. The finished video below has all of it.");
  }
});
setInterval(watchPlayback, 100);
say("idle");
