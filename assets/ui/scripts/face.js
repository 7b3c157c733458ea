// Who speaks: the gallery, a photo of one's own, the camera. Entry points: choosePortrait,
// takePicture.

let camera = null; // the stream, while it is on
let portraitChoices = 0; // choices so far: an older one that arrives late is not taken

/** Chooses who speaks; what was set for another picture is forgotten, unless this one was `set`. */
function choosePortrait(portrait, voice, set = false) {
  portraitChoices++;
  closeCamera();
  chosen.portrait = portrait;
  problem("portrait", "");
  press(byId("people").children, portrait);
  if (portrait && !portrait.own && !voice && !chosen.voiceByHand) {
    chooseVoice(named(page.voices, page.pairs[portrait.name]) || page.voices[0] || null);
  }
  look = {};
  if (!set) {
    byId("which-face").value = "";
    byId("without-face").checked = false;
    forgetArea();
  }
  changed();
  lookAt();
}

/** A picture of one's own; what was chosen before stays until it is on the server.
 *
 * Resolves to false if it does not get there. */
async function takePicture(file) {
  const mine = ++portraitChoices;
  byId("portrait").setAttribute("aria-busy", "true");
  const hint = find("picture-hint");
  hint.textContent = fill(text.face.uploading, { name: file.name });
  const sent = await send(file, "portrait", text.face.failed);
  byId("portrait").removeAttribute("aria-busy");
  sayPictureHint();
  if (mine !== portraitChoices) return true;
  if (!sent) return false;
  const name = file.name.replace(/\.[^.]*$/, "");
  choosePortrait({ name, own: true, file: sent, url: sent.url });
  return true;
}

function sayPictureHint() {
  find("picture-hint").textContent = fill(text.face.hint, { size: page.upload_mb });
}

/** The sentence for a camera that cannot be used. */
function cameraProblem(error) {
  const words = text.face;
  if (!navigator.mediaDevices) return words.insecure;
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return words.denied;
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return words.missing;
  return words.busy;
}

async function openCamera() {
  const panel = find("camera");
  if (camera) {
    find("take").focus();
    return;
  }
  try {
    const wanted = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 1280 } };
    camera = await navigator.mediaDevices.getUserMedia({ video: wanted });
  } catch (error) {
    problem("portrait", cameraProblem(error));
    return;
  }
  problem("portrait", "");
  panel.hidden = false;
  const live = panel.querySelector("video");
  live.srcObject = camera;
  live.play();
  find("take").focus();
}

function closeCamera() {
  if (camera) camera.getTracks().forEach((track) => track.stop());
  camera = null;
  const panel = find("camera");
  if (panel.contains(document.activeElement)) byId("camera").focus();
  panel.hidden = true;
}

async function takePhoto() {
  const live = find("camera").querySelector("video");
  if (!live.videoWidth) return; // it has not seen anything yet
  const canvas = document.createElement("canvas");
  canvas.width = live.videoWidth;
  canvas.height = live.videoHeight;
  canvas.getContext("2d").drawImage(live, 0, 0);
  closeCamera();
  const photo = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.95));
  takeFile(new File([photo], "photo.jpg", { type: "image/jpeg" }));
}

for (const person of page.people) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.name = person.name;
  button.title = person.name[0].toUpperCase() + person.name.slice(1);
  const picture = document.createElement("img");
  person.file = fileOf(person);
  person.url = picture.src = person.file.url;
  picture.alt = button.title;
  button.append(picture);
  button.addEventListener("click", () => choosePortrait(person));
  byId("people").append(button);
}
byId("camera").addEventListener("click", once(openCamera));
find("take").addEventListener("click", takePhoto);
find("cancel").addEventListener("click", closeCamera);
