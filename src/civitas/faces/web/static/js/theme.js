// For pages that no server made for this visitor, loaded before the first paint: sets the theme the visitor chose, so that nothing flashes.
(function () {
  const found = document.cookie.match(/(?:^|; )theme=(light|dark)(?:;|$)/);
  if (found) document.documentElement.dataset.theme = found[1];
  else delete document.documentElement.dataset.theme;
})();
