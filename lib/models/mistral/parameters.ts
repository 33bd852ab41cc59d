/**
 * The parameters of a Mistral model: LLaMA's, under the same names in every layout and with the same rotary order
 * (fairseq2 0.3.0 `models/mistral/loader.py`, 0.8.1 `models/mistral/interop.py`).
 *
 * Its embedding and its output projection are modules of fairseq2's that tensor parallelism leaves whole
 * (`StandardEmbedding` and `Linear`; 0.8.1 `models/mistral/factory.py`): each shard has a copy of these matrices.
 */

import { EMBEDDING, type ParameterSpec, PROJECTION } from "../family.ts";
import { llamaParameters } from "../llama/parameters.ts";

/** What is whole in every shard. */
const replicated = [EMBEDDING, PROJECTION];

/** All kinds of parameters. */
export const mistralParameters: readonly ParameterSpec[] = llamaParameters.map(({ shardDim, ...spec }) =>
  shardDim === undefined || replicated.includes(spec.names.fairseq2) ? spec : { ...spec, shardDim }
);
