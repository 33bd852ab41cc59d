/**
 * Outputs in S3: what is sent and in which order, what is left after failures, signals and `kill -9`, and how the same
 * command goes on from it. The server is in memory, and checks what it is sent.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ckpt, commandLine, CONVERT, type Run } from "../_ckpt.ts";
import { assertSameTree, Scene } from "../_outcome.ts";
import { FaultProxy, type Faults, firstTimes, type ProxiedRequest, s3Fault } from "./servers/fault_proxy.ts";
import { MemoryS3 } from "./servers/memory_s3.ts";
import { storeEnv } from "./servers/moto.ts";

const MIB = 1024 ** 2;

/** Two shards of three parts each. */
const size = { shards: 2, bytes: 40 * MIB };

/** A checkpoint, a store, and a proxy between. */
class Stage implements AsyncDisposable {
  readonly server = new MemoryS3();
  readonly proxy: FaultProxy;
  readonly scene: Scene;

  private constructor(scene: Scene, faults: Faults) {
    this.scene = scene;
    this.server.makeBucket("team");
    this.proxy = new FaultProxy(this.server.endpoint, faults);
  }

  static async make(faults: Faults = () => undefined): Promise<Stage> {
    return new Stage(await Scene.make(size), faults);
  }

  /** Converts to a URL. */
  convert(options: readonly string[] = [], url = "s3://team/run/hf"): Promise<Run> {
    return ckpt([...CONVERT, ...options, this.scene.input, url], { env: storeEnv(this.proxy.endpoint) });
  }

  /** Starts to convert; the program is killed, or told to stop, when a request comes that is picked. */
  async stopAt(signal: Deno.Signal, picks: (request: ProxiedRequest) => boolean): Promise<Run> {
    const [program, ...args] = commandLine([...CONVERT, this.scene.input, "s3://team/run/hf"]);
    const env = { ...storeEnv(this.proxy.endpoint), NO_COLOR: "1" };
    const options = { args, env, stdin: "null", stdout: "piped", stderr: "piped" } as const;
    const child = new Deno.Command(program!, options).spawn();
    const done = child.output();
    let isRunning = true;
    done.finally(() => isRunning = false);
    while (isRunning && !this.proxy.requests.some(picks)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assert(isRunning, "it ended before");
    child.kill(signal);
    const { code, stdout, stderr } = await done;
    // What it had sent reaches the server all the same.
    do await new Promise((resolve) => setTimeout(resolve, 20)); while (this.proxy.underWay > 0);
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  get keys(): string[] {
    return [...this.server.buckets.get("team")!.keys()].sort();
  }

  /** Asserts that what a local conversion makes is there, and nothing else. */
  assertDone(what: string, prefix = "run/hf/"): void {
    const tree = new Map(
      this.keys.filter((key) => key.startsWith(prefix)).map((key) =>
        [key.slice(prefix.length), this.server.get("team", key)!] as const
      ),
    );
    assertSameTree(tree, this.scene.reference, what);
    assertEquals(this.server.openUploads("team"), [], what);
  }

  /** Asserts that nothing is left. */
  assertNothing(what: string): void {
    assertEquals([this.keys, this.server.openUploads("team")], [[], []], what);
  }

  /** The names of the parts that were sent so far, without those that a fault swallowed. */
  get sentParts(): string[] {
    return this.server.requests.filter((each) => each.startsWith("PUT ") && each.includes("partNumber"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    this.scene[Symbol.dispose]();
  }
}

const isPart = ({ method, path }: ProxiedRequest) => method === "PUT" && path.includes("partNumber");
const isComplete = ({ method, path }: ProxiedRequest) => method === "POST" && path.includes("uploadId");

Deno.test("an output in S3 is sent in parts with checksums, and what others recognise it by comes last", async () => {
  await using stage = await Stage.make();
  const run = await stage.convert(["--json", "--verify"]);
  assertEquals([run.code, stage.server.openUploads("team")], [0, []], run.stderr);
  stage.assertDone("a whole run");
  const { requests } = stage.proxy;
  const parts = requests.filter(isPart);
  assertEquals(
    parts.map(({ bytes }) => bytes > 8 * MIB ? "long" : bytes === 8 * MIB ? "part" : "rest").sort(),
    [
      ...["part", "part", "part", "part", "rest", "rest"],
    ],
  );
  const puts = requests.filter(({ method }) => method === "PUT");
  assert(puts.every(({ headers }) => headers.has("x-amz-checksum-crc32")));
  const seen = requests.flatMap(({ method, path }) =>
    isComplete({ method, path } as ProxiedRequest) || (method === "PUT" && !path.includes("partNumber"))
      ? [path.replace(/.*\/|\?.*/g, "")]
      : []
  );
  assertEquals(seen, ["consolidated.00.pth", "consolidated.01.pth", "params.json"]);
  const lastPart = requests.findLastIndex(isPart);
  assert(requests.findIndex(isComplete) > lastPart, "nothing is seen before all parts are there");
  const { sent } = JSON.parse(run.stdout) as { sent: { requests: number; bytes: number } };
  const bytes = [...stage.scene.reference.values()].reduce((sum, file) => sum + file.length, 0);
  assertEquals(sent.bytes, bytes);
  assert(sent.requests <= requests.length && sent.requests >= 11, `${sent.requests}`);
});

Deno.test("a conversion to S3 that is killed goes on from its parts, and leaves no stray upload", async () => {
  await using stage = await Stage.make();
  let parts = 0;
  await stage.stopAt("SIGKILL", (request) => isPart(request) && ++parts > 3);
  assertEquals(stage.keys, []);
  assert(stage.server.openUploads("team").length > 0);
  const before = stage.sentParts.length;
  assert(before >= 2);
  // Somebody else's upload below the prefix is none of ckpt's business.
  const other = await fetch(`${stage.server.endpoint}/team/run/hf/other?uploads`, { method: "POST" });
  await other.body?.cancel();
  const run = await stage.convert(["--quiet"]);
  assertEquals([run.code, run.stderr], [0, ""]);
  assertEquals(stage.server.openUploads("team"), ["run/hf/other"]);
  stage.server.uploads.get("team")!.clear();
  stage.assertDone("the second run");
  assert(stage.sentParts.length < before + 6, "parts that were there aren't sent again");
});

Deno.test("a conversion to S3 that is killed among its last requests goes on from its objects", async () => {
  await using stage = await Stage.make();
  let completed = 0;
  await stage.stopAt("SIGKILL", (request) => isComplete(request) && ++completed > 1);
  const before = stage.keys.length;
  assert(before >= 1 && before <= 2);
  const run = await stage.convert(["--json"]);
  assertEquals(run.code, 0, run.stderr);
  stage.assertDone("the second run");
  assert((JSON.parse(run.stdout) as { reused: string[] }).reused.length >= 1);
});

Deno.test("Ctrl-C leaves nothing in S3", async () => {
  await using stage = await Stage.make();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    let parts = 0;
    const had = stage.proxy.requests.length;
    const isNew = (request: ProxiedRequest) => stage.proxy.requests.indexOf(request) >= had;
    const run = await stage.stopAt(signal, (request) => isNew(request) && isPart(request) && ++parts > 2);
    assertEquals([run.code, run.stderr], [
      signal === "SIGINT" ? 130 : 143,
      "stopped: nothing was finished\n",
    ]);
    stage.assertNothing(signal);
  }
  assertEquals((await stage.convert(["--quiet"])).code, 0);
  stage.assertDone("afterwards");
});

Deno.test("an output in S3 is refused where something else is, and never overwritten", async () => {
  await using stage = await Stage.make();
  const put = (key: string) =>
    fetch(`${stage.server.endpoint}/team/${key}`, { method: "PUT", body: "theirs" });
  await (await put("run/hf/readme")).body?.cancel();
  await (await put("run/hf2")).body?.cancel();
  const { code, stderr } = await stage.convert();
  const message = "error: s3://team/run/hf: exists already and isn't empty (readme); name a new prefix\n";
  assertEquals([code, stderr], [1, message]);
  stage.server.buckets.get("team")!.delete("run/hf/readme");
  await (await put("run/hf/params.json")).body?.cancel();
  assertEquals((await stage.convert()).stderr, message.replace("readme", "params.json"));
  assertEquals(stage.keys, ["run/hf/params.json", "run/hf2"]);
  stage.server.buckets.get("team")!.delete("run/hf/params.json");
  assertEquals((await stage.convert(["--quiet"])).code, 0);
  // Of the same plan it is done already; of another one it is in the way.
  assertEquals((await stage.convert(["--quiet"])).code, 0);
  assertMatch(
    (await stage.convert(["--dtype", "bfloat16"])).stderr,
    /holds the output of another conversion/,
  );
  stage.assertDone("afterwards");
});

Deno.test("what passes is tried again: 503, 429, 500, connections that are closed", async () => {
  const faults = [s3Fault(503, "SlowDown"), s3Fault(429, "TooManyRequests"), s3Fault(500, "InternalError"), {
    kind: "drop",
  }] as const;
  const counts = new Map<string, number>();
  await using stage = await Stage.make(({ method, path }) => {
    const kind = `${method} ${path.replace(/uploadId=[^&]*/, "")}`;
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return count < 2 ? faults[(counts.size + count) % faults.length] : undefined;
  });
  const run = await stage.convert(["--quiet"]);
  assertEquals([run.code, run.stderr], [0, ""]);
  stage.assertDone("with faults");
});

Deno.test("an answer that is lost when an upload becomes an object isn't taken for a failure", async () => {
  await using stage = await Stage.make(firstTimes(1, { kind: "short", bytes: 10 }, isComplete));
  const run = await stage.convert(["--quiet"]);
  assertEquals([run.code, run.stderr], [0, ""]);
  stage.assertDone("with an answer lost");
});

Deno.test("each failure of a store is one line, and leaves nothing", async () => {
  const failures: readonly (readonly [Faults | string, RegExp])[] = [
    [
      (each) => isPart(each) ? s3Fault(403, "QuotaExceeded") : undefined,
      /pth: the store takes no more \(QuotaExceeded\)/,
    ],
    [
      (each) => isPart(each) ? s3Fault(400, "ExpiredToken") : undefined,
      /pth: the credentials are expired \(ExpiredToken\)/,
    ],
    [
      (each) => isPart(each) ? s3Fault(503, "SlowDown") : undefined,
      /pth: the store gives an error \(HTTP 503, SlowDown/,
    ],
    [() => s3Fault(403, "InvalidAccessKeyId"), /hf: the store doesn't know the credentials/],
    [() => s3Fault(301, "PermanentRedirect"), /hf: the bucket is in another region/],
    ["s3:PutObject", /pth: permission denied: the credentials need s3:PutObject/],
    ["s3:ListBucket", /hf: permission denied: the credentials need s3:ListBucket/],
  ];
  for (const [failure, message] of failures) {
    await using stage = await Stage.make(typeof failure === "string" ? undefined : failure);
    if (typeof failure === "string") stage.server.denied.add(failure);
    const { code, stderr } = await stage.convert(["--quiet"]);
    assertEquals(code, 1);
    assertMatch(stderr, message);
    assertEquals(stderr.trimEnd().split("\n").length, 1, stderr);
    stage.assertNothing(stderr);
  }
  await using stage = await Stage.make();
  assertMatch(
    (await stage.convert([], "s3://none/x")).stderr,
    /^error: s3:\/\/none\/x: there is no bucket none/,
  );
  assertMatch((await stage.convert([], "s3://")).stderr, /^error: s3:\/\/: names no bucket/);
  assertMatch(
    (await stage.convert([], "hf://org/name")).stderr,
    /^error: hf:\/\/org\/name: can't be written/,
  );
});

Deno.test("a failure after something is seen says what is left, and the same command goes on", async () => {
  let isBroken = true;
  await using stage = await Stage.make((each) =>
    isBroken && each.method === "PUT" && each.path.includes("params.json")
      ? s3Fault(403, "AccessDenied")
      : undefined
  );
  const { code, stderr } = await stage.convert(["--quiet"]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /2 of its objects are there already: run the same command again to go on, or remove them, as by aws s3 rm --recursive s3:\/\/team\/run\/hf\/\n$/,
  );
  assertEquals([stage.keys.length, stage.server.openUploads("team")], [2, []]);
  isBroken = false;
  assertEquals((await stage.convert(["--quiet"])).code, 0);
  stage.assertDone("afterwards");
});

Deno.test("tasks share the files of an output in S3, and the last one makes it whole", async () => {
  await using stage = await Stage.make();
  const first = await stage.convert(["--json", "--task", "1/3"]);
  assertEquals(first.code, 0, first.stderr);
  assertEquals((JSON.parse(first.stdout) as { complete: boolean }).complete, false);
  assertEquals(stage.keys, ["run/hf/consolidated.00.pth"]);
  const third = await stage.convert(["--json", "--task", "3/3"]);
  assertEquals((JSON.parse(third.stdout) as { complete: boolean }).complete, false, third.stderr);
  const second = await stage.convert(["--json", "--task", "2/3"]);
  assertEquals((JSON.parse(second.stdout) as { complete: boolean }).complete, true, second.stderr);
  stage.assertDone("all tasks");
  const late = await stage.convert(["--json", "--task", "1/3"]);
  assertEquals((JSON.parse(late.stdout) as { reused: string[] }).reused.length, 3, late.stderr);
  assertMatch((await stage.convert(["--task", "1/3", "--restart"])).stderr, /^error: Cannot begin anew/);
});

Deno.test("--restart writes over what an earlier run left in S3", async () => {
  await using stage = await Stage.make();
  let parts = 0;
  await stage.stopAt("SIGKILL", (request) => isPart(request) && ++parts > 3);
  const before = stage.sentParts.length;
  const run = await stage.convert(["--quiet", "--restart"]);
  assertEquals([run.code, run.stderr], [0, ""]);
  stage.assertDone("anew");
  assertEquals(stage.sentParts.length, before + 6);
});

Deno.test("a dry run to S3 says what would be sent, and sends nothing", async () => {
  await using stage = await Stage.make();
  const run = await stage.convert(["--dry-run"]);
  assertEquals(run.code, 0, run.stderr);
  assertMatch(run.stdout, /s3:\/\/team\/run\/hf\/consolidated\.00\.pth {2}21\.\d MB in 3 parts/);
  assertMatch(run.stdout, /s3:\/\/team\/run\/hf\/params\.json/);
  assert(stage.proxy.requests.every(({ method }) => method === "GET"));
  stage.assertNothing("a dry run");
});

Deno.test("ckpt needs no more than what docs/remote.md says to write to a store", async () => {
  await using stage = await Stage.make();
  const { host } = new URL(stage.proxy.endpoint);
  const needed = [
    "--allow-env=AWS_*,HOME,USERPROFILE,HOMEPATH,HOMEDRIVE,_X_AMZN_TRACE_ID",
    "--allow-sys=osRelease",
    `--allow-net=${host}`,
    "--allow-read",
  ];
  const run = (permissions: readonly string[]) =>
    ckpt([...CONVERT, "--quiet", stage.scene.input, "s3://team/run/hf"], {
      env: storeEnv(stage.proxy.endpoint),
      permissions,
    });
  for (const [i, what] of [/--allow-env=AWS_\*,/, /--allow-sys=osRelease/, /--allow-net=/].entries()) {
    const { code, stderr } = await run(needed.filter((_, each) => each !== i));
    assertEquals(code, 1);
    assertMatch(stderr, what);
    stage.assertNothing(needed[i]!);
  }
  const { code, stderr } = await run(needed);
  assertEquals([code, stderr], [0, ""]);
  stage.assertDone("with few permissions");
});
