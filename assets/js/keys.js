// Keys that work everywhere on the page, and the dialog that names them all.
"use strict";

med42.escape = () => {
  if (document.querySelector("dialog[open]")) return false;
  const side = ["left", "right"].find((one) => med42.isDrawer(one) && med42.isOpen(one));
  if (side) med42.toggle(side, false);
  else if (med42.leaveEdit && med42.leaveEdit()) return true;
  else if (med42.isAnswering()) document.getElementById("stop").click();
  else return false;
  return true;
};

/** Whether a key that is pressed there is meant to be written. */
med42.isField = (target) => target.closest("input, textarea, select, [contenteditable]") !== null;

med42.keysDialog = (element) => {
  const dialog = element.querySelector("dialog.keys");
  med42.openKeys = () => !document.querySelector("dialog[open]") && dialog.showModal();
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && med42.escape()) event.preventDefault();
  if (event.key === "?" && !med42.isField(event.target)) {
    event.preventDefault();
    med42.openKeys();
  }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented && !document.querySelector("dialog[open]")) {
    if (!med42.isField(event.target)) med42.send();
  }
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    med42.toggle("left", true);
    document.querySelector("#conversations .find").focus();
  }
});
