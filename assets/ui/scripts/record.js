// The microphone as a voice, and the first seconds of a long sound. Entry points: record,
// endRecording, dropRecording, firstSeconds.

const CUT_HZ = 48_000;
const SPARE_S = 0.5; // a recording ends so long before the limit, since its end takes a while
let recorder = null; // while it records
let recorded = null; // resolves when the recording is the voice

async function record() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    recorder = new MediaRecorder(stream);
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop());
    problem("sound", navigator.mediaDevices ? microphoneProblem(error) : text.speech.insecure);
    return;
  }
  problem("sound", "");
  silenceOthers(null);
  const mine = newVoiceChoice();
  const parts = [];
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const ticking = setInterval(() => {
    showRecording(seconds());
    if (seconds() >= page.speech_s - SPARE_S) endRecording();
  }, 200);
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorded = new Promise((done) => {
    recorder.onstop = () => {
      clearInterval(ticking);
      stream.getTracks().forEach((track) => track.stop());
      const { mimeType } = recorder;
      recorder = null;
      showRecording(null);
      if (mine !== voiceChoices) return done(true);
      const name = "recording" + (mimeType.includes("mp4") ? ".m4a" : ".webm");
      const file = new File(parts, name, { type: mimeType });
      done(useSound(mine, file, Math.min(seconds(), page.speech_s), text.voice.recording));
    };
  });
  recorder.start();
  showRecording(0);
}

/** Ends a recording that runs; Talk waits until it is the voice. */
function endRecording() {
  if (!recorder || recorder.state === "inactive") return;
  wait(recorded);
  recorder.stop();
}

/** Ends a recording that runs and takes nothing of it. */
function dropRecording() {
  if (recorder?.state !== "recording") return;
  recorder.stop();
}

function showRecording(seconds) {
  const button = byId("record");
  button.setAttribute("aria-pressed", String(seconds !== null));
  const words = fill(text.voice.stop_recording, { seconds: Math.floor(seconds || 0) });
  button.textContent = seconds === null ? text.voice.record : words;
}

/** The first `seconds` of a sound or video as a WAV file. */
async function firstSeconds(file, seconds) {
  const decoder = new OfflineAudioContext(1, 1, CUT_HZ);
  const sound = await decoder.decodeAudioData(await file.arrayBuffer());
  const count = Math.min(sound.length, Math.floor(seconds * CUT_HZ));
  const channels = [...Array(Math.min(2, sound.numberOfChannels)).keys()].map((each) =>
    sound.getChannelData(each).subarray(0, count),
  );
  const name = file.name.replace(/\.[^.]*$/, "") + ".wav";
  return new File([wavOf(channels)], name, { type: "audio/wav" });
}

/** Channels of -1..1 as 16-bit WAV. */
function wavOf(channels) {
  const [count, width] = [channels[0].length, 2 * channels.length];
  const view = new DataView(new ArrayBuffer(44 + count * width));
  const write = (at, word) => [...word].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + count * width, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels.length, true);
  view.setUint32(24, CUT_HZ, true);
  view.setUint32(28, CUT_HZ * width, true);
  view.setUint16(32, width, true);
  view.setUint16(34, 16, true);
  write(36, "data");
  view.setUint32(40, count * width, true);
  for (let i = 0, at = 44; i < count; i++) {
    for (const channel of channels) {
      view.setInt16(at, 32767 * Math.max(-1, Math.min(1, channel[i])), true);
      at += 2;
    }
  }
  return view.buffer;
}

const recordOnce = once(record);
byId("record").addEventListener("click", () => (recorder ? endRecording() : recordOnce()));
