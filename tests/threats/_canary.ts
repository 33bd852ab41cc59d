/**
 * What would be run: loads files with torch, pickle and numpy, in a Python where the name that the files carry does
 * nothing but say that it was asked for.
 *
 * @module
 */

import { python } from "../_python.ts";

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
        if loader not in sung:
            sung.add(loader)
            # At once, since what a file does to Python may end it.
            print(loader, end=";", flush=True)
        return lambda *args, **kwargs: 1

sung = set()
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

def load_all(path):
    loaded = numpy.load(path, allow_pickle=True)
    if isinstance(loaded, numpy.lib.npyio.NpzFile):
        for name in loaded.files:
            loaded[name]

loaders = {
    "torch": lambda path: torch.load(path, weights_only=False),
    "torch, from memory": lambda path: torch.load(io.BytesIO(read(path)), weights_only=False),
    "pickle": one_after_the_other(lambda path: open(path, "rb")),
    "pickle, unbuffered": one_after_the_other(lambda path: open(path, "rb", buffering=0)),
    "numpy": load_all,
}
for line in open(sys.argv[1]):
    sung.clear()
    for loader, load in loaders.items():
        try:
            load(line.removesuffix("\\n"))
        except BaseException:
            pass
    print(flush=True)
`;

/**
 * Which of the loaders run what a file carries.
 *
 * @param list Where to write what Python is to look at.
 * @param paths The files.
 * @returns The loaders' names for each, with `;` between them.
 */
export async function whoRuns(list: string, paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  while (found.length < paths.length) {
    Deno.writeTextFileSync(list, paths.slice(found.length).map((path) => `${path}\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command(python()!, { args: ["-c", PROGRAM, list] })
      .output();
    const lines = new TextDecoder().decode(stdout).split("\n");
    // A file that ends Python itself has run what it has run; the others come in the next one.
    if (success) lines.pop();
    else if (lines.length === 1 && lines[0] === "" && found.length === 0) {
      throw new Error(`Cannot run Python: ${new TextDecoder().decode(stderr)}`);
    }
    found.push(...lines.map((line) => line.replace(/;$/, "")));
  }
  return found;
}
