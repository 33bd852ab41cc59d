/** What casts lose, added up by tensor while its chunks are copied in any order. */

import type { ChunkResult } from "./kernel.ts";

/** What a cast made of a tensor's numbers that somebody should know. */
export interface CastLoss {
  /** The tensor, as the output calls it. */
  readonly tensor: string;
  /** Finite numbers that became infinite in the other format. */
  readonly infinities: number;
  /** Numbers that were NaN before, and still are. */
  readonly nans: number;
}

/** Adds up what was lost. */
export class CastLosses {
  readonly #losses = new Map<string, CastLoss>();

  /** Adds what became of a chunk of a tensor. */
  add(tensor: string, result: Pick<ChunkResult, "infinities" | "nans">): void {
    if (result.infinities + result.nans === 0) return;
    const { infinities = 0, nans = 0 } = this.#losses.get(tensor) ?? {};
    this.#losses.set(tensor, {
      tensor,
      infinities: infinities + result.infinities,
      nans: nans + result.nans,
    });
  }

  /** The tensors of which something was lost, by name. */
  list(): CastLoss[] {
    return [...this.#losses.values()].sort((a, b) => a.tensor < b.tensor ? -1 : 1);
  }
}
