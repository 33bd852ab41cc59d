/** Fields of a `model.yaml` that ckpt doesn't know: whether a conversion can do without them. */

import { OptionError } from "../error.ts";
import type { UnknownField } from "../layouts/fairseq2/config_tree.ts";
import { ConfigError } from "../models/config_error.ts";
import { forShell, someOf } from "../words.ts";
import { DEFAULT_TARGET, type Target, targetFacts } from "./target.ts";

const NAMED_FIELDS = 3;

/**
 * Refuses fields that may change what the model computes, where the output has to say that; elsewhere they are left out
 * with a note.
 *
 * @throws {ConfigError} If there are others than those in the way.
 * @throws {OptionError} If one of the names is no unknown field's.
 */
export function checkUnknownFields(
  { unknownFields }: { readonly unknownFields: readonly UnknownField[] },
  to: Target = DEFAULT_TARGET,
  ignored: readonly string[] = [],
): string[] {
  const names = unknownFields.map(({ name }) => name);
  const wrong = ignored.find((name) => !names.includes(name));
  if (wrong !== undefined) {
    throw new OptionError(
      `Can't ignore ${JSON.stringify(wrong)}: only unknown fields of the model.yaml can be ignored, and ` +
        (names.length === 0 ? "it has none" : `it has ${someOf(names, NAMED_FIELDS)}`),
    );
  }
  const left = unknownFields.filter(({ name }) => !ignored.includes(name));
  const [first] = left;
  if (first === undefined) return [];
  const file = targetFacts[to].computedBy;
  if (file === undefined) return [`${first.file}: ${describeUnknownFields(left)}`];
  const options = left.map(({ name }) => `--ignore-config ${forShell(name)}`);
  throw new ConfigError(
    first.file,
    first.field,
    `unknown field with the value ${first.value}, which may change what the model computes, as ${file} has to say; ` +
      `if it doesn't, give ${someOf(options, NAMED_FIELDS, " ")}`,
  );
}

/** What is said of unknown fields that are left out; there is at least one. */
export function describeUnknownFields(fields: readonly UnknownField[]): string {
  const each = fields.map(({ field, value }) => `${field} (${value})`);
  return `unknown field${fields.length === 1 ? "" : "s"} left out: ${someOf(each, NAMED_FIELDS)}`;
}
