// Runs in the browser's audio thread: what the microphone hears, at any rate, becomes pieces of
// 16 kHz. Each output sample is a sum of the input around its place, weighted by a windowed sinc
// whose edge lies below half of the lower rate, so that nothing folds back.

const RATE_HZ = 16000;
const PIECE = 640; // samples, 40 ms: one frame of video
const REACH = 24; // zero crossings of the sinc on either side
const STEPS = 256; // of the table between two of them

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ratio = sampleRate / RATE_HZ; // input samples for each output sample
    this.scale = 0.92 * Math.min(1, 1 / this.ratio); // edge of the filter, of half the input rate
    this.reach = Math.ceil(REACH / this.scale);
    this.table = this.kernel();
    this.input = new Float32Array(0); // not used up yet
    this.at = this.reach; // place of the next output sample in it
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.loudest = 0;
  }

  kernel() {
    const table = new Float32Array(REACH * STEPS + 2);
    for (let i = 0; i <= REACH * STEPS; i++) {
      const x = i / STEPS;
      const sinc = x ? Math.sin(Math.PI * x) / (Math.PI * x) : 1;
      const window = 0.42 + 0.5 * Math.cos((Math.PI * x) / REACH) + 0.08 * Math.cos((2 * Math.PI * x) / REACH);
      table[i] = sinc * window;
    }
    return table;
  }

  process(inputs) {
    const channels = inputs[0];
    // A microphone that gives nothing gives silence: the talk goes on.
    const count = channels.length ? channels[0].length : 128;
    const kept = new Float32Array(this.input.length + count);
    kept.set(this.input);
    for (const channel of channels) {
      for (let i = 0; i < count; i++) kept[this.input.length + i] += channel[i] / channels.length;
    }
    this.input = kept;
    while (this.at + this.reach < this.input.length) {
      this.write(this.sample(this.at));
      this.at += this.ratio;
    }
    const used = Math.floor(this.at) - this.reach;
    this.input = this.input.slice(used);
    this.at -= used;
    return true;
  }

  sample(place) {
    const { input, table, scale } = this;
    let sum = 0;
    const last = Math.floor(place + this.reach);
    for (let i = Math.max(0, Math.ceil(place - this.reach)); i <= last; i++) {
      const step = Math.abs(i - place) * scale * STEPS;
      const whole = Math.floor(step);
      if (whole > REACH * STEPS) continue;
      sum += input[i] * (table[whole] + (step - whole) * (table[whole + 1] - table[whole]));
    }
    return sum * scale;
  }

  write(value) {
    this.loudest = Math.max(this.loudest, Math.abs(value));
    this.piece[this.filled++] = Math.max(-1, Math.min(1, value)) * 32767;
    if (this.filled < PIECE) return;
    this.port.postMessage({ samples: this.piece.buffer, level: this.loudest }, [this.piece.buffer]);
    this.piece = new Int16Array(PIECE);
    this.filled = this.loudest = 0;
  }
}

registerProcessor("flashtalk-microphone", Microphone);
