/**
 * What would be run: loads files with torch, pickle and numpy, in a Python where the name that the files carry does
 * nothing but say that it was asked for.
 *
 * @module
 */

import { runPython } from "../_python.ts";

/** The name that hostile files carry. Whoever looks it up could have been made to run anything. */
export const CANARY = { module: "ckpt_canary", name: "run" } as const;

const PROGRAM = `
import io, pickle, resource, sys, types, warnings
import numpy, torch
# A damaged length may ask for all memory that there is.
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
warnings.simplefilter("ignore")

class Canary(types.ModuleType):
    def __getattr__(self, name):
        if name != "run":
            raise AttributeError(name)
        sung.append(name)
        return lambda *args, **kwargs: 1

sung = []
sys.modules["ckpt_canary"] = Canary("ckpt_canary")

def one_after_the_other(open):
    def load(path):
        with open(path) as file:
            while True:
                pickle.load(file)
    return load

def read(path):
    with open(path, "rb") as file:
        return file.read()

loaders = {
    "torch": lambda path: torch.load(path, weights_only=False),
    "torch, from memory": lambda path: torch.load(io.BytesIO(read(path)), weights_only=False),
    "pickle": one_after_the_other(lambda path: open(path, "rb")),
    "pickle, unbuffered": one_after_the_other(lambda path: open(path, "rb", buffering=0)),
    "numpy": lambda path: numpy.load(path, allow_pickle=True),
}
for line in open(sys.argv[1]):
    path, names = line.rstrip("\\n").split("\\t")
    found = []
    for name in names.split(";") if names else loaders:
        sung.clear()
        try:
            loaders[name](path)
        except BaseException:
            pass
        if sung:
            found.append(name)
    print(";".join(found))
`;

/** Which of the loaders run what a file carries. */
export async function whoRuns(
  list: string,
  paths: readonly string[],
  loaders: readonly string[] = [],
): Promise<string[]> {
  Deno.writeTextFileSync(list, paths.map((path) => `${path}\t${loaders.join(";")}\n`).join(""));
  const lines = (await runPython(PROGRAM, [list])).split("\n").slice(0, -1);
  if (lines.length !== paths.length) throw new Error(`Python answered for ${lines.length} of the files`);
  return lines;
}
