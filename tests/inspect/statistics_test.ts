import { assert, assertEquals } from "@std/assert";
import { compareStatistics } from "../../lib/inspect/movement.ts";
import { statistics, type TensorStatistics } from "../../lib/inspect/statistics.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { STATISTICS_TRUTH } from "./_statistics_truth.ts";

/** What torch says, whose sums are rounded each time: these are compared to twelve digits. */
interface Truth {
  readonly statistics: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly movements: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

function assertAgrees(found: unknown, truth: unknown, scale: number, what: string): void {
  if (typeof found !== "number" || typeof truth !== "number") return assertEquals(found, truth, what);
  assert(Math.abs(found - truth) <= 1e-12 * Math.max(Math.abs(truth), scale), `${what}: ${found}, ${truth}`);
}

/** The histogram as torch has it: counts by exponents. */
function exponentsOf({ histogram }: TensorStatistics): unknown {
  const { firstExponent, negative, positive } = histogram!;
  const side = (counts: readonly number[]) =>
    Object.fromEntries(
      counts.flatMap((count, i) => count === 0 ? [] : [[String(firstExponent + i), count]]),
    );
  return { negative: side(negative), positive: side(positive) };
}

Deno.test({
  name: "statistics() and compareStatistics() say what torch does in float64",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const truth: Truth = JSON.parse(await runPython(STATISTICS_TRUTH, [temp.path]));
    let seen = 0;
    for await (const found of statistics(temp.at("a.safetensors"))) {
      seen++;
      const { exponents, ...expected } = truth.statistics[found.name]!;
      for (const [key, value] of Object.entries(expected)) {
        // The mean may be nothing beside the numbers.
        const scale = key === "mean" || key === "std" ? found.absMax! : 0;
        assertAgrees(found[key as keyof TensorStatistics], value, scale, `${found.name} ${key}`);
      }
      assertEquals(exponentsOf(found), exponents, found.name);
    }
    assertEquals(seen, Object.keys(truth.statistics).length);
    for await (const found of compareStatistics(temp.at("a.safetensors"), temp.at("b.safetensors"))) {
      seen--;
      for (const [key, value] of Object.entries(truth.movements[found.name]!)) {
        assertAgrees(found[key as keyof typeof found], value, 1e-3, `${found.name} ${key}`);
      }
    }
    assertEquals(seen, 0);
  },
});
