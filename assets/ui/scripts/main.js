// The wiring: buttons to rooms, and what Gradio's events call. Loaded last.

/** Talk: inside the click, because browsers allow sound only there. */
async function talk(newSeed) {
  if (run.working || mustAsk(() => talk(newSeed))) return;
  silenceOthers(null);
  begin();
  run.newSeed = newSeed === true;
  frame.focus({ preventScroll: true });
  endRecording();
  if (newSeed !== true) useTypedWords();
  if (!(await choicesAreHere())) return;
  run.asked = true;
  trigger("talk");
}

byId("talk").addEventListener("click", talk);
byId("another").addEventListener("click", () => talk(true));
byId("stop").addEventListener("click", stop);
byId("speak-live").addEventListener("click", () => speakLive());
find("as-it-is").addEventListener("click", () => {
  byId("without-face").checked = true;
  goOn();
});
watch("value", () => props.value && receive(JSON.parse(props.value)));

/** What the page's events call in the browser; see flashtalk/ui/page.py. */
window.flashtalk = { values, settle, fail, stopWasHeard };

find("kept").textContent = fill(text.page.kept, { duration: duration(page.keep_s) });
byId("steps").value = page.steps;
byId("prompt").value = page.prompt;
showSteps();
find("prompt").hidden = !page.prompt;
sayPictureHint();
saySoundHint();
films = kept("films") || [];
const filmBefore = kept("shown");
restoreChoice();
usualNotices();
resume(filmBefore);
showTab(kept("tab") || "talk");
resumeComparison();
