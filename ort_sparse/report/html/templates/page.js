"use strict";

/** Sorts the rows of a table by a column; what has no value stays at the end. */
function sortRows(table, column, descending) {
  const body = table.tBodies[0];
  const isNumber = table.tHead.rows[0].cells[column].classList.contains("number");
  const order = new Intl.Collator("en", { numeric: true });
  const keyed = Array.from(body.rows, (row) => {
    const cell = row.cells[column];
    const key = isNumber ? cell.dataset.key : cell.textContent;
    return { row, key: isNumber && key !== undefined ? Number(key) : key };
  });
  keyed.sort((a, b) => {
    if (a.key === undefined || b.key === undefined) {
      return (a.key === undefined) - (b.key === undefined);
    }
    const difference = isNumber ? a.key - b.key : order.compare(a.key, b.key);
    return descending ? -difference : difference;
  });
  body.append(...keyed.map((each) => each.row));
}

/** Turns the headings of a table into buttons that sort it. */
function makeSortable(table) {
  const headings = Array.from(table.tHead.rows[0].cells);
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    const arrow = document.createElement("span"); // the style sheet draws it
    arrow.className = "arrow";
    arrow.ariaHidden = "true";
    button.append(arrow);
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = heading.ariaSort === "ascending";
      headings.forEach((each) => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortRows(table, column, descending);
    });
  });
}

/** Lets a form hide the rows of the table behind it that lack a word, or are in another state. */
function makeFilter(form) {
  const table = form.nextElementSibling;
  const [input, select, output] = ["input", "select", "output"].map((tag) => form.querySelector(tag));
  const rows = Array.from(table.tBodies[0].rows, (row) => ({
    row,
    text: Array.from(row.cells, (cell) => cell.textContent).join("\n").toLowerCase(),
  }));
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const { row, text } of rows) {
      const matches = words.every((word) => text.includes(word));
      row.hidden = !matches || Boolean(select?.value && row.dataset.state !== select.value);
      shown += !row.hidden;
    }
    output.textContent = `${shown} of ${rows.length}`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll("form.filter").forEach(makeFilter);
addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((details) => (details.open = true));
});
