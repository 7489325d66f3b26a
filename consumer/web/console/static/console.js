// Renews the part of a page that changes, unless somebody is in the middle of it. Pages work without this file.
"use strict";

let updating = true;

function isBusy(live) {
  const selection = document.getSelection();
  const isMarked = selection.toString() !== "" && live.contains(selection.anchorNode);
  return isMarked || (live.contains(document.activeElement) && document.activeElement !== document.body);
}

document.addEventListener("htmx:confirm", (event) => {
  const live = event.target;
  if (live.id === "live" && (!updating || isBusy(live))) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const live = event.detail.target;
  if (live.id === "live" && (!updating || isBusy(live))) event.detail.shouldSwap = false;
});

// Tells a screen reader the sentence at the top, once it is another one.
function verdict() {
  const told = document.querySelector("#live > .verdict");
  return told ? told.innerText : "";
}

let lastVerdict = "";

document.addEventListener("htmx:afterSwap", () => {
  const now = verdict();
  if (now !== lastVerdict) document.getElementById("news").textContent = now;
  lastVerdict = now;
});

document.addEventListener("DOMContentLoaded", () => {
  lastVerdict = verdict();
  const button = document.getElementById("updates");
  if (!button || !document.getElementById("live")) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    updating = !updating;
    button.textContent = updating ? "Stop updating" : "Go on updating";
  });
});
