"""How long the explorer takes from an input to the curve that it gives.

python tests/measure_explorer.py _build/html

A slider is moved in the browser, 240 times in all, each of the explorer's sliders in turn and back
and forth over its range. "work" is what the page does for it: solving 43 sample sizes, drawing, and
laying out; "frame" ends when the next frame has been painted, which also waits for the screen. The
phone is a processor four times slower than this one. Times depend on what else the machine does:
the load is printed beside them.
"""

import os
import statistics
import sys
from pathlib import Path

from browsers import launch
from playwright.sync_api import sync_playwright

MOVES = 240
MOVE = """async (moves) => {
  const host = document.querySelector("ptft-explorer");
  const sliders = [...host.shadowRoot.querySelectorAll("input[type=range]")];
  const painted = () => new Promise((resolve) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now());
    channel.port2.postMessage(null);
  }));
  const found = [];
  for (let i = 0; i < moves; i += 1) {
    const slider = sliders[i % sliders.length];
    const [low, high] = [Number(slider.min), Number(slider.max)];
    const share = ((i * 0.618034) % 1) * 0.9 + 0.05;
    await painted();
    const start = performance.now();
    slider.value = String(low + share * (high - low));
    slider.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
    host.getBoundingClientRect();
    const work = performance.now() - start;
    found.push([work, await painted() - start]);
  }
  return found;
}"""


def measure(browser, page, rate):
    """Return the times of all moves, in milliseconds: work and frame of each."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.evaluate(MOVE, 40)  # until the script is compiled
    tab.context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": rate})
    times = tab.evaluate(MOVE, MOVES)
    context.close()
    return times


def main(folder):
    """Print medians and 95th percentiles."""
    page = Path(folder, "book", "explorer.html").resolve()
    print("processor   load  work: median    95%  frame: median    95%  (ms)")
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for rate in (1, 4):
            numbers = []
            for times in zip(*measure(browser, page, rate), strict=True):
                numbers += [statistics.median(times), statistics.quantiles(times, n=20)[-1]]
            work, slow_work, frame, slow_frame = numbers
            load = os.getloadavg()[0]
            print(
                f"{rate} x slower {load:6.1f} {work:13.1f} {slow_work:6.1f} "
                f"{frame:14.1f} {slow_frame:6.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
