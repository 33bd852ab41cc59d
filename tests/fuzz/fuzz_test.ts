/**
 * A short run of the fuzzer, the same each time. `deno task fuzz` runs it for as long as one likes.
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { divide, mutantOf, runTarget } from "./_run.ts";
import { ggufTarget } from "./_gguf_target.ts";
import { planTarget } from "./_plan_target.ts";
import { memoryTargets, type Target } from "./_targets.ts";

const SEED = 20_260_101;
const MUTANTS = 12_000;

using plan = planTarget();
using gguf = await ggufTarget();
const targets: readonly Target[] = [...memoryTargets(), plan, gguf];
/** Those with files of their own, which are gone when the tests begin. */
const makers = new Map<string, () => (Target & Disposable) | Promise<Target & Disposable>>([
  [plan.name, planTarget],
  [gguf.name, ggufTarget],
]);

for (const [target, mutants] of divide(targets, MUTANTS)) {
  Deno.test(`${target.name}: damaged files are read or refused, and nothing else happens`, async () => {
    using fresh = await makers.get(target.name)?.();
    const { read, refused, violations } = await runTarget(fresh ?? target, { seed: SEED, mutants });
    assertEquals(violations, []);
    // Else the mutants say nothing.
    const total = [...refused.values()].reduce((sum, count) => sum + count, 0);
    assertEquals(read + total, mutants);
    assert(read > 0 && total > 0, `${read} were read, ${total} refused`);
  });
}

Deno.test("a mutant can be made again by its number", () => {
  for (const target of targets) {
    assertEquals(mutantOf(target, SEED, 7), mutantOf(target, SEED, 7));
    assertNotEquals(
      [1, 2, 3, 4].map((index) => [...mutantOf(target, SEED, index)]),
      [1, 2, 3, 4].map((index) => [...mutantOf(target, SEED + 1, index)]),
    );
  }
});
