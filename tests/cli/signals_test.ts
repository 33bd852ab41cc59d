/**
 * What a conversion leaves that is stopped on its way. The checkpoints are big enough not to be done before, and
 * sparse, so that they are made in no time.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { ckpt, commandLine, CONVERT, interrupt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { makeCheckpoint } from "../bench/make_checkpoint.ts";

const STOPPED = "stopped: run the same command again to go on\n";

/** A checkpoint of 1.7 GB, or less with fewer layers. */
function big(temp: TempDir, shards: number, layers = 5): string {
  makeCheckpoint({ model: "llama3_2_1b", layers, shards, directory: temp.at("in") });
  return temp.at("in", "step_1");
}

/** The names and sizes of the files in a directory. */
function sizes(directory: string): [name: string, size: number][] {
  return [...Deno.readDirSync(directory)].map(({ name }): [string, number] => [
    name,
    Deno.statSync(join(directory, name)).size,
  ]).sort();
}

for (
  const [signal, code, jobs] of [
    ["SIGINT", 130, "2"],
    ["SIGTERM", 143, "2"],
    ["SIGHUP", 129, "2"],
    ["SIGINT", 130, "1"],
  ] as const
) {
  Deno.test({
    name: `${signal} stops the program with ${code} and leaves nothing (--jobs ${jobs})`,
    ignore: Deno.build.os === "windows",
    async fn() {
      using temp = new TempDir();
      const output = temp.at("a", "out");
      const args = [...CONVERT, "--no-clone", "--jobs", jobs, big(temp, 1), output];
      // Of params.json nothing is copied, so it is there before the first weights are.
      const run = await interrupt(args, signal, "params.json done");
      assertEquals(run, {
        code,
        stdout: "",
        stderr: "params.json done (1 of 2 files)\nstopped: nothing was finished\n",
      });
      assertEquals(temp.names(), ["in"]);
    },
  });
}

Deno.test({
  name: "SIGHUP doesn't stop the program where it is ignored, as under nohup",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using temp = new TempDir();
    const args = [...CONVERT, "--no-clone", big(temp, 1), temp.at("out")];
    const child = new Deno.Command("sh", {
      args: ["-c", `trap "" HUP; exec "$@"`, "sh", ...commandLine(args)],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    let sent = false;
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      if (!sent && text.includes("params.json done")) child.kill("SIGHUP");
      sent = true;
    }
    assertEquals((await child.status).code, 0);
    assertEquals(temp.names("out"), ["consolidated.00.pth", "params.json"]);
  },
});

Deno.test({
  name: "a run that was stopped goes on where it was",
  ignore: Deno.build.os === "windows",
  async fn() {
    using temp = new TempDir();
    const output = temp.at("out");
    const input = big(temp, 4);
    const args = [...CONVERT, "--no-clone", input, output];
    const run = await interrupt(args, "SIGTERM", "consolidated.00.pth done");
    assertEquals([run.code, run.stdout], [143, ""]);
    assert(run.stderr.endsWith(STOPPED), run.stderr);
    assertEquals(temp.names(), ["in", "out.partial"]);
    const finished = sizes(temp.at("out.partial", "files")).map(([name]) => name);
    assert(finished.includes("consolidated.00.pth") && finished.length < 5, finished.join());
    const before = Deno.statSync(temp.at("out.partial", "files", "consolidated.00.pth")).ino;
    // The checksums in it say that it is the same.
    Deno.utimeSync(join(input, "model.1.pt"), 0, 0);

    const again = await ckpt([...args, "--json"]);
    assertEquals(again.code, 0, again.stderr);
    const { complete, reused, files } = JSON.parse(again.stdout);
    assertEquals([complete, reused], [true, finished]);
    assertEquals(temp.names(), ["in", "out"]);
    assertEquals(
      sizes(output),
      (files as { name: string; bytes: number }[]).map(({ name, bytes }) => [name, bytes]),
    );
    assertEquals(Deno.statSync(join(output, "consolidated.00.pth")).ino, before);
  },
});

Deno.test("a run that was stopped isn't mixed up with another input", async () => {
  using temp = new TempDir();
  const input = big(temp, 2);
  const output = temp.at("out");
  const run = await interrupt(
    [...CONVERT, "--no-clone", "--jobs", "1", input, output],
    "SIGINT",
    "consolidated.00.pth done",
  );
  assertEquals(run.code, 130);
  assertEquals(temp.names(), ["in", "out.partial"]);
  Deno.removeSync(temp.at("in"), { recursive: true });
  big(temp, 2, 4);
  const args = ["--no-clone", "--dry-run", "--quiet", input, output];
  assertEquals((await ckpt([...CONVERT, ...args])).code, 0);
  const other = await ckpt([...CONVERT, "--quiet", "--no-clone", input, output]);
  assertEquals(other, {
    code: 1,
    stdout: "",
    stderr: `error: ${output}.partial: holds the unfinished output of another conversion ` +
      "(other input, options or version); finish that one, or use --restart to begin anew\n",
  });
  assertEquals(temp.names(), ["in", "out.partial"]);
});

Deno.test("convertCheckpoint() stops when its signal is aborted", async () => {
  using temp = new TempDir();
  const controller = new AbortController();
  const seen: number[] = [];
  const conversion = convertCheckpoint({
    input: big(temp, 1),
    output: temp.at("out"),
    clone: false,
    jobs: 2,
    signal: controller.signal,
    onProgress({ bytes }) {
      seen.push(bytes);
      controller.abort();
    },
  });
  const error = await conversion.catch((error: unknown) => error);
  assertEquals(String(error), "CancelledError: Cancelled");
  assertEquals(seen.every((bytes) => bytes < 1.6e9), true);
  assertEquals(temp.names(), ["in"]);
});
