"use strict";

// A table of methods: sort, filter, columns, what a number is, copies, and the choice for the comparison.
{
  const table = document.getElementById("board");
  const headings = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const original = [...rows];
  const byKey = new Map(headings.map((heading) => [heading.dataset.key, heading]));
  const ordering = byKey.get(table.dataset.ordering);
  const title = (heading) => heading.dataset.title || heading.dataset.key.replace("_", " ");
  const label = (row) => row.querySelector("th.name bdi").textContent;
  const direction = (heading) => ("lower" in heading.dataset ? "ascending" : "descending");
  const get = (id) => document.getElementById(id);

  SDD.board = { table, rows, headings, label, title };

  // Sorting. The order of the file, best first, is not in the link.
  const { sort } = SDD.sortable(table, (heading, towards) => {
    const isFirst = heading === ordering && towards === direction(ordering);
    SDD.write({ sort: isFirst ? null : (towards === "descending" ? "-" : "") + heading.dataset.key });
  });
  const sortAsLinked = () => {
    const wanted = SDD.read().get("sort") || "";
    const heading = byKey.get(wanted.replace(/^-/, ""));
    if (heading?.dataset.sort) return sort(heading, wanted.startsWith("-") ? "descending" : "ascending");
    if (!original.every((row, place) => row === table.tBodies[0].rows[place])) table.tBodies[0].append(...original);
    for (const other of headings) other.removeAttribute("aria-sort");
    return ordering.setAttribute("aria-sort", direction(ordering));
  };

  // Filters: text, and statuses where there are several.
  const statuses = [...new Set(rows.map((row) => row.dataset.status))];
  const filter = () => {
    const state = SDD.read();
    const matches = SDD.matcher(state.get("q") || "");
    const wanted = state.get("status")?.split(",");
    for (const row of rows) row.hidden = !matches(row) || (wanted !== undefined && !wanted.includes(row.dataset.status));
    const left = rows.filter((row) => !row.hidden).length;
    get("count").textContent = left === rows.length ? `${left} method${left === 1 ? "" : "s"}` : `${left} of ${rows.length} methods`;
    reveal(PAGE);
  };

  // A long table is laid out as far as it is read: more rows come when its end is near.
  const PAGE = Number(table.dataset.page);
  const more = get("more").firstElementChild;
  let revealed = PAGE;
  const shownRows = () => [...table.tBodies[0].rows].filter((row) => !row.hidden);
  const reveal = (count) => {
    const found = shownRows();
    revealed = count;
    found.forEach((row, place) => row.classList.toggle("later", place >= revealed));
    get("more").hidden = found.length <= revealed;
    more.textContent = `${found.length - revealed} more`;
  };
  more.addEventListener("click", () => reveal(revealed + PAGE));
  new IntersectionObserver(([end]) => end.isIntersecting && reveal(revealed + PAGE), { root: more.closest(".scroll"), rootMargin: "400px" }).observe(more);
  get("filter").addEventListener("input", (event) => SDD.write({ q: event.target.value }));
  if (statuses.length > 1) {
    for (const status of statuses) {
      const box = SDD.node("input", { type: "checkbox", value: status });
      box.addEventListener("change", () => {
        const on = [...get("statuses").querySelectorAll("input:checked")].map((other) => other.value);
        SDD.write({ status: on.length === statuses.length ? null : on.join(",") || "none" });
      });
      get("statuses").append(SDD.node("label", { className: `badge ${status}` }, box, status));
    }
  }

  // Columns. Those with `data-extra` are not there from the start; on a narrow screen, numbers come right after names.
  const choosable = headings.filter((heading) => !["pick", "method"].includes(heading.dataset.key));
  const narrow = matchMedia("(max-width: 600px)");
  const plain = () => choosable
    .filter((heading) => !("extra" in heading.dataset) && !(narrow.matches && ["trained_on", "status", "images"].includes(heading.dataset.key)))
    .map((heading) => heading.dataset.key);
  const chosen = () => new Set(SDD.read().get("cols")?.split(",") ?? plain());
  const showColumns = () => {
    const on = chosen();
    for (const heading of choosable) {
      const off = !on.has(heading.dataset.key);
      if (heading.classList.contains("off") === off) continue;
      for (const row of table.rows) row.cells[heading.cellIndex].classList.toggle("off", off);
    }
    for (const box of get("columns").querySelectorAll("input")) box.checked = on.has(box.value);
  };
  for (const heading of choosable) {
    const box = SDD.node("input", { type: "checkbox", value: heading.dataset.key });
    box.addEventListener("change", () => {
      const on = [...get("columns").querySelectorAll("input:checked")].map((other) => other.value);
      SDD.write({ cols: on.join() === plain().join() ? null : on.join(",") || "none" });
    });
    get("columns").querySelector(".pop").append(SDD.node("label", {}, box, title(heading)));
  }

  // Two to four methods for the comparison.
  const boxes = new Map(rows.map((row) => [row.dataset.id, row.querySelector(".pick input")]));
  const compare = get("compare");
  const picked = () => (SDD.read().get("m") || "").split(",").filter((id) => boxes.get(id));
  const showPicks = () => {
    if (!compare) return;
    const ids = picked();
    for (const [id, box] of boxes) {
      box.checked = ids.includes(id);
      box.disabled = !box.checked && ids.length >= 4;
    }
    compare.textContent = ids.length ? `Compare images of ${ids.length}` : "Compare images";
    compare.href = compare.href.split("#")[0] + (ids.length ? `#m=${ids.join(",")}` : "");
  };
  for (const [id, box] of boxes) {
    box?.addEventListener("change", () => SDD.write({ m: [...picked().filter((other) => other !== id), ...(box.checked ? [id] : [])].join(",") }));
  }

  // What a number is and where it comes from: shown where the pointer is, or the focus. Arrows go from number to number.
  const tip = get("origin");
  let shown = null;
  let leaving = 0;
  const hide = () => {
    tip.hidden = true;
    shown?.removeAttribute("aria-describedby");
    shown = null;
  };
  const show = (cell) => {
    clearTimeout(leaving);
    if (cell === shown) return;
    hide();
    const heading = headings[cell.cellIndex];
    const row = cell.parentElement;
    const unit = heading.dataset.unit ? ` ${heading.dataset.unit}` : "";
    const lines = [];
    if (cell.dataset.i) {
      const digits = (cell.textContent.match(/\.(\d+)/) || ["", ""])[1].length;
      const [low, high] = cell.dataset.i.split(" ").map((end) => Number(end).toFixed(digits));
      lines.push(`95 % interval of the mean: ${low} to ${high}${unit}.`);
    }
    if (cell.classList.contains("p1")) lines.push("Best of its column, or can’t be told from the best.");
    if (cell.classList.contains("p2")) lines.push("Second of its column, or can’t be told from it.");
    if (cell.dataset.note) lines.push(cell.dataset.note);
    const value = cell.textContent.trim();
    tip.replaceChildren(
      SDD.node("strong", {}, SDD.node("bdi", {}, label(row)), `: ${title(heading)} ${value}${value === "n/a" ? "" : unit}`),
      ...lines.map((line) => SDD.node("span", {}, line)),
      SDD.node("span", { className: "from" }, row.dataset.origin),
    );
    tip.hidden = false;
    cell.setAttribute("aria-describedby", "origin");
    shown = cell;
    place();
  };
  const place = () => {
    const at = shown.getBoundingClientRect();
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(at.right - width, document.documentElement.clientWidth - width - 8))}px`;
    tip.style.top = `${at.bottom + height > innerHeight && at.top > height ? at.top - height : at.bottom}px`;
  };
  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(() => (document.activeElement?.matches("td.num") ? show(document.activeElement) : hide()), 120);
  };
  const numbers = (row) => [...row.querySelectorAll("td.num:not(.off)")];
  const stop = (cell) => {
    for (const other of table.querySelectorAll("td.num[tabindex]")) other.removeAttribute("tabindex");
    cell?.setAttribute("tabindex", "0");
  };
  const numberAt = (target) => target.closest?.("td.num");
  table.addEventListener("pointerover", (event) => (numberAt(event.target) ? show(numberAt(event.target)) : leave()));
  table.addEventListener("pointerleave", leave);
  tip.addEventListener("pointerenter", () => clearTimeout(leaving));
  tip.addEventListener("pointerleave", leave);
  table.addEventListener("focusin", (event) => numberAt(event.target) && show(event.target));
  table.addEventListener("focusout", leave);
  table.addEventListener("click", (event) => {
    const cell = numberAt(event.target);
    if (!cell) return;
    stop(cell);
    cell.focus();
  });
  table.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("td.num")) return;
    const row = event.target.parentElement;
    const lined = shownRows();
    const along = numbers(row);
    const [y, x] = [lined.indexOf(row), along.indexOf(event.target)];
    const to = {
      ArrowRight: along[x + 1],
      ArrowLeft: along[x - 1],
      ArrowDown: lined[y + 1] && numbers(lined[y + 1])[x],
      ArrowUp: lined[y - 1] && numbers(lined[y - 1])[x],
      Home: along[0],
      End: along.at(-1),
    }[event.key];
    if (!to) return;
    event.preventDefault();
    if (to.parentElement.matches(".later")) reveal(revealed + PAGE);
    stop(to);
    to.focus();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  // A number under the pointer or in focus keeps its origin beside it: to get there may have been what scrolled.
  addEventListener("scroll", () => (shown?.matches(":hover, :focus") ? place() : hide()), { capture: true, passive: true });

  // Copies of what the table shows now.
  const shownHeadings = () => headings.filter((heading) => heading.dataset.key !== "pick" && !heading.classList.contains("off"));
  const figures = (heading) => heading.classList.contains("n") && heading.dataset.unit !== undefined;

  const latex = () => {
    const columns = shownHeadings().filter((heading) => heading.dataset.latex);
    const trained = shownHeadings().includes(byKey.get("trained_on"));
    const names = trained ? ["Method", "Trained on"] : ["Method"];
    const spans = [];
    for (const heading of columns) {
      if (spans.at(-1)?.text === heading.dataset.span) spans.at(-1).among.push(heading);
      else spans.push({ text: heading.dataset.span, among: [heading] });
    }
    const mark = (cell) => {
      const text = cell.textContent.trim().replace("±", "$\\pm$").replace(/^n\/a$/, "--");
      return cell.classList.contains("p1") ? `\\textbf{${text}}` : cell.classList.contains("p2") ? `\\underline{${text}}` : text;
    };
    const tabular = (part) => {
      let start = names.length + 1;
      const rules = part.map(({ among }) => `\\cmidrule(lr){${start}-${(start += among.length) - 1}}`);
      const within = part.flatMap(({ among }) => among);
      const body = shownRows().map((row) => {
        const notes = row.dataset.notes ? `\\textsuperscript{${row.dataset.notes}}` : "";
        const cells = [(row.dataset.latex || label(row)) + notes];
        if (trained) cells.push(row.dataset.trained || "");
        return `${[...cells, ...within.map((heading) => mark(row.cells[heading.cellIndex]))].join(" & ")} \\\\`;
      });
      return [
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        `\\begin{tabular}{${"l".repeat(names.length)}${"r".repeat(within.length)}}`,
        "\\toprule",
        `${[...names.map(() => ""), ...part.map(({ text, among }) => `\\multicolumn{${among.length}}{c}{${text}}`)].join(" & ").trim()} \\\\`,
        rules.join(""),
        `${[...names, ...within.map((heading) => heading.dataset.latex)].join(" & ")} \\\\`,
        "\\midrule",
        ...body,
        "\\bottomrule",
        "\\end{tabular}}",
      ];
    };
    // As the command has it: with intervals, the scores against each reference stand below each other.
    const wide = shownRows().some((row) => columns.some((heading) => row.cells[heading.cellIndex].dataset.i));
    const parts = wide ? spans.map((span) => [span]) : [spans];
    return [
      "% \\usepackage{booktabs,graphicx}; names in other scripts need XeLaTeX or LuaLaTeX",
      "\\begin{table}",
      "\\centering",
      `\\caption{${table.dataset.caption}}`,
      "\\smallskip",
      ...parts.flatMap((part, place) => [...(place ? ["", "\\medskip"] : []), ...tabular(part)]),
      ...(table.dataset.notes ? ["", `\\smallskip\\raggedright\\footnotesize ${table.dataset.notes}`] : []),
      "\\end{table}",
      "",
    ].join("\n");
  };

  const csv = () => {
    const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const columns = shownHeadings();
    const suffixes = ["", "_lower", "_upper", "_place"];
    const stated = (heading) => "log" in heading.dataset; // not scored: no interval and no place, but perhaps a machine
    const head = columns.flatMap((heading) => {
      if (stated(heading)) return [heading.dataset.key, ...("apart" in heading.dataset ? ["measured_on"] : [])];
      return figures(heading) ? suffixes.map((suffix) => heading.dataset.key + suffix) : [heading.dataset.key];
    });
    const body = shownRows().map((row) => columns.flatMap((heading) => {
      const cell = row.cells[heading.cellIndex];
      if (heading.dataset.key === "method") return [label(row)];
      if (stated(heading)) return [cell.dataset.v ?? "", ...("apart" in heading.dataset ? [cell.dataset.among ?? ""] : [])];
      if (!figures(heading)) return [cell.dataset.v ?? cell.textContent.trim()];
      const place = cell.classList.contains("p1") ? "1" : cell.classList.contains("p2") ? "2" : "";
      return [cell.dataset.v ?? "", ...(cell.dataset.i?.split(" ") ?? ["", ""]), place];
    }));
    return [head, ...body].map((cells) => `${cells.map(quoted).join(",")}\n`).join("");
  };

  const dialog = get("copied");
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = { latex, csv, link: () => location.href }[button.dataset.copy]();
      const before = button.textContent;
      if (await SDD.copy(text, before)) {
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = before; }, 1500);
        return;
      }
      const area = dialog.querySelector("textarea");
      area.value = text;
      dialog.showModal();
      area.select();
    });
  }

  // A row that a link or the plot points at.
  SDD.board.light = (id) => {
    for (const row of table.querySelectorAll("tr.lit")) row.classList.remove("lit");
    const row = rows.find((other) => other.dataset.id === id && !other.hidden);
    row?.classList.add("lit");
    return row;
  };
  SDD.board.reach = (row) => {
    if (row.matches(".later")) reveal(shownRows().indexOf(row) + PAGE);
    row.scrollIntoView({ block: "center" });
    row.querySelector("th.name a").focus({ preventScroll: true });
  };

  get("reset").addEventListener("click", () => {
    SDD.write({ q: null, status: null, sort: null, cols: null, m: null, row: null, x: null, y: null, on: null });
    get("filter").focus();
  });
  const take = () => {
    const state = SDD.read();
    if (get("filter").value !== (state.get("q") || "")) get("filter").value = state.get("q") || "";
    for (const box of get("statuses").querySelectorAll("input")) box.checked = !state.get("status") || state.get("status").split(",").includes(box.value);
    get("reset").hidden = ![...state.keys()].length;
    filter();
    showColumns();
    showPicks();
    if (!table.querySelector('tr:not([hidden], .later) td.num[tabindex="0"]:not(.off)')) stop(shownRows()[0] && numbers(shownRows()[0])[0]);
    SDD.board.light(state.get("row"));
    for (const link of document.querySelectorAll("nav.groups a")) link.href = link.href.split("#")[0] + location.hash;
    document.dispatchEvent(new Event("sdd:table"));
  };
  document.addEventListener("sdd:state", take);
  narrow.addEventListener("change", take);
  addEventListener("hashchange", () => { sortAsLinked(); take(); });
  get("reset").addEventListener("click", sortAsLinked);
  sortAsLinked();
  take();
}
