// A typed sentence as a voice, where the server has a speaker for it.

const form = byId("sentence");

async function speakSentence() {
  const sentence = byId("words").value.trim();
  if (!sentence) {
    problem("sentence", text.sentence.empty);
    return true;
  }
  problem("sentence", "");
  const mine = ++voiceChoices;
  const hint = form.querySelector(".ft-hint");
  const words = hint.textContent;
  hint.textContent = text.sentence.making;
  let spoken;
  try {
    spoken = await server.speak({ sentence, speaker: byId("speaker").value });
  } catch (error) {
    console.debug("not spoken:", error);
  }
  spoken = spoken || { problem: text.sentence.failed }; // Gradio answers a refusal with nothing
  hint.textContent = words;
  problem("sentence", spoken.problem || "");
  if (mine !== voiceChoices) return true;
  if (spoken.problem) return false;
  const voice = { ...spoken, name: "sentence", label: text.sentence.name, own: true };
  voice.file = fileOf(voice);
  voice.url = voice.file.url;
  chooseVoiceByHand(voice);
  return true;
}
const speakOnce = once(speakSentence);

for (const speaker of page.speakers) {
  byId("speaker").append(new Option(nameOf(speaker), speaker));
}
byId("speaker").hidden = page.speakers.length < 2;
for (const part of form.querySelectorAll("textarea, button")) part.disabled = !page.speakers.length;
form.querySelector(".ft-hint").textContent = page.speakers.length
  ? fill(text.sentence.hint, { library: page.library })
  : text.sentence.missing;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  wait(speakOnce());
});
