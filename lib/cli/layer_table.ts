/** A table of a number for each tensor: kinds of tensors by layers. */

import { layerRanges, splitLayer } from "../inspect/layer_names.ts";
import { oneLine } from "./plain_text.ts";
import { median } from "../inspect/outstanding.ts";
import { shortNumber } from "../words.ts";
import type { Style } from "./terminal.ts";

/** A tensor's number. */
export interface LayerCell {
  /** The tensor's name. */
  readonly name: string;
  /** The number; `null` where it has none. */
  readonly value: number | null;
  /** Whether something is wrong with it, so that it is marked. */
  readonly isWrong: boolean;
}

/** A kind of tensors. */
interface Kind {
  readonly label: string;
  readonly layers: Map<number, LayerCell>;
  readonly single: LayerCell | undefined;
}

/** The widest strip, in columns. */
const STRIP_COLUMNS = 32;

/** How wide a number is. */
const NUMBER_COLUMNS = 8;

/** The most groups of layers. */
const MOST_GROUPS = 8;

/** The width of what isn't for a terminal. */
const PLAIN_COLUMNS = 120;

const LEVELS = [..."▁▂▃▄▅▆▇█"];

/** How high a number's bar is, from 0 to 7; `undefined` where it has none. */
export type Level = (value: number, kind: readonly number[]) => number | undefined;

/** By how much a number is larger or smaller than most of its kind: a step is a factor of √2. */
export function levelBesideMedian(value: number, kind: readonly number[]): number | undefined {
  const middle = median(kind.filter((each) => each > 0));
  if (middle === undefined || !(value > 0)) return undefined;
  return clamp(3 + Math.round(2 * Math.log2(value / middle)));
}

/** How near a number is to the largest of all: a step is a factor of 2. */
export function levelBelow(largest: number): Level {
  return (value) => value > 0 && largest > 0 ? clamp(7 + Math.round(Math.log2(value / largest))) : undefined;
}

function clamp(level: number): number {
  return Math.min(7, Math.max(0, level));
}

/** The table's lines. A number of several layers is their mean. */
export function layerTable(
  cells: readonly LayerCell[],
  title: string,
  level: Level,
  width: number,
  style: Style,
): string[] {
  const kinds = kindsOf(cells);
  const layers = [...new Set(kinds.flatMap((kind) => [...kind.layers.keys()]))].sort((a, b) => a - b);
  const columns = Math.min(width, PLAIN_COLUMNS);
  const longest = kinds.reduce((most, { label }) => Math.max(most, [...label].length), title.length);
  const strip = Math.min(layers.length, STRIP_COLUMNS, Math.max(4, columns >> 2));
  const stripColumns = layers.length === 0 ? 0 : strip + 2;
  const label = Math.max(8, Math.min(longest, columns - 2 - stripColumns - NUMBER_COLUMNS - 2));
  const room = Math.floor((columns - 2 - label - stripColumns) / (NUMBER_COLUMNS + 1));
  const groups = inGroups(layers, Math.max(1, Math.min(MOST_GROUPS, room)));
  const parts = inGroups(layers, strip);
  const line = (...cells: string[]) => `  ${cells.filter((cell) => cell !== "").join(" ")}`.trimEnd();
  const head = line(
    style.bold(fit(title, label)),
    layers.length === 0 ? "" : " ".repeat(strip + 1),
    ...groups.map((group) => style.dim(groupName(group).padStart(NUMBER_COLUMNS))),
  );
  return [
    head,
    ...kinds.map((kind) => {
      const values = [...kind.layers.values()].flatMap(({ value }) => value ?? []);
      const bars = parts.map((part) => bar(part.flatMap((layer) => kind.layers.get(layer) ?? []), values))
        .join("");
      const inLayers = kind.single === undefined;
      return line(
        fit(kind.label, label),
        layers.length === 0 ? "" : (inLayers ? bars : " ".repeat(strip)) + " ",
        ...(inLayers
          ? groups.map((group) => number(group.flatMap((layer) => kind.layers.get(layer) ?? [])))
          : [
            number([kind.single!]),
          ]),
      );
    }),
  ];

  function bar(cells: readonly LayerCell[], kind: readonly number[]): string {
    if (cells.length === 0) return " ";
    if (cells.some(({ isWrong }) => isWrong)) return style.red("!");
    const mean = meanOf(cells);
    const step = mean === undefined ? undefined : level(mean, kind);
    return step === undefined ? "·" : style.cyan(LEVELS[step]!);
  }

  function number(cells: readonly LayerCell[]): string {
    const mean = meanOf(cells);
    const text = (mean === undefined ? "" : shortNumber(mean)).padStart(NUMBER_COLUMNS);
    return cells.some(({ isWrong }) => isWrong) ? style.red(text) : text;
  }
}

function meanOf(cells: readonly LayerCell[]): number | undefined {
  const values = cells.flatMap(({ value }) => value ?? []);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function kindsOf(cells: readonly LayerCell[]): Kind[] {
  const kinds = new Map<string, Kind>();
  // The part of the name that all have in common says nothing.
  const prefixes = new Set(
    cells.map(({ name }) => splitLayer(name)).flatMap(({ before, layer }) =>
      layer === undefined ? [] : [before]
    ),
  );
  for (const cell of cells) {
    const { before, layer, after } = splitLayer(cell.name);
    const label = oneLine(
      layer === undefined
        ? cell.name
        : (prefixes.size > 1 ? `${before}*` : "") + after.slice(prefixes.size > 1 ? 0 : 1),
    );
    const key = JSON.stringify([before, layer !== undefined, after]);
    let kind = kinds.get(key);
    if (kind === undefined) {
      kinds.set(key, kind = { label, layers: new Map(), single: layer === undefined ? cell : undefined });
    }
    if (layer !== undefined) kind.layers.set(layer, cell);
  }
  return [...kinds.values()];
}

/** Layers in so many groups of neighbours, or as many as there are. */
function inGroups(layers: readonly number[], count: number): number[][] {
  const groups = Math.min(count, layers.length);
  return Array.from(
    { length: groups },
    (_, i) =>
      layers.slice(Math.round(i * layers.length / groups), Math.round((i + 1) * layers.length / groups)),
  );
}

function groupName(group: readonly number[]): string {
  const name = layerRanges(group);
  return name.includes(",") ? `${group[0]}–${group.at(-1)}` : name;
}

function fit(text: string, columns: number): string {
  const characters = [...text];
  if (characters.length <= columns) return text + " ".repeat(columns - characters.length);
  return `…${characters.slice(characters.length - columns + 1).join("")}`;
}

/** A histogram on one line: a bar for each exponent, or as many as have room. */
export function histogramLine(counts: readonly number[], columns: number): string {
  const most = Math.max(...counts, 0);
  if (most === 0) return "";
  const bars = Math.min(columns, counts.length);
  return Array.from({ length: bars }, (_, i) => {
    const part = counts.slice(
      Math.floor(i * counts.length / bars),
      Math.max(Math.floor(i * counts.length / bars) + 1, Math.floor((i + 1) * counts.length / bars)),
    );
    const value = Math.max(...part);
    return value === 0 ? " " : LEVELS[clamp(Math.round(7 * value / most))]!;
  }).join("");
}
