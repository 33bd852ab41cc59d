import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { checkUnknownFields } from "../../lib/convert/unknown_fields.ts";
import { ConfigError, convertCheckpoint, OptionError, planConversion, verifyCheckpoint } from "../../mod.ts";
import { openCheckpoint, resolveModel } from "../../lib/convert/mod.ts";
import { referenceNote } from "../_notes.ts";
import { TempDir } from "../_temp.ts";
import { CheckpointCopy } from "../_torch_files.ts";
import { assertError } from "./_assert_error.ts";

function fields(...names: string[]) {
  return {
    unknownFields: names.map((name, i) => ({
      file: "x/model.yaml",
      field: `model_config.${name}`,
      name,
      value: String(i),
    })),
  };
}

Deno.test("checkUnknownFields() notes fields where only names change, and refuses them elsewhere", () => {
  const left = "x/model.yaml: unknown field left out: model_config.a (0)";
  assertEquals(checkUnknownFields(fields()), []);
  assertEquals(checkUnknownFields(fields("a")), [left]);
  for (const to of ["reference", "fairseq2"] as const) {
    assertEquals(checkUnknownFields(fields("a"), to), [left]);
    assertEquals(checkUnknownFields(fields("a"), to, ["a"]), []);
  }
  for (const [to, file] of [["huggingface", "config.json"], ["meta", "params.json"]] as const) {
    assertError(
      () => checkUnknownFields(fields("a"), to),
      ConfigError,
      "x/model.yaml: model_config.a: unknown field with the value 0, which may change what the model computes, as " +
        `${file} has to say; if it doesn't, give --ignore-config a`,
    );
    assertEquals(checkUnknownFields(fields("a"), to, ["a"]), []);
  }
});

Deno.test("checkUnknownFields() names three fields, and counts the others", () => {
  assertEquals(checkUnknownFields(fields("a", "b.c", "d", "e", "f"), "reference", ["d"]), [
    "x/model.yaml: unknown fields left out: model_config.a (0), model_config.b.c (1), model_config.e (3) and 1 more",
  ]);
  assertError(
    () => checkUnknownFields(fields("a", "b.c", "d", "e", "f"), "huggingface", ["a"]),
    ConfigError,
    "x/model.yaml: model_config.b.c: unknown field with the value 1, which may change what the model computes, as " +
      "config.json has to say; if it doesn't, give --ignore-config b.c --ignore-config d --ignore-config e and 1 more",
  );
});

Deno.test("checkUnknownFields() quotes a name for the shell that it is to be typed into", () => {
  assertError(
    () => checkUnknownFields(fields("a; rm -rf $HOME", "it's"), "meta"),
    ConfigError,
    "x/model.yaml: model_config.a; rm -rf $HOME: unknown field with the value 0, which may change what the model " +
      "computes, as params.json has to say; if it doesn't, give --ignore-config 'a; rm -rf $HOME' --ignore-config " +
      "'it'\\''s'",
  );
});

Deno.test("checkUnknownFields() refuses to ignore anything else", () => {
  const problem = "only unknown fields of the model.yaml can be ignored, and it has";
  assertError(
    () => checkUnknownFields(fields(), "meta", ["a"]),
    OptionError,
    `Can't ignore "a": ${problem} none`,
  );
  assertError(
    () => checkUnknownFields(fields("a", "b", "c", "d"), "fairseq2", ["a", "x\n"]),
    OptionError,
    `Can't ignore "x\\n": ${problem} a, b, c and 1 more`,
  );
});

/** A checkpoint of 0.8.1 whose `model.yaml` has fields of a later version. */
function novelCheckpoint(temp: TempDir): CheckpointCopy {
  return new CheckpointCopy("fairseq2-0.8.1/llama3_bf16/checkpoints", temp.at("in"))
    .editYaml("rope_scale:", "novelty: 3\n  rope_scale:\n    mode: fast");
}

Deno.test("convertCheckpoint() carries weights on whose model.yaml has fields of a later fairseq2", async () => {
  using temp = new TempDir();
  const copy = novelCheckpoint(temp);
  const note = `${join(copy.path, "model.yaml")}: unknown fields left out: ` +
    'model_config.rope_scale.mode ("fast"), model_config.novelty (3)';
  const convert = (to: "reference" | "fairseq2" | "huggingface" | "meta", ignoreConfig: string[] = []) =>
    convertCheckpoint({ input: copy.step, output: temp.at(`${to}${ignoreConfig.length}`), to, ignoreConfig });
  assertEquals((await convert("reference")).notes, [note, referenceNote(4)]);
  assertEquals((await convert("fairseq2")).notes[0], note);
  assertEquals((await convert("reference", ["novelty", "rope_scale.mode"])).notes, [referenceNote(4)]);
  assertEquals((await convert("meta", ["rope_scale.mode", "novelty"])).notes, []);
  await convert("huggingface", ["rope_scale.mode", "novelty"]);
  const { rope_scaling } = JSON.parse(Deno.readTextFileSync(temp.at("huggingface2", "config.json")));
  assertEquals([rope_scaling.factor, rope_scaling.high_freq_factor], [8, 4]);

  const { ok, model } = await verifyCheckpoint(copy.step);
  assertEquals([ok, model?.notes], [true, [note]]);
});

Deno.test("resolveModel() has the unknown fields of the model.yaml that it took", async () => {
  using temp = new TempDir();
  const copy = novelCheckpoint(temp);
  const checkpoint = await openCheckpoint(copy.step);
  const namesOf = (model?: string) => resolveModel(checkpoint, model).unknownFields.map(({ name }) => name);
  assertEquals(namesOf(), ["rope_scale.mode", "novelty"]);
  const other = temp.at("other.yaml");
  Deno.copyFileSync(join(copy.path, "model.yaml"), other);
  Deno.writeTextFileSync(other, Deno.readTextFileSync(other).replace(/ {2}novelty: 3\n/, ""));
  assertEquals(namesOf(other), ["rope_scale.mode"]);
  // A model that is named has RoPE and tokens from there, too.
  const path = { input: copy.step, output: temp.at("out"), model: other };
  const { notes } = await planConversion({ ...path, ignoreConfig: ["rope_scale.mode"] });
  assertEquals(notes, [referenceNote(4)]);
});
