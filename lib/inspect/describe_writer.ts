/**
 * Which version of torch wrote a file, as far as its records tell.
 *
 * @module
 */

import type { Archive } from "../torch/archive.ts";

/**
 * Describes who wrote a torch file, for people. Only the names of its records are looked at.
 *
 * torch 2.1 added `byteorder` and `.data/serialization_id`, 2.7 `.format_version` and `.storage_alignment`.
 *
 * @param archive The file's archive.
 * @returns Some words.
 */
export function describeWriter({ isLegacy, records }: Archive): string {
  if (isLegacy) return "torch, legacy format (before 1.6)";
  if (records.has(".format_version") || records.has(".storage_alignment")) {
    return "torch zip, torch 2.7 or later";
  }
  if (records.has("byteorder")) return "torch zip, torch 2.1 to 2.6";
  return "torch zip, torch 1.6 to 2.0";
}
