import { assertEquals } from "@std/assert";
import { dividedBy, exactSum, rootDividedBy } from "../../lib/inspect/exact_numbers.ts";

Deno.test("exactSum() adds numbers of any size, without rounding", () => {
  const numbers = [{ units: 1n, exponent: 900 }, { units: 1n, exponent: -900 }, {
    units: -1n,
    exponent: 900,
  }];
  assertEquals(exactSum(numbers), { units: 1n, exponent: -900 });
  assertEquals(exactSum([]), { units: 0n, exponent: 0 });
});

Deno.test("dividedBy() rounds once, to the nearest and to even", () => {
  assertEquals(dividedBy({ units: 1n, exponent: 0 }, 3), 1 / 3);
  assertEquals(dividedBy({ units: -10n, exponent: -1 }, 3), -5 / 3);
  // Between two numbers, and just past the middle.
  assertEquals(dividedBy({ units: 2n ** 53n + 1n, exponent: 0 }, 1), 2 ** 53);
  assertEquals(dividedBy({ units: (2n ** 53n + 1n) * 2n ** 80n + 1n, exponent: -80 }, 1), 2 ** 53 + 2);
  // The rest of a division is what is past the middle: 2^53 + 1 + 2^-40/3.
  assertEquals(dividedBy({ units: 3n * (2n ** 53n + 1n) * 2n ** 40n + 1n, exponent: -40 }, 3), 2 ** 53 + 2);
  assertEquals(dividedBy({ units: 1n, exponent: -1074 }, 1), 5e-324);
});

Deno.test("rootDividedBy() takes roots of squares of any size", () => {
  for (const root of [1n, 3n, 12345678901n, 3n << 77n]) {
    for (const exponent of [-600, -3, 0, 1, 400]) {
      const square = { units: root * root, exponent: 2 * exponent };
      assertEquals(rootDividedBy(square, 1), Number(root) * 2 ** exponent);
      assertEquals(
        rootDividedBy({ units: 2n * root * root, exponent: 2 * exponent + 1 }, 2),
        Number(root) * 2 ** exponent,
      );
    }
  }
  assertEquals(rootDividedBy({ units: 0n, exponent: 5 }, 7), 0);
});
