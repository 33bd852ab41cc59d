/** The inner loops of q8_0 in WebAssembly, which are several times as fast as they are in TypeScript. */

/** Numbers and blocks in a program's memory, and what it does with them: 256 blocks at most. */
export interface Quantizer {
  /** The numbers to quantize. */
  readonly singles: Float32Array;
  /** The same, as bits. */
  readonly bits: Uint32Array;
  /** Numbers in bfloat16, to be made `singles`. */
  readonly words: Uint16Array;
  /** What was quantized: blocks of 34 bytes, without their scales in the first two. */
  readonly blocks: Uint8Array;
  /** The largest magnitude of each block, as the bits of a float32. */
  readonly largest: Uint32Array;
  /** Makes `singles` of some of `words`, a multiple of 8. */
  widen(count: number): void;
  /** Makes `blocks` and `largest` of `singles`. */
  quantize(blocks: number): void;
}

/**
 * Makes a quantizer. Closed like the kernel: it refers to nothing but the platform. The program is `q8_0.wat`, assembled
 * (`tests/copy/quantizer_test.ts` compares them).
 *
 * @returns `undefined` where there is no WebAssembly with SIMD; the kernel then makes the same bytes by itself.
 */
export function createQuantizer(): Quantizer | undefined {
  // V8 without a compiler has none (`--jitless`).
  if (globalThis.WebAssembly === undefined) return undefined;
  const program =
    "AGFzbQEAAAABEQNgAX8AYAJ7fwF7YAJ/ewF7AwYFAAECAgAFAwEAAQcdAwZtZW1vcnkCAAV3aWRlbgAACHF1YW50aXplAAQK" +
    "gAQFUwICfwF7QZCAAiEBA0AgAf0ABAAhAyACIAP9qQFBEP2rAf0LBAAgAiAD/aoBQRD9qwH9CwQQIAFBEGohASACQSBqIQIg" +
    "AEEIayEAIABBAEoNAAsLIQAgACAB/QAEAP0M////f////3////9/////f/1O/bkBC1cBBHsgAP0ABAAhAiAC/eABIAH95gEh" +
    "AyAD/WkhBCACQR/9rAEhBSAE/fgBIAMgBP3lAf0MAAAAPwAAAD8AAAA/AAAAP/1G/bEBIQQgBCAF/VEgBf2xAQsrACAAIAEQ" +
    "AiAAQRBqIAEQAv2FASAAQSBqIAEQAiAAQTBqIAEQAv2FAf1lC4MCBQN/AXsBfwJ9AX9BkIADIQJBkMQDIQMDQP0MAAAAAAAA" +
    "AAAAAAAAAAAAACEEIAEhCANAIAQgCBABIQQgCEEQaiEIIAggAUGAAWpJDQALIAQgBCAE/Q0ICQoLDA0ODwABAgMEBQYH/bkB" +
    "IQQgBCAEIAT9DQQFBgcAAQIDDA0ODwgJCgv9uQEhBCAE/RsAIQUgAyAFNgIAIAW+QwAA/kKVIQZDAACAPyAGlSEHIAdDAACA" +
    "f1sEQEMAAAAAIQcLIAIgASAH/RMQA/0LAAIgAiABQcAAaiAH/RMQA/0LABIgAUGAAWohASACQSJqIQIgA0EEaiEDIABBAWsh" +
    "ACAAQQBKDQALCw==";
  try {
    const bytes = Uint8Array.from(atob(program), (character) => character.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    const { memory, widen, quantize } = exports as {
      readonly memory: WebAssembly.Memory;
      readonly widen: Quantizer["widen"];
      readonly quantize: Quantizer["quantize"];
    } & typeof exports;
    const { buffer } = memory;
    return {
      singles: new Float32Array(buffer, 0, 8192),
      bits: new Uint32Array(buffer, 0, 8192),
      words: new Uint16Array(buffer, 32784, 8192),
      blocks: new Uint8Array(buffer, 49168, 256 * 34),
      largest: new Uint32Array(buffer, 57872, 256),
      widen,
      quantize,
    };
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}
