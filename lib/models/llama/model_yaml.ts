/** LLaMA's configurations in fairseq2's `model.yaml`. */

import { PythonFloat } from "../../python/python_number.ts";
import type { YamlValue } from "../../python/yaml_printer.ts";
import {
  anyNumber,
  boolean,
  type ConfigFields,
  nullable,
  positiveInteger,
  positiveNumber,
  positivePair,
  text as textKind,
} from "../config_fields.ts";
import type { FamilyModel, ModelYamlForm, ModelYamlTarget } from "../family.ts";
import { constant, type Row } from "../field_table.ts";
import { MAX_INTERMEDIATE_SIZE, MAX_SEQUENCE_LENGTH } from "../limits.ts";
import {
  describeScaling,
  isSameScaling,
  type ModelDescription,
  type RopeScaling,
} from "../model_description.ts";
import { byTable, normEpsNotes, rows, vocabulary } from "../model_yaml_fields.ts";
import { SCALING_3_1 } from "./architectures.ts";
import { type Fairseq2FfnRule, fairseq2IntermediateSize, shortestMultiplier } from "./intermediate_size.ts";

/** What fairseq2 0.2 and 0.3 compute scaled RoPE with, whatever the model (0.3.0 `LLaMABuilder._init_scaled_freqs`). */
export const SCALING_UNTIL_0_3: RopeScaling = { ...SCALING_3_1, highFreqFactor: 5 };

/** The epsilon of fairseq2's `RMSNorm`, in all versions. No configuration has it. */
const NORM_EPS = 1e-5;

/** The fields of a form, in the order of its dataclass. */
function table(form: ModelYamlForm) {
  const { dim, maxSeqLen, layers, heads, kvHeads, ropeTheta, dropout } = rows;
  const head = [dim, maxSeqLen, ...vocabulary(form)];
  const body = [layers, heads, kvHeads, width(form), ropeTheta, scaling(form), dropout];
  if (form !== "0.5+") return [...head, ...body, untilZeroFive];
  return [
    ...head,
    rows.tied,
    ...body,
    constant("init_std", null, nullable(anyNumber)),
    constant("init_std_scale", "layer", textKind),
    rows.shardEmbedDim,
  ];
}

/** No field says so: the context length tells LLaMA 1 and 2 (0.3.0 `loader.py`, 0.4 `_handler.py`). */
const untilZeroFive: Row<"tied" | "embeddingShardDim"> = {
  keys: ["tied", "embeddingShardDim"],
  read: (fields) => ({
    tied: false,
    embeddingShardDim: rows.maxSeqLen.read(fields).maxSeqLen! < 8192 ? 1 : 0,
  }),
  write: () => [],
};

/** The feed-forward width. */
function width(form: ModelYamlForm): Row<"multipleOf" | "intermediateSize"> {
  const hasMultiplier = form === "0.4" || form === "0.5+";
  const multiple = form === "0.5+" ? "ffn_inner_dim_multiple_of" : "ffn_inner_dim_to_multiple";
  return {
    keys: ["multipleOf", "intermediateSize"],
    read(fields) {
      const multipleOf = fields.get(multiple, positiveInteger(MAX_INTERMEDIATE_SIZE));
      const intermediateSize = fairseq2IntermediateSize({
        innerDim: fields.get("ffn_inner_dim", positiveInteger(MAX_INTERMEDIATE_SIZE)),
        innerDimScale: fields.get("ffn_inner_dim_scale", positiveNumber),
        innerDimMultiplier: hasMultiplier ? fields.get("ffn_inner_dim_multiplier", positiveNumber) : 1,
        multipleOf,
      });
      if (intermediateSize < 1 || intermediateSize > MAX_INTERMEDIATE_SIZE) {
        throw fields.error(
          "ffn_inner_dim",
          `gives a feed-forward width of ${intermediateSize}, past 1 to ${MAX_INTERMEDIATE_SIZE}`,
        );
      }
      return { multipleOf, intermediateSize };
    },
    write(model) {
      const rule = ffnRule(model, hasMultiplier);
      return [
        ["ffn_inner_dim", rule.innerDim],
        ["ffn_inner_dim_scale", new PythonFloat(rule.innerDimScale)],
        ...(hasMultiplier
          ? [["ffn_inner_dim_multiplier", new PythonFloat(rule.innerDimMultiplier)] as const]
          : []),
        [multiple, rule.multipleOf],
      ];
    },
  };
}

/**
 * The feed-forward width in fairseq2's terms: `4 · dim`, times a multiplier, times 2/3, rounded up. Where no multiplier
 * gives the width, it is stated as it is, with a scale of 1.
 */
function ffnRule(
  { dim, multipleOf, intermediateSize }: FamilyModel,
  hasMultiplier: boolean,
): Fairseq2FfnRule {
  const multiplier = shortestMultiplier(dim, multipleOf, intermediateSize) ?? 1;
  const rule: Fairseq2FfnRule = {
    innerDim: hasMultiplier ? 4 * dim : Math.trunc(4 * dim * multiplier),
    innerDimScale: 2 / 3,
    innerDimMultiplier: hasMultiplier ? multiplier : 1,
    multipleOf,
  };
  return fairseq2IntermediateSize(rule) === intermediateSize ? rule : {
    innerDim: intermediateSize,
    innerDimScale: 1,
    innerDimMultiplier: 1,
    multipleOf: intermediateSize % multipleOf === 0 ? multipleOf : 1,
  };
}

/** Scaled RoPE: whether, and from 0.4 on how. */
function scaling(form: ModelYamlForm): Row<"ropeScaling"> {
  const name = form === "0.5+" ? "rope_scale" : form === "0.4" ? "rope_scaling" : undefined;
  return {
    keys: ["ropeScaling"],
    read(fields) {
      const isScaled = fields.get("use_scaled_rope", boolean);
      const ropeScaling = name === undefined ? SCALING_UNTIL_0_3 : readScaling(fields.nested(name), isScaled);
      return isScaled ? { ropeScaling } : {};
    },
    write({ ropeScaling }) {
      const { factor, lowFreqFactor, highFreqFactor, originalContextLength } = ropeScaling ?? SCALING_3_1;
      const numbers = new Map<string, YamlValue>([
        ["factor", new PythonFloat(factor)],
        ["frequency_factors", [new PythonFloat(lowFreqFactor), new PythonFloat(highFreqFactor)]],
        ["original_context_length", originalContextLength],
      ]);
      return [
        ["use_scaled_rope", ropeScaling !== undefined],
        ...(name === undefined ? [] : [[name, numbers] as const]),
      ];
    },
  };
}

/** The defaults are those of `LLaMARopeScalingConfig` of 0.4 and `LLaMARoPEScaleConfig` from 0.5 on: LLaMA 3.1's. */
function readScaling(fields: ConfigFields, isScaled: boolean): RopeScaling {
  const factor = fields.get("factor", positiveNumber, 8);
  const [lowFreqFactor, highFreqFactor] = fields.get("frequency_factors", positivePair, [1, 4]);
  const length = positiveInteger(MAX_SEQUENCE_LENGTH);
  const originalContextLength = fields.get("original_context_length", length, 8192);
  if (isScaled && lowFreqFactor >= highFreqFactor) {
    throw fields.error(
      "frequency_factors",
      `expected a low and a higher one, got ${lowFreqFactor} and ${highFreqFactor}`,
    );
  }
  return { factor, lowFreqFactor, highFreqFactor, originalContextLength };
}

export const llamaModelYaml = byTable<ReturnType<typeof table>[number]["keys"][number]>(table, {
  normEps: NORM_EPS,
});

/** The form for 0.2 to 0.4 that says how RoPE is scaled, if one can. */
export function llamaLegacyForm({ ropeScaling }: ModelDescription): Exclude<ModelYamlForm, "0.5+"> {
  if (ropeScaling === undefined || isSameScaling(ropeScaling, SCALING_3_1)) return "0.2-0.4";
  return isSameScaling(ropeScaling, SCALING_UNTIL_0_3) ? "0.2-0.3" : "0.4";
}

/** What a form can't say of a model: how RoPE is scaled, and the epsilon of the norms. */
export function llamaNotes(model: ModelDescription, { form, isChosen }: ModelYamlTarget): string[] {
  return [...scalingNotes(model.ropeScaling, form, isChosen), ...normEpsNotes(model, NORM_EPS)];
}

/** Which versions can't scale RoPE as the model does. */
function scalingNotes(scaling: RopeScaling | undefined, form: ModelYamlForm, isChosen: boolean): string[] {
  if (scaling === undefined || form === "0.5+") return [];
  const numbers = `${describeScaling(scaling)}, original length ${scaling.originalContextLength}`;
  if (form !== "0.4" && !isSameScaling(scaling, SCALING_UNTIL_0_3)) {
    return [
      `fairseq2 0.2 and 0.3 can't scale RoPE as the model does (${numbers}): they take 8, 1, 5 and 8192`,
    ];
  }
  if (isChosen) return [];
  return [`model.yaml is for fairseq2 ${form}, which alone can scale RoPE as the model does (${numbers})`];
}
