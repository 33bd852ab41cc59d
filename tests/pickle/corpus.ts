/**
 * The pickles in `fixtures/pickle`: CPython's own, with descriptions of what they hold, and real checkpoints'.
 */

import type { Description } from "./described.ts";

/** A value that CPython pickled, and its pickles. */
export interface Entry {
  name: string;
  value: Description;
  /** Whether the value alone says what a pickle of protocol 2 has to be. */
  rewrites: boolean;
  pickles: { protocol: number; by: string; bytes: Uint8Array }[];
}

const folder = new URL("../../fixtures/pickle/", import.meta.url);

interface Corpus {
  entries: Entry[];
  refused: { name: string; bytes: Uint8Array }[];
}

/** All entries of the corpus, and the pickles that CPython refuses. */
export const { entries, refused }: Corpus = await (async () => {
  const text = new TextDecoder().decode(await read("corpus.json.gz"));
  const corpus: Corpus = { entries: [], refused: [] };
  for (const { pickles, refused, ...entry } of JSON.parse(text)) {
    if (refused !== undefined) {
      corpus.refused.push({ name: entry.name, bytes: Uint8Array.fromHex(refused) });
    } else {
      const read = (pickle: { protocol: number; by: string; data: string }) => ({
        protocol: pickle.protocol,
        by: pickle.by,
        bytes: Uint8Array.fromHex(pickle.data),
      });
      corpus.entries.push({ ...entry, pickles: pickles.map(read) });
    }
  }
  return corpus;
})();

/** The data.pkl of checkpoints, by file name. */
export const realPickles: { name: string; bytes: Uint8Array }[] = await Promise.all(
  [...Deno.readDirSync(folder)]
    .map(({ name }) => name)
    .filter((name) => /\.pkl(\.gz)?$/.test(name))
    .sort()
    .map(async (name) => ({ name, bytes: await read(name) })),
);

/** Reads a fixture, and unpacks it if it is packed. */
async function read(name: string): Promise<Uint8Array> {
  const file = await Deno.readFile(new URL(name, folder));
  if (!name.endsWith(".gz")) return file;
  const unpacked = new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}
