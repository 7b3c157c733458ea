// Fragments → one MediaSource per talk; the video element itself lives as long as the page.
// Entry points: openSource, feed, broken, release.

const KEEP_BEHIND_S = 10; // played video that stays in memory where the browser has too little
const ANY_H264 = 'video/mp4; codecs="avc1.42E01E"';
const Source = window.ManagedMediaSource || window.MediaSource; // iPhones have only the former

function openSource() {
  if (!Source) {
    notice(text.problem.no_live);
    return;
  }
  const source = (run.source = new Source());
  source.addEventListener("sourceopen", feed);
  video.src = URL.createObjectURL(source);
  video.loop = false;
  // A play() inside the click allows sound later on, also on phones.
  video.play().catch(() => {});
  video.pause();
  if (video.requestVideoFrameCallback) {
    const mine = run;
    video.requestVideoFrameCallback(() => mine === run && firstPicture());
  } else video.addEventListener("loadeddata", firstPicture, { once: true });
}

function firstPicture() {
  if (!run.source) return;
  showPicture();
  // Whoever waited in line counts from their own turn.
  const from = waitedInLine() ? run.turnAt : run.clickedAt;
  const seconds = ((performance.now() - from) / 1000).toFixed(2);
  find("first").textContent = fill(text.stage.first_picture, { seconds });
}

function release() {
  video.pause();
  if (!video.src) return;
  if (video.src.startsWith("blob:")) URL.revokeObjectURL(video.src);
  video.removeAttribute("src");
  video.load();
}

/** The element gave up. After a live video, the finished one takes its place once it is there. */
function broken() {
  if (!video.getAttribute("src") || !video.error) return;
  if (!run.source) {
    const gone = fill(text.problem.film_gone, { duration: duration(page.keep_s) });
    notice(video.canPlayType(ANY_H264) ? gone : text.problem.no_h264);
    return;
  }
  notice(text.problem.broken);
  run.source = run.buffer = null;
  run.live = run.playing = false;
  if (run.ended) over();
  else say("preparing");
  rest();
  refresh();
}

function bytes(base64) {
  const characters = atob(base64);
  const array = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) array[i] = characters.charCodeAt(i);
  return array;
}

function feed() {
  const { source, mime } = run;
  if (!source || source.readyState === "closed") return;
  if (!run.buffer) {
    if (!mime || !run.waiting.length) return; // one that ends empty is an error to the element
    if (!Source.isTypeSupported(mime)) {
      notice(text.problem.no_h264);
      run.source = null;
      return;
    }
    run.buffer = source.addSourceBuffer(mime);
    run.buffer.addEventListener("updateend", appended);
    const mine = run; // phones take video back when they need the memory
    run.buffer.addEventListener("bufferedchange", ({ removedRanges }) => {
      if (removedRanges?.length) mine.trimmed = true;
    });
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
    makeRoom(); // full: now, or once more was played
  }
}

function appended() {
  run.heldAt = run.heldAt || performance.now();
  feed();
  watchPlayback();
}

function makeRoom() {
  const { buffer } = run;
  if (buffer.updating || !buffer.buffered.length) return;
  const end = video.currentTime - KEEP_BEHIND_S;
  if (end <= buffer.buffered.start(0)) return;
  run.trimmed = true;
  buffer.remove(0, end);
}
