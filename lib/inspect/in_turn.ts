/** Results that are told as they come, for a caller who asks for one after the other. */

/**
 * Runs work, and gives what it tells.
 *
 * @param work Tells results; is stopped by its signal when the caller wants no more.
 * @param signal Stops it, too.
 */
export async function* inTurn<T>(
  work: (onResult: (result: T) => void, signal: AbortSignal) => Promise<void>,
  signal?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const stop = new AbortController();
  const results: T[] = [];
  let wake = () => {};
  let done = false;
  const working = work((result) => {
    results.push(result);
    wake();
  }, signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal])).finally(() => {
    done = true;
    wake();
  });
  working.catch(() => {}); // It is thrown below.
  try {
    while (true) {
      if (results.length > 0) yield results.shift()!;
      else if (done) break;
      else await new Promise<void>((resolve) => wake = resolve);
    }
    await working;
  } finally {
    stop.abort();
    await working.catch(() => {});
  }
}
