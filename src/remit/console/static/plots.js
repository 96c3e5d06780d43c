// Draws what the page's data says, in the page's own colours. Every plot has a table beside it.
"use strict";

const source = document.getElementById("data");
if (source && window.uPlot) {
  const data = JSON.parse(source.textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const at = (day) => Date.parse(day + "T00:00:00Z") / 1000;
  const day = 86400;
  const tall = 216;
  // Every curve of a plot: its name, its values, its colour; `dash` tells curves apart without colour.
  const line = (label, values, ink, dash) => ({ label, values, ink, dash });
  const plots = {
    creep: (of) => ({
      x: of.day.map(at), least: 90 * day,
      series: [line("Granted", of.granted, "--b"), line("Usable now", of.direct, "--a", [8, 4]), line("Sleeping", of.latent, "--d", [2, 4]), line("Used", of.used, "--c", [12, 3, 2, 3])],
    }),
    // Stacked: the widest sum lies at the back. What is pointed at is said as it is, not as it is stacked.
    pace: (of) => ({
      x: of.x, least: 0, filled: true,
      series: [
        line("Other", of.allow.map((n, i) => n + of.deny[i] + of.other[i]), "--d"),
        line("Refused", of.allow.map((n, i) => n + of.deny[i]), "--b"),
        line("Allowed", of.allow, "--a"),
      ],
      plain: [of.other, of.deny, of.allow],
    }),
    turns: (of) => ({
      x: of.day.map(at), least: 90 * day, bars: true,
      series: [line("Lapsed", of.lapsed, "--b"), line("Came back", of.returned, "--c")],
    }),
  };

  const two = (number) => String(number).padStart(2, "0");
  const said = (stamp, clock) => {
    const when = new Date(stamp * 1000);
    return clock ? `${two(when.getUTCHours())}:${two(when.getUTCMinutes())}` : `${two(when.getUTCMonth() + 1)}-${two(when.getUTCDate())}`;
  };

  const draw = (place) => {
    const name = place.dataset.plot;
    if (!data[name] || !plots[name]) return;
    const { x, series, least, filled, bars, plain } = plots[name](data[name]);
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui, sans-serif" };
    const [first, last] = [x[0] ?? 0, x[x.length - 1] ?? 0];
    const options = {
      width: place.clientWidth, height: tall, legend: { live: true },
      tzDate: (stamp) => window.uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC"),
      axes: [{ ...axis, values: (_, splits) => splits.map((stamp) => said(stamp, !least)) }, { ...axis, size: 46 }],
      scales: {
        x: { range: x.length > 1 ? [first, last] : [last - Math.max(least, 60), last + Math.max(least, 60) / 90] },
        y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] },
      },
      series: [{ value: "{YYYY}-{MM}-{DD}" + (least ? "" : " {HH}:{mm}:{ss}") }, ...series.map((each, index) => ({
        label: each.label, stroke: colour(each.ink), width: 2, dash: each.dash,
        fill: filled || bars ? colour(each.ink) + (filled ? "cc" : "") : undefined,
        paths: bars ? window.uPlot.paths.bars({ size: [0.42, 14], align: index ? 1 : -1 }) : undefined,
        points: { show: !bars && !filled && x.length < 3, size: 9 },
        value: (_, value, __, where) => (value == null ? "–" : String(plain ? plain[index][where] : value)),
      }))],
    };
    const plot = new window.uPlot(options, [x, ...series.map((each) => each.values)], place);
    let wide = place.clientWidth;
    new ResizeObserver(() => {
      if (place.clientWidth === wide) return; // the legend alone grew
      wide = place.clientWidth;
      plot.setSize({ width: wide, height: tall });
    }).observe(place);
  };
  document.querySelectorAll("[data-plot]").forEach(draw);
}
