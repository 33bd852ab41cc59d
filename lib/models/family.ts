/**
 * What a model family is: a value with all that a converter must know of it. Nothing else knows a family by name.
 */

import type { PythonJsonValue } from "../python/python_json.ts";
import type { YamlMapping } from "../python/yaml_printer.ts";
import type { ConfigFields } from "./config_fields.ts";
import type { ModelDescription, ModelShape, SpecialTokens } from "./model_description.ts";
import type { TokenFamily } from "./token_family.ts";

/** A model family. */
export interface Family {
  /** fairseq2's name for it: `model_family` in `model.yaml`. */
  readonly name: string;
  /** Its name for people. */
  readonly title: string;
  /** Whose code computes it, in words with a plural: what can't be converted is what these haven't got. */
  readonly whose: string;
  /**
   * Its parameters in the order of fairseq2's state dicts: those before the layers, those of a layer, those after.
   * {@linkcode EMBEDDING} and {@linkcode PROJECTION} are among them in every family.
   */
  readonly parameters: readonly ParameterSpec[];
  /** The published architectures. */
  readonly architectures: readonly Architecture[];
  /** What the hub calls those of its model cards that stand for one published model, and not for an architecture. */
  readonly hubNames?: Readonly<Record<string, string>>;
  /** What it knows of its special tokens. */
  readonly tokens: TokenFamily;
  /** Its configuration in fairseq2. */
  readonly modelYaml: ModelYamlCodec;
  /** Its configuration in Hugging Face's layout. */
  readonly configJson: ConfigJsonCodec;
  /** Its configuration in the reference layout; none where it has no such layout. */
  readonly paramsJson?: ParamsJsonCodec;
  /** Its configuration in a GGUF file's metadata. */
  readonly gguf: GgufCodec;
}

/** Whose names tensors have. */
export type Naming = "fairseq2" | "reference" | "huggingface" | "gguf";

/** One kind of parameter. */
export interface ParameterSpec {
  /** Its whole names, with `{}` for the layer; fairseq2's are the canonical ones, and not all have a reference layout. */
  readonly names: Readonly<
    Record<"fairseq2" | "huggingface" | "gguf", string> & { reference?: string | undefined }
  >;
  /** The whole shape: rows and columns, or the length of a vector. */
  readonly shape: (model: ModelDescription) => readonly number[];
  /** Along what tensor parallelism splits it: `"embedding"` where the model decides; without it each has a copy. */
  readonly shardDim?: 0 | 1 | "embedding";
  /** Whether the two rows that RoPE turns together lie side by side in each head, but not in Hugging Face's layout. */
  readonly isPaired?: boolean;
  /** Whether a model has it; all have by default. */
  readonly isPresent?: (model: ModelDescription) => boolean;
}

/** A published architecture. */
export interface Architecture extends ModelDescription {
  /** fairseq2's name for it, unless another family has one of that name: then that of its card. */
  readonly name: string;
  /** fairseq2's name for it, where that isn't `name`. */
  readonly alias?: string;
  /** fairseq2's names for the models that have it. */
  readonly cards: readonly string[];
  /** Sizes that fairseq2's own architecture of this name has instead of the published ones: the checkpoint decides. */
  readonly inFairseq2?: Partial<Pick<ModelShape, "layers" | "intermediateSize">>;
}

/** What a family's configuration says of a model: all but the family. */
export type FamilyModel = Omit<ModelDescription, "family">;

/**
 * The versions of fairseq2 that share one form of `model.yaml`.
 *
 * `0.2-0.3` nests the vocabulary and has no numbers for scaled RoPE; `0.4` puts all under `_set_` and adds
 * `rope_scaling` and `ffn_inner_dim_multiplier`; `0.5+`, checked up to 0.8.1, renamed most of what it added to.
 */
export type Generation = "0.2-0.3" | "0.4" | "0.5+";

/** The generations, oldest first. */
export const generations: readonly Generation[] = ["0.2-0.3", "0.4", "0.5+"];

/**
 * The versions of fairseq2 that a `model.yaml` is for. All of `"0.2-0.4"` read that form; where LLaMA's RoPE is scaled, it
 * can't say how: 0.4 then takes LLaMA 3.1's numbers, and 0.2 and 0.3 their own as always.
 */
export type ModelYamlForm = Generation | "0.2-0.4";

/** A mapping of a fairseq2 configuration, with a `Map` for each mapping in it. */
export type ConfigTree = ReadonlyMap<string, unknown>;

/** What a `model.yaml` says besides what a {@linkcode ModelDescription} does. */
export interface ModelYamlFields {
  /** The versions that it is for. */
  readonly form: ModelYamlForm;
  /** Whether the output projection is the embedding; forms until 0.4 can't say so and needn't. */
  readonly tied: boolean;
  /** The special tokens. Until 0.4 there is room for one that ends a sequence, the first; later for `padId` at most. */
  readonly tokens: SpecialTokens;
}

/** What a `model.yaml` is written for. */
export interface ModelYamlTarget {
  /** The versions. */
  readonly form: ModelYamlForm;
  /** Whether these were chosen, or are those of `legacyForm`. */
  readonly isChosen: boolean;
  /** The number of tensor-parallel shards. */
  readonly shards: number;
  /** The special tokens. */
  readonly tokens: SpecialTokens;
}

/** How `model_config` in fairseq2's `model.yaml` says a model. */
export interface ModelYamlCodec {
  /** The versions that have the family, oldest first. */
  readonly generations: readonly Generation[];
  /** The name of the architecture whose fields a configuration has where nothing is said: the dataclass's defaults. */
  readonly defaultArchitecture: string;
  /** The field that says the rows of a head, where there is one; else it is the dimension divided by the heads. */
  readonly headDimField?: string;
  /** Whether an embedding that is the output projection, too, has to be said to be split along its rows, even in one shard. */
  readonly splitsTied?: boolean;
  /** The name of the architecture that a configuration changes where it names none; the defaults without it. */
  readonly unnamed?: (generation: Generation) => string | undefined;
  /**
   * Reads a configuration, which has all fields of the generation.
   *
   * @throws {ConfigError} If a field isn't what it must be.
   */
  readonly read: (fields: ConfigFields, generation: Generation) => FamilyModel;
  /** Writes all fields, in the order of the dataclass. */
  readonly write: (model: ModelDescription, fields: ModelYamlFields) => YamlMapping;
  /** The form for 0.2 to 0.4 that says most of a model; none where these versions haven't got the family. */
  readonly legacyForm?: (model: ModelDescription) => Exclude<ModelYamlForm, "0.5+">;
  /** Whether 0.2 to 0.4 can't load it in several shards. */
  readonly isWholeUntil0_4?: boolean;
  /** Whether special tokens are said from 0.5 on, too. */
  readonly saysTokens?: boolean;
  /** Whether fairseq2's model always has two matrices, where the output projection may be the embedding in others. */
  readonly isNeverTied?: boolean;
  /** What a user should be told: what fairseq2 can't do of a model. */
  readonly notes?: (model: ModelDescription, target: ModelYamlTarget) => string[];
}

/** What a `config.json` says besides what a {@linkcode ModelDescription} does. */
export interface ConfigJsonOptions {
  /** torch's name for that of the weights. */
  readonly dtype: string;
  /** Whether `lm_head` is the embedding once more, and not in the files. */
  readonly tied: boolean;
  /** The special tokens. */
  readonly tokens: SpecialTokens;
}

/** How Hugging Face's `config.json` says a model. */
export interface ConfigJsonCodec {
  /** The values of `model_type`, each with the names of the class in `architectures`. */
  readonly types: ReadonlyMap<string, readonly string[]>;
  /**
   * Reads the fields, of which `model_type` is one of `types`; `notes` takes what a user should be told.
   *
   * @throws {ConfigError} If a field isn't what it must be, or the model can't be converted.
   */
  readonly read: (fields: ConfigFields, notes: string[]) => FamilyModel;
  /**
   * The version of transformers whose form is written. Later ones read it (5.x takes `rope_theta`, `rope_scaling` and
   * `torch_dtype` for its own `rope_parameters` and `dtype`), while earlier ones don't read theirs.
   */
  readonly version: string;
  /** What a user should be told: what versions of transformers can't do of a model. */
  readonly notes?: (model: ModelDescription) => string[];
  /**
   * Writes the fields, in any order.
   *
   * @throws {OptionError} If Hugging Face's layout has no such model.
   */
  readonly write: (model: ModelDescription, options: ConfigJsonOptions) => Record<string, PythonJsonValue>;
}

/** What the names and the shapes of weights say, summed over their shards. */
export interface ObservedShape extends Pick<ModelShape, "dim" | "layers" | "intermediateSize" | "vocabSize"> {
  /** The family that has parameters of all the names. */
  readonly family: Family;
  /** The kinds of parameters that there are, by their canonical names with `{}` for the layer. */
  readonly kinds: ReadonlySet<string>;
  /** The rows of q. */
  readonly qDim: number;
  /** The rows of k. The number of heads can't be seen: only the number of key and value heads times their rows. */
  readonly kvDim: number;
  /** Along which dimension the embedding is split over the shards; `undefined` where there is one shard. */
  readonly embeddingShardDim: 0 | 1 | undefined;
}

/** Whose form a `params.json` has: the reference layout's, or that of Meta's own loader. */
export type ParamsJsonForm = "reference" | "meta";

/** What there is to know beside a `params.json`. */
export interface ReferenceFiles {
  /** Whether the fields were nested under `model`, as fairseq2's converter does it. */
  readonly isNested: boolean;
  /** The number of shards that there are. */
  readonly shards: number;
  /** What the weights say. */
  readonly observed: ObservedShape;
}

/** What a `params.json` and weights describe. */
export interface DescribedReference {
  /** The model; `undefined` where published models that compute differently fit. */
  readonly model?: FamilyModel;
  /** What a user should be told: what was taken where nothing is said. */
  readonly notes: readonly string[];
}

/** How the `params.json` of the reference layout says a model. */
export interface ParamsJsonCodec {
  /** Whether it says how RoPE turns and what window there is, so that no name has to. */
  readonly isComplete?: boolean;
  /** Whether all weights are in one file, whatever their size. */
  readonly isOneFile?: boolean;
  /** Whether a `params.json` is of this family. */
  readonly isOwn: (fields: ConfigFields) => boolean;
  /**
   * Describes the model that it and the weights beside it are of.
   *
   * @throws {ConfigError} If a field isn't what it must be.
   * @throws {MismatchError} If shards are missing.
   */
  readonly describe: (fields: ConfigFields, files: ReferenceFiles) => DescribedReference;
  /**
   * Writes the fields, in their order; `undefined` where the family has no such form.
   *
   * @throws {MismatchError} If they can't say the model's sizes.
   */
  readonly write: (model: ModelDescription, form: ParamsJsonForm) => PythonJsonValue | undefined;
  /** What a user should be told: what a form can't say of a model, which may be of a published architecture. */
  readonly notes?: (
    model: ModelDescription,
    form: ParamsJsonForm,
    architecture: Architecture | undefined,
  ) => string[];
}

/** What a GGUF file's tensors say of a model, which its metadata don't. */
export interface GgufTensorFacts extends Pick<FamilyModel, "vocabSize" | "tied"> {
  /** By what each of RoPE's frequencies is divided, where a tensor says it. */
  readonly ropeFactors?: Float32Array;
}

/** What a GGUF file says of a model. */
export interface GgufDescription {
  /** llama.cpp's name for the code that computes it. */
  readonly architecture: string;
  /** The fields, without that name in front of theirs. Integers are written as `uint32`, floats as `float32`. */
  readonly fields: YamlMapping;
  /** By what each of RoPE's frequencies is divided, where a tensor is to say it. */
  readonly ropeFactors?: Float32Array;
}

/** How a GGUF file's metadata say a model: by the keys that begin with the name of llama.cpp's code for it. */
export interface GgufCodec {
  /** llama.cpp's names for the code of models that are read as this family's: values of `general.architecture`. */
  readonly architectures: readonly string[];
  /** Whether a tensor may say how RoPE is scaled. */
  readonly hasRopeFactors?: boolean;
  /**
   * Reads the fields, of which llama.cpp's code is one of `architectures`.
   *
   * @throws {ConfigError} If a field isn't what it must be, or the model can't be converted.
   */
  readonly read: (fields: ConfigFields, tensors: GgufTensorFacts, architecture: string) => FamilyModel;
  /**
   * Describes a model.
   *
   * @throws {OptionError} If llama.cpp has no such model.
   */
  readonly write: (model: ModelDescription) => GgufDescription;
  /** Whether llama.cpp's code needs an output projection even where that is the embedding. */
  readonly isNeverTied?: boolean;
  /** What a user should be told: what llama.cpp can't compute of a model. */
  readonly notes?: (model: ModelDescription) => string[];
}

/** The canonical name of the embedding. */
export const EMBEDDING = "decoder_frontend.embed.weight";

/** The canonical name of the output projection. Where the two are tied, fairseq2's state dicts have both. */
export const PROJECTION = "final_proj.weight";
