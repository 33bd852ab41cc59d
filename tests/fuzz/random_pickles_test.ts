/**
 * Random plain data, pickled by CPython at every protocol, reads the same here.
 *
 * `CKPT_FUZZ=N` tries N values instead of a few. Any Python 3.11 will do: it needs no torch.
 */

import { assertEquals } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { readPickle } from "../../lib/pickle/mod.ts";
import { assertDescribed, type Description } from "../pickle/described.ts";
import { python } from "../_python.ts";

const VALUES = Number(Deno.env.get("CKPT_FUZZ") ?? 300);

Deno.test({
  name: "readPickle() reads random data that CPython pickles, at every protocol (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    const child = new Deno.Command(python()!, {
      args: [join(import.meta.dirname!, "random_pickles.py"), String(VALUES), "1"],
      env: { PYTHONDONTWRITEBYTECODE: "1" },
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let values = 0;
    let pickles = 0;
    for await (const line of lines(child.stdout)) {
      for (const [description, hex] of JSON.parse(line) as [Description, string[]][]) {
        for (const each of hex) {
          assertDescribed(readPickle(Uint8Array.fromHex(each)), description);
          pickles++;
        }
      }
      values++;
    }
    assertEquals((await child.status).success, true);
    assertEquals([values, pickles], [VALUES, 12 * VALUES]);
  },
});

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream())) {
    const split = (rest + part).split("\n");
    rest = split.pop()!;
    yield* split;
  }
  if (rest !== "") yield rest;
}
