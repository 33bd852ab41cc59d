/**
 * LLaMA, as a family of models.
 *
 * @module
 */

import type { Family } from "../family.ts";
import { llamaArchitectures } from "./architectures.ts";
import { llamaParameters } from "./parameters.ts";

/** The end of a turn (`<|eot_id|>`), which ends a sequence in fairseq2's `llama3_instruct` cards. */
const END_OF_TURN = 128009;

/** LLaMA 1 to 3.3. */
export const llama: Family = {
  name: "llama",
  title: "LLaMA",
  parameters: llamaParameters,
  architectures: llamaArchitectures,
  // The distilled model alone is called "instruct" and derives from no instruct card in fairseq2.
  endOfTurn: (card) => /^llama3.*_instruct$/.test(card) ? END_OF_TURN : undefined,
};
