/* Reading: all code at once, what a link leads to, what a symbol means, and the ledger by status. */
(() => {
  "use strict";

  const KEY = "ptft-show-code";

  /** What this browser remembers; private windows may refuse. */
  function remembered() {
    try {
      return localStorage.getItem(KEY) === "yes";
    } catch {
      return false;
    }
  }

  function remember(shown) {
    try {
      localStorage.setItem(KEY, shown ? "yes" : "no");
    } catch {
      /* then it holds for this page */
    }
  }

  /** One switch for all folded code, below the title. */
  function addSwitch() {
    const folded = document.querySelectorAll("details.hide.above-input");
    const title = document.querySelector("article h1");
    if (!folded.length || !title) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "show-code";
    button.textContent = "Show all code";
    const set = (shown) => {
      button.setAttribute("aria-pressed", String(shown));
      for (const one of folded) one.open = shown;
    };
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      set(shown);
      remember(shown);
    });
    set(remembered());
    title.after(button);
  }

  /** Load a script of the book's, once; without it there is nothing to show. */
  const loaded = new Map();
  function load(address) {
    if (!loaded.has(address)) {
      const script = document.createElement("script");
      script.src = address;
      const done = new Promise((resolve) => {
        script.onload = script.onerror = resolve;
      });
      loaded.set(address, done);
      document.head.append(script);
    }
    return loaded.get(address);
  }

  /** What is beside a letter of a formula: what its index says, and its exponent. */
  function marks(beside) {
    if (!beside?.classList?.contains("msupsub")) return ["", ""];
    const rows = [...beside.firstElementChild.children];
    const items = [...rows[0].firstElementChild.children].map((item) => plain(item.textContent));
    if (rows.length === 1) return ["", items[0]];
    return items.length > 1 ? items : [items[0], ""];
  }

  const plain = (text) => text.replace(/[\s\u200b]/g, "");

  /** The names under which a symbol may be in the table, the most special first. */
  function names(leaf) {
    const accent = leaf.closest(".katex-accent");
    const letter = plain(leaf.textContent) + (accent ? "^" : "");
    const [below, above] = marks((accent ?? leaf).nextElementSibling);
    const short = below.replace(/(^|,)[dijn]$/, "");
    const pathways = short.replace(/^[+−]$/, "±");
    const found = [];
    for (const index of [below, short, pathways]) found.push(`${letter}_${index}^${above}`);
    for (const index of [below, short, pathways]) found.push(`${letter}_${index}^`);
    if (/^(PT|FT)?$/.test(short)) found.push(`${letter}_^`);
    return found;
  }

  /** The letter of a formula at a place, within a finger's breadth if it is a finger's. */
  function letterAt(event, breadth) {
    const formula = event.target.closest?.("article .katex-html");
    if (!formula || event.target.closest("a, summary, button")) return null;
    let [best, least] = [null, breadth];
    for (const leaf of formula.querySelectorAll("span")) {
      if (leaf.childElementCount || !/^\p{L}+$/u.test(plain(leaf.textContent))) continue;
      const box = leaf.getBoundingClientRect();
      const beyond = (at, start, end) => Math.max(start - at, 0, at - end);
      const distance = Math.hypot(
        beyond(event.clientX, box.left, box.right),
        beyond(event.clientY, box.top, box.bottom),
      );
      if (distance <= least) [best, least] = [leaf, distance - 0.01];
    }
    return best;
  }

  /** What the book's table says of a symbol; on the pages that give it another meaning, that first. */
  function meaning(leaf) {
    const table = window.ptftSymbols ?? {};
    const name = names(leaf).find((one) => Object.hasOwn(table, one));
    return name ? table[name] : null;
  }

  /** A box beside a link that says what it leads to, or a symbol's meaning; Escape closes it. */
  function addTips() {
    const { tips: tipsAt, symbols: symbolsAt } = window.ptftTipsAt ?? {};
    if (!tipsAt) return;
    const box = document.createElement("div");
    box.id = "tip";
    box.className = "tip";
    box.setAttribute("role", "tooltip");
    box.hidden = true;
    document.body.append(box);
    let timer = 0;
    let shownFor = null;

    function hide() {
      clearTimeout(timer);
      if (!shownFor) return;
      shownFor.removeAttribute("aria-describedby");
      shownFor.classList.remove("explained");
      shownFor = null;
      box.hidden = true;
    }

    function place(element) {
      const lines = element.getClientRects();
      const at = lines[0] ?? element.getBoundingClientRect();
      const width = document.documentElement.clientWidth;
      const left = Math.max(8, Math.min(at.left, width - box.offsetWidth - 8));
      const above = at.top > box.offsetHeight + 16;
      const top = above ? at.top - box.offsetHeight - 6 : lines[lines.length - 1].bottom + 6;
      box.style.left = `${left + window.scrollX}px`;
      box.style.top = `${top + window.scrollY}px`;
    }

    function open(element, html) {
      hide();
      box.innerHTML = html;
      box.hidden = false;
      shownFor = element;
      place(element);
    }

    /** By the time that a script is loaded the reader may want another, or none. */
    async function show(link) {
      await load(tipsAt);
      const text = (window.ptftTips ?? {})[link.getAttribute("href")];
      if (wanted !== link) return;
      if (!text) return hide();
      open(link, text);
      link.removeAttribute("title"); // one tip, not two
      link.setAttribute("aria-describedby", box.id);
    }

    async function explain(leaf) {
      await load(symbolsAt);
      const text = meaning(leaf);
      if (wanted !== leaf) return;
      if (!text) return hide();
      open(leaf, text);
      leaf.classList.add("explained");
    }

    let wanted = null;
    const soon = (action, wait = 200) => {
      clearTimeout(timer);
      timer = setTimeout(action, wait);
    };
    const linkOf = (event) => event.target.closest?.("article a[href*='#']:not(.headerlink)");
    document.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch") return; // a touch follows the link
      if (box.contains(event.target)) return clearTimeout(timer);
      const link = linkOf(event);
      wanted = link ?? letterAt(event, 1);
      if (wanted && wanted === shownFor) return clearTimeout(timer);
      if (link) soon(() => show(link));
      else if (wanted) soon(() => explain(wanted), 350);
      else if (shownFor) soon(hide);
      else clearTimeout(timer);
    });
    document.addEventListener("focusin", (event) => {
      const link = linkOf(event);
      wanted = link;
      if (link?.matches(":focus-visible")) show(link);
      else if (!box.contains(event.target)) hide();
    });
    document.addEventListener("click", (event) => {
      if (event.pointerType === "mouse" || box.contains(event.target)) return;
      const leaf = letterAt(event, 14);
      if (leaf !== shownFor) hide();
      wanted = leaf;
      if (leaf) explain(leaf);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
    });
  }

  /** The ledger's rows by status and by words. */
  function addFilter() {
    const rows = [...document.querySelectorAll("table.ledger tr[data-status]")];
    const totals = document.querySelector(".ledger-totals");
    if (!rows.length || !totals) return;
    const form = document.createElement("form");
    form.className = "ledger-filter";
    form.addEventListener("submit", (event) => event.preventDefault());
    const statuses = [...new Set(rows.map((row) => row.dataset.status))];
    const options = ["", ...statuses].map((s) => `<option value="${s}">${s || "any"}</option>`);
    form.innerHTML =
      `<label>Status <select>${options.join("")}</select></label> ` +
      '<label>Words <input type="search"></label> <output aria-live="polite"></output>';
    const [status, words] = [form.querySelector("select"), form.querySelector("input")];
    const update = () => {
      const needle = words.value.trim().toLowerCase();
      for (const row of rows) {
        const fits = !status.value || row.dataset.status === status.value;
        row.hidden = !(fits && row.textContent.toLowerCase().includes(needle));
      }
      const shown = rows.filter((row) => !row.hidden).length;
      form.querySelector("output").textContent = `${shown} of ${rows.length} claims`;
    };
    form.addEventListener("input", update);
    totals.after(form);
    update();
  }

  // By then the page is there, and so is the script with its tips.
  document.addEventListener("DOMContentLoaded", () => {
    addSwitch();
    addTips();
    addFilter();
  });
})();
