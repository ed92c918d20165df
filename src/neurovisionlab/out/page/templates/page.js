"use strict";
// What the page does once it is open: tables sort, charts come alive, everything opens for print.
// Without this script all is there all the same, with still charts.
(() => {
  const root = document.documentElement;
  const words = JSON.parse(document.getElementById("words").textContent);

  // --- tables

  const number = (text) => {
    const plain = text.replace(/[−–]/g, "-").split(root.dataset.group).join("")
      .replace(root.dataset.decimal, ".");
    const found = /-?\d+(\.\d+)?/.exec(plain);
    return found ? Number(found[0]) : NaN;
  };

  const compare = (first, second) => {
    const [a, b] = [number(first), number(second)];
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
    return Number.isNaN(a) ? first.localeCompare(second, root.lang) : a - b;
  };

  const sort = (table, column, heading) => {
    const descending = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const text = (row) => row.cells[column].textContent.trim();
    const asText = column === 0;
    const rows = [...table.tBodies[0].rows].sort((one, two) => {
      const [a, b] = [text(one), text(two)];
      const order = asText ? a.localeCompare(b, root.lang, { numeric: true }) : compare(a, b);
      return descending ? -order : order;
    });
    table.tBodies[0].append(...rows);
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.title = words.sort;
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, column, heading));
      heading.append(button);
    });
  }

  // --- charts: still pictures become living ones when they are first seen

  const options = {
    renderer: "svg",
    actions: { export: { svg: true, png: true }, source: false, compiled: false, editor: false },
    i18n: { CLICK_TO_VIEW_ACTIONS: words.save, SVG_ACTION: words.svg, PNG_ACTION: words.png },
    formatLocale: {
      decimal: root.dataset.decimal, thousands: root.dataset.group, grouping: [3],
      currency: ["", ""],
    },
    tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" },
  };

  const enliven = async (figure) => {
    const drawing = figure.querySelector(".drawing");
    const still = drawing.innerHTML;
    const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
    try {
      const place = document.createElement("div");
      drawing.replaceChildren(place);
      drawing.classList.add("alive");
      await vegaEmbed(place, spec, options);
      place.querySelector("summary").setAttribute("aria-label", words.save);
      // the picture alone is one thing to a screen reader; the menu beside it is another
      const picture = place.querySelector("svg.marks").parentElement;
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", drawing.getAttribute("aria-label"));
      drawing.setAttribute("role", "group");
      reachable(drawing);
    } catch (error) { // the still picture says the same
      drawing.classList.remove("alive");
      drawing.innerHTML = still;
      console.error(error);
    }
  };

  const reachable = (element) => { // what scrolls must be reached without a mouse
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
  };

  if (window.vegaEmbed) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        seen.unobserve(entry.target);
        enliven(entry.target);
      }
    }, { rootMargin: "300px" });
    document.querySelectorAll("figure.chart").forEach((figure) => seen.observe(figure));
  }

  // --- opening and closing

  const folds = () => document.querySelectorAll(".fold");
  const all = (open) => () => folds().forEach((fold) => { fold.open = open; });
  document.getElementById("open-all").addEventListener("click", all(true));
  document.getElementById("close-all").addEventListener("click", all(false));
  document.querySelector(".tools").hidden = false;

  let closed = [];
  addEventListener("beforeprint", () => {
    if (closed.length === 0) closed = [...folds()].filter((fold) => !fold.open);
    closed.forEach((fold) => { fold.open = true; });
  });
  addEventListener("afterprint", () => {
    closed.forEach((fold) => { fold.open = false; });
    closed = [];
  });

  const reveal = () => {
    let target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (; target; target = target.parentElement) if (target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", reveal);
  reveal();

  document.querySelectorAll(".wide, pre").forEach(reachable);
  folds().forEach((fold) => fold.addEventListener("toggle", () => {
    fold.querySelectorAll(".wide, pre").forEach(reachable);
  }));
})();
