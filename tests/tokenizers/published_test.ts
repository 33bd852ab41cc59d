/**
 * LLaMA 3's published `tokenizer.model`, which is too large to be kept here. It lies in the Python package
 * llama-models as `llama_models/llama3/tokenizer.model`; the environment variable `CKPT_LLAMA3_TOKENIZER`
 * says where.
 */

import { assertEquals } from "@std/assert";
import { convertTokenizer } from "../../lib/tokenizers/convert_tokenizer.ts";
import { JsonTokenizer } from "./_encode.ts";
import { contentOf, type Ids, jsonFixture, textsOf } from "./_fixtures.ts";

interface Published {
  readonly size: number;
  readonly sha256: string;
  readonly files: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly ids: readonly (readonly number[])[];
}

const path = Deno.env.get("CKPT_LLAMA3_TOKENIZER") ?? "";

const unlessSet = path === "" ? " (skipped: CKPT_LLAMA3_TOKENIZER isn't set)" : "";

async function sha256(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice())).toHex();
}

Deno.test({
  name:
    `convertTokenizer() writes what transformers' converter writes for the published vocabulary${unlessSet}`,
  ignore: path === "",
  fn: async () => {
    const expected = await jsonFixture<Published>("published.json.gz");
    const bytes = Deno.readFileSync(path);
    assertEquals({ size: bytes.length, sha256: await sha256(bytes) }, {
      size: expected.size,
      sha256: expected.sha256,
    });
    for (const version of ["3", "3.1", "3.2"] as const) {
      for (const instruct of [false, true]) {
        const converted = convertTokenizer(bytes, { path, version, instruct, vocabSize: 128256 });
        const sums = await Promise.all(
          converted.files.map(async (file) => [file.name, await sha256(contentOf(file))]),
        );
        const kind = instruct ? "instruct" : "base";
        assertEquals(Object.fromEntries(sums), expected.files[`${version}/${kind}`]);
        assertEquals([converted.bosId, converted.eosId], [128000, instruct ? 128009 : 128001]);
        const turns = version === "3" ? [128009] : [128008, 128009];
        assertEquals(converted.eosIds, [128001, ...instruct ? turns : []]);
        assertEquals(converted.notes, []);
      }
    }
  },
});

Deno.test({
  name: `convertTokenizer() gives tiktoken's ids with the published vocabulary${unlessSet}`,
  ignore: path === "",
  fn: async () => {
    const { ids } = await jsonFixture<Published>("published.json.gz");
    const { texts } = await jsonFixture<Ids>("ids.json.gz");
    const { files } = convertTokenizer(Deno.readFileSync(path), { path, version: "3.1", instruct: false });
    const tokenizer = new JsonTokenizer(textsOf(files).get("tokenizer.json")!);
    assertEquals(ids.length, texts.length);
    for (const [index, text] of texts.entries()) assertEquals(tokenizer.encode(text), ids[index], text);
  },
});
