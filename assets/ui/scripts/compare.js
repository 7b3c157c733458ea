// A comparison on the server: asked for again and again while it is made; its talks come one by one.
// It outlives a cut or a reload. Entry points: compareStop, resumeComparison.

const LOOK_MS = 700;
const compareUrl = (path) => liveAddress().replace(/live$/, "compare") + path;
const sides = new SideBySide(byId("panel-compare"), text.compare);
let comparison = null; // {id, count}: of the one that is shown; without an id it is asked for
let looking = 0; // of several askers the last one goes on

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const reply = await fetch(compareUrl(path), { ...options, signal: AbortSignal.timeout(15000) });
  const answer = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(answer.error), { status: reply.status });
  return answer;
}

async function compareRun() {
  problem("plan", "");
  enableCompare(true);
  const mine = (comparison = { id: null, count: 0, stopped: false });
  try {
    await Promise.all(pending);
    const { id } = await ask("", planned());
    follow(id);
    if (mine.stopped) compareStop();
  } catch (error) {
    enableCompare(false);
    // fetch says with a TypeError or a timeout that nobody was reached
    problem("plan", error.status ? error.message : text.compare.away);
  }
}

/** Shows the comparison called `id` from its beginning, until it is over. */
async function follow(id) {
  comparison = { id, count: 0 };
  keep("comparison", id);
  sides.forget();
  find("files").replaceChildren(); // they are another comparison's
  find("results").hidden = true;
  const mine = ++looking;
  enableCompare(true);
  for (;;) {
    try {
      const told = await ask("/" + id + "?from=" + comparison.count);
      if (mine !== looking) return;
      problem("plan", "");
      takeIn(told);
      if (["done", "stopped", "failed"].includes(told.state)) break;
    } catch (error) {
      if (mine !== looking) return;
      const gone = error.status === 404;
      problem("plan", gone ? text.compare.gone : text.compare.away);
      if (gone) {
        keep("comparison", null);
        break;
      }
    }
    await pause(LOOK_MS);
  }
  enableCompare(false);
}

function takeIn(told) {
  comparison.count = told.count;
  for (const talk of told.new) sides.add(talk);
  find("results").hidden = !told.count;
  find("results").querySelector("h2").textContent = fill(text.compare.results, told);
  if (told.count) offerFiles();
  find("made").value = told.total_s ? told.made_s / told.total_s : 0;
  const numbers = { number: Math.min(told.count + 1, told.talks), talks: told.talks };
  const seconds = { made: told.made_s.toFixed(0), total: told.total_s.toFixed(0) };
  if (told.state === "stopped") numbers.number = told.count;
  // what screen readers say at each change has no seconds
  const words = told.state === "failed" ? "" : fill(text.compare[told.state], numbers);
  if (find("progress").textContent !== words) find("progress").textContent = words;
  find("made-s").textContent = told.state === "making" ? fill(text.compare.made_s, seconds) : "";
  problem("plan", told.sentence);
  byId("compare-go-on").hidden = told.state !== "stopped";
}

function offerFiles() {
  const files = { report: "report.html", table: "figures.csv", all: "everything.zip" };
  if (find("files").children.length) return;
  for (const [name, file] of Object.entries(files)) {
    const link = document.createElement("a");
    link.className = "ft-quiet";
    link.textContent = text.compare[name];
    link.href = compareUrl("/" + comparison.id + "/" + file);
    if (name === "report") link.target = "_blank";
    else link.download = file;
    find("files").append(link);
  }
}

function enableCompare(runs) {
  const buttons = [
    ["compare-stop", runs, byId("compare-run")],
    ["compare-run", !runs && !page.compare.refusal, byId("compare-stop")],
  ];
  // first the one that comes on: only that can have the focus
  for (const each of runs ? buttons : buttons.reverse()) enable(...each);
  if (runs) byId("compare-go-on").hidden = true;
}

function compareStop() {
  if (!comparison) return;
  comparison.stopped = true;
  if (comparison.id) ask("/" + comparison.id + "/stop", {}).catch(() => {});
}

async function compareGoOn() {
  const { id } = comparison;
  enableCompare(true);
  byId("compare-stop").focus();
  await ask("/" + id + "/go-on", {}).catch(() => {});
  follow(id);
}

/** What this tab had before it was loaded anew. */
function resumeComparison() {
  const id = kept("comparison");
  if (id && !page.compare.refusal) follow(id);
}

plan.addEventListener("submit", (event) => {
  event.preventDefault();
  compareRun();
});
byId("compare-stop").addEventListener("click", compareStop);
byId("compare-go-on").addEventListener("click", compareGoOn);
if (page.compare.refusal) {
  problem("plan", page.compare.refusal);
  enableCompare(false);
}
