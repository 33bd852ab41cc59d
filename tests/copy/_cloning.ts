/**
 * File systems that clone, for tests where there is none.
 *
 * @module
 */

/** Lets `Deno.copyFileSync` make copies without blocks, as where files are cloned, until the end of its scope (`using`). */
export class CloningEverywhere implements Disposable {
  readonly #copyFileSync = Deno.copyFileSync;

  /** Begins. */
  constructor() {
    Deno.copyFileSync = (from, to) => {
      Deno.createSync(to).close();
      Deno.truncateSync(String(to), Deno.statSync(from).size);
    };
  }

  /** Ends. */
  [Symbol.dispose](): void {
    Deno.copyFileSync = this.#copyFileSync;
  }
}
