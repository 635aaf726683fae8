// On narrow screens formulas that cannot be broken are made smaller, down to six tenths.
const SMALLEST = 0.6;
// What may be wider than its box, and then scrolls: a shadow says so, and the keyboard reaches it.
const SCROLLERS = [
  "div.formula",
  "article figure",
  "article pre",
  "article .output",
  "article .text_html",
  "article .pst-scrollable-table-container",
  "article table",
].join();

// All is measured before anything is changed: a page is laid out once, not once a formula.
function fit() {
  const formulas = [...document.querySelectorAll("div.formula > .katex-display > .katex")];
  for (const formula of formulas) formula.style.fontSize = "";
  const measured = formulas.map((formula) => {
    const box = formula.closest("div.formula");
    return [formula, box.clientWidth, box.scrollWidth];
  });
  const wide = measured.filter(([, room, width]) => room < width);
  const sizes = wide.map(([formula]) => parseFloat(getComputedStyle(formula).fontSize));
  wide.forEach(([formula, room, width], i) => {
    formula.style.fontSize = `${Math.max((room / width) * 0.98, SMALLEST) * sizes[i]}px`;
  });
}

function scrolls(box) {
  const room = box.scrollWidth > box.clientWidth + 1;
  return room && /auto|scroll/.test(getComputedStyle(box).overflowX);
}

function mark() {
  const boxes = [...document.querySelectorAll(SCROLLERS)];
  const found = boxes.map(scrolls);
  boxes.forEach((box, i) => {
    box.classList.toggle("scrolls", found[i]);
    if (found[i]) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
}

function fitAll() {
  fit();
  mark();
}

document.fonts.ready.then(fitAll);
window.addEventListener("load", fitAll);
window.addEventListener("resize", fitAll);
// A folded solution has no size before it is unfolded.
document.addEventListener("click", () => requestAnimationFrame(fitAll));
