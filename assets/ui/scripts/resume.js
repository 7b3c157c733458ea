// Nothing is lost on a cut or a reload: the parts of a talk that is not finished wait in this
// browser, and its choice in this tab (choice.js). Gradio loads the page anew when the connection
// is back. Entry points: keepPart, forgetParts, resume.

const STORE = "parts";

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
  keep("unfinished", { id, seconds: made, mime, seed, live: Boolean(run.speech), ...run.facts });
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

/** Shows what was made of a talk that broke off in this tab, or says that nothing was. */
async function resume() {
  const before = run;
  const unfinished = kept("unfinished");
  const id = unfinished && unfinished.id;
  const data = id ? await partsOf(id) : [];
  if (run !== before) return; // something else was chosen or begun meanwhile
  forgetParts(id);
  if (!unfinished) return;
  if (!data.length) {
    say("ready", id ? text.resume.back : text.resume.not_begun);
    return;
  }
  const url = URL.createObjectURL(new Blob(data, { type: unfinished.mime }));
  film = { ...unfinished, url, name: "flashtalk-part.mp4" };
  say("done", unfinished.live ? text.resume.part_live : text.resume.part);
  offerFilm();
  rest();
}
