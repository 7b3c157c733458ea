// The player's bar: play and pause, position, again and again, sound, full screen; Space and
// Escape. It works on the live video and on the finished one, in the same element.

let looping = false;

function toggle() {
  if (run.live) {
    run.paused = !run.paused;
    if (run.paused) video.pause();
    else if (run.playing) play();
    sayPaused();
  } else if (film) {
    if (video.paused || video.ended) replay();
    else video.pause();
  }
  refresh();
}

function sayPaused() {
  if (run.failed) return; // why it failed stays to be read
  if (run.paused) say("talking", text.state.paused);
  else if (run.playing) say("talking");
}

/** Something else paused the live video or let it go on: another sound here, a headset, the phone. */
function heedOthers() {
  const meant = run.live && run.playing && !run.stopped && !video.ended;
  if (!meant || run.paused === video.paused) return;
  run.paused = video.paused;
  sayPaused();
}

function seekTo(seconds) {
  const last = Math.max(0, (run.live ? run.made : film ? film.seconds : 0) - 0.05);
  const time = Math.min(Number(seconds), last);
  if (!run.live) rest();
  video.currentTime = time;
  refresh();
}

/** Plays the talk on the stage once more, from its beginning if it has ended. */
function replay() {
  rest();
  if (video.ended) video.currentTime = 0;
  showPicture();
  video.play().catch(() => {});
}

function setLooping(on) {
  looping = on;
  find("loop").setAttribute("aria-pressed", String(on));
}

function watchedToTheEnd() {
  showClock();
  if (run.live && run.ended) over();
  if (looping && film) replay();
  refresh();
}

function mute(on) {
  video.muted = on;
  find("mute").setAttribute("aria-pressed", String(on));
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (frame.requestFullscreen) frame.requestFullscreen();
  else if (video.webkitEnterFullscreen) video.webkitEnterFullscreen();
}

/** Whether a key press on `target` means something else there. */
const takesKeys = (target) =>
  target !== frame && target.closest("button, a, input, textarea, select, summary, dialog, audio");

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return; // Escape closes that
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !document.fullscreenElement) {
    if (inTab("compare")) compareStop();
    else stop();
  }
  if (inTab("compare")) return;
  if (event.key !== " " || takesKeys(event.target) || !(run.live || film)) return;
  event.preventDefault();
  toggle();
});
video.addEventListener("click", toggle);
for (const name of ["play", "pause", "ended", "seeked"]) video.addEventListener(name, refresh);
for (const name of ["play", "pause"]) video.addEventListener(name, heedOthers);
video.addEventListener("ended", watchedToTheEnd);
video.addEventListener("error", broken);
find("play").addEventListener("click", toggle);
find("seek").addEventListener("input", (event) => seekTo(event.target.value));
find("seek").addEventListener("keydown", (event) => {
  const seconds = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  if (!seconds) return;
  event.preventDefault(); // a hundredth, of which a pointer makes use
  seekTo(Math.max(0, video.currentTime + seconds));
});
find("loop").addEventListener("click", () => setLooping(!looping));
find("mute").addEventListener("click", () => mute(!video.muted));
find("full").addEventListener("click", toggleFullScreen);
find("tap").addEventListener("click", (event) => {
  event.currentTarget.hidden = true;
  frame.focus();
  play();
});
