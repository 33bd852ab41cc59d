/** That the hub's look-alike is one: `huggingface_hub` downloads from it, and is refused as the real one refuses. */

import { assert, assertEquals } from "@std/assert";
import { areSameBytes } from "../../lib/deps.ts";
import { runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { Hub } from "./servers/hub.ts";
import { remotePython } from "./servers/moto.ts";

const DOWNLOAD = `
import json, os, sys, tempfile
endpoint, directory, token = sys.argv[1:]
os.environ.update(HF_ENDPOINT=endpoint, HF_HOME=directory + "/home", HF_HUB_DISABLE_TELEMETRY="1")
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError
def refused(name, token, revision=None):
    try:
        snapshot_download(name, token=token, revision=revision, local_dir=tempfile.mkdtemp(dir=directory))
        return None
    except Exception as error:
        while error.__cause__ is not None and not isinstance(error, HfHubHTTPError):
            error = error.__cause__
        return type(error).__name__
path = snapshot_download("org/open", token=token, local_dir=directory + "/open")
snapshot_download("org/open", token=token, revision="v1", local_dir=directory + "/v1", allow_patterns=["config.json"])
tree = HfApi(token=token).list_repo_tree("org/open", recursive=True)
print(json.dumps({
    "tree": [[type(e).__name__, e.path] for e in tree],
    "refused": [refused("org/gated", False), refused("org/gated", "hf_other"), refused("org/none", token),
                refused("org/open", token, "v2")],
    "let in": refused("org/gated", token),
}))
`;

Deno.test({
  name: "huggingface_hub downloads from Hub page by page, and the other host never sees its token",
  ignore: remotePython() === undefined,
  fn: async () => {
    const large = crypto.getRandomValues(new Uint8Array(60_000));
    const small = new TextEncoder().encode("{}");
    const files = new Map([["config.json", small], ["model.safetensors", large], [
      "original/params.json",
      small,
    ]]);
    await using hub = new Hub(
      {
        "org/open": { files, commit: "1".repeat(40), revisions: ["main", "v1"] },
        "org/gated": { files, commit: "2".repeat(40), gated: true },
      },
      ["hf_letin"],
      2,
    );
    using temp = new TempDir();
    const said = JSON.parse(
      await runPython(DOWNLOAD, [hub.endpoint, temp.path, "hf_letin"], remotePython()),
    );
    assertEquals(said, {
      tree: [
        ["RepoFile", "config.json"],
        ["RepoFile", "model.safetensors"],
        ["RepoFolder", "original"],
        ["RepoFile", "original/params.json"],
      ],
      refused: ["GatedRepoError", "GatedRepoError", "RepositoryNotFoundError", "RevisionNotFoundError"],
      "let in": null,
    });
    for (const [name, bytes] of files) {
      assert(areSameBytes(await Deno.readFile(temp.at("open", name)), bytes));
    }
    assertEquals(await Deno.readTextFile(temp.at("v1", "config.json")), "{}");
    assert(hub.requests.some(({ headers }) => headers.get("authorization") === "Bearer hf_letin"));
    assert(hub.requests.some(({ path }) => path.includes("cursor=2")));
    assert(hub.storageRequests.length > 0);
    assert(hub.storageRequests.every(({ headers }) => !headers.has("authorization")));
  },
});
