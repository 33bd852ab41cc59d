/**
 * What lies beside the weights in a Hugging Face directory: that the files agree with one another, and with what was
 * published.
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { type HuggingFacePlanOptions, planHuggingFace } from "../../lib/convert/plan_huggingface.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { FileError, MismatchError, OptionError } from "../../lib/error.ts";
import { modelYaml } from "../../lib/layouts/fairseq2/model_yaml_writer.ts";
import type { PlannedOutput } from "../../lib/layouts/planned_output.ts";
import { findModelCard } from "../../lib/models/model_cards.ts";
import type { ModelYamlForm } from "../../lib/models/family.ts";
import { llamaArchitectures } from "../../lib/models/llama/architectures.ts";
import { llamaTokens } from "../../lib/models/llama/tokens.ts";
import type { ModelDescription } from "../../lib/models/model_description.ts";
import { assertRejectsWith } from "../_assert_rejects.ts";
import { TempDir } from "../_temp.ts";
import { describedCheckpoint, plannedJson, plannedText } from "./_described.ts";

const TOKENIZERS = join(import.meta.dirname!, "..", "..", "fixtures", "tokenizer");
const TIKTOKEN = join(TOKENIZERS, "tiktoken", "tokenizer.model");
const SENTENCEPIECE = join(TOKENIZERS, "sentencepiece", "tokenizer.model");

/** The first special token of LLaMA 3 in the published tokenizer, and in the small one. */
const [PUBLISHED, SMALL] = [128000, 656];

/** A way to say what a model is: a model.yaml or none, and what the user says. */
interface Saying {
  /** The text of the model.yaml. */
  readonly yaml?: string;
  /** `--model`. */
  readonly named?: string;
  /** Whether only `--instruct` can say that the model is an instruct one. */
  readonly needsInstruct?: boolean;
}

function findLlama(name: string) {
  return llamaArchitectures.find((each) => each.name === name)!;
}

/** The ways, for a card and a model that has its architecture, where `first` is the first special token. */
function sayings(card: string, model: ModelDescription, first: number): Readonly<Record<string, Saying>> {
  const { architecture, eosId = 0 } = findModelCard(card, "llama");
  const isOld = model.vocabSize < 1000 ? first === 1 : eosId < 1000;
  const [bos, eos] = isOld ? [1, 2] : [first, eosId - PUBLISHED + first];
  const vocabulary = `vocab_info: {size: ${model.vocabSize}, bos_idx: ${bos}, eos_idx: ${eos}}`;
  const based = (config: string) => ({
    yaml: `name: checkpoint\nbase: ${card}\nmodel_config: {${config}}\n`,
  });
  const whole = (form: ModelYamlForm) =>
    modelYaml(model, { form, shards: 1, tied: false, tokens: { bosId: bos, eosIds: [eos] } });
  const isPublished = model.vocabSize === architecture.vocabSize;
  return {
    "--model": { named: card },
    "base: of 0.2-0.3": based(vocabulary),
    "base: of 0.2-0.3, and nothing else": { yaml: `name: checkpoint\nbase: ${card}\n` },
    "base: of 0.4": based(
      `_set_: {ffn_inner_dim_multiplier: ${findLlama(architecture.name).ffnDimMultiplier}}, ${vocabulary}`,
    ),
    "base: of 0.5": based(`tied_embeddings: false, vocab_size: ${model.vocabSize}`),
    "base: of 0.5, with overrides": {
      yaml: `name: checkpoint\nbase: ${card}\nmodel_config_overrides: {init_std_scale: layer}\n`,
    },
    "0.2-0.3": { yaml: whole("0.2-0.3"), needsInstruct: !isPublished },
    "0.4": { yaml: whole("0.4"), needsInstruct: !isPublished },
    "0.5": { yaml: whole("0.5+"), needsInstruct: true },
    "model_arch": {
      yaml: `model_family: llama\nmodel_arch: ${architecture.name}\nmodel_config: {tied_embeddings: false}\n`,
      needsInstruct: true,
    },
  };
}

/** Plans a model with a vocabulary that is said in some way. */
async function plan(
  temp: TempDir,
  model: ModelDescription,
  { yaml, named }: Saying,
  options: Partial<HuggingFacePlanOptions> = {},
): Promise<PlannedOutput> {
  const path = temp.at("model.yaml");
  if (yaml !== undefined) Deno.writeTextFileSync(path, yaml);
  const checkpoint = describedCheckpoint(model, yaml === undefined ? undefined : path);
  return await planHuggingFace(checkpoint, resolveModel(checkpoint, named, model.family), {
    tied: false,
    ...options,
  });
}

/** The tokens in the two configurations, which must be the same. */
function configuredTokens({ files }: PlannedOutput): readonly unknown[] {
  const [config, generation] = ["config.json", "generation_config.json"].map((name) =>
    plannedJson(files, name)
  );
  assertEquals(config.eos_token_id, generation.eos_token_id ?? null);
  assertEquals(config.bos_token_id, generation.bos_token_id ?? null);
  assertEquals(config.pad_token_id, generation.pad_token_id);
  return [config.bos_token_id, config.eos_token_id];
}

/** The ends of `generation_config.json` in the published models, as fairseq2's names are. */
function publishedEnds(card: string): readonly number[] {
  if (/^llama3_\d+b_instruct$/.test(card)) return [128001, 128009];
  if (/^llama3_[123]_\w+_instruct$/.test(card)) return [128001, 128008, 128009];
  return card.includes("llama3") ? [128001] : [2];
}

/** A token, or a list where there are several. */
function oneOrMore(ids: readonly number[]): number | readonly number[] {
  return ids.length === 1 ? ids[0]! : ids;
}

/** All names that are LLaMA's alone: Mistral has a `7b`, too. */
const names = llamaArchitectures.flatMap(({ name, cards }) => [name, ...cards]).filter((name) =>
  name !== "7b"
);

for (const card of names) {
  const { architecture } = findModelCard(card, "llama");
  const isInstruct = llamaTokens.isInstruct(card);
  const ends = publishedEnds(card);
  const isOld = ends[0] === 2;

  Deno.test(`planHuggingFace() writes the published tokens, however the model is said: ${card}`, async () => {
    using temp = new TempDir();
    for (const [way, saying] of Object.entries(sayings(card, architecture, PUBLISHED))) {
      const { files, notes } = await plan(temp, architecture, saying, {
        instruct: isInstruct && saying.needsInstruct === true,
      });
      const found = configuredTokens({ files, notes });
      assertEquals(found, [isOld ? 1 : 128000, oneOrMore(ends)], way);
      // A model samples as published where its card is named, and only there.
      const { do_sample, temperature, top_p, max_length } = plannedJson(files, "generation_config.json");
      const isCardNamed = saying.named !== undefined || /^base/.test(way);
      assertEquals(
        [do_sample, temperature, top_p, max_length],
        isCardNamed && isInstruct && !isOld
          ? [true, 0.6, 0.9, ends.length === 2 ? 4096 : undefined]
          : [undefined, undefined, undefined, undefined],
        way,
      );
      assertEquals(
        notes.length,
        notes.filter((note) => /^there is no tokenizer|layers, where/.test(note)).length,
      );
    }
  });

  Deno.test(`planHuggingFace() writes tokens on which the tokenizer agrees: ${card}`, async () => {
    using temp = new TempDir();
    const model = { ...architecture, vocabSize: isOld ? 700 : 912 };
    for (const [way, saying] of Object.entries(sayings(card, model, isOld ? 1 : SMALL))) {
      const options = {
        tokenizer: isOld ? SENTENCEPIECE : TIKTOKEN,
        instruct: isInstruct && saying.needsInstruct === true,
      };
      if (card.startsWith("r1_distilled") && !saying.needsInstruct) {
        await assertRejectsWith(
          () => plan(temp, model, saying, options),
          OptionError,
          `${TIKTOKEN}: ${card} has no tokenizer.model of LLaMA's; name a directory with the tokenizer.json that is ` +
            "published with it",
        );
        continue;
      }
      const planned = await plan(temp, model, saying, options);
      const [bosId, eosIds] = configuredTokens(planned);
      const config = plannedJson(planned.files, "tokenizer_config.json");
      const texts = new Map(
        Object.entries<{ content: string }>(config.added_tokens_decoder).map((
          [id, { content }],
        ) => [content, Number(id)]),
      );
      assertEquals(bosId, texts.get(config.bos_token), way);
      const expected = isOld ? ends : ends.map((id) => id - PUBLISHED + SMALL);
      assertEquals(eosIds, oneOrMore(expected), way);
      assert(expected.includes(texts.get(config.eos_token)!), way);
      // The template ends turns with a token at which generation stops.
      assertEquals(config.chat_template === undefined, !isInstruct || isOld, way);
      if (config.chat_template !== undefined) {
        assert(config.chat_template.includes("<|eot_id|>"));
        assert(expected.includes(texts.get("<|eot_id|>")!), way);
      }
      const template = planned.notes.filter((note) => note.startsWith("the tokenizer has no chat template"));
      assertEquals(template.length, isInstruct && !isOld ? 0 : 1, way);
    }
  });
}

const { architecture: llama3_1 } = findModelCard("llama3_1_8b");
const small = { ...llama3_1, vocabSize: 912 };
const NO_TOKENIZER =
  "there is no tokenizer, so AutoTokenizer won't load: give --tokenizer the model's tokenizer.model, " +
  "or a directory with its tokenizer.json";

/** A model.yaml of 0.2 and 0.3 with these tokens. */
function yamlOf(model: ModelDescription, bosId: number, eosId: number): string {
  return modelYaml(model, { form: "0.2-0.3", shards: 1, tied: false, tokens: { bosId, eosIds: [eosId] } });
}

Deno.test("planHuggingFace() says that an instruct model stops elsewhere than its model.yaml says", async () => {
  using temp = new TempDir();
  for (
    const [eosId, ends] of [[128001, [128001, 128008, 128009]], [5, [5, 128001, 128008, 128009]]] as const
  ) {
    const yaml = `base: llama3_1_8b_instruct\nmodel_config: {vocab_info: {eos_idx: ${eosId}}}\n`;
    const planned = await plan(temp, llama3_1, { yaml });
    assertEquals(configuredTokens(planned)[1], ends);
    const list = `${ends.slice(0, -1).join(", ")} and 128009`;
    assertEquals(planned.notes, [
      `${
        temp.at("model.yaml")
      } says that ${eosId} ends a sequence, but 128009 ends a turn of an instruct model: ` +
      `generation stops at ${list}`,
      NO_TOKENIZER,
    ]);
  }
});

Deno.test("planHuggingFace() takes --instruct for a model of its own sizes, and refuses it where it can't be", async () => {
  using temp = new TempDir();
  const own = { ...llama3_1, layers: 5, maxSeqLen: 16384 };
  const yaml = modelYaml(own, { form: "0.5+", shards: 1, tied: false, tokens: {} });
  assertEquals(configuredTokens(await plan(temp, own, { yaml })), [128000, 128001]);
  assertEquals(configuredTokens(await plan(temp, own, { yaml }, { instruct: true })), [
    128000,
    [128001, 128008, 128009],
  ]);
  const { ropeScaling: _, ...unscaled } = own;
  const plain = modelYaml(unscaled, { form: "0.5+", shards: 1, tied: false, tokens: {} });
  assertEquals(configuredTokens(await plan(temp, unscaled, { yaml: plain }, { instruct: true })), [
    128000,
    [128001, 128009],
  ]);
  await assertRejectsWith(
    () => plan(temp, findModelCard("llama_7b").architecture, { named: "llama_7b" }, { instruct: true }),
    OptionError,
    "--instruct: llama_7b has no instruct models",
  );
  await assertRejectsWith(
    () => plan(temp, small, { named: "llama3_1_8b" }, { instruct: true }),
    OptionError,
    "--instruct: a vocabulary of 912 hasn't got 128009, which ends a turn as published, so what does isn't known; give " +
      "the model's tokenizer with --tokenizer",
  );
});

Deno.test("planHuggingFace() writes another family's tokens, and takes an architecture for no instruct model", async () => {
  using temp = new TempDir();
  const { architecture: qwen } = findModelCard("qwen3_8b");
  const ends = async (yaml: string, options = {}) =>
    configuredTokens(await plan(temp, qwen, { yaml: `model_family: qwen\n${yaml}\n` }, options));
  const [base, instruct] = [[151643, 151643], [151643, [151645, 151643]]];
  // The instruct model's card has its architecture's name.
  assertEquals(await ends("model_arch: qwen3_8b"), base);
  assertEquals(await ends("base: qwen3_8b_base"), base);
  assertEquals(await ends("base: qwen3_8b"), instruct);
  assertEquals(await ends("model_arch: qwen3_8b", { instruct: true }), instruct);
  await assertRejectsWith(
    () => ends("model_arch: qwen3_8b", { tokenizer: TIKTOKEN }),
    OptionError,
    `${TIKTOKEN}: Qwen has no tokenizer.model of LLaMA's; name a directory with the tokenizer.json that is published ` +
      "with it",
  );
});

Deno.test("planHuggingFace() asks for no tokenizer.model where a family has none, and names it where nothing else does", async () => {
  using temp = new TempDir();
  const { notes } = await plan(temp, findModelCard("qwen3_8b").architecture, { named: "qwen3_8b" });
  assertEquals(notes, [
    "there is no tokenizer, so AutoTokenizer won't load: give --tokenizer a directory with the model's tokenizer.json",
  ]);
  const model = { ...findModelCard("olmo2_1b").architecture, layers: 3 };
  const described = { ...describedCheckpoint(model), naming: "huggingface", path: temp.at(), model } as const;
  await assertRejectsWith(
    () => planHuggingFace(described, resolveModel(described), { tied: false, instruct: true }),
    OptionError,
    "--instruct: OLMo has no instruct models",
  );
});

Deno.test("planHuggingFace() lets a model.yaml say the card where the architecture is named", async () => {
  using temp = new TempDir();
  const yaml = "base: llama3_1_8b_instruct\nmodel_config: {tied_embeddings: false}\n";
  const ends = async (named: string) => configuredTokens(await plan(temp, llama3_1, { yaml, named }))[1];
  assertEquals(await ends("llama3_1_8b"), [128001, 128008, 128009]);
  assertEquals(await ends("r1_distilled_llama3_1_8b_instruct"), 128001);
});

Deno.test("planHuggingFace() says which tokens of the model.yaml the tokenizer contradicts", async () => {
  using temp = new TempDir();
  const planned = await plan(temp, small, { yaml: yamlOf(small, 48, 49) }, { tokenizer: TIKTOKEN });
  const path = temp.at("model.yaml");
  assertEquals(planned.notes, [
    `${path} says that 48 begins a sequence, the tokenizer that 656 does; the tokenizer's is written`,
    `${path} says that 49 ends a sequence, the tokenizer that 657 does; the tokenizer's is written`,
    "the tokenizer has no chat template: a base model has none; --instruct says that it is an instruct model",
  ]);
  assertEquals(configuredTokens(planned), [656, 657]);
  const tuned = await plan(temp, small, { yaml: yamlOf(small, 656, 665) }, {
    tokenizer: TIKTOKEN,
    instruct: true,
  });
  assertEquals([configuredTokens(tuned), tuned.notes], [[656, [657, 664, 665]], []]);
});

Deno.test("planHuggingFace() says that there is no tokenizer, and what to give, unless it is told to leave it", async () => {
  using temp = new TempDir();
  assertEquals((await plan(temp, llama3_1, { named: "llama3_1_8b" })).notes, [NO_TOKENIZER]);
  assertEquals((await plan(temp, llama3_1, { named: "llama3_1_8b" }, { tokenizer: false })).notes, []);
  // Meta's own directories have it beside the weights.
  Deno.writeTextFileSync(temp.at("tokenizer.model"), "");
  const checkpoint = { ...describedCheckpoint(llama3_1), path: temp.at(), naming: "reference" as const };
  const { notes } = await planHuggingFace(checkpoint, resolveModel(checkpoint, "llama3_1_8b"), {
    tied: false,
  });
  assertEquals(notes, [
    `there is no tokenizer, so AutoTokenizer won't load: give --tokenizer ${temp.at("tokenizer.model")}`,
  ]);
});

/** Writes a directory with a tokenizer as transformers 5 writes it. */
function writeTokenizer(path: string, eos: string, template: boolean): void {
  Deno.mkdirSync(path, { recursive: true });
  const added_tokens = Object.entries({ 0: "<s>", 2: "</s>", 128000: "<bos>", 128009: "<|eot_id|>" })
    .map(([id, content]) => ({ id: Number(id), content }));
  Deno.writeTextFileSync(join(path, "tokenizer.json"), JSON.stringify({ version: "1.0", added_tokens }));
  Deno.writeTextFileSync(
    join(path, "tokenizer_config.json"),
    JSON.stringify({ bos_token: "<bos>", eos_token: eos }),
  );
  if (template) Deno.writeTextFileSync(join(path, "chat_template.jinja"), "{{ messages }}");
}

Deno.test("planHuggingFace() takes a directory of a tokenizer along, and its tokens", async () => {
  using temp = new TempDir();
  writeTokenizer(temp.at("tokenizer"), "</s>", false);
  Deno.writeTextFileSync(temp.at("tokenizer", "tokenization.py"), "evil");
  const tokenizer = temp.at("tokenizer");
  const planned = await plan(temp, llama3_1, { yaml: yamlOf(llama3_1, 128000, 128001) }, { tokenizer });
  assertEquals(planned.files.map(({ name }) => name).slice(-2), ["tokenizer.json", "tokenizer_config.json"]);
  assertEquals(planned.sources!.map(({ path }) => path), [
    join(tokenizer, "tokenizer.json"),
    join(tokenizer, "tokenizer_config.json"),
  ]);
  assertEquals(configuredTokens(planned), [128000, 2]);
  assertEquals(planned.notes, [
    `${
      temp.at("model.yaml")
    } says that 128001 ends a sequence, the tokenizer that 2 does; the tokenizer's is written`,
    `the tokenizer has no chat template: ${tokenizer} has none`,
  ]);
  // A model.yaml that says no tokens isn't contradicted.
  const yaml = modelYaml(llama3_1, { form: "0.5+", shards: 1, tied: false, tokens: {} });
  const silent = await plan(temp, llama3_1, { yaml }, { tokenizer });
  assertEquals(configuredTokens(silent), [128000, 2]);
  assertEquals(silent.notes, [`the tokenizer has no chat template: ${tokenizer} has none`]);
  // An instruct model's tokenizer says what the model is.
  writeTokenizer(tokenizer, "<|eot_id|>", true);
  const tuned = await plan(temp, llama3_1, { yaml }, { tokenizer });
  assertEquals([configuredTokens(tuned), tuned.notes], [[128000, [128001, 128008, 128009]], []]);
});

Deno.test("planHuggingFace() refuses a directory without a tokenizer, with another model's, and what isn't there", async () => {
  using temp = new TempDir();
  Deno.mkdirSync(temp.at("empty"));
  writeTokenizer(temp.at("other"), "</s>", false);
  const of = (tokenizer: string) => () => plan(temp, small, { named: "llama3_1_8b" }, { tokenizer });
  await assertRejectsWith(
    of(temp.at("empty")),
    OptionError,
    `${
      temp.at("empty")
    }: holds no tokenizer; name the model's tokenizer.model, or a directory with its tokenizer.json`,
  );
  await assertRejectsWith(
    of(temp.at("other")),
    MismatchError,
    `${
      temp.at("other")
    }: the tokenizer has the token 128000, the model a vocabulary of 912; give the model's own`,
  );
  await assertRejectsWith(
    of(temp.at("none")),
    FileError,
    `${temp.at("none")}: no such file or directory; check the path`,
  );
});

Deno.test("planHuggingFace() reads no more of a tokenizer.json than its beginning", async () => {
  using temp = new TempDir();
  writeTokenizer(temp.at("tokenizer"), "</s>", true);
  Deno.truncateSync(temp.at("tokenizer", "tokenizer.json"), 100_000_000);
  const planned = await plan(temp, llama3_1, { named: "llama3_1_8b" }, { tokenizer: temp.at("tokenizer") });
  assertEquals(configuredTokens(planned), [128000, 2]);
  assertEquals(plannedText(planned.files, "generation_config.json").includes("do_sample"), false);
});
