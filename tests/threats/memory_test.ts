/**
 * Small files that ask for much memory get none: opening them takes no more than the file's size and 64 MB.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { TempDir } from "../_temp.ts";
import { greedy } from "./_hostile.ts";

const MAIN = join(import.meta.dirname!, "_memory_main.ts");
const MAX_BYTES = 64 * 1024 * 1024;

for (const [what, kind, make] of greedy) {
  Deno.test({
    name: `opening ${
      kind === "torch" ? "a torch file" : kind
    } with ${what} takes 64 MB beyond the file at most`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      using temp = new TempDir();
      const path = temp.at("file");
      const file = make();
      Deno.writeFileSync(path, file);
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", "--no-check", MAIN, kind, path],
        env: { NO_COLOR: "1" },
      }).output();
      assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
      const { bytes, answer } = JSON.parse(new TextDecoder().decode(stdout));
      if (Deno.env.has("CKPT_FIGURES")) {
        console.log(what, file.length, bytes - file.length, answer.slice(0, 120));
      }
      assert(bytes <= file.length + MAX_BYTES, `${bytes} bytes for a file of ${file.length}`);
    },
  });
}
