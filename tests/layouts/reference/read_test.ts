/**
 * Directories in the reference layout as they are read: those that fairseq2's own converter made, and bad ones.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../../lib/deps.ts";
import { FileError, FormatError, MismatchError } from "../../../lib/error.ts";
import { ConfigError } from "../../../lib/models/config_error.ts";
import { listDirectory } from "../../../lib/layouts/directory.ts";
import { findConsolidated, openReference } from "../../../lib/layouts/reference/read.ts";
import { changeTensor, type Dict, editFile, itemsOf, orderedDict, storageOf } from "../../_torch_files.ts";
import { assertRejectsWith } from "../../_assert_rejects.ts";
import { copyTree, TempDir } from "../../_temp.ts";
import { Global, PersistentId, Tuple } from "../../../lib/pickle/mod.ts";
import { assertError } from "../../convert/_assert_error.ts";
import { cases, expectedOf, openCase, openReferenceAt, readParameters } from "../../convert/_layouts.ts";

for (const name of cases) {
  Deno.test(`openReference() gives back the checkpoint that fairseq2 converted: ${name}`, async () => {
    const found = await openReferenceAt(expectedOf(name, "reference"));
    const expected = await openCase(name);
    assertEquals([...readParameters(found)].sort(), [...readParameters(expected)].sort());
    assertEquals(found.checkpoint.kind, "reference");
    for (const { file, path, parameters } of found.checkpoint.shards) {
      assertEquals(file!.archive.source.path, path);
      assertEquals(parameters.size, 21);
    }
    assertEquals(found.checkpoint.known.length > 0, true);
    // What a params.json can say.
    const {
      dim,
      layers,
      heads,
      kvHeads,
      intermediateSize,
      vocabSize,
      multipleOf,
      ropeTheta,
      normEps,
      embeddingShardDim,
    } = expected.model;
    const said = {
      dim,
      layers,
      heads,
      kvHeads,
      intermediateSize,
      vocabSize,
      multipleOf,
      ropeTheta,
      normEps,
      embeddingShardDim,
    };
    const model = Object.fromEntries(
      Object.keys(said).map((field) => [field, found.model[field as keyof typeof said]]),
    );
    assertEquals<unknown>(model, said);
  });
}

Deno.test("findConsolidated() finds the files of all shards by rank", () => {
  const find = (...names: string[]) =>
    findConsolidated({ path: "dir", files: new Set(names), directories: new Set() });
  assertEquals(find(), []);
  assertEquals(
    find("params.json", "consolidated.0.pth", "consolidated.000.pth", "consolidated.00.pt"),
    [],
  );
  assertEquals(find("consolidated.00.pth"), ["consolidated.00.pth"]);
  const many = Array.from({ length: 101 }, (_, i) => `consolidated.${String(i).padStart(2, "0")}.pth`);
  assertEquals(find(...many.toReversed()), many);
  assertError(
    () => find("consolidated.00.pth", "consolidated.02.pth", "consolidated.03.pth"),
    FileError,
    "dir: consolidated.01.pth is missing, but consolidated.03.pth is there; all shards are needed",
  );
  assertError(
    () => find("consolidated.01.pth"),
    FileError,
    "dir: consolidated.00.pth is missing, but consolidated.01.pth is there; all shards are needed",
  );
});

/** A directory in the reference layout that can be changed. */
class Directory extends TempDir {
  /** Copies a directory. */
  constructor(name = "fairseq2-0.3.0/llama3_bf16") {
    super();
    copyTree(expectedOf(name, "reference"), this.at("in"));
  }

  /** Changes the state dict of a file; it becomes what is returned. */
  edit(
    change: (state: Dict) => Dict | ReturnType<typeof orderedDict> | void,
    name = "consolidated.00.pth",
  ): this {
    editFile(this.at("in", name), (records) => {
      const state = new Map(itemsOf(records.root));
      records.root = change(state) ?? state;
    });
    return this;
  }

  /** Opens it. */
  open() {
    const listing = listDirectory(this.at("in"));
    return openReference(listing, findConsolidated(listing));
  }

  /** Asserts that it is refused, with a message in which `DIR` stands for the directory. */
  async refused(
    // deno-lint-ignore no-explicit-any
    errorClass: new (...args: any[]) => Error,
    message: string,
  ): Promise<void> {
    await assertRejectsWith(() => this.open(), errorClass, message.replaceAll("DIR", this.at("in")));
  }
}

const FILE = "DIR/consolidated.00.pth";

Deno.test("openReference() leaves out rotary frequencies, and reads an OrderedDict", async () => {
  using directory = new Directory().edit((state) => {
    state.set("rope.freqs", state.get("norm.weight")!);
    state.set("layers.0.attention.inner_attention.rope.freqs", state.get("norm.weight")!);
    return orderedDict(state);
  });
  const { shards } = await directory.open();
  assertEquals(shards[0]!.parameters.size, 21);
});

Deno.test("openReference() says no model where there is no params.json", async () => {
  using directory = new Directory();
  Deno.removeSync(directory.at("in", "params.json"));
  const { model, notes, shards } = await directory.open();
  assertEquals([model, notes, shards.length], [undefined, [], 1]);
});

Deno.test("openReference() notes what params.json doesn't say", async () => {
  using directory = new Directory();
  assertEquals((await directory.open()).notes, [
    "params.json says no context length; 8192 is taken",
    "params.json doesn't say whether RoPE is scaled; it is taken as not scaled; if it is, give the " +
    "model.yaml with --model",
  ]);
});

Deno.test("openReference() refuses a bad params.json", async () => {
  using directory = new Directory();
  Deno.writeTextFileSync(directory.at("in", "params.json"), '{"dim": "x"}');
  await directory.refused(ConfigError, "DIR/params.json: n_heads: missing, expected a positive integer");
  Deno.truncateSync(directory.at("in", "params.json"), 1024 * 1024 + 1);
  await directory.refused(
    FormatError,
    "DIR/params.json: has 1048577 bytes, more than the 1048576 that such a file may have",
  );
});

Deno.test("openReference() refuses a shard in the middle, and one at the end, that is missing", async () => {
  using middle = new Directory("fairseq2-0.3.0/llama2_fp32_tp4");
  Deno.removeSync(middle.at("in", "consolidated.01.pth"));
  assertError(
    () => findConsolidated(listDirectory(middle.at("in"))),
    FileError,
    `${
      middle.at("in")
    }: consolidated.01.pth is missing, but consolidated.03.pth is there; all shards are needed`,
  );
  using end = new Directory("fairseq2-0.3.0/llama3_bf16_tp2");
  Deno.removeSync(end.at("in", "consolidated.01.pth"));
  await end.refused(
    MismatchError,
    "DIR/params.json: speaks of a model in 2 shards of this size, but there are 1; all shards are needed",
  );
});

Deno.test("openReference() refuses what is no state dict of a LLaMA model in the reference layout", async () => {
  const refused: readonly (readonly [
    change: (state: Dict) => Dict | void,
    errorClass: new (message: string) => Error,
    message: string,
  ])[] = [
    [() => new Map(), FormatError, `${FILE}: the model's state dict is empty`],
    [
      (state) => void state.set(3, state.get("norm.weight")!),
      FormatError,
      `${FILE}: the state dict has a key that isn't a string; it is no model's`,
    ],
    [
      (state) => void state.set("norm.weight", "x"),
      FormatError,
      `${FILE}: norm.weight: is a string, not a tensor`,
    ],
    [
      (state) => void state.set("layers.0.attention.wq.bias", state.get("norm.weight")!),
      MismatchError,
      `${FILE}: layers.0.attention.wq.bias: is no parameter of a LLaMA or Mistral model in the reference layout`,
    ],
    [
      (state) => void state.set("model.norm.weight", state.get("norm.weight")!),
      MismatchError,
      `${FILE}: model.norm.weight: is no parameter of a LLaMA or Mistral model in the reference layout`,
    ],
    [
      (state) => {
        const [tag, , key, location, count] = storageOf(state.get("norm.weight")!);
        const storage = new PersistentId(
          new Tuple(tag!, new Global("torch", "ShortStorage"), key!, location!, count!),
        );
        state.set("norm.weight", changeTensor(state.get("norm.weight")!, { storage }));
      },
      MismatchError,
      `${FILE}: norm.weight: has dtype int16, but a model's weights are floating point`,
    ],
    [
      (state) => void state.delete("norm.weight"),
      MismatchError,
      `${FILE}: the model lacks decoder.layer_norm.weight; the checkpoint is incomplete`,
    ],
  ];
  for (const [change, errorClass, message] of refused) {
    using directory = new Directory().edit(change);
    if (message.includes("lacks")) {
      // That is found with the file that describes the model.
      assertEquals((await directory.open().catch((error) => error)).constructor, MismatchError);
    } else {
      await directory.refused(errorClass, message);
    }
  }
});

Deno.test("openReference() refuses a file that holds no dict", async () => {
  using directory = new Directory();
  editFile(directory.at("in", "consolidated.00.pth"), (records) => records.root = [1, 2]);
  await directory.refused(
    FormatError,
    `${FILE}: holds no dict of tensors; it is no file of the reference layout`,
  );
});

Deno.test("openReference() keeps tied matrices one storage", async () => {
  const { checkpoint } = await openReferenceAt(
    join(expectedOf("fairseq2-0.8.1/llama3_bf16_tied", "reference")),
  );
  const { parameters } = checkpoint.shards[0]!;
  const [embed, projection] = ["decoder_frontend.embed.weight", "final_proj.weight"].map((name) =>
    parameters.get(name)!
  );
  assertEquals(embed!.storage === projection!.storage, true);
});
