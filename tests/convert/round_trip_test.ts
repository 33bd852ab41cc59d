/**
 * Random models through every layout and back: not a bit of any tensor may change, and no word of the model that the
 * layout can say.
 */

import { assertEquals } from "@std/assert";
import { openCheckpoint } from "../../lib/convert/open_checkpoint.ts";
import { fairseq2Files } from "../../lib/layouts/fairseq2/write.ts";
import { referenceFiles } from "../../lib/layouts/reference/write.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { areMatricesTied } from "../../lib/layouts/same_values.ts";
import { Random } from "../copy/_random.ts";
import { TempDir } from "../_temp.ts";
import {
  type Opened,
  openHuggingFaceAt,
  openReferenceAt,
  readParameters,
  wholeParameters,
  writeFiles,
  writeHuggingFace,
} from "./_layouts.ts";
import { randomCheckpoint, randomModel } from "./_random_model.ts";

const SEEDS = 40;

/** A way through a layout: writes a checkpoint, and opens what was written. */
type Way = (opened: Opened, path: string, random: Random) => Promise<Opened>;

const shardsOf = (random: Random) => random.pick([1, 2, 4]);

const throughHuggingFace: Way = async (opened, path, random) => {
  await writeHuggingFace(opened, path, { maxShardSize: random.pick([1, 300, 3000, 5e9]) });
  return await openHuggingFaceAt(path);
};

const throughMeta: Way = async (opened, path, random) => {
  writeFiles(
    referenceFiles(opened.checkpoint, opened.model, "meta", { shards: shardsOf(random) }).files,
    path,
  );
  return await openReferenceAt(path);
};

function throughFairseq2(layout: "legacy" | "native"): Way {
  return async (opened, path, random) => {
    const tied = await areMatricesTied(wholeParameters(opened));
    const options = { layout, tied, shards: shardsOf(random) } as const;
    writeFiles(fairseq2Files(opened.checkpoint, opened.model, options).files, path);
    const checkpoint = await openCheckpoint(`${path}/step_1`);
    return { checkpoint, model: resolveModel(checkpoint).model };
  };
}

const ways: Readonly<Record<string, Way>> = {
  "Hugging Face": throughHuggingFace,
  Meta: throughMeta,
  "fairseq2 0.2–0.4": throughFairseq2("legacy"),
  "fairseq2 0.5–0.8": throughFairseq2("native"),
};

/** The sizes and numbers that every layout says. */
function said({ model }: Opened): unknown {
  const { dim, layers, heads, kvHeads, intermediateSize, vocabSize, ropeTheta, normEps } = model;
  return { dim, layers, heads, kvHeads, intermediateSize, vocabSize, ropeTheta, normEps };
}

for (const [name, way] of Object.entries(ways)) {
  Deno.test(`${name}: random models come back bit for bit`, async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      using temp = new TempDir();
      const random = new Random(seed);
      const opened = randomCheckpoint(random, randomModel(random), temp.at("in"), shardsOf(random));
      const back = await way(opened, temp.at("out"), random);
      assertEquals([...readParameters(back)].sort(), [...readParameters(opened)].sort(), `seed ${seed}`);
      assertEquals(said(back), said(opened), `seed ${seed}`);
      if (name !== "Meta") {
        const { ropeScaling, maxSeqLen } = opened.model;
        assertEquals(
          [back.model.ropeScaling, back.model.maxSeqLen],
          [ropeScaling, maxSeqLen],
          `seed ${seed}`,
        );
      }
      if (name === "Hugging Face" || name === "fairseq2 0.2–0.4") {
        const { bosId, eosIds } = opened.model;
        // A model.yaml has room for one token that ends a sequence.
        const ends = name === "Hugging Face" ? eosIds : eosIds!.slice(0, 1);
        assertEquals([back.model.bosId, back.model.eosIds], [bosId, ends], `seed ${seed}`);
      }
    }
  });

  for (const [firstName, first] of Object.entries(ways)) {
    if (first === way) continue;
    Deno.test(`${firstName}, then ${name}: random models come back bit for bit`, async () => {
      for (let seed = 1000; seed < 1000 + SEEDS / 4; seed++) {
        using temp = new TempDir();
        const random = new Random(seed);
        const opened = randomCheckpoint(random, randomModel(random), temp.at("in"), shardsOf(random));
        const middle = await first(opened, temp.at("middle"), random);
        const back = await way(middle, temp.at("out"), random);
        assertEquals([...readParameters(back)].sort(), [...readParameters(opened)].sort(), `seed ${seed}`);
        assertEquals(said(back), said(opened), `seed ${seed}`);
      }
    });
  }
}
