// A classic script in the head: the theme that was chosen is in force before anything is painted.
try {
  const chosen = JSON.parse(localStorage.getItem("bouba.theme"));
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // no storage: as the system has it
}
