import type { Storage } from "../tensor/tensor.ts";

/** A storage record of a file. */
export interface StoredStorage {
  /** The key: the record is `data/<key>`. */
  readonly key: string;
  /** Where the record's local header starts, or in a legacy file the number of items, in bytes. */
  readonly headerAt: number;
  /** The length of the storage in bytes. */
  readonly size: number;
  /** The storage. */
  readonly storage: Storage;
}
