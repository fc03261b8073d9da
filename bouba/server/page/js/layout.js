// A justified grid: rows of equal height that fill the width, pictures in their order and (almost) uncropped.

const NARROWEST = 0.5; // width / height; what is beyond is cropped to it
const WIDEST = 3.2;

/**
 * Where each picture goes: [{left, top, width, height, row}] and the height of all, in whole pixels.
 *
 * `ratios`: width / height of each. A row is closed where its height comes nearest to `target`, which depends only on
 * what stands before it: adding pictures moves nothing but the last row, which is not stretched.
 */
export function justified(ratios, { width, target, gap }) {
  const boxes = [];
  let top = 0;
  let row = 0;
  for (const members of rowsOf(ratios.map(bounded), { width, target, gap })) {
    const height = Math.round(heightOf(members.ratios, width, gap, members.closed ? Infinity : target));
    place(members.ratios, { top, height, width, gap, row, fills: members.closed }, boxes);
    top += height + gap;
    row += 1;
  }
  return { boxes, height: Math.max(0, top - gap) };
}

const bounded = (ratio) => Math.min(WIDEST, Math.max(NARROWEST, ratio || 1));

const total = (ratios) => ratios.reduce((sum, ratio) => sum + ratio, 0);

/** The height at which these fill the width. */
function heightOf(ratios, width, gap, most) {
  return Math.min(most, (width - gap * (ratios.length - 1)) / total(ratios));
}

function* rowsOf(ratios, { width, target, gap }) {
  let open = [];
  for (const ratio of ratios) {
    const longer = [...open, ratio];
    if (heightOf(longer, width, gap, Infinity) > target) {
      open = longer;
    } else if (
      open.length &&
      heightOf(open, width, gap, Infinity) / target < target / heightOf(longer, width, gap, Infinity)
    ) {
      yield { ratios: open, closed: true };
      open = [ratio];
      if (heightOf(open, width, gap, Infinity) <= target) {
        yield { ratios: open, closed: true };
        open = [];
      }
    } else {
      yield { ratios: longer, closed: true };
      open = [];
    }
  }
  if (open.length) yield { ratios: open, closed: false };
}

/** Edges are rounded, not widths, so that rows end flush. */
function place(ratios, { top, height, width, gap, row, fills }, boxes) {
  const scale = fills ? (width - gap * (ratios.length - 1)) / (total(ratios) * height) : 1;
  let edge = 0;
  for (const ratio of ratios) {
    const left = Math.round(edge);
    edge += ratio * height * scale;
    boxes.push({ left, top, width: Math.round(edge) - left, height, row });
    edge += gap;
  }
}

/** Which picture lies nearest in the next row up (-1) or down (1); the same one at the edge. */
export function neighbour(boxes, from, step) {
  const here = boxes[from];
  const middle = here.left + here.width / 2;
  let best = from;
  let least = Infinity;
  boxes.forEach((box, index) => {
    const away = Math.abs(box.left + box.width / 2 - middle);
    if (box.row === here.row + step && away < least) [best, least] = [index, away];
  });
  return best;
}
