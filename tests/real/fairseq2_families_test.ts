/**
 * fairseq2 0.8 itself loads what was made of Hugging Face directories, of every family, where the environment variable
 * `CKPT_FAIRSEQ2` names a Python that has it. Its own code reads model.yaml, joins, splits and computes.
 */

import { assert } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { familyCases, filesOf } from "../convert/_families.ts";
import { TempDir } from "../_temp.ts";

const PYTHON = Deno.env.get("CKPT_FAIRSEQ2") || undefined;

async function run(...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(PYTHON!, { args }).output();
  if (!success) throw new Error(`Cannot run Python: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

Deno.test({
  name: "convertCheckpoint() makes native checkpoints that fairseq2 itself loads, of every family",
  ignore: PYTHON === undefined,
  async fn() {
    const version = await run("-c", "from importlib.metadata import version; print(version('fairseq2'))");
    if (!version.startsWith("0.8.")) return; // 0.3 has none of these families but Mistral.
    using temp = new TempDir();
    const jobs = [];
    for (const each of familyCases) {
      const { root, step, logits } = filesOf(each);
      const middle = temp.at(`${each.name}_hf`);
      await convertCheckpoint({ input: step, output: middle, to: "huggingface", clone: false });
      const outputs = [];
      for (const shards of each.shards) {
        const output = temp.at(`${each.name}_${shards}`);
        await convertCheckpoint({
          input: middle,
          output,
          to: "fairseq2",
          layout: "native",
          shards,
          clone: false,
        });
        outputs.push([shards, output]);
      }
      jobs.push([root, outputs, logits]);
    }
    const program = join(import.meta.dirname!, "fairseq2_families.py");
    const [compared, error] = JSON.parse(await run(program, JSON.stringify(jobs)));
    console.log(
      `fairseq2 ${version}: ${compared} tensors are the same; the logits' largest error is ${error}`,
    );
    assert(compared >= 21 * familyCases.length, `only ${compared} tensors were compared`);
    assert(error <= 1e-5, `the logits differ by ${error}`);
  },
});
