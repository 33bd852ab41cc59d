import { assertEquals } from "@std/assert";
import { openHttpSource } from "../../lib/bytes/http_source.ts";
import { CancelledError, FileError } from "../../lib/error.ts";
import { TempDir } from "../_temp.ts";
import { type Answer, WebServer } from "../_web_server.ts";
import { assertFailsAsync } from "../copy/_assert.ts";

const size = 100_000;
const content = Uint8Array.from({ length: size }, (_, i) => (i * 31) & 0xff);

/** A server with one file. */
function serve(temp: TempDir, answer?: Answer): WebServer {
  Deno.writeFileSync(temp.at("x.bin"), content);
  return new WebServer(temp.path, answer);
}

Deno.test("openHttpSource() asks for the size, and then for what is read", async () => {
  using temp = new TempDir();
  await using server = serve(temp);
  const source = await openHttpSource(new URL(server.url("x.bin")));
  assertEquals([source.path, source.size, server.bytes], [server.url("x.bin"), size, 1]);
  assertEquals(await source.read(5000, 100), content.slice(5000, 5100));
  assertEquals(await source.read(6000, 10), content.slice(6000, 6010));
  assertEquals(await source.read(size - 3, 3), content.slice(-3));
  assertEquals(await source.read(0, 0), new Uint8Array());
  assertEquals(server.requests.map(({ method, range }) => `${method} ${range}`), [
    "GET bytes=0-0",
    "GET bytes=4096-8191",
    "GET bytes=98304-99999",
  ]);
  await assertFailsAsync(
    () => source.read(size - 3, 4),
    FileError,
    `${server.url("x.bin")}: can't read 4 bytes at ${size - 3}: the file has ${size}`,
  );
});

Deno.test("openHttpSource() keeps what may be a secret out of messages, but asks with it", async () => {
  using temp = new TempDir();
  const seen: string[] = [];
  await using server = serve(temp, (request) => {
    seen.push(new URL(request.url).search);
    return undefined;
  });
  const source = await openHttpSource(new URL(server.url("x.bin?signature=s#part")));
  await source.read(0, 1);
  assertEquals([source.path, seen], [server.url("x.bin"), ["?signature=s", "?signature=s"]]);
});

/** How servers answer without end, and what is said of them. */
const endless: readonly (readonly [what: string, init: ResponseInit, message: string])[] = [
  [
    "without ranges",
    {},
    "the server gives the file only as a whole, no ranges of it (HTTP 200); download it and name the file",
  ],
  [
    "that gives more than the range",
    { status: 206, headers: { "content-range": `bytes 0-0/${size}` } },
    "the server gives more than it was asked for; download it and name the file",
  ],
];

for (const [what, init, message] of endless) {
  Deno.test(`openHttpSource() never downloads the file of a server ${what}`, async () => {
    using temp = new TempDir();
    let sent = 0;
    await using server = serve(temp, () => {
      // Without end, unless nobody reads on.
      const body = new ReadableStream({
        async pull(controller) {
          controller.enqueue(new Uint8Array(65536));
          sent += 65536;
          await new Promise((resolve) => setTimeout(resolve, 1));
        },
      });
      return new Response(body, init);
    });
    const url = server.url("x.bin");
    await assertFailsAsync(() => openHttpSource(new URL(url)), FileError, `${url}: ${message}`);
    assertEquals([server.requests.length, sent < 100 * 65536], [1, true]);
  });
}

/** Answers, and what is said of them. */
const refused: readonly (readonly [what: string, answer: Answer, message: string])[] = [
  [
    "404",
    () => new Response("no", { status: 404 }),
    "the server has no such file (HTTP 404); check the address",
  ],
  [
    "410",
    () => new Response("no", { status: 410 }),
    "the server has no such file (HTTP 410); check the address",
  ],
  [
    "401",
    () => new Response("no", { status: 401 }),
    "the server doesn't give it to everyone (HTTP 401); download it and name the file",
  ],
  [
    "403",
    () => new Response("no", { status: 403 }),
    "the server doesn't give it to everyone (HTTP 403); download it and name the file",
  ],
  ["416", () => new Response(null, { status: 416 }), "the file is empty (HTTP 416)"],
  ["500", () => new Response("no", { status: 500 }), "the server gives an error (HTTP 500); try again later"],
  ["204", () => new Response(null, { status: 204 }), "the server gives an error (HTTP 204); try again later"],
  [
    "a redirect to nowhere",
    () => new Response(null, { status: 302 }),
    "the server gives an error (HTTP 302); try again later",
  ],
  [
    "a redirect to a file",
    () => new Response(null, { status: 302, headers: { location: "file:///etc/passwd" } }),
    "the server redirects to an address that isn't followed",
  ],
  [
    "redirects without end",
    (request) => new Response(null, { status: 307, headers: { location: `${request.url}x` } }),
    "the server redirects more than 10 times",
  ],
  [
    "more than was asked for",
    (_, file) => new Response(file, { status: 206, headers: { "content-range": `bytes 0-0/${size}` } }),
    "the server gives more than it was asked for; download it and name the file",
  ],
  [
    "a file of unknown length",
    ({ method }) =>
      method === "HEAD"
        ? new Response(null, { headers: { "content-encoding": "gzip" } })
        : new Response("x", { status: 206, headers: { "content-range": "bytes 0-0/*" } }),
    "the server doesn't say how long the file is; download it and name the file",
  ],
];

for (const [what, answer, message] of refused) {
  Deno.test(`openHttpSource() refuses ${what}`, async () => {
    using temp = new TempDir();
    await using server = serve(temp, answer);
    const url = server.url("x.bin");
    await assertFailsAsync(() => openHttpSource(new URL(url)), FileError, `${url}: ${message}`);
  });
}

Deno.test("openHttpSource() notices a file that changes, and answers that are other ranges", async () => {
  using temp = new TempDir();
  let change: (start: number) => Response | undefined = () => undefined;
  await using server = serve(temp, ({ headers }) => {
    const [start] = /\d+/.exec(headers.get("range")!)!;
    return change(Number(start));
  });
  const url = server.url("x.bin");
  const source = await openHttpSource(new URL(url));
  const answer = (range: string, etag: string, bytes = 4096) => () =>
    new Response(new Uint8Array(bytes), { status: 206, headers: { "content-range": range, etag } });
  for (
    const [why, response] of [
      ["another tag", answer(`bytes 0-4095/${size}`, '"2"')],
      ["another size", answer("bytes 0-4095/99999", '"1"')],
      ["another range", answer(`bytes 4096-8191/${size}`, '"1"')],
      ["too little", answer(`bytes 0-4095/${size}`, '"1"', 4095)],
    ] as const
  ) {
    change = response;
    const message = await source.read(0, 1).then(() => "read", (error) => {
      assertEquals(error instanceof FileError, true);
      return (error as Error).message;
    });
    assertEquals(message.startsWith(`${url}: can't read it: `), true, `${why}: ${message}`);
  }
  change = () => undefined;
  assertEquals(await source.read(0, 4), content.slice(0, 4));
});

Deno.test("openHttpSource() follows redirects once, and asks about each host", async () => {
  using temp = new TempDir();
  await using target = serve(temp);
  await using server = new WebServer(
    temp.path,
    () => new Response(null, { status: 302, headers: { location: target.url("x.bin?token") } }),
  );
  const hosts: string[] = [];
  const onHost = (url: URL) => {
    hosts.push(url.host);
    return Promise.resolve();
  };
  const source = await openHttpSource(new URL(server.url("x.bin")), { onHost });
  assertEquals(await source.read(9000, 5), content.slice(9000, 9005));
  assertEquals(await source.read(90000, 5), content.slice(90000, 90005));
  assertEquals([source.path, hosts], [server.url("x.bin"), [server.host, target.host]]);
  assertEquals([server.requests.length, target.requests.length], [1, 3]);
});

Deno.test("openHttpSource() asks no host that is refused", async () => {
  using temp = new TempDir();
  await using server = serve(temp);
  const onHost = () => Promise.reject(new FileError("refused"));
  await assertFailsAsync(
    () => openHttpSource(new URL(server.url("x.bin")), { onHost }),
    FileError,
    "refused",
  );
  assertEquals(server.requests, []);
});

Deno.test("openHttpSource() says that a server can't be reached", async () => {
  using temp = new TempDir();
  const server = serve(temp);
  const url = server.url("x.bin");
  await server[Symbol.asyncDispose]();
  await assertFailsAsync(
    () => openHttpSource(new URL(url)),
    FileError,
    `${url}: can't reach the server; check the address and the network`,
  );
});

Deno.test("openHttpSource() can be cancelled", async () => {
  using temp = new TempDir();
  const controller = new AbortController();
  await using server = serve(temp, () => {
    controller.abort();
    return undefined;
  });
  await assertFailsAsync(
    () => openHttpSource(new URL(server.url("x.bin")), { signal: controller.signal }),
    CancelledError,
    "Cancelled",
  );
});

Deno.test("openHttpSource() follows no redirect from https to http", async () => {
  // In the place of servers with certificates that this machine would have to trust.
  const { fetch } = globalThis;
  const asked: string[] = [];
  const locations: Record<string, string> = {
    "https://a.example/x.bin": "https://b.example/x.bin",
    "https://b.example/x.bin": "http://c.example/x.bin",
    "http://c.example/x.bin": "https://d.example/x.bin",
  };
  globalThis.fetch = (input) => {
    const url = String(input);
    asked.push(url);
    const location = locations[url];
    return Promise.resolve(
      location === undefined
        ? new Response(content.slice(0, 1), {
          status: 206,
          headers: { "content-range": `bytes 0-0/${size}`, etag: '"1"' },
        })
        : new Response(null, { status: 302, headers: { location } }),
    );
  };
  try {
    await assertFailsAsync(
      () => openHttpSource(new URL("https://a.example/x.bin")),
      FileError,
      "https://a.example/x.bin: the server redirects to an address that isn't followed",
    );
    assertEquals(asked.splice(0), ["https://a.example/x.bin", "https://b.example/x.bin"]);
    assertEquals((await openHttpSource(new URL("http://c.example/x.bin"))).size, size);
    assertEquals(asked, ["http://c.example/x.bin", "https://d.example/x.bin"]);
  } finally {
    globalThis.fetch = fetch;
  }
});
