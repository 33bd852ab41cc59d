import { assert, assertEquals, assertRejects } from "@std/assert";
import { areSameBytes, join } from "../../lib/deps.ts";
import { planConversion } from "../../lib/convert/convert_checkpoint.ts";
import type { OutputOptions } from "../../lib/convert/target.ts";
import { copyParts, type PartedFile } from "../../lib/copy/copy_parts.ts";
import { crc32 } from "../../lib/copy/crc32.ts";
import type { Plan } from "../../lib/copy/plan.ts";
import { CancelledError, FileError, FormatError } from "../../lib/error.ts";
import { writeOutput } from "../../lib/output/output_directory.ts";
import { TempDir } from "../_temp.ts";

const CHECKPOINTS = join(import.meta.dirname!, "..", "..", "fixtures", "checkpoints");

/** Puts the parts of files together; each part may come once. */
function assemble(plan: Plan, partBytes: number) {
  const made = new Map<string, Uint8Array>();
  const crcs = new Map<string, number>();
  const parted = plan.files.map((file): PartedFile => {
    const whole = new Uint8Array(file.size);
    const seen = new Set<number>();
    return {
      file,
      partBytes,
      put(part, bytes, crc) {
        assert(!seen.has(part), `part ${part} of ${file.name} came twice`);
        seen.add(part);
        assertEquals(bytes.length, Math.min(partBytes, file.size - part * partBytes));
        assertEquals(crc, crc32(bytes));
        whole.set(bytes, part * partBytes);
        return new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
      },
      finish(crc) {
        assertEquals(seen.size, Math.max(1, Math.ceil(file.size / partBytes)));
        made.set(file.name, whole);
        crcs.set(file.name, crc);
      },
    };
  });
  return { parted, made, crcs };
}

const cases: readonly (readonly [step: string, options: OutputOptions])[] = [
  ["fairseq2-0.3.0/llama2_fp32_tp4/step_10", { to: "reference" }],
  ["fairseq2-0.3.0/llama2_fp32_tp4/step_10", { to: "fairseq2", dtype: "float16" }],
  ["fairseq2-0.3.0/llama2_fp32_tp4/step_10", { to: "huggingface", dtype: "bfloat16" }],
  ["fairseq2-0.4.5/llama3_bf16_tp2/step_10", { to: "huggingface", maxShardSize: 20_000 }],
  ["fairseq2-0.8.1/llama3_fp32_tp2_fsdp2/checkpoints/step_10", { to: "fairseq2", layout: "native" }],
];

Deno.test("copyParts() makes what copyFiles() makes, whatever the length of the parts", async () => {
  for (const [step, options] of cases) {
    using temp = new TempDir();
    const input = join(CHECKPOINTS, step);
    const { plan } = await planConversion({ ...options, input, output: temp.at("out") });
    await writeOutput(plan, temp.at("out"));
    for (const partBytes of [64, 1000, 4096, 1 << 20]) {
      const { parted, made, crcs } = assemble(plan, partBytes);
      await copyParts(plan, parted, {});
      assertEquals([...made.keys()].sort(), plan.files.map(({ name }) => name).sort());
      for (const [name, bytes] of made) {
        const expected = await Deno.readFile(temp.at("out", name));
        assert(areSameBytes(bytes, expected), `${step} ${name} in parts of ${partBytes}`);
        assertEquals(crcs.get(name), crc32(expected));
      }
    }
  }
});

Deno.test("copyParts() tells what a cast lost, as copyFiles() does", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.3.0/llama2_fp32_tp4/step_10");
  const { plan } = await planConversion({
    input,
    output: temp.at("out"),
    to: "huggingface",
    dtype: "float16",
  });
  const { losses } = await writeOutput(plan, temp.at("out"));
  assertEquals((await copyParts(plan, assemble(plan, 1000).parted, {})).losses, losses);
});

Deno.test("copyParts() stops where a part can't be put, and waits for those under way", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16/step_10");
  const { plan } = await planConversion({ input, output: temp.at("out"), to: "reference" });
  let underWay = 0;
  const parted = plan.files.map((file): PartedFile => ({
    file,
    partBytes: 1000,
    async put(part) {
      if (part === 3) throw new FileError("full");
      underWay++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      underWay--;
    },
    finish: () => {},
  }));
  await assertRejects(() => copyParts(plan, parted, {}), FileError, "full");
  assertEquals(underWay, 0);
  await assertRejects(() => copyParts(plan, parted, { signal: AbortSignal.abort() }), CancelledError);
});

Deno.test("copyParts() finds a damaged tensor, and a source that changed", async () => {
  using temp = new TempDir();
  const path = temp.at("model.pt");
  const step = join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16");
  await Deno.copyFile(join(step, "step_10/model.pt"), path);
  const bytes = await Deno.readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await Deno.writeFile(path, bytes);
  const options = { input: path, model: join(step, "model.yaml"), output: temp.at("out") };
  const { plan } = await planConversion({ ...options, to: "reference" });
  await assertRejects(() => copyParts(plan, assemble(plan, 1000).parted, {}), FormatError, "damaged");
  await Deno.writeFile(path, bytes.subarray(1));
  await assertRejects(() => copyParts(plan, assemble(plan, 1000).parted, {}), FileError, "changed");
});
