// Speak live: the portrait says what the microphone hears, until Stop. Entry point: speakLive.
// `data-lag-ms` is the time from mouth to screen of the picture shown.

const LEAST_HOLD_S = 0.24; // ahead of the picture shown: lateness that playback survives
const MOST_HOLD_S = 0.9;
const MORE_HOLD_S = 0.08; // after each stall
const FORGET_S = 0.001; // of it at each look: stalls are seldom, and come again
const MOST_CATCH_UP = 0.1; // more than the usual speed, until the lag is made good
const JUMP_S = 1.5; // more than this too much: the pictures between are left out
const LAGS = 50; // pictures whose lag is shown
const WATCH_MS = 1000; // two chunks: what is ahead rises and falls with each

/** The settings as the routes of live speech take them; what is left empty is left out. */
function liveSettings() {
  const given = {
    seed: number("seed"),
    random_seed: run.newSeed || byId("random-seed").checked,
    steps: Number(byId("steps").value),
    face: number("which-face"),
    without_face: byId("without-face").checked,
    framing: framing(),
    area: area(),
    prompt: page.prompt ? byId("prompt").value : "",
  };
  const filledIn = Object.entries(given).filter(([, value]) => value !== null && value !== "");
  return Object.fromEntries(filledIn);
}

async function speakLive() {
  if (run.working || page.not_live || mustAsk(speakLive)) return;
  silenceOthers(null);
  begin();
  const mine = run;
  const speech = (mine.speech = new LiveSpeech(mine));
  frame.focus({ preventScroll: true });
  say("preparing", text.speech.asking);
  try {
    if (!(await choicesAreHere())) return;
    endRecording(); // of a voice that is not spoken here
    if (!chosen.portrait) throw new Error(text.speech.no_portrait);
    await speech.openMicrophone();
    await speech.talk(await portraitFile(), chosen.portrait.file.orig_name, liveSettings());
  } catch (error) {
    speech.close();
    if (run !== mine || mine.stopped) return;
    // fetch says with a TypeError that nobody was reached
    giveUp(error instanceof TypeError ? text.problem.away : error.message);
  }
}

async function portraitFile() {
  const reply = await fetch(chosen.portrait.url);
  if (reply.ok) return reply.blob();
  throw new Error(fill(text.speech.picture_gone, { duration: duration(page.keep_s) }));
}

class LiveSpeech {
  constructor(mine) {
    this.run = mine;
    this.hold_s = LEAST_HOLD_S;
    this.microphone = null;
    this.line = null;
    this.complete = false; // its last message is here
    this.listening = false;
    this.sent = 0; // samples since the talk listens
    this.origin_ms = Infinity; // when its first sample was heard, on the page's clock
    this.lowest_s = Infinity; // least that was ahead since the last look
    this.lags_ms = [];
    this.held = []; // [from, to] in seconds: the person rests, where the machine was too slow
    this.wasMuted = video.muted;
  }

  async openMicrophone() {
    const microphone = await openMicrophone((samples, level) => this.hear(samples, level));
    this.microphone = microphone;
    if (this.run.stopped) throw new Error(text.state.stopped);
    say("preparing");
  }

  /** Opens the talk and follows it to its end. */
  async talk(portrait, name, settings) {
    const talk = await LiveLine.open(portrait, name, settings);
    this.seed = talk.seed;
    this.film = talk.film; // the name of its file
    this.line = new LiveLine(talk);
    if (this.run.stopped) {
      this.line.end(); // the stage may be another talk's by now
      return;
    }
    mute(true);
    find("speech").hidden = false;
    this.watching = setInterval(() => this.watch(), WATCH_MS);
    window.addEventListener("pagehide", this.leave);
    this.measure();
    try {
      this.complete = await this.line.readMessages((message) => this.take(message));
    } finally {
      this.tidy();
    }
    this.finish();
  }

  take(message) {
    if (run !== this.run) return true;
    receive(message);
    return message.kind === "end" || message.kind === "error";
  }

  /** The server hears from now on. */
  listen() {
    this.listening = true;
    say("preparing", text.speech.listening);
    this.line.sendSound();
  }

  hear(samples, level) {
    find("level").value = level;
    if (!this.listening) return;
    this.sent += samples.length;
    // Messages of the audio thread come late by some milliseconds; the least late one says when.
    this.origin_ms = Math.min(this.origin_ms, performance.now() - this.sent / 16);
    this.line.add(samples);
  }

  /** Stop: the speech has ended. */
  end() {
    this.close();
    if (this.line) this.line.end();
    else {
      this.run.ended = true;
      this.run.working = false;
      over();
    }
  }

  leave = () => {
    if (this.run.working) navigator.sendBeacon(this.line.address + "/end");
  };

  tidy() {
    this.close();
    clearInterval(this.watching);
    window.removeEventListener("pagehide", this.leave);
    find("speech").hidden = true;
    video.playbackRate = 1;
    mute(this.wasMuted);
  }

  finish() {
    if (run !== this.run || (!run.working && !run.live)) return;
    if (!this.complete) {
      run.ended = run.failed = true;
      say("failed", text.speech.gone);
    }
    const url = this.line.address + "/film";
    settle(this.complete && run.made ? { url, orig_name: this.film } : null, this.seed);
  }

  close() {
    this.microphone?.close();
    this.microphone = null;
    this.listening = false;
  }

  // --- keeping up ----------------------------------------------------------------------------
  holds(from, to) {
    this.held.push([from, to]);
  }

  /** Leaves a rest once there is something newer. */
  leaveHeld() {
    const now = video.currentTime + 0.04; // its first frame is the one before it
    const [from, to] = this.held[0] || [];
    if (from === undefined || now < from) return;
    const { buffered } = video;
    const made = buffered.length ? buffered.end(buffered.length - 1) : 0;
    if (made < to + 0.02) return;
    this.held.shift();
    if (video.currentTime < to) video.currentTime = Math.max(video.currentTime, to - 0.02);
  }

  stalled() {
    this.hold_s = Math.min(MOST_HOLD_S, this.hold_s + MORE_HOLD_S);
  }

  /** Keeps as little ahead as playback needs: more after a stall, and less by and by. */
  watch() {
    if (run !== this.run) return;
    if (this.line.cutAt && performance.now() - this.line.cutAt > 1000) say("stalled", text.speech.cut);
    this.showLag();
    if (!run.playing || run.ended) return;
    const spare_s = Math.max(0, this.lowest_s - this.hold_s);
    this.lowest_s = Infinity;
    if (spare_s === Infinity) return;
    if (spare_s > JUMP_S) video.currentTime += spare_s;
    video.playbackRate = 1 + (spare_s > JUMP_S ? 0 : Math.min(MOST_CATCH_UP, spare_s));
    this.hold_s = Math.max(LEAST_HOLD_S, this.hold_s - FORGET_S);
  }

  // --- the lag -------------------------------------------------------------------------------
  /** Each picture that is shown says how old its sound is. */
  measure() {
    if (run !== this.run || run.ended || !video.requestVideoFrameCallback) return;
    video.requestVideoFrameCallback((now, shown) => {
      const lag_ms = shown.expectedDisplayTime - this.origin_ms - 1000 * shown.mediaTime;
      const resting = this.held.length && shown.mediaTime >= this.held[0][0]; // it has no sound to show
      if (run === this.run && run.playing && Number.isFinite(lag_ms) && !resting) {
        root.dataset.lagMs = String(Math.round(lag_ms));
        this.lags_ms = [...this.lags_ms.slice(1 - LAGS), lag_ms];
        this.lowest_s = Math.min(this.lowest_s, ahead());
      }
      this.leaveHeld();
      this.measure();
    });
  }

  showLag() {
    if (this.lags_ms.length < 5) return;
    const newest = [...this.lags_ms].sort((a, b) => a - b);
    const seconds = (newest[newest.length >> 1] / 1000).toFixed(2);
    find("lag").textContent = fill(text.speech.lag, { seconds });
  }
}

if (page.not_live) {
  const why = byId("not-live");
  why.textContent = page.not_live;
  why.hidden = false;
  byId("speak-live").setAttribute("aria-describedby", "not-live");
}
