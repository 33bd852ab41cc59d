/**
 * Conversions during which the operating system fails, at every single call: afterwards the output is whole or absent,
 * the input is what it was, and the same conversion succeeds.
 *
 * What else can go wrong is tested elsewhere: signals and `kill -9` at every step, and a disk that is really full, in
 * `resume_test.ts`; several runs at once in `task_test.ts`; rights of the file system in `cli/permissions_test.ts`.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "../lib/deps.ts";
import { CheckpointError, FileError } from "../lib/error.ts";
import {
  convertCheckpoint,
  type ConvertOptions,
  planConversion,
  runConversion,
} from "../lib/convert/convert_checkpoint.ts";
import { convert } from "./_ckpt.ts";
import { type Call, CALLS, FaultyCalls, systemError } from "./_faulty.ts";
import { assertSameTree, LONG, readTree, type Tree } from "./_outcome.ts";
import { snapshot, TempDir } from "./_temp.ts";
import { CheckpointCopy } from "./_torch_files.ts";

/** A conversion, and what it makes when nothing fails. */
class Work implements Disposable {
  readonly #temp = new TempDir();
  readonly #input: Map<string, string>;
  #expected: Tree = new Map();
  readonly options: ConvertOptions;

  private constructor(options: Partial<ConvertOptions>) {
    const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", this.#temp.at("in"));
    this.options = { input: copy.step, output: this.#temp.at("out"), jobs: 1, clone: false, ...options };
    this.#input = snapshot(this.#temp.at("in"));
  }

  /** Makes a checkpoint, and converts it once. */
  static async make(options: Partial<ConvertOptions> = {}): Promise<Work> {
    const work = new Work(options);
    await convertCheckpoint(work.options);
    work.#expected = readTree(work.options.output)!;
    work.#reset();
    return work;
  }

  /** What lies beside the input. */
  get left(): string[] {
    return this.#temp.names().filter((name) => name !== "in");
  }

  /** Converts while some calls fail; returns the error, if there is one, and how often calls were made. */
  async run(
    calls: readonly Call[],
    act: ConstructorParameters<typeof FaultyCalls>[1],
  ): Promise<Error | undefined> {
    using _faulty = new FaultyCalls(calls, act);
    try {
      await convertCheckpoint(this.options);
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }

  /** Asserts that the output is whole or absent, that the input is as it was, and that the same goes well now. */
  async assertNothingIsLost(what: string): Promise<void> {
    const made = readTree(this.options.output);
    const isWhole = made !== undefined && made.size > 0;
    if (isWhole) {
      assertSameTree(new Map([...made].filter(([name]) => name !== ".ckpt-plan.json")), this.#expected, what);
    }
    assertEquals(snapshot(this.#temp.at("in")), this.#input, `${what}: the input`);
    for (const [name, bytes] of readTree(`${this.options.output}.partial`) ?? []) {
      const expected = this.#expected.get(name);
      if (expected !== undefined) assertEquals(bytes, expected, `${what}: ${name} is finished but other`);
    }
    if (!isWhole || made.has(".ckpt-plan.json")) {
      await convertCheckpoint(this.options);
      assertSameTree(readTree(this.options.output), this.#expected, `${what}: the next time`);
      assertEquals(this.left, ["out"], what);
    }
    this.#reset();
  }

  #reset(): void {
    for (const name of this.left) Deno.removeSync(this.#temp.at(name), { recursive: true });
  }

  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

/** How often each call is made in a conversion in which none fails. */
async function countCalls(work: Work): Promise<Map<Call, number>> {
  using faulty = new FaultyCalls(CALLS, (original, _, self, args) => original.apply(self, args));
  await convertCheckpoint(work.options);
  const counts = new Map(faulty.counts);
  faulty[Symbol.dispose]();
  await work.assertNothingIsLost("nothing");
  return counts;
}

/** Some of the numbers from 1 to a last one: all if there is time. */
function numbers(last: number): number[] {
  const most = LONG ? last : 40;
  return Array.from(
    { length: Math.min(last, most) },
    (_, i) => 1 + Math.floor(i * last / Math.min(last, most)),
  );
}

const conversions: Readonly<Record<string, Partial<ConvertOptions>>> = {
  "the reference layout": {},
  "Hugging Face's layout, with verify and sync": {
    to: "huggingface",
    dtype: "float32",
    verify: true,
    sync: true,
  },
};

for (const [what, options] of Object.entries(conversions)) {
  Deno.test(`a conversion to ${what} survives a failure of any call`, async () => {
    using work = await Work.make(options);
    const counts = await countCalls(work);
    assert(counts.size > 10, JSON.stringify([...counts]));
    for (const [call, last] of counts) {
      for (const at of numbers(last)) {
        const code = at % 2 === 0 ? "EIO" : "EACCES";
        const where = `${code} in call ${at} of ${last} of ${call}`;
        const error = await work.run([call], (original, count, self, args) => {
          if (count === at) throw systemError(code);
          return original.apply(self, args);
        });
        // Some failures don't matter: of what is removed, or of a look at what may not be there.
        if (error !== undefined) {
          assert(error instanceof CheckpointError, `${where}: ${error.stack}`);
          assert(!error.message.includes("\n"), where);
        }
        await work.assertNothingIsLost(where);
      }
    }
  });
}

Deno.test("a conversion survives reads that come short, and ends at ones that find the end too early", async () => {
  using work = await Work.make({ to: "huggingface", verify: true });
  for (const most of [1, 7, 4096]) {
    // Byte by byte takes long.
    const times = most === 1 ? 300 : Infinity;
    const error = await work.run(["file.readSync"], (original, count, self, [buffer]) => {
      const bytes = buffer as Uint8Array;
      return original.call(self, count > times ? bytes : bytes.subarray(0, most));
    });
    assertEquals(error, undefined, `at most ${most}`);
    await work.assertNothingIsLost(`at most ${most}`);
  }
  const last = (await countCalls(work)).get("file.readSync")!;
  let ended = 0;
  for (const at of numbers(last)) {
    const error = await work.run(
      ["file.readSync"],
      (original, count, self, args) => count === at ? null : original.apply(self, args),
    );
    if (error !== undefined) {
      assert(error instanceof FileError, `read ${at}: ${error}`);
      assertMatch(error.message, /ends at byte|became shorter|reading it back gives other bytes/);
      ended++;
    }
    await work.assertNothingIsLost(`read ${at} finds the end`);
  }
  assert(ended > 0);
});

Deno.test("a conversion survives writes that come short", async () => {
  using work = await Work.make();
  const error = await work.run(["file.writeSync"], (original, _, self, [buffer]) => {
    const bytes = buffer as Uint8Array;
    return original.call(self, bytes.subarray(0, Math.max(1, bytes.length >> 1)));
  });
  assertEquals(error, undefined);
  await work.assertNothingIsLost("half of each write");
});

for (const code of ["ENOSPC", "EROFS"] as const) {
  Deno.test(`a conversion survives ${code} from any call on, until it is mended`, async () => {
    using work = await Work.make();
    const writes: readonly Call[] = [
      "file.truncateSync",
      "file.writeSync",
      "linkSync",
      "mkdirSync",
      "renameSync",
      "writeTextFileSync",
    ];
    const counts = await countCalls(work);
    const total = writes.reduce((sum, call) => sum + (counts.get(call) ?? 0), 0);
    let failed = 0;
    for (const at of numbers(total)) {
      let made = 0;
      const error = await work.run(writes, (original, _, self, args) => {
        if (++made >= at) throw systemError(code);
        return original.apply(self, args);
      });
      if (error !== undefined) {
        assert(error instanceof FileError, `${code} from write ${at} on: ${error}`);
        assertMatch(error.message, code === "ENOSPC" ? /No space left on device/ : /Read-only file system/);
        failed++;
      }
      await work.assertNothingIsLost(`${code} from write ${at} on`);
    }
    assert(failed > 0);
  });
}

Deno.test("a conversion ends where the input vanishes after it was planned", async () => {
  using temp = new TempDir();
  for (const vanishes of ["model.0.pt", "model.1.pt", "."]) {
    const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16_tp2", temp.at("in"));
    const options = { input: copy.step, output: temp.at("out"), jobs: 1, clone: false };
    const conversion = await planConversion(options);
    Deno.removeSync(join(copy.step, vanishes), { recursive: true });
    const { message } = await assertRejects(() => runConversion(conversion, options), FileError);
    assertMatch(message, /: the file went away while it was read: No such file or directory/);
    assertEquals(temp.names(), ["in"], vanishes);
    Deno.removeSync(temp.at("in"), { recursive: true });
  }
});

/** Whether file systems can be mounted. */
const canMount = Deno.build.os === "linux" && Deno.uid() === 0 && (() => {
  using temp = new TempDir();
  if (!mount("-t", "tmpfs", "-o", "size=64k", "none", temp.path)) return false;
  unmount(temp.path);
  return true;
})();

function mount(...args: string[]): boolean {
  try {
    return new Deno.Command("mount", { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

function unmount(path: string): void {
  new Deno.Command("umount", { args: [path] }).outputSync();
}

Deno.test({
  name:
    "ckpt reads from a file system that is read-only, and says so of one that it should write to (needs root)",
  ignore: !canMount,
  async fn() {
    using temp = new TempDir();
    Deno.mkdirSync(temp.at("disk"));
    assert(mount("-t", "tmpfs", "-o", "size=8m", "none", temp.at("disk")));
    try {
      const copy = new CheckpointCopy("fairseq2-0.3.0/llama3_bf16", temp.at("disk", "in"));
      assert(mount("-o", "remount,ro", temp.at("disk")));
      const refused = await convert(["--quiet", copy.step, temp.at("disk", "out")]);
      assertEquals(refused, {
        code: 1,
        stdout: "",
        stderr:
          `error: ${
            temp.at("disk")
          }: can't make the output directory here: Read-only file system (os error 30): ` +
          `mkdir '${temp.at("disk", "out.partial")}'; name another place\n`,
      });
      assertEquals(await convert(["--quiet", copy.step, temp.at("out")]), {
        code: 0,
        stdout: "",
        stderr: "",
      });
    } finally {
      unmount(temp.at("disk"));
    }
  },
});
