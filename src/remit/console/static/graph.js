// Draws the access graph that the page's data has. The table below it says the same.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const place = document.getElementById("graph");
if (place && data.graph && window.Sigma && window.graphology) {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ink = { agent: "--link", purpose: "--c", boundary: "--d", action: "--a", server: "--b" };
  const layers = Object.keys(ink);
  const most = Math.max(...layers.map((kind) => data.graph.nodes.filter((each) => each.kind === kind).length));
  place.style.height = `${Math.max(280, 24 * most + 160)}px`; // a line of text for each of what stands in one layer
  // Its own units are pixels: a layer begins where its word above the drawing does, and rows fill the height.
  const [wide, high] = [place.clientWidth, place.clientHeight];
  const column = wide / layers.length;
  const short = (text) => (text.length > 34 ? text.slice(0, 33) + "…" : text);
  const graph = new window.graphology.Graph();
  for (const each of data.graph.nodes) {
    graph.addNode(each.key, { x: column * layers.indexOf(each.kind) + 16, y: high / 2 + each.y * (high / 2 - 40), label: short(each.label), size: each.kind === "agent" ? 9 : 6, color: colour(ink[each.kind]) });
  }
  for (const each of data.graph.edges) {
    graph.addEdge(each.source, each.target, { size: 1.5, readings: each.readings, color: colour("--dim") });
  }
  const inputs = [...document.querySelectorAll("input[name=reading]")];
  const asked = new URLSearchParams(location.search).get("reading");
  for (const input of inputs) input.checked = input.value === (inputs.some((each) => each.value === asked) ? asked : "configured");
  let reading = inputs.find((input) => input.checked).value;
  const shown = (edge) => graph.getEdgeAttribute(edge, "readings").includes(reading);
  const behind = getComputedStyle(place).backgroundColor;
  // A label stands on ground of its own: the edges that leave its node would strike it through.
  const label = (context, node, settings) => {
    if (!node.label) return;
    context.font = `${settings.labelSize}px ${settings.labelFont}`;
    const from = node.x + node.size + 3;
    context.fillStyle = behind;
    context.fillRect(from - 1, node.y - settings.labelSize / 2 - 2, context.measureText(node.label).width + 4, settings.labelSize + 4);
    context.fillStyle = settings.labelColor.color;
    context.fillText(node.label, from, node.y + settings.labelSize / 3);
  };
  const drawn = new window.Sigma(graph, place, {
    labelColor: { color: colour("--ink") }, labelFont: "system-ui, sans-serif", labelSize: 12, labelRenderedSizeThreshold: 0,
    labelDensity: 10, labelGridCellSize: 20, stagePadding: 0, autoRescale: true, minCameraRatio: 0.3, maxCameraRatio: 3, allowInvalidContainer: true,
    defaultDrawNodeLabel: label,
    edgeReducer: (edge, at) => (shown(edge) ? at : { ...at, hidden: true }),
    nodeReducer: (node, at) => (graph.edges(node).some(shown) ? at : { ...at, color: colour("--line"), label: "" }),
  });
  drawn.setCustomBBox({ x: [0, wide], y: [0, high] });
  drawn.refresh();
  for (const input of inputs) {
    input.addEventListener("change", () => {
      reading = input.value;
      const to = new URL(location.href);
      to.searchParams.set("reading", reading);
      history.replaceState(null, "", to);
      drawn.refresh();
    });
  }
}
