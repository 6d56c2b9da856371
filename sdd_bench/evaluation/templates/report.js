"use strict";
document.documentElement.classList.add("js");

// Bars: one stop for the Tab key, arrows go from bar to bar, and a line above the chart says which one it is.
{
  const chart = document.getElementById("bars");
  const readout = document.getElementById("readout");
  const bars = chart ? [...chart.querySelectorAll("a")] : [];
  const say = (bar) => { readout.textContent = bar.getAttribute("aria-label"); };
  bars.forEach((bar, place) => {
    bar.querySelector("title").remove(); // the line says it sooner
    bar.setAttribute("tabindex", place === 0 ? "0" : "-1");
    bar.addEventListener("pointerenter", () => say(bar));
    bar.addEventListener("focus", () => {
      for (const other of bars) other.setAttribute("tabindex", other === bar ? "0" : "-1");
      say(bar);
    });
    bar.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: bars.length - 1 }[event.key];
      if (bars[to]) {
        event.preventDefault();
        bars[to].focus();
      }
    });
  });
  if (bars.length) say(bars[0]);
}

// The table of images, sorted by a click on a heading; missing values stay last.
{
  const table = document.getElementById("image-table");
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  const compareText = new Intl.Collator("en", { numeric: true }).compare;
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const key = (row) => heading.dataset.kind === "text" ? row.cells[column].textContent : row.cells[column].dataset.value;
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
        return sign * (heading.dataset.kind === "text" ? compareText(x, y) : (Number(x) > Number(y)) - (Number(x) < Number(y)));
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}

// Two pictures of one image on top of each other, with a border between them that can be moved.
for (const strip of document.querySelectorAll(".strip")) {
  const viewer = strip.querySelector(".viewer");
  const controls = strip.querySelector(".controls");
  const rows = [...strip.querySelectorAll(".thumbs")];
  const titles = new Map();
  for (const figure of strip.querySelectorAll("figure")) titles.set(figure.dataset.key, figure.querySelector("figcaption").textContent);
  const shown = { left: "blur", right: "prediction" };
  let row = rows[0];

  const element = (name, className, parent) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    parent.append(made);
    return made;
  };
  const pictures = { right: element("img", "right", viewer), left: element("img", "left", viewer) };
  const tags = { left: element("span", "tag of-left", viewer), right: element("span", "tag of-right", viewer) };
  const frame = element("span", "box", viewer);
  element("span", "handle", viewer);
  const slider = element("input", "", viewer);
  Object.assign(slider, { type: "range", min: 0, max: 100, step: 0.5, value: 50 });
  slider.setAttribute("aria-label", "Border between the two pictures");

  const [x, y, width, height] = viewer.dataset.box.split(" ").map(Number);
  const [fullWidth, fullHeight] = viewer.dataset.size.split(" ").map(Number);
  Object.assign(frame.style, {
    left: `${100 * x / fullWidth}%`,
    top: `${100 * y / fullHeight}%`,
    width: `${100 * width / fullWidth}%`,
    height: `${100 * height / fullHeight}%`,
  });

  const move = () => {
    viewer.style.setProperty("--split", `${slider.value}%`);
    const share = Math.round(slider.value);
    slider.setAttribute("aria-valuetext", `${titles.get(shown.left)} ${share} %, ${titles.get(shown.right)} ${100 - share} %`);
  };
  const selects = {};
  const show = () => {
    const here = new Map([...row.querySelectorAll("figure")].map((figure) => [figure.dataset.key, figure]));
    const { width, height, scale } = row.dataset;
    viewer.style.aspectRatio = `${width} / ${height}`;
    // As high as the window at most; pixels of the detail twice as wide, not some fraction.
    viewer.style.maxWidth = `min(${scale === "detail" ? `${2 * width}px` : "100%"}, ${85 * width / height}vh)`;
    viewer.classList.toggle("magnified", scale === "detail");
    for (const side of ["left", "right"]) {
      if (!here.has(shown[side])) shown[side] = side === "left" ? "blur" : "prediction";
      pictures[side].src = here.get(shown[side]).querySelector("img").src;
      pictures[side].alt = titles.get(shown[side]);
      tags[side].textContent = titles.get(shown[side]);
      selects[side].value = shown[side];
      for (const option of selects[side].options) option.disabled = !here.has(option.value);
    }
    for (const other of rows) other.classList.toggle("off", other !== row);
    for (const [key, figure] of here) figure.querySelector("button").setAttribute("aria-pressed", String(key === shown.right));
    move();
  };

  for (const side of ["left", "right"]) {
    const label = element("label", "", controls);
    label.append(side === "left" ? "Left" : "Right");
    selects[side] = element("select", "", label);
    for (const [key, title] of titles) selects[side].add(new Option(title, key));
    selects[side].addEventListener("change", () => { shown[side] = selects[side].value; show(); });
  }
  const choice = element("fieldset", "", controls);
  element("legend", "hidden", choice).textContent = "Scale";
  for (const candidate of rows) {
    const label = element("label", "", choice);
    const radio = element("input", "", label);
    Object.assign(radio, { type: "radio", name: `scale-${strip.id}`, checked: candidate === row });
    label.append(candidate.dataset.scale === "whole" ? "whole picture" : "detail");
    radio.addEventListener("change", () => { row = candidate; show(); });
    for (const figure of candidate.querySelectorAll("figure")) {
      const button = element("button", "", figure);
      button.type = "button";
      button.style.setProperty("--ratio", `${candidate.dataset.width} / ${candidate.dataset.height}`);
      button.setAttribute("aria-label", `Show at the right: ${titles.get(figure.dataset.key)}`);
      button.addEventListener("click", () => { shown.right = figure.dataset.key; show(); });
    }
  }
  slider.addEventListener("input", move);
  show();
}
