/**
 * What lies beside the weights in a Hugging Face directory and goes along into another: the tokenizer and its like.
 */

import { openSource } from "../../bytes/open_source.ts";
import { isRemote } from "../../bytes/remote.ts";
import { bytes } from "../../bytes/view.ts";
import type { OutputFile } from "../../copy/plan.ts";
import type { SourceFile } from "../../bytes/source.ts";
import { basename, dirname, join } from "../../deps.ts";
import { FormatError } from "../../error.ts";
import { someOf } from "../../words.ts";
import { listDirectory, type Listing } from "../directory.ts";
import type { PlannedOutput } from "../planned_output.ts";
import { GENERATION_CONFIG } from "./generation_config.ts";

/**
 * The files that go along: what transformers and vLLM read to make text of tokens and tokens of text. A list of names,
 * since what isn't known may be anything: code that somebody runs (`*.py`), pickles (`*.bin`), what the new weights
 * aren't any more (`README.md` with its figures, `*.gguf`).
 */
const TOKENIZER_FILES = [
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "merges.txt",
  "preprocessor_config.json",
  "processor_config.json",
  "special_tokens_map.json",
  "tekken.json",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer.model.v3",
  "tokenizer_config.json",
  "vocab.json",
] as const;

/** Those of which one makes a tokenizer: the others only say more about it. */
const VOCABULARIES: readonly string[] = ["tekken.json", "tokenizer.json", "tokenizer.model", "vocab.json"];

/** Where transformers 4.52 and later put chat templates besides the first one. */
const MORE_TEMPLATES = "additional_chat_templates";

/**
 * The largest file that goes along, in bytes. Gemma's tokenizer.json has 34 MB, the largest known; 4 times as much. No
 * file is held in memory.
 */
const MAX_FILE_BYTES = 1 << 27;

/** How many more chat templates there may be. Known models have 2 at most. */
const MAX_TEMPLATES = 64;

/** Files of a directory that go along. */
export type SideFiles = Required<PlannedOutput>;

/** Whether some files make a tokenizer. */
export function holdTokenizer(names: Iterable<string>): boolean {
  return [...names].some((name) => VOCABULARIES.includes(name));
}

/**
 * Plans copies of the tokenizer's files in a directory. They are copied by the engine, byte for byte.
 *
 * @throws {FormatError} If a file is larger than a tokenizer's can be.
 * @throws {FileError} If a file can't be read.
 */
export function tokenizerCopies(listing: Listing): SideFiles {
  const { path: directory } = listing;
  const files: OutputFile[] = [];
  const sources: SourceFile[] = [];
  const notes: string[] = [];
  for (
    const name of [...TOKENIZER_FILES.filter((name) => listing.files.has(name)), ...templatesIn(listing)]
  ) {
    const path = join(directory, name);
    if (!staysInside(directory, path)) {
      notes.push(
        `${path}: is a link that leads out of the directory, so it isn't followed and doesn't go along`,
      );
      continue;
    }
    using source = openSource(path);
    const { size, identity } = source;
    if (size > MAX_FILE_BYTES) {
      throw new FormatError(
        `${path}: has ${size} bytes, more than the ${MAX_FILE_BYTES} that a tokenizer's file may have; ` +
          "--no-tokenizer leaves it",
      );
    }
    const copies = size === 0 ? [] : [{ label: name, at: 0, view: bytes(path, 0, size) }];
    files.push({ name, size, tensors: [], copies, literals: [] });
    sources.push(identity);
  }
  return { files, sources, notes };
}

/** The names of further chat templates, with their directory. */
function templatesIn({ path, directories }: Listing): string[] {
  if (!directories.has(MORE_TEMPLATES)) return [];
  const { files } = listDirectory(join(path, MORE_TEMPLATES));
  const names = [...files].filter((name) => name.endsWith(".jinja")).sort();
  if (names.length > MAX_TEMPLATES) {
    throw new FormatError(
      `${
        join(path, MORE_TEMPLATES)
      }: has ${names.length} chat templates, more than the ${MAX_TEMPLATES} that a ` +
        "tokenizer may have; --no-tokenizer leaves them",
    );
  }
  return names.map((name) => `${MORE_TEMPLATES}/${name}`);
}

/**
 * Whether a path leads to something in a directory. The snapshots in Hugging Face's cache are links into the `blobs`
 * beside them (huggingface_hub `file_download.py`), which are as good.
 */
function staysInside(directory: string, path: string): boolean {
  if (isRemote(path)) return true;
  try {
    const root = Deno.realPathSync(directory);
    const real = Deno.realPathSync(path);
    if (real.startsWith(`${root}/`) || real.startsWith(`${root}\\`)) return true;
    const snapshots = dirname(root);
    return basename(snapshots) === "snapshots" && dirname(real) === join(dirname(snapshots), "blobs");
  } catch {
    return false;
  }
}

/** What to say of the files in a directory that don't go along. */
export function notesOfFilesLeft({ path, files }: Listing, weights: readonly string[]): string[] {
  const read = new Set([
    "config.json",
    GENERATION_CONFIG,
    "model.safetensors.index.json",
    ...TOKENIZER_FILES,
    ...weights.map((path) => basename(path)),
  ]);
  const left = [...files].filter((name) => !name.startsWith(".") && !read.has(name)).sort();
  if (left.length === 0) return [];
  return [`these files of ${path} don't go along: ${someOf(left, 5)}`];
}
