// What is heard: an example, a sound of one's own. Entry points: chooseVoice, takeSound, useSound.
// A sound that is too long is cut before it is sent, if the visitor wants it so.

const sample = byId("sound").querySelector("audio");
let tooLong = null; // a file that waits for the visitor's word
let voiceChoices = 0; // choices by hand so far: an older one that arrives late is not taken

/** Another voice is chosen from now on; the number of this choice. */
function newVoiceChoice() {
  dropRecording();
  chosen.typed = false;
  return ++voiceChoices;
}

function chooseVoice(voice) {
  chosen.voice = voice;
  problem("sound", "");
  offerCut(null);
  press(byId("voices").children, voice);
  const shown = byId("sound").querySelector("b");
  shown.textContent = voice ? voice.label || nameOf(voice.name) : "";
  sample.pause();
  if (voice) sample.src = voice.url;
  else sample.removeAttribute("src");
  showSample();
}

const capital = (word) => word.slice(0, 1).toUpperCase() + word.slice(1);
const nameOf = (name) => name.split("-").map(capital).join(" · "); // dora-spanish: Dora · Spanish

function chooseVoiceByHand(voice) {
  chosen.voiceByHand = true;
  chooseVoice(voice);
  changed();
}

/** A sound of one's own: not sent before it is known to be short enough. */
async function takeSound(file) {
  const mine = newVoiceChoice();
  problem("sound", "");
  const seconds = await secondsOf(file);
  if (mine !== voiceChoices) return true;
  if (seconds > page.speech_s || (seconds && file.size > page.upload_mb * MB)) {
    offerCut(file, seconds);
    return true;
  }
  return useSound(mine, file, seconds, file.name);
}

/** Sends the sound of choice `mine` and makes it the voice; `label` is what the page calls it.
 *
 * Resolves to false if it does not get there. */
async function useSound(mine, file, seconds, label) {
  byId("sound").setAttribute("aria-busy", "true");
  find("sound-hint").textContent = fill(text.face.uploading, { name: label });
  const sent = await send(file, "sound", text.voice.failed);
  byId("sound").removeAttribute("aria-busy");
  saySoundHint();
  if (mine !== voiceChoices) return true;
  if (!sent) return false;
  const name = file.name.replace(/\.[^.]*$/, "");
  chooseVoiceByHand({ name, label, own: true, file: sent, url: sent.url, seconds });
  return true;
}

function saySoundHint() {
  const told = { minutes: duration(page.speech_s), size: page.upload_mb };
  find("sound-hint").textContent = fill(text.voice.hint, told);
}

/** Length of a file in seconds, 0 where this browser does not know. */
function secondsOf(file) {
  return new Promise((done) => {
    const probe = document.createElement("video");
    const url = URL.createObjectURL(file);
    const end = (seconds) => {
      URL.revokeObjectURL(url);
      done(Number.isFinite(seconds) ? seconds : 0);
    };
    probe.preload = "metadata";
    probe.onloadedmetadata = () => end(probe.duration);
    probe.onerror = () => end(0);
    setTimeout(end, 5000, 0); // a format that is neither known nor refused
    probe.src = url;
  });
}

function duration(seconds) {
  const words = text.voice;
  if (seconds === 3600) return words.hour;
  if (seconds % 60) return fill(words.seconds, { count: Math.round(seconds) });
  return seconds === 60 ? words.minute : fill(words.minutes, { count: seconds / 60 });
}

const clock = (seconds) =>
  Math.floor(seconds / 60) + ":" + String(Math.floor(seconds % 60)).padStart(2, "0");

function offerCut(file, seconds) {
  tooLong = file;
  const most = duration(page.speech_s);
  find("cut").hidden = !file;
  if (!file) return;
  const size = { size: sizeOf(file), most: page.upload_mb };
  const told = { name: file.name, duration: clock(seconds), most };
  const short = seconds <= page.speech_s; // then it has too many bytes
  problem("sound", short ? fill(text.voice.too_large, { ...told, ...size }) : fill(text.voice.too_long, told));
  find("cut").textContent = short ? text.voice.sound_alone : fill(text.voice.use_first, { most });
}

async function cutAndUse(file) {
  const mine = newVoiceChoice();
  find("sound-hint").textContent = fill(text.voice.cutting, { name: file.name });
  let short;
  try {
    short = await firstSeconds(file, page.speech_s);
  } catch (error) {
    console.debug("not cut:", error);
  }
  saySoundHint();
  if (mine !== voiceChoices) return true;
  if (!short) {
    problem("sound", fill(text.voice.not_cut, { name: file.name, most: duration(page.speech_s) }));
    return false;
  }
  return useSound(mine, short, page.speech_s, file.name);
}

function showSample() {
  const { currentTime, paused } = sample;
  const known = Number.isFinite(sample.duration) ? sample.duration : 0;
  const seconds = known || (chosen.voice && chosen.voice.seconds) || 0;
  byId("duration").textContent = chosen.voice ? clock(Math.round(seconds)) : "";
  byId("sound").querySelector("progress").value = seconds ? currentTime / seconds : 0;
  const listen = find("listen");
  listen.disabled = !chosen.voice;
  listen.setAttribute("aria-label", paused ? text.voice.listen : text.voice.pause);
  find("sample").classList.toggle("ft-still", paused);
}

for (const voice of page.voices) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.name = voice.name;
  voice.file = fileOf(voice);
  voice.url = voice.file.url;
  button.textContent = nameOf(voice.name);
  button.addEventListener("click", () => {
    newVoiceChoice();
    chooseVoiceByHand(voice);
  });
  byId("voices").append(button);
}
find("listen").addEventListener("click", () => {
  if (sample.paused) sample.play().catch(() => {});
  else sample.pause();
});
for (const event of ["play", "pause", "timeupdate", "loadedmetadata", "ended", "emptied"]) {
  sample.addEventListener(event, showSample);
}
find("cut").addEventListener("click", () => {
  const file = tooLong;
  byId("own-sound").focus(); // the pressed button goes
  problem("sound", "");
  offerCut(null);
  wait(cutAndUse(file));
});
