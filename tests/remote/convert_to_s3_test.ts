/** Converting to S3: what boto3 finds there is what a local conversion makes, byte for byte. */

import { assert, assertEquals } from "@std/assert";
import { basename, join } from "../../lib/deps.ts";
import { ckpt } from "../_ckpt.ts";
import { assertSameTree, readTree } from "../_outcome.ts";
import { TempDir } from "../_temp.ts";
import { Moto, remotePython } from "./servers/moto.ts";

const SHARED = join(import.meta.dirname!, "..", "..", "..", "shared", "checkpoints");
const FIXTURES = join(import.meta.dirname!, "..", "..", "fixtures", "checkpoints");

/** The directories below one that hold a step. */
function* stepsIn(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (!isDirectory) continue;
    const path = join(directory, name);
    if (name.startsWith("step_")) yield path;
    else yield* stepsIn(path);
  }
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** Asserts that boto3 finds below a prefix what lies in a directory. */
async function assertSame(moto: Moto, prefix: string, local: string): Promise<void> {
  using temp = new TempDir();
  await moto.download("team", prefix, temp.path);
  assertSameTree(readTree(temp.path), readTree(local)!, prefix);
}

/** Converts a step both ways, to each layout, and compares. */
async function bothWays(moto: Moto, step: string, label: string): Promise<number> {
  using temp = new TempDir();
  let count = 0;
  await moto.upload(join(step, ".."), "team", `in/${label}`);
  for (const to of ["huggingface", "reference", "fairseq2", "gguf"]) {
    const local = temp.at(to);
    const args = ["convert", "--quiet", "--to", to, step];
    const { code, stderr } = await ckpt([...args, local]);
    if (code !== 0) {
      assert(stderr.startsWith("error: "), stderr);
      continue; // Not every family has every layout, and a vocabulary of 40 has no tokenizer for GGUF.
    }
    const prefix = `${label}/${to}`;
    const run = await ckpt([...args, `s3://team/${prefix}`], { env: moto.env });
    assertEquals([run.code, run.stderr], [0, ""], prefix);
    await assertSame(moto, prefix, local);
    const from = `s3://team/in/${label}/${basename(step)}`;
    const remote = await ckpt([...args.slice(0, -1), from, `s3://team/s3/${prefix}`], { env: moto.env });
    assertEquals([remote.code, remote.stderr], [0, ""], `from s3: ${prefix}`);
    await assertSame(moto, `s3/${prefix}`, local);
    count++;
  }
  assertEquals(await moto.openUploads("team"), []);
  return count;
}

Deno.test({
  name: "convert to s3:// puts what a local conversion makes, wherever the input is",
  ignore: remotePython() === undefined,
  fn: async () => {
    await using moto = await Moto.start();
    await moto.makeBucket("team");
    const step = [...stepsIn(join(FIXTURES, "fairseq2-0.8.1/qwen3_bf16_tied"))][0]!;
    assert(await bothWays(moto, step, "one") >= 2);
  },
});

Deno.test({
  name: "convert to s3:// puts what a local conversion makes of every real checkpoint, wherever it is",
  ignore: remotePython() === undefined || !isThere(SHARED),
  fn: async () => {
    await using moto = await Moto.start();
    await moto.makeBucket("team");
    let count = 0;
    for (const version of Deno.readDirSync(SHARED)) {
      if (!version.name.startsWith("fairseq2-")) continue;
      for (const step of stepsIn(join(SHARED, version.name))) {
        const label = step.slice(SHARED.length + 1).replaceAll("/", "-");
        count += await bothWays(moto, step, label);
      }
    }
    assert(count > 40, `${count} conversions`);
  },
});
