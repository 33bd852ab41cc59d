/**
 * Inputs and outputs that aren't the files and directories that they should be.
 */

import { ARCHITECTURES, FAMILIES } from "../models/_listed.ts";
import { join } from "../../lib/deps.ts";
import { copyTree } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { testBadInput } from "./_bad_input.ts";

testBadInput({
  what: "an input that is missing",
  spoil(_, temp) {
    const input = temp.at("step_11");
    return { input, message: `${input}: no such file or directory; check the path` };
  },
});

testBadInput({
  what: "an input that is some file",
  spoil(copy) {
    const input = join(copy.path, "model.yaml");
    return { input, message: `${input}: is a file; name the checkpoint's directory` };
  },
});

testBadInput({
  what: "one of several shards",
  case: "fairseq2-0.3.0/llama3_bf16_tp2",
  spoil(copy) {
    const input = copy.file("model.1.pt");
    return {
      input,
      message: `${input}: is one of 2 parts of a model; name the directory that holds them all`,
    };
  },
});

testBadInput({
  what: "an input that is empty",
  spoil(_, temp) {
    const input = temp.at("empty");
    Deno.mkdirSync(input);
    return { input, message: `${input}: the directory is empty; name a checkpoint's step directory` };
  },
});

testBadInput({
  what: "an input that holds no model file",
  spoil(copy) {
    Deno.renameSync(copy.file(), copy.file("weights.pt"));
    return `${copy.step}: holds no checkpoint (model.pt, model/pp_00, consolidated.00.pth, model.safetensors or model.gguf); name its directory`;
  },
});

testBadInput({
  what: "steps none of which is complete",
  spoil(copy) {
    Deno.renameSync(copy.step, `${copy.step}.tmp`);
    Deno.mkdirSync(join(copy.path, "step_9"));
    return {
      input: copy.path,
      message:
        `${copy.path}: none of its steps holds a complete model; wait until one was saved, or look at ` +
        `${copy.path}/step_9`,
    };
  },
});

testBadInput({
  what: "a step that fairseq2 didn't finish writing",
  spoil(copy) {
    const input = `${copy.step}.tmp`;
    Deno.renameSync(copy.step, input);
    return {
      input,
      message: `${input}: fairseq2 didn't finish writing this step (.tmp); name a complete one`,
    };
  },
});

for (const name of ["rank_0.pt", "replicated.1.pt"]) {
  testBadInput({
    what: `a step that has ${name} alone`,
    spoil(copy) {
      Deno.renameSync(copy.file(), copy.file(name));
      return `${copy.step}: holds no model.pt, only the trainer's state (${name}); ` +
        "name a step that was saved with its model";
    },
  });
}

testBadInput({
  what: "shards without one in the middle",
  case: "fairseq2-0.3.0/llama2_fp32_tp4",
  spoil(copy) {
    Deno.removeSync(copy.file("model.1.pt"));
    return `${copy.step}: model.1.pt is missing, but model.3.pt is there; all shards are needed`;
  },
});

testBadInput({
  what: "shards without the first",
  case: "fairseq2-0.3.0/llama3_bf16_tp2",
  spoil(copy) {
    Deno.removeSync(copy.file("model.0.pt"));
    return `${copy.step}: model.0.pt is missing, but model.1.pt is there; all shards are needed`;
  },
});

testBadInput({
  what: "shards without the last",
  case: "fairseq2-0.4.5/llama3_bf16_tp2",
  spoil(copy) {
    Deno.removeSync(copy.file("model.1.pt"));
    return `${copy.step}: holds 1 of the 2 shards that ${copy.path}/model.yaml speaks of; all shards are needed`;
  },
});

testBadInput({
  what: "model.pt beside model.0.pt",
  spoil(copy) {
    Deno.copyFileSync(copy.file(), copy.file("model.0.pt"));
    return `${copy.step}: holds both model.pt and model.0.pt; move away the one that isn't meant`;
  },
});

testBadInput({
  what: "an unknown model",
  spoil: () => ({
    options: ["--model", "llama3_2_2b"],
    code: 2,
    message: 'Unknown model "llama3_2_2b": did you mean llama3_2_1b, llama3_2_3b or llama3_1_8b? ' +
      `${ARCHITECTURES}; see ckpt llama convert_checkpoint --help`,
  }),
});

testBadInput({
  what: "a model that the weights aren't",
  spoil: (copy) => ({
    options: ["--model", "llama3_2_1b"],
    message: `${copy.file()}: the weights are not those of llama3_2_1b: ` +
      "decoder_frontend.embed.weight is [50, 32], expected [50, 2048]; " +
      "decoder.layers.0.self_attn_layer_norm.weight is [32], expected [2048]; " +
      "decoder.layers.0.self_attn.q_proj.weight is [32, 32], expected [2048, 2048]; and 144 more; " +
      "no published architecture has these shapes",
  }),
});

testBadInput({
  what: "a model.yaml that isn't there",
  spoil(_, temp) {
    const model = temp.at("model.yaml");
    return { options: ["--model", model], message: `${model}: no such file or directory; check the path` };
  },
});

testBadInput({
  what: "a model.yaml that is no YAML",
  spoil(copy) {
    Deno.writeTextFileSync(join(copy.path, "model.yaml"), "model_config: [1, 2\n");
    return `${copy.path}/model.yaml: is no YAML at line 2: ` +
      "Cannot read flow collection: unexpected end of the stream within a flow collection";
  },
});

testBadInput({
  what: "a model.yaml of another family",
  spoil(copy) {
    copy.editYaml("model_family: llama", "model_family: gemma3n");
    return `${copy.path}/model.yaml: model_family: expected ${FAMILIES}, got "gemma3n"`;
  },
});

testBadInput({
  what: "an output that exists and isn't empty",
  spoil(_, temp) {
    const output = temp.at("out");
    Deno.mkdirSync(output);
    Deno.writeTextFileSync(join(output, "notes.txt"), "mine");
    return { output, message: `${output}: exists already and isn't empty; name a new directory` };
  },
});

testBadInput({
  what: "an output that it made before",
  spoil(_, temp) {
    const output = temp.at("out");
    copyTree(join(CHECKPOINTS, "expected", "fairseq2-0.3.0", "llama3_bf16", "reference"), output);
    return { output, message: `${output}: exists already and isn't empty; name a new directory` };
  },
});

testBadInput({
  what: "an output that is a file",
  spoil(_, temp) {
    const output = temp.at("out");
    Deno.writeTextFileSync(output, "mine");
    return { output, message: `${output}: is a file already; name a new directory` };
  },
});

testBadInput({
  what: "an output below a file",
  spoil(_, temp) {
    Deno.writeTextFileSync(temp.at("file"), "mine");
    return {
      output: temp.at("file", "out"),
      message: `${
        temp.at("file")
      }: is no directory, so the output directory can't lie in it; name another place`,
    };
  },
});

testBadInput({
  what: "an output that is the input",
  spoil: (copy) => ({
    output: copy.step,
    message: `${copy.step}: the output can't lie in the input ${copy.step}; name a directory outside it`,
  }),
});

testBadInput({
  what: "an output in the input",
  spoil(copy) {
    const output = join(copy.step, "reference");
    return {
      output,
      message: `${output}: the output can't lie in the input ${copy.step}; name a directory outside it`,
    };
  },
});

testBadInput({
  what: "an input in the directory where the output would be built",
  spoil(copy, temp) {
    Deno.renameSync(copy.path, temp.at("out.partial"));
    return {
      input: temp.at("out.partial", "step_10"),
      options: ["--restart"],
      message: `${temp.at("out")}: would be built in ${temp.at("out.partial")}, where the input is; ` +
        "name another directory",
    };
  },
});

testBadInput({
  what: "a directory of someone's where the output would be built",
  spoil(_, temp) {
    Deno.mkdirSync(temp.at("out.partial"));
    Deno.writeTextFileSync(temp.at("out.partial", "notes.txt"), "mine");
    return `${temp.at("out.partial")}: holds files but no record of a plan, ` +
      "so no conversion left it; move it elsewhere";
  },
});
