/**
 * What fairseq2's configurations start from, against what fairseq2 itself has.
 */

import { assert, assertEquals } from "@std/assert";
import { architectureConfig, defaultConfig } from "../../../lib/layouts/fairseq2/config_tree.ts";
import type { ConfigTree, Generation } from "../../../lib/models/family.ts";
import { llama } from "../../../lib/models/llama/family.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";

type Config = Record<string, unknown>;

interface Golden {
  readonly default: { readonly config: Config };
  readonly architectures: Readonly<Record<string, { readonly config: Config }>>;
}

function toObject(value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value as ConfigTree].map(([name, item]) => [name, toObject(item)]));
}

for (const [version, generation] of [["0.3.0", "0.2-0.3"], ["0.4.5", "0.4"], ["0.8.1", "0.5+"]] as const) {
  Deno.test(`architectureConfig() and defaultConfig() give what fairseq2 ${version} has`, () => {
    const url = new URL(`../../../fixtures/llama/fairseq2_${version}.json`, import.meta.url);
    const golden: Golden = JSON.parse(Deno.readTextFileSync(url));
    const check = (found: ConfigTree, { config }: { config: Config }, name: string) => {
      // Dropout matters in training alone, and is written as none.
      const { dropout_p: _, ...expected } = config;
      const { dropout_p: dropout, ...rest } = toObject(found) as Config;
      assertEquals([rest, dropout], [expected, 0], `${name} of ${version}`);
    };
    check(defaultConfig(llama, generation as Generation), golden.default, "the default");
    assert(Object.keys(golden.architectures).length >= 10);
    for (const [name, each] of Object.entries(golden.architectures)) {
      check(architectureConfig(llama, findArchitecture(name, "llama"), generation as Generation), each, name);
    }
  });
}
