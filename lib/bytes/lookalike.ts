/** What lies under a file's name in place of it, by how it begins. */
const LOOKALIKES: readonly (readonly [RegExp, string])[] = [
  [/^version https:\/\/git-lfs/, "is a Git LFS pointer, not the file itself; fetch it with git lfs pull"],
  [/^\s*<(?:!doctype|html|head|body|\?xml)/i, "is a web page, not the file itself; download it again"],
];

/** What a file is that was fetched in the wrong way, and what to do; `undefined` where it may be the file itself. */
export function lookalike(start: Uint8Array): string | undefined {
  const head = String.fromCharCode(...start.subarray(0, 128));
  return LOOKALIKES.find(([pattern]) => pattern.test(head))?.[1];
}
