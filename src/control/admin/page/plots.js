// Lines over the last minutes.

import uPlot from "./uPlot.js";
import { element, say } from "./figures.js";

/** Looks that are kept: three minutes. */
const KEPT = 180;

/** Colours of lines that are told apart on light and on dark ground. */
const COLOURS = ["#0f9d9d", "#d9822b", "#7a5af5", "#c2456b", "#4c8c3a", "#3f7ee0", "#a6761d", "#8a8f98"];

/** Lines whose newest value is said. */
const LEGENDS = 6;

/** What was seen over time: a list of moments, and one list of values for each line. */
export class History {
  times = [];
  lines = new Map();

  add(values) {
    this.times.push(Date.now() / 1000);
    for (const name of Object.keys(values)) {
      if (!this.lines.has(name)) this.lines.set(name, Array(this.times.length - 1).fill(null));
    }
    for (const [name, line] of this.lines) line.push(values[name] ?? null);
    if (this.times.length <= KEPT) return;
    this.times.shift();
    for (const line of this.lines.values()) line.shift();
  }
}

const shown = new Set();

function axis(write, size) {
  const style = getComputedStyle(document.documentElement);
  const [soft, faint] = ["--soft", "--faint"].map((name) => resolved(style, name));
  return {
    stroke: soft,
    font: "11px system-ui, sans-serif",
    grid: { stroke: faint, width: 1 },
    ticks: { show: false },
    ...(write ? { values: (_, values) => values.map(write), size } : { values: (_, moments) => moments.map(clock), space: 80, size: 28 }),
  };
}

/** A moment of the day. */
function clock(moment) {
  return new Date(moment * 1000).toLocaleTimeString("en-GB");
}

/** The colour that a variable stands for: a canvas knows no variables. */
function resolved(style, name) {
  const probe = element("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour || style.color;
}

/** A plot of a history, with a caption that says the newest values. */
export function plot(caption, history, write, { least = 1, size = 52 } = {}) {
  const newest = element("span", { class: "newest" });
  const place = element("div", { class: "plot" });
  const box = element("div", { class: "card" }, element("div", { class: "caption" }, element("b", {}, caption), newest), place);
  let drawn = null;
  let names = "";

  const draw = () => {
    drawn?.destroy();
    const series = [...history.lines.keys()].map((name, at) => ({
      label: name,
      stroke: COLOURS[at % COLOURS.length],
      width: 1.6,
      points: { show: false },
      spanGaps: false,
    }));
    drawn = new uPlot({
      width: Math.max(120, place.clientWidth),
      height: 150,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 5 } },
      scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(least, (high ?? 0) * 1.15)] } },
      axes: [axis(), axis(write, size)],
      series: [{}, ...series],
    }, data(), place);
  };
  const data = () => [history.times, ...history.lines.values()];
  const update = () => {
    const now = [...history.lines.keys()].join();
    if (!drawn || now !== names) {
      names = now;
      if (place.isConnected) draw();
    } else drawn.setData(data());
    [...history.lines].slice(0, LEGENDS).forEach(([name, line], at) => {
      const legend = newest.children[at] ?? newest.appendChild(element("i"));
      legend.style.color = history.lines.size > 1 ? COLOURS[at % COLOURS.length] : "inherit";
      say(legend, (history.lines.size > 1 ? `${name} ` : "") + write(line.at(-1)));
    });
  };
  const sizing = new ResizeObserver(() => {
    if (drawn && place.clientWidth > 0) drawn.setSize({ width: place.clientWidth, height: 150 });
  });
  sizing.observe(place);
  const one = { redraw: () => drawn && draw() };
  shown.add(one);
  const end = () => {
    sizing.disconnect();
    shown.delete(one);
    drawn?.destroy();
  };
  return { box, update, end };
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown.forEach((one) => one.redraw()));
