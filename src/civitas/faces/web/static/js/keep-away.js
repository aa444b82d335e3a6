// After a choice in the dialog "Keep out of my lists" the card goes, or comes back.
document.addEventListener("keep-away", ({ detail: { card, kind, away } }) => {
  const name = { model: "model-card", image: "image-card" }[kind];
  for (const found of document.querySelectorAll(`.${name}[data-card="${CSS.escape(card)}"]`)) {
    const place = found.closest("li") ?? found;
    if (away) place.setAttribute("data-away", "");
    else place.removeAttribute("data-away");
  }
});
