"use strict";
document.documentElement.classList.add("js");

// What all pages share: elements, the state in the link, messages for screen readers, the clipboard.
const SDD = {
  // An element with properties (attributes where the name has a hyphen or is a role) and children; texts stay texts.
  node(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (value === undefined) continue;
      if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== undefined));
    return made;
  },

  svg(name, attributes = {}, ...children) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  },

  // The state is everything after the #; what is as the page has it from the start is not in it.
  read: () => new URLSearchParams(location.hash.slice(1)),

  write(changes) {
    const state = SDD.read();
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === "") state.delete(key);
      else state.set(key, value);
    }
    // Commas and colons may stand in a fragment, and links with them can be read.
    const text = state.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
    document.dispatchEvent(new Event("sdd:state"));
  },

  announce(text) {
    document.getElementById("announce").textContent = text;
  },

  async copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      SDD.announce(`${what} copied`);
      return true;
    } catch {
      return false; // no permission, or a page without https
    }
  },
};

// A jump within the page leaves the state in the link alone.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  const target = link && document.getElementById(link.getAttribute("href").slice(1));
  if (!target) return;
  event.preventDefault();
  target.scrollIntoView({ block: "nearest" });
  target.focus({ preventScroll: true });
  target.classList.add("lit");
  target.addEventListener("blur", () => target.classList.remove("lit"), { once: true });
});

// One menu at a time; Escape closes it and goes back to its title.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
