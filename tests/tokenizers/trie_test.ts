import { assertEquals } from "@std/assert";
import { ByteTrie, hashOf } from "../../lib/tokenizers/trie.ts";

function insert(trie: ByteTrie, key: string, value: number): void {
  let node = trie.root;
  for (const character of key) node = trie.childOrNew(node, character.charCodeAt(0));
  trie.setValue(node, value);
}

/** The value of each prefix of a text, the empty one included. */
function prefixes(trie: ByteTrie, text: string): number[] {
  const values = [trie.value(trie.root)];
  let node = trie.root;
  for (const character of text) {
    node = trie.child(node, character.charCodeAt(0));
    values.push(trie.value(node));
  }
  return values;
}

Deno.test("ByteTrie.child() finds the keys that a text begins with", () => {
  const trie = new ByteTrie();
  insert(trie, "a", 7);
  insert(trie, "abc", 0);
  insert(trie, "\x00\xff", 3);
  assertEquals(prefixes(trie, "abcd"), [-1, 7, -1, 0, -1]);
  assertEquals(prefixes(trie, "\x00\xff\x00"), [-1, -1, 3, -1]);
  assertEquals(prefixes(trie, "b"), [-1, -1]);
});

Deno.test("ByteTrie.child() stays nowhere once it is there", () => {
  const trie = new ByteTrie();
  insert(trie, "ab", 1);
  assertEquals(prefixes(trie, "xab"), [-1, -1, -1, -1]);
});

Deno.test("ByteTrie.setValue() replaces a value", () => {
  const trie = new ByteTrie();
  insert(trie, "ab", 1);
  insert(trie, "ab", 5);
  assertEquals(prefixes(trie, "ab"), [-1, -1, 5]);
});

Deno.test("ByteTrie.childOrNew() grows past the room that there was at first", () => {
  const keys = Array.from({ length: 5000 }, (_, index) => `${index * 7919}`);
  for (const room of [1, 2, 1000]) {
    const trie = new ByteTrie(room);
    for (const [index, key] of keys.entries()) insert(trie, key, index);
    for (const [index, key] of keys.entries()) assertEquals(prefixes(trie, key).at(-1), index);
  }
});

Deno.test("hashOf() gives nodes and bytes that lie side by side other places with every seed", () => {
  // For each node the byte that brings it to the front of a table whose hash has no seed.
  const chosen = Array.from({ length: 5000 }, (_, node) => {
    const keys = Array.from({ length: 0x100 }, (_, byte) => 0x100 * (node + 1) + byte);
    return keys.reduce((best, key) => hashOf(key, 1) < hashOf(best, 1) ? key : best);
  });
  const inFront = (seed: number) => chosen.filter((key) => hashOf(key, seed) < 2 ** 25).length;
  assertEquals(inFront(1) > 3000, true);
  for (const seed of [0, 2, 0x80000001, 0x12345678]) assertEquals(inFront(seed) < 200, true);
});
