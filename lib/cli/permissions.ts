/**
 * Asking for permissions: for what a command reads and writes, before it begins. Deno asks for one path at a time; of
 * several, ckpt asks for the directory that holds them all, so that there are two questions at most.
 */

import { requestEnvironment } from "../bytes/environment.ts";
import { S3_LEAVE, s3Address } from "../bytes/s3_client.ts";
import { isStore } from "../output/output.ts";
import { needsAllPermissions } from "../bytes/file_system.ts";
import { isRemote } from "../bytes/remote.ts";
import { CheckpointError } from "../error.ts";
import { dirname, resolve } from "../deps.ts";
import { modelYamlCandidates } from "../layouts/fairseq2/model_yaml_path.ts";
import { forShell, listed } from "../words.ts";
import { fold } from "./fold.ts";
import { say } from "./print.ts";
import { widthOf } from "./terminal.ts";

/** A permission that the user refused, or that nobody can give. */
class PermissionError extends CheckpointError {}

/** The paths that a command touches. */
export interface Paths {
  /** What it reads. */
  readonly read: readonly string[];
  /** What it writes. */
  readonly write?: readonly string[];
  /**
   * The checkpoints above which it looks for a model.yaml. Nothing happens if that is refused: then a model can still be
   * named, or be told by its shapes.
   */
  readonly checkpoints?: readonly string[];
}

type Kind = "read" | "write";

/** An output directory, and that beside it in which the output is built; none where the output isn't on this machine. */
export function outputPaths(output: string): string[] {
  return isStore(output) ? [] : [resolve(output), `${resolve(output)}.partial`];
}

/**
 * Asks for permission for paths, as far as it isn't granted already.
 *
 * @throws {PermissionError} If one of them is refused.
 */
export async function requestPaths(paths: Paths): Promise<void> {
  // What lies elsewhere needs leave to connect, which is asked for once the host is known.
  const local = (paths: readonly string[] = []) => paths.filter((path) => !isRemote(path));
  const [read, write, checkpoints] = [local(paths.read), local(paths.write), local(paths.checkpoints)];
  for (const path of [...read, ...write]) await checkPlace(path);
  const offered = await missing("read", checkpoints.flatMap(modelYamlCandidates));
  const [reads, writes] = [await missing("read", read), await missing("write", write)];
  // Above a checkpoint that may not be read itself, what is in it needs no mention.
  const above = offered.filter((path) => !reads.some((each) => path.startsWith(`${resolve(each)}/`)));
  const advice = `run Deno with ${flags([...reads, ...above], writes)}`;
  if (reads.length + writes.length + above.length > 1) {
    explain(
      `ckpt has to ${needs(reads, writes)}; Deno asks for what holds all of it. To allow no more: ${advice}`,
    );
  }
  await ask("read", [...reads, ...above]);
  const unread = await missing("read", reads);
  if (unread.length > 0) throw refusal(unread, writes, advice);
  await ask("write", writes);
  const unwritten = await missing("write", writes);
  if (unwritten.length > 0) throw refusal([], unwritten, advice);
}

/** Asks for what an object store needs: its host, and the variables in which the AWS SDK looks for credentials. */
export async function requestStore(url: string): Promise<void> {
  await requestEnvironment(url, S3_LEAVE);
  await requestNet(s3Address(url));
}

/** Asks for permission to connect to the web server of an address. */
export async function requestNet({ host }: URL): Promise<void> {
  const { state } = await Deno.permissions.request({ name: "net", host });
  if (state === "granted") return;
  throw new PermissionError(
    `${host}: permission to connect to it was refused; run Deno with --allow-net=${host} (or -A)`,
  );
}

/** Where Linux has devices and what it tells of processes: Deno lets nobody there who may not do everything. */
const SPECIAL = /^\/(?:dev|proc|sys)\//;

/** Refuses a path in a place where permission for the path isn't enough. */
async function checkPlace(path: string): Promise<void> {
  if (Deno.build.os !== "linux" || !SPECIAL.test(resolve(path))) return;
  // Who may load libraries may do everything, and nothing else tells.
  if ((await Deno.permissions.query({ name: "ffi" })).state === "granted") return;
  throw new PermissionError(
    `${needsAllPermissions(path)} (an installed ckpt: deno install --global --force -A --name ckpt cli.ts)`,
  );
}

/** The paths for which there is no permission, each once. */
async function missing(name: Kind, paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    if ((await Deno.permissions.query({ name, path })).state !== "granted") found.add(path);
  }
  return [...found];
}

/** Asks once, for what holds all of the paths. */
async function ask(name: Kind, paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  await Deno.permissions.request({ name, path: paths.length === 1 ? paths[0] : commonDirectory(paths) });
}

/** The directory that holds all of some paths; `undefined` where there is none, on several drives. */
export function commonDirectory(paths: readonly string[]): string | undefined {
  const [first, ...others] = paths.map((path) => dirname(resolve(path)));
  for (let at = first!;; at = dirname(at)) {
    const prefix = at.endsWith("/") ? at : `${at}/`;
    if (others.every((each) => each === at || each.startsWith(prefix))) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** Says on a terminal what the questions that follow are about. */
function explain(text: string): void {
  if (!Deno.stdin.isTerminal() || !Deno.stderr.isTerminal()) return;
  say(fold(text, widthOf(Deno.stderr)).join("\n"));
}

function refusal(read: readonly string[], write: readonly string[], advice: string): PermissionError {
  const [path, ...others] = [...read, ...write];
  return new PermissionError(
    others.length === 0
      ? `${path}: permission to ${read.length > 0 ? "read" : "write"} it was refused; ${advice} (or -A)`
      : `Permission to ${needs(read, write)} was refused; ${advice} (or -A)`,
  );
}

function needs(read: readonly string[], write: readonly string[]): string {
  return [
    ...(read.length > 0 ? [`read ${listed(read, "and")}`] : []),
    ...(write.length > 0 ? [`write ${listed(write, "and")}`] : []),
  ].join(", and to ");
}

/** The options that allow this and nothing else, as far as Deno can be told: not of a path with a comma. */
function flags(read: readonly string[], write: readonly string[]): string {
  const flag = (name: Kind, paths: readonly string[]) => {
    if (paths.length === 0) return [];
    return paths.some((path) => path.includes(","))
      ? [`--allow-${name}`]
      : [`--allow-${name}=${forShell(paths.join())}`];
  };
  return [...flag("read", read), ...flag("write", write)].join(" ");
}
