/**
 * Damaged torch files that ckpt still reads, against torch: what both read has the same tensors with the same bytes.
 * Where torch refuses and ckpt reads, or the other way round, nothing is mistaken for something else.
 *
 * `CKPT_FUZZ=N` tries N mutants instead of a few.
 */

import { assert, assertEquals } from "@std/assert";
import { type Listing, LISTING_PROGRAM, listTensors } from "../_listing.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { mutantOf } from "./_run.ts";
import { memoryTargets } from "./_targets.ts";

const MUTANTS = Number(Deno.env.get("CKPT_FUZZ") ?? 3000);
const SEED = 7;

for (const name of ["torch", "legacy"]) {
  Deno.test({
    name: `${name}: what ckpt and torch read of damaged files is the same (needs CKPT_PYTHON)`,
    ignore: python() === undefined,
    async fn() {
      using temp = new TempDir();
      const target = memoryTargets().find((each) => each.name === name)!;
      const paths: string[] = [];
      const listings: Listing[] = [];
      for (let index = 0; index < MUTANTS; index++) {
        const path = temp.at(`${index}.pt`);
        Deno.writeFileSync(path, mutantOf(target, SEED, index));
        const listing = await listTensors(path, 2 ** 20);
        if (listing.tensors !== undefined && listing.tensors.length > 0) {
          paths.push(path);
          listings.push(listing);
        } else {
          Deno.removeSync(path);
        }
      }
      assert(paths.length > MUTANTS / 100);
      const list = temp.at("paths.json");
      Deno.writeTextFileSync(list, JSON.stringify(paths));
      const lines = (await runPython(LISTING_PROGRAM, [list])).trimEnd().split("\n");
      assertEquals(lines.length, paths.length);
      let same = 0;
      const reasons = new Map<string, number>();
      for (const [i, line] of lines.entries()) {
        const { tensors, error } = JSON.parse(line) as Listing;
        if (tensors === undefined) {
          const reason = error!.replaceAll(/[0-9]+/g, "N").slice(0, 90);
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
          continue;
        }
        assertEquals(listings[i]!.tensors, tensors, paths[i]);
        same++;
      }
      assert(same > 0);
      if (Deno.env.has("CKPT_FUZZ")) {
        console.log(`${name}: ${MUTANTS} mutants, ${same} read alike, torch refuses:`, reasons);
      }
    },
  });
}
