"use strict";
(() => {
  const form = document.getElementById("filter");
  const rows = [...document.querySelectorAll("details.row")];
  const sift = () => {
    const asked = new FormData(form);
    const words = asked.get("text").toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) {
      const text = words.length ? row.textContent.toLowerCase() : "";
      const chosen = ["verdict", "level", "family"].every((name) => [row.dataset[name], ""].includes(asked.get(name)));
      row.hidden = !chosen || !words.every((word) => text.includes(word));
    }
    for (const part of document.querySelectorAll("section.rows")) {
      part.hidden = !part.querySelector("details.row:not([hidden])");
    }
    document.getElementById("shown").textContent =
      `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows shown`;
  };
  const follow = () => {
    const row = rows.find((each) => each.id === location.hash.slice(1));
    if (row && row.hidden) form.reset();
    if (row) row.open = true;
    if (row) row.scrollIntoView();
  };
  form.hidden = false;
  form.addEventListener("input", sift);
  form.addEventListener("reset", () => setTimeout(sift));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", follow);
  sift();
  follow();
})();
