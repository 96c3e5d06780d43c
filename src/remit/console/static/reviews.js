// Reviews by keyboard: each key presses the button that it stands on, and what was done is said aloud.
"use strict";

const writes = (at) => at instanceof HTMLElement && at.closest("input, textarea, select, dialog[open]") !== null;
let pressed = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || pressed || writes(event.target)) return;
  const button = document.querySelector(`[data-press="${CSS.escape(event.key)}"]`);
  if (!button) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (button.id !== "ask-why") pressed = true;  // a second press is no second answer
  button.click();
}, true);
addEventListener("pageshow", () => { pressed = false; });
addEventListener("remit:unanswered", () => { pressed = false; });

document.getElementById("ask-why")?.addEventListener("click", () => {
  const why = document.getElementById("why");
  why.open = true;
  why.querySelector("summary").focus();
});

// A page that has just come says nothing by itself to who does not see it.
const spoken = document.getElementById("spoken");
const notes = [...document.querySelectorAll("main > .note")].map((note) => note.textContent);
if (spoken) setTimeout(() => { spoken.textContent = [...notes, document.querySelector("h1").textContent].join(" "); }, 300);
