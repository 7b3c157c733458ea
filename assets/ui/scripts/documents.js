// The foot of the page: what runs here, and what there is to read about it.

const reader = find("document");

async function read(name, path) {
  const reply = await fetch(fileUrl(path));
  const words = await reply.text();
  reader.querySelector("h2").textContent = name;
  reader.querySelector("pre").textContent = words.replace(/^---[^]*?\n---\n/, "").trim();
  reader.showModal();
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
