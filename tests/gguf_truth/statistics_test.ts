/** Statistics of quantized weights: those of the numbers that they stand for, as gguf-py and numpy have them. */

import { assert, assertEquals } from "@std/assert";
import { findParameter } from "../../lib/models/families.ts";
import { formatName } from "../../lib/models/parameter.ts";
import { statistics } from "../../mod.ts";
import { askPython, ignore, real, unlessSet } from "./_peers.ts";

Deno.test({
  name: `statistics() says of SmolLM2 in Q4_1 and Q8_0 what numpy does${unlessSet}`,
  ignore,
  async fn() {
    const [truth] = await askPython<Record<string, Record<string, number>>>("_numpy_statistics.py", [
      real.smollm2,
    ]);
    const found = new Map<string, Record<string, unknown>>();
    for await (const tensor of statistics(real.smollm2)) found.set(tensor.name, { ...tensor });
    for (const [name, expected] of Object.entries(truth!)) {
      const tensor = found.get(formatName("fairseq2", findParameter("gguf", name)!))!;
      for (const [key, value] of Object.entries(expected)) {
        const apart = Math.abs(Number(tensor[key]) - value);
        assert(
          apart <= 1e-12 * Math.max(Math.abs(value), expected.max!),
          `${name} ${key}: ${tensor[key]}, ${value}`,
        );
      }
    }
    // The output's matrix is that of the embedding.
    assertEquals(found.size, Object.keys(truth!).length + 1);
  },
});
