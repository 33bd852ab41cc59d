/** Every function that the library exports has an example, which `deno test --doc` runs. */

import { assert, assertEquals } from "@std/assert";
import { join } from "../lib/deps.ts";

const ROOT = join(import.meta.dirname!, "..");

/** What `deno doc --json` says of the modules, as far as it is looked at. */
interface Documentation {
  readonly nodes: Readonly<Record<string, { readonly symbols: readonly DocumentedSymbol[] }>>;
}

interface DocumentedSymbol {
  readonly name: string;
  readonly declarations: readonly {
    readonly kind: string;
    readonly jsDoc?: { readonly tags?: readonly { readonly kind: string; readonly doc?: string }[] };
  }[];
}

Deno.test("each exported function has an example that runs", async () => {
  const { exports } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...Object.values<string>(exports)],
    cwd: ROOT,
  }).output();
  assert(success);
  const { nodes }: Documentation = JSON.parse(new TextDecoder().decode(stdout));
  const without = new Set<string>();
  let count = 0;
  for (const { symbols } of Object.values(nodes)) {
    for (const { name, declarations } of symbols) {
      for (const { kind, jsDoc } of declarations) {
        if (kind !== "function") continue;
        count++;
        const examples = (jsDoc?.tags ?? []).filter((tag) => tag.kind === "example");
        // An ignored one has a word behind its language.
        if (!examples.some(({ doc = "" }) => /^```ts$/m.test(doc))) without.add(name);
      }
    }
  }
  assertEquals([...without].sort(), []);
  assert(count >= 30, `${count} functions were found`);
});
