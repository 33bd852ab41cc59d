/**
 * Conversions of state dicts in all the forms that runs leave them in. The forms are made of a real file, by
 * changing its pickle; where the tensors stay the same, so must every byte of the output.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { Global, type PickleValue, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { PersistentId } from "../../lib/pickle/mod.ts";
import { assertSameFile, stateFacts, type TensorFacts } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import {
  changeTensor,
  CheckpointCopy,
  CHECKPOINTS,
  type Dict,
  itemsOf,
  orderedDict,
  readRecords,
  type Records,
  storageOf,
} from "../_torch_files.ts";

const CASE = "fairseq2-0.3.0/llama3_bf16";
const EXPECTED = join(CHECKPOINTS, "expected", CASE, "reference", "consolidated.00.pth");
const EMBED = "decoder_frontend.embed.weight";
const QUERY = "decoder.layers.0.self_attn.q_proj.weight";
const OUTPUT = "final_proj.weight";

/** Converts the case after a change of its records; returns the path of the file that it became. */
async function convertChanged(temp: TempDir, change: (records: Records) => void): Promise<string> {
  const { step } = new CheckpointCopy(CASE, temp.at("in")).edit(change);
  await convertCheckpoint({ input: step, output: temp.at("out"), clone: false });
  return temp.at("out", "consolidated.00.pth");
}

/** The same, for changes of the state dict. */
function convertState(temp: TempDir, change: (state: Dict) => Dict | void): Promise<string> {
  return convertChanged(temp, (records) => records.editState(change));
}

/** The state dict of a file's dict. */
function stateOf(root: Dict): PickleValue {
  return root.get("model")!;
}

function rename(state: Dict, name: (key: string) => string): Dict {
  return new Map([...state].map(([key, value]) => [name(key as string), value]));
}

/** A tensor with another location. */
function moveTo(tensor: PickleValue, location: string): Reduction {
  const [tag, type, key, , count] = storageOf(tensor) as PickleValue[];
  return changeTensor(tensor, { storage: new PersistentId(new Tuple(tag!, type!, key!, location, count!)) });
}

const sameTensors: readonly (readonly [form: string, change: (records: Records) => void])[] = [
  ["a state dict as it is", () => {}],
  ["names with DDP's module.", (records) => {
    records.editState((state) => rename(state, (key) => `module.${key}`));
  }],
  ["names with torch.compile's _orig_mod. in the middle", (records) => {
    records.editState((state) =>
      rename(state, (key) => `module.${key}`.replace("decoder.", "decoder._orig_mod."))
    );
  }],
  ["names with FSDP's and activation checkpointing's wrappers", (records) => {
    records.editState((state) =>
      rename(state, (key) =>
        "_fsdp_wrapped_module." +
        key.replace(
          /layers\.(\d+)\./,
          "layers.$1._fsdp_wrapped_module._checkpoint_wrapped_module._orig_mod.",
        ))
    );
  }],
  ["the key _model", (records) => {
    records.edit((root) => new Map([["_model", stateOf(root)], ["model_key", "_model"]]));
  }],
  ["the key _model where model_key says model", (records) => {
    records.edit((root) => new Map([["_model", stateOf(root)], ["model_key", "model"]]));
  }],
  ["the key model where model_key says _model", (records) => {
    records.edit((root) => void root.set("model_key", "_model"));
  }],
  ["a key of its own that model_key says", (records) => {
    records.edit((root) => new Map([["my_model", stateOf(root)], ["model_key", "my_model"]]));
  }],
  ["the key model without model_key", (records) => {
    records.edit((root) => void root.delete("model_key"));
  }],
  ["the key model with fs2", (records) => {
    records.edit((root) => void root.set("fs2", true));
  }],
  ["a flat state dict", (records) => {
    records.edit((root) => new Map(itemsOf(stateOf(root))));
  }],
  ["a flat OrderedDict with _metadata", (records) => {
    records.edit((root) => stateOf(root));
  }],
  ["an OrderedDict without _metadata", (records) => {
    records.edit((root) => void root.set("model", orderedDict(itemsOf(stateOf(root)))));
  }],
  ["a plain dict", (records) => {
    records.edit((root) => void root.set("model", new Map(itemsOf(stateOf(root)))));
  }],
  ["tensors on GPUs", (records) => {
    let gpu = 0;
    records.editState((state) => {
      for (const [key, tensor] of state) state.set(key, moveTo(tensor, `cuda:${gpu++ % 8}`));
    });
  }],
  ["shapes that are torch.Size", (records) => {
    records.editState((state) => {
      for (const [key, tensor] of state) {
        const shape = (tensor as Reduction).args.items[2]!;
        const size = new Reduction(new Global("torch", "Size"), new Tuple(shape));
        state.set(key, changeTensor(tensor, { shape: size }));
      }
    });
  }],
];

for (const [form, change] of sameTensors) {
  Deno.test(`convertCheckpoint() takes ${form}`, async () => {
    using temp = new TempDir();
    assertSameFile(await convertChanged(temp, change), EXPECTED);
  });
}

/** The tensors that fairseq2's converter makes, with some of what makes them changed. */
async function expectedFacts(
  changes: Readonly<Record<string, Partial<TensorFacts>>>,
): Promise<TensorFacts[]> {
  const facts = await stateFacts(EXPECTED);
  return facts.map((each) => ({ ...each, ...changes[each.name] }));
}

Deno.test("convertCheckpoint() keeps the order of the state dict", async () => {
  using temp = new TempDir();
  const path = await convertState(temp, (state) => new Map([...state].reverse()));
  const facts = (await expectedFacts({})).reverse();
  assertEquals(await stateFacts(path), facts.map((each, i) => ({ ...each, storage: i })));
});

Deno.test("convertCheckpoint() keeps parameters and requires_grad", async () => {
  using temp = new TempDir();
  const parameter = (tensor: PickleValue, requiresGrad: boolean) =>
    new Reduction(
      new Global("torch._utils", "_rebuild_parameter"),
      new Tuple(tensor, requiresGrad, orderedDict([])),
    );
  const path = await convertState(temp, (state) => {
    state.set(EMBED, parameter(state.get(EMBED)!, true));
    state.set(QUERY, parameter(state.get(QUERY)!, false));
    state.set(OUTPUT, changeTensor(state.get(OUTPUT)!, { requiresGrad: true }));
  });
  assertEquals(
    await stateFacts(path),
    await expectedFacts({
      "tok_embeddings.weight": { isParameter: true, requiresGrad: true },
      "layers.0.attention.wq.weight": { isParameter: true, requiresGrad: false },
      "output.weight": { isParameter: false, requiresGrad: true },
    }),
  );
  // As torch's own pickle has it: the parameter's data never requires a gradient.
  const root = readRecords(path).root as Dict;
  const { callable, args } = root.get("tok_embeddings.weight") as Reduction;
  assertEquals(String(callable), "torch._utils._rebuild_parameter");
  assertEquals(args.items[1], true);
  assertEquals((args.items[0] as Reduction).args.items[4], false);
});

for (
  const [form, tie] of [
    ["one tensor twice", (embed) => embed],
    ["two tensors over one storage", (embed) => changeTensor(embed, {})],
  ] as readonly (readonly [string, (embed: PickleValue) => PickleValue])[]
) {
  Deno.test(`convertCheckpoint() keeps the embedding tied: ${form}`, async () => {
    using temp = new TempDir();
    const path = await convertState(temp, (state) => void state.set(OUTPUT, tie(state.get(EMBED)!)));
    const [embed, ...others] = await stateFacts(EXPECTED);
    assertEquals(
      await stateFacts(path),
      [embed, ...others.slice(0, -1), { ...embed, name: "output.weight" }],
    );
    const storages = [...readRecords(path).keys()].filter((name) => name.startsWith("data/"));
    assertEquals(storages.length, 20); // The storage that nothing refers to is gone.
    const root = readRecords(path).root as Dict;
    assertEquals(
      root.get("output.weight") === root.get("tok_embeddings.weight"),
      form === "one tensor twice",
    );
  });
}

Deno.test("convertCheckpoint() counts a tied matrix once", async () => {
  using temp = new TempDir();
  const { step } = new CheckpointCopy(CASE, temp.at("in"))
    .editState((state) => void state.set(OUTPUT, changeTensor(state.get(EMBED)!, {})));
  const { parameters } = await convertCheckpoint({ input: step, output: temp.at("out") });
  assertEquals(parameters, 34080 - 50 * 32);
});

Deno.test("convertCheckpoint() keeps strides, and views of a bigger storage", async () => {
  using temp = new TempDir();
  const path = await convertChanged(temp, (records) => {
    const key = (tensor: PickleValue) => `data/${storageOf(tensor)[2]}`;
    records.editState((state) => {
      // The matrix is square, so it can be stored transposed.
      state.set(QUERY, changeTensor(state.get(QUERY)!, { stride: new Tuple(1, 32) }));
      // k and v become the halves of one storage, v first.
      const [k, v] = ["k", "v"].map((letter) => `decoder.layers.0.self_attn.${letter}_proj.weight`);
      const [kRecord, vRecord] = [key(state.get(k!)!), key(state.get(v!)!)];
      const joined = new Uint8Array([...records.get(vRecord)!, ...records.get(kRecord)!]);
      records.set(kRecord, joined);
      const [tag, type, name, location] = storageOf(state.get(k!)!) as PickleValue[];
      const storage = new PersistentId(new Tuple(tag!, type!, name!, location!, joined.length / 2));
      state.set(k!, changeTensor(state.get(k!)!, { storage, offset: 16 * 32 }));
      state.set(v!, changeTensor(state.get(v!)!, { storage }));
      // The last norm keeps a storage that is longer than it needs.
      records.set("data/19", new Uint8Array([...records.get("data/19")!, 1, 2, 3, 4]));
      const norm = state.get("decoder.layer_norm.weight")!;
      const [, , normKey] = storageOf(norm) as PickleValue[];
      assertEquals(normKey, "19");
      const longer = new PersistentId(new Tuple(tag!, type!, "19", location!, 34));
      state.set("decoder.layer_norm.weight", changeTensor(norm, { storage: longer }));
    });
  });
  const square = (bytes: string) => {
    const items = new Uint16Array(Uint8Array.fromBase64(bytes).buffer);
    const transposed = items.map((_, i) => items[(i % 32) * 32 + Math.floor(i / 32)]!);
    return new Uint8Array(transposed.buffer).toBase64();
  };
  const facts = await stateFacts(EXPECTED);
  const query = facts.findIndex(({ name }) => name === "layers.0.attention.wq.weight");
  assertEquals(
    await stateFacts(path),
    facts.map((each, i) => {
      const storage = i <= query + 1 ? i : i - 1;
      if (i === query) return { ...each, stride: [1, 32], bytes: square(each.bytes) };
      return i === query + 1 ? { ...each, storageOffset: 16 * 32 } : { ...each, storage };
    }),
  );
  const sizes = (records: Records) =>
    [...records].filter(([name]) => name.startsWith("data/")).map(([, b]) => b.length);
  const all = (path: string) => sizes(readRecords(path)).reduce((sum, size) => sum + size, 0);
  assertEquals(all(path), all(EXPECTED) + 4); // Nothing is cut off, and nothing is written twice.
});

Deno.test("convertCheckpoint() keeps each tensor's dtype", async () => {
  using temp = new TempDir();
  const { step } = new CheckpointCopy(CASE, temp.at("in")).edit((records) => {
    records.editState((state) => {
      const name = "decoder.layer_norm.weight";
      const [tag, , key, location, count] = storageOf(state.get(name)!) as PickleValue[];
      const type = new Global("torch", "DoubleStorage");
      state.set(
        name,
        changeTensor(state.get(name)!, {
          storage: new PersistentId(new Tuple(tag!, type, key!, location!, count!)),
        }),
      );
      records.set(`data/${key}`, new Uint8Array(new Float64Array(32).fill(1.5).buffer));
    });
  });
  const { dtypes } = await convertCheckpoint({ input: step, output: temp.at("out") });
  assertEquals(dtypes, ["bfloat16", "float64"]);
  assertEquals(
    await stateFacts(temp.at("out", "consolidated.00.pth")),
    await expectedFacts({
      "norm.weight": {
        dtype: "float64",
        bytes: new Uint8Array(new Float64Array(32).fill(1.5).buffer).toBase64(),
      },
    }),
  );
});

Deno.test("convertCheckpoint() takes a single shard that is called model.0.pt", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  Deno.renameSync(copy.file(), copy.file("model.0.pt"));
  await convertCheckpoint({ input: copy.step, output: temp.at("out"), clone: false });
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

Deno.test("convertCheckpoint() takes a model's only file", async () => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, CASE, "step_10", "model.pt");
  await convertCheckpoint({ input, output: temp.at("out"), clone: false });
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});

Deno.test("convertCheckpoint() takes links to a model's files", async () => {
  using temp = new TempDir();
  const copy = new CheckpointCopy(CASE, temp.at("in"));
  Deno.renameSync(copy.file(), temp.at("blob"));
  Deno.symlinkSync(temp.at("blob"), copy.file());
  await convertCheckpoint({ input: copy.step, output: temp.at("out"), clone: false });
  assertSameFile(temp.at("out", "consolidated.00.pth"), EXPECTED);
});
