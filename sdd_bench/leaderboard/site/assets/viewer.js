"use strict";

// Pictures of one size beside each other, or two on top of each other with a border: all zoom and move together.
SDD.viewer = (container, changed) => {
  const LARGEST = 16;
  const view = { zoom: 1, x: 0.5, y: 0.5 }; // the place of the picture in the middle of each frame, of its width and height
  let frames = [];
  let split = 50;

  const panels = SDD.node("div", { className: "panels-of" });
  const button = (text, name, action) => {
    const made = SDD.node("button", { type: "button", title: name, "aria-label": name }, text);
    made.addEventListener("click", action);
    return made;
  };
  const level = SDD.node("output", { className: "small muted" });
  const bar = SDD.node("div", { className: "zoom", role: "group", "aria-label": "Zoom" },
    button("−", "Zoom out", () => zoom(1 / 1.5)),
    button("+", "Zoom in", () => zoom(1.5)),
    button("Fit", "Whole picture", () => set(1, 0.5, 0.5)),
    level);
  const hint = SDD.node("p", { className: "small muted", id: "viewer-hint" }, "Drag to move; turn the wheel with Ctrl, or after a click, to zoom. Keys: + − 0 and arrows.");
  container.append(panels, bar, hint);

  const apply = () => {
    const half = 0.5 / view.zoom;
    view.x = Math.min(Math.max(view.x, half), 1 - half);
    view.y = Math.min(Math.max(view.y, half), 1 - half);
    panels.style.setProperty("--zoom", view.zoom);
    panels.style.setProperty("--left", `${100 * (0.5 - view.x * view.zoom)}%`);
    panels.style.setProperty("--top", `${100 * (0.5 - view.y * view.zoom)}%`);
    panels.classList.toggle("zoomed", view.zoom > 1);
    level.textContent = `${Math.round(100 * view.zoom)} %`;
  };
  const set = (to, x, y) => {
    view.zoom = Math.min(Math.max(to, 1), LARGEST);
    Object.assign(view, { x, y });
    apply();
    changed({ ...view });
  };
  // By a factor, so that one place of the frame (of its width and height) keeps what it shows.
  const zoom = (factor, at = [0.5, 0.5]) => {
    const to = Math.min(Math.max(view.zoom * factor, 1), LARGEST);
    const shift = (place, from) => from + (place - 0.5) * (1 / view.zoom - 1 / to);
    set(to, shift(at[0], view.x), shift(at[1], view.y));
  };
  const move = (x, y) => set(view.zoom, view.x - x / view.zoom, view.y - y / view.zoom);

  const listen = (frame) => {
    const pointers = new Map();
    const place = ({ clientX, clientY }) => {
      const box = frame.getBoundingClientRect();
      return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    };
    let border = false;
    frame.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      frame.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      const handle = frame.querySelector(".handle");
      border = pointers.size === 1 && handle !== null && Math.abs(place(event)[0] * 100 - split) * frame.clientWidth < 2200;
    });
    frame.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = place(event);
      if (border) setSplit(now[0] * 100);
      else if (pointers.size === 1) {
        if (view.zoom > 1) move(now[0] - before[0], now[1] - before[1]);
      } else {
        const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
        const apart = (a) => Math.hypot((a[0] - other[0]) * frame.clientWidth, (a[1] - other[1]) * frame.clientHeight);
        zoom(apart(now) / Math.max(apart(before), 1), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
      }
      pointers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, (event) => { pointers.delete(event.pointerId); border = false; });
    frame.addEventListener("dblclick", (event) => zoom(view.zoom >= LARGEST ? 1 / LARGEST : 2, place(event)));
    frame.addEventListener("wheel", (event) => {
      // Without Ctrl the page scrolls, unless the pictures were chosen by a click or by the Tab key.
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== frame) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), place(event));
    }, { passive: false });
    frame.addEventListener("keydown", (event) => {
      const step = 0.1;
      const action = {
        "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => set(1, 0.5, 0.5),
        ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0), ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
      }[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey || (event.key.startsWith("Arrow") && view.zoom === 1)) return;
      event.preventDefault();
      action();
    });
  };

  const picture = (side) => {
    const image = SDD.node("img", { alt: side.alt, draggable: false, decoding: "async" });
    image.src = side.url;
    return image;
  };
  const newFrame = ([width, height], name) => {
    const frame = SDD.node("div", { className: "frame", tabIndex: 0, role: "group", "aria-label": name, "aria-describedby": "viewer-hint" });
    frame.style.aspectRatio = `${width} / ${height}`;
    panels.style.setProperty("--shape", width / height);
    listen(frame);
    return frame;
  };
  const caption = ({ letter, label, what, numbers }) => SDD.node("figcaption", {},
    ...(letter ? [SDD.node("span", { className: `letter ${letter}` }, letter), " "] : []),
    SDD.node("bdi", { className: "label" }, label),
    ...(what ? [SDD.node("span", { className: "muted" }, ` ${what}`)] : []),
    ...(numbers ? [SDD.node("span", { className: "numbers" }, numbers)] : []));

  let slider = null;
  const setSplit = (to) => {
    split = Math.min(Math.max(to, 0), 100);
    panels.style.setProperty("--split", `${split}%`);
    if (slider) slider.value = split;
  };

  apply();
  return {
    // Each side: {url, alt, letter, label, what, numbers}; without `url` the reason stands in `missing`.
    sideBySide(sides, size) {
      slider = null;
      panels.className = `panels-of side n${sides.length}`;
      frames = sides.map((side) => {
        if (!side.url) return SDD.node("figure", {}, SDD.node("div", { className: "frame none" }, SDD.node("p", {}, side.missing)), caption(side));
        const frame = newFrame(size, side.alt);
        frame.append(picture(side));
        return SDD.node("figure", {}, frame, caption(side));
      });
      for (const figure of frames) if (figure.firstChild.matches(".none")) figure.firstChild.style.aspectRatio = `${size[0]} / ${size[1]}`;
      panels.replaceChildren(...frames);
      bar.hidden = hint.hidden = !sides.some((side) => side.url);
      apply();
    },

    slide(left, right, size) {
      panels.className = "panels-of slide";
      const frame = newFrame(size, `${left.alt} and ${right.alt}`);
      frame.append(
        SDD.node("div", { className: "half right" }, picture(right)),
        SDD.node("div", { className: "half left" }, picture(left)),
        SDD.node("span", { className: "tag of-left" }, left.tag),
        SDD.node("span", { className: "tag of-right" }, right.tag),
        SDD.node("span", { className: "handle" }));
      slider = SDD.node("input", { type: "range", min: 0, max: 100, step: 0.5, "aria-label": `Border between ${left.alt} and ${right.alt}` });
      slider.addEventListener("input", () => setSplit(Number(slider.value)));
      panels.replaceChildren(SDD.node("figure", {}, frame, slider, SDD.node("div", { className: "both" }, caption(left), caption(right))));
      bar.hidden = hint.hidden = false;
      setSplit(split);
      apply();
    },

    nothing() {
      panels.replaceChildren();
      bar.hidden = hint.hidden = true;
    },

    look(at) {
      Object.assign(view, at);
      apply();
    },
  };
};
