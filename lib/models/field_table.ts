/**
 * Tables of fields. A row is a piece of a configuration both ways: as it is read into a model, and written from one.
 */

import { PythonFloat } from "../python/python_number.ts";
import type { YamlValue } from "../python/yaml_printer.ts";
import { boolean, type ConfigFields, type Kind, positiveInteger, positiveNumber } from "./config_fields.ts";
import type { FamilyModel } from "./family.ts";
import { headsProblem, type ModelShape } from "./model_description.ts";

/** A row: `K` is what it says of a model. */
export interface Row<K extends keyof FamilyModel = never> {
  /** What it says of a model, which is nothing where only training needs a field. */
  readonly keys: readonly K[];
  /** Reads it; it may say less than all `keys` where those are optional. */
  readonly read: (fields: ConfigFields) => Partial<FamilyModel>;
  /** The fields, in their order. */
  readonly write: (model: FamilyModel) => readonly (readonly [name: string, value: YamlValue])[];
}

type Draft = { -readonly [P in keyof FamilyModel]?: FamilyModel[P] };
type NumberKey = Exclude<
  { [P in keyof Draft]-?: Required<Draft>[P] extends number ? P : never }[keyof Draft],
  "embeddingShardDim"
>;
type FlagKey = { [P in keyof Draft]-?: Required<Draft>[P] extends boolean ? P : never }[keyof Draft];

/**
 * A field with a whole number from 1 to a limit. It must be there, unless `absent` stands for none and `null`; `null`
 * for `absent` leaves the model without.
 */
export function integer<K extends NumberKey>(
  name: string,
  key: K,
  limit: number,
  absent?: number | null,
): Row<K> {
  return numberRow(name, key, positiveInteger(limit), absent, (value) => value);
}

/** A field with a number above 0, which is a float in Python; otherwise as {@linkcode integer}. */
export function float<K extends NumberKey>(name: string, key: K, absent?: number | null): Row<K> {
  return numberRow(name, key, positiveNumber, absent, (value) => new PythonFloat(value));
}

/** A field with a number of some kind, which is an integer in Python; otherwise as {@linkcode integer}. */
export function number<K extends NumberKey>(
  name: string,
  key: K,
  kind: Kind<number>,
  absent?: number | null,
): Row<K> {
  return numberRow(name, key, kind, absent, (value) => value);
}

function numberRow<K extends NumberKey>(
  name: string,
  key: K,
  kind: Kind<number>,
  absent: number | null | undefined,
  print: (value: number) => YamlValue,
): Row<K> {
  const at: NumberKey = key;
  return {
    keys: [key],
    read(fields) {
      const value = absent === undefined ? fields.get(name, kind) : fields.optional(name, kind) ?? absent;
      return value === null ? {} : { [at]: value };
    },
    write: ({ [at]: value }) => [[name, value === undefined ? null : print(value)]],
  };
}

/** A field with `true` or `false`; otherwise as {@linkcode integer}. */
export function flag<K extends FlagKey>(name: string, key: K, absent?: boolean): Row<K> {
  const at: FlagKey = key;
  return {
    keys: [key],
    read: (fields) => ({
      [at]: absent === undefined ? fields.get(name, boolean) : fields.optional(name, boolean) ?? absent,
    }),
    write: ({ [at]: value = false }) => [[name, value]],
  };
}

/**
 * A field that says nothing of a model, and is always written alike. A value that isn't of a kind still means that the
 * file is damaged; without a kind it isn't looked at.
 */
export function constant(name: string, value: YamlValue, kind?: Kind<unknown>): Row {
  return {
    keys: [],
    read(fields) {
      if (kind !== undefined) fields.get(name, kind);
      return {};
    },
    write: () => [[name, value]],
  };
}

/**
 * Reads the fields of a table.
 *
 * @throws {ConfigError} If a field isn't what it must be.
 */
export function readTable<K extends keyof FamilyModel>(
  fields: ConfigFields,
  table: readonly Row<K>[],
): Pick<FamilyModel, K> {
  return Object.assign({}, ...table.map(({ read }) => read(fields)));
}

/** The names of the fields that say the heads of a model. */
export type HeadsFields = Readonly<Record<"heads" | "kvHeads" | "headDim", string>>;

/**
 * The rows of a head: the dimension divided by the heads, unless they were read, too.
 *
 * @throws {ConfigError} If the heads are impossible.
 */
export function headDimOf(
  fields: ConfigFields,
  shape: Pick<ModelShape, "dim" | "heads" | "kvHeads"> & { readonly headDim?: number },
  names: HeadsFields,
): number {
  const unfit = headsProblem(shape);
  if (unfit !== undefined) throw fields.error(names[unfit.field], unfit.problem);
  return shape.headDim ?? shape.dim / shape.heads;
}

/** Writes the fields of a table, in its order. */
export function writeTable(
  model: FamilyModel,
  table: readonly Pick<Row, "write">[],
): Map<string, YamlValue> {
  return new Map(table.flatMap(({ write }) => write(model)));
}
