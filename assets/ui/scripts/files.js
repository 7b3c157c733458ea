// Files of the visitor, from wherever they come: dialog, drop or paste. Entry point: takeFile.

const MB = 1_000_000;
const PICTURES = /\.(jpe?g|png|webp|gif|bmp|tiff?|hei[cf]|avif)$/i;
const SOUNDS =
  /\.(wav|flac|mp3|m4a|aac|og[ga]|opus|weba|webm|mp4|m4v|mov|mkv|avi|aiff?|wma|caf|amr|3gp)$/i;

const sizeOf = (file) => (file.size / MB).toFixed(0);

function isPicture(file) {
  return file.type.startsWith("image/") || PICTURES.test(file.name);
}

function isSound(file) {
  return /^(audio|video)\//.test(file.type) || SOUNDS.test(file.name);
}

/** A problem beside the choice that it is about. */
function problem(panel, sentence) {
  const place = byId(panel).querySelector(".ft-problem");
  place.hidden = !sentence;
  place.textContent = sentence;
}

/** Where `file` is on the server; throws an Error with the server's sentence, if it refused.
 *
 * Gradio's own upload shows a refusal as it came, in JSON. */
async function pathOf(file) {
  const form = new FormData();
  form.append("files", file);
  const reply = await fetch(gradioUrl("upload"), { method: "POST", body: form });
  const answer = await reply.json();
  if (!reply.ok) throw Object.assign(new Error(answer.error), { said: answer.error });
  return answer[0];
}

/** Sends a file to the server; resolves to what Gradio calls it, or to nothing. */
async function send(file, panel, failed) {
  if (file.size > page.upload_mb * MB) {
    const told = { name: file.name, size: sizeOf(file), most: page.upload_mb };
    problem(panel, fill(text.face.too_large, told));
    return null;
  }
  problem(panel, "");
  try {
    return fileOf({ path: await pathOf(file), name: file.name });
  } catch (error) {
    console.debug("not uploaded:", error);
    problem(panel, error.said || fill(failed, { name: file.name }));
    return null;
  }
}

/** Talk waits for `promise`: a choice that is on its way, or false if it does not arrive. */
function wait(promise) {
  pending.push(promise);
  promise.finally(() => {
    pending = pending.filter((each) => each !== promise);
  });
}

function takeFile(file) {
  const panel = isSound(file) && !isPicture(file) ? "sound" : "portrait";
  if (!file.size) problem(panel, fill(text.face.is_empty, { name: file.name }));
  else if (isPicture(file)) wait(takePicture(file));
  else if (isSound(file)) wait(takeSound(file));
  else problem("portrait", fill(text.face.not_a_picture, { name: file.name }));
}

function takeAll(list) {
  for (const file of list) takeFile(file);
}

for (const panel of ["portrait", "sound"]) {
  const input = byId(panel).querySelector("input[type=file]");
  const open = byId(panel === "portrait" ? "own-photo" : "own-sound");
  open.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    takeAll(input.files);
    input.value = ""; // the same file may be chosen again
  });
}
document.addEventListener("paste", (event) => {
  const { files, types } = event.clipboardData;
  if (!files.length) return;
  // office programs add a picture to the words that they copy
  if (types.includes("text/plain") && event.target.closest("textarea, input")) return;
  event.preventDefault();
  takeAll(files);
});
const dragged = (event) => [...event.dataTransfer.types].includes("Files");
// a browser would leave the page for its address
const draggedLink = (event) =>
  [...event.dataTransfer.types].includes("text/uri-list") && !event.target.closest?.("textarea, input");
document.addEventListener("dragover", (event) => {
  if (draggedLink(event)) event.preventDefault();
  if (!dragged(event)) return;
  event.preventDefault();
  find("drop").hidden = false;
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) find("drop").hidden = true;
});
document.addEventListener("drop", (event) => {
  const { files } = event.dataTransfer;
  const isLink = draggedLink(event) && !files.length;
  if (!dragged(event) && !isLink) return;
  event.preventDefault();
  find("drop").hidden = true;
  if (isLink) problem("portrait", text.face.is_link);
  takeAll(files);
});
