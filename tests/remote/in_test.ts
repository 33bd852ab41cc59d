/** Checkpoints that lie elsewhere: what is made of them is what is made of the same files here. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { convertCheckpoint } from "../../lib/convert/convert_checkpoint.ts";
import type { Target } from "../../lib/convert/target.ts";
import { dirname, join } from "../../lib/deps.ts";
import { traffic } from "../../lib/bytes/remote.ts";
import { FileError } from "../../lib/error.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { cases, expectedOf, stepOf } from "../convert/_layouts.ts";
import { snapshot, TempDir } from "../_temp.ts";
import { FaultProxy, type Faults, firstTimes } from "./servers/fault_proxy.ts";
import { Hub } from "./servers/hub.ts";
import { Moto, remotePython } from "./servers/moto.ts";

/** What others saved for transformers. */
const HF = expectedOf("fairseq2-0.8.1/llama3_bf16", "hf");

function filesIn(directory: string): Map<string, Uint8Array<ArrayBuffer>> {
  return new Map([...snapshot(directory)].map(([name, text]) => [name, Uint8Array.fromBase64(text)]));
}

/** Sets variables of the environment for as long as it is in use. */
class Environment implements Disposable {
  readonly #before: [string, string | undefined][];

  constructor(variables: Readonly<Record<string, string>>) {
    this.#before = Object.keys(variables).map((name) => [name, Deno.env.get(name)]);
    for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  }

  [Symbol.dispose](): void {
    for (const [name, value] of this.#before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
}

/** Converts a directory, and gives the bytes of what was made. */
async function converted(
  input: string,
  to: Target,
  more: { tokenizer?: false } = {},
): Promise<Map<string, string>> {
  using temp = new TempDir();
  await convertCheckpoint({ input, output: temp.at("out"), to, ...more });
  return snapshot(temp.at("out"));
}

/** A hub with what transformers saved, perhaps behind a proxy that fails. */
function hubOf(options: { gated?: boolean; private?: boolean } = {}, tokens: string[] = []): Hub {
  const files = filesIn(HF);
  for (const [name, content] of filesIn(HF)) files.set(`deep/er/${name}`, content);
  return new Hub(
    { "org/m": { files, commit: "c".repeat(40), revisions: ["main", "v1"], ...options } },
    tokens,
    3,
  );
}

Deno.test("hf:// is converted, compared, verified and inspected as the same files here", async () => {
  await using hub = hubOf();
  using _ = new Environment({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: "" });
  for (const to of ["reference", "fairseq2", "huggingface"] as const) {
    assertEquals(await converted("hf://org/m@v1/deep/er", to), await converted(HF, to), to);
  }
  using temp = new TempDir();
  hub.requests.length = hub.storageRequests.length = 0;
  const { received } = await convertCheckpoint({
    input: "hf://org/m",
    output: temp.at("out"),
    to: "reference",
  });
  // A request that leads to another host is one more.
  assertEquals(received!.requests, hub.requests.length + hub.storageRequests.length);
  assert(received!.bytes > Deno.statSync(join(HF, "model.safetensors")).size);
  const { equal, tensors } = await compareCheckpoints("hf://org/m", HF);
  assert(equal && tensors > 20);
  const here = await verifyCheckpoint(HF, { sums: "tensors" });
  const there = await verifyCheckpoint("hf://org/m/deep/er/", { sums: "tensors" });
  assertEquals(
    there.files.map(({ tensorSums, sha256 }) => [tensorSums, sha256]),
    here.files.map(({ tensorSums, sha256 }) => [tensorSums, sha256]),
  );
  assertEquals(there.model, { ...here.model, notes: there.model!.notes });
  const { notes: _there, ...seen } = await inspect("hf://org/m/deep/er");
  const { notes: _here, ...local } = await inspect(HF);
  assertEquals(seen, local);
});

/** A file of safetensors whose numbers are all zero. */
function zeros(shapes: ReadonlyMap<string, readonly number[]>): Uint8Array<ArrayBuffer> {
  let end = 0;
  const header = JSON.stringify(Object.fromEntries(
    [...shapes].map(([name, shape]) => {
      const begin = end;
      end += 2 * shape.reduce((product, size) => product * size, 1);
      return [name, { dtype: "BF16", shape, data_offsets: [begin, end] }];
    }),
  ));
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  const file = new Uint8Array(8 + text.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

Deno.test("inspect() of hf:// asks for the list, the texts, and the start of each file once", async () => {
  const [layers, parts, dim, width] = [80, 5, 128, 256];
  const shapes = Array.from({ length: parts }, () => new Map<string, readonly number[]>());
  for (let layer = 0; layer < layers; layer++) {
    const at = shapes[Math.floor(layer * parts / layers)]!;
    const add = (name: string, ...shape: number[]) => at.set(`model.layers.${layer}.${name}.weight`, shape);
    for (const each of ["q", "k", "v", "o"]) add(`self_attn.${each}_proj`, dim, dim);
    for (const each of ["gate", "up"]) add(`mlp.${each}_proj`, width, dim);
    add("mlp.down_proj", dim, width);
    for (const each of ["input", "post_attention"]) add(`${each}_layernorm`, dim);
  }
  for (const name of ["model.embed_tokens", "lm_head"]) shapes[0]!.set(`${name}.weight`, [256, dim]);
  shapes[0]!.set("model.norm.weight", [dim]);
  const nameOf = (part: number) => `model-0000${part + 1}-of-0000${parts}.safetensors`;
  const index = shapes.flatMap((part, i) => [...part.keys()].map((name) => [name, nameOf(i)]));
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const config = {
    ...JSON.parse(Deno.readTextFileSync(join(HF, "config.json"))),
    ...{ num_hidden_layers: layers, hidden_size: dim, intermediate_size: width, vocab_size: 256 },
    ...{ num_attention_heads: 8, num_key_value_heads: 8, head_dim: dim / 8 },
  };
  const files = new Map([
    ["config.json", json(config)],
    ["model.safetensors.index.json", json({ metadata: {}, weight_map: Object.fromEntries(index) })],
    ...shapes.map((part, i) => [nameOf(i), zeros(part)] as const),
  ]);
  await using hub = new Hub({ "org/m": { files, commit: "c".repeat(40) } });
  using _ = new Environment({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: "" });
  const before = { ...traffic };
  const { tensors, layout } = await inspect("hf://org/m");
  assertEquals([tensors.length, layout], [layers * 9 + 3, "huggingface"]);
  // Commit, list; config and index, and each part: the hub says where they are, and another host has them.
  assertEquals([hub.requests.length, hub.storageRequests.length], [2 + 2 + parts, 2 + parts]);
  const size = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  assert(size > 20e6 && traffic.bytesRead - before.bytesRead < 1e6);
});

Deno.test("hf:// tells its token to the hub alone, and says who may read a model and where to ask", async () => {
  await using hub = hubOf({ gated: true }, ["hf_in"]);
  using _ = new Environment({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: "hf_in" });
  await inspect("hf://org/m");
  assert(hub.storageRequests.length > 0);
  assert(hub.storageRequests.every(({ headers }) => !headers.has("authorization")));
  assert(hub.requests.every(({ headers }) => headers.get("authorization") === "Bearer hf_in"));
  const failure = async (path: string, token: string) => {
    using _ = new Environment({ HF_TOKEN: token });
    return (await assertRejects(() => inspect(path), FileError)).message;
  };
  const page = `${hub.endpoint}/org/m`;
  assertEquals(
    await failure("hf://org/m", ""),
    `hf://org/m/model.safetensors: the model is gated; ask for access on ${page}, and set HF_TOKEN to a token of yours (HTTP 401)`,
  );
  assertEquals(
    await failure("hf://org/m", "hf_out"),
    `hf://org/m/model.safetensors: the model is gated, and who HF_TOKEN belongs to isn't let in; ask for access on ${page} (HTTP 403)`,
  );
  assertEquals(
    await failure("hf://org/m@v2", "hf_in"),
    `hf://org/m@v2: the repository has no revision v2; see ${page}/commits/main (HTTP 404)`,
  );
  assertEquals(
    await failure("hf://org/none", ""),
    "hf://org/none: the hub knows no such model, or it is private; check the name, and set HF_TOKEN for one of yours (HTTP 401)",
  );
  assertEquals(
    await failure("hf://org/m/none", "hf_in"),
    "hf://org/m/none: no such file or directory; check the path",
  );
  assertEquals(
    await failure("hf://m", ""),
    "hf://m: names no repository; write hf://organisation/name, or hf://organisation/name@revision",
  );
});

/** Inspects and converts through a proxy in front of the host that has the large files. */
async function throughFaults(faults: Faults): Promise<FaultProxy> {
  await using hub = hubOf();
  await using proxy = new FaultProxy(`http://${hub.storageHost}`, faults);
  using _ = new Environment({ HF_ENDPOINT: hub.endpoint, HF_TOKEN: "" });
  hub.storageHost = new URL(proxy.endpoint).host;
  assertEquals(await converted("hf://org/m", "reference"), await converted(HF, "reference"));
  return proxy;
}

const fails = (status: number, headers = {}) =>
  firstTimes(2, { kind: "status", status, headers }, () => true);

for (
  const [what, faults] of Object.entries<Faults>({
    "drops connections": firstTimes(2, { kind: "drop" }, () => true),
    "hangs up in the middle": firstTimes(2, { kind: "short", bytes: 100 }, () => true),
    "has had too much (429)": fails(429, { "retry-after": "1" }),
    "fails (500)": fails(500),
    "is busy (503)": fails(503),
    "sends byte by byte": firstTimes(1, { kind: "slow", pieceBytes: 4000, pauseMs: 5 }, () => true),
  })
) {
  Deno.test(`a host that ${what} is asked again, and the result is the same`, async () => {
    await throughFaults(faults);
  });
}

Deno.test("a host that never gives what it should is left, with what is wrong", async () => {
  const refused = async (faults: Faults) =>
    (await assertRejects(() => throughFaults(faults), FileError)).message.replaceAll(
      /127\.0\.0\.1:\d+/g,
      "host",
    );
  assertEquals(
    await refused(() => ({ kind: "whole" })),
    "hf://org/m/config.json: the server gives the file only as a whole, no ranges of it; download it and name the file",
  );
  const changes: Faults = (_request, count) => ({ kind: "etag", etag: `"${count}"` });
  assertEquals(
    await refused(changes),
    "hf://org/m/model.safetensors: the file changed while it was read; wait until its writer is done, then run this again",
  );
  assertEquals(
    await refused(() => ({ kind: "status", status: 404 })),
    "hf://org/m/config.json: the server has no such file or directory; check the address (HTTP 404)",
  );
});

Deno.test("https:// is a directory where a page lists it, or a file", async () => {
  const files = filesIn(HF);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const name = new URL(request.url).pathname.slice("/dir/".length);
    if (name === "") {
      const links = [...files.keys(), "../up", "https://other.example/x", "?sort=name", "sub/"];
      const page = links.map((link) => `<a href="${link}">${link}</a>`).join("\n");
      return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    }
    const file = files.get(name);
    if (file === undefined) return new Response("none", { status: 404 });
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    if (request.method === "HEAD") {
      return new Response(null, { headers: { "content-length": String(file.length) } });
    }
    if (start === undefined) return new Response(file);
    const part = file.slice(Number(start), Number(end) + 1);
    return new Response(part, {
      status: 206,
      headers: { "content-range": `bytes ${start}-${Number(start) + part.length - 1}/${file.length}` },
    });
  });
  const url = `http://127.0.0.1:${server.addr.port}/dir`;
  assertEquals(await converted(`${url}/`, "reference"), await converted(HF, "reference"));
  const { equal } = await compareCheckpoints(`${url}/model.safetensors`, join(HF, "model.safetensors"));
  assert(equal);
  const { files: [file] } = await verifyCheckpoint(`${url}/model.safetensors`);
  assertEquals([file!.problem, file!.bytes], [undefined, files.get("model.safetensors")!.length]);
  const none = await assertRejects(() => converted(`${url}/none/x`, "reference"), FileError);
  assertEquals(
    none.message,
    `${url}/none/x: the server has no such file or directory; check the address (HTTP 404)`,
  );
});

Deno.test({
  name: "s3:// is converted as the same files here: every real checkpoint",
  ignore: remotePython() === undefined,
  // Connections are kept for whoever asks next.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using moto = await Moto.start();
    using _ = new Environment(moto.env);
    await moto.makeBucket("team");
    for (const name of cases) {
      await t.step(name, async () => {
        // model.yaml lies above the step.
        await moto.upload(dirname(stepOf(name)), "team", `run/${name}`);
        for (const to of ["huggingface", "reference"] as const) {
          assertEquals(
            await converted(`s3://team/run/${name}/step_10`, to),
            await converted(stepOf(name), to),
            to,
          );
        }
      });
    }
    await t.step("a file by itself", async () => {
      const name = "fairseq2-0.3.0/llama3_bf16";
      const path = `s3://team/run/${name}/step_10/model.pt`;
      assertEquals(
        await converted(path, "huggingface"),
        await converted(join(stepOf(name), "model.pt"), "huggingface"),
      );
    });
    await t.step("a step of several, compared and verified", async () => {
      const path = "s3://team/run/fairseq2-0.8.1/llama3_fp32_tp2_fsdp2";
      const { equal } = await compareCheckpoints(path, stepOf("fairseq2-0.8.1/llama3_fp32_tp2_fsdp2"));
      assert(equal);
      assert((await verifyCheckpoint(path)).ok);
    });
    await t.step("from there to there", async () => {
      const name = "fairseq2-0.8.1/llama3_fp32_tp2_fsdp2";
      const [input, output] = [`s3://team/run/${name}/step_10`, "s3://team/made"];
      await convertCheckpoint({ input, output, to: "reference", shards: 1 });
      using temp = new TempDir();
      await moto.download("team", "made", temp.at("made"));
      await convertCheckpoint({ input: stepOf(name), output: temp.at("out"), to: "reference", shards: 1 });
      assertEquals(snapshot(temp.at("made")), snapshot(temp.at("out")));
      assertEquals(await moto.openUploads("team"), []);
    });
    await t.step("errors", async () => {
      const failure = async (path: string) => (await assertRejects(() => inspect(path), FileError)).message;
      assertEquals(
        await failure("s3://none/x"),
        "s3://none/x: there is no bucket none; check the name, and AWS_ENDPOINT_URL",
      );
      assertEquals(
        await failure("s3://team/none"),
        "s3://team/none: no such object or prefix; check the path",
      );
      assertEquals(await failure("s3://"), "s3://: names no bucket; write s3://bucket/prefix");
    });
  },
});

Deno.test({
  name: "s3:// goes on through what passes, and ends at what doesn't",
  ignore: remotePython() === undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async (t) => {
    await using moto = await Moto.start();
    await moto.makeBucket("team");
    const name = "fairseq2-0.8.1/llama3_bf16_fsdp3";
    await moto.upload(dirname(stepOf(name)), "team", "run");
    const isGet = ({ method, path }: { method: string; path: string }) =>
      method === "GET" && path.includes("sdp_");
    const attempt = async (faults: Faults) => {
      await using proxy = new FaultProxy(moto.endpoint, faults);
      using _ = new Environment({ ...moto.env, AWS_ENDPOINT_URL: proxy.endpoint });
      return await converted("s3://team/run/step_10", "reference");
    };
    const local = await converted(stepOf(name), "reference");
    for (
      const fault of [
        { kind: "drop" },
        { kind: "short", bytes: 50 },
        { kind: "status", status: 429 },
        { kind: "status", status: 500 },
        { kind: "status", status: 503 },
        { kind: "slow", pieceBytes: 10_000, pauseMs: 5 },
      ] as const
    ) {
      await t.step(JSON.stringify(fault), async () => {
        assertEquals(await attempt(firstTimes(2, fault, isGet)), local);
      });
    }
    const end = async (faults: Faults) => (await assertRejects(() => attempt(faults), FileError)).message;
    await t.step("ends", async () => {
      const file = /^s3:\/\/team\/run\/step_10\/model\/pp_00\/tp_00\/sdp_0\d\.pt: /;
      const said = async (faults: Faults) => {
        const message = await end(faults);
        assert(file.test(message), message);
        return message.replace(file, "");
      };
      const changed =
        "the object changed while it was read; wait until its writer is done, then run this again";
      assertEquals(
        await said((request) => isGet(request) ? { kind: "etag", etag: '"x"' } : undefined),
        changed,
      );
      assertEquals(
        await said((request) => isGet(request) ? { kind: "status", status: 412 } : undefined),
        changed,
      );
      assertEquals(
        await said((request) => isGet(request) ? { kind: "status", status: 403 } : undefined),
        "permission denied: the credentials need s3:GetObject (HTTP 403)",
      );
    });
  },
});
