"use strict";
// Values under the pointer: the nearest point of every line. Arrow keys move along a plot that has the focus.
for (const chart of document.querySelectorAll(".chart")) {
  const { xs, series } = JSON.parse(chart.querySelector("script").textContent);
  const cross = document.createElement("div");
  const tip = document.createElement("div");
  cross.className = "cross";
  tip.className = "tip";
  let at = -1;
  const show = (index) => {
    at = Math.max(0, Math.min(xs.length - 1, index));
    const [left, words] = xs[at];
    cross.style.left = `${left}%`;
    cross.replaceChildren();
    tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: words }));
    for (const { name, colour, points } of series) {
      const point = points[at];
      if (!point) continue;
      const dot = document.createElement("i");
      dot.className = colour;
      dot.style.bottom = `${point[0]}%`;
      cross.append(dot);
      const row = document.createElement("div");
      row.className = colour;
      row.append(name, Object.assign(document.createElement("b"), { textContent: point[1] }));
      tip.append(row);
    }
    chart.append(cross, tip);
    const right = left > 50;
    tip.style.left = right ? "auto" : `calc(${left}% + 10px)`;
    tip.style.right = right ? `calc(${100 - left}% + 10px)` : "auto";
  };
  const hide = () => {
    at = -1;
    cross.remove();
    tip.remove();
  };
  const point = (event) => {
    const box = chart.getBoundingClientRect();
    const left = ((event.clientX - box.left) / box.width) * 100;
    let nearest = 0;
    xs.forEach(([x], index) => {
      if (Math.abs(x - left) < Math.abs(xs[nearest][0] - left)) nearest = index;
    });
    show(nearest);
  };
  chart.addEventListener("pointermove", point);
  chart.addEventListener("pointerdown", point);
  chart.addEventListener("pointerleave", hide);
  chart.addEventListener("blur", hide);
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") hide();
    if (step === undefined) return;
    event.preventDefault();
    show(at < 0 ? (step > 0 ? 0 : xs.length - 1) : at + step);
  });
}
const download = document.getElementById("download");
const report = document.getElementById("report").textContent;
download.href = URL.createObjectURL(new Blob([report], { type: "application/json" }));
download.hidden = false;
