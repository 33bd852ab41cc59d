/**
 * The long run of the fuzzer.
 *
 * ```sh
 * deno task fuzz --mutants 1000000 --seed 1
 * deno task fuzz --target torch --seed 1 --only 4711 --save mutant.pt
 * ```
 *
 * It prints what became of the mutants, and which of them broke a rule: each can be made again by its number.
 */

import { parseArgs } from "../../lib/deps.ts";
import { divide, figuresLine, mutantOf, runTarget } from "./_run.ts";
import { ggufTarget } from "./_gguf_target.ts";
import { planTarget } from "./_plan_target.ts";
import { memoryTargets } from "./_targets.ts";

const args = parseArgs([...Deno.args], { string: ["mutants", "seed", "target", "only", "first", "save"] });
const seed = Number(args.seed ?? 1);
const mutants = Number(args.mutants ?? 100_000);
using plan = planTarget();
using gguf = await ggufTarget();
const all = [...memoryTargets(), plan, gguf];
const targets = args.target === undefined ? all : all.filter(({ name }) => name === args.target);
if (targets.length === 0) {
  throw new Error(`There is no target ${args.target}: ${all.map(({ name }) => name)}`);
}

if (args.only !== undefined) {
  const index = Number(args.only);
  if (typeof args.save === "string") Deno.writeFileSync(args.save, mutantOf(targets[0]!, seed, index));
  const figures = await runTarget(targets[0]!, { seed, mutants: 1, first: index, measure: true });
  console.log(figures);
} else {
  let violations = 0;
  console.log("| target | mutants | read | refused | slowest | most memory | violations |");
  console.log("| ------ | ------- | ---- | ------- | ------- | ----------- | ---------- |");
  for (const [target, count] of divide(targets, mutants)) {
    const first = Number(args.first ?? 0);
    const figures = await runTarget(target, { seed, mutants: count, first, measure: true });
    console.log(figuresLine(figures));
    violations += figures.violations.length;
    for (const { index, what } of figures.violations.slice(0, 20)) {
      console.error(`${target.name} --only ${index}: ${what}`);
    }
  }
  plan[Symbol.dispose]();
  gguf[Symbol.dispose]();
  if (violations > 0) Deno.exit(1);
}
