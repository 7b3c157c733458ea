// Nothing is lost on a cut or a reload: the parts of a talk that is not finished wait in this
// browser, and its choice in this tab (choice.js). Gradio loads the page anew when the connection
// is back. Entry points: keepPart, forgetParts, resume.
//
// Of a long live talk the browser keeps the beginning alone; its film, which the server makes when the
// page is left, has the end.
//
// A tab that is duplicated brings what its original kept, also a talk that goes on there. So each
// page has a name of its own, and answers when another one asks for it.

const STORE = "parts";
const FILM_MS = 10000; // what the server needs for a film
const ANSWER_MS = 300; // what a page that is there needs for its answer
const PAGE = Math.random().toString(36).slice(2);
const otherTabs = openChannel();

function openChannel() {
  try {
    return new BroadcastChannel("flashtalk");
  } catch (error) {
    console.debug("no word to other tabs:", error); // forbidden by the visitor, or unknown here
    return null;
  }
}

otherTabs?.addEventListener("message", ({ data }) => {
  if (data.wanted === PAGE) otherTabs.postMessage({ here: PAGE });
});

/** Whether the page called `name` is open in another tab. */
function isOpen(name) {
  if (!otherTabs || !name) return Promise.resolve(false);
  return new Promise((done) => {
    const hear = ({ data }) => data.here === name && end(true);
    const late = setTimeout(() => end(false), ANSWER_MS);
    const end = (answer) => {
      clearTimeout(late);
      otherTabs.removeEventListener("message", hear);
      done(answer);
    };
    otherTabs.addEventListener("message", hear);
    otherTabs.postMessage({ wanted: name });
  });
}

const opened = new Promise((done, fail) => {
  const request = window.indexedDB.open("flashtalk", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { autoIncrement: true });
  request.onsuccess = () => done(request.result);
  request.onerror = fail;
}).catch(() => null); // forbidden by the visitor: a cut loses the talk

async function parts(mode) {
  const database = await opened;
  return database && database.transaction(STORE, mode).objectStore(STORE);
}

/** Keeps a fragment of the talk that runs. */
async function keepPart(data) {
  const { id, made, mime, seed } = run;
  const address = run.speech && made > page.live_film_s ? run.speech.line.address + "/film" : null;
  const facts = { seconds: made, mime, seed, live: Boolean(run.speech), ...run.facts };
  keep("unfinished", { page: PAGE, id, address, ...facts });
  if (address) return;
  const store = await parts("readwrite");
  if (store) store.add({ id, data, at: Date.now() });
}

/** Talk `id` is over. Parts that a closed tab left behind go when the server's files do. */
async function forgetParts(id) {
  keep("unfinished", null);
  const store = await parts("readwrite");
  if (!store) return;
  const oldest = Date.now() - 1000 * page.keep_s;
  store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
    if (!cursor) return;
    if (cursor.value.id === id || !(cursor.value.at > oldest)) cursor.delete();
    cursor.continue();
  };
}

async function partsOf(id) {
  const store = await parts("readonly");
  if (!store) return [];
  const all = await new Promise((done) => {
    store.getAll().onsuccess = (event) => done(event.target.result);
  });
  return all.filter((part) => part.id === id).map((part) => part.data);
}

/** Whether the film at `address` is there, or comes in time. */
async function filmComes(address) {
  for (const from = performance.now(); performance.now() - from < FILM_MS; ) {
    const reply = await fetch(address, { method: "HEAD" }).catch(() => null);
    if (reply?.ok) return true;
    await pause(RETRY_MS);
  }
  return false;
}

/** Shows what was made of a talk that broke off in this tab, or says that nothing was.
 *
 * If none did, the film at `filmBefore`, which was on the stage, comes back. */
async function resume(filmBefore) {
  const before = run;
  const unfinished = kept("unfinished");
  if (!unfinished) {
    forgetParts(null); // what closed tabs left behind
    showAgain(filmBefore);
    return;
  }
  const id = unfinished.id;
  const [data, elsewhere] = await Promise.all([id ? partsOf(id) : [], isOpen(unfinished.page)]);
  if (run !== before) return; // something else was chosen or begun meanwhile
  if (elsewhere) {
    keep("unfinished", null);
    return;
  }
  forgetParts(id);
  if (!data.length) {
    say("ready", id ? text.resume.back : text.resume.not_begun);
    return;
  }
  const { address, mime } = unfinished;
  const whole = address && (await filmComes(address));
  if (run !== before) return;
  const url = whole ? address : URL.createObjectURL(new Blob(data, { type: mime }));
  film = { ...unfinished, url, name: "flashtalk-part.mp4" };
  say("done", unfinished.live ? text.resume.part_live : text.resume.part);
  offerFilm();
  rest();
}
