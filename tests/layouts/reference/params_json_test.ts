import { assert, assertEquals, assertThrows } from "@std/assert";
import { MismatchError } from "../../../lib/error.ts";
import { llamaArchitectures } from "../../../lib/models/llama/architectures.ts";
import { findArchitecture } from "../../../lib/models/model_cards.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import {
  isMetaScaling,
  readLlamaParams,
  type ReferenceParams,
} from "../../../lib/models/llama/params_json.ts";
import type { ModelDescription } from "../../../lib/models/model_description.ts";
import { paramsJson, parseParams } from "../../../lib/layouts/reference/params_json.ts";
import { assertError } from "../../convert/_assert_error.ts";

const fixtures = new URL("../../../fixtures/", import.meta.url);

function read(path: string): string {
  return Deno.readTextFileSync(new URL(path, fixtures));
}

const expectedParams = [
  "0.3.0/llama2_fp16",
  "0.3.0/llama2_fp32_tp4",
  "0.3.0/llama3_bf16",
  "0.3.0/llama3_bf16_tp2",
  "0.3.0/llama3_fp32_ddp",
  "0.4.5/llama3_bf16",
  "0.4.5/llama3_bf16_tp2",
  "0.8.1/llama3_bf16",
  "0.8.1/llama3_bf16_fsdp3",
  "0.8.1/llama3_bf16_tied",
  "0.8.1/llama3_fp32_tp2_fsdp2",
].map((path) => `checkpoints/expected/fairseq2-${path}/reference/params.json`);

/** The text on one line, as `json.dumps` without an indentation writes it. */
function onOneLine(text: string): string {
  return text.trim().replace(/\n */g, " ").replaceAll("{ ", "{").replaceAll(" }", "}");
}

/** What the text of a params.json says. */
function readText(text: string, file = "params.json"): ReferenceParams {
  return readLlamaParams(parseParams(text, file).fields);
}

/** A model of some sizes. */
function modelOf(sizes: Partial<ModelDescription>): ModelDescription {
  return { ...findArchitecture("llama_7b"), ...sizes };
}

const tiny = {
  dim: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 128,
  multipleOf: 8,
  ropeTheta: 500000,
  normEps: 1e-5,
};

Deno.test("paramsJson() writes the params.json of every real checkpoint, digit by digit", () => {
  for (const path of expectedParams) {
    const isLlama2 = path.includes("llama2");
    const weights = isLlama2 ? { ...tiny, kvHeads: 4, intermediateSize: 88, ropeTheta: 10000 } : tiny;
    assertEquals(onOneLine(paramsJson(modelOf(weights), "reference")), read(path), path);
  }
});

Deno.test("paramsJson() indents and ends with a newline", () => {
  assertEquals(
    paramsJson(findArchitecture("llama3_2_1b"), "reference"),
    `{
  "model": {
    "dim": 2048,
    "n_layers": 16,
    "n_heads": 32,
    "n_kv_heads": 8,
    "multiple_of": 256,
    "ffn_dim_multiplier": 1.5,
    "rope_theta": 500000.0,
    "norm_eps": 1e-05
  }
}
`,
  );
});

Deno.test("paramsJson() leaves out what is as by default", () => {
  assertEquals(
    onOneLine(paramsJson(findArchitecture("llama_7b"), "reference")),
    '{"model": {"dim": 4096, "n_layers": 32, "n_heads": 32, "multiple_of": 256, "rope_theta": 10000.0, "norm_eps": 1e-05}}',
  );
  assert(!paramsJson(findArchitecture("llama3_2_3b"), "reference").includes("ffn_dim_multiplier"));
});

Deno.test("paramsJson() reads back as what it was made from, for every architecture", () => {
  for (const architecture of llamaArchitectures) {
    const params = readText(paramsJson(architecture, "reference"));
    const {
      dim,
      layers,
      heads,
      kvHeads,
      headDim,
      multipleOf,
      intermediateSize,
      ropeTheta,
      normEps,
    } = architecture;
    assertEquals(params, {
      dim,
      layers,
      heads,
      kvHeads,
      headDim,
      multipleOf,
      intermediateSize,
      ropeTheta,
      normEps,
    });
  }
});

Deno.test("paramsJson() refuses a width that the formula can't give", () => {
  assertError(
    () => paramsJson(modelOf({ ...tiny, intermediateSize: 100 }), "reference"),
    MismatchError,
    "Cannot write params.json: no ffn_dim_multiplier gives a feed-forward width of 100 with dim 32 and multiple_of 8",
  );
});

Deno.test("paramsJson() refuses what doesn't read back", () => {
  assertError(
    () => paramsJson(modelOf({ ...tiny, heads: 5, kvHeads: 5 }), "reference"),
    ConfigError,
    "params.json: model.n_heads: 5 heads don't divide a dimension of 32",
  );
  assertThrows(() => paramsJson(modelOf({ ...tiny, layers: 1.5 }), "reference"), ConfigError);
});

Deno.test("paramsJson() for Meta writes what Meta's package lists for its models", () => {
  const golden: Record<string, Record<string, unknown>> = JSON.parse(read("llama/meta_arch_args.json"));
  const names = {
    "Llama-3-70B": "llama3_70b",
    "Llama3.1-8B": "llama3_1_8b",
    "Llama3.1-405B:bf16-mp8": "llama3_1_405b",
  };
  for (const [meta, name] of Object.entries(names)) {
    const expected = { ...golden[meta] };
    if (expected.use_scaled_rope === false) delete expected.use_scaled_rope;
    const written = paramsJson(findArchitecture(name), "meta");
    assertEquals(JSON.parse(written), expected);
    assertEquals(Object.keys(JSON.parse(written)), Object.keys(expected));
    assert(written.includes('"norm_eps": 1e-05,\n  "rope_theta": 500000.0') && written.endsWith("\n}\n"));
  }
});

Deno.test("paramsJson() for Meta leaves a multiplier of 1 out and says the vocabulary of LLaMA 2", () => {
  assertEquals(
    onOneLine(paramsJson(findArchitecture("llama2_7b"), "meta")),
    '{"dim": 4096, "n_layers": 32, "n_heads": 32, "n_kv_heads": 32, "vocab_size": 32000, "multiple_of": 256, ' +
      '"norm_eps": 1e-05, "rope_theta": 10000.0}',
  );
});

Deno.test("isMetaScaling() is true for the numbers in Meta's code alone", () => {
  const meta = { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 };
  assert(isMetaScaling(meta));
  for (
    const other of [{ factor: 32 }, { lowFreqFactor: 2 }, { highFreqFactor: 5 }, {
      originalContextLength: 4096,
    }]
  ) {
    assert(!isMetaScaling({ ...meta, ...other }));
  }
});

Deno.test("readLlamaParams() reads those of every real checkpoint", () => {
  for (const path of expectedParams) {
    const isLlama2 = path.includes("llama2");
    assertEquals(readText(read(path)), {
      ...tiny,
      headDim: 8,
      ...(isLlama2 && { kvHeads: 4, intermediateSize: 88, ropeTheta: 10000 }),
    });
  }
});

Deno.test("readLlamaParams() reads Meta's flat ones, from LLaMA 1 to 3.1", () => {
  assertEquals(
    readText(
      '{"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": 1e-06, "vocab_size": -1}',
    ),
    {
      dim: 4096,
      layers: 32,
      heads: 32,
      kvHeads: 32,
      headDim: 128,
      multipleOf: 256,
      intermediateSize: 11008,
      ropeTheta: 10000,
      normEps: 1e-6,
    },
  );
  assertEquals(
    readText(
      '{"dim": 8192, "multiple_of": 4096, "ffn_dim_multiplier": 1.3, "n_heads": 64, "n_kv_heads": 8, ' +
        '"n_layers": 80, "norm_eps": 1e-05, "vocab_size": -1}',
    ),
    {
      dim: 8192,
      layers: 80,
      heads: 64,
      kvHeads: 8,
      headDim: 128,
      multipleOf: 4096,
      intermediateSize: 28672,
      ropeTheta: 10000,
      normEps: 1e-5,
    },
  );
  const golden: Record<string, unknown> = JSON.parse(read("llama/meta_arch_args.json"));
  assertEquals(readText(JSON.stringify(golden["Llama3.1-405B:bf16-mp8"])), {
    dim: 16384,
    layers: 126,
    heads: 128,
    kvHeads: 8,
    headDim: 128,
    multipleOf: 4096,
    intermediateSize: 53248,
    ropeTheta: 500000,
    normEps: 1e-5,
    vocabSize: 128256,
    ropeScaling: { factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalContextLength: 8192 },
  });
});

Deno.test("readLlamaParams() takes null for what may be missing, and ignores what it doesn't know", () => {
  const params = readText(
    '{"dim": 32, "n_layers": 2, "n_heads": 4, "norm_eps": 1e-5, "n_kv_heads": null, "ffn_dim_multiplier": null, ' +
      '"rope_theta": null, "multiple_of": null, "vocab_size": null, "use_scaled_rope": null, "head_dim": 8, ' +
      '"quantization_args": null, "vision_chunk_size": -1, "use_qk_norm": false, "max_batch_size": 32, "__proto__": 1}',
  );
  assertEquals(params, {
    ...tiny,
    kvHeads: 4,
    headDim: 8,
    intermediateSize: 256, // int(8 · 32 / 3) rounded up to 256
    multipleOf: 256,
    ropeTheta: 10000,
  });
});

const base = { dim: 32, n_layers: 2, n_heads: 4, norm_eps: 1e-5, multiple_of: 8 };

const foreign: [field: string, value: unknown, what: string][] = [
  ["quantization_args", {}, "quantized weights"],
  ["lora_args", { rank: 16 }, "weights with adapters"],
  ["vision_chunk_size", 448, "a vision model"],
  ["vision_num_cross_attention_layers", 8, "a vision model"],
  ["vision_model", {}, "a vision model"],
  ["vision_args", {}, "a vision model"],
  ["moe_args", {}, "a mixture of experts"],
  ["ffn_exp", 4, "a LLaMA 4 model"],
  ["use_qk_norm", true, "a LLaMA 4 model"],
  ["nope_layer_interval", 4, "a LLaMA 4 model"],
  ["attention_chunk_size", 8192, "a LLaMA 4 model"],
];

Deno.test("readLlamaParams() takes feed-forward widths up to the limits", () => {
  const width = (multiple_of: number, ffn_dim_multiplier: number) =>
    readText(JSON.stringify({ ...base, multiple_of, ffn_dim_multiplier })).intermediateSize;
  assertEquals(width(1, 0.0118), 1); // int(0.0118 · 85)
  assertEquals(width(2 ** 24, 1), 2 ** 24);
  assertError(
    () => width(2 ** 24, 2 ** 18),
    ConfigError,
    "params.json: ffn_dim_multiplier: gives a feed-forward width of 33554432, past 1 to 16777216",
  );
});

Deno.test("readLlamaParams() names the field that is at fault", () => {
  const cases: [Record<string, unknown>, field: string, problem: string][] = [
    [{ dim: undefined }, "dim", "missing, expected a positive integer"],
    [{ n_layers: undefined }, "n_layers", "missing, expected a positive integer"],
    [{ n_heads: undefined }, "n_heads", "missing, expected a positive integer"],
    [{ norm_eps: undefined }, "norm_eps", "missing, expected a positive number"],
    [{ dim: "two" }, "dim", 'expected a positive integer, got "two"'],
    [{ dim: 1048577 }, "dim", "expected at most 1048576, got 1048577"],
    [{ n_layers: 4097 }, "n_layers", "expected at most 4096, got 4097"],
    [{ n_layers: -1 }, "n_layers", "expected a positive integer, got -1"],
    [{ n_heads: 2.5 }, "n_heads", "expected a positive integer, got 2.5"],
    [{ n_kv_heads: 0 }, "n_kv_heads", "expected a positive integer or null, got 0"],
    [{ n_heads: 5 }, "n_heads", "5 heads don't divide a dimension of 32"],
    [{ n_heads: 32 }, "n_heads", "heads of 1 rows are odd, and RoPE needs pairs"],
    [{ n_kv_heads: 3 }, "n_kv_heads", "3 key and value heads don't divide 4 heads"],
    [{ n_kv_heads: 8 }, "n_kv_heads", "8 key and value heads don't divide 4 heads"],
    [{ multiple_of: [] }, "multiple_of", "expected a positive integer or null, got a sequence"],
    [{ ffn_dim_multiplier: "1.3" }, "ffn_dim_multiplier", 'expected a positive number or null, got "1.3"'],
    [
      { ffn_dim_multiplier: 1e9 },
      "ffn_dim_multiplier",
      "gives a feed-forward width of 85000000000, past 1 to 16777216",
    ],
    [
      { ffn_dim_multiplier: 0.001 },
      "ffn_dim_multiplier",
      "gives a feed-forward width of 0, past 1 to 16777216",
    ],
    [{ rope_theta: 0 }, "rope_theta", "expected a positive number or null, got 0"],
    [{ vocab_size: -2 }, "vocab_size", "expected a positive integer or null, got -2"],
    [{ vocab_size: 2 ** 24 + 1 }, "vocab_size", "expected at most 16777216 or null, got 16777217"],
    [{ use_scaled_rope: 1 }, "use_scaled_rope", "expected true or false or null, got 1"],
    [{ head_dim: 16 }, "head_dim", "expected dim / n_heads, which is 8, got 16"],
    ...foreign.map(([name, value, what]): [Record<string, unknown>, string, string] => [
      { [name]: value },
      name,
      `says that this is ${what}, which can't be converted`,
    ]),
  ];
  for (const [change, field, problem] of cases) {
    for (const path of ["", "model."]) {
      const params = { ...base, ...change };
      const text = JSON.stringify(path === "" ? params : { model: params });
      const error: ConfigError = assertThrows(() => readText(text, "dir/params.json"), ConfigError);
      assertEquals(error.message, `dir/params.json: ${path}${field}: ${problem}`);
      assertEquals(error.field, `${path}${field}`);
    }
  }
});

Deno.test("readLlamaParams() refuses what is no JSON object", () => {
  assertError(() => readText("[1]"), ConfigError, "params.json: expected a mapping, got a sequence");
  assertError(() => readText("null"), ConfigError, "params.json: expected a mapping, got null");
  assertError(
    () => readText('{"model": 3}'),
    ConfigError,
    "params.json: model: expected a mapping, got 3",
  );
  assertError(
    () => readText(""),
    ConfigError,
    "params.json: is no JSON: ends too early",
  );
  for (const text of ["{", "{'dim': 1}", '{"dim": NaN}', '{"dim": "\n\x1b[31m', "{}\n\n}"]) {
    const error: ConfigError = assertThrows(() => readText(text), ConfigError);
    assertEquals(error.field, "");
    assert(/^params\.json: is no JSON: [ -~]+$/.test(error.message), error.message);
  }
});

Deno.test("readLlamaParams() limits the text", () => {
  const padded = JSON.stringify(base).padEnd(65536);
  assertEquals(readText(padded).dim, 32);
  assertError(
    () => readText(`${padded} `),
    ConfigError,
    "params.json: expected at most 65536 characters, got 65537",
  );
});
