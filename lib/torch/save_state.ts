/** A dict of tensors as `torch.save` writes it: the records around its pickle. */

import type { OutputFile, Overlay, PlannedTensor } from "../copy/plan.ts";
import { trimMemory } from "../copy/memory.ts";
import { layoutArchive, type NewRecord, serializationIdRecord } from "./archive_layout.ts";
import { overlayArchive } from "./archive_overlay.ts";
import {
  type LastPickle,
  type PickledState,
  pickleState,
  type StateDict,
  type Wrapper,
} from "./pickle_state.ts";
import type { Storage } from "../tensor/tensor.ts";
import type { StoredTensors } from "./torch_file.ts";

/** Which records a file has beside its pickle and storages; this differs between versions of torch. */
export interface TorchDialect {
  /** The data of `.format_version` and `.storage_alignment`, where they are written (torch 2.7 and later). */
  readonly formatVersion?: string;
  /** What records are aligned to, in bytes. */
  readonly alignment: number;
  /** Whether there is a `.storage_alignment` record. */
  readonly statesAlignment: boolean;
  /** Whether there is a `byteorder` record (torch 2.1 and later). */
  readonly statesByteOrder: boolean;
  /** Whether there is a `.data/serialization_id` record (torch 2.1 and later). */
  readonly hasSerializationId: boolean;
  /** Whether storages lie in the order of their numbers; before `.format_version` 1 in that of their keys' text. */
  readonly numericOrder: boolean;
  /**
   * The archive's folder where it isn't named after the file: torch calls it `archive` when it writes to a stream,
   * as fairseq2 does from 0.4 on.
   */
  readonly stem?: string;
  /** The first 20 digits of the serialization id, and the number of storages that they stand for. */
  readonly nameDigits?: { readonly digits: string; readonly storages: number };
}

/** The dialect of current torch (2.13). */
export const currentDialect: TorchDialect = {
  formatVersion: "1",
  alignment: 64,
  statesAlignment: true,
  statesByteOrder: true,
  hasSerializationId: true,
  numericOrder: true,
};

function archiveRecords(
  { pickle, storages }: PickledState,
  order: readonly string[],
  dialect: TorchDialect,
): NewRecord[] {
  const text = (name: string, content: string): NewRecord => ({
    name,
    bytes: new TextEncoder().encode(content),
  });
  const records: NewRecord[] = [{ name: "data.pkl", bytes: pickle }];
  if (dialect.formatVersion !== undefined) records.push(text(".format_version", dialect.formatVersion));
  if (dialect.statesAlignment) records.push(text(".storage_alignment", String(dialect.alignment)));
  if (dialect.statesByteOrder) records.push(text("byteorder", "little"));
  for (const key of order) {
    const { view, crc } = storages.get(key)!;
    records.push({ name: `data/${key}`, view, ...(crc === undefined ? {} : { crc }) });
  }
  records.push(text("version", "3\n"));
  if (dialect.hasSerializationId) records.push(serializationIdRecord());
  return records;
}

/** How a dict of tensors is to be saved. */
export interface SaveOptions {
  readonly dialect: TorchDialect;
  /** The file that all tensors come from, where there is one: the output may be laid over it. */
  readonly base?: StoredTensors;
  /** What to save instead of the plain dict, which it is given. */
  readonly wrap?: Wrapper;
  /** The pickle that was written last, to be passed along where several files are laid out. */
  readonly last?: LastPickle;
  /** The tensors for people who look at the plan. */
  readonly tensors?: readonly PlannedTensor[];
}

/**
 * Lays out a dict of tensors as the file that `torch.save` would write.
 *
 * @param name The name of the file; without its last extension it names the archive's folder, as in torch.
 * @param state The tensors by name. Those that share a storage still do.
 */
export function layoutState(name: string, state: StateDict, options: SaveOptions): OutputFile {
  const { base, dialect, wrap, last, tensors = [] } = options;
  trimMemory(); // A plan has a layout for each shard, and leaves much behind in making it.
  const pickled = pickleState(state, (_storage, index) => String(index), wrap, last);
  const order = [...pickled.storages.keys()];
  if (!dialect.numericOrder) order.sort();
  const layout = layoutArchive(archiveRecords(pickled, order, dialect), {
    stem: dialect.stem ?? stemOf(name),
    alignment: dialect.alignment,
    nameDigits: dialect.nameDigits?.storages === order.length ? dialect.nameDigits.digits : "",
  });
  const overlay = base === undefined ? undefined : overlayState(state, base, pickled, options);
  return { name, tensors, ...layout, ...(overlay === undefined ? {} : { overlay }) };
}

/**
 * The state laid over its source: the storages keep the keys that they have there. Mostly these are the ones that they
 * get anew, so that the pickle is the same.
 */
function overlayState(
  state: StateDict,
  base: StoredTensors,
  fresh: PickledState,
  { dialect, wrap, last = {} }: SaveOptions,
): Overlay | undefined {
  const { storages } = fresh;
  if (storages.size !== base.storages.size) return undefined;
  const keys = new Map<Storage, string>();
  for (const { storage, key } of base.storages.values()) keys.set(storage, key);
  for (const storage of storages.values()) if (!keys.has(storage)) return undefined;
  const hasItsKeys = [...storages].every(([key, storage]) => keys.get(storage) === key);
  const pickled = hasItsKeys
    ? fresh
    : pickleState(state, (storage) => keys.get(storage)!, wrap, last.overlay ??= {});
  const inOrder = archiveRecords(pickled, [...base.storages.keys()], dialect);
  return overlayArchive(base, inOrder, dialect.alignment, dialect.nameDigits?.digits ?? "");
}

/** The folder that torch would name an archive's records after: the file's name without its last extension. */
export function stemOf(name: string): string {
  const base = name.slice(name.lastIndexOf("/") + 1);
  const dot = base.lastIndexOf(".");
  return dot > 0 ? base.slice(0, dot) : base;
}
