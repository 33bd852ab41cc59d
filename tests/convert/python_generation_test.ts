/**
 * transformers itself loads what is written, and generates with it: it stops at each token that ends a sequence, and at
 * no other. The tests run with the Pythons that `CKPT_PYTHON` and `CKPT_PYTHON_457` name, where they have transformers
 * (4.57.6, 5.12.1 and 5.23.0 were tried).
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { planHuggingFace } from "../../lib/convert/plan_huggingface.ts";
import { resolveModel } from "../../lib/convert/resolve_model.ts";
import { modelYaml } from "../../lib/layouts/fairseq2/model_yaml_writer.ts";
import { findModelCard } from "../../lib/models/model_cards.ts";
import type { ModelDescription } from "../../lib/models/model_description.ts";
import { convertCheckpoint } from "../../mod.ts";
import { Random } from "../copy/_random.ts";
import { runPython, transformersPythons } from "../_python.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { describedCheckpoint } from "./_described.ts";
import { writeFiles } from "./_layouts.ts";
import { randomCheckpoint, randomModel } from "./_random_model.ts";

const TOKENIZER = join(
  import.meta.dirname!,
  "..",
  "..",
  "fixtures",
  "tokenizer",
  "tiktoken",
  "tokenizer.model",
);
const HUGGING_FACE = join(import.meta.dirname!, "..", "..", "fixtures", "huggingface");

const PROGRAM = `
import json, os, sys
import torch
try:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LogitsProcessor
    from transformers.utils import logging
except ImportError:
    print("null"); sys.exit()
logging.set_verbosity_error()

class Say(LogitsProcessor):
    """Has the model say a token, then another, and then the first one for ever."""
    def __init__(self, start, first, second):
        self.start, self.tokens = start, [first, second]
    def __call__(self, ids, scores):
        said = ids.shape[1] - self.start
        wanted = self.tokens[1] if said == 1 else self.tokens[0]
        return torch.full_like(scores, -1e4).index_fill(1, torch.tensor([wanted]), 0.0)

def ask(path, candidates, save):
    generation = GenerationConfig.from_pretrained(path)
    answer = {"generation": generation.to_diff_dict(), "length": generation.max_length}
    if not os.path.exists(os.path.join(path, "model.safetensors")):
        return answer
    model = AutoModelForCausalLM.from_pretrained(path).eval()
    answer["config"] = model.config.eos_token_id
    prompt = torch.tensor([[3, 4]])
    answer["stops"] = []
    for id in candidates:
        out = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=7, pad_token_id=0, do_sample=False,
            logits_processor=[Say(2, 5, id)],
        )
        if out.shape[1] == 4: answer["stops"].append(id)
        else: assert out.shape[1] == 9, out
    answer["tokenizer"] = answer["turn"] = None
    if os.path.exists(os.path.join(path, "tokenizer.json")):
        tokenizer = AutoTokenizer.from_pretrained(path)
        answer["tokenizer"] = [tokenizer.bos_token_id, tokenizer.eos_token_id]
        if tokenizer.chat_template is not None:
            ids = tokenizer.apply_chat_template(
                [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], tokenize=True
            )
            ids = ids if isinstance(ids, list) else ids["input_ids"]
            answer["turn"] = ids[-1]
        if save is not None: tokenizer.save_pretrained(save)
    return answer

print(json.dumps([ask(**each) for each in json.loads(sys.argv[1])]))
`;

/** What transformers says of a directory. */
interface Answer {
  readonly generation: Record<string, unknown>;
  readonly length: number;
  readonly config: unknown;
  readonly stops: number[];
  readonly tokenizer: [number, number] | null;
  readonly turn: number | null;
}

/** A directory, the tokens to try, and where to save the tokenizer once more. */
interface Question {
  readonly path: string;
  readonly candidates: readonly number[];
  readonly save: string | null;
}

/** Asks transformers, which takes long to load; `null` where this Python hasn't got it. */
async function ask(questions: readonly Question[], path?: string): Promise<Answer[] | null> {
  return JSON.parse(await runPython(PROGRAM, [JSON.stringify(questions)], path));
}

/** Writes a small model with random weights, said by a model.yaml of 0.5 or later. */
async function writeModel(temp: TempDir, name: string, instruct: boolean): Promise<string> {
  const random = new Random(7);
  const { padId: _, ...sizes } = randomModel(random);
  const model: ModelDescription = {
    ...sizes,
    vocabSize: 912,
    ropeTheta: 500000,
    maxSeqLen: 131072,
    ropeScaling: { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
  };
  const { checkpoint } = randomCheckpoint(random, model, temp.at("weights"), 1);
  const yaml = temp.at("model.yaml");
  Deno.writeTextFileSync(yaml, modelYaml(model, { form: "0.5+", shards: 1, tied: false, tokens: {} }));
  const said = { ...checkpoint, modelYaml: yaml };
  const options = { tied: false, tokenizer: TOKENIZER, instruct };
  const { files } = await planHuggingFace(said, resolveModel(said), options);
  writeFiles(files, temp.at(name));
  return temp.at(name);
}

/** Converts a directory of Hugging Face's whose model is made to stop at three tokens. */
async function carryOver(temp: TempDir, version: string): Promise<string> {
  const input = temp.at("in", version);
  copyTree(join(HUGGING_FACE, version, "scaled"), input);
  const config = JSON.parse(Deno.readTextFileSync(join(input, "config.json")));
  const generation = { bos_token_id: 1, eos_token_id: [2, 8, 9], do_sample: true, top_k: 7, future: "x" };
  Deno.writeTextFileSync(join(input, "config.json"), JSON.stringify({ ...config, eos_token_id: [2, 8, 9] }));
  Deno.writeTextFileSync(join(input, "generation_config.json"), JSON.stringify(generation));
  await convertCheckpoint({ input, output: temp.at(version), to: "huggingface" });
  return temp.at(version);
}

/** Writes the generation_config.json of a published model. */
async function writeCard(temp: TempDir, card: string): Promise<string> {
  const checkpoint = describedCheckpoint(findModelCard(card, "llama").architecture);
  const { files } = await planHuggingFace(checkpoint, resolveModel(checkpoint, card), { tied: false });
  writeFiles(files.filter(({ name }) => name === "generation_config.json"), temp.at(card));
  return temp.at(card);
}

for (const { variable, path } of transformersPythons) {
  Deno.test({
    name:
      `transformers loads what is written, and stops at each token that ends a sequence, and at no other (${variable})`,
    ignore: path === undefined,
    async fn(t) {
      using temp = new TempDir();
      const ends = [657, 660, 664, 665, 48, 49];
      const tuned = await writeModel(temp, "tuned", true);
      const answers = await ask([
        { path: tuned, candidates: ends, save: temp.at("saved") },
        { path: await writeModel(temp, "base", false), candidates: ends, save: null },
        {
          path: await carryOver(temp, "transformers-4.46.3"),
          candidates: [2, 3, 7, 8, 9, 20, 21],
          save: null,
        },
        {
          path: await carryOver(temp, "transformers-5.23.0"),
          candidates: [2, 3, 7, 8, 9, 20, 21],
          save: null,
        },
        { path: await writeCard(temp, "llama3_8b_instruct"), candidates: [], save: null },
      ], path);
      if (answers === null) return; // This Python has torch, but not transformers.
      const [instruct, base, four, five, card] = answers;

      await t.step("in an instruct model of its own sizes, as its chat template ends turns", () => {
        const { stops, config, generation, tokenizer, turn } = instruct!;
        assertEquals([stops, config, generation.eos_token_id], [[657, 664, 665], [657, 664, 665], [
          657,
          664,
          665,
        ]]);
        assertEquals([tokenizer, turn, generation.do_sample], [[656, 665], 665, undefined]);
      });
      await t.step("in a base model, which has no chat template", () => {
        const { stops, config, generation, tokenizer, turn } = base!;
        assertEquals([stops, config, generation.eos_token_id], [[657], 657, 657]);
        assertEquals([tokenizer, turn], [[656, 657], null]);
      });
      await t.step("from Hugging Face to Hugging Face, with settings that nobody here knows", () => {
        for (const { stops, config, generation: { do_sample, top_k, future } } of [four!, five!]) {
          assertEquals([stops, config], [[2, 8, 9], [2, 8, 9]]);
          assertEquals([do_sample, top_k, future], [true, 7, "x"]);
        }
      });
      await t.step("and takes what was published for a card", () => {
        const { generation: { bos_token_id, eos_token_id, do_sample, temperature, top_p }, length } = card!;
        assertEquals([bos_token_id, eos_token_id], [128000, [128001, 128009]]);
        assertEquals([do_sample, temperature, top_p, length], [true, 0.6, 0.9, 4096]);
      });
      await t.step("with a tokenizer that went along as transformers saved it", async () => {
        // transformers 5 saves chat_template.jinja, and no ids in tokenizer_config.json.
        for (const name of temp.names("tuned").filter((name) => /token/.test(name))) {
          Deno.removeSync(join(tuned, name));
        }
        copyTree(temp.at("saved"), tuned);
        const { notes } = await convertCheckpoint({
          input: tuned,
          output: temp.at("second"),
          to: "huggingface",
        });
        assertEquals(notes, [`these files of ${tuned} don't go along: README.md`]);
        const [again] = (await ask([{ path: temp.at("second"), candidates: ends, save: null }], path))!;
        assertEquals([again!.stops, again!.tokenizer, again!.turn], [[657, 664, 665], [656, 665], 665]);
      });
    },
  });
}
