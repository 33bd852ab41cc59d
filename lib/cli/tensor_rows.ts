/** Tensors as rows of a table: all of them, or as a tree in which repeated layers are one. */

import type { InspectedTensor } from "../inspect/inspect.ts";

/** A row of the table. */
export interface TensorRow {
  readonly depth: number;
  /** The name, or the part of it that the rows above don't have. */
  readonly label: string;
  /** The tensor's form, where the row is one. */
  readonly tensor?: Pick<InspectedTensor, "dtype" | "shape">;
  /** How many tensors, or trees of tensors, the row stands for. */
  readonly count: number;
  /** The size of all of them in bytes. */
  readonly bytes: number;
}

/** The most parts of a name that have a level of their own. What follows stays in one piece. */
const MAX_LEVELS = 24;

/** A part of a name, and what is below it. */
interface Node {
  readonly children: Map<string, Node>;
  tensor: InspectedTensor | undefined;
}

/** A child, or several that are alike. */
interface Group {
  readonly label: string;
  readonly node: Node;
  readonly count: number;
}

/** All tensors, a row each. */
export function flatRows(tensors: readonly InspectedTensor[]): TensorRow[] {
  return tensors.map(({ name, dtype, shape, bytes }) => ({
    depth: 0,
    label: name,
    tensor: { dtype, shape },
    count: 1,
    bytes,
  }));
}

/**
 * Tensors as a tree. Neighbours with consecutive numbers that hold the same names, dtypes and shapes are one:
 * `layers.0–15`.
 */
export function treeRows(tensors: readonly InspectedTensor[]): TensorRow[] {
  const root: Node = { children: new Map(), tensor: undefined };
  for (const tensor of tensors) {
    let node = root;
    for (const part of partsOf(tensor.name)) {
      let child = node.children.get(part);
      if (child === undefined) {
        child = { children: new Map(), tensor: undefined };
        node.children.set(part, child);
      }
      node = child;
    }
    node.tensor = tensor;
  }
  const rows: TensorRow[] = [];
  addRows(rows, root, "", 0, 1, new Forms());
  return rows;
}

function partsOf(name: string): string[] {
  const parts = name.split(".", MAX_LEVELS);
  const length = parts.reduce((sum, part) => sum + part.length + 1, 0);
  if (length <= name.length) parts.push(name.slice(length));
  return parts;
}

/** Adds the rows of what is below a node. */
function addRows(
  rows: TensorRow[],
  node: Node,
  prefix: string,
  depth: number,
  count: number,
  forms: Forms,
): void {
  for (const group of groupsOf(node, forms)) {
    let { label, node: child, count: times } = group;
    // What has nothing beside it needs no row of its own.
    while (child.tensor === undefined) {
      const [only, ...others] = groupsOf(child, forms);
      // Layers fold into the row of what they are layers of, but not into that of several.
      if (only === undefined || others.length > 0 || only.count > 1 && times > 1) break;
      label = `${label}.${only.label}`;
      times *= only.count;
      child = only.node;
    }
    const { tensor } = child;
    const all = count * times;
    rows.push({
      depth,
      label: prefix + label,
      tensor: tensor && { dtype: tensor.dtype, shape: tensor.shape },
      count: all,
      bytes: all * (tensor !== undefined && child.children.size > 0 ? tensor.bytes : forms.of(child).bytes),
    });
    addRows(rows, child, "", depth + 1, all, forms);
  }
}

/** The children of a node, those that are alike together. */
function groupsOf({ children }: Node, forms: Forms): Group[] {
  const groups: Group[] = [];
  let run: { first: number; last: number; node: Node; form: number } | undefined;
  const close = () => {
    if (run === undefined) return;
    const { first, last, node } = run;
    groups.push({
      label: first === last ? String(first) : `${first}–${last}`,
      node,
      count: last - first + 1,
    });
    run = undefined;
  };
  const isNumber = (key: string) => /^(?:0|[1-9]\d{0,8})$/.test(key);
  const nodes = [...children];
  // Files have layers in the order of their names, too: 0, 1, 10, 11, 2.
  if (nodes.every(([key]) => isNumber(key))) nodes.sort(([a], [b]) => Number(a) - Number(b));
  for (const [key, node] of nodes) {
    const number = isNumber(key) ? Number(key) : undefined;
    if (number === undefined) {
      close();
      groups.push({ label: key, node, count: 1 });
      continue;
    }
    const form = forms.of(node).id;
    if (run !== undefined && run.last + 1 === number && run.form === form) {
      run.last = number;
    } else {
      close();
      run = { first: number, last: number, node, form };
    }
  }
  close();
  return groups;
}

/** What nodes hold, as a number that is the same for the same. */
class Forms {
  readonly #forms = new Map<Node, { readonly id: number; readonly bytes: number }>();
  readonly #ids = new Map<string, number>();

  of(node: Node): { readonly id: number; readonly bytes: number } {
    const known = this.#forms.get(node);
    if (known !== undefined) return known;
    const { tensor, children } = node;
    let bytes = tensor?.bytes ?? 0;
    let text = tensor === undefined ? "" : `${tensor.dtype} [${tensor.shape}]`;
    for (const [key, child] of children) {
      const form = this.of(child);
      bytes += form.bytes;
      text += `\n${key} ${form.id}`;
    }
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.#ids.size;
      this.#ids.set(text, id);
    }
    const form = { id, bytes };
    this.#forms.set(node, form);
    return form;
  }
}
