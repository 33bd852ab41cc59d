/**
 * Checkpoints in torch's format before 1.6, which has no checksums, convert to what the same weights in today's format
 * convert to.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint, type ConvertOptions } from "../../mod.ts";
import { assertSameFile, stateFacts } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const LEGACY = join(CHECKPOINTS, "..", "torch_legacy", "fairseq2", "step_10");
const CURRENT = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16");
const EXPECTED = join(CHECKPOINTS, "expected", "fairseq2-0.3.0", "llama3_bf16");

async function convert(temp: TempDir, options: Partial<ConvertOptions> = {}): Promise<string> {
  const output = temp.at("out");
  await convertCheckpoint({ input: LEGACY, output, model: join(CURRENT, "model.yaml"), ...options });
  return output;
}

for (const clone of [true, false]) {
  Deno.test(`convertCheckpoint() carries over a legacy file${clone ? " where it might clone" : ""}`, async () => {
    using temp = new TempDir();
    const output = await convert(temp, { clone, verify: true });
    const file = "consolidated.00.pth";
    assertEquals(await stateFacts(join(output, file)), await stateFacts(join(EXPECTED, "reference", file)));
  });
}

Deno.test("convertCheckpoint() splits a legacy file into shards", async () => {
  using temp = new TempDir();
  const output = await convert(temp, { shards: 2 });
  const halves = await Promise.all(
    ["00", "01"].map((rank) => stateFacts(join(output, `consolidated.${rank}.pth`))),
  );
  assertEquals(halves.map((facts) => facts.find(({ name }) => name === "output.weight")!.shape), [[25, 32], [
    25,
    32,
  ]]);
});

for (const to of ["huggingface", "fairseq2"] as const) {
  Deno.test(`convertCheckpoint() writes of a legacy file what it writes of a new one: ${to}`, async () => {
    using temp = new TempDir();
    const output = await convert(temp, { to });
    const other = temp.at("other");
    await convertCheckpoint({ input: CURRENT, output: other, to });
    const names = [...Deno.readDirSync(output)].filter(({ isFile }) => isFile).map(({ name }) => name).sort();
    assertEquals(names.length > 0, true);
    // A torch file says which version wrote it.
    for (const name of names.filter((name) => !name.endsWith(".pt"))) {
      assertSameFile(join(output, name), join(other, name));
    }
  });
}
