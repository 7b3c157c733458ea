// A typed sentence as a voice, where the server has a speaker for it.

const form = byId("sentence");

let speaking = ""; // what the server is asked to speak

async function speakSentence() {
  const sentence = byId("words").value.trim();
  const question = { sentence, speaker: byId("speaker").value };
  const asked = JSON.stringify(question);
  if (asked === speaking) return true; // a second click
  if (!sentence) {
    problem("sentence", text.sentence.empty);
    return true;
  }
  problem("sentence", "");
  const mine = newVoiceChoice();
  speaking = asked;
  saySentenceHint();
  let spoken;
  try {
    spoken = await server.speak(question);
  } catch (error) {
    console.debug("not spoken:", error);
  }
  spoken = spoken || { problem: text.sentence.failed }; // Gradio answers a refusal with nothing
  if (speaking === asked) speaking = "";
  saySentenceHint();
  if (mine !== voiceChoices) return true;
  problem("sentence", spoken.problem || "");
  if (spoken.problem) return false;
  const voice = { ...spoken, name: "sentence", label: text.sentence.name, own: true };
  voice.file = fileOf(voice);
  voice.url = voice.file.url;
  chooseVoiceByHand(voice);
  return true;
}

function saySentenceHint() {
  const words = page.speakers.length ? text.sentence.hint : text.sentence.missing;
  const hint = speaking ? text.sentence.making : fill(words, { library: page.library });
  form.querySelector(".ft-hint").textContent = hint;
}

/** Talk says what was typed last, whether or not its own button was pressed. */
function useTypedWords() {
  if (chosen.typed) wait(speakSentence());
}

for (const speaker of page.speakers) {
  byId("speaker").append(new Option(nameOf(speaker), speaker));
}
byId("speaker").hidden = page.speakers.length < 2;
for (const part of form.querySelectorAll("textarea, button")) part.disabled = !page.speakers.length;
saySentenceHint();
form.addEventListener("input", () => {
  chosen.typed = Boolean(byId("words").value.trim());
  rememberChoice();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  wait(speakSentence());
});
