// The foot of the page: what runs here, and what there is to read about it.

const reader = find("document");

async function read(name, path) {
  let words = text.page.not_read;
  try {
    const reply = await fetch(fileUrl(path));
    if (reply.ok) words = await reply.text();
  } catch (error) {
    console.debug("not read:", error);
  }
  reader.querySelector("h2").textContent = name;
  reader.querySelector("pre").textContent = words.replace(/^---[^]*?\n---\n/, "").trim();
  if (!reader.open) reader.showModal();
}

for (const [name, path] of Object.entries(page.documents)) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text.page[name];
  button.addEventListener("click", () => read(text.page[name], path));
  element.querySelector(".ft-footer nav").append(button);
}
const runs = page.prompt ? text.page.runs_large : text.page.runs_here;
find("runs").textContent = fill(runs, { model: page.model });
