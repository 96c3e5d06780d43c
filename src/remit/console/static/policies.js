// The editor of policies: line numbers beside the text, from a finding to its line, and a simulation that goes on by
// itself. Without scripts each of these is a button or is missing, and nothing else is. Text only: nothing becomes HTML.
"use strict";

const editor = document.getElementById("editor");
let touched = false;

// The numbers stand beside the lines, and move with them.
const number = (code) => {
  const text = code.querySelector("textarea");
  const gutter = code.querySelector(".gutter");
  const marks = new Set((code.dataset.marks || "").split(" ").map(Number));
  const lines = text.value.split("\n").length;
  gutter.textContent = Array.from({ length: lines }, (_, at) => (marks.has(at + 1) ? "•" : "") + (at + 1)).join("\n") + "\n";
  gutter.scrollTop = text.scrollTop;
};

for (const code of document.querySelectorAll(".code")) {
  const text = code.querySelector("textarea");
  text.addEventListener("input", () => number(code));
  text.addEventListener("scroll", () => { code.querySelector(".gutter").scrollTop = text.scrollTop; });
  number(code);
}

const codeOf = (file) => [...document.querySelectorAll(".code")].find((code) =>
  code.closest("fieldset").querySelector('input[type="text"]').value === file);

// What the server found stands at its lines too.
const mark = () => {
  const lines = new Map();
  for (const each of document.querySelectorAll("#findings li")) {
    lines.set(each.dataset.file, [...(lines.get(each.dataset.file) || []), each.dataset.line]);
  }
  for (const code of document.querySelectorAll(".code")) {
    const file = code.closest("fieldset").querySelector('input[type="text"]').value;
    code.dataset.marks = (lines.get(file) || []).join(" ");
    number(code);
  }
};
document.addEventListener("htmx:after:swap", mark);

// From a finding to its line.
document.addEventListener("click", (event) => {
  const place = event.target instanceof Element && event.target.closest(".place");
  if (!place) return;
  const text = place.dataset.file.endsWith(".yaml") ? document.getElementById("tests") : codeOf(place.dataset.file)?.querySelector("textarea");
  if (!text) return;
  text.closest("details")?.setAttribute("open", "");
  const lines = text.value.split("\n");
  const at = Math.max(0, Number(place.dataset.line) - 1);
  const start = lines.slice(0, at).reduce((sum, line) => sum + line.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[at] || "").length);
  text.scrollTop = Math.max(0, at - 3) * (text.scrollHeight / Math.max(1, lines.length));
});

// What was written is not lost by leaving the page, or by a session that ended.
editor?.addEventListener("input", () => { touched = true; });
editor?.addEventListener("submit", () => { touched = false; });
editor?.addEventListener("remit:unanswered", () => { touched = true; });
addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });
addEventListener("htmx:before:swap", (event) => {
  if (event.detail.ctx.response.status < 400) return;
  event.stopImmediatePropagation();
  event.preventDefault();
  const said = document.getElementById("t-findings");
  said.textContent = event.detail.ctx.response.status === 401
    ? "You are signed out. What you wrote is still here: sign in in another tab, then press Check."
    : "It could not be checked just now. What you wrote is still here.";
}, true);

// A long simulation goes on by itself.
const goOn = document.getElementById("go-on");
if (goOn) {
  const halt = document.getElementById("halt");
  const next = setTimeout(() => editor.requestSubmit(goOn), 150);
  halt.hidden = false;
  halt.addEventListener("click", () => { clearTimeout(next); halt.hidden = true; });
  document.getElementById("simulated").scrollIntoView();
}
