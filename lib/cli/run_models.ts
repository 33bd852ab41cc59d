/** Runs `ckpt models`. */

import { familyOf } from "../models/families.ts";
import { architectures } from "../models/model_cards.ts";
import { expectedParameters, shapeOf } from "../models/parameter.ts";
import type { Architecture } from "../models/family.ts";
import { PROJECTION } from "../models/family.ts";
import { numel } from "../tensor/tensor.ts";
import type { Arguments } from "./command.ts";
import { hanging } from "./fold.ts";
import { print } from "./print.ts";
import { styleFor, widthOf } from "./terminal.ts";

/** Runs the command. */
export function runModels(args: Arguments): Promise<number> {
  const models = architectures.map((architecture) => {
    const { family, name, cards, dim, layers, heads, kvHeads, vocabSize, maxSeqLen } = architecture;
    return {
      ...{
        name,
        family,
        cards: cards.filter((card) => card !== name),
        parameters: parametersOf(architecture),
      },
      ...{ dim, layers, heads, kvHeads, vocabSize, contextLength: maxSeqLen },
    };
  });
  if (args.flag("json")) {
    print(JSON.stringify({ models }, undefined, 2));
    return Promise.resolve(0);
  }
  const style = styleFor(Deno.stdout);
  const rows = models.map(({ name, parameters, layers, dim, cards }) => [
    ...[name, `${(parameters / 1e9).toPrecision(3)} B`, `${layers}`, `${dim}`],
    cards.join(" "),
  ]);
  const head = ["name", "size", "layers", "dim", "other names"];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const columns = widthOf(Deno.stdout);
  const lines = (cells: readonly string[], style = (text: string) => text) => {
    const [name, ...numbers] = cells.slice(0, -1).map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    );
    const left = [name, ...numbers, ""].join("  ");
    return hanging(left, left.length, cells.at(-1)!, columns).map((line) => style(line.trimEnd()));
  };
  print([...lines(head, style.bold), ...rows.flatMap((row) => lines(row))].join("\n"));
  return Promise.resolve(0);
}

/** The number of parameters of a published model; tied matrices count once. */
function parametersOf(model: Architecture): number {
  return expectedParameters(familyOf(model), model)
    .filter(({ spec }) => !model.tied || spec.names.fairseq2 !== PROJECTION)
    .reduce((sum, parameter) => sum + numel(shapeOf(parameter, model)), 0);
}
