/**
 * What a benchmark makes goes when it ends, when it fails, and when a signal stops it.
 *
 * @module
 */

const children = new Set<Deno.ChildProcess>();
const cleanups: (() => void)[] = [];
let isStopped = false;

const handlers = ([["SIGHUP", 129], ["SIGINT", 130], ["SIGTERM", 143]] as const)
  .filter(([signal]) => Deno.build.os !== "windows" || signal === "SIGINT")
  .map(([signal, code]) => ({ signal, handler: () => void stop(code) }));

/** Runs something, and cleans up after it. */
export async function cleaning<T>(run: () => Promise<T>, clean: () => void): Promise<T> {
  if (cleanups.push(clean) === 1) {
    for (const { signal, handler } of handlers) Deno.addSignalListener(signal, handler);
  }
  try {
    return await run();
  } finally {
    if (!isStopped) {
      cleanups.pop();
      if (cleanups.length === 0) {
        for (const { signal, handler } of handlers) Deno.removeSignalListener(signal, handler);
      }
      clean();
    }
  }
}

/** Starts a process, and waits until it has ended. */
export async function finish(
  command: Deno.Command,
  watch?: (pid: number) => void,
): Promise<Deno.CommandOutput> {
  const child = command.spawn();
  children.add(child);
  watch?.(child.pid);
  const output = await child.output();
  children.delete(child);
  // It was killed, and nothing is to be said of that.
  if (isStopped) await new Promise(() => {});
  return output;
}

/** Ends all processes first: one that still wrote would make anew what is removed. */
async function stop(code: number): Promise<void> {
  if (isStopped) return;
  isStopped = true;
  for (const child of children) child.kill("SIGKILL");
  await Promise.all([...children].map(({ status }) => status));
  for (const clean of cleanups.reverse()) clean();
  Deno.exit(code);
}
