// Follows the log and keeps the rows of agents fresh. Text only: nothing that a server or an agent said becomes HTML.
"use strict";

const log = document.getElementById("log");
if (log) {
  const link = document.getElementById("link");
  const pause = document.getElementById("pause");
  const empty = document.getElementById("empty");
  const most = 100;
  let paused = false;
  let held = [];

  const cell = (text, name) => {
    const made = document.createElement("td");
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };

  const add = (entry) => {
    empty.hidden = true;
    const row = document.createElement("tr");
    const answer = entry.kind === "decision" ? (entry.good ? "✓ allowed" : "✗ " + entry.word) : entry.kind + ": " + entry.word;
    row.append(
      cell(entry.time.slice(11, 19)),
      cell(entry.agent),
      cell(entry.action),
      cell(answer, entry.kind === "decision" ? (entry.good ? "good" : "bad") : "quiet"),
      cell(entry.kind === "decision" ? "remit why " + entry.id : entry.kind === "verdict" ? "remit certify replay " + entry.id : entry.id, "quiet"),
    );
    log.prepend(row);
    while (log.rows.length > most) log.deleteRow(-1);
  };

  const stream = new EventSource("/console/live");
  stream.onopen = () => { link.textContent = "live"; };
  stream.onerror = () => { link.textContent = "reconnecting"; };
  stream.addEventListener("unavailable", () => { link.textContent = "the database does not answer"; });
  stream.onmessage = (event) => {
    const entry = JSON.parse(event.data);
    if (paused) held.push(entry); else add(entry);
    if (held.length > most) held = held.slice(-most);
  };
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    if (!paused) { held.forEach(add); held = []; }
  });

  const refresh = async () => {
    const answer = await fetch("/console/agents", { credentials: "same-origin" });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) return;
    for (const each of (await answer.json()).agents) {
      const row = document.querySelector(`tr[data-agent="${CSS.escape(each.agent)}"]`);
      if (!row) { location.reload(); return; }
      for (const reach of ["direct", "latent", "person"]) row.querySelector("." + reach).textContent = each[reach].count;
      const frozen = row.querySelector("button").textContent === "Unfreeze";
      if (frozen !== each.frozen) { location.reload(); return; }
      if (!each.frozen) row.querySelector(".state").textContent = each.state;
    }
  };
  setInterval(() => { refresh().catch(() => { link.textContent = "reconnecting"; }); }, 2000);
}
