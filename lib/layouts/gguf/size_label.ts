/** The size of a model in words, as gguf-py prints it: `"1.2B"`. */

const UNITS: readonly (readonly [above: number, scale: number, suffix: string])[] = [
  [1e12, 1e-12, "T"],
  [1e9, 1e-9, "B"],
  [1e6, 1e-6, "M"],
  [-1, 1e-3, "K"],
];

/** The size of a model with so many parameters: two digits, or all of its whole part (gguf-py 0.19 `utility.py`). */
export function sizeLabel(parameters: number): string {
  const [, scale, suffix] = UNITS.find(([above]) => parameters > above)!;
  const scaled = parameters * scale;
  const whole = fixed(scaled, 0).replace(/^0+/, "");
  return `${fixed(scaled, Math.max(2 - whole.length, 0))}${suffix}`;
}

/** A number with so many digits behind the point, as Python prints it: of two that are as near, the even one. */
function fixed(value: number, digits: number): string {
  const up = value.toFixed(digits);
  // All digits that a double can have: toFixed is exact, and takes the larger of two that are as near.
  const exact = value.toFixed(60);
  const rest = exact.slice(exact.indexOf(".") + 1 + digits);
  if (!/^50*$/.test(rest) || Number(up.at(-1)) % 2 === 0) return up;
  return exact.slice(0, exact.indexOf(".") + (digits === 0 ? 0 : 1 + digits));
}
