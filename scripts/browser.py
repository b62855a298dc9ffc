"""A page in headless Chromium: what it measures and says in frames of some widths, screenshots.

Chromium alone is needed, no driver: the page is put in a frame of another page that looks into it
and writes what it finds into itself, which Chromium then prints.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
NARROWEST = 500  # px, of a window
HARNESS = """<!doctype html><body style="margin:0"><iframe id=f src="page.html"
style="border:0;width:WIDTHpx;height:HEIGHTpx"></iframe><pre id=result hidden></pre><script>
const frame = document.getElementById("f");
frame.addEventListener("load", () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const all = (s) => [...page.querySelectorAll(s)];
  const seen = (s) => all(s).filter((e) => e.checkVisibility());
  let found;
  try { found = (() => { ACTION })(); } catch (error) { found = {error: String(error)}; }
  document.getElementById("result").textContent = JSON.stringify(found);
});
</script></body>"""


def chromium() -> str | None:
    """The path of a Chromium, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def look(html: str, width: int, action: str, height: int = 900) -> tuple[Any, list[str]]:
    """What `action`, the body of a function, returns of the `page` (and its window, the `view`) in
    a frame; `all` and `seen` give elements by selector. With it the lines that the page logged."""
    with _served(html, width, height, action) as url:
        done = _run(["--enable-logging=stderr", "--v=0", "--dump-dom", url])
    text = re.search(r"<pre id=\"result\" hidden=\"\">(.*?)</pre>", done.stdout, re.DOTALL)
    assert text, done.stderr
    logged = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(unescape(text[1])), logged


def screenshot(
    html: str, width: int, height: int, *, dark: bool = False, action: str = ""
) -> Image.Image:
    """A picture of the top of the page, after the `action`."""
    with _served(html, width, height, action) as url, TemporaryDirectory() as folder:
        path = Path(folder) / "shot.png"
        size = f"--window-size={max(width, NARROWEST)},{height}"
        scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
        _run([f"--screenshot={path}", size, "--hide-scrollbars", *scheme, url])
        image = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    return image.crop((0, 0, width, height))


def _run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    found = chromium()
    assert found
    with TemporaryDirectory() as home:
        usual = [found, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]
        usual += [f"--user-data-dir={home}", "--virtual-time-budget=4000", *words]
        return subprocess.run(usual, capture_output=True, text=True, check=True, timeout=120)


@contextmanager
def _served(html: str, width: int, height: int, action: str) -> Iterator[str]:
    """The URL of a frame with the page, which is served from here: two files are of two origins."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "page.html").write_text(html, encoding="utf-8")
        harness = HARNESS.replace("WIDTH", str(width)).replace("HEIGHT", str(height))
        text = harness.replace("ACTION", action or "return null")
        (Path(folder) / "index.html").write_text(text, encoding="utf-8")
        handler = partial(_Silent, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/index.html"
            finally:
                server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass
