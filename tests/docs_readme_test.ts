/** What the README says can be done, beside what the tests of the command show. */

import { assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import { TempDir } from "./_temp.ts";

const ROOT = join(import.meta.dirname!, "..");

/** Where Deno keeps npm packages. */
async function npmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}

Deno.test("the library can be imported from the README's server", async () => {
  using temp = new TempDir();
  const readme = Deno.readTextFileSync(join(ROOT, "README.md"));
  const [, program] = /```ts\n(Deno\.serve[^]*?)```/.exec(readme)!;
  assertEquals(program!.trimEnd().split("\n").length, 4);
  Deno.writeTextFileSync(temp.at("serve.ts"), program!.replace("8000", "0"));
  const server = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-net", "--allow-read", temp.at("serve.ts")],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  await using _stopped = {
    async [Symbol.asyncDispose]() {
      server.kill();
      await server.status;
    },
  };
  let port: string | undefined;
  for await (const text of server.stderr.pipeThrough(new TextDecoderStream())) {
    port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
    if (port !== undefined) break;
  }

  // A cache of its own, so that nothing comes from before and nothing stays.
  Deno.mkdirSync(temp.at("cache"));
  Deno.symlinkSync(await npmCache(), temp.at("cache", "npm"));
  Deno.writeTextFileSync(
    temp.at("main.ts"),
    `import { openTensors } from ${JSON.stringify(`http://127.0.0.1:${port}/mod.ts`)};
const dtype: string = (await openTensors(Deno.args[0]!)).get("decoder.layer_norm.weight")!.dtype;
console.log(dtype);
`,
  );
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--check",
      "--allow-read",
      `--allow-import=127.0.0.1:${port}`,
      temp.at("main.ts"),
      join(ROOT, "fixtures/checkpoints/fairseq2-0.3.0/llama3_bf16"),
    ],
    env: { DENO_DIR: temp.at("cache"), NO_COLOR: "1" },
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  assertEquals(new TextDecoder().decode(stdout), "bfloat16\n");
});
