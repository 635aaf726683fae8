"""What pages weigh, and how long a slow phone waits for their formulas.

python tests/weigh.py _build/html [ANOTHER_BUILD ...]

The phone: 1.6 Mbit/s, 150 ms to the server, a processor four times slower than this one. The server
compresses text, as hosts of books do; "on disk" says what the same files take without that. Figures
further down are loaded when they come near, and count where the browser loads them.
"""

import gzip
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from browsers import LAID_OUT, launch
from playwright.sync_api import sync_playwright

PHONE = {"offline": False, "latency": 150, "downloadThroughput": 2e5, "uploadThroughput": 9e4}
TEXT = (".html", ".css", ".js", ".svg", ".mjs", ".json")
SET = """() => {
  const waiting = [...document.querySelectorAll("article .math")]
    .filter((e) => !e.querySelector("mjx-container, .katex"));
  return waiting.length === 0 && document.fonts.status === "loaded"
    && document.readyState !== "loading" ? performance.now() : 0;
}"""
"""When the formulas of a page are set, in milliseconds since it was asked for."""
WHOLE = f"() => ({LAID_OUT})() ? performance.now() : 0"
"""When all of its sections are laid out: those on the screen are first."""


class Handler(SimpleHTTPRequestHandler):
    """Serve files, text compressed."""

    protocol_version = "HTTP/1.1"  # connections stay open

    def do_GET(self):
        """Answer with a file."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in TEXT:
            content = gzip.compress(content, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        """Say nothing."""


def weigh(browser, root, address, name):
    """Return requests, bytes sent, bytes on disk, seconds to formulas, and to the whole page."""
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page, sent, disk = context.new_page(), [], []
    client = context.new_cdp_session(page)
    client.send("Network.enable")
    client.send("Network.emulateNetworkConditions", PHONE)
    client.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    client.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))

    def note(request):
        path = root / request.url.removeprefix(address).partition("?")[0]
        disk.append(path.stat().st_size if path.is_file() else 0)

    page.on("request", note)
    page.goto(address + name, wait_until="commit", timeout=120_000)
    times = [
        page.wait_for_function(condition, timeout=180_000, polling=100).json_value() / 1e3
        for condition in (SET, WHOLE)
    ]
    page.wait_for_load_state("load", timeout=120_000)
    context.close()
    return len(disk), sum(sent), sum(disk), *times


def main(folders):
    """Print a line for each page of each build."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for root in map(Path, folders):
            serve = partial(Handler, directory=str(root))
            server = ThreadingHTTPServer(("127.0.0.1", 0), serve)
            Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}/"
            print(root, "\n  requests  kB sent  kB on disk  s to formulas  s to the whole page")
            for path in sorted(root.glob("book/*.html")):
                name = path.relative_to(root).as_posix()
                count, sent, disk, *times = weigh(browser, root, address, name)
                numbers = f"{count:8d} {sent / 1e3:9.0f} {disk / 1e3:11.0f}"
                numbers += "{:14.1f} {:20.1f}".format(*times)
                print(f"  {numbers}  {name}", flush=True)
            server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1:])
