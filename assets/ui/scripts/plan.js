// What is to be compared: two settings, the faces and the voices. Entry points: showPlan, planned.
// `page.compare` says what each model can do; flashtalk/ui/compare/choices.py writes it.

const plan = byId("plan");
const LETTERS = page.compare.models.length ? ["A", "B"] : [];

const modelOf = (side) => {
  const name = side.querySelector("[name=model]").value;
  return page.compare.models.find((model) => model.name === name);
};

/** A labeled choice; `options` are [value, words], and the first is chosen. */
function choiceOf(name, label, options) {
  const row = document.createElement("label");
  const list = document.createElement("select");
  list.name = name;
  list.append(...options.map(([value, words]) => new Option(words, value)));
  row.append(label, list);
  row.hidden = options.length < 2;
  return row;
}

const ownWords = (value) => fill(text.compare.own, { value });

/** The choices of one model, each of which begins with "as it ships". */
function choicesOf(model) {
  const words = text.compare;
  const pixels = (size) => {
    const [height, width] = size.split("x");
    return fill(words.pixels, { height, width });
  };
  const lengths = ({ frames, new_s }, index) => [
    index ? frames : "",
    index ? fill(words.short, { seconds: new_s }) : ownWords(fill(words.long, { seconds: new_s })),
  ];
  const others = model.sizes.filter((size) => model.by_portrait || size !== model.own_size);
  const ownSize = model.by_portrait ? words.by_portrait : pixels(model.own_size);
  const otherSteps = model.steps.filter((steps) => steps !== model.own_steps);
  return [
    choiceOf("steps", words.steps, [["", ownWords(model.own_steps)], ...otherSteps.map((n) => [n, n])]),
    choiceOf("size", words.size, [["", ownWords(ownSize)], ...others.map((s) => [s, pixels(s)])]),
    choiceOf(
      "framing",
      text.face.framing,
      model.framings.map((way, index) => [index ? way : "", index ? text.face.picture : text.face.only]),
    ),
    choiceOf("chunk_frames", words.chunk, model.chunks.map(lengths)),
    choiceOf("color_match", words.color, [["", ownWords(words.on)], [0, words.off]]),
  ];
}

function sideOf(letter) {
  const side = document.createElement("fieldset");
  const legend = document.createElement("legend");
  legend.textContent = fill(text.compare.setting, { letter });
  const models = page.compare.models.map(({ name }) => [name, name]);
  const model = choiceOf("model", text.compare.model, models);
  const choices = document.createElement("div");
  const refill = () => choices.replaceChildren(...choicesOf(modelOf(side)));
  side.append(legend, model, choices);
  model.addEventListener("change", refill);
  refill();
  return side;
}

/** A face or voice that can be ticked; the chosen one of the first tab is ticked from the start. */
function tickOf(each, label, picture) {
  const row = document.createElement("label");
  const tick = document.createElement("input");
  tick.type = "checkbox";
  tick.each = each;
  row.className = "ft-tick";
  row.append(tick);
  if (picture) {
    const small = document.createElement("img");
    small.src = each.url;
    small.alt = "";
    row.append(small);
  }
  row.append(" " + label);
  return row;
}

function listTicks() {
  const mine = (list, each) => (each && each.own ? [each, ...list] : list);
  const rows = (list, picture) => list.map((each) => tickOf(each, each.label || nameOf(each.name), picture));
  const faces = rows(mine(page.people, chosen.portrait), true);
  const voices = rows(mine(page.voices, chosen.voice), false);
  const same = (one, other) => one && other && one.file.path === other.file.path;
  for (const [box, list, wanted] of [
    [find("faces"), faces, chosen.portrait],
    [find("sounds"), voices, chosen.voice],
  ]) {
    box.replaceChildren(box.querySelector("legend"), ...list);
    for (const { each: one, parentNode } of box.querySelectorAll("input")) {
      parentNode.firstChild.checked = same(one, wanted);
    }
  }
}

const ticked = (name) => [...find(name).querySelectorAll("input:checked")].map((tick) => tick.each);

/** The request of the plan, as flashtalk/ui/compare/asked.py takes it. */
function planned() {
  const settings = [...find("sides").children].map((side) => {
    const given = [...side.querySelectorAll("select")].filter(({ value }) => value !== "");
    const isText = (name) => ["size", "framing", "model"].includes(name);
    return Object.fromEntries(
      given.map(({ name, value }) => [name, isText(name) ? value : Number(value)]),
    );
  });
  for (const each of settings) if (each.model === page.compare.models[0].name) delete each.model;
  const portraits = ticked("faces").map((each) => ({
    path: each.file.path,
    ...(each === chosen.portrait
      ? { face: number("which-face"), without_face: byId("without-face").checked, area: area() }
      : {}),
  }));
  return {
    ...{ portraits, voices: ticked("sounds").map((each) => each.file.path), settings },
    ...{ seed: number("seed"), random_seed: byId("random-seed").checked },
  };
}

function countPlan() {
  const [faces, voices] = [ticked("faces"), ticked("sounds")];
  const pairs = faces.length * voices.length;
  const mine = fill(text.compare.this_seed, { seed: byId("seed").value });
  const seed = byId("random-seed").checked ? text.compare.new_seed : mine;
  const one = { face: nameOf(faces[0]?.name || ""), voice: nameOf(voices[0]?.name || "") };
  const words = pairs === 1 ? text.compare.count_two : text.compare.count;
  find("count").textContent = fill(words, { ...one, pairs, talks: pairs * LETTERS.length, seed });
}

/** The tab is looked at: what was chosen in the other one is ticked here. */
function showPlan() {
  const now = [chosen.portrait, chosen.voice].map((each) => each && each.file.path).join();
  if (plan.chosen !== now) listTicks();
  plan.chosen = now;
  countPlan();
}

find("sides").append(...LETTERS.map(sideOf));
// what differs from the start, so that one click compares something
if (LETTERS.length) find("sides").lastChild.querySelector("[name=steps]").value = "1";
plan.addEventListener("change", countPlan);
