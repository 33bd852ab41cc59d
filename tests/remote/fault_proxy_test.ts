import { assert, assertEquals, assertRejects } from "@std/assert";
import { FaultProxy, type Faults, firstTimes, s3Fault } from "./servers/fault_proxy.ts";
import { MemoryS3 } from "./servers/memory_s3.ts";

/** What a client gets of an object with the bytes 0 to 99 through a proxy. */
async function ask<T>(faults: Faults, look: (proxy: FaultProxy, url: string) => Promise<T>): Promise<T> {
  await using server = new MemoryS3();
  server.makeBucket("b");
  const body = Uint8Array.from({ length: 100 }, (_, i) => i);
  await (await fetch(`${server.endpoint}/b/key`, { method: "PUT", body })).body?.cancel();
  await using proxy = new FaultProxy(server.endpoint, faults);
  return await look(proxy, `${proxy.endpoint}/b/key`);
}

const range = { headers: { range: "bytes=10-19" } };

Deno.test("FaultProxy passes on what doesn't fail, and notes it", async () => {
  await ask(() => undefined, async (proxy, url) => {
    const answer = await fetch(url, range);
    assertEquals(answer.status, 206);
    assertEquals(answer.headers.get("content-range"), "bytes 10-19/100");
    assertEquals([...await answer.bytes()], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    const head = await fetch(url, { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), "100");
    assertEquals(proxy.requests.map(({ method, path }) => [method, path]), [["GET", "/b/key"], [
      "HEAD",
      "/b/key",
    ]]);
    assertEquals(proxy.requests[0]!.headers.get("range"), "bytes=10-19");
  });
});

Deno.test("FaultProxy fails as it is told: statuses, ETags, ranges that are ignored", async () => {
  await ask(firstTimes(1, s3Fault(503, "SlowDown"), () => true), async (_, url) => {
    const answer = await fetch(url);
    assertEquals(answer.status, 503);
    assert((await answer.text()).includes("<Code>SlowDown</Code>"));
    assertEquals((await (await fetch(url)).bytes()).length, 100);
  });
  await ask(() => ({ kind: "etag", etag: '"other"' }), async (_, url) => {
    const answer = await fetch(url);
    assertEquals(answer.headers.get("etag"), '"other"');
    assertEquals((await answer.bytes()).length, 100);
  });
  await ask(() => ({ kind: "whole" }), async (_, url) => {
    const answer = await fetch(url, range);
    assertEquals([answer.status, (await answer.bytes()).length], [200, 100]);
  });
  await ask(() => ({ kind: "slow", pieceBytes: 30, pauseMs: 1 }), async (_, url) => {
    assertEquals((await (await fetch(url)).bytes()).length, 100);
  });
});

Deno.test("FaultProxy closes connections, before an answer and in the middle of one", async () => {
  await ask(() => ({ kind: "drop" }), async (_, url) => {
    await assertRejects(() => fetch(url), TypeError);
  });
  await ask(() => ({ kind: "short", bytes: 40 }), async (_, url) => {
    const answer = await fetch(url);
    assertEquals(answer.headers.get("content-length"), "100");
    await assertRejects(() => answer.bytes());
  });
});

Deno.test("FaultProxy may never answer", async () => {
  await ask(() => ({ kind: "silence" }), async (_, url) => {
    await assertRejects(() => fetch(url, { signal: AbortSignal.timeout(50) }), DOMException);
  });
});
