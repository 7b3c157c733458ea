// The wiring: buttons to rooms, and what Gradio's events call. Loaded last.

let portraitUrl = "";
const chosen = { portrait: "", voice: "", steps: null };

function talk() {
  if (run.working) return;
  silenceOthers(null);
  begin();
  frame.focus({ preventScroll: true });
  trigger("talk");
}

byId("talk").addEventListener("click", talk);
byId("stop").addEventListener("click", stop);
byId("speak-live").addEventListener("click", () => speakLive());
find("as-it-is").addEventListener("click", () => {
  if (run.speech) {
    speakLive({ without_face: true });
    return;
  }
  begin();
  frame.focus({ preventScroll: true });
  trigger("as_it_is");
});
watch("value", () => props.value && receive(JSON.parse(props.value)));

/** What the page's events call in the browser; see flashtalk/ui/page.py. */
window.flashtalk = {
  settle,
  fail,
  stopWasHeard,
  speak: settingsCame,
  choosePortrait(portrait) {
    portraitUrl = portrait ? portrait.url : "";
    if (run.working || run.live) return;
    film = null;
    release();
    run = fresh();
    showPoster(portraitUrl);
    // What was said and offered was of the picture before.
    find("as-it-is").hidden = true;
    find("notices").replaceChildren();
    clearNumbers();
    say("ready");
    refresh();
  },
};
say("ready");
films = kept("films") || [];
listFilms();
refresh();
