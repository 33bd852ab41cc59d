/** Trying again: what networks and servers refuse now they may give in a moment. */

import { CancelledError } from "../error.ts";

/** How often something is tried. */
const TRIES = 6;

/** The pause before the second try, in milliseconds; each further one is twice as long: 8 seconds in all. */
const FIRST_PAUSE_MS = 250;

/** The longest pause that a server may ask for, in milliseconds. */
const MAX_PAUSE_MS = 30_000;

/** A failure after which the same may work when it is tried again. */
export class PassingFailure extends Error {
  /**
   * @param failure What to throw if no further try is left.
   * @param pauseMs How long the server asks to wait, in milliseconds.
   */
  constructor(readonly failure: Error, readonly pauseMs = 0) {
    super(failure.message);
  }
}

/**
 * Does something until it works, {@linkcode TRIES} times at most.
 *
 * @param attempt Throws a {@linkcode PassingFailure} where trying again may help.
 * @throws {CancelledError} If `signal` was aborted.
 */
export async function retrying<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let tried = 1;; tried++) {
    if (signal?.aborted) throw new CancelledError("Cancelled");
    try {
      return await attempt();
    } catch (error) {
      if (signal?.aborted) throw new CancelledError("Cancelled");
      if (!(error instanceof PassingFailure)) throw error;
      if (tried === TRIES) throw error.failure;
      // Half of it by chance, so that those who were refused together don't come back together.
      const pause = FIRST_PAUSE_MS * 2 ** (tried - 1) * (0.5 + Math.random() / 2);
      await sleep(Math.max(pause, Math.min(error.pauseMs, MAX_PAUSE_MS)), signal);
    }
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}
