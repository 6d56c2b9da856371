"use strict";

// Two to four methods on one image, and the images in the order in which the methods disagree.
{
  const LETTERS = ["A", "B", "C", "D"];
  const LAYERS = {
    prediction: "Prediction", error: "Error map", blur: "Input", gt: "GT", deformed_gt: "Deformed GT", flow: "Flow", mask: "Left out",
  };
  const OWN = ["prediction", "error"]; // of a method; the others are of the image, unless the protocol deforms towards predictions
  const { methods, measures } = JSON.parse(document.getElementById("data").textContent);
  const byId = new Map(methods.map((method) => [method.id, method]));
  const loaded = new Map();
  const get = (id) => document.getElementById(id);
  const main = measures.filter((measure) => measure.main);

  // Scores and pictures of a method lie in a script of its own, which is fetched when the method is chosen.
  SDD.entry = (entry) => loaded.get(entry.id).resolve(entry);
  const load = (id) => {
    if (!loaded.has(id)) {
      const waiting = {};
      waiting.promise = new Promise((resolve) => { waiting.resolve = resolve; });
      loaded.set(id, waiting);
      const script = SDD.node("script", { src: `../data/${id}.js` });
      script.addEventListener("error", () => waiting.resolve(null));
      document.head.append(script);
    }
    return loaded.get(id).promise;
  };

  // The state: m methods, image, by measure, view, show, beside, left, right, at zoom:x:y.
  const chosenIds = () => {
    const linked = SDD.read().get("m");
    if (linked !== null) return linked.split(",").filter((id) => byId.has(id)).slice(0, 4);
    const pictured = methods.filter((method) => method.pictures);
    return (pictured.length >= 2 ? pictured : methods).slice(0, 2).map((method) => method.id);
  };
  const measure = () => measures.find(({ key }) => key === SDD.read().get("by")) ?? measures[0];
  const choose = (ids) => SDD.write({ m: ids.join(",") || "none" });

  const slots = () => {
    const ids = chosenIds();
    const made = Array.from({ length: Math.min(4, ids.length + 1) }, (_, index) => {
      const select = SDD.node("select", { "aria-label": `Method ${LETTERS[index]}` }, new Option(index < ids.length ? "– remove –" : "+ add a method", ""));
      for (const method of methods) {
        const twins = methods.filter(({ label }) => label === method.label).length > 1;
        const name = method.label + (twins && method.trained ? `, trained on ${method.trained}` : "") + (method.pictures ? "" : " (no pictures)");
        const option = new Option(name, method.id);
        option.disabled = ids.includes(method.id) && ids[index] !== method.id;
        select.add(option);
      }
      select.value = ids[index] ?? "";
      select.addEventListener("change", () => {
        const next = [...ids];
        if (select.value) next[index] = select.value;
        else next.splice(index, 1);
        choose(next.filter(Boolean));
        get("slots").querySelectorAll("select")[Math.min(index, next.length)]?.focus();
      });
      return SDD.node("label", { className: index < ids.length ? "slot" : "slot more" }, SDD.node("span", { className: `letter ${LETTERS[index]}` }, LETTERS[index]), select);
    });
    get("slots").replaceChildren(...made);
  };

  const show = (value, { decimals }) => (value === null || value === undefined ? "–" : value === "identical" ? value : value.toFixed(decimals).replace("-", "−"));
  const number = (value) => (value === "identical" ? Infinity : value ?? undefined);

  // Images of all chosen methods, with how far apart their scores are.
  const images = (entries, by) => {
    const stems = new Map();
    entries.forEach((entry, index) => entry.stems.forEach((stem, place) => {
      if (!stems.has(stem)) stems.set(stem, { stem, environment: entry.environments[place], scores: {}, values: entries.map(() => null), errors: [] });
      const image = stems.get(stem);
      image.values[index] = entry.scores[by.key]?.[place] ?? null;
      image.scores[index] = Object.fromEntries(measures.map(({ key }) => [key, entry.scores[key]?.[place] ?? null]));
      if (entry.errors[stem]) image.errors[index] = entry.errors[stem];
    }));
    const found = [...stems.values()];
    for (const image of found) {
      const finite = image.values.map(number).filter(Number.isFinite);
      image.apart = finite.length >= 2 ? Math.max(...finite) - Math.min(...finite) : undefined;
    }
    const worst = (image) => {
      const value = number(image.values[0]) ?? (by.higher ? Infinity : -Infinity);
      return by.higher ? value : -value;
    };
    // One method disagrees with nobody: then the worst image comes first.
    return found.sort((a, b) => (b.apart ?? -1) - (a.apart ?? -1) || worst(a) - worst(b) || (a.stem < b.stem ? -1 : 1));
  };

  const list = (found, entries, by, current) => {
    const labels = entries.map((entry) => byId.get(entry.id).label);
    const { unit } = by;
    const head = SDD.node("tr", {},
      SDD.node("th", { scope: "col", className: "name", "data-sort": "text" }, "image"),
      ...(entries.length > 1 ? [SDD.node("th", { scope: "col", className: "n", "data-sort": "number", "aria-sort": "descending" }, "apart")] : []),
      ...entries.map((_, index) => SDD.node("th", { scope: "col", className: "n", "data-sort": "number", "data-title": labels[index], title: labels[index] },
        SDD.node("span", { className: `letter ${LETTERS[index]}` }, LETTERS[index]), SDD.node("span", { className: "hidden" }, ` ${labels[index]}`))));
    if (!by.higher) for (const heading of head.cells) if (heading.dataset.title) heading.dataset.lower = "";
    const widest = Math.max(...found.map((image) => image.apart ?? 0), 1e-12);
    const body = found.map((image) => {
      const button = SDD.node("button", { type: "button", className: "plain" }, SDD.node("bdi", {}, image.stem));
      if (image.stem === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => SDD.write({ image: image.stem }));
      const finite = image.values.map(number).filter((value) => value !== undefined);
      const best = by.higher ? Math.max(...finite) : Math.min(...finite);
      const row = SDD.node("tr", { className: image.stem === current ? "current" : "" }, SDD.node("th", { scope: "row", className: "name" }, button,
        ...(image.environment ? [SDD.node("span", { className: `dot ${image.environment}`, title: image.environment, role: "img", "aria-label": image.environment })] : [])));
      if (entries.length > 1) {
        const bar = SDD.node("i", { className: "apart" });
        bar.style.width = `${100 * (image.apart ?? 0) / widest}%`;
        row.append(SDD.node("td", { className: "n", "data-v": image.apart === undefined ? undefined : String(image.apart) }, show(image.apart, by), bar));
      }
      image.values.forEach((value, index) => {
        const sortable = value === "identical" ? "inf" : value === null ? undefined : String(value);
        row.append(SDD.node("td", { className: number(value) === best && finite.length > 1 ? "n p1" : "n", "data-v": sortable, title: image.errors[index] }, show(value, by)));
      });
      return row;
    });
    get("images").tHead.replaceChildren(head);
    get("images").tBodies[0].replaceChildren(...body);
    SDD.sortable(get("images"));
    get("list-note").textContent = entries.length > 1
      ? `${found.length} images; those on which the methods’ ${by.title}${unit ? ` (${unit})` : ""} is furthest apart come first.`
      : `${found.length} images, the worst first. Choose a second method to see where they disagree.`;
  };

  // The controls of the viewer.
  const control = (title, name, options) => {
    const select = SDD.node("select", {}, ...options.map(([value, text]) => new Option(text, value)));
    select.addEventListener("change", () => SDD.write({ [name]: select.value }));
    return [SDD.node("label", {}, `${title} `, select), select];
  };
  const controls = SDD.node("div", { className: "view-controls" });
  get("viewer").append(controls);
  const viewer = SDD.viewer(get("viewer"), ({ zoom, x, y }) => {
    moving = true;
    SDD.write({ at: zoom === 1 ? null : [zoom, x, y].map((part) => Number(part.toFixed(3))).join(":") });
    moving = false;
  });
  let moving = false;
  const key = SDD.node("p", { className: "small muted keys-line" });
  get("viewer").append(key);

  const numbers = (image, index) => {
    if (image.errors[index]) return image.errors[index];
    return main.map((one) => `${one.short.split(" ")[0]} ${show(image.scores[index]?.[one.key], one)}`).join("  ");
  };

  const stage = (image, entries) => {
    const state = SDD.read();
    const pictured = entries.map((entry) => entry.pictures?.images[image.stem]);
    const any = pictured.findIndex(Boolean);
    const without = entries.filter((entry) => !entry.pictures).map((entry) => byId.get(entry.id).label);
    get("no-pictures").hidden = any >= 0 || !entries.length;
    get("no-pictures").textContent = `This site has no pictures of ${without.join(", ")}; the scores below are complete. Whoever has the predictions can add them: sdd-bench leaderboard build LEADERBOARD --site SITE --predictions ENTRY=FOLDER --dataset-folder DATASET`;
    get("stage-title").firstChild.textContent = image.stem;
    controls.replaceChildren();
    key.textContent = "";
    const label = (index) => byId.get(entries[index].id).label;
    if (any < 0) {
      viewer.nothing();
      const rows = entries.map((_, index) => SDD.node("tr", {}, SDD.node("th", { scope: "row" }, SDD.node("span", { className: `letter ${LETTERS[index]}` }, LETTERS[index]), " ", SDD.node("bdi", {}, label(index))),
        ...measures.map((one) => SDD.node("td", { className: "n" }, show(image.scores[index]?.[one.key], one)))));
      const head = SDD.node("tr", {}, SDD.node("th", { scope: "col" }, "method"), ...measures.map((one) => SDD.node("th", { scope: "col", className: "n" }, one.short, SDD.node("small", {}, one.against))));
      const table = SDD.node("table", { className: "grid" }, SDD.node("caption", { className: "hidden" }, "Scores of this image"), SDD.node("thead", {}, head), SDD.node("tbody", {}, ...rows));
      controls.replaceChildren(SDD.node("div", { className: "scroll", role: "region", "aria-label": "Scores of this image", tabIndex: 0 }, table));
      return;
    }
    const size = pictured[any].shown;
    const url = (index, layer) => pictured[index]?.files[layer] && `../pictures/files/${pictured[index].files[layer]}`;
    const layers = Object.keys(LAYERS).filter((layer) => pictured.some((one) => one?.files[layer]));
    const side = (index, layer) => ({
      url: url(index, layer),
      alt: `${LAYERS[layer]} of ${label(index)}`,
      letter: LETTERS[index],
      label: label(index),
      what: layer === "prediction" ? "" : LAYERS[layer],
      tag: `${LETTERS[index]} ${LAYERS[layer]}`,
      numbers: numbers(image, index),
      missing: "No pictures of this method in this site.",
    });
    const shared = (layer) => ({ url: url(any, layer), alt: LAYERS[layer], label: LAYERS[layer], tag: LAYERS[layer] });

    const sliding = state.get("view") === "slider";
    const modes = SDD.node("div", { className: "modes", role: "group", "aria-label": "Arrangement" });
    for (const [value, text] of [["", "Side by side"], ["slider", "Slider"]]) {
      const button = SDD.node("button", { type: "button", "aria-pressed": String(sliding === Boolean(value)) }, text);
      button.addEventListener("click", () => {
        SDD.write({ view: value });
        controls.querySelector(".modes [aria-pressed=true]").focus();
      });
      modes.append(button);
    }
    controls.append(modes);
    const used = new Set();
    const remember = (name, select) => select.addEventListener("change", () => controls.querySelector(`[data-name="${name}"]`)?.focus());
    const choice = (title, name, options, fallback) => {
      const [made, select] = control(title, name, options);
      const linked = state.get(name);
      select.value = options.some(([value]) => value === linked) ? linked : fallback;
      select.dataset.name = name;
      remember(name, select);
      controls.append(made);
      return select.value;
    };
    if (sliding) {
      const options = [];
      entries.forEach((_, index) => {
        if (pictured[index]) for (const layer of OWN) if (url(index, layer)) options.push([`${LETTERS[index]}:${layer}`, `${LETTERS[index]} ${LAYERS[layer]}`]);
      });
      for (const layer of layers) if (!OWN.includes(layer)) options.push([layer, LAYERS[layer]]);
      const predictions = options.filter(([value]) => value.endsWith(":prediction")).map(([value]) => value);
      const chosen = {
        left: choice("Left", "left", options, predictions.length > 1 ? predictions[0] : "blur"),
        right: choice("Right", "right", options, predictions.at(-1)),
      };
      const made = Object.values(chosen).map((value) => {
        const [letter, layer] = value.includes(":") ? value.split(":") : ["", value];
        used.add(layer);
        return letter ? side(LETTERS.indexOf(letter), layer) : shared(layer);
      });
      viewer.slide(...made, size);
    } else {
      const layer = choice("Methods show", "show", layers.map((one) => [one, LAYERS[one]]), "prediction");
      const besides = layers.filter((one) => !OWN.includes(one));
      const usual = besides.includes("deformed_gt") ? "deformed_gt" : "gt";
      const beside = choice("beside", "beside", [...besides.map((one) => [one, LAYERS[one]]), ["none", "nothing"]], usual);
      used.add(layer).add(beside);
      const sides = entries.map((_, index) => side(index, layer));
      if (beside !== "none") sides.push(shared(beside));
      viewer.sideBySide(sides, size);
    }
    const told = [];
    if (used.has("error")) told.push(`Error maps: mean absolute difference of R, G and B, from 0 (black) to ${entries[any].pictures.error} and more (pale yellow), the same scale for every method; gray does not count.`);
    if (used.has("flow")) told.push(`Flow: colour is direction (right is red), full colour is ${pictured[any].flow} px and more.`);
    if (used.has("mask")) told.push("Orange is left out of all scores.");
    if (pictured[any].size[0] > size[0]) told.push(`Pictures are reduced from ${pictured[any].size.join(" × ")} to ${size.join(" × ")} pixels; scores are of the full ones.`);
    key.textContent = told.join(" ");
  };

  for (const one of measures) get("measure").add(new Option(one.title, one.key));
  get("measure").addEventListener("change", (event) => SDD.write({ by: event.target.value === measures[0].key ? null : event.target.value }));
  const step = (by) => {
    const stems = [...get("images").tBodies[0].rows].map((row) => row.querySelector("bdi").textContent);
    const place = stems.indexOf(get("stage-title").textContent);
    if (stems[place + by] !== undefined) SDD.write({ image: stems[place + by] });
  };
  get("previous").addEventListener("click", () => step(-1));
  get("next").addEventListener("click", () => step(1));

  // The list is made again only if methods or measure change: an order chosen by a click stays while images are looked at.
  let listed = "";
  let turn = 0;
  const draw = async () => {
    if (moving) return;
    const mine = ++turn;
    const ids = chosenIds();
    slots();
    const entries = (await Promise.all(ids.map(load))).filter(Boolean);
    if (mine !== turn) return;
    const by = measure();
    get("measure").value = by.key;
    const found = images(entries, by);
    const image = found.find(({ stem }) => stem === SDD.read().get("image")) ?? found[0];
    document.querySelector(".compare").hidden = !image;
    if (!image) {
      get("no-pictures").hidden = false;
      get("no-pictures").textContent = ids.length ? "The data of these methods are missing from this site: build it again." : "Choose a method.";
      return;
    }
    const what = `${ids} ${by.key}`;
    if (what !== listed) {
      list(found, entries, by, image.stem);
      listed = what;
    }
    const rows = [...get("images").tBodies[0].rows];
    for (const row of rows) {
      const isCurrent = row.querySelector("bdi").textContent === image.stem;
      row.classList.toggle("current", isCurrent);
      if (isCurrent) row.querySelector("button").setAttribute("aria-current", "true");
      else row.querySelector("button").removeAttribute("aria-current");
    }
    const place = rows.findIndex((row) => row.matches(".current"));
    get("position").textContent = `${place + 1} of ${rows.length}`;
    get("previous").disabled = place <= 0;
    get("next").disabled = place === rows.length - 1;
    stage(image, entries);
    const [zoom, x, y] = (SDD.read().get("at") || "1:0.5:0.5").split(":").map(Number);
    if ([zoom, x, y].every(Number.isFinite)) viewer.look({ zoom: Math.min(Math.max(zoom, 1), 16), x, y });
  };
  document.addEventListener("sdd:state", draw);
  addEventListener("hashchange", draw);
  draw();
}
