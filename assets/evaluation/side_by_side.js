// Talks side by side, in the report and in the page: films in step, a blind comparison, and its
// votes as CSV. `root` holds .pairs, .blindly, .save-votes and .voted.

class SideBySide {
  constructor(root, words) {
    this.root = root;
    this.words = words;
    this.votes = new Map(); // pair -> {choice, shown}
    this.find(".blindly").addEventListener("change", () => {
      this.root.querySelectorAll("figure").forEach((figure) => this.draw(figure));
      this.arrange();
    });
    this.find(".save-votes").addEventListener("click", () => this.saveVotes());
    this.pairs().forEach((pair) => this.adopt(pair));
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  pairs() {
    return [...this.root.querySelectorAll(".pair")];
  }

  films(pair) {
    return [...pair.querySelectorAll("video")];
  }

  /** Drops what is shown. */
  forget() {
    this.votes.clear();
    this.find(".pairs").replaceChildren();
    this.showVotes();
  }

  /** Adds a talk to its pair: {pair, pair_html, html}. */
  add({ pair: name, pair_html, html }) {
    let pair = this.pairs().find((each) => each.dataset.pair === name);
    if (!pair) {
      this.find(".pairs").insertAdjacentHTML("beforeend", pair_html);
      pair = this.find(".pairs").lastElementChild;
      this.adopt(pair);
    }
    pair.querySelector(".films").insertAdjacentHTML("beforeend", html);
    this.adoptTalk(pair, pair.querySelector(".films").lastElementChild);
    this.showVotes();
  }

  /** Takes over a pair, whose talks may come later. */
  adopt(pair) {
    const together = pair.querySelector(".together");
    together.addEventListener("click", () => this.playInStep(pair));
    pair.querySelector(".equal").addEventListener("click", (event) =>
      this.vote(pair, event.currentTarget, "no difference"),
    );
    [...pair.querySelector(".films").children].forEach((figure) => this.adoptTalk(pair, figure));
    this.arrange();
  }

  adoptTalk(pair, figure) {
    figure.place = [...figure.parentNode.children].indexOf(figure);
    this.draw(figure);
    const film = figure.querySelector("video");
    const vote = figure.querySelector(".vote");
    vote.addEventListener("click", () => this.vote(pair, vote, figure.dataset.variant));
    film.addEventListener("timeupdate", () => this.follow(pair, figure));
    film.addEventListener("seeking", () => this.follow(pair, figure));
    for (const name of ["play", "pause", "ended"]) {
      film.addEventListener(name, () => this.showPlaying(pair));
    }
    this.arrange();
  }

  // --- films in step -----------------------------------------------------------------------------
  playInStep(pair) {
    const films = this.films(pair);
    if (films.some((film) => !film.paused)) {
      films.forEach((film) => film.pause());
      return;
    }
    for (const film of this.root.querySelectorAll("video")) film.pause();
    const over = films.some((film) => film.ended);
    films.forEach((film, index) => {
      film.currentTime = over ? 0 : films[0].currentTime;
      film.muted = index > 0; // all of them say the same
    });
    Promise.all(films.map((film) => film.play())).catch(() => {});
  }

  /** The others go where the first film that plays goes. */
  follow(pair, figure) {
    const film = figure.querySelector("video");
    const share = film.duration ? film.currentTime / film.duration : 0;
    for (const now of figure.querySelectorAll(".now")) {
      const { width, height } = now.ownerSVGElement.viewBox.baseVal;
      now.setAttribute("d", "M" + (share * width).toFixed(1) + " 0V" + height);
    }
    const films = this.films(pair);
    if (film !== (films.find((each) => !each.paused) || film)) return;
    for (const other of films) {
      const apart = Math.abs(other.currentTime - film.currentTime);
      if (other !== film && apart > (other.paused ? 0.001 : 0.06) && !other.seeking) {
        other.currentTime = film.currentTime;
      }
    }
  }

  showPlaying(pair) {
    const plays = this.films(pair).some((film) => !film.paused);
    pair.querySelector(".together").textContent = plays ? this.words.pause : this.words.together;
  }

  // --- votes -------------------------------------------------------------------------------------
  vote(pair, button, choice) {
    const figures = [...pair.querySelectorAll("figure")];
    const shown = figures.map((figure) => figure.dataset.variant).join(" | ");
    this.votes.set(pair.dataset.pair, { choice, shown });
    for (const each of pair.querySelectorAll(".vote, .equal")) {
      each.setAttribute("aria-pressed", String(each === button));
    }
    this.showVotes();
  }

  showVotes() {
    this.find(".save-votes").disabled = !this.votes.size;
    const numbers = { votes: this.votes.size, pairs: this.pairs().length };
    const words = this.words.voted.replace(/\{(\w+)\}/g, (_, name) => numbers[name]);
    this.find(".voted").textContent = this.votes.size ? words : "";
  }

  saveVotes() {
    const quoted = (text) => '"' + text.replaceAll('"', '""') + '"';
    const rows = [...this.votes].map(([pair, { choice, shown }]) => [pair, choice, shown].map(quoted));
    const lines = ["pair,choice,shown from left to right", ...rows.map((row) => row.join(","))];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "votes.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // Safari reads it later
  }

  draw(figure) {
    figure.drawn = Math.random();
  }

  /** Blind: names and figures are hidden, and each pair has an order of its own.
   *
   * A pair is shown once it is whole: which talk came first would say which setting it has. */
  arrange() {
    const blind = this.find(".blindly").checked;
    this.root.classList.toggle("blind", blind);
    for (const pair of this.pairs()) {
      const row = pair.querySelector(".films");
      const waits = blind && row.children.length < Number(pair.dataset.talks);
      if (waits) for (const film of this.films(pair)) film.pause();
      row.hidden = pair.querySelector(".together").hidden = waits;
      pair.querySelector(".waits").hidden = !waits;
      const order = [...row.children].sort((a, b) => (blind ? a.drawn - b.drawn : a.place - b.place));
      if (order.some((each, index) => each !== row.children[index])) row.append(...order);
      pair.querySelector(".equal").hidden = !blind || waits;
    }
  }
}
