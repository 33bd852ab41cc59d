/**
 * Every family against what fairseq2 0.8.1 and transformers have of it: sizes, names, shapes, shards, and what
 * fairseq2's own reader makes of a model.yaml.
 */

import { assertEquals, assertThrows } from "@std/assert";
import { architectureConfig, defaultConfig } from "../../lib/layouts/fairseq2/config_tree.ts";
import { parseModelYaml } from "../../lib/layouts/fairseq2/model_yaml.ts";
import { parametersInOrder } from "../../lib/layouts/huggingface/write.ts";
import { ConfigError } from "../../lib/models/config_error.ts";
import { families } from "../../lib/models/families.ts";
import type { Architecture, ConfigTree, Family } from "../../lib/models/family.ts";
import { findModelCard } from "../../lib/models/model_cards.ts";
import { expectedParameters, formatName, shapeOf, shardDimOf } from "../../lib/models/parameter.ts";

type Config = Readonly<Record<string, unknown>>;
type Row = readonly [name: string, shape: readonly number[], dimension?: number | null];

function read<T>(name: string): T {
  return JSON.parse(Deno.readTextFileSync(new URL(`../../fixtures/families/${name}`, import.meta.url)));
}

const sizes = read<{
  readonly families: Readonly<
    Record<string, {
      readonly default: Config;
      readonly architectures: Readonly<Record<string, Config>>;
      readonly cards: Readonly<Record<string, { readonly architecture: string }>>;
      readonly model_yaml: readonly {
        readonly text: string;
        readonly config?: Config;
        readonly error?: string;
      }[];
    }>
  >;
}>("fairseq2_0.8.1.json");

const parameters = read<{
  readonly architectures: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly layers: number;
            readonly parameters: number;
            readonly fairseq2: readonly Row[];
            readonly huggingface: readonly Row[];
          }
        >
      >
    >
  >;
  readonly sharded: readonly {
    readonly family: string;
    readonly config: Config;
    readonly ranks: Readonly<Record<string, { readonly rows?: readonly Row[] }>>;
  }[];
}>("parameters.json");

/** An architecture by fairseq2's name, which other families may have, too. */
function architectureOf({ name: family, architectures }: Family, name: string): Architecture {
  const found = architectures.find((each) => each.name === name || each.name === `${family}_${name}`);
  if (found === undefined) throw new Error(`${family} has no ${name}`);
  return found;
}

function toObject(value: unknown): unknown {
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value as ConfigTree].map(([name, item]) => [name, toObject(item)]));
}

/** The rows of a layer, with "N" for it, and all others. */
function rowsOfOneLayer(rows: readonly Row[]): Row[] {
  return rows.filter(([name]) => !/layers\.[1-9]/.test(name))
    .map(([name, ...rest]) => [name.replace("layers.0.", "layers.N."), ...rest]);
}

function modelYaml(family: string, config: Config): string {
  return `name: checkpoint\nmodel_family: ${family}\nmodel_config: ${JSON.stringify(config)}\n`;
}

for (const family of families) {
  const golden = sizes.families[family.name];
  if (golden !== undefined) {
    Deno.test(`${family.title} has the architectures, defaults and cards of fairseq2`, () => {
      assertEquals(toObject(defaultConfig(family, "0.5+")), golden.default);
      const names = Object.keys(golden.architectures);
      assertEquals(family.architectures.length, names.length);
      for (const name of names) {
        const config = architectureConfig(family, architectureOf(family, name), "0.5+");
        assertEquals(toObject(config), golden.architectures[name], name);
        assertEquals([...config.keys()], Object.keys(golden.architectures[name]!), name);
      }
      for (const [card, { architecture }] of Object.entries(golden.cards)) {
        assertEquals(findModelCard(card).architecture, architectureOf(family, architecture), card);
      }
    });

    Deno.test(`parseModelYaml() reads ${family.title}'s as fairseq2 does`, () => {
      for (const { text, config } of golden.model_yaml) {
        // fairseq2 reads a list of layers that is too short, and fails when it builds the model.
        if (text.includes("vocab_info") && family.modelYaml.generations.includes("0.2-0.3")) {
          // What 0.8.1 refuses is what earlier ones wrote.
          assertEquals(parseModelYaml(text, { generations: ["0.5+"] }).generation, "0.2-0.3");
        } else if (config === undefined || text.includes("layer_types: [full_attention]\n")) {
          // Fields that fairseq2 doesn't know are for the caller to judge.
          assertThrows(
            () => {
              if (parseModelYaml(text).unknownFields.length > 0) {
                throw new ConfigError("", "", "unknown field");
              }
            },
            ConfigError,
            undefined,
            text,
          );
        } else {
          const { architecture: _, ...found } = parseModelYaml(text, { generations: ["0.5+"] });
          assertEquals(found, parseModelYaml(modelYaml(family.name, config)), text);
        }
      }
    });
  }

  Deno.test(`${family.title} has the parameters that fairseq2 and transformers have`, () => {
    for (const [name, facts] of Object.entries(parameters.architectures[family.name]!)) {
      const architecture = architectureOf(family, name);
      const model = { ...architecture, ...architecture.inFairseq2 };
      assertEquals(model.layers, facts.layers, name);
      const rows = (naming: "fairseq2" | "huggingface", parameters: ReturnType<typeof expectedParameters>) =>
        rowsOfOneLayer(parameters.map((each) => [formatName(naming, each), shapeOf(each, model)]));
      const all = expectedParameters(family, model);
      assertEquals(rows("fairseq2", all), facts.fairseq2, name);
      assertEquals(rows("huggingface", parametersInOrder(model, model.tied)), facts.huggingface, name);
      const count = all.reduce((sum, each) => sum + shapeOf(each, model).reduce((a, b) => a * b), 0);
      assertEquals(count, facts.parameters, name);
    }
  });

  Deno.test(`${family.title} is split as fairseq2 splits it`, () => {
    for (const { family: name, config, ranks } of parameters.sharded) {
      if (name !== family.name) continue;
      const model = parseModelYaml(modelYaml(name, config));
      for (const [count, { rows }] of Object.entries(ranks)) {
        if (rows === undefined) continue; // fairseq2 splits no tied matrices.
        const found = expectedParameters(family, model).map((each) => {
          const dimension = shardDimOf(each, model.embeddingShardDim);
          const shape = shapeOf(each, model).map((n, i) => i === dimension ? n / Number(count) : n);
          return [formatName("fairseq2", each), shape, dimension ?? null];
        });
        // LLaMA's width in this fixture follows from fields that it leaves to the defaults.
        const expected = rows.map((
          [name, shape, dimension],
        ) => [name, shape, count === "1" ? undefined : dimension]);
        const comparable = found.map(([name, shape, dimension]) => [
          name,
          shape,
          count === "1" ? undefined : dimension,
        ]);
        assertEquals(comparable, expected, `${name} in ${count}`);
      }
    }
  });
}
