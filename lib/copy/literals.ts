/** What a plan itself holds of a file, once the checksums are known that it tells of. */

import { viewBytes } from "../bytes/view.ts";
import { crc32 } from "./crc32.ts";
import type { FileLayout, Literal } from "./plan.ts";

/**
 * The literals of a file, with the checksums filled in.
 *
 * @param crcs The CRC-32 of each copy, in the order of `copies`.
 */
export function completeLiterals(
  { copies, literals, digest }: FileLayout,
  crcs: readonly number[],
): readonly Literal[] {
  const fills: Literal[] = [];
  const fillCrc = (places: readonly number[], crc: number) => {
    for (const at of places) fills.push({ at, bytes: Uint8Array.of(crc, crc >>> 8, crc >>> 16, crc >>> 24) });
  };
  copies.forEach(({ crcPlaces = [] }, i) => fillCrc(crcPlaces, crcs[i]!));
  if (digest !== undefined) {
    const copied = crcs.filter((_, i) => viewBytes(copies[i]!.view) > 0).values();
    const hash = hashCrcs(digest.crcs.map((crc) => crc ?? copied.next().value!));
    const bytes = new TextEncoder().encode(digest.prefix + hash);
    fills.push({ at: digest.at, bytes });
    fillCrc(digest.crcPlaces, crc32(bytes));
  }
  if (fills.length === 0) return literals;
  fills.sort((a, b) => a.at - b.at);
  const complete = [...literals];
  let i = 0;
  for (const { at, bytes } of fills) {
    while (complete[i]!.at + complete[i]!.bytes.length <= at) i++;
    const literal = complete[i]!;
    if (literal === literals[i]) complete[i] = { at: literal.at, bytes: literal.bytes.slice() };
    complete[i]!.bytes.set(bytes, at - literal.at);
  }
  return complete;
}

/** torch's hash over CRC-32s (`combined_uncomp_crc32_`: boost's hash_combine), as 20 digits. */
function hashCrcs(crcs: readonly number[]): string {
  let hash = 0n;
  for (const crc of crcs) {
    hash ^= BigInt.asUintN(64, BigInt(crc) + 0x9e3779b9n + (hash << 6n) + (hash >> 2n));
  }
  return hash.toString().padStart(20, "0");
}
