// Prices as the reader's language writes them.

const makers = new Map();

export function money(amount, currency) {
  if (amount === null || amount === undefined) return "";
  if (!makers.has(currency)) makers.set(currency, maker(currency));
  return makers.get(currency).format(amount);
}

function maker(currency) {
  const plain = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
  try {
    return new Intl.NumberFormat(undefined, currency ? { style: "currency", currency } : plain);
  } catch {
    return new Intl.NumberFormat(undefined, plain); // a code that this browser does not know
  }
}

export const range = ({ min, max }, currency) =>
  min === max ? money(min, currency) : `${money(min, currency)} – ${money(max, currency)}`;
