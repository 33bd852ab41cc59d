/** The inner loop of a comparison of floats in WebAssembly, which is several times as fast as it is in TypeScript. */

/** Two pieces of numbers in a program's memory, and what it measures: 16,384 of each at most. */
export interface Measurer {
  /** The numbers of both. */
  readonly singles: readonly [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
  /** Numbers of both in bfloat16, to be made `singles`. */
  readonly words: readonly [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>];
  /** What was measured: the sums of (b - a)², a·b, a² and b², the largest |b - a|, and how many have the same bits. */
  readonly results: Float64Array<ArrayBuffer>;
  /** Makes so many `singles` of one of the `words`, from and to places in the memory. */
  widen(side: 0 | 1, count: number): void;
  /** Makes `results` of so many of the `singles`, a multiple of 4. */
  measure(count: number): void;
}

/**
 * Makes a measurer. Closed like the kernel: it refers to nothing but the platform. The program is `movement.wat`, assembled
 * (`tests/copy/measurer_test.ts` compares them).
 *
 * @returns `undefined` where there is no WebAssembly with SIMD; the same is then computed without.
 */
export function createMeasurer(): Measurer | undefined {
  // V8 without a compiler has none (`--jitless`).
  if (globalThis.WebAssembly === undefined) return undefined;
  const program =
    "AGFzbQEAAAABEQNgA39/fwBgAnt7AXxgAX8AAwQDAAECBQMBAAQHHAMGbWVtb3J5AgAFd2lkZW4AAAdtZWFzdXJlAAIK6gMDSwEBewNA" +
    "IAD9AAQAIQMgASAD/akBQRD9qwH9CwQAIAEgA/2qAUEQ/asB/QsEECAAQRBqIQAgAUEgaiEBIAJBCGshAiACQQBKDQALCxYAIAAgAf3w" +
    "ASEAIAD9IQAgAP0hAaALhAMCAn8PeyAAQQJ0IQICQCACRQ0AA0AgAf0ABAAhAyAB/QAEgIAEIQQgBSADIAT9N/2xASEFIAP9XyEHIAT9" +
    "XyEIIAggB/3xASEJIAogCSAJ/fIB/fABIQogDCAHIAj98gH98AEhDCAOIAcgB/3yAf3wASEOIBAgCCAI/fIB/fABIRAgBiAJ/ewB/fcB" +
    "IQYgAyAD/Q0ICQoLDA0ODwABAgMEBQYH/V8hByAEIAT9DQgJCgsMDQ4PAAECAwQFBgf9XyEIIAggB/3xASEJIAsgCSAJ/fIB/fABIQsg" +
    "DSAHIAj98gH98AEhDSAPIAcgB/3yAf3wASEPIBEgCCAI/fIB/fABIREgBiAJ/ewB/fcBIQYgAUEQaiEBIAEgAkkNAAsLQYCADCAKIAsQ" +
    "ATkDAEGIgAwgDCANEAE5AwBBkIAMIA4gDxABOQMAQZiADCAQIBEQATkDAEGggAwgBv0hACAG/SEBpTkDAEGogAwgBf0bACAF/RsBaiAF" +
    "/RsCIAX9GwNqarg5AwAL";
  try {
    const bytes = Uint8Array.from(atob(program), (character) => character.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    const { memory, widen, measure } = exports as {
      readonly memory: WebAssembly.Memory;
      readonly widen: (from: number, to: number, count: number) => void;
      readonly measure: Measurer["measure"];
    } & typeof exports;
    const buffer = memory.buffer as ArrayBuffer;
    return {
      singles: [new Float32Array(buffer, 0, 16384), new Float32Array(buffer, 65536, 16384)],
      words: [new Uint8Array(buffer, 131072, 32768), new Uint8Array(buffer, 163840, 32768)],
      results: new Float64Array(buffer, 196608, 6),
      widen: (side, count) => widen(131072 + side * 32768, side * 65536, (count + 7) & ~7),
      measure,
    };
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}
