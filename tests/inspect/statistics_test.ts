import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { CancelledError } from "../../lib/error.ts";
import { compareStatistics } from "../../lib/inspect/movement.ts";
import { statistics, type TensorStatistics } from "../../lib/inspect/statistics.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { STATISTICS_TRUTH } from "./_statistics_truth.ts";

/** What torch says, whose sums are rounded each time: these are compared to twelve digits. */
interface Truth {
  readonly statistics: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly strided: Truth["statistics"];
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
    for (
      const [file, truths] of [["a.safetensors", truth.statistics], ["strided.pt", truth.strided]] as const
    ) {
      seen = 0;
      for await (const found of statistics(temp.at(file))) {
        seen++;
        const { exponents, ...expected } = truths[found.name]!;
        for (const [key, value] of Object.entries(expected)) {
          // The mean may be nothing beside the numbers.
          const scale = key === "mean" || key === "std" ? found.absMax! : 0;
          assertAgrees(found[key as keyof TensorStatistics], value, scale, `${found.name} ${key}`);
        }
        assertEquals(exponentsOf(found), exponents, found.name);
      }
      assertEquals(seen, Object.keys(truths).length);
    }
    seen = Object.keys(truth.movements).length;
    for await (const found of compareStatistics(temp.at("a.safetensors"), temp.at("b.safetensors"))) {
      seen--;
      for (const [key, value] of Object.entries(truth.movements[found.name]!)) {
        assertAgrees(found[key as keyof typeof found], value, 1e-3, `${found.name} ${key}`);
      }
    }
    assertEquals(seen, 0);
  },
});

/** Statistics by name, without the name of what they are of. */
async function byName<T extends { readonly name: string }>(found: AsyncIterable<T>): Promise<Map<string, T>> {
  return new Map((await Array.fromAsync(found)).map((each) => [each.name, each]));
}

const models = [
  ["fairseq2-0.3.0/llama2_fp16", "step_10", "reference"],
  ["fairseq2-0.3.0/llama2_fp32_tp4", "step_10", "reference"],
  ["fairseq2-0.3.0/llama3_bf16_tp2", "step_10", "hf"],
  ["fairseq2-0.8.1/llama3_bf16_fsdp3", "checkpoints", "hf"],
  ["fairseq2-0.8.1/llama3_fp32_tp2_fsdp2", "checkpoints/step_10/model", "reference"],
] as const;

for (const [name, input, output] of models) {
  Deno.test(`statistics() gives the same digits of ${name} in another layout, in shards or whole`, async () => {
    const [a, b] = [join(CHECKPOINTS, name, input), join(CHECKPOINTS, "expected", name, output)];
    assertEquals(await byName(statistics(a)), await byName(statistics(b)));
    const other = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_fp32_ddp");
    assertEquals(
      await byName(compareStatistics(a, other)),
      await byName(compareStatistics(b, other)),
    );
  });
}

Deno.test("statistics() stops where it is cancelled, or no more is wanted", async () => {
  const path = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16");
  const stop = new AbortController();
  stop.abort();
  await assertFailsAsync(
    () => Array.fromAsync(statistics(path, { signal: stop.signal })),
    CancelledError,
    "Cancelled",
  );
  for await (const { name } of statistics(path)) {
    assertEquals(name, "decoder_frontend.embed.weight");
    break;
  }
});
