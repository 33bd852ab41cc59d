/**
 * What a conversion that was disturbed may leave.
 */

import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "../lib/deps.ts";
import { convert } from "./_ckpt.ts";
import { makeShards, type ShardOptions } from "./_shards.ts";

/** Whether the tests are to take hours: many more interruptions, at all steps and at random ones. */
export const LONG: boolean = Deno.env.has("CKPT_LONG");

/** The name of the record of the plan in what an output is built in. */
export const PLAN_RECORD = ".ckpt-plan.json";

/** The name of what runs hold a lock on there. */
export const LOCK = ".ckpt-lock";

/** The files below a directory by their paths in it, and their bytes. */
export type Tree = ReadonlyMap<string, Uint8Array>;

/** Reads a directory, or nothing where there is none. */
export function readTree(directory: string): Tree | undefined {
  const tree = new Map<string, Uint8Array>();
  try {
    for (const { name, isDirectory } of Deno.readDirSync(directory)) {
      const path = join(directory, name);
      if (!isDirectory) tree.set(name, Deno.readFileSync(path));
      else for (const [below, bytes] of readTree(path) ?? []) tree.set(`${name}/${below}`, bytes);
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return tree;
}

/** Asserts that two directories hold the same files with the same bytes. */
export function assertSameTree(actual: Tree | undefined, expected: Tree, what: string): void {
  assertEquals([...actual?.keys() ?? []].sort(), [...expected.keys()].sort(), what);
  for (const [name, bytes] of expected) {
    assert(Buffer.compare(actual!.get(name)!, bytes) === 0, `${what}: ${name} has other bytes`);
  }
}

/** A checkpoint, and what an undisturbed run makes of it. */
export class Scene implements Disposable {
  readonly #directory: string;
  readonly #input: Tree;
  readonly #times: string;
  /** The checkpoint. */
  readonly input: string;
  /** What an undisturbed run made of it. */
  readonly reference: Tree;
  #outputs = 0;

  private constructor(directory: string, input: string, reference: Tree) {
    this.#directory = directory;
    this.input = input;
    this.reference = reference;
    this.#input = readTree(this.at("in"))!;
    this.#times = this.#timesOfInput();
  }

  /**
   * Makes a checkpoint and converts it.
   *
   * @param options The checkpoint's size.
   * @param args Options of the command.
   * @param dir Where to do it; where temporary files are by default.
   */
  static async make(options: ShardOptions, args: readonly string[] = [], dir?: string): Promise<Scene> {
    // Without links in it, so that paths in messages are the ones that the test knows.
    const made = Deno.makeTempDirSync({ prefix: "ckpt_test_", ...(dir === undefined ? {} : { dir }) });
    const directory = Deno.realPathSync(made);
    const input = makeShards(join(directory, "in"), options);
    const output = join(directory, "reference");
    const { code, stderr } = await convert(["--quiet", ...args, input, output]);
    assertEquals([code, stderr], [0, ""]);
    const reference = readTree(output)!;
    Deno.removeSync(output, { recursive: true });
    assertEquals(reference.size, options.shards + 1);
    return new Scene(directory, input, reference);
  }

  #timesOfInput(): string {
    return JSON.stringify([...this.#input.keys()].map((name) => {
      const { mtime, size } = Deno.statSync(this.at("in", name));
      return [name, mtime, size];
    }));
  }

  /** A new path for an output. */
  newOutput(): string {
    return this.at(`out${++this.#outputs}`, "llama");
  }

  /** Something else in the directory of the scene. */
  at(...names: string[]): string {
    return join(this.#directory, ...names);
  }

  /** What lies beside an output, itself included. */
  beside(output: string): string[] {
    return [...readNames(join(output, ".."))].sort();
  }

  /** Asserts that an output is whole. */
  assertSame(output: string, what: string): void {
    assertSameTree(readTree(output), this.reference, what);
  }

  /** Asserts that an output is whole, and that nothing else was left. */
  assertDone(output: string, what: string): void {
    this.assertSame(output, what);
    assertEquals(this.beside(output), ["llama"], what);
  }

  /** Asserts that an output is absent or whole, and that the finished files beside it have the right bytes. */
  assertWholeOrAbsent(output: string, what: string): void {
    const made = readTree(output);
    if (made !== undefined) assertSameTree(made, this.reference, what);
    for (const [name, bytes] of readTree(join(`${output}.partial`, "files")) ?? []) {
      const expected = this.reference.get(name);
      assert(expected !== undefined, `${what}: ${name} isn't of the output`);
      assert(Buffer.compare(bytes, expected!) === 0, `${what}: ${name} is finished but has other bytes`);
    }
  }

  /** The names of finished files in what an output is built in. */
  finished(output: string): string[] {
    return [...readNames(join(`${output}.partial`, "files"))].sort();
  }

  /** Asserts that the input is what it was. */
  assertInputUntouched(): void {
    assertEquals(this.#timesOfInput(), this.#times);
    assertSameTree(readTree(this.at("in")), this.#input, "the input");
  }

  /** Asserts that the input is what it was, and removes everything. */
  [Symbol.dispose](): void {
    try {
      this.assertInputUntouched();
    } finally {
      Deno.removeSync(this.#directory, { recursive: true });
    }
  }
}

function* readNames(directory: string): Generator<string> {
  try {
    for (const { name } of Deno.readDirSync(directory)) yield name;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Calls a function for each item, for two items at a time. */
export async function inTwoLanes<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < items.length) await run(items[next++]!);
  };
  await Promise.all([lane(), lane()]);
}

/** Some of the numbers from 1 to `last`, spread evenly from a random start; all where tests may take long. */
export function someOf(last: number, count: number): number[] {
  if (LONG || count >= last) return Array.from({ length: last }, (_, i) => i + 1);
  const start = Math.random();
  return Array.from({ length: count }, (_, i) => 1 + Math.floor(((i + start) * last) / count));
}

/** Waits for some milliseconds. */
export function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
