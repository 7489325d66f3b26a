// Renews the part of a page that changes, unless somebody is in the middle of it. Pages work without this file.
"use strict";

let updating = true;

function isBusy(live) {
  return live.contains(document.activeElement) && document.activeElement !== document.body;
}

document.addEventListener("htmx:confirm", (event) => {
  const live = event.target;
  if (live.id === "live" && (!updating || isBusy(live))) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const live = event.detail.target;
  if (live.id === "live" && (!updating || isBusy(live))) event.detail.shouldSwap = false;
});

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("updates");
  if (!button || !document.getElementById("live")) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    updating = !updating;
    button.textContent = updating ? "Stop updating" : "Go on updating";
  });
});
