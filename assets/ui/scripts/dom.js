// What every room uses: parts of the page, words with numbers in them, and what can be heard.
// All rooms share one function; flashtalk/ui/player.py joins them in the order in which it lists
// them. `text` holds the words of texts.json.

const find = (name) => element.querySelector(".ft-" + name);
const byId = (id) => document.getElementById(id);

function fill(sentence, values) {
  return sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Says something short about what a button did; screen readers hear it. */
function tell(sentence) {
  find("told").textContent = sentence;
}

/** Keeps `parts` as numbers of a page that is loaded anew in this tab. */
function keep(name, value) {
  try {
    sessionStorage.setItem("flashtalk." + name, JSON.stringify(value));
  } catch (error) {
    console.debug("nothing can be kept in this tab:", error); // full, or forbidden by the visitor
  }
}

function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem("flashtalk." + name));
  } catch {
    return null;
  }
}

/** `work`, which a second click does not begin anew while it goes on. */
function once(work) {
  let going = null;
  return () => (going ??= work().finally(() => (going = null)));
}

/** Pauses every sound of the page but `wanted`, and what plays in step with it; a camera has none. */
function silenceOthers(wanted) {
  const pair = wanted && wanted.closest(".pair");
  for (const medium of document.querySelectorAll("audio, video")) {
    const inStep = pair && medium.closest(".pair") === pair;
    if (medium !== wanted && !inStep && !medium.srcObject && !medium.paused) medium.pause();
  }
}
const heard = ({ target }) => target.srcObject || silenceOthers(target);
document.addEventListener("play", heard, true);
