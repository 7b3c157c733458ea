// The report's half in the browser: films in step, a blind comparison, and its votes as CSV.

const body = document.body;
const pairs = [...document.querySelectorAll(".pair")];
const votes = new Map(); // pair -> variant, or "no difference"

function shuffled(items) {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

// --- films in step -------------------------------------------------------------------------------
function films(pair) {
  return [...pair.querySelectorAll("video")];
}
function playInStep(pair) {
  for (const film of document.querySelectorAll("video")) film.pause();
  films(pair).forEach((film, index) => {
    film.currentTime = 0;
    film.muted = index > 0; // all of them say the same
  });
  Promise.all(films(pair).map((film) => film.play())).catch(() => {});
}
function keepInStep(pair) {
  const [first, ...others] = films(pair);
  first.addEventListener("timeupdate", () => {
    for (const film of others) {
      if (!film.paused && Math.abs(film.currentTime - first.currentTime) > 0.06) {
        film.currentTime = first.currentTime;
      }
    }
  });
}

// --- votes ---------------------------------------------------------------------------------------
function vote(pair, chosen, choice) {
  votes.set(pair.dataset.pair, choice);
  for (const each of pair.querySelectorAll(".chosen")) each.classList.remove("chosen");
  chosen.classList.add("chosen");
  document.getElementById("votes").disabled = false;
  document.getElementById("count").textContent = votes.size + " of " + pairs.length + " voted";
}
function quoted(text) {
  return '"' + text.replaceAll('"', '""') + '"';
}
function saveVotes() {
  const rows = [...votes].map((row) => row.map(quoted).join(","));
  const blob = new Blob([["pair,choice", ...rows].join("\n") + "\n"], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = "votes.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}
function setBlind(on) {
  body.classList.toggle("blind", on);
  for (const pair of pairs) {
    const row = pair.querySelector(".films");
    const order = on ? shuffled(row.children) : [...row.children].sort((a, b) => a.place - b.place);
    row.append(...order);
    pair.querySelector(".equal").hidden = !on;
  }
}

for (const pair of pairs) {
  [...pair.querySelector(".films").children].forEach((figure, place) => (figure.place = place));
  keepInStep(pair);
  pair.querySelector(".together").addEventListener("click", () => playInStep(pair));
  pair.querySelector(".equal").addEventListener("click", (event) =>
    vote(pair, event.currentTarget, "no difference"));
  for (const figure of pair.querySelectorAll("figure")) {
    figure.querySelector(".vote").addEventListener("click", () =>
      vote(pair, figure, figure.dataset.variant));
  }
}
document.getElementById("blind").addEventListener("change", (event) =>
  setBlind(event.currentTarget.checked));
document.getElementById("votes").addEventListener("click", saveVotes);
