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

  // Numbers of some columns can be compared only among those of one machine: one at a time is drawn.
  const apart = (heading) => "apart" in heading.dataset;
  const among = (row, heading) => row.cells[heading.cellIndex].dataset.among || "";

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
    selects.on = SDD.node("select", {});
    selects.on.addEventListener("change", () => SDD.write({ on: selects.on.selectedIndex ? selects.on.value : null }));
    const on = SDD.node("label", {}, "on", selects.on);
    const only = SDD.node("span", {});
    head.append(on, only);
    const readout = SDD.node("p", { className: "readout muted", "aria-hidden": "true" });
    const canvas = SDD.node("div", { className: "canvas" });
    section.append(head, canvas, readout);

    const chosen = (side) => {
      const linked = SDD.read().get(side);
      return byKey.get(byKey.has(linked) ? linked : plain[side]);
    };
    // The machines of a column, that of the most methods first.
    const machines = (heading) => {
      const counts = new Map();
      for (const row of rows) if (value(row, heading) !== undefined) counts.set(among(row, heading), (counts.get(among(row, heading)) ?? 0) + 1);
      return [...counts].sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1)).map(([name]) => name);
    };
    const chooseMachine = (heading) => {
      const names = heading ? machines(heading) : [];
      on.hidden = names.length < 2;
      only.textContent = names.length === 1 ? `on ${names[0]}` : "";
      if (!names.length) return undefined;
      selects.on.replaceChildren(...names.map((name) => new Option(name, name)));
      const linked = SDD.read().get("on");
      selects.on.value = names.includes(linked) ? linked : names[0];
      return selects.on.value;
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
      const timed = [x, y].find(apart);
      const machine = chooseMachine(timed);
      const both = rows.filter((row) => !row.hidden && value(row, x) !== undefined && value(row, y) !== undefined);
      const shown = both.filter((row) => !timed || among(row, timed) === machine);
      const missing = rows.filter((row) => !row.hidden).length - both.length;
      const elsewhere = both.length - shown.length;
      const width = Math.max(canvas.clientWidth, 240);
      const what = [width, x.dataset.key, y.dataset.key, machine, missing, elsewhere, ...shown.map((row) => row.dataset.id)].join(" ");
      if (what === drawn) return; // sorting, columns and choices change nothing here
      drawn = what;
      const ends = (row, heading) => row.cells[heading.cellIndex].dataset.i?.split(" ").map(Number) ?? [value(row, heading), value(row, heading)];
      if (!shown.length) {
        canvas.replaceChildren(SDD.node("p", { className: "muted small" }, `None of the methods shown has both numbers${elsewhere ? " on this machine" : ""}.`));
        readout.textContent = "\u00a0";
        return;
      }
      const horizontal = SDD.axis(shown.flatMap((row) => ends(row, x)), x.dataset.log);
      const vertical = SDD.axis(shown.flatMap((row) => ends(row, y)), y.dataset.log);
      const [across, down] = [width - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
      const left = (number) => MARGIN.left + horizontal.at(number) * across;
      const top = (number) => HEIGHT - MARGIN.bottom - vertical.at(number) * down;
      const svg = SDD.svg("svg", { width, height: HEIGHT, class: shown.length > 100 ? "many" : "few", role: "group", "aria-label": `${named(y)} against ${named(x)}, ${shown.length} methods` });
      const grid = SDD.svg("g", { "aria-hidden": "true" });
      let free = -Infinity; // where the next label fits
      for (const { at, text, strip } of horizontal.ticks) {
        const place = MARGIN.left + at * across;
        if (strip) grid.append(SDD.svg("rect", { class: "strip", x: MARGIN.left, y: MARGIN.top, width: strip * across - 5, height: down }));
        else grid.append(SDD.svg("line", { class: "gridline", x1: place, x2: place, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
        const half = text.length * 3.4 + 5;
        if (place - half < free) continue;
        free = place + half;
        grid.append(SDD.svg("text", { x: place, y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" }, text));
      }
      for (const { at, text, strip } of vertical.ticks) {
        const place = HEIGHT - MARGIN.bottom - at * down;
        if (strip) grid.append(SDD.svg("rect", { class: "strip", x: MARGIN.left, y: HEIGHT - MARGIN.bottom - strip * down + 5, width: across, height: strip * down - 5 }));
        else grid.append(SDD.svg("line", { class: "gridline", x1: MARGIN.left, x2: width - MARGIN.right, y1: place, y2: place }));
        grid.append(SDD.svg("text", { x: MARGIN.left - 8, y: place, "text-anchor": "end", "dominant-baseline": "middle" }, text));
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

      const places = sideBySide(shown.map((row) => ({ row, cx: left(value(row, x)), cy: top(value(row, y)) })));
      const points = places.map(({ row, cx, cy, moved }) => {
        const [xs, ys] = [ends(row, x).map((end) => left(end) + moved), ends(row, y).map(top)];
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
      readout.textContent = [
        missing ? `${missing} of the methods shown ${missing === 1 ? "lacks" : "lack"} one of the two numbers.` : "",
        elsewhere ? `${elsewhere} ${elsewhere === 1 ? "was" : "were"} timed on other machines.` : "",
        places.some(({ moved }) => moved) ? "Points in one place are drawn side by side." : "",
      ].filter(Boolean).join(" ") || "\u00a0";
    };

    // Few points that would hide each other are moved apart, sideways.
    const sideBySide = (places) => {
      const groups = [];
      for (const place of places) {
        const near = places.length <= 40 && groups.find(([first]) => Math.hypot(first.cx - place.cx, first.cy - place.cy) < 4);
        if (near) near.push(place);
        else groups.push([place]);
      }
      return groups.flatMap((group) => group.map((place, index) => {
        const moved = (index - (group.length - 1) / 2) * 11;
        return { ...place, cx: place.cx + moved, moved };
      }));
    };

    // Names beside few points, where there is room.
    const write = (svg, points, width) => {
      const whiskers = svg.querySelector(".whisker") !== null; // names go above or below them
      const taken = points.map(({ cx, cy }) => ({ left: cx - 7, right: cx + 7, top: cy - 7, bottom: cy + 7 }));
      const put = (text, cx, cy) => {
        const length = text.length * 6.6;
        const spots = [[cx + 9, "start"], [cx - 9, "end"]].flatMap(([at, anchor]) => [...(whiskers ? [] : [0]), -10, 10, -22, 22].map((down) => [at, anchor, cy + down]));
        for (const [at, anchor, middle] of spots) {
          const box = { left: anchor === "start" ? at : at - length, right: anchor === "start" ? at + length : at, top: middle - 7, bottom: middle + 7 };
          const free = box.right < width - 4 && box.left > MARGIN.left && box.top > 0 && box.bottom < HEIGHT - MARGIN.bottom
            && taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
          if (!free) continue;
          taken.push(box);
          svg.append(SDD.svg("text", { class: "name", x: at, y: middle, "text-anchor": anchor, "dominant-baseline": "middle", "aria-hidden": "true" }, text));
          return true;
        }
        return false;
      };
      for (const { row, cx, cy } of points) {
        const name = label(row);
        const cut = (most) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
        if (!put(cut(36), cx, cy) && name.length > 24) put(cut(24), cx, cy);
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
