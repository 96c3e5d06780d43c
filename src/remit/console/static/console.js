// What the console's pages do by themselves: keys, filters, copying, confirming. Text only: nothing that a server or an
// agent said becomes HTML here. Plots and live pages have files of their own.
"use strict";

const typing = (at) => at instanceof HTMLElement && at.closest("input, textarea, select, dialog[open]") !== null;
const rows = () => [...document.querySelectorAll("table.rows tbody tr")];
let at = -1;
let leading = false;

const move = (by) => {
  const all = rows();
  if (!all.length) return;
  all[at]?.classList.remove("at");
  at = Math.max(0, Math.min(all.length - 1, at + by));
  const row = all[at];
  row.classList.add("at");
  row.scrollIntoView({ block: "nearest" });
  const first = row.querySelector("a, button");
  if (first) first.focus({ preventScroll: true });
};

const said = (text) => {
  const note = document.createElement("p");
  note.className = "note";
  note.setAttribute("role", "status");
  note.textContent = text;
  document.querySelector("main h1")?.after(note);
  setTimeout(() => note.remove(), 3000);
};

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    said("Copied: " + text);
  } catch {
    said("This browser lets nothing be copied from here.");
  }
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  if (leading) {
    leading = false;
    const link = document.querySelector(`.side a[data-key="${CSS.escape(event.key)}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  const does = {
    j: () => move(1),
    k: () => move(-1),
    g: () => { leading = true; setTimeout(() => { leading = false; }, 1500); },
    "/": () => document.querySelector(".filter input")?.focus(),
    "?": () => document.getElementById("keys")?.showModal(),
    y: () => { const id = rows()[at]?.querySelector("[data-copy]"); if (id) copy(id.dataset.copy); },
  }[event.key];
  if (does) { event.preventDefault(); does(); }
});

document.getElementById("help")?.addEventListener("click", () => document.getElementById("keys").showModal());

document.addEventListener("click", (event) => {
  const on = event.target instanceof Element && event.target.closest("code.copy, [data-copy]");
  if (on) copy(on.dataset.copy ?? on.textContent);
});
document.addEventListener("keydown", (event) => {
  if ((event.key === "Enter" || event.key === " ") && event.target.matches?.("code.copy")) { event.preventDefault(); copy(event.target.textContent); }
});

// A command that a click copies is a button to the keyboard too; without scripts it is only a text.
const buttons = () => {
  for (const code of document.querySelectorAll("code.copy:not([tabindex])")) {
    code.tabIndex = 0;
    code.setAttribute("role", "button");
    code.setAttribute("aria-label", "Copy: " + code.textContent);
  }
};
buttons();
document.addEventListener("htmx:after:swap", buttons);

document.addEventListener("submit", (event) => {
  const ask = event.target.dataset.confirm;
  if (ask && !confirm(ask)) event.preventDefault();
});

// A part of the page that cannot be had because nobody is signed in any more: the page says so itself.
document.addEventListener("htmx:before:swap", (event) => {
  if (event.detail.ctx.response.status === 401) { event.preventDefault(); location.reload(); }
});
