/**
 * State dicts that mean harm, or that are older than one would think, through the program.
 */

import { FAMILIES } from "../models/_listed.ts";
import { assertEquals } from "@std/assert";
import { Global, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { convert } from "../_ckpt.ts";
import { assertSameFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import { changeTensor, CheckpointCopy, itemsOf } from "../_torch_files.ts";
import { global, pickle } from "../pickle/assemble.ts";
import { testBadInput } from "../cli/_bad_input.ts";

const EMBED = "decoder_frontend.embed.weight";

testBadInput({
  what: "a tensor that is a terabyte when it is written out",
  spoil(copy) {
    copy.editState((state) =>
      void state.set(
        EMBED,
        changeTensor(state.get(EMBED)!, { shape: new Tuple(2 ** 24, 2 ** 15), stride: new Tuple(0, 0) }),
      )
    );
    return `${copy.file()}: ${EMBED}: has more items than its storage, as no model's weights have; save it contiguous`;
  },
});

testBadInput({
  what: "a state dict whose names are escape codes of a terminal",
  spoil(copy) {
    copy.editState((state) => void state.set("\x1b[2J\x1b]0;owned\x07\u009b31m\u202e", state.get(EMBED)!));
    return `${copy.file()}:  [2J ]0;owned 31m : is no parameter of a fairseq2 LLaMA model; is this another model?`;
  },
});

testBadInput({
  what: "a global whose name is escape codes of a terminal",
  spoil(copy) {
    copy.edit((records) =>
      records.set("data.pkl", pickle("PROTO", 2, global("os\x1b[2J", "\u009bsystem"), "STOP"))
    );
    return `${copy.file()}: data.pkl: names os [2J. system at byte 2, which no model's weights need; ` +
      "ckpt runs nothing from a file, so save the weights alone (a state dict)";
  },
});

testBadInput({
  what: "a model.yaml with escape codes of a terminal",
  spoil(copy) {
    copy.editYaml("model_family: llama", 'model_family: "\\e[2J\\x9b31m"');
    return `${copy.path}/model.yaml: model_family: expected ${FAMILIES}, got "\\u001b[2J 31m"`;
  },
});

Deno.test("ckpt converts a state dict as Python 2 pickled it: an OrderedDict that is called with pairs", async () => {
  using temp = new TempDir();
  const name = "fairseq2-0.3.0/llama3_bf16";
  const copy = new CheckpointCopy(name, temp.at("in"));
  copy.edit((records) =>
    records.edit((root) => {
      // CPython 2.7 Lib/collections.py OrderedDict.__reduce__: (class, ([[key, value], …],)).
      const pairs = [...itemsOf(root.get("model")!)].map(([key, value]) => [key, value]);
      root.set("model", new Reduction(new Global("collections", "OrderedDict"), new Tuple(pairs)));
    })
  );
  const run = await convert(["--quiet", "--no-clone", "--to", "huggingface", copy.step, temp.at("out")]);
  assertEquals(run, { code: 0, stdout: "", stderr: "" });
  const expected = new CheckpointCopy(name, temp.at("plain"));
  await convert(["--quiet", "--no-clone", "--to", "huggingface", expected.step, temp.at("expected")]);
  assertSameFile(temp.at("out", "model.safetensors"), temp.at("expected", "model.safetensors"));
});
