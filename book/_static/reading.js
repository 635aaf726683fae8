/* Reading: all code at once, what a link leads to, and the ledger by status. */
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

  /** A box beside a link that says what it leads to; Escape closes it. */
  function addTips() {
    const tips = window.ptftTips ?? {};
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
      shownFor = null;
      box.hidden = true;
    }

    function place(link) {
      const lines = link.getClientRects();
      const at = lines[0] ?? link.getBoundingClientRect();
      const width = document.documentElement.clientWidth;
      const left = Math.max(8, Math.min(at.left, width - box.offsetWidth - 8));
      const above = at.top > box.offsetHeight + 16;
      const top = above ? at.top - box.offsetHeight - 6 : lines[lines.length - 1].bottom + 6;
      box.style.left = `${left + window.scrollX}px`;
      box.style.top = `${top + window.scrollY}px`;
    }

    function show(link) {
      hide();
      box.innerHTML = tips[link.getAttribute("href")];
      box.hidden = false;
      shownFor = link;
      link.setAttribute("aria-describedby", box.id);
      place(link);
    }

    const linkOf = (event) => {
      const link = event.target.closest?.("article a[href]");
      return link && Object.hasOwn(tips, link.getAttribute("href")) ? link : null;
    };
    const soon = (action) => {
      clearTimeout(timer);
      timer = setTimeout(action, 200);
    };
    document.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch") return; // a touch follows the link
      const link = linkOf(event);
      if (link && link !== shownFor) soon(() => show(link));
      else if (link || box.contains(event.target)) clearTimeout(timer);
      else if (shownFor) soon(hide);
      else clearTimeout(timer);
    });
    document.addEventListener("focusin", (event) => {
      const link = linkOf(event);
      if (link?.matches(":focus-visible")) show(link);
      else if (!box.contains(event.target)) hide();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
    });
    for (const link of document.querySelectorAll("article a[href][title]")) {
      if (Object.hasOwn(tips, link.getAttribute("href"))) link.removeAttribute("title");
    }
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
