/* The look-up: filters entries as you type, keeps the query in the address, and
   loads what opens below an entry when it is opened. Without JavaScript the page
   is the list of all names with their counterparts. */
"use strict";

const lookUpBodies = {};

(() => {
  const query = document.getElementById("look-up-query");
  if (!query) return;
  const entries = [...document.querySelectorAll("details.entry")];
  const sections = [...document.querySelectorAll("section.look-up-part")];
  const scripts = new URL("look-up/", document.currentScript.src);
  const buttons = [...document.querySelectorAll(".look-up .kinds button")];
  const count = document.getElementById("look-up-count");
  const contents = document.querySelector(".toc-tree");

  /* As code writes it, to the names on this page. */
  const normal = (text) => text.trim().toLowerCase()
    .replace(/\(.*$/, "").replace(/^tensorflow\./, "tf.")
    .replace(/^tf\.keras\.(?!backend)/, "keras.").replace(/^(nn|f)\./, "torch.$1.")
    .replace(/^torch\.f\./, "torch.nn.functional.");

  /* Smaller is better; Infinity hides. TensorFlow's names go before PyTorch's. */
  const closeness = (names, wanted) => {
    if (names.includes(wanted)) return 0;
    const last = names.map((name) => name.split(".").pop());
    if (last.includes(wanted)) return 2;
    if ([...names, ...last].some((name) => name.startsWith(wanted))) return 4;
    return names.some((name) => name.includes(wanted)) ? 6 : Infinity;
  };
  const rank = ({ dataset }, wanted) => Math.min(
    closeness(dataset.names.split(" "), wanted),
    closeness(dataset.torch.split(" "), wanted) + 1,
  );

  const filter = () => {
    const wanted = normal(query.value);
    const kinds = buttons.filter((b) => b.ariaPressed === "true").map((b) => b.dataset.kind);
    let shown = 0;
    for (const entry of entries) {
      const found = wanted ? rank(entry, wanted) : 0;
      const fits = found < Infinity && (!kinds.length || kinds.includes(entry.dataset.kind));
      entry.hidden = !fits;
      entry.style.order = found;
      shown += fits;
    }
    for (const section of sections) {
      section.hidden = !section.querySelector(":scope > details.entry:not([hidden])");
    }
    document.body.classList.toggle("look-up-filtered", Boolean(wanted));
    if (contents) contents.hidden = Boolean(wanted);
    count.textContent = wanted || kinds.length
      ? `${shown} of ${entries.length} entries` + (shown ? "" : ": no such name. Try its last part alone.")
      : `${entries.length} entries`;
    const address = new URL(location.href);
    if (query.value) address.searchParams.set("q", query.value);
    else address.searchParams.delete("q");
    if (kinds.length) address.searchParams.set("kind", kinds.join(","));
    else address.searchParams.delete("kind");
    history.replaceState(null, "", address);
  };

  /* Bodies of a namespace, loaded once. */
  const loading = {};
  const load = (part) => loading[part] ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL(`${part}.js`, scripts);
    script.onload = done;
    script.onerror = () => failed(new Error(`${script.src} could not be loaded`));
    document.head.append(script);
  });
  const fill = async (entry) => {
    if (entry.querySelector(":scope > .body")) return;
    const body = document.createElement("div");
    body.className = "body";
    body.textContent = "Loading …";
    entry.append(body);
    try {
      await load(entry.closest("section").id);
      body.innerHTML = lookUpBodies[entry.id];
    } catch (error) {
      body.textContent = error.message;
    }
  };
  document.addEventListener("toggle", ({ target }) => {
    if (target.matches?.("details.entry") && target.open) fill(target);
  }, true);

  const visible = () => entries.filter((e) => !e.hidden && !e.closest("section").hidden)
    .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
    .map((e) => e.querySelector("summary"));

  const move = (step) => {
    const all = visible();
    const next = all.indexOf(document.activeElement) + step;
    if (next < 0) query.focus();
    else if (all[next]) all[next].focus();
  };

  let waiting;
  query.addEventListener("input", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(filter);
  });
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.ariaPressed = String(button.ariaPressed !== "true");
      filter();
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea, select");
    const inside = event.target === query || event.target.matches("details.entry > summary");
    if (event.key === "/" && !typing) {
      event.preventDefault();
      query.select();
    } else if (event.key === "Escape" && event.target === query) {
      query.value = "";
      filter();
    } else if (inside && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && event.target === query) {
      event.preventDefault(); // the entry would be closed again
      filter();
      const first = visible()[0];
      if (first) { first.parentElement.open = true; first.focus(); }
    }
  });

  const open = () => {
    const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!entry || !entry.matches("details.entry")) return;
    entry.open = true;
    entry.scrollIntoView({ block: "start" });
  };

  const given = new URL(location.href).searchParams;
  query.value = given.get("q") || "";
  const kinds = (given.get("kind") || "").split(",");
  for (const button of buttons) button.ariaPressed = String(kinds.includes(button.dataset.kind));
  filter();
  open();
  addEventListener("hashchange", open);
})();
