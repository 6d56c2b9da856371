"use strict";

// Any two columns of the table against each other: points with their intervals, linked to the rows.
{
  const { rows, headings, label, title } = SDD.board;
  const columns = headings.filter((heading) => heading.dataset.sort === "number" && heading.dataset.title);
  const value = (row, heading) => {
    const text = row.cells[heading.cellIndex].dataset.v;
    return text === undefined || text === "inf" ? undefined : Number(text);
  };
  const usable = columns.filter((heading) => rows.some((row) => value(row, heading) !== undefined));
  const byKey = new Map(usable.map((heading) => [heading.dataset.key, heading]));
  const HEIGHT = 340;
  const MARGIN = { top: 14, right: 20, bottom: 46, left: 62 };

  // PSNR against LPIPS of the same reference where there is one; else against whatever comes next.
  const ordering = document.getElementById("board").dataset.ordering;
  const reference = ordering.replace(/^[a-z]+_/, "");
  const first = byKey.has(ordering) ? ordering : usable[0]?.dataset.key;
  const others = [`lpips_${reference}`, `ssim_${reference}`, ...byKey.keys()].filter((key) => byKey.has(key) && key !== first);
  const plain = { x: first, y: others[0] };

  const axis = (values) => {
    let low = Math.min(...values);
    let high = Math.max(...values);
    if (high - low < 1e-9) [low, high] = [low - Math.max(Math.abs(low) * 0.01, 1e-3), high + Math.max(Math.abs(high) * 0.01, 1e-3)];
    const rough = (high - low) / 5;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - 1e-9));
    const [from, to] = [Math.floor(low / step - 0.15), Math.ceil(high / step + 0.15)];
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const ticks = Array.from({ length: to - from + 1 }, (_, index) => (from + index) * step);
    return { low: from * step, high: to * step, ticks, text: (tick) => (Math.abs(tick) < step / 2 ? 0 : tick).toFixed(digits).replace("-", "−") };
  };

  const section = document.getElementById("plot");
  if (usable.length >= 2 && rows.length >= 2) {
    section.hidden = false;
    const selects = {};
    const head = SDD.node("div", { className: "plot-head" });
    for (const side of ["y", "x"]) {
      selects[side] = SDD.node("select", {}, ...usable.map((heading) => new Option(title(heading), heading.dataset.key)));
      selects[side].addEventListener("change", () => SDD.write({ [side]: selects[side].value === plain[side] ? null : selects[side].value }));
      head.append(SDD.node("label", {}, side === "y" ? "Plot" : "against", selects[side]));
    }
    const readout = SDD.node("p", { className: "readout muted", "aria-hidden": "true" });
    const canvas = SDD.node("div", { className: "canvas" });
    section.append(head, canvas, readout);

    const chosen = (side) => {
      const linked = SDD.read().get(side);
      return byKey.get(byKey.has(linked) ? linked : plain[side]);
    };
    const lower = (heading) => "lower" in heading.dataset;
    const named = (heading) => title(heading) + (heading.dataset.unit ? `, ${heading.dataset.unit}` : "");
    const texts = (row, heading) => `${title(heading)} ${row.cells[heading.cellIndex].textContent.trim()}`;
    let stop = null; // the point that the Tab key stops at
    let drawn = "";

    const draw = () => {
      const focused = document.activeElement?.closest?.("#plot a")?.dataset.id;
      const [x, y] = [chosen("x"), chosen("y")];
      selects.x.value = x.dataset.key;
      selects.y.value = y.dataset.key;
      const shown = rows.filter((row) => !row.hidden && value(row, x) !== undefined && value(row, y) !== undefined);
      const missing = rows.filter((row) => !row.hidden).length - shown.length;
      const width = Math.max(canvas.clientWidth, 240);
      const what = [width, x.dataset.key, y.dataset.key, ...shown.map((row) => row.dataset.id)].join(" ");
      if (what === drawn) return; // sorting, columns and choices change nothing here
      drawn = what;
      const ends = (row, heading) => row.cells[heading.cellIndex].dataset.i?.split(" ").map(Number) ?? [value(row, heading), value(row, heading)];
      if (!shown.length) {
        canvas.replaceChildren(SDD.node("p", { className: "muted small" }, "None of the methods shown has both numbers."));
        return;
      }
      const horizontal = axis(shown.flatMap((row) => ends(row, x)));
      const vertical = axis(shown.flatMap((row) => ends(row, y)));
      const left = (number) => MARGIN.left + (number - horizontal.low) / (horizontal.high - horizontal.low) * (width - MARGIN.left - MARGIN.right);
      const top = (number) => HEIGHT - MARGIN.bottom - (number - vertical.low) / (vertical.high - vertical.low) * (HEIGHT - MARGIN.top - MARGIN.bottom);
      const svg = SDD.svg("svg", { width, height: HEIGHT, class: shown.length > 100 ? "many" : "few", role: "group", "aria-label": `${named(y)} against ${named(x)}, ${shown.length} methods` });
      const grid = SDD.svg("g", { "aria-hidden": "true" });
      const every = Math.ceil(horizontal.ticks.length * 56 / (width - MARGIN.left - MARGIN.right));
      horizontal.ticks.forEach((tick, index) => {
        grid.append(SDD.svg("line", { class: "gridline", x1: left(tick), x2: left(tick), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
        if (index % every === 0) grid.append(SDD.svg("text", { x: left(tick), y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" }, horizontal.text(tick)));
      });
      for (const tick of vertical.ticks) {
        grid.append(SDD.svg("line", { class: "gridline", x1: MARGIN.left, x2: width - MARGIN.right, y1: top(tick), y2: top(tick) }));
        grid.append(SDD.svg("text", { x: MARGIN.left - 8, y: top(tick), "text-anchor": "end", "dominant-baseline": "middle" }, vertical.text(tick)));
      }
      grid.append(SDD.svg("text", { class: "title", x: (MARGIN.left + width - MARGIN.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, named(x)));
      grid.append(SDD.svg("text", { class: "title", transform: `translate(14 ${(MARGIN.top + HEIGHT - MARGIN.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, named(y)));
      const corner = `${lower(y) ? "↓" : "↑"}${lower(x) ? "←" : "→"}`;
      const arrow = { "↑→": "↗", "↑←": "↖", "↓→": "↘", "↓←": "↙" }[corner];
      grid.append(SDD.svg("text", {
        class: "better",
        x: lower(x) ? MARGIN.left + 8 : width - MARGIN.right - 8,
        y: lower(y) ? HEIGHT - MARGIN.bottom - 10 : MARGIN.top + 14,
        "text-anchor": lower(x) ? "start" : "end",
      }, `better ${arrow}`));
      svg.append(grid);

      const points = shown.map((row) => {
        const [cx, cy] = [left(value(row, x)), top(value(row, y))];
        const [xs, ys] = [ends(row, x).map(left), ends(row, y).map(top)];
        const name = `${label(row)}: ${texts(row, y)}, ${texts(row, x)}, ${row.dataset.status}`;
        const point = SDD.svg("a", { href: "#", class: `point ${row.dataset.status}`, "data-id": row.dataset.id, "aria-label": name, tabindex: "-1" });
        if (xs[0] !== xs[1]) point.append(SDD.svg("line", { class: "whisker", x1: xs[0], x2: xs[1], y1: cy, y2: cy }));
        if (ys[0] !== ys[1]) point.append(SDD.svg("line", { class: "whisker", x1: cx, x2: cx, y1: ys[0], y2: ys[1] }));
        point.append(SDD.svg("circle", { class: "hit", cx, cy, r: shown.length > 100 ? 6 : 11 }), SDD.svg("circle", { class: "dot", cx, cy, r: shown.length > 100 ? 4 : 5 }));
        const say = () => {
          readout.textContent = name;
          SDD.board.light(row.dataset.id);
        };
        point.addEventListener("pointerenter", say);
        point.addEventListener("pointerleave", () => SDD.board.light(SDD.read().get("row")));
        point.addEventListener("focus", () => { take(point); say(); });
        point.addEventListener("click", (event) => {
          event.preventDefault();
          SDD.write({ row: row.dataset.id });
          SDD.board.reach(SDD.board.light(row.dataset.id));
        });
        return { point, row, cx, cy };
      });
      const take = (point) => {
        for (const other of points) other.point.setAttribute("tabindex", other.point === point ? "0" : "-1");
        stop = point.dataset.id;
      };
      // Arrows go from point to point, from left to right.
      const inOrder = [...points].sort((a, b) => a.cx - b.cx || a.cy - b.cy);
      inOrder.forEach(({ point }, place) => {
        point.addEventListener("keydown", (event) => {
          const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: inOrder.length - 1 }[event.key];
          if (inOrder[to]) {
            event.preventDefault();
            inOrder[to].point.focus();
          }
        });
      });
      svg.append(...inOrder.map(({ point }) => point));
      if (points.length <= 14) write(svg, points, width);
      canvas.replaceChildren(svg);
      take((points.find(({ row }) => row.dataset.id === stop) ?? inOrder[0]).point);
      points.find(({ row }) => row.dataset.id === focused)?.point.focus();
      readout.textContent = missing ? `${missing} of the methods shown ${missing === 1 ? "has" : "have"} not both numbers.` : "\u00a0";
    };

    // Names beside few points, where there is room.
    const write = (svg, points, width) => {
      const whiskers = svg.querySelector(".whisker") !== null; // names go above or below them
      const taken = points.map(({ cx, cy }) => ({ left: cx - 7, right: cx + 7, top: cy - 7, bottom: cy + 7 }));
      for (const { row, cx, cy } of points) {
        const name = label(row);
        const length = Math.min(name.length, 24) * 6.6;
        const spots = [[cx + 9, "start"], [cx - 9, "end"]].flatMap(([at, anchor]) => [...(whiskers ? [] : [0]), -10, 10, -22, 22].map((down) => [at, anchor, cy + down]));
        for (const [at, anchor, middle] of spots) {
          const box = { left: anchor === "start" ? at : at - length, right: anchor === "start" ? at + length : at, top: middle - 7, bottom: middle + 7 };
          const free = box.right < width - 4 && box.left > MARGIN.left && box.top > 0 && box.bottom < HEIGHT - MARGIN.bottom
            && taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
          if (!free) continue;
          taken.push(box);
          const text = name.length > 24 ? `${name.slice(0, 23)}…` : name;
          svg.append(SDD.svg("text", { class: "name", x: at, y: middle, "text-anchor": anchor, "dominant-baseline": "middle", "aria-hidden": "true" }, text));
          break;
        }
      }
    };

    document.addEventListener("sdd:table", draw);
    new ResizeObserver(draw).observe(canvas);
    for (const row of rows) {
      const mark = (on) => section.querySelector(`a[data-id="${row.dataset.id}"]`)?.classList.toggle("lit", on);
      row.addEventListener("pointerenter", () => mark(true));
      row.addEventListener("pointerleave", () => mark(false));
      row.addEventListener("focusin", () => mark(true));
      row.addEventListener("focusout", () => mark(false));
    }
  }
}
