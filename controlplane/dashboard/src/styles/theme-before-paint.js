// Sets the chosen theme before the page is painted; without a choice the
// system's stays.
(function () {
  try {
    const chosen = localStorage.getItem('corral.theme');
    if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
