/* Runs the package's own scan with Pyodide, away from the page's thread. */
const folder = new URL("scanner/", import.meta.url).href;
let scan;

const load = async () => {
  postMessage({ status: "Loading Python, 13 MB, once …" });
  const { loadPyodide } = await import(`${folder}pyodide.mjs`);
  const python = await loadPyodide({ indexURL: folder });
  const sources = await fetch(`${folder}migrate_examples.zip`);
  if (!sources.ok) throw new Error(`migrate_examples.zip: ${sources.status}`);
  python.unpackArchive(await sources.arrayBuffer(), "zip");
  return python.runPython(`
from migrate_examples.scan import scan_text
from migrate_examples.scan.report import render

def scan(source, site):
    name = "pasted.ipynb" if source.lstrip().startswith("{") else "pasted.py"
    return render(scan_text(source, name), "html", site=site)

scan
`);
};

onmessage = async ({ data }) => {
  try {
    scan ??= await load();
    postMessage({ status: "Scanning …" });
    const begin = performance.now();
    const report = scan(data.source, data.site);
    const seconds = ((performance.now() - begin) / 1000).toFixed(2);
    postMessage({ status: `Scanned in ${seconds} s, in this page.`, report });
  } catch (error) {
    postMessage({ status: `The scan failed: ${error.message}`, failed: true });
  }
};
