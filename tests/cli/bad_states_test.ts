/**
 * Model files that torch saved, but that hold no model, or not the whole of one, or several.
 */

import { Global, type PickleValue, Tuple } from "../../lib/pickle/mod.ts";
import { PersistentId } from "../../lib/pickle/mod.ts";
import { changeTensor, type Dict, itemsOf, orderedDict, type Records, storageOf } from "../_torch_files.ts";
import { testBadInput } from "./_bad_input.ts";

const QUERY = "decoder.layers.0.self_attn.q_proj.weight";
const KEY = "decoder.layers.0.self_attn.k_proj.weight";
const NORM = "decoder.layers.1.ffn_layer_norm.weight";

/** A state dict without some of its parameters. */
function without(state: Dict, ...names: string[]): Dict {
  return new Map([...state].filter(([name]) => !names.includes(name as string)));
}

/** Gives a tensor of a state dict another dtype: its bytes are twice or half as many. */
function retype(records: Records, name: string, storageClass: string, itemBytes: number): void {
  records.editState((state) => {
    const [tag, , key, location, count] = storageOf(state.get(name)!) as PickleValue[];
    const type = new Global("torch", storageClass);
    const storage = new PersistentId(new Tuple(tag!, type, key!, location!, count!));
    state.set(name, changeTensor(state.get(name)!, { storage }));
    records.set(`data/${key}`, new Uint8Array((count as number) * itemBytes));
  });
}

testBadInput({
  what: "a state dict that lacks a parameter of the first layer",
  spoil(copy) {
    copy.editState((state) => without(state, KEY));
    return `${copy.file()}: the model lacks ${KEY}; the checkpoint is incomplete`;
  },
});

testBadInput({
  what: "a state dict that lacks some other parameter",
  spoil(copy) {
    copy.editState((state) => without(state, NORM));
    return `${copy.file()}: the weights are not those of ${copy.path}/model.yaml: ${NORM} is missing; ` +
      "no published architecture has these shapes";
  },
});

testBadInput({
  what: "a state dict that lacks the output projection",
  spoil(copy) {
    copy.editState((state) => without(state, "final_proj.weight"));
    return `${copy.file()}: the model lacks final_proj.weight; the checkpoint is incomplete`;
  },
});

testBadInput({
  what: "a state dict with an unknown parameter",
  spoil(copy) {
    copy.editState((state) => void state.set("decoder.layers.0.ffn.bias", state.get(QUERY)!));
    return `${copy.file()}: decoder.layers.0.ffn.bias: is no parameter of a fairseq2 LLaMA model; ` +
      "is this another model?";
  },
});

testBadInput({
  what: "a state dict with a parameter twice after renaming",
  spoil(copy) {
    copy.editState((state) => void state.set(`module.${QUERY}`, state.get(QUERY)!));
    return `${copy.file()}: module.${QUERY} and ${QUERY} are both ${QUERY}; the state dict is mixed up`;
  },
});

testBadInput({
  what: "a state dict with a layer more than the model has",
  spoil(copy) {
    copy.editState((state) => {
      for (const [name, tensor] of [...state]) {
        state.set((name as string).replace("layers.1", "layers.2"), tensor);
      }
    });
    return `${copy.path}/model.yaml: num_layers stands for a number of layers of 2, but the weights have 3 ` +
      "(decoder.layers); no published architecture has these shapes";
  },
});

testBadInput({
  what: "a value that is no tensor",
  spoil(copy) {
    copy.editState((state) => void state.set(QUERY, "a matrix"));
    return `${copy.file()}: ${QUERY}: is a string, not a tensor`;
  },
});

testBadInput({
  what: "names that are no strings",
  spoil(copy) {
    copy.editState((state) => void state.set(7, state.get(QUERY)!));
    return `${copy.file()}: the state dict has a key that isn't a string; it is no model's`;
  },
});

testBadInput({
  what: "weights that are integers",
  spoil(copy) {
    copy.edit((records) => retype(records, QUERY, "IntStorage", 4));
    return `${copy.file()}: ${QUERY}: has dtype int32, but a model's weights are floating point`;
  },
});

testBadInput({
  what: "an empty state dict",
  spoil(copy) {
    copy.editState(() => new Map());
    return `${copy.file()}: the model's state dict is empty`;
  },
});

testBadInput({
  what: "a file that holds a tensor, not a dict",
  spoil(copy) {
    copy.edit((records) => records.edit((root) => itemsOf(root.get("model")!).get(QUERY)));
    return `${copy.file()}: holds a tensor, not a dict with a model; name a model's file`;
  },
});

testBadInput({
  what: "a dict that holds no model",
  spoil(copy) {
    copy.edit((records) => void (records.root = new Map<PickleValue, PickleValue>([["a", 1], [2, "b"]])));
    return `${copy.file()}: holds no model: none of the keys model and _model; it has a, 2`;
  },
});

testBadInput({
  what: "an optimizer's state dict",
  spoil(copy) {
    copy.edit((records) => {
      records.root = new Map<PickleValue, PickleValue>([["state", new Map()], ["param_groups", []]]);
    });
    return `${copy.file()}: is the optimizer state, not a model; name the directory that holds model.pt or model/pp_00`;
  },
});

testBadInput({
  what: "a checkpoint of Lightning",
  spoil(copy) {
    copy.edit((records) => {
      records.root = new Map<PickleValue, PickleValue>([
        ["epoch", 1],
        ["pytorch-lightning_version", "2.5.0"],
        ["state_dict", new Map()],
      ]);
    });
    return `${copy.file()}: is a checkpoint of PyTorch Lightning, whose model lies in state_dict; save that by itself: ` +
      'torch.save(torch.load(path)["state_dict"], "model.pt")';
  },
});

testBadInput({
  what: "what fairseq2 saves of an optimizer",
  spoil(copy) {
    copy.edit((records) => {
      records.root = new Map<PickleValue, PickleValue>([["_optimizer", orderedDict([["state", new Map()]])]]);
    });
    return `${copy.file()}: is the optimizer state, not a model; name the directory that holds model.pt or model/pp_00`;
  },
});

testBadInput({
  what: "what fairseq2 saves of a trainer",
  spoil(copy) {
    copy.edit((records) => {
      records.root = new Map<PickleValue, PickleValue>([
        ["_step_nr", 10],
        ["_data_epoch_nr", 1],
        ["_best_step_and_score", null],
      ]);
    });
    return `${copy.file()}: is the trainer state, not a model; name the directory that holds model.pt or model/pp_00`;
  },
});

const tp2 = "fairseq2-0.3.0/llama3_bf16_tp2";

testBadInput({
  what: "shards of two dtypes",
  case: tp2,
  spoil(copy) {
    copy.edit((records) => retype(records, QUERY, "HalfStorage", 2), {}, "model.1.pt");
    return `${copy.file("model.1.pt")}: ${QUERY} is float16, but bfloat16 in ${copy.file("model.0.pt")}; ` +
      "the shards are of different models";
  },
});

testBadInput({
  what: "shards of different layers",
  case: tp2,
  spoil(copy) {
    copy.editState((state) => without(state, NORM), "model.0.pt");
    return `${copy.file("model.0.pt")}: lacks ${NORM}, which ${copy.file("model.1.pt")} has; ` +
      "the shards are of different models";
  },
});

testBadInput({
  what: "shards of different shapes",
  case: tp2,
  spoil(copy) {
    copy.editState((state) => void state.set(KEY, state.get(QUERY)!), "model.1.pt");
    return `${copy.file("model.1.pt")}: ${KEY} is [16, 32], but [8, 32] in ${copy.file("model.0.pt")}; ` +
      "the shards are of different models";
  },
});

testBadInput({
  what: "shards that weren't split",
  case: tp2,
  spoil(copy) {
    for (const rank of [0, 1]) {
      copy.editState((state) => void state.set(KEY, state.get(QUERY)!), `model.${rank}.pt`);
    }
    return `${copy.path}/model.yaml: num_key_value_heads stands for a width of k and v of 16, ` +
      `but the weights have 32 (${KEY}); no published architecture has these shapes`;
  },
});

testBadInput({
  what: "a key model that holds no dict",
  spoil(copy) {
    copy.edit((records) => records.edit((root) => void root.set("model", root.get("model_key")!)));
    return `${copy.file()}: holds no model: none of the keys model and _model; it has model, model_key`;
  },
});
