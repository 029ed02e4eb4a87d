/* Tabs for the panes on narrow screens, one remembered choice for all pages;
   long docstrings folded to their first line. The page works without it. */
"use strict";

const SIDES = { tensorflow: "TensorFlow", pytorch: "PyTorch" };

function remembered() {
  try {
    const side = localStorage.getItem("twin");
    return side in SIDES ? side : "pytorch";
  } catch {
    return "pytorch"; // storage can be forbidden
  }
}

function choose(side) {
  document.documentElement.dataset.twin = side;
  for (const tab of document.querySelectorAll(".twin-tabs button")) {
    const selected = tab.dataset.side === side;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
  }
  try {
    localStorage.setItem("twin", side);
  } catch {
    // the choice then lasts for this page
  }
}

/* The pair that was clicked stays under the finger: all pairs change height. */
function chooseAt(tab) {
  const before = tab.getBoundingClientRect().top;
  choose(tab.dataset.side);
  window.scrollBy({ top: tab.getBoundingClientRect().top - before, behavior: "instant" });
}

function makeTabs(pair, number) {
  const tabs = document.createElement("div");
  tabs.className = "twin-tabs";
  tabs.setAttribute("role", "tablist");
  tabs.setAttribute("aria-label", "Framework");
  for (const [side, name] of Object.entries(SIDES)) {
    const panel = pair.querySelector(`:scope > .twin-${side}`);
    const tab = document.createElement("button");
    tab.type = "button";
    tab.textContent = name;
    tab.dataset.side = side;
    tab.id = `twin-tab-${number}-${side}`;
    panel.id ||= `twin-panel-${number}-${side}`;
    panel.setAttribute("aria-labelledby", tab.id);
    panel.setAttribute("role", "tabpanel");
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    tab.addEventListener("click", () => chooseAt(tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = tabs.querySelector(`button:not([data-side="${side}"])`);
      chooseAt(other);
      other.focus();
    });
    tabs.append(tab);
  }
  pair.before(tabs);
}

/* sphinx-gallery marks a docstring as one span. Its first line and the closing
   quotes stay, so that what is folded still reads, and copies, as code. */
function foldDocstring(span) {
  const lines = span.textContent.split("\n");
  if (lines.length < 5) return;
  const body = document.createElement("span");
  body.className = "docstring-body";
  body.hidden = true;
  body.textContent = "\n" + lines.slice(1, -1).join("\n");
  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "docstring-toggle";
  toggle.setAttribute("aria-label", "Show the whole docstring");
  toggle.setAttribute("aria-expanded", "false");
  toggle.addEventListener("click", () => {
    body.hidden = !body.hidden;
    toggle.setAttribute("aria-expanded", String(!body.hidden));
  });
  // behind the closing quotes there is room: the first line may be full
  span.replaceChildren(lines[0], body, "\n" + lines.at(-1), toggle);
}

choose(remembered());
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".twins").forEach(makeTabs);
  document.querySelectorAll(".twin .sd").forEach(foldDocstring);
  choose(remembered());
  // What scrolls sideways must be reachable from the keyboard.
  for (const box of document.querySelectorAll(".highlight pre, .table-wrapper")) box.tabIndex = 0;
});
