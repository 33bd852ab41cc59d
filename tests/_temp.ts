import { join } from "../lib/deps.ts";

/** A directory for a test's files, removed with all that is in it when it is disposed of. */
export class TempDir implements Disposable {
  /** The directory. */
  readonly path: string;

  /** Makes a directory. */
  constructor() {
    // Without links in it, so that paths in messages are the ones that the test knows.
    this.path = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "ckpt_test_" }));
  }

  /** The path of something in it. */
  at(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** The names in it, sorted. */
  names(...below: string[]): string[] {
    return [...Deno.readDirSync(this.at(...below))].map(({ name }) => name).sort();
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Copies a directory with all that is in it. */
export function copyTree(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyTree(join(from, name), join(to, name));
    else Deno.writeFileSync(join(to, name), Deno.readFileSync(join(from, name)));
  }
}

/** The bytes of all files below a directory by their paths in it: to see that nothing in it was touched. */
export function snapshot(directory: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = join(directory, name);
    if (isDirectory) { for (const [below, bytes] of snapshot(path)) found.set(`${name}/${below}`, bytes); }
    else found.set(name, Deno.readFileSync(path).toBase64());
  }
  return found;
}
