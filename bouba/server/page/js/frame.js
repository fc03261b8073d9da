// The bar at the top: how high it is, and whether pictures stand under it.

export function startFrame() {
  const bar = document.querySelector(".bar");
  const measure = () => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`);
  new ResizeObserver(measure).observe(bar);
  const scrolled = () => document.body.classList.toggle("scrolled", scrollY > 4);
  addEventListener("scroll", scrolled, { passive: true });
  measure();
}
