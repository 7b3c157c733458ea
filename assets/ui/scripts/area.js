// The part of one's own picture that is shown: found around the face, then dragged, or moved with
// the arrow keys, or made larger and smaller. Entry points: areaButton, area, forgetArea.

const STEP = 0.02; // of the picture's width, for each press of a key
const GROWTH = 1.12;
const LEAST_WIDTH = 0.05;
const TAP_PX = 5; // less is a tap, on whatever lies there
let box = null; // {left, top, width, height} in shares of the picture, as it is shown
let pressed = 0; // the timer of useAreaSoon
let drag = null; // {x, y, box, grows, moved}: where a drag began

/** What is sent: "left,top,width", or nothing where it is found. */
const area = () => (framing() === "face" ? byId("area").value : "");

function forgetArea() {
  clearTimeout(pressed);
  byId("area").value = "";
}

/** The box over the picture, which can be dragged and has the keys. */
function areaButton(crop) {
  box = { ...crop };
  const button = boxOf("button", "ft-crop", crop);
  button.type = "button";
  button.disabled = framing() !== "face";
  button.setAttribute("aria-label", text.face.area_keys);
  const grip = document.createElement("span");
  grip.className = "ft-grip";
  button.append(grip);
  find("area").hidden = button.disabled;
  enable("area-found", Boolean(area()), byId("area-closer"));
  return button;
}

/** Puts the box where it was asked to be, as far as the picture goes. */
function placeArea({ left, top, width }) {
  const tall = box.height / box.width; // shares of different sides, so no aspect
  const most = Math.min(1, 1 / tall);
  const wide = Math.min(Math.max(width, LEAST_WIDTH), most);
  box = {
    left: Math.min(Math.max(left, 0), 1 - wide),
    top: Math.min(Math.max(top, 0), 1 - wide * tall),
    width: wide,
    height: wide * tall,
  };
  const { style } = find("crop");
  for (const [name, share] of Object.entries(box)) style[name] = 100 * share + "%";
}

/** Grows or shrinks about its middle. */
function scaleArea(factor) {
  const width = box.width * factor;
  const [more, taller] = [width - box.width, box.height * (factor - 1)];
  placeArea({ left: box.left - more / 2, top: box.top - taller / 2, width });
}

/** A talk that begins now is cut so. */
function setArea() {
  byId("area").value = [box.left, box.top, box.width].map((share) => share.toFixed(4)).join();
}

const KEYS = {
  ArrowLeft: () => placeArea({ ...box, left: box.left - STEP }),
  ArrowRight: () => placeArea({ ...box, left: box.left + STEP }),
  ArrowUp: () => placeArea({ ...box, top: box.top - STEP }),
  ArrowDown: () => placeArea({ ...box, top: box.top + STEP }),
  "+": () => scaleArea(GROWTH),
  "=": () => scaleArea(GROWTH),
  "-": () => scaleArea(1 / GROWTH),
};

/** The server cuts the picture anew, after the last of several presses. */
function useAreaSoon() {
  setArea();
  clearTimeout(pressed);
  pressed = setTimeout(lookAgain, 350);
}

const sheet = find("whole");
sheet.addEventListener("keydown", (event) => {
  if (!event.target.classList.contains("ft-crop") || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
  useAreaSoon();
});

/** Where `event` is, in shares of the picture. */
function placeOf(event) {
  const { left, top, width, height } = sheet.getBoundingClientRect();
  return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
}

sheet.addEventListener("pointerdown", (event) => {
  if (!box || framing() !== "face" || event.button) return;
  const { x, y } = placeOf(event);
  const grows = event.target.classList.contains("ft-grip");
  const inside = x > box.left && x < box.left + box.width && y > box.top && y < box.top + box.height;
  if (grows || inside) drag = { x, y, box, grows, moved: false, from: event };
});
sheet.addEventListener("pointermove", (event) => {
  if (!event.buttons) drag = null; // it was let go elsewhere
  if (!drag) return;
  const { clientX, clientY } = drag.from;
  if (!drag.moved && Math.hypot(event.clientX - clientX, event.clientY - clientY) < TAP_PX) return;
  drag.moved = true;
  sheet.setPointerCapture(event.pointerId);
  const { x, y } = placeOf(event);
  const { left, top, width } = drag.box;
  if (drag.grows) placeArea({ left, top, width: width + x - drag.x });
  else placeArea({ left: left + x - drag.x, top: top + y - drag.y, width });
});
sheet.addEventListener("pointerup", () => {
  const moved = drag && drag.moved;
  drag = null;
  if (!moved) return;
  setArea();
  lookAgain();
});
sheet.addEventListener("pointercancel", () => {
  if (drag && drag.moved) placeArea(drag.box);
  drag = null;
});
byId("area-closer").addEventListener("click", () => {
  scaleArea(1 / GROWTH);
  useAreaSoon();
});
byId("area-wider").addEventListener("click", () => {
  scaleArea(GROWTH);
  useAreaSoon();
});
byId("area-found").addEventListener("click", () => {
  forgetArea();
  lookAgain();
});
