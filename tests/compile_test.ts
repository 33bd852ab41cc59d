import { assert, assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";
import { TempDir } from "./_temp.ts";

Deno.test("deno compile embeds the program in one file", async () => {
  using temp = new TempDir();
  const root = join(import.meta.dirname!, "..");
  const { tasks } = JSON.parse(Deno.readTextFileSync(join(root, "deno.json")));
  const binary = temp.at(Deno.build.os === "windows" ? "ckpt.exe" : "ckpt");
  const [, ...args] = (tasks.compile as string).split(" ");
  const at = args.indexOf("--output");
  assert(args[0] === "compile" && at > 0, tasks.compile);
  args[at + 1] = binary;
  // What deno compile puts in front of the program is a runtime that it downloads. Deno itself stands in for it
  // here, so that nothing is fetched: the module graph is embedded all the same, but what comes out is Deno, which
  // doesn't look for a program in itself, and so can't be run as one.
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args.slice(0, 1), "--quiet", ...args.slice(1)],
    cwd: root,
    env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" },
  }).output();
  assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  assert(Deno.statSync(binary).size > Deno.statSync(Deno.execPath()).size);
  assertEquals(temp.names().length, 1);

  // Every module of the command is in it, what it loads when it runs included.
  const embedded = Deno.readFileSync(binary).subarray(Deno.statSync(Deno.execPath()).size);
  const text = new TextDecoder("latin1").decode(embedded);
  for (
    const name of ["run_convert.ts", "convert_checkpoint.ts", "copy_engine.ts", "zip.js", "parse_args.js"]
  ) {
    assert(text.includes(name), name);
  }
});
