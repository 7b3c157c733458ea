// Two tabs: talk and compare. What runs in one goes on while the other is looked at. Entry points:
// showTab, inTab.

const TABS = ["talk", "compare"];
const inTab = (name) => byId("tab-" + name).getAttribute("aria-selected") === "true";

function showTab(name) {
  for (const each of TABS) {
    const tab = byId("tab-" + each);
    tab.setAttribute("aria-selected", String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
    byId("panel-" + each).hidden = each !== name;
  }
  if (name === "compare") showPlan();
  keep("tab", name);
}

for (const [index, name] of TABS.entries()) {
  const tab = byId("tab-" + name);
  tab.addEventListener("click", () => showTab(name));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = TABS[(index + step + TABS.length) % TABS.length];
    showTab(next);
    byId("tab-" + next).focus();
  });
}
