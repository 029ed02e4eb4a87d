"use strict";

/* Filter of the findings. The query stands in the address after #q=, so that a
   filtered report can be bookmarked; other fragments are places on the page. */
const form = document.querySelector(".filter");
const input = document.getElementById("query");
const output = document.getElementById("found");
const nothing = document.getElementById("nothing");

const files = [...document.querySelectorAll(".file")].map((element) => ({
  element,
  name: element.querySelector("h3").textContent.toLowerCase(),
  entries: [...element.querySelectorAll("article")].map((article) => ({
    element: article,
    kind: article.dataset.kind,
    count: article.querySelectorAll(".at").length,
    text: "",
  })),
}));
const everything = files.flatMap((file) => file.entries).reduce((sum, entry) => sum + entry.count, 0);

/* Words that must all occur; kind: and file: say where. */
function matches(words, file, entry) {
  return words.every((word) => {
    if (word.startsWith("kind:")) return entry.kind.startsWith(word.slice(5));
    if (word.startsWith("file:")) return file.name.includes(word.slice(5));
    if (!entry.text) {
      const parts = entry.element.querySelectorAll("h4, .theirs code, .ours");
      entry.text = [...parts].map((part) => part.textContent.toLowerCase()).join("\n");
    }
    return file.name.includes(word) || entry.text.includes(word);
  });
}

function filter() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const file of files) {
    let shown = false;
    for (const entry of file.entries) {
      const keep = matches(words, file, entry);
      entry.element.hidden = !keep;
      if (keep) {
        shown = true;
        found += entry.count;
      }
    }
    file.element.hidden = !shown;
  }
  const all = everything.toLocaleString("en");
  output.textContent = words.length ? `${found.toLocaleString("en")} of ${all} lines` : `${all} lines`;
  nothing.hidden = found > 0 || files.length === 0;
}

/* Typing changes the address without filling the history. */
function typed() {
  const query = input.value.trim();
  const address = query ? `#q=${encodeURIComponent(query)}` : location.href.split("#")[0];
  history.replaceState(null, "", address);
  filter();
}

function query() {
  const coded = location.hash.slice(3);
  try {
    return decodeURIComponent(coded);
  } catch {
    return coded; // a stray per cent sign, typed by hand
  }
}

function follow() {
  if (location.hash.startsWith("#q=")) {
    input.value = query();
    filter();
    document.getElementById("findings").scrollIntoView();
    return;
  }
  const target = document.getElementById(location.hash.slice(1));
  if (target?.hidden) {
    input.value = "";
    filter();
    target.scrollIntoView();
  }
  if (target?.matches("details")) target.open = true;
}

if (form) {
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", typed);
  window.addEventListener("hashchange", follow);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && document.activeElement !== input) {
      event.preventDefault();
      input.focus();
    } else if (event.key === "Escape" && document.activeElement === input) {
      input.value = "";
      typed();
    }
  });
  filter();
  if (location.hash) follow();
}
