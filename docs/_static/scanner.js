/* The scan in the page: a worker loads Python and this site's own scanner. */
"use strict";

(() => {
  const form = document.getElementById("scanner");
  if (!form) return;
  const source = form.querySelector("textarea");
  const button = form.querySelector("button");
  const status = form.querySelector("[role=status]");
  const report = document.getElementById("scanner-report");
  const here = document.currentScript?.src
    || document.querySelector("script[src*='scanner.js']").src;
  let worker;

  const say = (text) => { status.textContent = text; };
  const show = (html) => {
    report.hidden = false;
    report.srcdoc = html;
  };

  const start = () => {
    worker = new Worker(new URL("scanner-worker.js", here), { type: "module" });
    worker.onmessage = ({ data }) => {
      say(data.status || "");
      if (data.report) show(data.report);
      if (data.report || data.failed) button.disabled = false;
    };
    worker.onerror = (event) => {
      say(`The scanner could not be loaded: ${event.message || "see the console"}.`);
      button.disabled = false;
      worker = undefined;
    };
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (location.protocol === "file:") {
      say("A browser loads no Python from a file. Serve the site: make serve, "
        + "or python -m http.server in build/html.");
      return;
    }
    if (!worker) start();
    button.disabled = true;
    const site = new URL("..", new URL(here)).href;
    worker.postMessage({ source: source.value, site });
  });

  report.addEventListener("load", () => {
    const inner = report.contentDocument?.documentElement;
    if (inner) report.style.height = `${Math.max(320, inner.scrollHeight + 16)}px`;
  });
})();
