"use strict";
(() => {
  const store = (key, value) => {
    try {
      const name = location.pathname + "#" + key;
      if (value === undefined) return JSON.parse(sessionStorage.getItem(name));
      sessionStorage.setItem(name, JSON.stringify(value));
    } catch { /* without storage, the page forgets */ }
    return null;
  };

  // Reload while the search runs, unless the reader types or selects text.
  const seconds = Number(document.body.dataset.live);
  if (seconds) {
    scrollTo(0, store("scroll") || 0);
    setInterval(() => {
      const busy = document.activeElement && document.activeElement.id === "filter";
      if (busy || String(getSelection())) return;
      store("scroll", scrollY);
      location.reload();
    }, seconds * 1000);
  }

  const element = document.getElementById("data");
  if (!element) return;
  const columns = JSON.parse(element.textContent).columns;
  for (const column of columns) {
    if (column.levels) column.data = column.data.map((i) => i === null ? null : column.levels[i]);
  }
  const total = columns[0].data.length;
  const PAGE = 100;

  // Round as tuner/system/numbers.py does: halves away from zero.
  const fixed = (value, digits) => {
    const scaled = Number((Math.abs(value) * 10 ** digits).toFixed(6));
    const rounded = Math.floor(scaled + 0.5) / 10 ** digits;
    const text = rounded.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, ",");
    return value < 0 && rounded ? "-" + text : text;
  };
  const pad = (n) => String(n).padStart(2, "0");
  const duration = (s) => {
    const whole = Math.floor(s + 0.5);
    if (whole < 60) return whole + "s";
    if (whole < 3600) return Math.floor(whole / 60) + "m" + pad(whole % 60) + "s";
    return Math.floor(whole / 3600) + "h" + pad(Math.floor(whole % 3600 / 60)) + "m";
  };
  const writers = {
    percent: (v) => fixed(100 * v, 1),
    points: (v) => {
      const text = fixed(100 * v, 1);
      return text.startsWith("-") ? text.replace("-", "−") : text === "0.0" ? text : "+" + text;
    },
    count: (v) => fixed(v, 0),
    loss: (v) => fixed(v, 3),
    duration,
    params: (v) => v >= 999500 ? fixed(v / 1e6, 1) + " M" : v >= 1000 ? fixed(v / 1e3, 0) + " k" : fixed(v, 0),
    number: (v) => {
      if (Number.isInteger(v)) return String(v);
      if (Math.abs(v) < 1e-3) {
        const [mantissa, exponent] = v.toExponential(3).split("e");
        return Number(mantissa) + "e" + Number(exponent);
      }
      return String(Number(v.toPrecision(4)));
    },
    text: (v) => v,
  };
  const cell = (column, row) => {
    const value = column.data[row];
    return value === null ? "–" : writers[column.kind](value);
  };

  const all = document.getElementById("all");
  const body = all.tBodies[0];
  const filter = document.getElementById("filter");
  const state = { key: -1, down: false, page: 0, text: "", ...store("table") };
  let rows = [];

  const compare = (column) => (a, b) => {
    const x = column.data[a], y = column.data[b];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = x < y ? -1 : x > y ? 1 : 0;
    return state.down ? -order : order;
  };

  // A plain word may match any cell; key<5, key>=64 and key=adam compare values as shown.
  const COMPARISON = /^([^<>=]+)(<=|>=|<|>|=)(.+)$/;
  const named = (key) => columns.find((column) => column.key.toLowerCase() === key);
  const shown = (column, value) =>
    column.kind === "percent" || column.kind === "points" ? Number(fixed(100 * value, 1)) : value;
  const tests = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b,
    ">=": (a, b) => a >= b, "=": (a, b) => a === b,
  };
  const condition = (word) => {
    const match = COMPARISON.exec(word);
    const column = match && named(match[1]);
    if (!column) {
      return (row) => columns.some((c) => cell(c, row).toLowerCase().includes(word));
    }
    const text = column.kind === "text";
    const wanted = text ? match[3] : Number(match[3]);
    return (row) => {
      const value = column.data[row];
      if (value === null) return false;
      return tests[match[2]](text ? value.toLowerCase() : shown(column, value), wanted);
    };
  };

  // Explain why a filter word cannot match, if its column or value is wrong.
  const mistake = (word) => {
    const match = COMPARISON.exec(word);
    if (!match) return "";
    const column = named(match[1]);
    if (!column) {
      return "No column is called " + match[1] + ". The columns are: "
        + columns.map((c) => c.key).join(", ") + ".";
    }
    const wrong = column.kind !== "text" && Number.isNaN(Number(match[3]));
    return wrong ? "Compare " + column.key + " with a number, not " + match[3] + "." : "";
  };

  const select = () => {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const conditions = words.map(condition);
    rows = [];
    for (let i = 0; i < total; i++) if (conditions.every((holds) => holds(i))) rows.push(i);
    if (state.key >= 0) rows.sort(compare(columns[state.key]));
    document.getElementById("mistake").textContent =
      rows.length ? "" : words.map(mistake).filter(Boolean).join(" ");
  };

  const draw = () => {
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const part = rows.slice(state.page * PAGE, (state.page + 1) * PAGE);
    body.replaceChildren(...part.map((row) => {
      const tr = document.createElement("tr");
      for (const column of columns) {
        const td = tr.insertCell();
        if (column.kind !== "text") td.className = "n";
        td.textContent = cell(column, row);
        if (column.kind === "text" && td.textContent.length > 30) td.title = td.textContent;
      }
      return tr;
    }));
    const of = (n) => n.toLocaleString("en-US");
    document.getElementById("count").textContent =
      rows.length === total ? of(total) + (total === 1 ? " trial" : " trials")
        : of(rows.length) + " of " + of(total) + " trials";
    const pager = document.querySelector(".pager");
    pager.hidden = pages === 1;
    document.getElementById("where").textContent = "Page " + (state.page + 1) + " of " + pages;
    document.getElementById("back").disabled = state.page === 0;
    document.getElementById("next").disabled = state.page === pages - 1;
    [...all.tHead.rows[0].cells].forEach((th, i) => {
      if (i === state.key) th.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
      th.querySelector("span").textContent = i !== state.key ? "" : state.down ? " ▼" : " ▲";
    });
    store("table", state);
  };

  [...all.tHead.rows[0].cells].forEach((th, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = th.textContent;
    const mark = document.createElement("span");
    mark.setAttribute("aria-hidden", "true");
    button.append(mark);
    th.replaceChildren(button);
    button.addEventListener("click", () => {
      state.down = state.key === i ? !state.down : false;
      state.key = i;
      state.page = 0;
      select();
      draw();
    });
  });
  filter.value = state.text;
  filter.addEventListener("input", () => {
    state.text = filter.value;
    state.page = 0;
    select();
    draw();
  });
  document.querySelector(".tools").addEventListener("submit", (event) => event.preventDefault());
  for (const [id, by] of [["back", -1], ["next", 1]]) {
    document.getElementById(id).addEventListener("click", () => {
      state.page += by;
      draw();
    });
  }

  // Quote a text that a spreadsheet would run as a formula.
  const quoted = (value) => {
    if (value === null) return "";
    if (typeof value !== "string") return String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? "'" + value : value;
    return /[",\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
  };
  document.getElementById("csv").addEventListener("click", (event) => {
    const lines = [columns.map((column) => quoted(column.key)).join(",")];
    for (let i = 0; i < total; i++) {
      lines.push(columns.map((column) => quoted(column.data[i])).join(","));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = event.currentTarget.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  });

  for (const hidden of document.querySelectorAll(".js-off")) hidden.hidden = true;
  document.querySelector(".tools").hidden = false;
  select();
  draw();
})();
