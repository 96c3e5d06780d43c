// Draws what the page's data says, in the page's own colours. Every plot has a table beside it.
"use strict";

const source = document.getElementById("data");
if (source && window.uPlot) {
  const data = JSON.parse(source.textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const at = (day) => Date.parse(day + "T00:00:00Z") / 1000;

  const curves = {
    creep: (of) => ({
      x: of.day.map(at),
      series: [["Granted", of.granted, "--b"], ["Direct", of.direct, "--a"], ["Latent", of.latent, "--d"], ["Used", of.used, "--c"]],
    }),
  };

  for (const place of document.querySelectorAll("[data-plot]")) {
    const name = place.dataset.plot;
    if (!data[name] || !curves[name]) continue;
    const { x, series } = curves[name](data[name]);
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
    const options = {
      width: place.clientWidth, height: place.clientHeight - 40, legend: { live: true },
      axes: [{ ...axis }, { ...axis, size: 46 }],
      scales: { x: { range: x.length > 1 ? [x[0], x[x.length - 1]] : [(x[0] ?? 0) - 89 * 86400, (x[0] ?? 0) + 86400] }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.1)] } },
      series: [{}, ...series.map(([label, , ink]) => ({ label, stroke: colour(ink), width: 2, points: { show: x.length < 3 } }))],
    };
    const plot = new window.uPlot(options, [x, ...series.map(([, values]) => values)], place);
    new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height: place.clientHeight - 40 })).observe(place);
  }
}
