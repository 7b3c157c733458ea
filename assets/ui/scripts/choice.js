// What is chosen: portrait, voice and settings. Entry points: values (what Talk sends), pending
// (what Talk waits for), changed, restoreChoice. `page` holds facts of the server: people, voices,
// limits; flashtalk/ui/player.py writes it.

const chosen = {
  portrait: null, // {name, own, file, url}; file is what Gradio calls FileData
  voice: null, // the same, with seconds
  voiceByHand: false, // a voice that was chosen by hand is not replaced by a person's own
  typed: false, // there are words that are to be the voice, and are not yet
};
let pending = []; // promises of choices that are on their way to the server

const gradioUrl = (rest) => window.gradio_config.root + "/gradio_api/" + rest;
const fileUrl = (path) => gradioUrl("file=" + path);
const fileOf = ({ path, url, name }) => ({
  ...{ path, url: url || fileUrl(path), orig_name: name },
  meta: { _type: "gradio.FileData" },
});

function number(id) {
  const words = byId(id).value.trim();
  if (!words) return null;
  return Number.isNaN(Number(words)) ? words : Number(words); // the server says what is wrong
}

/** The values of a talk, in the order of its parameters. */
function values() {
  const prompt = page.prompt ? [byId("prompt").value] : [];
  return [
    chosen.portrait && chosen.portrait.file,
    chosen.voice && chosen.voice.file,
    number("seed"),
    run.newSeed || byId("random-seed").checked,
    Number(byId("steps").value),
    ...prompt,
    number("which-face"),
    byId("without-face").checked,
    framing(),
    area(),
  ];
}

/** What a talk would begin with, on the stage. */
function showChoice() {
  usualNotices();
  showPoster(look.poster || (chosen.portrait && chosen.portrait.url));
}

/** Something else was chosen: the stage is ready for it, and this tab remembers. */
function changed() {
  rememberChoice();
  if (run.working) return;
  putFilmAway();
  release();
  run = fresh();
  find("as-it-is").hidden = true;
  clearNumbers();
  tell("");
  say("ready");
  showChoice();
  listFilms();
  refresh();
}

function settingsOf() {
  const words = {};
  for (const id of ["seed", "steps", "which-face", "prompt", "area", "words", "speaker"]) {
    words[id] = byId(id).value;
  }
  for (const id of ["random-seed", "without-face"]) words[id] = byId(id).checked;
  for (const way of byId("framing").querySelectorAll("input")) words[way.id] = way.checked;
  return words;
}

function rememberChoice() {
  keep("choice", { ...chosen, settings: settingsOf(), link: window.location.search });
}

function applySettings(settings) {
  for (const [id, value] of Object.entries(settings || {})) {
    const field = byId(id); // of an older page there may be others
    if (field) field[typeof value === "boolean" ? "checked" : "value"] = value;
  }
  showSteps();
}

function showSteps() {
  document.querySelector("output[for=steps]").textContent = byId("steps").value;
}

/** What a link names, else what this tab had, else the first of the gallery. */
function restoreChoice() {
  const link = new URLSearchParams(window.location.search);
  const [visit] = performance.getEntriesByType("navigation");
  const before = kept("choice");
  const sameVisit = visit.type !== "navigate" && before?.link === window.location.search;
  const again = before && (sameVisit || !link.has("steps"));
  if (again) {
    applySettings(before.settings);
    chosen.voiceByHand = before.voiceByHand;
    chosen.typed = before.typed;
  } else if (link.has("seed") && link.has("steps")) {
    const [seed, steps] = [link.get("seed"), link.get("steps")];
    applySettings({ seed, steps, "random-seed": false });
  }
  const person = again ? before.portrait : named(page.people, link.get("face"));
  const voice = again ? before.voice : named(page.voices, link.get("voice"));
  if (!again && voice) chosen.voiceByHand = true;
  choosePortrait(person || page.people[0] || null, voice || undefined, Boolean(again));
  if (voice) chooseVoice(voice);
}

const named = (list, name) => list.find((each) => each.name === name);

/** Presses the button of what is chosen; a file of one's own may have a name of the gallery. */
function press(buttons, choice) {
  for (const button of buttons) {
    const pressed = Boolean(choice) && !choice.own && button.dataset.name === choice.name;
    button.setAttribute("aria-pressed", String(pressed));
  }
}

/** The link that brings gallery face, voice, seed and steps. */
function linkOf(each) {
  const link = new URL(window.location.pathname, window.location.origin);
  const face = !each.ownPortrait && named(page.people, each.portrait);
  const voice = !each.ownVoice && named(page.voices, each.voice);
  if (face) link.searchParams.set("face", face.name);
  if (voice) link.searchParams.set("voice", voice.name);
  link.searchParams.set("seed", each.seed);
  link.searchParams.set("steps", each.steps);
  return { link: link.href, own: !face || !voice };
}

byId("share").addEventListener("click", () => {
  const { link, own } = linkOf(film);
  copy(link, own ? text.film.link_own : text.film.link_copied);
});
byId("advanced").addEventListener("input", () => {
  showSteps();
  rememberChoice();
});
