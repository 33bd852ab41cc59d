import type { Family } from "../family.ts";
import { olmoArchitectures, olmoHubNames, olmoTokens } from "./architectures.ts";
import { OLMO_TYPES, olmoJsonNotes, readOlmoJson, WHOSE, writeOlmoJson } from "./config_json.ts";
import { olmoGguf } from "./gguf.ts";
import { olmoModelYaml, olmoNotes } from "./model_yaml.ts";
import { olmoParameters } from "./parameters.ts";

/** OLMo 2 and 3. */
export const olmo: Family = {
  name: "olmo",
  title: "OLMo",
  whose: WHOSE,
  parameters: olmoParameters,
  architectures: olmoArchitectures,
  hubNames: olmoHubNames,
  tokens: olmoTokens,
  modelYaml: {
    generations: ["0.5+"],
    defaultArchitecture: "olmo2_1b",
    saysTokens: true,
    ...olmoModelYaml,
    notes: olmoNotes,
  },
  configJson: {
    types: OLMO_TYPES,
    version: "4.57.6",
    read: readOlmoJson,
    write: writeOlmoJson,
    notes: olmoJsonNotes,
  },
  gguf: olmoGguf,
};
