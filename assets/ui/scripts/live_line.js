// The line to the server for somebody who speaks live, over the routes of docs/live-speech.md: sound
// goes up, messages come down, and a cut of some seconds loses nothing. Entry point: LiveLine.

const LONGEST_CUT_MS = 15000; // the server waits as long
const RETRY_MS = 250;
const MOST_SAMPLES = 16000; // of one request
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

class LiveLine {
  constructor(talk) {
    this.address = liveAddress() + "/" + talk.id;
    this.pieces = []; // sound that the server may not have, in order
    this.heard = 0; // samples that it has
    this.ended = false; // by this side: no more sound will be sent
    this.cutAt = 0; // since when nothing gets through; 0 = it does
    this.wake = () => {};
  }

  /** A talk of the person in `portrait`, a Blob; throws an Error with a sentence. */
  static async open(portrait, name, settings) {
    const form = new FormData();
    form.append("portrait", portrait, name);
    for (const [name, value] of Object.entries(settings)) form.append(name, String(value));
    const reply = await fetch(liveAddress(), { method: "POST", body: form });
    const talk = await reply.json().catch(() => ({})); // a page of something in between
    if (!reply.ok || !talk.id) throw new Error(talk.error || text.problem.away);
    return talk;
  }

  /** Adds sound [Int16Array] to what is sent. */
  add(samples) {
    this.pieces.push(samples);
    this.wake();
  }

  /** Sends sound as it comes; one request at a time takes all that waits. */
  async sendSound() {
    while (!this.ended) {
      if (!this.pieces.length) {
        await new Promise((resolve) => (this.wake = resolve));
        continue;
      }
      const body = this.next();
      const reply = await this.ask("/sound?start=" + this.heard, 4000, { method: "POST", body });
      if (!reply || reply.ended) return;
      this.drop(reply.heard - this.heard);
      this.heard = reply.heard;
    }
  }

  /** Hands every message to `take` until `take` returns true; false if the server is away. */
  async readMessages(take) {
    for (let number = 0; ; ) {
      const messages = await this.ask("/messages/" + number, 14000);
      if (!messages) return false;
      for (const message of messages) {
        number = message.number + 1;
        if (take(message)) return true;
      }
    }
  }

  /** Ends the speech; what was said comes all the same. */
  end() {
    this.ended = true;
    this.wake();
    return this.ask("/end", 4000, { method: "POST" });
  }

  /** The reply's JSON, asked for again while the connection is cut; null once that is hopeless. */
  async ask(path, patience_ms, options = {}) {
    for (;;) {
      try {
        const signal = AbortSignal.timeout(patience_ms);
        const reply = await fetch(this.address + path, { ...options, signal });
        if (reply.status === 404) return null;
        if (reply.ok || reply.status === 409) {
          const answer = await reply.json();
          this.cutAt = 0;
          return answer;
        }
      } catch (error) {
        console.debug("the line is cut:", error);
      }
      this.cutAt = this.cutAt || performance.now();
      if (performance.now() - this.cutAt > LONGEST_CUT_MS) return null;
      await pause(RETRY_MS);
    }
  }

  next() {
    const count = this.pieces.reduce((sum, piece) => sum + piece.length, 0);
    const body = new Int16Array(Math.min(count, MOST_SAMPLES));
    let at = 0;
    for (const piece of this.pieces) {
      body.set(piece.subarray(0, body.length - at), at);
      at += Math.min(piece.length, body.length - at);
    }
    return body;
  }

  drop(count) {
    while (count > 0 && this.pieces.length) {
      const piece = this.pieces[0];
      if (piece.length <= count) this.pieces.shift();
      else this.pieces[0] = piece.subarray(count);
      count -= piece.length;
    }
  }
}

function liveAddress() {
  const page = window.gradio_config?.root || location.href.split(/[?#]/)[0];
  return page.replace(/\/$/, "") + "/live";
}
