// Finished talks of this visit: the one on the stage with its row of buttons, and the earlier ones
// as small pictures. Entry points: addFilm, showFilm, showAgain, putFilmAway, rest.

const MOST_FILMS = 12;
const SMALL_PX = 96;
let films = [];
let film = null; // the one on the stage

function addFilm(file, seed) {
  film = {
    url: file.url,
    name: (file.path || file.orig_name).split(/[\\/]/).pop(),
    seconds: run.kept ?? run.made,
    seed,
    ...(run.facts || filmFacts()),
    small: stillPicture(SMALL_PX, SMALL_PX),
  };
  films = [film, ...films].slice(0, MOST_FILMS);
  keep("films", films);
  listFilms();
  offerFilm();
}

/** What a talk that begins now is made of. */
function filmFacts() {
  return {
    portrait: chosen.portrait && chosen.portrait.name,
    voice: run.speech ? text.film.live : chosen.voice && chosen.voice.name,
    ownPortrait: Boolean(chosen.portrait && chosen.portrait.own),
    ownVoice: Boolean(run.speech || (chosen.voice && chosen.voice.own)),
    steps: byId("steps").value,
  };
}

/** The middle of what the stage shows, as a data URL. */
function stillPicture(width, height) {
  const shown = video.videoWidth ? video : poster;
  const wide = video.videoWidth || poster.naturalWidth;
  const high = video.videoHeight || poster.naturalHeight;
  const scale = Math.max(width / wide, height / high);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const [left, top] = [(width - scale * wide) / 2, (height - scale * high) / 3];
  canvas.getContext("2d").drawImage(shown, left, top, scale * wide, scale * high);
  return canvas.toDataURL("image/jpeg", 0.8);
}

function labelOf(each) {
  return fill(text.film.label, {
    portrait: nameOf(each.portrait || text.film.own_portrait),
    voice: nameOf(each.voice || text.film.own_voice),
    seconds: each.seconds.toFixed(1),
  });
}

function listFilms() {
  if (!films.length) return;
  find("earlier").replaceChildren(
    ...films.map((each) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = labelOf(each);
      button.setAttribute("aria-pressed", String(each === film));
      const picture = document.createElement("img");
      picture.src = each.small;
      picture.alt = labelOf(each);
      button.append(picture);
      button.addEventListener("click", () => showFilm(each));
      return button;
    }),
  );
}

function offerFilm() {
  keep("shown", film.url);
  const link = byId("download");
  link.href = film.url;
  link.download = film.name;
  find("earlier").querySelectorAll("button").forEach((button, index) => {
    button.setAttribute("aria-pressed", String(films[index] === film));
  });
  refresh();
}

/** Plays a finished talk on the stage in place of what is there. */
function showFilm(each) {
  if (run.working) return;
  release();
  video.removeAttribute("poster");
  run = fresh();
  film = each;
  find("notices").replaceChildren();
  find("as-it-is").hidden = true;
  clearNumbers();
  say("done");
  offerFilm();
  replay();
}

function putFilmAway() {
  film = null;
  keep("shown", null);
}

/** The film at `address`, which was on the stage before the page was loaded anew, is there again. */
async function showAgain(address) {
  const before = run;
  const each = films.find(({ url }) => url === address);
  const reply = each && (await fetch(address, { method: "HEAD" }).catch(() => null));
  if (!reply?.ok || run !== before || film) return;
  film = each;
  say("done");
  offerFilm();
  rest();
}

/** Has the whole film in the element: the live buffer where that is whole, else the file. */
function rest() {
  if (!film) return;
  const whole = run.source && run.kept === null && !run.trimmed && !run.lost && !run.stopped && !run.failed;
  if ((whole && video.src.startsWith("blob:")) || video.src.endsWith(film.url)) return;
  const time = Math.min(video.currentTime, film.seconds - 0.05);
  if (video.videoWidth) video.poster = stillPicture(video.videoWidth, video.videoHeight);
  release();
  run.source = null;
  video.src = film.url;
  video.currentTime = Math.max(0, time);
  showPicture();
}

async function copy(words, said) {
  try {
    await navigator.clipboard.writeText(words);
    tell(said);
  } catch {
    tell(fill(text.film.not_copied, { words }));
  }
}

byId("copy-seed").addEventListener("click", () => {
  copy(String(film.seed), fill(text.film.seed_copied, { seed: film.seed }));
});
