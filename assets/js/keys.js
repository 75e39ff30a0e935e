// Keys that work everywhere on the page.
"use strict";

med42.escape = () => {
  if (document.querySelector("dialog[open]")) return false;
  const side = ["left", "right"].find((one) => med42.isDrawer(one) && med42.isOpen(one));
  if (side) med42.toggle(side, false);
  else if (med42.isAnswering()) document.getElementById("stop").click();
  else return false;
  return true;
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented && med42.escape()) event.preventDefault();
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    med42.toggle("left", true);
    document.querySelector("#conversations .find").focus();
  }
});
