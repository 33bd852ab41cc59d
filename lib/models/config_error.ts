import { FormatError } from "../error.ts";

/** A `model.yaml` or `params.json` that can't be read: no YAML or JSON, or a field that isn't what it must be. */
export class ConfigError extends FormatError {
  /** The file, as the message names it. */
  readonly file: string;
  /** The field at fault with all that it lies in, such as `model_config.num_layers`; empty for the whole file. */
  readonly field: string;
  /** What is wrong with it, without file and field. */
  readonly problem: string;

  /** Makes an error about a field of a file. */
  constructor(file: string, field: string, problem: string) {
    super([file, field, problem].filter((part) => part !== "").join(": "));
    this.file = file;
    this.field = field;
    this.problem = problem;
  }
}
