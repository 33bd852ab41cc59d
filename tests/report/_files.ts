/** Files of weights to make pages of. */

const encoder = new TextEncoder();

/** Writes a safetensors file of float32 tensors. */
export function writeSafetensors(
  path: string,
  tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly values: readonly number[];
  }[],
): void {
  let at = 0;
  const entries = tensors.map(({ name, shape, values }) => {
    const [from, to] = [at, at + 4 * values.length];
    at = to;
    return [name, { dtype: "F32", shape, data_offsets: [from, to] }] as const;
  });
  const header = encoder.encode(JSON.stringify(Object.fromEntries(entries)));
  const bytes = new Uint8Array(8 + header.length + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  bytes.set(
    new Uint8Array(new Float32Array(tensors.flatMap(({ values }) => values)).buffer),
    8 + header.length,
  );
  Deno.writeFileSync(path, bytes);
}

/** The tensors of a small stack of layers; `moved` is how far its first kind is from where it was. */
export function stackOf(layers: number, moved = 0) {
  const matrix = (name: string, of: (i: number) => number) => ({
    name,
    shape: [4, 8],
    values: Array.from({ length: 32 }, (_, i) => of(i)),
  });
  return [
    matrix("embed.weight", (i) => (i - 16) / 8),
    ...Array.from({ length: layers }, (_, layer) => [
      matrix(`layers.${layer}.attention.q.weight`, (i) => Math.sin(i + layer) / (layer + 1) + moved * layer),
      matrix(`layers.${layer}.feed_forward.up.weight`, (i) => Math.cos(3 * i + layer) * 0.02),
      { name: `layers.${layer}.norm.weight`, shape: [8], values: Array<number>(8).fill(1 + layer / 8) },
    ]).flat(),
  ];
}
