/**
 * From S3 to S3 through a server in memory, against boto3 that downloads, a local conversion, and boto3 that uploads.
 *
 * @module
 */

import { storeEnv } from "../remote/servers/moto.ts";
import { makeCheckpoint, type MakeOptions } from "./make_checkpoint.ts";
import { type Measured, measureInTurn, type Subject } from "./measure.ts";

const SERVER = new URL("../remote/servers/memory_s3.ts", import.meta.url).pathname;

/** How long each request is delayed in the second row, in milliseconds. */
const DELAY_MS = 30;

const UPLOAD = `
import os, sys, boto3
s3, (directory, bucket) = boto3.client("s3"), sys.argv[1:]
for root, _, names in os.walk(directory):
    for name in names:
        path = os.path.join(root, name)
        s3.upload_file(path, bucket, os.path.relpath(path, directory))
`;

const IN_TURN = `
import os, subprocess, sys, boto3
s3, (work, *command) = boto3.client("s3"), sys.argv[1:]
for entry in s3.list_objects_v2(Bucket="in")["Contents"]:
    path = os.path.join(work, "in", entry["Key"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s3.download_file("in", entry["Key"], path)
subprocess.run(command, check=True)
for root, _, names in os.walk(os.path.join(work, "out")):
    for name in names:
        s3.upload_file(os.path.join(root, name), "out", name)
`;

/** A server in a process of its own. */
async function withServer<T>(delayMs: number, work: (endpoint: string) => Promise<T>): Promise<T> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", SERVER, String(delayMs)],
    stdout: "piped",
  }).spawn();
  try {
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await reader.read();
    await reader.cancel();
    return await work(value.trim());
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
}

/** What the rows need. */
interface RemoteOptions {
  /** What to convert. */
  readonly make: Omit<MakeOptions, "directory">;
  /** A Python with boto3. */
  readonly python: string;
  /** The command, with its arguments. */
  ckpt(...args: string[]): string[];
  readonly runs: number;
  remove(path: string): void;
}

/** Measures the conversion, its peer, and the conversion with every request delayed. */
export async function fromS3ToS3(
  directory: string,
  { make, python, ckpt, runs, remove }: RemoteOptions,
): Promise<{ readonly bytes: number; readonly measured: readonly Measured[] }> {
  const sources = makeCheckpoint({ ...make, directory: `${directory}/in` });
  const bytes = sources.reduce((sum, path) => sum + Deno.statSync(path).size, 0);
  const measure = (delayMs: number, others: readonly Omit<Subject, "prepare">[]) =>
    withServer(delayMs, async (endpoint) => {
      const env = { ...storeEnv(endpoint), AWS_DEFAULT_REGION: "us-east-1" };
      const empty = async (bucket: string) =>
        void await (await fetch(`${endpoint}/${bucket}`, { method: "PUT" })).body?.cancel();
      await empty("in");
      const { success } = await new Deno.Command(python, {
        args: ["-c", UPLOAD, `${directory}/in`, "in"],
        env,
      })
        .output();
      if (!success) throw new Error("Cannot upload the checkpoint: has the Python boto3?");
      const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      const subjects = [
        {
          name: delayMs === 0 ? "ckpt" : `ckpt, ${delayMs} ms`,
          command: ckpt("convert", "--quiet", "s3://in/step_1", "s3://out/hf"),
        },
        ...others,
      ].map((subject): Subject => ({
        ...subject,
        command: ["env", ...variables, ...subject.command],
        prepare: async () => {
          await empty("out");
          remove(`${directory}/work`);
        },
      }));
      return await measureInTurn(subjects, runs);
    });
  const work = `${directory}/work`;
  const inTurn = {
    name: "boto3, ckpt, boto3",
    command: [python, "-c", IN_TURN, work, ...ckpt("convert", "--quiet", `${work}/in/step_1`, `${work}/out`)],
  };
  const measured = [...await measure(0, [inTurn]), ...await measure(DELAY_MS, [])];
  remove(`${directory}/in`);
  return { bytes, measured };
}
