(() => {
  "use strict";
  const form = document.getElementById("filter");
  if (!form) return;
  const team = document.getElementById("filter-team");
  const words = document.getElementById("filter-words");
  const said = document.getElementById("filter-said");
  const tables = Array.from(document.querySelectorAll("table[data-filter]"), (table) => {
    const foot = table.tFoot && table.tFoot.rows[0];
    const sums = foot && table.dataset.sums ? table.dataset.sums.split(" ").map(Number) : [];
    return {
      rows: Array.from(table.tBodies[0].rows),
      count: (table.closest(".fold") || table).querySelector(".count"),
      details: table.closest("details:not(.fold)"),
      sums,
      foot,
      whole: sums.map((at) => foot.cells[at].textContent),
    };
  });
  const closed = Array.from(document.querySelectorAll("p.closed"));
  const text = new Map();
  const textOf = (row) => {
    if (!text.has(row)) text.set(row, row.textContent.toLowerCase());
    return text.get(row);
  };

  /* Amounts are added up as whole numbers of their smallest unit, and written as the table writes them. */
  const places = (shown) => (shown.includes(".") ? shown.length - shown.indexOf(".") - 1 : 0);
  const written = (sum, decimals) => {
    const minus = sum < 0n;
    const digits = String(minus ? -sum : sum).padStart(decimals + 1, "0");
    const whole = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ",");
    return (minus ? "-" : "") + whole + (decimals ? "." + digits.slice(-decimals) : "");
  };
  const added = (rows, at, decimals) =>
    rows.reduce((sum, row) => {
      const shown = row.cells[at].textContent.trim();
      return /^-?[\d,]+(\.\d+)?$/.test(shown) ? sum + BigInt(shown.replace(/[.,]/g, "")) : sum;
    }, 0n);

  const apply = () => {
    const wanted = words.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const filtering = team.value !== "" || wanted.length > 0;
    const fits = (row) =>
      (team.value === "" || row.dataset.t === team.value) && wanted.every((word) => textOf(row).includes(word));
    let matched = 0, all = 0;
    for (const table of tables) {
      const kept = table.rows.filter((row) => {
        row.hidden = filtering && !fits(row);
        return !row.hidden;
      });
      all += table.rows.length;
      matched += kept.length;
      if (table.count) table.count.textContent = filtering ? `(${kept.length} of ${table.rows.length} rows)` : "";
      if (table.details) table.details.hidden = filtering && kept.length === 0;
      table.sums.forEach((at, number) => {
        const cell = table.foot.cells[at], decimals = places(table.whole[number]);
        cell.textContent = filtering ? written(added(kept, at, decimals), decimals) : table.whole[number];
      });
      const label = table.foot && table.foot.querySelector("th");
      if (label) label.textContent = filtering ? "Total of the rows shown" : "Total";
    }
    for (const line of closed) {
      line.hidden = filtering && !fits(line);
      all += 1;
      matched += line.hidden ? 0 : 1;
    }
    said.textContent = filtering ? `${matched} of ${all} rows match. Pictures show everything.` : "";
  };

  let waiting;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 120);
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  team.addEventListener("change", apply);
  words.addEventListener("input", soon);
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", open);
  open();
})();
