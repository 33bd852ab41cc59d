/**
 * Checkpoints that are described alone: of any size, without a byte of weights.
 */

import { bytes } from "../../lib/bytes/view.ts";
import type { Checkpoint } from "../../lib/layouts/checkpoint.ts";
import { familyOf } from "../../lib/models/families.ts";
import { expectedParameters, formatName, shapeOf } from "../../lib/models/parameter.ts";
import type { ModelDescription } from "../../lib/models/model_description.ts";
import type { OutputFile } from "../../lib/copy/plan.ts";
import { dtypeOf } from "../../lib/tensor/dtype.ts";
import { numel, tensorOfView } from "../../lib/tensor/tensor.ts";

/** A checkpoint of fairseq2's with the shapes of a model, and perhaps a model.yaml. */
export function describedCheckpoint(model: ModelDescription, modelYaml?: string): Checkpoint {
  const parameters = new Map(
    expectedParameters(familyOf(model), model).map((each) => {
      const shape = shapeOf(each, model);
      return [
        formatName("fairseq2", each),
        tensorOfView(dtypeOf("bfloat16"), shape, bytes("weights", 0, numel(shape), 2)),
      ] as const;
    }),
  );
  return {
    path: "run/step_1",
    kind: "fairseq2",
    shards: [{ parameters, path: "weights" }],
    sources: [],
    known: [],
    notes: [],
    ...(modelYaml === undefined ? {} : { modelYaml }),
  };
}

/** The text of a planned file that has no copies. */
export function plannedText(files: readonly OutputFile[], name: string): string {
  const { size, literals } = files.find((file) => file.name === name)!;
  const content = new Uint8Array(size);
  for (const { at, bytes } of literals) content.set(bytes, at);
  return new TextDecoder().decode(content);
}

/** The same as JSON. */
// deno-lint-ignore no-explicit-any
export function plannedJson(files: readonly OutputFile[], name: string): any {
  return JSON.parse(plannedText(files, name));
}
