// The stage: what the visitor sees and reads of a talk. Entry points: say, notice, usualNotices,
// showPoster, showPicture, refresh. `data-state` is one of ready, waiting, preparing, talking, stalled, done,
// failed; programs may follow it.

const root = find("live");
const frame = find("frame");
const video = find("video");
const poster = find("poster");

function say(state, sentence) {
  if (root.dataset.state !== state) root.dataset.state = state;
  const words = sentence || text.state[state];
  if (find("stage").textContent !== words) find("stage").textContent = words;
}

/** What there is to say before any talk: of the page's pictures, and of the chosen one. */
function usualNotices() {
  find("notices").replaceChildren();
  [page.notices[framing()], ...(look.notices || [])].filter(Boolean).forEach(notice);
}

function notice(sentence) {
  if ([...find("notices").children].some((item) => item.textContent === sentence)) return;
  const item = document.createElement("li");
  item.textContent = sentence;
  find("notices").append(item);
}

/** Shows a still picture in place of the video; without a url, an invitation. */
function showPoster(url) {
  poster.hidden = !url;
  if (url) poster.src = url;
  find("empty").hidden = Boolean(url);
}

/** The stage takes the aspect of what it shows. */
function fitFrame(width, height) {
  if (width && height) frame.style.setProperty("--aspect", width / height);
}
new ResizeObserver(() => {
  find("controls").classList.toggle("ft-narrow", frame.clientWidth <= 400);
  find("controls").classList.toggle("ft-thin", frame.clientWidth <= 270);
}).observe(frame);
poster.addEventListener("error", () => (poster.hidden = true)); // some only the server can read
poster.addEventListener("load", () => fitFrame(poster.naturalWidth, poster.naturalHeight));
video.addEventListener("loadedmetadata", () => fitFrame(video.videoWidth, video.videoHeight));

/** Shows the video; its own pixels say that it is generated. */
function showPicture() {
  poster.hidden = true;
  find("empty").hidden = true;
}

function clearNumbers() {
  for (const name of ["fps", "speed", "first"]) find(name).textContent = "";
}

function showSpeed(message) {
  const frames = message.frames_per_s.toFixed(0);
  find("fps").textContent = fill(text.stage.frames_per_s, { frames });
  find("speed").textContent = fill(text.stage.real_time, { speed: message.real_time.toFixed(2) });
}

/** Buttons and bar, after anything has changed. */
function refresh() {
  enable("talk", !run.working, frame);
  enable("speak-live", !run.working && !page.not_live, frame);
  enable("stop", run.working || run.live, byId("talk"));
  const playable = run.live || Boolean(film);
  if (!run.live) find("tap").hidden = true;
  keepFocusIn(find("controls"), playable);
  find("controls").hidden = !playable;
  keepFocusIn(find("film"), Boolean(film));
  find("film").inert = !film;
  find("earlier").inert = run.working; // the stage is the running talk's
  showClock();
  const still = video.paused || video.ended;
  root.classList.toggle("ft-still", still);
  find("play").setAttribute("aria-label", still ? text.stage.play : text.stage.pause);
}

/** Switches a button; a switched-off one hands the focus on, so that it never gets lost. */
function enable(id, on, next) {
  const button = byId(id);
  if (button.disabled === !on) return;
  const focused = document.activeElement === button;
  button.disabled = !on;
  // The second press of a double click meets the row in its place, which leaves the focus alone.
  button.style.pointerEvents = on ? "" : "none";
  button.parentElement.onmousedown = keepFocus;
  if (focused && !on) next.focus({ preventScroll: true });
}

/** Hands the focus on, should it be in a part that goes. */
function keepFocusIn(part, stays) {
  if (!stays && part.contains(document.activeElement)) frame.focus({ preventScroll: true });
}

function keepFocus(event) {
  if (event.target === event.currentTarget) event.preventDefault();
}

function showClock() {
  const total = run.live ? run.total : film ? film.seconds : 0;
  const played = Math.min(video.currentTime, total);
  const seek = find("seek");
  seek.max = total || 1;
  if (!seek.matches(":active")) seek.value = played;
  const share = (seconds) => (total ? Math.min(100, (100 * seconds) / total) : 0) + "%";
  seek.style.setProperty("--played", share(played));
  seek.style.setProperty("--made", share(run.live ? run.made : total));
  const numbers = { played: played.toFixed(1), total: total.toFixed(1) };
  // whole seconds: a screen reader says each change
  const place = fill(text.stage.position, { ...numbers, played: played.toFixed(0) });
  if (seek.getAttribute("aria-valuetext") !== place) seek.setAttribute("aria-valuetext", place);
  find("clock").textContent = total ? fill(text.stage.clock, numbers) : "";
}
