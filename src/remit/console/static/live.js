// The live page: follows the log. However many entries come, one frame draws them and a hundred rows stay.
"use strict";

const log = document.getElementById("log");
if (log) {
  const link = document.getElementById("link");
  const pause = document.getElementById("pause");
  const empty = document.getElementById("empty");
  const filter = document.getElementById("live-filter");
  const rate = document.getElementById("rate");
  const most = 100;
  let paused = false;
  let held = [];
  let waits = [];
  let drawing = 0;
  let counted = 0;

  const cell = (text, name) => {
    const made = document.createElement("td");
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const linked = (id) => {
    const made = document.createElement("td");
    const to = document.createElement("a");
    to.href = "/console/log/" + encodeURIComponent(id);
    to.textContent = id;
    made.append(to);
    return made;
  };
  const matches = (entry) => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = [entry.agent, entry.action, entry.word, entry.kind, entry.id].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const drawn = (entry) => {
    const row = document.createElement("tr");
    const decided = entry.kind === "decision";
    const answer = decided ? (entry.good ? "✓ allowed" : "✗ " + entry.word) : entry.kind + ": " + entry.word;
    row.append(cell(entry.time.slice(11, 23)), cell(entry.agent), cell(entry.action),
      cell(answer, decided ? (entry.good ? "good" : "bad") : "quiet"), linked(entry.id));
    return row;
  };
  const draw = () => {
    drawing = 0;
    const found = waits.filter(matches).slice(-most);
    waits = [];
    if (!found.length) return;
    empty.hidden = true;
    log.prepend(...found.reverse().map(drawn));
    while (log.rows.length > most) log.deleteRow(-1);
  };
  const add = (entry) => {
    waits.push(entry);
    if (waits.length > 10 * most) waits = waits.slice(-most);
    drawing ||= requestAnimationFrame(draw);
  };

  const stream = new EventSource("/console/live/stream");
  stream.onopen = () => { link.textContent = "live"; };
  stream.onerror = () => { link.textContent = "reconnecting"; };
  stream.addEventListener("unavailable", () => { link.textContent = "the database does not answer"; });
  stream.onmessage = (event) => {
    const entry = JSON.parse(event.data);
    counted += 1;
    if (paused) { held.push(entry); if (held.length > most) held = held.slice(-most); } else add(entry);
  };
  setInterval(() => { rate.textContent = String(Math.round(counted / 2)); counted = 0; }, 2000);
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) { held.forEach(add); held = []; }
  });
}
