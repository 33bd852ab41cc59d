/**
 * Runs the real llama.cpp. Usage: node _llama_cpp.mjs JOBS ANSWERS, where it finds node-llama-cpp.
 *
 * A job is {path: a GGUF file} and what to do with it, one of
 * - {tokens: token ids}: answered with the probability of each token after each of them,
 * - {texts: texts}: answered with their token ids, special tokens recognised,
 * - {prompt: token ids, count}: answered with so many token ids that follow it, the likeliest one each time.
 *
 * Where the file can't be loaded, the answer is what is said of it.
 */

import fs from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// From where the process runs, since an import would look beside this file.
const installed = createRequire(`${process.cwd()}/`).resolve("node-llama-cpp");
const { getLlama } = await import(pathToFileURL(installed));
const logger = (level, message) => console.error(level, message);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error", logger });

/** The probabilities by token after each of some tokens. */
async function evaluate(sequence, tokens) {
  const results = await sequence.controlledEvaluate(
    tokens.map((token) => [token, { generateNext: { probabilities: true } }]),
  );
  return results.map(({ next: { probabilities } }) => {
    const row = new Array(probabilities.size);
    for (const [token, probability] of probabilities) row[token] = probability;
    return row;
  });
}

/** The likeliest tokens that follow some. */
async function generate(sequence, prompt, count) {
  const found = [];
  for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    found.push(token);
    if (found.length === count) break;
  }
  return found;
}

async function answer({ path, tokens, texts, prompt, count }) {
  let model;
  try {
    model = await llama.loadModel({ modelPath: path, vocabOnly: texts !== undefined });
  } catch (error) {
    return error.message;
  }
  try {
    if (texts !== undefined) return texts.map((text) => [...model.tokenize(text, true)]);
    const context = await model.createContext({
      contextSize: 256,
      // More of them wait for each other longer than so small models compute.
      threads: 1,
      // By default it keeps keys and values in half precision, and rounds to it in flash attention, too.
      flashAttention: false,
      experimentalKvCacheKeyType: "F32",
      experimentalKvCacheValueType: "F32",
    });
    const sequence = context.getSequence();
    return tokens === undefined ? await generate(sequence, prompt, count) : await evaluate(sequence, tokens);
  } finally {
    await model.dispose();
  }
}

const [jobs, answers] = process.argv.slice(2);
const found = [];
for (const job of JSON.parse(fs.readFileSync(jobs))) found.push(await answer(job));
fs.writeFileSync(answers, JSON.stringify(found));
process.exit(0);
