"use strict";

// Tables whose headings sort; missing values stay last. What is comparable only among some is sorted among these.
{
  const compareText = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

  const key = (row, column, kind) => {
    const cell = row.cells[column];
    if (!cell || cell.colSpan > 1) return undefined;
    if (kind === "text") return cell.textContent.trim() || undefined;
    return cell.dataset.v === undefined ? undefined : cell.dataset.v === "inf" ? Infinity : Number(cell.dataset.v);
  };

  // Makes the headings of a table buttons; `sorted` is told the heading and the direction.
  SDD.sortable = (table, sorted = () => {}) => {
    const headings = [...table.tHead.rows[0].cells].filter((heading) => heading.dataset.sort);
    const sort = (heading, direction) => {
      const column = heading.cellIndex;
      const kind = heading.dataset.sort;
      const sign = direction === "descending" ? -1 : 1;
      const keyed = [...table.tBodies[0].rows].map((row) => [key(row, column, kind), row]);
      const among = (row) => row.cells[column].dataset.among || "";
      keyed.sort(([a, one], [b, other]) => {
        if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
        if (among(one) !== among(other)) return compareText(among(one), among(other));
        return sign * (kind === "text" ? compareText(a, b) : a < b ? -1 : a > b ? 1 : 0);
      });
      table.tBodies[0].append(...keyed.map(([, row]) => row));
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", direction);
    };
    for (const heading of headings) {
      const button = SDD.node("button", { type: "button" });
      const ends = heading.querySelector(".ends");
      const small = heading.querySelector("small");
      const named = SDD.node("span", { className: "named" });
      named.append(...[...heading.childNodes].filter((child) => child !== ends && child !== small));
      button.append(named, ...(small ? [small] : []));
      heading.prepend(button);
      button.addEventListener("click", () => {
        const first = heading.dataset.sort === "text" || "lower" in heading.dataset ? "ascending" : "descending";
        const other = first === "ascending" ? "descending" : "ascending";
        const direction = heading.getAttribute("aria-sort") === first ? other : first;
        sort(heading, direction);
        SDD.announce(`Sorted by ${heading.dataset.title || button.textContent}, ${direction}${"apart" in heading.dataset ? ", machine by machine" : ""}`);
        sorted(heading, direction);
      });
    }
    return { sort, headings };
  };

  // Every word has to be somewhere in the row's texts, numbers aside, or in what it may be searched by.
  const held = new WeakMap();
  const words = (row) => {
    if (!held.has(row)) {
      const texts = [...row.cells].filter((cell) => !cell.classList.contains("n")).map((cell) => cell.textContent);
      held.set(row, [...texts, row.dataset.search || ""].join(" ").toLowerCase());
    }
    return held.get(row);
  };
  SDD.matcher = (text) => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    return (row) => wanted.every((word) => words(row).includes(word));
  };
}

for (const table of document.querySelectorAll("table.sources, table.images-table")) SDD.sortable(table);

for (const input of document.querySelectorAll("input[data-filter]")) {
  const rows = [...document.getElementById(input.dataset.filter).tBodies[0].rows];
  const count = document.querySelector(`[data-count="${input.dataset.filter}"]`);
  const filter = () => {
    const matches = SDD.matcher(input.value);
    for (const row of rows) row.hidden = !matches(row);
    const left = rows.filter((row) => !row.hidden).length;
    count.textContent = left === rows.length ? `${rows.length}` : `${left} of ${rows.length}`;
    SDD.write({ q: input.value });
  };
  input.addEventListener("input", filter);
  input.value = SDD.read().get("q") || "";
  filter();
}
