/**
 * Conversions against torch itself: it saves a state dict in some form, and what `torch.save` makes of the same
 * tensors under their new names is what the conversion has to write, byte for byte.
 */

import { join } from "../../lib/deps.ts";
import { convertCheckpoint } from "../../mod.ts";
import { python, runPython } from "../_python.ts";
import { assertSameTorchFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

/** Forms of a state dict, as Python that changes `state`, or `saved`, which is what is saved. */
const changes: Readonly<Record<string, string>> = {
  "FSDP's form": "",
  "DDP's form":
    "saved = {'_model': OrderedDict(('module.' + k, v) for k, v in state.items()), 'model_key': '_model'}",
  "the form of 0.4": "saved['fs2'] = True",
  "a flat dict": "saved = dict(state)",
  "parameters":
    "for i, k in enumerate(state): state[k] = torch.nn.Parameter(state[k], requires_grad=i % 2 == 0)",
  "tensors that require gradients": "for k in state: state[k] = state[k].clone().requires_grad_()",
  "tied embeddings": "state['final_proj.weight'] = state['decoder_frontend.embed.weight'].detach()",
  "one tensor under two names": "state['final_proj.weight'] = state['decoder_frontend.embed.weight']",
  "transposed matrices":
    "for k in state:\n  if state[k].dim() == 2: state[k] = state[k].t().contiguous().t()",
  "views of one storage": `
flat = torch.cat([v.flatten() for v in state.values()])
at = 0
for k, v in state.items():
  state[k] = flat[at : at + v.numel()].view(v.shape)
  at += v.numel()`,
  "rows far apart": "for k in state: state[k] = torch.stack([state[k], state[k]], -1)[..., 1]",
  "float64": "for k in state: state[k] = state[k].double()",
  "float16": "for k in state: state[k] = state[k].half()",
  "float8": "for k in state: state[k] = state[k].to(torch.float8_e4m3fn)",
  "float8 without a mantissa":
    "for k in state: state[k] = state[k].to(getattr(torch, 'float8_e8m0fnu', torch.float8_e5m2))",
  "norms of a wider dtype": "for k in state:\n  if state[k].dim() == 1: state[k] = state[k].float()",
};

/** What fairseq2 0.3.0 does: `convert_to_reference_checkpoint`, with the names written out. */
const program = `
import json, os, re, sys, torch
from collections import OrderedDict

names = [
    (r"^decoder_frontend\\.embed\\.", "tok_embeddings."),
    (r"^decoder\\.layer_norm\\.", "norm."),
    (r"^final_proj\\.", "output."),
    (r"^decoder\\.", ""),
    (r"\\.self_attn\\.q_proj\\.", ".attention.wq."),
    (r"\\.self_attn\\.k_proj\\.", ".attention.wk."),
    (r"\\.self_attn\\.v_proj\\.", ".attention.wv."),
    (r"\\.self_attn\\.output_proj\\.", ".attention.wo."),
    (r"\\.self_attn_layer_norm\\.", ".attention_norm."),
    (r"\\.ffn\\.gate_proj\\.", ".feed_forward.w1."),
    (r"\\.ffn\\.output_proj\\.", ".feed_forward.w2."),
    (r"\\.ffn\\.inner_proj\\.", ".feed_forward.w3."),
    (r"\\.ffn_layer_norm\\.", ".ffn_norm."),
]

source, root, forms = sys.argv[1:]
for i, form in enumerate(json.loads(forms)):
    state = torch.load(source, weights_only=True)["model"]
    scope = {"torch": torch, "OrderedDict": OrderedDict, "state": state}
    scope["saved"] = {"model": state, "model_key": "model"}
    exec(form, scope)
    for name in ["in", "expected"]:
        os.mkdir(f"{root}/{name}{i}")
    torch.save(scope["saved"], f"{root}/in{i}/model.pt")
    loaded = torch.load(f"{root}/in{i}/model.pt", weights_only=True)
    result = {}
    for key, value in loaded.get("model", loaded.get("_model", loaded)).items():
        key = key.removeprefix("module.")
        for pattern, to in names:
            key = re.sub(pattern, to, key)
        result[key] = value
    torch.save(result, f"{root}/expected{i}/consolidated.00.pth")
`;

Deno.test({
  name: "convertCheckpoint() writes what torch.save does",
  ignore: python() === undefined,
  async fn(t) {
    using temp = new TempDir();
    const source = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16");
    const forms = Object.entries(changes);
    const programs = JSON.stringify(forms.map(([, change]) => change));
    await runPython(program, [join(source, "step_10", "model.pt"), temp.path, programs]);
    for (const [i, [form]] of forms.entries()) {
      await t.step(form, async () => {
        const output = temp.at(`out${i}`);
        const model = join(source, "model.yaml");
        await convertCheckpoint({ input: temp.at(`in${i}`), output, model, clone: false });
        const file = "consolidated.00.pth";
        assertSameTorchFile(join(output, file), temp.at(`expected${i}`, file));
      });
    }
  },
});
