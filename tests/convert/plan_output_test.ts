import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { planOutput } from "../../lib/convert/plan_output.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { EMBEDDING, PROJECTION } from "../../lib/models/family.ts";
import { findArchitecture } from "../../lib/models/model_cards.ts";
import { TempDir } from "../_temp.ts";
import { describedCheckpoint } from "./_described.ts";

Deno.test("planOutput() says which tokens a model.yaml loses, also where the family's is of fairseq2 0.5 by default", async () => {
  using temp = new TempDir();
  const notes = async (name: string, eosIds: readonly number[], layout?: "legacy" | "native") => {
    const model = { ...findArchitecture(name), eosIds };
    const path = temp.at();
    const described = describedCheckpoint(model);
    const parameters = new Map(described.shards[0]!.parameters);
    parameters.set(PROJECTION, parameters.get(EMBEDDING)!); // Else they would be read to be compared.
    const shards = [{ parameters, path: "weights" }];
    const checkpoint = {
      ...described,
      shards,
      path,
      naming: "huggingface",
      describedBy: join(path, "config.json"),
      model,
    } as const;
    return (await planOutput(checkpoint, resolveModel(checkpoint), { to: "fairseq2", layout })).notes;
  };
  const [one, none] = [
    "model.yaml has room for one token that ends a sequence; lost: ",
    "model.yaml says no special tokens from fairseq2 0.5 on; lost: ",
  ];
  assertEquals(await notes("qwen3_4b", [151643]), []);
  assertEquals(await notes("qwen3_4b", [151645]), [`${none}151645 ends a sequence`]);
  // OLMo's alone says them from 0.5 on.
  assertEquals(await notes("olmo2_1b", [7]), []);
  assertEquals(await notes("olmo2_1b", [7, 8]), [`${one}8 ends a sequence`]);
  assertEquals(await notes("llama3_8b", [128001, 128009]), []);
  assertEquals(await notes("llama3_8b", [128001, 7]), [`${one}7 ends a sequence`]);
  assertEquals(await notes("llama3_8b", [128001, 7], "native"), [`${none}7 ends a sequence`]);
});
