"""The documentation site builds without warnings, and its pages work in a browser."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ("index.html", "generated/methods/smote.html", "generated/api/imbax.SMOTE.html")
HARNESS = """<!doctype html><body><script>
const pages = %s, widths = [1280, 390], found = [];
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px"; frame.style.height = "900px"; frame.style.border = "0";
  const errors = [];
  document.body.append(frame);
  await new Promise(done => {
    frame.onload = done;
    frame.src = page;
    frame.contentWindow.onerror = message => errors.push(message);
  });
  const root = frame.contentDocument.documentElement;
  found.push({page, width, errors, overflow: root.scrollWidth - root.clientWidth});
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of widths) await look(page, width);
  const result = document.createElement("pre");
  result.id = "found"; result.textContent = JSON.stringify(found);
  document.body.append(result);
})();
</script></body>"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("source")
    for name in ("docs", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, source / name)
    for page in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / page, source)
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-D", "plot_gallery=0", "docs", "site"]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return source / "site"


@pytest.mark.thorough
def test_site_has_a_page_for_every_method_and_public_name(site):
    import imbax
    from imbax import catalogue

    methods = {path.stem for path in (site / "generated" / "methods").glob("*.html")}
    every = {*catalogue.names(), *catalogue.names("images")}
    # Other tests import variants for ablations and register methods.
    assert {name for name in every if catalogue.get(name).built_in} <= methods
    assert "hist_gradient_boosting" in methods
    names = {path.stem for path in (site / "generated" / "api").glob("*.html")}
    assert {f"imbax.{name}" for name in imbax._HOME} <= names
    command_line = (site / "generated" / "command_line.html").read_text()
    assert all(f"imbax {name}" in command_line for name in ("run", "compare", "report", "bench"))


@pytest.mark.thorough
def test_links_within_the_site_have_targets(site):
    broken = []
    for page in set(site.rglob("*.html")) - set((site / "_static").rglob("*.html")):
        for link in re.findall(r'(?:href|src)="([^"#?:]+)(?:[#?][^"]*)?"', page.read_text()):
            if not (page.parent / urllib.parse.unquote(link)).exists():
                broken.append(f"{page.relative_to(site)}: {link}")
    assert not broken


@pytest.mark.thorough
def test_pages_work_in_a_browser(site):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium")
    (site / "harness.html").write_text(HARNESS % json.dumps(PAGES))
    handler = functools.partial(QuietHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        results = json.loads(
            re.search(r'id="found">(.*?)</pre>', dom(browser, f"{address}/harness.html"))[1]
        )
        search = dom(browser, f"{address}/search.html?q=smote")
        server.shutdown()
    assert [(entry["page"], entry["width"]) for entry in results] == [
        (page, width) for page in PAGES for width in (1280, 390)
    ]
    assert all(entry["overflow"] <= 0 and not entry["errors"] for entry in results), results
    assert "generated/methods/smote.html" in search


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def dom(browser: str, address: str) -> str:
    """The page after its scripts have run."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"]
    command += ["--virtual-time-budget=20000", "--dump-dom", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout
