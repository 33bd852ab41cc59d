import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { planConversion } from "../../lib/convert/convert_checkpoint.ts";
import { targets } from "../../lib/convert/target.ts";
import { fingerprint } from "../../lib/copy/fingerprint.ts";
import { writeOutput } from "../../lib/output/output_directory.ts";
import { TempDir } from "../_temp.ts";
import { stepOf } from "./_layouts.ts";

/** Where in a value there is something that isn't plain data: a function, a getter, an object of a class. */
function* unplain(value: unknown, path: string, seen = new Set<unknown>()): Generator<string> {
  if (typeof value === "function") yield path;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || seen.has(value)) return;
  seen.add(value);
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) yield path;
  for (const [key, { get, value: item }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
    if (get !== undefined) yield `${path}.${key}`;
    yield* unplain(item, `${path}.${key}`, seen);
  }
}

// One that is laid over its source, shards that are joined and split, matrices that are tied, and casts.
for (const name of ["0.3.0/llama3_bf16", "0.8.1/llama3_fp32_tp2_fsdp2", "0.8.1/llama3_bf16_tied"]) {
  for (const to of targets) {
    for (const dtype of [undefined, "float16"] as const) {
      Deno.test(`planConversion() makes plain data of ${name} to ${to}, ${dtype ?? "as it is"}`, async () => {
        using temp = new TempDir();
        const input = stepOf(`fairseq2-${name}`);
        const tokenizer = to === "gguf" ? false : undefined;
        const { plan } = await planConversion({ input, output: temp.at("out"), to, dtype, tokenizer });
        assertEquals([...unplain(plan, "plan")], []);
        const clone = structuredClone(plan);
        assertEquals(clone, plan);
        assertEquals(fingerprint(clone), fingerprint(plan));
        await writeOutput(plan, temp.at("out"));
        await writeOutput(clone, temp.at("clone"));
        for (const { name } of plan.files) {
          const [a, b] = ["out", "clone"].map((output) => Deno.readFileSync(join(temp.at(output), name)));
          assertEquals(a, b, name);
        }
      });
    }
  }
}

Deno.test("planConversion() offers to lay a renamed file over its source", async () => {
  using temp = new TempDir();
  const input = stepOf("fairseq2-0.3.0/llama3_bf16");
  const { plan } = await planConversion({ input, output: temp.at("out"), to: "reference" });
  assertEquals(plan.files.filter(({ overlay }) => overlay !== undefined).length, 1);
});
