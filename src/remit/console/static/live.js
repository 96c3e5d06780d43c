// The live page: follows the log. However much comes, one frame draws it, a hundred rows stay, and what waits is bounded.
"use strict";

const log = document.getElementById("log");
if (log) {
  const by = (id) => document.getElementById(id);
  const [link, pause, empty, none, filter, rate, lost, took] = ["link", "pause", "empty", "none", "live-filter", "rate", "lost", "took"].map(by);
  const most = 100;
  let paused = pause.getAttribute("aria-pressed") === "true";
  let stands = false;  // a page that is opened paused shows what there was
  let waits = [];
  let drawing = 0;
  let counted = 0;
  let missed = 0;
  let times = [];
  let before = true;

  const cell = (text, name) => {
    const made = document.createElement("td");
    const own = document.createElement("bdi");
    own.textContent = text;
    made.append(own);
    if (name) made.className = name;
    return made;
  };
  const address = (changed) => {
    const now = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changed)) value ? now.set(name, value) : now.delete(name);
    const said = now.toString();
    return location.pathname + (said ? "?" + said : "");
  };
  const words = () => filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  // Rows that stand and entries that come are compared by the same text.
  const textOf = (entry) => [entry.time.slice(11, 23), entry.agent, entry.action, entry.word, entry.kind, entry.id].join(" ").toLowerCase();
  const matches = (asked) => (entry) => asked.every((word) => textOf(entry).includes(word));
  const told = () => {
    const asked = words().length > 0;
    empty.hidden = asked || log.rows.length > 0;
    none.hidden = !asked || [...log.rows].some((row) => !row.hidden);
  };
  const drawn = (entry) => {
    const row = document.createElement("tr");
    const decided = entry.kind === "decision";
    const answer = decided ? (entry.good ? "✓ allowed" : "✗ " + entry.word) : entry.kind + ": " + entry.word;
    const to = document.createElement("a");
    to.href = decided ? address({ why: entry.id }) : "/console/log/" + encodeURIComponent(entry.id);
    to.textContent = entry.id.slice(0, 4) + "…" + entry.id.slice(-8);
    to.title = entry.id;
    const last = document.createElement("td");
    last.append(to);
    if (decided) row.dataset.why = entry.id;
    row.dataset.text = textOf(entry);
    row.append(cell(entry.time.slice(11, 23)), cell(entry.agent), cell(entry.action),
      cell(answer, decided ? (entry.good ? "good" : "bad") : "quiet"), last);
    return row;
  };
  const draw = () => {
    drawing = 0;
    if (paused && stands) return;
    stands = true;
    const found = waits.filter(matches(words())).slice(-most);
    waits = [];
    if (!found.length) return;
    log.prepend(...found.reverse().map(drawn));
    while (log.rows.length > most) log.deleteRow(-1);
    told();
  };
  const soon = () => { drawing ||= requestAnimationFrame(draw); };

  // The panel beside the rows: a part of this page, as it is with that decision in its address.
  let asked = 0;
  const why = (id) => {
    const to = address({ why: id });
    history.replaceState(null, "", to);
    for (const row of log.rows) row.setAttribute("aria-selected", String(row.dataset.why === id));
    const ask = new XMLHttpRequest();  // it answers with a document, in which no script runs
    const mine = ++asked;
    ask.open("GET", to);
    ask.responseType = "document";
    ask.onload = () => {
      if (ask.status === 401) { location.reload(); return; }
      const part = ask.response?.getElementById("why");
      if (mine !== asked || !part) return;
      by("why").replaceWith(document.importNode(part, true));
      by("why-title").focus();
    };
    ask.onerror = () => { link.textContent = "the server does not answer"; };
    ask.send();
  };
  log.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (!row?.dataset.why || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    why(row.dataset.why);
  });

  const stream = new EventSource("/console/live/stream");
  const follows = () => { link.textContent = paused ? "paused" : "live"; };
  stream.onopen = () => { follows(); before = true; };
  // Refused (a session that ended with the server), it is not tried again by the browser.
  stream.onerror = () => { link.textContent = stream.readyState === EventSource.CLOSED ? "over: reload this page" : "reconnecting"; };
  stream.addEventListener("unavailable", () => { link.textContent = "the database does not answer"; });
  stream.addEventListener("lost", (event) => {
    missed += Number(event.data);
    lost.textContent = missed + " entries came too fast to be shown; the log has them.";
  });
  stream.onmessage = (event) => {
    follows();
    const now = !before;  // it begins with what was recorded before somebody looked
    before = false;
    for (const entry of JSON.parse(event.data)) {
      if (entry.kind === "outcome") { if (entry.took !== null) times.push(entry.took); continue; }
      if (now) counted += 1;
      waits.push(entry);
    }
    if (waits.length > 2 * most) waits = waits.slice(-2 * most);
    if (times.length > 500) times = times.slice(-500);
    soon();
  };
  setInterval(() => {
    rate.textContent = String(Math.round(counted / 2));
    counted = 0;
    const sorted = [...times].sort((one, other) => one - other);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    took.textContent = sorted.length ? at(0.5) + " ms, one in a hundred " + at(0.99) + " ms" : "–";
  }, 2000);
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    pause.textContent = paused ? "Go on" : "Pause";
    history.replaceState(null, "", address({ paused: paused ? "yes" : "" }));
    if (stream.readyState === EventSource.OPEN) follows();
    soon();
  });
  filter.form.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", () => {
    history.replaceState(null, "", address({ q: filter.value }));
    for (const row of log.rows) row.hidden = !words().every((word) => row.dataset.text.includes(word));
    told();
  });
  told();
}
