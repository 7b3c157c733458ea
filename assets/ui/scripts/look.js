// What the server sees in the chosen picture, at once: the part that will be shown, the faces, and
// what could be better. Entry point: lookAt. A tap on a face lets that one speak.

let look = {}; // the server's answer for the chosen picture
let goOn = null; // what the visitor asked for
let looks = 0; // questions so far: an answer to an older one is dropped

async function lookAt() {
  const mine = ++looks;
  const before = run;
  const portrait = chosen.portrait;
  find("look").hidden = !portrait || !portrait.own;
  if (!portrait) return;
  if (!look.picture) {
    clearLook(portrait.url);
    keepFocusIn(find("area"), false);
    find("area").hidden = true; // there is no crop yet
    box = null;
  }
  let seen;
  try {
    seen = await server.look({
      path: portrait.file.path,
      face: number("which-face"),
      without_face: byId("without-face").checked,
      framing: framing(),
      area: area(),
    });
  } catch (error) {
    console.debug("the picture was not looked at:", error); // Talk says what is wrong
  }
  if (!seen || mine !== looks) return; // Gradio answers a refusal with nothing
  look = seen;
  if (seen.picture) showLook(seen);
  problem("portrait", seen.problem || "");
  // a talk that was begun meanwhile has the stage, and what it said stays
  if (film || run !== before || run.working || run.live) return;
  if (root.dataset.state === "ready") showChoice();
  else changed();
}

/** The picture alone, until it has been looked at. */
function clearLook(url) {
  const whole = find("whole");
  whole.querySelector("img").src = url;
  whole.querySelectorAll(".ft-box").forEach((box) => box.remove());
  find("look").querySelector("figcaption").textContent = "";
}

/** What the video shows: of the gallery's pictures, which are framed, always the face. */
function framing() {
  if (!chosen.portrait || !chosen.portrait.own) return "face";
  return byId("framing").querySelector(":checked").value;
}

/** The picture is the same, and something else of it is wanted. */
function lookAgain() {
  changed();
  lookAt();
}

function showLook(seen) {
  const whole = find("whole");
  // the boxes are made anew, and the one that had the keys gets them again
  const had = [...whole.querySelectorAll(".ft-box")].indexOf(document.activeElement);
  clearLook(seen.picture);
  whole.append(areaButton(seen.crop), ...seen.faces.map(faceButton));
  if (had >= 0) whole.querySelectorAll(".ft-box")[had]?.focus({ preventScroll: true });
  const count = seen.faces.length;
  const sentence = count > 1 ? text.face.many : count ? text.face.one : text.face.none;
  find("look").querySelector("figcaption").textContent = fill(sentence, { count });
}

function boxOf(tag, name, { left, top, width, height }) {
  const box = document.createElement(tag);
  box.className = "ft-box " + name;
  const percent = (share) => 100 * share + "%";
  box.style.left = percent(left);
  box.style.top = percent(top);
  box.style.width = percent(width);
  box.style.height = percent(height);
  return box;
}

function faceButton(box, index) {
  const button = boxOf("button", "ft-one", box);
  const speaks = index + 1 === look.number;
  button.type = "button";
  button.setAttribute("aria-pressed", String(speaks));
  const words = speaks ? text.face.speaks : text.face.choose;
  button.setAttribute("aria-label", fill(words, { number: index + 1 }));
  button.addEventListener("click", () => {
    byId("which-face").value = index + 1;
    forgetArea();
    lookAgain();
  });
  return button;
}

/** Whether `way`, to talk or to speak live, must ask first: nobody was found in the picture. */
function mustAsk(way) {
  goOn = way;
  if (!look.no_face || byId("without-face").checked) return false;
  say("failed", text.stage.no_face);
  find("as-it-is").hidden = false;
  find("as-it-is").focus({ preventScroll: true });
  return true;
}

// some pictures only the server can read
const wholePicture = find("whole").querySelector("img");
wholePicture.addEventListener("error", () => (wholePicture.hidden = true));
wholePicture.addEventListener("load", () => (wholePicture.hidden = false));
find("framing").hidden = page.framings.length < 2;
for (const id of ["which-face", "without-face", "framing"]) byId(id).addEventListener("change", lookAgain);
