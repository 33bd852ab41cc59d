/**
 * Damaged checkpoints of fairseq2 0.5 and later, and shards that can't be.
 */

import { join } from "../../lib/deps.ts";
import { Global, type PickleValue, Tuple } from "../../lib/pickle/mod.ts";
import { PersistentId } from "../../lib/pickle/mod.ts";
import { copyTree } from "../_temp.ts";
import { changeTensor, type CheckpointCopy, type Dict, storageOf } from "../_torch_files.ts";
import { testBadInput } from "./_bad_input.ts";

const whole = "fairseq2-0.8.1/llama3_bf16/checkpoints";
const fsdp3 = "fairseq2-0.8.1/llama3_bf16_fsdp3/checkpoints";
const tp2fsdp2 = "fairseq2-0.8.1/llama3_fp32_tp2_fsdp2/checkpoints";

const QUERY = "decoder.layers.0.self_attn.q_proj.weight";
const NORM = "decoder.layers.1.ffn_layer_norm.weight";
const LAST_NORM = "decoder.layer_norm.weight";

/** The name of one of a checkpoint's files, in its step. */
function fileName(pp: number, tp: number, sdp: number): string {
  return join("model", `pp_0${pp}`, `tp_0${tp}`, `sdp_0${sdp}.pt`);
}

/** A directory in a step's model directory. */
function modelDirectory(copy: CheckpointCopy, ...names: string[]): string {
  return join(copy.step, "model", ...names);
}

/** Changes the flat state dict of a file. */
function editFlat(copy: CheckpointCopy, name: string, change: (state: Dict) => PickleValue | void): void {
  copy.edit((records) => records.edit(change), {}, name);
}

/** Changes the first byte of a parameter in a file. */
function changeValue(copy: CheckpointCopy, name: string, parameter: string): void {
  copy.edit(
    (records) => {
      const key = `data/${storageOf((records.root as Dict).get(parameter)!)[2]}`;
      const bytes = records.get(key)!;
      records.set(key, bytes.with(0, bytes[0]! ^ 1));
    },
    {},
    name,
  );
}

/** Gives a parameter in a file another dtype: the same bytes where it is of the same size, else some. */
function retype(
  copy: CheckpointCopy,
  name: string,
  parameter: string,
  type: string,
  itemBytes: number,
): void {
  copy.edit(
    (records) => {
      records.edit((state) => {
        const [tag, , key, location, count] = storageOf(state.get(parameter)!) as PickleValue[];
        const id = new Tuple(tag!, new Global("torch", type), key!, location!, count!);
        state.set(parameter, changeTensor(state.get(parameter)!, { storage: new PersistentId(id) }));
        const size = (count as number) * itemBytes;
        if (records.get(`data/${key}`)!.length !== size) records.set(`data/${key}`, new Uint8Array(size));
      });
    },
    {},
    name,
  );
}

testBadInput({
  what: "sdp files without one in the middle",
  case: fsdp3,
  spoil(copy) {
    Deno.removeSync(copy.file(fileName(0, 0, 1)));
    return `${modelDirectory(copy, "pp_00", "tp_00")}: sdp_01.pt is missing, but sdp_02.pt is there; ` +
      "all ranks are needed";
  },
});

testBadInput({
  what: "sdp files without the first",
  case: fsdp3,
  spoil(copy) {
    Deno.removeSync(copy.file(fileName(0, 0, 0)));
    return `${modelDirectory(copy, "pp_00", "tp_00")}: sdp_00.pt is missing, but sdp_02.pt is there; ` +
      "all ranks are needed";
  },
});

testBadInput({
  what: "sdp files without the last",
  case: fsdp3,
  spoil(copy) {
    Deno.removeSync(copy.file(fileName(0, 0, 2)));
    return `${modelDirectory(copy, "pp_00", "tp_00")}: holds 22 of the 32 items of ${LAST_NORM}; ` +
      "all sdp files are needed";
  },
});

testBadInput({
  what: "sdp files of which only the first is left, by its own path",
  case: fsdp3,
  spoil(copy) {
    for (const sdp of [1, 2]) Deno.removeSync(copy.file(fileName(0, 0, sdp)));
    const input = copy.file(fileName(0, 0, 0));
    return {
      input,
      message: `${input}: holds 11 of the 32 items of ${LAST_NORM}; all sdp files are needed`,
    };
  },
});

testBadInput({
  what: "a tensor-parallel rank without its last sdp file",
  case: tp2fsdp2,
  spoil(copy) {
    Deno.removeSync(copy.file(fileName(0, 1, 1)));
    return `${
      modelDirectory(copy)
    }: pp_00/tp_01 has 1 sdp files, but pp_00/tp_00 has 2; all ranks are needed`;
  },
});

testBadInput({
  what: "tensor-parallel ranks without the first",
  case: tp2fsdp2,
  spoil(copy) {
    Deno.removeSync(modelDirectory(copy, "pp_00", "tp_00"), { recursive: true });
    return `${modelDirectory(copy, "pp_00")}: tp_00 is missing, but tp_01 is there; all ranks are needed`;
  },
});

testBadInput({
  what: "tensor-parallel ranks without the last",
  case: tp2fsdp2,
  spoil(copy) {
    Deno.removeSync(modelDirectory(copy, "pp_00", "tp_01"), { recursive: true });
    return `${copy.step}: holds 1 of the 2 shards of this size that ${copy.path}/model.yaml speaks of; ` +
      "all shards are needed";
  },
});

testBadInput({
  what: "pipeline stages with different numbers of tensor-parallel ranks",
  case: tp2fsdp2,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00", "tp_00"), modelDirectory(copy, "pp_01", "tp_00"));
    return `${modelDirectory(copy)}: pp_01 has 1 tp directories, but pp_00 has 2; all ranks are needed`;
  },
});

testBadInput({
  what: "pipeline stages with different numbers of sdp files",
  case: fsdp3,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    Deno.removeSync(copy.file(fileName(1, 0, 2)));
    return `${
      modelDirectory(copy)
    }: pp_01/tp_00 has 2 sdp files, but pp_00/tp_00 has 3; all ranks are needed`;
  },
});

testBadInput({
  what: "pipeline stages without one in the middle",
  case: whole,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_02"));
    return `${modelDirectory(copy)}: pp_01 is missing, but pp_02 is there; all ranks are needed`;
  },
});

testBadInput({
  what: "a pipeline stage that is empty",
  case: whole,
  spoil(copy) {
    Deno.mkdirSync(modelDirectory(copy, "pp_01"));
    return `${modelDirectory(copy, "pp_01")}: holds no tp_00; name a checkpoint's step directory`;
  },
});

testBadInput({
  what: "a tensor-parallel rank that is empty",
  case: tp2fsdp2,
  spoil(copy) {
    const directory = modelDirectory(copy, "pp_00", "tp_01");
    Deno.removeSync(directory, { recursive: true });
    Deno.mkdirSync(directory);
    return `${directory}: holds no sdp_00.pt; name a checkpoint's step directory`;
  },
});

testBadInput({
  what: "a piece that is wider than the others",
  case: fsdp3,
  spoil(copy) {
    editFlat(copy, fileName(0, 0, 1), (state) => {
      // 11 × 32 items, as if they were 11 × 16.
      state.set(
        QUERY,
        changeTensor(state.get(QUERY)!, { shape: new Tuple(11, 16), stride: new Tuple(16, 1) }),
      );
    });
    return `${copy.file(fileName(0, 0, 1))}: ${QUERY} is [11, 16], which doesn't continue [11, 32] in ` +
      `${copy.file(fileName(0, 0, 0))}; the pieces are of different models`;
  },
});

testBadInput({
  what: "an empty piece that has another width than the others",
  case: fsdp3,
  spoil(copy) {
    editFlat(copy, fileName(0, 0, 2), (state) => {
      state.set(
        QUERY,
        changeTensor(state.get(QUERY)!, { shape: new Tuple(0, 16), stride: new Tuple(16, 1) }),
      );
    });
    return `${copy.file(fileName(0, 0, 2))}: ${QUERY} is [0, 16], which doesn't continue [11, 32] in ` +
      `${copy.file(fileName(0, 0, 0))}; the pieces are of different models`;
  },
});

for (const [shape, stride] of [[new Tuple(11 * 32), new Tuple(1)], [new Tuple(), new Tuple()]] as const) {
  testBadInput({
    what: `a piece of a matrix that has ${shape.items.length} dimensions`,
    case: fsdp3,
    spoil(copy) {
      editFlat(copy, fileName(0, 0, 1), (state) => {
        state.set(QUERY, changeTensor(state.get(QUERY)!, { shape, stride }));
      });
      return `${
        copy.file(fileName(0, 0, 1))
      }: ${QUERY} is [${shape.items}], which doesn't continue [11, 32] in ` +
        `${copy.file(fileName(0, 0, 0))}; the pieces are of different models`;
    },
  });
}

testBadInput({
  what: "pieces that are scalars",
  case: fsdp3,
  spoil(copy) {
    for (const sdp of [0, 1, 2]) {
      editFlat(copy, fileName(0, 0, sdp), (state) => {
        const scalar = { shape: new Tuple(), stride: new Tuple() };
        state.set(NORM, changeTensor(state.get(NORM)!, scalar));
      });
    }
    const first = copy.file(fileName(0, 0, 0));
    return `${first}: ${NORM} is [], which doesn't continue [] in ${first}; the pieces are of different models`;
  },
});

testBadInput({
  what: "pieces of two dtypes",
  case: fsdp3,
  spoil(copy) {
    retype(copy, fileName(0, 0, 2), QUERY, "HalfStorage", 2);
    return `${copy.file(fileName(0, 0, 2))}: ${QUERY} is float16, but bfloat16 in ` +
      `${copy.file(fileName(0, 0, 0))}; the pieces are of different models`;
  },
});

testBadInput({
  what: "tensor-parallel shards in pieces of two dtypes",
  case: tp2fsdp2,
  spoil(copy) {
    for (const sdp of [0, 1]) retype(copy, fileName(0, 1, sdp), QUERY, "DoubleStorage", 8);
    const [first, second] = ["tp_00", "tp_01"].map((name) => modelDirectory(copy, "pp_00", name));
    return `${second}: ${QUERY} is float64, but float32 in ${first}; the shards are of different models`;
  },
});

testBadInput({
  what: "tensor-parallel shards in pieces of two widths",
  case: tp2fsdp2,
  spoil(copy) {
    for (const sdp of [0, 1]) {
      editFlat(copy, fileName(0, 1, sdp), (state) => {
        const half = { shape: new Tuple(8, 16), stride: new Tuple(16, 1) };
        state.set(QUERY, changeTensor(state.get(QUERY)!, half));
      });
    }
    const [first, second] = ["tp_00", "tp_01"].map((name) => modelDirectory(copy, "pp_00", name));
    return `${second}: ${QUERY} is [16, 16], but [16, 32] in ${first}; the shards are of different models`;
  },
});

testBadInput({
  what: "a piece that a file lacks",
  case: fsdp3,
  spoil(copy) {
    editFlat(copy, fileName(0, 0, 2), (state) => void state.delete(NORM));
    const [directory, yaml] = [modelDirectory(copy, "pp_00", "tp_00"), `${copy.path}/model.yaml`];
    return `${directory}: the weights are not those of ${yaml}: ${NORM} is [22], expected [32]; ` +
      "no published architecture has these shapes";
  },
});

testBadInput({
  what: "pieces that are all empty",
  case: fsdp3,
  spoil(copy) {
    for (const sdp of [0, 1, 2]) editFlat(copy, fileName(0, 0, sdp), () => new Map());
    return `${modelDirectory(copy, "pp_00", "tp_00")}: the model lacks ${LAST_NORM}; ` +
      "the checkpoint is incomplete";
  },
});

testBadInput({
  what: "a whole model's file that is empty",
  case: whole,
  spoil(copy) {
    editFlat(copy, fileName(0, 0, 0), () => new Map());
    return `${copy.file(fileName(0, 0, 0))}: holds no model: none of the keys model and _model; ` +
      "it has no keys at all";
  },
});

testBadInput({
  what: "a pipeline stage that repeats a layer with other values",
  case: whole,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    changeValue(copy, fileName(1, 0, 0), QUERY);
    return `${copy.file(fileName(1, 0, 0))}: ${QUERY} has other values than in ` +
      `${copy.file(fileName(0, 0, 0))}; the stages are of different runs`;
  },
});

testBadInput({
  what: "a pipeline stage that repeats a layer with other values in its pieces",
  case: fsdp3,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    changeValue(copy, fileName(1, 0, 2), NORM);
    return `${modelDirectory(copy, "pp_01", "tp_00")}: ${NORM} has other values than in ` +
      `${modelDirectory(copy, "pp_00", "tp_00")}; the stages are of different runs`;
  },
});

testBadInput({
  what: "a pipeline stage that repeats a layer with another dtype",
  case: whole,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    retype(copy, fileName(1, 0, 0), NORM, "HalfStorage", 2);
    return `${copy.file(fileName(1, 0, 0))}: ${NORM} has other values than in ` +
      `${copy.file(fileName(0, 0, 0))}; the stages are of different runs`;
  },
});

testBadInput({
  what: "a pipeline stage that repeats a layer with another shape",
  case: whole,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    editFlat(copy, fileName(1, 0, 0), (state) => {
      state.set(
        QUERY,
        changeTensor(state.get(QUERY)!, { shape: new Tuple(16, 64), stride: new Tuple(64, 1) }),
      );
    });
    return `${copy.file(fileName(1, 0, 0))}: ${QUERY} has other values than in ` +
      `${copy.file(fileName(0, 0, 0))}; the stages are of different runs`;
  },
});

testBadInput({
  what: "pipeline stages without a layer",
  case: whole,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    const isOf = (layer: string) => (name: PickleValue) =>
      (name as string).startsWith(`decoder.layers.${layer}.`);
    for (const pp of [0, 1]) {
      editFlat(copy, fileName(pp, 0, 0), (state) => {
        for (const name of [...state.keys()].filter(isOf("1"))) state.delete(name);
      });
    }
    return `${copy.path}/model.yaml: num_layers stands for a number of layers of 2, but the weights have 1 ` +
      "(decoder.layers); no published architecture has these shapes";
  },
});

testBadInput({
  what: "pipeline stages without a parameter",
  case: whole,
  spoil(copy) {
    copyTree(modelDirectory(copy, "pp_00"), modelDirectory(copy, "pp_01"));
    for (const pp of [0, 1]) editFlat(copy, fileName(pp, 0, 0), (state) => void state.delete(NORM));
    const path = modelDirectory(copy, "pp_*", "tp_00");
    return `${path}: the weights are not those of ${copy.path}/model.yaml: ${NORM} is missing; ` +
      "no published architecture has these shapes";
  },
});

testBadInput({
  what: "an optimizer's pieces in the place of a model's",
  case: whole,
  spoil(copy) {
    editFlat(
      copy,
      fileName(0, 0, 0),
      () => new Map<PickleValue, PickleValue>([["state", 1], ["param_groups", []]]),
    );
    return `${copy.file(fileName(0, 0, 0))}: is the optimizer state, not a model; ` +
      "name the directory that holds model.pt or model/pp_00";
  },
});

testBadInput({
  what: "a piece that is cut off",
  case: fsdp3,
  spoil(copy) {
    const path = copy.file(fileName(0, 0, 1));
    Deno.truncateSync(path, 1000);
    return `${path}: the zip archive can't be read (end of central directory not found); ` +
      "it is truncated or damaged, so copy it again";
  },
});

testBadInput({
  what: "the directory of a tensor-parallel rank",
  case: fsdp3,
  spoil(copy) {
    const input = modelDirectory(copy, "pp_00", "tp_00");
    return {
      input,
      message:
        `${input}: holds no checkpoint (model.pt, model/pp_00, consolidated.00.pth, model.safetensors or model.gguf); name its directory`,
    };
  },
});

testBadInput({
  what: "a step that fairseq2 didn't finish",
  case: fsdp3,
  spoil(copy) {
    const input = `${copy.step}.tmp`;
    Deno.renameSync(copy.step, input);
    return {
      input,
      message: `${input}: fairseq2 didn't finish writing this step (.tmp); name a complete one`,
    };
  },
});

testBadInput({
  what: "a step that isn't there",
  case: fsdp3,
  spoil(copy) {
    return {
      input: copy.path,
      options: ["--step", "20"],
      message: `${copy.path}: has no step 20; it has 10`,
    };
  },
});

for (
  const { name, count, problem } of [
    { name: whole, count: "3", problem: "4 attention heads" },
    { name: fsdp3, count: "4", problem: "2 key and value heads" },
    { name: tp2fsdp2, count: "8", problem: "4 attention heads" },
    { name: "fairseq2-0.3.0/llama2_fp32_tp4", count: "3", problem: "4 attention heads" },
  ]
) {
  testBadInput({
    what: `${count} shards of ${name}`,
    case: name,
    spoil() {
      return {
        options: ["--shards", count],
        message:
          `Can't split the model into ${count} shards: it has ${problem}, which ${count} doesn't divide`,
      };
    },
  });
}

testBadInput({
  what: "shards that a vocabulary doesn't divide into",
  case: whole,
  spoil(copy) {
    editFlat(copy, fileName(0, 0, 0), (state) => {
      for (const name of ["decoder_frontend.embed.weight", "final_proj.weight"]) {
        state.set(name, changeTensor(state.get(name)!, { shape: new Tuple(49, 32) }));
      }
    });
    return {
      options: ["--shards", "2"],
      message:
        "Can't split the model into 2 shards: it has 49 tokens of the vocabulary, which 2 doesn't divide",
    };
  },
});
