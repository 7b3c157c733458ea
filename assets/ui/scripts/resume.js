// Nothing is lost on a cut or a reload: the parts of a talk that is not finished wait in this
// browser, and its choice in this tab (choice.js). Gradio loads the page anew when the connection
// is back. Entry points: keepPart, forgetParts, resume.

const STORE = "parts";

const opened = new Promise((done) => {
  const request = window.indexedDB.open("flashtalk", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { autoIncrement: true });
  request.onsuccess = () => done(request.result);
  request.onerror = () => done(null); // forbidden by the visitor: a cut loses the talk
});

async function parts(mode) {
  const database = await opened;
  return database && database.transaction(STORE, mode).objectStore(STORE);
}

/** Keeps a fragment of the talk that runs. */
async function keepPart(data) {
  const { id, made, mime, seed } = run;
  keep("unfinished", { id, seconds: made, mime, seed, ...filmFacts() });
  const store = await parts("readwrite");
  if (store) store.add({ id, data });
}

/** The talk is finished: its file is on the server. */
async function forgetParts() {
  const mine = run.id;
  sessionStorage.removeItem("flashtalk.unfinished");
  const store = await parts("readwrite");
  if (!store) return;
  store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
    if (!cursor) return;
    if (cursor.value.id === mine) cursor.delete();
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

/** Shows what was made of a talk that broke off in this tab. */
async function resume() {
  const unfinished = kept("unfinished");
  if (!unfinished) return;
  const data = await partsOf(unfinished.id);
  run.id = unfinished.id;
  forgetParts();
  if (!data.length || run.working) return;
  const url = URL.createObjectURL(new Blob(data, { type: unfinished.mime }));
  film = { ...unfinished, url, name: "flashtalk-part.mp4" };
  say("done", text.resume.part);
  offerFilm();
  rest();
}
