// Line icons on a 24 x 24 grid, drawn for this page.

const PATHS = {
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13Zm4.8 11.3L20 20",
  picture:
    "M4 6.5A1.5 1.5 0 0 1 5.5 5h13A1.5 1.5 0 0 1 20 6.5v11a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17.5Zm0 9.5 4.5-4.5 4 4 2.5-2.5 5 5M15.5 9.3v.01",
  microphone:
    "M12 3.5a2.8 2.8 0 0 0-2.8 2.8v5a2.8 2.8 0 0 0 5.6 0v-5A2.8 2.8 0 0 0 12 3.5ZM6 11a6 6 0 0 0 12 0M12 17v3.5M9 20.5h6",
  sound: "M5 10v4M8.5 7v10M12 4.5v15M15.5 8v8M19 10.5v3",
  close: "M6 6l12 12M18 6 6 18",
  filter: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4",
  upload: "M12 15.5V4.5M7.5 8.5 12 4l4.5 4.5M4.5 15v3.5A1.5 1.5 0 0 0 6 20h12a1.5 1.5 0 0 0 1.5-1.5V15",
  folder:
    "M3.5 7A1.5 1.5 0 0 1 5 5.5h4l2 2.5h8A1.5 1.5 0 0 1 20.5 9.5V17A1.5 1.5 0 0 1 19 18.5H5A1.5 1.5 0 0 1 3.5 17Z",
  more: "M12 20.2C7 16.6 4 13.7 4 10a4.2 4.2 0 0 1 8-1.9A4.2 4.2 0 0 1 20 10c0 3.7-3 6.6-8 10.2Z",
  less: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM8 12h8",
  without: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM6.4 6.4l11.2 11.2",
  heat: "M12 3.5c.5 3-4.5 5.5-4.5 10.2A4.6 4.6 0 0 0 12 18.5a4.6 4.6 0 0 0 4.5-4.8c0-2-1-3.2-1.8-4.4-.3 1.5-1 2.2-1.7 2.6.4-3-.2-6-1-8.4ZM8 21h8",
  check: "M5 12.5 10 17.5 19.5 7",
  left: "M14.5 5.5 8 12l6.5 6.5",
  right: "M9.5 5.5 16 12l-6.5 6.5",
  down: "M5.5 9 12 15.5 18.5 9",
  download: "M12 4.5v11M7.5 11.5 12 16l4.5-4.5M4.5 19.5h15",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7Z",
  auto: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 4v16M12 8.5h6.7M12 12.5h8M12 16.5h6.3",
  share: "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  clock: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 7.5V12l3 2",
  plus: "M12 5v14M5 12h14",
  bookmark: "M7 4.5h10a.5.5 0 0 1 .5.5v15L12 16l-5.5 4V5a.5.5 0 0 1 .5-.5Z",
  copies:
    "M8.5 8.5V5A1 1 0 0 1 9.5 4H19a1 1 0 0 1 1 1v9.5a1 1 0 0 1-1 1h-3.5M5 8.5h9.5a1 1 0 0 1 1 1V19a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V9.5a1 1 0 0 1 1-1Z",
  retry: "M19 12a7 7 0 1 1-2.3-5.2M17.5 3.5v4h-4",
  keyboard:
    "M3.5 7.5A1.5 1.5 0 0 1 5 6h14a1.5 1.5 0 0 1 1.5 1.5v9A1.5 1.5 0 0 1 19 18H5a1.5 1.5 0 0 1-1.5-1.5ZM7 10v.01M10.3 10v.01M13.7 10v.01M17 10v.01M8 14h8",
  stop: "M7.5 7.5h9v9h-9Z",
  play: "M8 5.5v13l10.5-6.5Z",
  pause: "M9 6v12M15 6v12",
  alert: "M12 4 2.8 19.5h18.4ZM12 10v4.5M12 17v.01",
  offline:
    "M4 4l16 16M2.5 9.5A14 14 0 0 1 7 6.8M11 5.7a14 14 0 0 1 10.5 3.8M5.8 13A9 9 0 0 1 9.5 10.8M14.5 11a9 9 0 0 1 3.7 2M9.2 16.3a4 4 0 0 1 5.6 0M12 19.5v.01",
  key: "M14.5 3.5a6 6 0 0 0-5.7 7.8L3.5 16.6v3.9h3.9v-2.5h2.5v-2.5l2.3-.3a6 6 0 1 0 2.3-11.7ZM16.5 7.5v.01",
  select: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM8.5 12.3l2.5 2.5 4.7-5",
  varied: "M7 4.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM14 4.8h5.5v5.5H14ZM17 13.5l3.3 6h-6.6ZM4.5 14h5v5.5h-5Z",
  gallery: "M4.5 4.5h6.5v6.5H4.5ZM13.5 4.5H20v4h-6.5ZM13.5 11H20v9h-6.5ZM4.5 13.5h6.5V20H4.5Z",
  pencil: "M5 19l.8-3.8L16 5l3 3L8.8 18.2ZM13.8 7.2l3 3",
};

/** An icon as an SVG element, invisible to screen readers: what it stands beside or inside says what it is. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** Puts the icons into the parts of the page that are written in index.html: `<button data-icon="upload">`. */
export function placeIcons(root = document) {
  for (const node of root.querySelectorAll("[data-icon]")) node.prepend(icon(node.dataset.icon));
}
