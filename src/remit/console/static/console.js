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

// A form goes once it is known that the server answers: a browser that finds none shows its own page in place of this
// one, and what was typed is gone. The question changes nothing and is never shed, so nothing is sent twice; the form
// itself goes as it does without scripts. A server that is slow is not gone: a stop waits a second for it at the most.
const HEARD = 1000; // milliseconds
const asking = new WeakSet();
const going = new WeakSet();

const answers = async () => {
  try {
    await fetch("/healthz", { cache: "no-store", credentials: "omit", redirect: "manual", signal: AbortSignal.timeout(HEARD) });
    return true;
  } catch (error) {
    return error.name === "TimeoutError";
  }
};

const unsent = (form, why) => {
  const note = document.createElement("p");
  note.className = "note unanswered";
  note.setAttribute("role", "alert");
  note.textContent = why;
  document.querySelector("main h1")?.after(note);
  form.dispatchEvent(new CustomEvent("remit:unanswered", { bubbles: true }));
};

const send = async (form, by) => {
  asking.add(form);
  const there = await answers();
  asking.delete(form);
  for (const note of document.querySelectorAll(".unanswered")) note.remove();
  if (!there) return unsent(form, "The server did not answer. This was not sent, so nothing was done; what you wrote is still here. Try again in a moment.");
  if (!form.isConnected || (by && !by.isConnected)) return unsent(form, "The page changed while the server was asked whether it is there. Nothing was sent: press again.");
  going.add(form);
  form.requestSubmit(by);
  going.delete(form);
};

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (going.has(form)) return; // this very press was confirmed, and the server answers
  const ask = form.dataset.confirm;
  if (asking.has(form) || (ask && !confirm(ask))) return event.preventDefault();
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  event.preventDefault();
  send(form, event.submitter);
});

// What is asked for stands in the address, and nothing else: a field that says nothing is left out of it.
document.addEventListener("formdata", (event) => {
  if (event.target.getAttribute("method") !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

// A part of the page that cannot be had because nobody is signed in any more: the page says so itself.
document.addEventListener("htmx:before:swap", (event) => {
  if (event.detail.ctx.response.status === 401) { event.preventDefault(); location.reload(); }
});
